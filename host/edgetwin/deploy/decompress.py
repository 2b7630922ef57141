"""Samples from compressed files, or a check that they would come (`archive.py` has the format)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgetwin.core import Dictionary
from edgetwin.deploy.archive import ArchiveError, Block, BlockKind, Header
from edgetwin.deploy.archive_reader import ArchiveReader
from edgetwin.deploy.bundle import DictionaryBundle
from edgetwin.deploy.sample_files import RowWriter, in_type

__all__ = ["Decompressed", "decompress", "lost_rows", "recovered_type"]

#: Samples decoded, or filled in, at once.
_CHUNK_SAMPLES = 2**18


@dataclass(frozen=True)
class Decompressed:
    """What came out of a file: rows in all, of these lost ones; windows and blocks that were read."""

    rows: int
    lost: int
    windows: int
    blocks: int


def lost_rows(archive: ArchiveReader) -> int:
    """Rows in blocks that cannot be read."""
    return sum(_rows(archive.header, block) for block in archive.blocks(recover=True) if block.kind == BlockKind.LOST)


def recovered_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that holds a file's samples, and NaN for lost ones."""
    return dtype if dtype.kind == "f" else np.result_type(dtype, np.float32)


def decompress(
    archive: ArchiveReader,
    bundle: DictionaryBundle | None,
    write: RowWriter | None,
    *,
    dtype: np.dtype[Any] | None = None,
    recover: bool = False,
    progress: Callable[[int], Any] | None = None,
) -> Decompressed:
    """Reads all of a compressed file, decodes it and passes its rows on.

    bundle : what `archive.dictionary` gave
    write : None: only to see that it can be done
    dtype : of the rows; None: the file's
    recover : rows of blocks that cannot be read are NaN
    progress : called with the number of windows after some are decoded

    Raises ArchiveError for a block that is cut, corrupted, missing or of another dictionary, by number and byte.
    """
    header = archive.header
    target = dtype if dtype is not None else header.dtype
    core = None if bundle is None else Dictionary(bundle.to_bytes())
    rows = lost = windows = blocks = 0
    for group in _grouped(archive.blocks(recover=recover), header):
        decoded = _decoded(archive, core, [block for block in group if block.kind == BlockKind.PACKET])
        for block in group:
            count = _rows(header, block)
            for values in _values(header, block, decoded):
                if write is not None:
                    write(values.astype(target, copy=False))
            rows += count
            if block.kind == BlockKind.LOST:
                lost += count
            else:
                windows += block.windows
                blocks += 1
        if progress is not None:
            progress(sum(block.windows for block in group))
    return Decompressed(rows, lost, windows, blocks)


def _grouped(blocks: Iterator[Block], header: Header) -> Iterator[list[Block]]:
    """Blocks that are decoded together."""
    most = _CHUNK_SAMPLES // max(1, header.window * header.columns)
    group: list[Block] = []
    windows = 0
    for block in blocks:
        group.append(block)
        windows += block.windows
        if windows >= most:
            yield group
            group, windows = [], 0
    if group:
        yield group


def _decoded(archive: ArchiveReader, core: Dictionary | None, packets: list[Block]) -> Iterator[NDArray[np.float32]]:
    """The windows of each packet."""
    if core is None:
        return iter(())
    counts = np.array([block.windows for block in packets], np.intp)
    ends = np.cumsum(counts)
    decoded = core.decode([block.payload for block in packets], counts)
    for block, end in zip(packets, ends.tolist(), strict=True):
        if decoded.status[end - 1]:
            raise ArchiveError(f"{archive.path}: {block} does not decode with its dictionary: make the file again")
    return iter(np.split(decoded.signals, ends[:-1]) if len(ends) else ())


def _rows(header: Header, block: Block) -> int:
    return block.windows * header.window or header.tail_rows


def _values(header: Header, block: Block, decoded: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[Any]]:
    """A block's rows (k, columns) in the file's type, lost ones a part at a time and NaN."""
    if block.kind == BlockKind.PACKET:
        yield in_type(next(decoded), header.dtype).reshape(-1, header.columns)
    elif block.kind == BlockKind.LOST:
        missing = _rows(header, block)
        most = max(1, _CHUNK_SAMPLES // header.columns)
        for start in range(0, missing, most):
            yield np.full((min(most, missing - start), header.columns), np.nan, np.float32)
    else:
        samples = np.frombuffer(block.payload, header.dtype.newbyteorder("<"))
        yield samples.reshape(-1, header.columns)
