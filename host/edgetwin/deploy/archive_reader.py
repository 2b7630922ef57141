"""Compressed files, read block by block, and what is whole of damaged ones."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from edgetwin.deploy.archive import ArchiveError, Block, BlockKind, open_header, read_block, unfold
from edgetwin.deploy.bundle import DictionaryBundle
from edgetwin.errors import UserError

__all__ = ["ArchiveReader"]

_RESCUE = "copy the file again; edgetwin decompress --recover writes what is whole"


class ArchiveReader:
    """A compressed file, its header checked. Use it as a context manager.

    Raises ArchiveError for a file that is no compressed file, is of a newer format, or has a bad header, and UserError
    for one that cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if path.is_dir():
                raise ArchiveError(f"{path}: a folder, not a file")
            with path.open("rb") as file:
                if path.stat().st_size == 0:
                    raise ArchiveError(f"{path}: the file is empty")
                self._content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror or error}") from error
        try:
            self._opening = open_header(self._content)
        except ArchiveError as error:
            self._content.close()
            raise ArchiveError(f"{path}: {error}") from error
        self.header = self._opening.header

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._content.close()

    def dictionary(self, beside: Path | None = None) -> DictionaryBundle | None:
        """The dictionary that the windows need, from the file or `beside` it; None without windows.

        Raises ArchiveError if it is not there, not whole, or another.
        """
        header, opening = self.header, self._opening
        if not header.window:
            return None
        if beside is not None:
            bundle = DictionaryBundle.load(beside)
            if bundle.id != header.dictionary_id:
                raise ArchiveError(
                    f"{self.path}: made with dictionary {header.dictionary_id:016x}, {beside} is {bundle.id:016x}: "
                    "give that one"
                )
        elif opening.dictionary == opening.blocks:
            raise ArchiveError(
                f"{self.path}: its dictionary, {header.dictionary_id:016x}, is not in it: give it with --dictionary"
            )
        else:
            try:
                bundle = unfold(self._content[opening.dictionary : opening.blocks])
            except ArchiveError as error:
                raise ArchiveError(
                    f"{self.path}: its dictionary, at byte {opening.dictionary}, {error}: copy the file again"
                ) from error
        fits = header.window * header.columns == bundle.m and header.columns in (bundle.channels, bundle.m)
        if not fits or bundle.id != header.dictionary_id:
            raise ArchiveError(f"{self.path}: its dictionary is not that of its windows: make it again")
        return bundle

    def blocks(self, *, recover: bool = False) -> Iterator[Block]:
        """The blocks in order, without the end.

        recover : blocks that cannot be read become LOST ones, instead of an ArchiveError
        """
        header, window, number, offset = self.header, 0, 1, self._opening.blocks
        tail_missing = header.tail_rows > 0
        while True:
            try:
                block = self._next(number, offset, window, tail_missing)
            except ArchiveError as error:
                if not recover:
                    raise ArchiveError(f"{self.path}: {error}: {_RESCUE}") from error
                found = self._next_whole(number, offset, window)
                end = header.windows if found is None else found.first
                if end > window:
                    yield _lost(end - window, window, number, offset)
                window = end
                if found is None or found.kind == BlockKind.END or (found.kind == BlockKind.TAIL and not tail_missing):
                    break
                block = found
            if block.kind == BlockKind.END:
                return
            yield block
            tail_missing = tail_missing and block.kind != BlockKind.TAIL
            window, number, offset = window + block.windows, number + 1, block.end
        if tail_missing:
            yield _lost(0, window, number, offset)

    def _next(self, number: int, offset: int, window: int, tail_missing: bool) -> Block:
        """The block that must stand at an offset, or ArchiveError."""
        header, size = self.header, len(self._content)
        block = read_block(self._content, self._opening, number, offset)
        if block.first != window & 0xFFFFFFFF:
            raise ArchiveError(f"{block} is corrupted, its CRC-32 does not match")
        if window + block.windows > header.windows:
            raise ArchiveError(f"{block} holds more windows than the file has")
        if block.kind == BlockKind.TAIL and not (tail_missing and window == header.windows):
            raise ArchiveError(f"{block} is not where a tail belongs")
        if block.kind == BlockKind.END and (tail_missing or window != header.windows):
            raise ArchiveError(f"ends in {block}, before its last row")
        if block.kind == BlockKind.END and block.end != size:
            raise ArchiveError(f"has {size - block.end} bytes after its end, from byte {block.end} on")
        return block

    def _next_whole(self, number: int, offset: int, window: int) -> Block | None:
        """The next block that can be read, from `offset` on, where one of a later window may stand if some are missing.

        Another must follow it, or the file end with it: one CRC-32 matches some window's number by chance.
        """
        size = len(self._content)
        for start in range(offset, size):
            try:
                block = read_block(self._content, self._opening, number, start)
                if not window + (start == offset) <= block.first <= self.header.windows - block.windows:
                    continue
                if block.kind == BlockKind.END and block.end == size:
                    return block
                if read_block(self._content, self._opening, number, block.end).first == block.first + block.windows:
                    return block
            except ArchiveError:
                continue
        return None


def _lost(windows: int, first: int, number: int, offset: int) -> Block:
    return Block(BlockKind.LOST, windows, first, b"", number, offset, offset)
