"""The .ts format of sktime and the UEA & UCR archive: header lines `@name value`, then one case a line after @data.

A line's dimensions are separated by colons, their samples by commas; a class label or target may come last
(https://www.sktime.net/en/stable/api_reference/file_specifications/ts.html). Series must be of equal length, without
time stamps.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgetwin.data.samples import DataError, Samples, samples_from

__all__ = ["read_ts"]


def read_ts(file: Path) -> Samples:
    """The cases of a .ts file one after the other in time, (cases x length, dimensions); labels are left out.

    Raises DataError for series of unequal length, time stamps, or lines that do not fit the format.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not a text file in UTF-8 (byte {error.start}): save it as UTF-8") from error
    header, cases = _split(file, lines)
    if header.get("timestamps", "false") == "true":
        raise DataError(f"{file}: has time stamps; give samples at equal intervals, without them")
    labelled = "true" in (header.get("classlabel", "false"), header.get("targetlabel", "false"))
    series: list[npt.NDArray[np.float64]] = []
    for number, line in cases:
        case = _parse_case(file, number, line, labelled=labelled)
        if series and case.shape != series[0].shape:
            raise DataError(
                f"{file}: line {number} has {case.shape[1]} dimensions of {len(case)} samples, the first case "
                f"{series[0].shape[1]} of {len(series[0])}: pad or cut the series to one length"
            )
        series.append(case)
    if not series:
        raise DataError(f"{file}: no case after @data")
    return samples_from(np.concatenate(series), str(file), series_rows=len(series[0]))


def _split(file: Path, lines: list[str]) -> tuple[dict[str, str], Iterator[tuple[int, str]]]:
    """The header, names and first words in lower case, and the cases with their line numbers."""
    header: dict[str, str] = {}
    for number, text in enumerate(lines, start=1):
        line = text.strip()
        if not line or line.startswith("#"):
            continue
        if not line.startswith("@"):
            raise DataError(f"{file}: line {number} comes before @data and does not begin with @: not a .ts file?")
        words = line[1:].lower().split()
        if words[:1] == ["data"]:
            rest = enumerate(lines[number:], start=number + 1)
            return header, ((n, t.strip()) for n, t in rest if t.strip() and not t.lstrip().startswith("#"))
        if len(words) > 1:
            header[words[0]] = words[1]
    raise DataError(f"{file}: has no @data line: not a .ts file, or cut")


def _parse_case(file: Path, number: int, line: str, *, labelled: bool) -> npt.NDArray[np.float64]:
    """One case as (length, dimensions)."""
    dimensions = line.split(":")
    if labelled:
        dimensions.pop()
    if not dimensions:
        raise DataError(f"{file}: line {number} holds a label and no series")
    rows: list[list[float]] = []
    for index, dimension in enumerate(dimensions, start=1):
        try:
            rows.append([np.nan if cell.strip() == "?" else float(cell) for cell in dimension.split(",")])
        except ValueError as error:
            raise DataError(f"{file}: line {number}, dimension {index}: {error}") from error
        if len(rows[-1]) != len(rows[0]):
            raise DataError(
                f"{file}: line {number}: dimension {index} has {len(rows[-1])} samples, the first {len(rows[0])}: "
                "the dimensions of a case must be of one length"
            )
    return np.array(rows, dtype=np.float64).T
