"""Samples from the user's files: .npy, .npz, .csv, .tsv, .parquet and .ts, each bad one refused in one clear line."""

from __future__ import annotations

import csv
import importlib
import re
import zipfile
import zlib
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.data.samples import DataError, Samples, samples_from
from edgetwin.data.ts import read_ts

__all__ = ["read_samples"]

# What a cell without a value is called, in lower case.
MISSING = {"", "nan", "na", "n/a", "null", "none", "?"}
# Most names of arrays that an error message lists.
LISTED = 12
_ARCHIVE_MEMBER = re.compile(r"(?P<file>.+\.npz):(?P<key>[^/\\:]+)", re.IGNORECASE)
# What NumPy raises for a file that is not what its name says.
_UNREADABLE = (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)
# NumPy's own message would advise to load Python objects, which is never done here.
_CAUSES = "it is cut, damaged, of another format, or holds Python objects"


def read_samples(path: str | Path, *, allow_nan: bool = False) -> Samples:
    """Reads a file as rows of samples, a column a channel.

    Parameters
    ----------
    path : the file; its ending says the format. `FILE.npz:KEY` picks one array of several.
    allow_nan : lets NaN and infinity through, missing cells as NaN.

    One-dimensional data are one channel. A .ts file's series follow each other in time (`Samples.series_rows`).

    Raises
    ------
    DataError : for a file that is missing, empty, cut, not numeric, complex, of the wrong shape, or that holds values
        that are not finite where `allow_nan` is false.
    """
    file, key = _split_key(Path(path))
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise DataError(f"{file}: not a known format; give one of {', '.join(_READERS)}")
    if file.is_dir():
        raise DataError(f"{file}: a folder, not a file")
    if not file.exists():
        raise DataError(f"{file}: no such file")
    try:
        if file.stat().st_size == 0:
            raise DataError(f"{file}: the file is empty")
        if reader is _read_npz:
            return _read_npz(file, key).checked(str(path), allow_nan=allow_nan)
        return reader(file).checked(str(path), allow_nan=allow_nan)
    except (PermissionError, IsADirectoryError) as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from error


def _split_key(path: Path) -> tuple[Path, str | None]:
    """`FILE.npz:KEY` in its parts; a file that really has this name goes first."""
    match = _ARCHIVE_MEMBER.fullmatch(str(path))
    if match is None or path.exists():
        return path, None
    return Path(match["file"]), match["key"]


def _read_npy(file: Path) -> Samples:
    try:
        content = np.load(file, allow_pickle=False)
    except _UNREADABLE as error:
        raise DataError(f"{file}: not a readable .npy file of numbers: {_CAUSES}") from error
    if not isinstance(content, np.ndarray):
        content.close()
        raise DataError(f"{file}: an .npz archive; rename it to .npz")
    return samples_from(content, str(file))


def _read_npz(file: Path, key: str | None = None) -> Samples:
    try:
        archive = np.load(file, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise DataError(f"{file}: a single array; rename it to .npy")
        with archive:
            chosen = _choose_array(file, archive.files, key)
            content = archive[chosen]
    except _UNREADABLE as error:
        raise DataError(f"{file}: not a readable .npz file of numbers: {_CAUSES}") from error
    if not isinstance(content, np.ndarray):
        raise DataError(f"{file}: {chosen} is not an array")
    return samples_from(content, f"{file}:{chosen}")


def _choose_array(file: Path, keys: list[str], key: str | None) -> str:
    listed = ", ".join(keys[:LISTED]) + (f" and {len(keys) - LISTED} more" if len(keys) > LISTED else "")
    if not keys:
        raise DataError(f"{file}: the archive holds no array")
    if key is None and len(keys) > 1:
        raise DataError(f"{file}: holds {len(keys)} arrays; choose one as {file}:KEY, KEY one of {listed}")
    if key is not None and key not in keys:
        raise DataError(f"{file}: holds no array {key!r}; it has {listed}")
    return keys[0] if key is None else key


def _read_csv(file: Path) -> Samples:
    """Comma-separated; semicolons too, where the first line has no comma."""
    return _read_delimited(file, ",")


def _read_tsv(file: Path) -> Samples:
    return _read_delimited(file, "\t")


def _read_delimited(file: Path, delimiter: str) -> Samples:
    """Numbers in columns, with or without a line of names: a first line with a word in it is one."""
    cells = array("d")
    names: list[str] = []
    width = 0
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            if delimiter == ",":
                first = lines.readline()
                lines.seek(0)
                delimiter = ";" if ";" in first and "," not in first else ","
            rows = csv.reader(lines, delimiter=delimiter, strict=True)
            for row in rows:
                if not row or (len(row) == 1 and not row[0].strip()):
                    continue
                if width == 0:
                    width = len(row)
                    if not all(_is_number(cell) for cell in row):
                        names = [cell.strip() for cell in row]
                        continue
                if len(row) != width:
                    raise DataError(
                        f"{file}: line {rows.line_num} has {len(row)} cells, the first has {width}: "
                        "every line must have the same columns"
                    )
                _append_row(cells, row, file, rows.line_num, names)
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not a text file in UTF-8 (byte {error.start}): save it as UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{file}: line {rows.line_num} is not valid: {error}") from error
    if not cells:
        raise DataError(f"{file}: no line of numbers in it")
    return samples_from(np.frombuffer(cells, dtype=np.float64).reshape(-1, width), str(file), names)


def _append_row(cells: array[float], row: list[str], file: Path, line: int, names: list[str]) -> None:
    """Adds a line's numbers to `cells`, a missing one as NaN."""
    for column, cell in enumerate(row):
        try:
            cells.append(float(cell))
        except ValueError:
            if cell.strip().lower() not in MISSING:
                called = f" ({names[column]})" if names else ""
                raise DataError(
                    f"{file}: line {line}, column {column + 1}{called} is not a number: {cell.strip()[:40]!r}; "
                    "remove the column or mend the cell"
                ) from None
            cells.append(np.nan)


def _is_number(cell: str) -> bool:
    if cell.strip().lower() in MISSING:
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read_parquet(file: Path) -> Samples:
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
        types: Any = importlib.import_module("pyarrow.types")
        arrow: Any = importlib.import_module("pyarrow")
    except ImportError as error:
        raise DataError(f"{file}: .parquet files need pyarrow: pip install 'edgetwin[parquet]'") from error
    try:
        table = parquet.read_table(file)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{file}: not a readable .parquet file ({_first_line(error)})") from error
    columns: list[npt.NDArray[Any]] = []
    for field, column in zip(table.schema, table.columns, strict=True):
        if not (types.is_integer(field.type) or types.is_floating(field.type) or types.is_boolean(field.type)):
            raise DataError(f"{file}: column {field.name!r} is not numeric ({field.type}): remove the column")
        columns.append(column.cast(arrow.float64()).to_numpy())
    if not columns:
        raise DataError(f"{file}: the table has no column")
    return samples_from(np.stack(columns, axis=1), str(file), [str(name) for name in table.column_names])


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


_READERS: dict[str, Callable[[Path], Samples]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".parquet": _read_parquet,
    ".ts": read_ts,
}
