"""The paper's figures 9 to 18 as one: loss and accuracy of each form of the images, and what was taken for what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgetwin.bench.cmi.results import DYNAMIC, FLOAT, Confusion, FormResult, Results
from edgetwin.pictures import save_picture

__all__ = ["draw_picture"]

BLUE, ORANGE = "#0969da", "#bc4c00"
SMALL = 8
TITLES = {FLOAT: "float32", DYNAMIC: "dynamic range"}


def draw_picture(results: Results, path: Path) -> None:
    """Writes the picture as the ending of `path` says.

    :func:`edgetwin.pictures.check_picture` says beforehand whether it can be drawn.
    """
    from matplotlib.figure import Figure

    columns = len(results.forms) + 1
    figure: Any = Figure(figsize=(2.6 * columns, 5.2), layout="constrained", dpi=120)
    axes = figure.subplots(2, columns)
    for column, found in enumerate(results.forms):
        _draw_history(axes[0, column], found, "loss", column == 0)
        _draw_history(axes[1, column], found, "accuracy", column == 0)
        axes[0, column].set_title(_title(found), loc="left", fontsize=SMALL + 1)
        axes[1, column].set_xlabel("epoch", fontsize=SMALL)
    # One scale for what is to be compared.
    for row in axes[:, :-1]:
        for axis in row[1:]:
            axis.sharey(row[0])
        row[0].autoscale()
    axes[0, 0].legend(frameon=False, fontsize=SMALL)
    for axis, mode in zip(axes[:, -1], (FLOAT, DYNAMIC), strict=True):
        confusion = results.files[mode].confusion
        assert confusion is not None
        _draw_confusion(axis, confusion, results.classes, TITLES[mode])
    save_picture(figure, path)


def _title(found: FormResult) -> str:
    return f"{found.form.name}: {found.form.seen} x {found.form.seen}"


def _draw_history(axis: Any, found: FormResult, figure: str, first: bool) -> None:
    for key, label, colour in ((figure, "training", BLUE), (f"val_{figure}", "validation", ORANGE)):
        values = found.history[key]
        axis.plot(range(1, len(values) + 1), values, color=colour, label=label)
    if first:
        axis.set_ylabel(figure, fontsize=SMALL)
    axis.tick_params(labelsize=SMALL)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_confusion(axis: Any, confusion: Confusion, classes: tuple[str, ...], title: str) -> None:
    """Rows are what images are; shades are shares of a row."""
    shares = [[count / max(1, sum(row)) for count in row] for row in confusion.counts]
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(confusion.counts):
        for j, count in enumerate(row):
            axis.text(j, i, f"{count:,}", ha="center", va="center", color="white" if shares[i][j] > 0.5 else "black")
    axis.set_xticks((0, 1), classes, fontsize=SMALL)
    axis.set_yticks((0, 1), classes, fontsize=SMALL, rotation=90, va="center")
    axis.set_xlabel("taken for", fontsize=SMALL)
    axis.set_title(f"{title}, test: {confusion.accuracy:.1%}", loc="left", fontsize=SMALL + 1)
