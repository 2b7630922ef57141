"""Metadata of a bundle: one CBOR map of plain values, for hosts; boards ignore it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import cbor2

from edgetwin.deploy.container import ImpossibleField

__all__ = ["Metadata", "pack_metadata", "unpack_metadata"]

Metadata = dict[str, Any]

# Maps and lists inside one another, at most.
DEEPEST = 8


def pack_metadata(metadata: Mapping[str, Any]) -> bytes:
    """Canonical CBOR (RFC 8949, section 4.2): the same map gives the same bytes, so the same content id.

    Raises ImpossibleField for a value that is not text, bytes, a number, a truth value, None, or a list or map of such.
    """
    _check_plain(metadata, "metadata", DEEPEST)
    return cbor2.dumps(dict(metadata), canonical=True)


def unpack_metadata(section: bytes) -> Metadata:
    """The map at the start of `section`, {} for no bytes at all; the rest must be zero padding.

    Raises ImpossibleField for anything else, tagged values and deep nesting included.
    """
    if not section:
        return {}
    stream = io.BytesIO(section)
    try:
        content = cbor2.CBORDecoder(stream, read_size=1).decode()
    except (cbor2.CBORDecodeError, ValueError, OverflowError, RecursionError, MemoryError, TypeError) as error:
        raise ImpossibleField(f"the bundle's metadata are not valid CBOR: {error}") from error
    if not isinstance(content, dict):
        raise ImpossibleField("the bundle's metadata are not a map")
    padding = section[stream.tell() :]
    if len(padding) >= 16 or any(padding):
        raise ImpossibleField("the bundle has bytes after its metadata")
    _check_plain(content, "metadata", DEEPEST)
    return content


def _check_plain(value: object, name: str, depth: int) -> None:
    if depth < 0:
        raise ImpossibleField(f"{name[:80]}: nested more than {DEEPEST} deep")
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ImpossibleField(f"{name}: a key is {type(key).__name__}, not text")
            _check_plain(item, f"{name}.{key}", depth - 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_plain(item, f"{name}[]", depth - 1)
    elif type(value) not in (str, bytes, int, float, bool, type(None)):
        raise ImpossibleField(f"{name}: {type(value).__name__} is not a plain value")
