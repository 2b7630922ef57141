"""Status codes of the core, as they travel in STATUS and CODE frames (`device/include/edgetwin/status.h`)."""

from __future__ import annotations

from enum import IntEnum

from edgetwin.core import status_text

__all__ = ["Status", "status_text"]


class Status(IntEnum):
    """What the core answers; the names are those of `status.h` without the prefixes."""

    OK = 0
    ARGUMENT = 1
    WORKSPACE = 2
    NOT_FINITE = 3
    OVERFLOW = 4
    CAPACITY = 5
    TRUNCATED = 6
    MAGIC = 7
    VERSION = 8
    CRC = 9
    ID = 10
    KIND = 11
    FORMAT = 12
    NORM = 13
    FIT = 14
    AUTH = 15
    STATE = 16
    FLASH = 17
    CODEC = 18
    NO_DICTIONARY = 19
    UNSUPPORTED = 20
    OFFSET = 21
    PENDING = 22
    KERNEL = 23
    TARGET = 24
    NO_MODEL = 25
    BUSY = 26
