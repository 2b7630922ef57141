"""Status codes of the core, as they travel in STATUS and CODE frames (`device/include/edgetwin/status.h`)."""

from __future__ import annotations

from enum import IntEnum


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


_TEXTS = {
    Status.OK: "ok",
    Status.ARGUMENT: "an argument is outside its documented range",
    Status.WORKSPACE: "workspace too small or not aligned to 4 bytes",
    Status.NOT_FINITE: "the signal holds NaN or infinity",
    Status.OVERFLOW: "a coefficient does not fit a float32",
    Status.CAPACITY: "the output buffer is too small",
    Status.TRUNCATED: "the data end too early",
    Status.MAGIC: "not an edgetwin bundle",
    Status.VERSION: "the format version is not supported",
    Status.CRC: "the CRC-32 does not match: the data are corrupted",
    Status.ID: "the content id does not match the payload",
    Status.KIND: "the bundle is of another kind",
    Status.FORMAT: "a field has an impossible value",
    Status.NORM: "an atom does not have unit norm",
    Status.FIT: "the bundle does not fit this board",
    Status.AUTH: "authentication failed or missing",
    Status.STATE: "no session: say hello first",
    Status.FLASH: "the bundle slot could not be erased or written",
    Status.CODEC: "the codec is not known",
    Status.NO_DICTIONARY: "the node holds no dictionary",
    Status.UNSUPPORTED: "the request is not supported by this node",
    Status.OFFSET: "upload data do not follow on what was received",
    Status.PENDING: "the next window is not complete yet",
}


def status_text(number: int) -> str:
    """English text of a status; "unknown status" for a number outside the table."""
    try:
        return _TEXTS[Status(number)]
    except ValueError:
        return "unknown status"
