"""Compressed files (.etc), as device/FORMATS.md lays them out: a header, a dictionary, blocks of windows, an end.

What is here knows bytes and blocks; samples become windows in compress.py and samples again in decompress.py.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, BinaryIO

import numpy as np

from edgetwin.deploy.bundle import MAX_SAMPLES, DictionaryBundle
from edgetwin.deploy.container import BundleError
from edgetwin.deploy.metadata import pack_metadata, unpack_metadata
from edgetwin.errors import UserError

__all__ = [
    "DTYPES",
    "ArchiveError",
    "ArchiveWriter",
    "Block",
    "BlockKind",
    "Header",
    "Opening",
    "fold",
    "open_header",
    "read_block",
    "unfold",
]

MAGIC = b"ETCF"
FORMAT_VERSION = 1
#: Types of samples that a file may have, in either byte order.
DTYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")

# magic, version, flags, metadata bytes, dictionary bytes, dictionary id | CRC-32 of these and the metadata
_FIXED = struct.Struct("<4sHHIIQ")
_CRC = struct.Struct("<I")
#: Bytes of a bundle that a dictionary may unfold to: 4 x 4096 x 16384 and its tables.
_MOST_BUNDLE = 2**29
#: Bytes before a block's payload: kind, windows and a varint below 2^35.
_MOST_HEAD = 7


class ArchiveError(UserError):
    """A compressed file that cannot be read; the message says which part of it, where, and what to do."""


class BlockKind(IntEnum):
    """What a block holds. LOST is in no file: it stands for the windows, or the tail, of blocks that cannot be read."""

    END = 0
    PACKET = 1
    RAW = 2
    TAIL = 3
    LOST = 255


@dataclass(frozen=True)
class Block:
    """A block.

    first : number of its first window
    number, offset : of it in the file, 1 and up, and of its first byte
    end : offset of the byte after it
    """

    kind: BlockKind
    windows: int
    first: int
    payload: bytes
    number: int
    offset: int
    end: int

    def __str__(self) -> str:
        return f"block {self.number} at byte {self.offset}"


@dataclass(frozen=True, eq=False)
class Header:
    """What a compressed file says of its samples.

    shape : of the array, 1 to 3 dimensions; the first counts rows
    dtype : of the samples
    names : of the columns; () where they are channel_1, channel_2 and so on
    window : rows of a window; 0: no windows, all rows are the tail
    dictionary_id : content id of the bundle that the windows need; 0 without windows
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    names: tuple[str, ...]
    window: int = 0
    dictionary_id: int = 0

    @property
    def rows(self) -> int:
        """Rows of samples."""
        return self.shape[0]

    @property
    def columns(self) -> int:
        """Samples a row."""
        return math.prod(self.shape[1:])

    @property
    def windows(self) -> int:
        """Windows in the file."""
        return self.rows // self.window if self.window else 0

    @property
    def tail_rows(self) -> int:
        """Rows that do not fill a window."""
        return self.rows - self.windows * self.window

    def to_bytes(self, dictionary_bytes: int) -> bytes:
        """The bytes before the dictionary, which takes so many."""
        # Only what differs from what a reader takes for granted.
        metadata: dict[str, Any] = {"shape": list(self.shape), "dtype": self.dtype.str}
        if self.window:
            metadata["window"] = self.window
        if self.names:
            metadata["names"] = list(self.names)
        text = pack_metadata(metadata)
        fixed = _FIXED.pack(MAGIC, FORMAT_VERSION, 0, len(text), dictionary_bytes, self.dictionary_id)
        return fixed + _CRC.pack(zlib.crc32(text, zlib.crc32(fixed))) + text


@dataclass(frozen=True, eq=False)
class Opening:
    """What stands before the blocks; the dictionary is at content[dictionary:blocks], empty where it lies beside.

    seed : CRC-32 of the header, from which the blocks' go on: those of another file do not fit
    """

    header: Header
    dictionary: int
    blocks: int
    seed: int


class ArchiveWriter:
    """Writes a compressed file, block by block. Raises OSError where the file cannot take it.

    dictionary : the bundle to put inside, or None

    `bytes` are those written so far, `dictionary_bytes` those of the dictionary in the file.
    """

    def __init__(self, file: BinaryIO, header: Header, dictionary: DictionaryBundle | None) -> None:
        self._file = file
        self._window = 0
        folded = fold(dictionary) if dictionary is not None else b""
        head = header.to_bytes(len(folded))
        self._seed = zlib.crc32(head)
        self._file.write(head + folded)
        self.bytes, self.dictionary_bytes = len(head) + len(folded), len(folded)

    def add(self, kind: BlockKind, windows: int, payload: bytes) -> None:
        """Adds a block of 1 to 255 windows, or of the tail with none."""
        block = bytes([kind, windows]) + _varint(len(payload)) + payload
        # The number of the first window costs no byte, and a block that is lost or out of place is noticed.
        block += _CRC.pack(zlib.crc32(block, self._seed) ^ (self._window & 0xFFFFFFFF))
        self._file.write(block)
        self._window += windows
        self.bytes += len(block)

    def end(self) -> None:
        """Marks the file as whole."""
        self.add(BlockKind.END, 0, b"")


