"""A folder of .npy, .parquet or zarr as one Dask array of signals: read in pieces, where and when they are needed."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.data.samples import DataError

__all__ = ["open_folder"]

# Bytes of a piece of an .npy file: what a task reads at a time.
PIECE_BYTES = 2**26


def open_folder(path: str | Path) -> Any:
    """The signals in a folder, a row each, as a Dask array (N, m) of which nothing is read yet.

    Parameters
    ----------
    path : a zarr array, or a folder that holds arrays (N_i, m) of one kind: .npy files, .parquet files whose columns
        are the samples of a signal, or zarr arrays (a zarr group). They follow each other sorted by name; other files
        and folders in it are passed over. On a cluster every worker must see it under this path.

    Raises
    ------
    DataError : for a folder that is missing, holds none of these or several kinds, or arrays of different widths, not
        two-dimensional or not of real numbers; and where Dask or the reader of a kind is not installed.
    """
    folder = Path(path)
    if not folder.exists():
        raise DataError(f"{folder}: no such folder")
    if not folder.is_dir():
        raise DataError(f"{folder}: a file, not a folder")
    array: Any = _import("dask.array", folder)
    if _is_zarr(folder):
        kind, parts = "zarr", [folder]
    else:
        kind, parts = _parts(folder)
    width, first, pieces = 0, parts[0], []
    for part in parts:
        opened = [piece for piece in _OPENERS[kind](part, first) if piece.shape[0]]
        for piece in opened:
            if width and piece.shape[1] != width:
                raise DataError(
                    f"{part}: signals of {piece.shape[1]} samples, {first.name} has {width}: all must be equally long"
                )
            width = piece.shape[1]
        pieces += opened
    if not pieces or not width:
        raise DataError(f"{folder}: its {kind} {'array' if kind == 'zarr' else 'files'} hold no signal")
    return array.concatenate(pieces, axis=0)


def _parts(folder: Path) -> tuple[str, list[Path]]:
    """The kind of arrays in a folder, and where they are."""
    found: dict[str, list[Path]] = {}
    for entry in sorted(folder.iterdir()):
        kind = "zarr" if entry.is_dir() and _is_zarr(entry) else entry.suffix.lower()
        if kind in _OPENERS and not entry.name.startswith((".", "_")):
            found.setdefault(kind, []).append(entry)
    if not found:
        raise DataError(f"{folder}: no .npy or .parquet file and no zarr array in this folder")
    if len(found) > 1:
        raise DataError(f"{folder}: holds {' and '.join(sorted(found))}: give a folder of one kind")
    return next(iter(found.items()))


def _is_zarr(folder: Path) -> bool:
    """Whether the folder is a zarr array, of version 3 or 2; a group is not."""
    if (folder / ".zarray").is_file():
        return True
    try:
        metadata = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(metadata, dict) and metadata.get("node_type") == "array"


def _open_npy(file: Path, first: Path) -> Iterator[Any]:
    try:
        mapped = np.load(file, mmap_mode="r", allow_pickle=False)
        shape, dtype = _checked(file, mapped.shape, mapped.dtype)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(
            f"{file}: not a readable .npy file of numbers: it is cut, empty, of another format, or holds Python objects"
        ) from error
    rows = max(1, PIECE_BYTES // max(1, shape[1] * dtype.itemsize))
    for start in range(0, shape[0], rows):
        stop = min(start + rows, shape[0])
        yield _piece(_read_npy, file, start, stop, shape=(stop - start, shape[1]), dtype=dtype)


def _read_npy(file: Path, start: int, stop: int) -> npt.NDArray[Any]:
    return np.array(np.load(file, mmap_mode="r", allow_pickle=False)[start:stop])


def _open_parquet(file: Path, first: Path) -> Iterator[Any]:
    """A piece a row group, missing cells as NaN."""
    parquet: Any = _import("pyarrow.parquet", file)
    types: Any = _import("pyarrow.types", file)
    arrow: Any = _import("pyarrow", file)
    try:
        opened = parquet.ParquetFile(file)
    except (arrow.ArrowException, OSError) as error:
        cause = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{file}: not a readable .parquet file ({cause})") from error
    for field in opened.schema_arrow:
        if not (types.is_integer(field.type) or types.is_floating(field.type) or types.is_boolean(field.type)):
            raise DataError(f"{file}: column {field.name!r} is not numeric ({field.type}): remove the column")
    names = opened.schema_arrow.names
    if names != (expected := parquet.read_schema(first).names):
        raise DataError(
            f"{file}: columns {', '.join(names)}; {first.name} has {', '.join(expected)}: all need the same"
        )
    for group in range(opened.num_row_groups):
        rows = opened.metadata.row_group(group).num_rows
        yield _piece(_read_parquet, file, group, shape=(rows, len(names)), dtype=np.dtype(np.float64))


def _read_parquet(file: Path, group: int) -> npt.NDArray[np.float64]:
    arrow: Any = _import("pyarrow", file)
    parquet: Any = _import("pyarrow.parquet", file)
    table = parquet.ParquetFile(file).read_row_group(group)
    return np.stack([column.cast(arrow.float64()).to_numpy() for column in table.columns], axis=1)


def _open_zarr(folder: Path, first: Path) -> Iterator[Any]:
    """One piece, in the chunks that the array is stored in."""
    _import("zarr", folder)
    array: Any = _import("dask.array", folder)
    try:
        stored = array.from_zarr(str(folder))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(f"{folder}: not a readable zarr array: its metadata is damaged") from error
    _checked(folder, stored.shape, stored.dtype)
    yield stored


def _checked(part: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if len(shape) != 2:
        raise DataError(f"{part}: an array of shape {shape}; signals are rows of a two-dimensional one (N, m)")
    if dtype.kind not in "biuf":
        raise DataError(f"{part}: holds {dtype}, not real numbers")
    return shape, dtype


def _piece(read: Callable[..., Any], *arguments: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """A Dask array of one chunk."""
    dask: Any = importlib.import_module("dask")
    array: Any = importlib.import_module("dask.array")
    return array.from_delayed(dask.delayed(read)(*arguments), shape=shape, dtype=dtype)


def _import(module: str, path: Path) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise DataError(
            f"{path}: reading it in pieces needs {package}, which is not installed: pip install 'edgetwin[cluster]'"
        ) from error


_OPENERS: dict[str, Callable[[Path, Path], Iterator[Any]]] = {
    ".npy": _open_npy,
    ".parquet": _open_parquet,
    "zarr": _open_zarr,
}
