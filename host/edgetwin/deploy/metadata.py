"""Metadata of a bundle: one CBOR map of plain values, for hosts; boards ignore it."""

from __future__ import annotations

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
    """The map at the start of `section`, {} for no bytes at all; the rest must be zero padding, under 16 bytes.

    Raises ImpossibleField for anything else, tagged values and deep nesting included.
    """
    if not section:
        return {}
    end = _item_end(section, 0, DEEPEST)
    if len(section) - end >= 16 or any(section[end:]):
        raise ImpossibleField("the bundle has bytes after its metadata: make it again")
    try:
        content = cbor2.loads(section[:end])
    except (cbor2.CBORDecodeError, ValueError, TypeError) as error:
        raise ImpossibleField(f"the bundle's metadata are not valid CBOR: {error}") from error
    if not isinstance(content, dict):
        raise ImpossibleField("the bundle's metadata are not a map: make it again")
    _check_plain(content, "metadata", DEEPEST)
    return content


def _item_end(section: bytes, start: int, depth: int) -> int:
    """Where the CBOR item that begins at `start` ends (RFC 8949, appendix C), before a decoder sees it.

    Only what can be plain and of known size: no tags, no indefinite lengths, nothing deeper than `depth`.
    """
    if start >= len(section):
        raise ImpossibleField("the bundle's metadata are cut: make it again")
    major, info = section[start] >> 5, section[start] & 31
    if info > 27 or major == 6 or depth < 0:
        raise ImpossibleField("the bundle's metadata hold a tag, an open end or too deep a nesting: make it again")
    width = 1 << (info - 24) if info >= 24 else 0
    value = int.from_bytes(section[start + 1 : start + 1 + width], "big") if width else info
    end = start + 1 + width
    if major in (2, 3):
        end += value
    elif major in (4, 5):
        # An item takes at least a byte, so this ends with the section, whatever `value` claims.
        for _ in range(value if major == 4 else 2 * value):
            end = _item_end(section, end, depth - 1)
    if end > len(section):
        raise ImpossibleField("the bundle's metadata are cut: make it again")
    return end


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
