"""The container that every bundle has: a 32-byte header and a payload (device/FORMATS.md, "Bundle").

Its checks are the core's (et_bundle_open), in the same order and with the same status numbers; tests hold one
against the other.
"""

# ruff: noqa: N818 - the names say what is wrong, as in "except NotABundle"

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import ClassVar, TypeVar

from edgetwin.errors import UserError

__all__ = [
    "HEADER_SIZE",
    "BundleError",
    "Corrupted",
    "ImpossibleField",
    "Kind",
    "MissingKernel",
    "NotABundle",
    "NotNormalised",
    "Truncated",
    "UnknownCodec",
    "UnknownVersion",
    "WrongId",
    "WrongKind",
    "WrongTarget",
    "content_id",
    "load",
    "pad16",
    "unwrap",
    "wrap",
]

MAGIC = b"ETBN"
FORMAT_VERSION = 1
HEADER_SIZE = 32
ENDINGS = {1: "a dictionary (.etd)", 2: "a model (.etm)", 3: "a recording (.etr)"}

_Bundle = TypeVar("_Bundle")

# magic, version, kind, flags, payload length | CRC-32 | content id, zero
_BEFORE_CRC = struct.Struct("<4sHBBI")
_CRC = struct.Struct("<I")
_AFTER_CRC = struct.Struct("<QQ")


class Kind(IntEnum):
    """What a bundle holds."""

    DICTIONARY = 1
    MODEL = 2
    RECORDING = 3


class BundleError(UserError):
    """A bundle that cannot be made or used; `status` is the core's number for it (status.h)."""

    status: ClassVar[int]


class Truncated(BundleError):
    """The bytes end before the bundle does."""

    status = 6


class NotABundle(BundleError):
    """The first bytes are not a bundle's."""

    status = 7


class UnknownVersion(BundleError):
    """The format version is not this package's."""

    status = 8


class Corrupted(BundleError):
    """The CRC-32 does not match."""

    status = 9


class WrongId(BundleError):
    """The content id is not the payload's."""

    status = 10


class WrongKind(BundleError):
    """A bundle of another kind than the one asked for."""

    status = 11


class ImpossibleField(BundleError):
    """A field has a value that no bundle can have."""

    status = 12


class NotNormalised(BundleError):
    """An atom does not have unit norm, or is not finite."""

    status = 13


class UnknownCodec(BundleError):
    """The codec, or its parameter, is not known."""

    status = 18


class MissingKernel(BundleError):
    """The model needs a kernel that is not linked."""

    status = 23


class WrongTarget(BundleError):
    """The model is packed for another kind of core."""

    status = 24


def content_id(payload: bytes) -> int:
    """The first 8 bytes of SHA-256(payload), little endian."""
    return int.from_bytes(hashlib.sha256(payload).digest()[:8], "little")


def pad16(section: bytes) -> bytes:
    """A section, filled with zeros to a multiple of 16 bytes."""
    return section + bytes(-len(section) % 16)


def wrap(kind: Kind, payload: bytes) -> bytes:
    """A bundle of `payload`, whose length is a multiple of 16."""
    if len(payload) % 16:
        raise ValueError(f"a payload of {len(payload)} bytes is not a multiple of 16")
    before = _BEFORE_CRC.pack(MAGIC, FORMAT_VERSION, kind, 0, len(payload))
    after = _AFTER_CRC.pack(content_id(payload), 0) + payload
    return before + _CRC.pack(zlib.crc32(after, zlib.crc32(before))) + after


def unwrap(kind: Kind, bundle: bytes) -> bytes:
    """The checked payload of a bundle; bytes after it are ignored.

    Raises the BundleError that names what is wrong.
    """
    if len(bundle) < HEADER_SIZE:
        raise Truncated(f"the bundle is cut: {len(bundle)} bytes, the header alone has {HEADER_SIZE}: copy it again")
    magic, version, found, flags, length = _BEFORE_CRC.unpack_from(bundle)
    if magic != MAGIC:
        raise NotABundle("not an edgetwin bundle: give a file that edgetwin learn or compile wrote")
    if version > FORMAT_VERSION:
        raise UnknownVersion(f"the bundle has format {version}, this edgetwin reads {FORMAT_VERSION}: upgrade edgetwin")
    if version != FORMAT_VERSION:
        raise UnknownVersion(f"there is no bundle format {version}: make the bundle again")
    (crc,) = _CRC.unpack_from(bundle, _BEFORE_CRC.size)
    identity, reserved = _AFTER_CRC.unpack_from(bundle, _BEFORE_CRC.size + _CRC.size)
    if length % 16 or flags or reserved:
        raise ImpossibleField("the bundle's header has an impossible value: it is corrupted, copy it again")
    payload = bytes(bundle[HEADER_SIZE : HEADER_SIZE + length])
    if len(payload) < length:
        raise Truncated(f"the bundle is cut: {len(bundle)} of {HEADER_SIZE + length} bytes: copy it again")
    before, after = bundle[: _BEFORE_CRC.size], bundle[_BEFORE_CRC.size + _CRC.size : HEADER_SIZE]
    if zlib.crc32(payload, zlib.crc32(after, zlib.crc32(before))) != crc:
        raise Corrupted("the bundle is corrupted, its CRC-32 does not match: copy it again")
    if content_id(payload) != identity:
        raise WrongId("the bundle's content id is not its payload's: make the bundle again")
    if found != kind:
        raise WrongKind(f"the bundle holds {ENDINGS.get(found, f'kind {found}')}, not {ENDINGS[kind]}")
    return payload


def load(path: str | Path, parse: Callable[[bytes], _Bundle]) -> _Bundle:
    """What `parse` makes of a file's bytes. Raises UserError, or parse's BundleError with the path in front."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        return parse(content)
    except BundleError as error:
        raise type(error)(f"{path}: {error}") from error