def open_header(content: Any) -> Opening:
    """The header at the start of a file's content, which can be sliced to bytes. Raises ArchiveError."""
    fixed = bytes(content[: _FIXED.size])
    if fixed[:4] != MAGIC[: len(fixed)]:
        raise ArchiveError("not a compressed file: give one that edgetwin compress wrote")
    if len(fixed) < _FIXED.size:
        raise ArchiveError(f"cut in its header, at byte {len(fixed)}: copy it again")
    _, version, flags, text_bytes, dictionary_bytes, identity = _FIXED.unpack(fixed)
    if version > FORMAT_VERSION:
        raise ArchiveError(f"has format {version}, this edgetwin reads {FORMAT_VERSION}: upgrade edgetwin")
    text_at = _FIXED.size + _CRC.size
    crc, text = bytes(content[_FIXED.size : text_at]), bytes(content[text_at : text_at + text_bytes])
    blocks = text_at + text_bytes + dictionary_bytes
    if len(crc) < _CRC.size or len(text) < text_bytes:
        raise ArchiveError(f"cut or corrupted in its header, before byte {text_at + text_bytes}: copy it again")
    if zlib.crc32(text, zlib.crc32(fixed)) != _CRC.unpack(crc)[0] or flags or version != FORMAT_VERSION:
        raise ArchiveError(f"its header is corrupted, the CRC-32 at byte {_FIXED.size} does not match: copy it again")
    if blocks > len(content):
        raise ArchiveError(f"cut in its dictionary, at byte {len(content)}: copy it again")
    try:
        header = _header(unpack_metadata(text), identity)
    except (BundleError, TypeError, ValueError) as error:
        raise ArchiveError("its header holds what edgetwin does not write: make the file again") from error
    if not header.window and header.rows * header.columns * header.dtype.itemsize > len(content):
        raise ArchiveError(f"cut in its only block, at byte {len(content)}: copy it again")
    return Opening(header, text_at + text_bytes, blocks, zlib.crc32(fixed + crc + text))


def read_block(content: Any, opening: Opening, number: int, offset: int) -> Block:
    """The block at an offset. It is whole only if its `first` is the number that it must have.

    Raises ArchiveError for bytes that are no block.
    """
    place = f"block {number} at byte {offset}"
    head = content[offset : offset + _MOST_HEAD]
    if not head:
        raise ArchiveError(f"cut before {place}")
    length, start = 0, 2
    for shift, byte in enumerate(head[2:]):
        length |= (byte & 0x7F) << 7 * shift
        start += 1
        if byte < 0x80:
            break
    else:
        raise ArchiveError(f"{place} is corrupted or cut in its length")
    if head[0] not in _LENGTHS or not _LENGTHS[head[0]](opening.header, head[1], length):
        raise ArchiveError(f"{place} is corrupted: no block has such a kind, windows and length")
    crc_at = offset + start + length
    if crc_at + _CRC.size > len(content):
        raise ArchiveError(f"cut in {place}")
    (stamp,) = _CRC.unpack(content[crc_at : crc_at + _CRC.size])
    first = stamp ^ zlib.crc32(content[offset:crc_at], opening.seed)
    payload = content[offset + start : crc_at]
    return Block(BlockKind(head[0]), head[1], first, payload, number, offset, crc_at + _CRC.size)


def fold(bundle: DictionaryBundle) -> bytes:
    """A bundle as it lies in a compressed file."""
    return zlib.compress(bundle.to_bytes(), 9)


def unfold(folded: bytes) -> DictionaryBundle:
    """What `fold` was given. Raises ArchiveError."""
    inflater = zlib.decompressobj()
    try:
        bundle = inflater.decompress(folded, _MOST_BUNDLE)
        if inflater.eof:
            return DictionaryBundle.from_bytes(bundle)
    except (zlib.error, BundleError) as error:
        raise ArchiveError(f"is corrupted ({error})") from error
    raise ArchiveError("is corrupted")


def _header(fields: dict[str, Any], identity: int) -> Header:
    """Raises ValueError or TypeError for fields that no file has."""
    shape, window = tuple(fields["shape"]) if "shape" in fields else (), fields.get("window", 0)
    dtype = np.dtype(str(fields.get("dtype")))
    if not (1 <= len(shape) <= 3 and all(type(size) is int and 1 <= size < 2**48 for size in shape)):
        raise ValueError("shape")
    header = Header(shape, dtype, (), window, identity)
    if dtype.str[1:] not in DTYPES or type(window) is not int or not 0 <= window * header.columns <= MAX_SAMPLES:
        raise ValueError("dtype or window")
    if "names" not in fields:
        return header
    names = tuple(fields["names"])
    if len(names) != header.columns or not all(isinstance(name, str) for name in names):
        raise ValueError("names")
    return Header(shape, dtype, names, window, identity)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the top bit set (LEB128)."""
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    content.append(value)
    return bytes(content)


def _packet_fits(header: Header, windows: int, length: int) -> bool:
    # A window's code has at most an index and a float32 a sample (device/FORMATS.md, "Code").
    return windows > 0 and length <= windows * (8 * header.window * header.columns + 16)


def _raw_fits(header: Header, windows: int, length: int) -> bool:
    return windows > 0 and length == windows * header.window * header.columns * header.dtype.itemsize


def _tail_fits(header: Header, windows: int, length: int) -> bool:
    return windows == 0 and length == header.tail_rows * header.columns * header.dtype.itemsize


def _end_fits(header: Header, windows: int, length: int) -> bool:
    return windows == 0 and length == 0


#: Whether a block of a kind may have so many windows and bytes.
_LENGTHS: dict[int, Callable[[Header, int, int], bool]] = {
    BlockKind.PACKET: _packet_fits,
    BlockKind.RAW: _raw_fits,
    BlockKind.TAIL: _tail_fits,
    BlockKind.END: _end_fits,
}
