"""Files of samples that need not fit in memory: read in rows, written in rows, of the type that they have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgetwin.data import read_samples
from edgetwin.errors import UserError
from edgetwin.files import writing

__all__ = ["RowWriter", "SampleFile", "check_distinct", "in_type", "open_samples", "writing_rows"]


@dataclass(frozen=True, eq=False)
class SampleFile:
    """The array of a file, mapped where it is an .npy file.

    array : (rows,), (rows, columns) or (images, height, width) of real numbers
    names : of the columns; () where they are channel_1, channel_2 and so on
    series_rows : as of :class:`~edgetwin.data.Samples`
    """

    array: NDArray[Any]
    names: tuple[str, ...] = ()
    series_rows: int | None = None

    @property
    def titles(self) -> tuple[str, ...]:
        """Names of the columns, made up if they have none."""
        return self.names or _usual_names(self.columns)

    @property
    def columns(self) -> int:
        """Samples a row."""
        return math.prod(self.array.shape[1:])

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Rows (stop - start, columns), as they are in the file."""
        part = self.array[start:stop]
        return np.ascontiguousarray(part).reshape(len(part), -1)


def open_samples(path: Path, *, integers: bool = False) -> SampleFile:
    """A file of samples; NaN and infinity may be in it.

    integers : samples of a text file that are all integers become int32, others float32

    Raises DataError for a file that cannot be used.
    """
    if path.suffix.lower() == ".npy":
        try:
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError):
            mapped = None  # the reader has the words for it
        if isinstance(mapped, np.ndarray) and mapped.dtype.kind in "biuf" and mapped.size and mapped.ndim in (1, 2, 3):
            return SampleFile(mapped)
    samples = read_samples(path, allow_nan=True)
    values: NDArray[Any] = samples.values
    if integers and np.isfinite(values).all() and (np.rint(values) == values).all() and np.abs(values).max() <= 2**24:
        values = values.astype(np.int32)
    names = () if samples.names == _usual_names(values.shape[1]) else samples.names
    return SampleFile(values, names, samples.series_rows)


def in_type(values: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Samples in a file's type: the nearest integers, held within its range, where it is one of integers."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    if dtype.kind == "b":
        return values >= 0.5
    limits = np.iinfo(dtype)
    nearest = np.rint(values.astype(np.float64))
    low, high = nearest <= limits.min, nearest >= limits.max  # float64 does not hold the largest 64-bit integers
    result = np.where(low | high, 0, nearest).astype(dtype)
    result[low], result[high] = limits.min, limits.max
    return result


def check_distinct(source: Path, output: Path, others: Mapping[str, Path | None] | None = None) -> None:
    """Raises UserError where two of them are one file, under whatever name, or the output is a folder.

    others : by what they are called, such as "--report"; None for one that is not given
    """
    source = source if source.exists() else Path(str(source).rpartition(":")[0] or source)  # FILE.npz:KEY
    if output.is_dir():
        raise UserError(f"{output}: a folder, not a file")
    named = {"the input": source, "--output": output, **(others or {})}
    given = ((name, path) for name, path in named.items() if path is not None)
    for (one, path), (other, same) in combinations(given, 2):
        if path.resolve() == same.resolve() or (path.exists() and same.exists() and path.samefile(same)):
            raise UserError(f"{same}: {one} and {other} would be one file: give another name")


class RowWriter(Protocol):
    """Takes the rows of an array one after another."""

    def __call__(self, rows: NDArray[Any]) -> None:
        """Adds rows (k, columns)."""


@contextmanager
def writing_rows(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], names: tuple[str, ...]
) -> Iterator[RowWriter]:
    """An .npy or .csv file of an array, written as its rows come. Raises UserError, for another ending too."""
    ending = path.suffix.lower()
    if ending not in (".npy", ".csv"):
        raise UserError(f"{path}: samples are written as .npy or .csv")
    with writing(path) as file:
        if ending == ".npy":
            head = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, head)
        else:
            titles = names or _usual_names(math.prod(shape[1:]))
            file.write((",".join(map(_cell, titles)) + "\n").encode())

        def npy(rows: NDArray[Any]) -> None:
            file.write(rows.astype(dtype, copy=False).tobytes())

        def csv(rows: NDArray[Any]) -> None:
            cells = rows.astype(np.uint8 if rows.dtype == bool else rows.dtype.newbyteorder("=")).astype(str)
            file.write("".join(",".join(row) + "\n" for row in cells.tolist()).encode())

        yield npy if ending == ".npy" else csv


def _usual_names(columns: int) -> tuple[str, ...]:
    return tuple(f"channel_{i}" for i in range(1, columns + 1))


def _cell(name: str) -> str:
    return f'"{name.replace(chr(34), chr(34) * 2)}"' if set(name) & set(',";\n\r') else name
