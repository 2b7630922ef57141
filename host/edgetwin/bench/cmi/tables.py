"""The results as the paper's tables 1 to 5, with the paper's figures beside ours."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from edgetwin.bench.cmi import published
from edgetwin.bench.cmi.base import RANDOM
from edgetwin.bench.cmi.images import WAVELET
from edgetwin.bench.cmi.results import DYNAMIC, FLOAT, INT8, File, FormResult, Results, file_ratio

__all__ = ["lines", "tables"]

TITLES = {FLOAT: "float32", DYNAMIC: "dynamic range", INT8: "int8 (ours)"}
PAPER = {FLOAT: published.BASE, DYNAMIC: published.QUANTISED}
# Units of columns, which leaves their figures narrow.
TIME, SIZE, SHARE = "ms", "MB", "%"
MEGA = 1e6


def tables(results: Results) -> list[Table]:
    """The paper's five, and one of the full width where it was tried."""
    made = [_epochs(results), _quantisation(results), _images(results), _normalisations(results), _wavelet(results)]
    return made + ([_full_width(results.full_width)] if results.full_width else [])


def lines(results: Results) -> list[str]:
    """What the study was of, and how it did what was asked."""
    width = "" if results.width == 1 else f" of width {results.width:g}"
    learned = "which learned nothing: accuracies say only that the study runs" if results.base == RANDOM else ""
    lost = results.lost(DYNAMIC)
    said = [
        f"{results.data}: {results.images:,} images to learn from, {results.test_images:,} to test on",
        ", ".join(filter(None, (f"base: {results.base}{width}", learned))),
        f"dynamic range: {_asked(results.files)}; {100 * lost:.2f} points of accuracy lost, asked at most "
        f"{100 * published.MOST_LOST:.1f}: {_verdict(lost <= published.MOST_LOST)}",
    ]
    if results.full_width:
        said.append(f"dynamic range at VGG16's full width: {_asked(results.full_width)}")
    return said


def _asked(files: Mapping[str, File]) -> str:
    ratio = file_ratio(files, DYNAMIC)
    verdict = _verdict(ratio >= published.LEAST_RATIO)
    return f"1/{ratio:.2f} of the bytes, asked at most 1/{published.LEAST_RATIO}: {verdict}"


def _verdict(met: bool) -> str:
    return "met" if met else "not met"


def _epochs(results: Results) -> Table:
    table = _table("1. CMI VGG16", "epochs", f"accuracy, {SHARE}", "paper")
    for epochs, accuracy in results.original.accuracies.items():
        table.add_row(str(epochs), _percent(accuracy), _percent(published.EPOCHS.get(epochs)))
    return table


def _quantisation(results: Results) -> Table:
    table = _table("2. CMI quantisation", "model", TIME, "paper", SIZE, "paper", "1/n", SHARE, "paper")
    for mode, file in results.files.items():
        paper = PAPER.get(mode)
        table.add_row(
            TITLES[mode],
            _milliseconds(file.milliseconds),
            "" if paper is None else f"{paper.milliseconds:g}",
            _megabytes(file.bytes),
            "" if paper is None else f"{paper.megabytes:g}",
            f"{file_ratio(results.files, mode):.2f}",
            _percent(None if file.confusion is None else file.confusion.accuracy),
            _percent(None if paper is None else paper.accuracy),
        )
    return table


def _images(results: Results) -> Table:
    side = results.original.form.side
    table = _table(
        f"3. Images, normalised from {side} x {side} and {results.original.bytes_an_image:,.0f} bytes",
        *("resolution", "paper", "quality", "bytes", "ratio", "paper", "gain", "paper"),
    )
    for found, paper in _normalised(results):
        table.add_row(
            f"{found.form.side} x {found.form.side}",
            f"{paper.side} x {paper.side}",
            str(found.form.quality),
            f"{found.bytes_an_image:,.0f}",
            f"{results.ratio(found):.2f}",
            f"{paper.ratio:g}",
            f"{results.gain(found):.0%}",
            f"{paper.gain:.0%}",
        )
    return table


def _normalisations(results: Results) -> Table:
    table = _table("4. CMI normalisation", "ratio", "parameters", "paper", SHARE, "paper", TIME, "paper")
    for found, paper in reversed(_normalised(results)):
        table.add_row(
            f"{results.ratio(found):.2f}",
            f"{found.parameters:,}",
            f"{paper.parameters:,}",
            _percent(found.confusion.accuracy),
            _percent(paper.accuracy),
            _milliseconds(found.milliseconds),
            f"{paper.milliseconds:g}",
        )
    return table


def _wavelet(results: Results) -> Table:
    table = _table("5. CMI wavelet", "model", SHARE, "paper", TIME, "paper", SIZE, "paper")
    wavelet = next(found for found in results.forms if found.form.name == WAVELET)
    for title, found, paper in (
        ("CMI wavelet", wavelet, published.WAVELET),
        ("CMI VGG16", results.original, published.BASE),
    ):
        table.add_row(
            title,
            _percent(found.confusion.accuracy),
            _percent(paper.accuracy),
            _milliseconds(found.milliseconds),
            f"{paper.milliseconds:g}",
            _megabytes(found.file_bytes),
            f"{paper.megabytes:g}",
        )
    return table


def _full_width(files: Mapping[str, File]) -> Table:
    table = _table("Full width, random weights: bytes and time only", "model", TIME, "paper", SIZE, "paper", "1/n")
    for mode, file in files.items():
        paper = PAPER[mode]
        table.add_row(
            TITLES[mode],
            _milliseconds(file.milliseconds),
            f"{paper.milliseconds:g}",
            _megabytes(file.bytes),
            f"{paper.megabytes:g}",
            f"{file_ratio(files, mode):.2f}",
        )
    return table


def _normalised(results: Results) -> list[tuple[FormResult, published.Normalisation]]:
    papers = {paper.name: paper for paper in published.NORMALISATIONS}
    return [(found, papers[found.form.name]) for found in results.forms if found.form.name in papers]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    return table


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"


def _megabytes(size: int) -> str:
    return f"{size / MEGA:.3f}"


def _milliseconds(median: float) -> str:
    return f"{median:.2f}" if median < 100 else f"{median:.0f}"
