"""A picture of what was learned: the atoms, the error of each iteration, and what a search tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.dictionary.target import SearchResult
from edgetwin.pictures import check_picture, save_picture

__all__ = ["AtomPicture"]

# Panels that a person can still look at: atoms as images a row and rows of them; atoms as traces likewise.
IMAGE_COLUMNS, IMAGE_ROWS = 24, 12
TRACE_COLUMNS, TRACE_ROWS = 6, 5
INCHES_WIDE = 12.0
BLUE, GREY, ORANGE = "#0969da", "#8c959f", "#bc4c00"


@dataclass(frozen=True, eq=False)
class AtomPicture:
    """What is drawn.

    atoms : (n, m); sample i belongs to channel i mod the number of names
    usage : (n,) share of the signals whose codes use each atom; the most used are drawn, from left to right
    errors : ‖Y − XD‖_F / √(N m) after each iteration
    names : of the channels
    image : (height, width) if signals are images; else atoms are traces
    search : what a search for (n, s) tried
    """

    title: str
    atoms: npt.NDArray[np.floating]
    usage: npt.NDArray[np.float64]
    errors: npt.NDArray[np.float64]
    names: Sequence[str]
    image: tuple[int, int] | None = None
    search: SearchResult | None = None

    def save(self, path: Path) -> None:
        """Writes the picture as the ending of `path` says.

        Raises UserError as :func:`~edgetwin.pictures.check_picture`.
        """
        check_picture(path)
        from matplotlib.figure import Figure

        order = np.argsort(-self.usage, kind="stable")
        height = self._atoms_height()
        figure: Any = Figure(figsize=(INCHES_WIDE, height + 3.2), layout="constrained", dpi=120)
        top, bottom = figure.subfigures(2, 1, height_ratios=(height, 3.2))
        if self.image is not None:
            self._draw_images(top, order, self.image)
        else:
            self._draw_traces(top, order)
        axes = bottom.subplots(1, 1 if self.search is None else 2, squeeze=False)[0]
        self._draw_errors(axes[0])
        if self.search is not None:
            _draw_search(axes[1], self.search)
        save_picture(figure, path)

    def _atoms_height(self) -> float:
        """Inches of the upper part, the title included."""
        shown = len(self.atoms)
        if self.image is not None:
            rows = min(IMAGE_ROWS, -(-shown // IMAGE_COLUMNS))
            return 0.6 + rows * INCHES_WIDE / IMAGE_COLUMNS * self.image[0] / self.image[1]
        return 0.6 + 1.3 * min(TRACE_ROWS, -(-shown // TRACE_COLUMNS))

    def _draw_images(self, figure: Any, order: npt.NDArray[np.intp], image: tuple[int, int]) -> None:
        """One mosaic, a grey of its own for each atom: zero is mid-grey, the largest value white or black."""
        height, width = image
        shown = order[: IMAGE_COLUMNS * IMAGE_ROWS]
        columns = min(IMAGE_COLUMNS, len(shown))
        rows = -(-len(shown) // columns)
        mosaic = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1), np.nan)
        for place, atom in enumerate(_upright(self.atoms[shown])):
            y, x = (place // columns) * (height + 1) + 1, (place % columns) * (width + 1) + 1
            mosaic[y : y + height, x : x + width] = atom.reshape(height, width) / np.abs(atom).max()
        axis = figure.subplots()
        axis.imshow(mosaic, cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
        axis.set_axis_off()
        self._set_title(figure, len(shown))

    def _draw_traces(self, figure: Any, order: npt.NDArray[np.intp]) -> None:
        """A panel an atom; of several channels the one with the most energy is blue and named."""
        shown = order[: TRACE_COLUMNS * TRACE_ROWS]
        columns = min(TRACE_COLUMNS, len(shown))
        axes = figure.subplots(-(-len(shown) // columns), columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axis in axes:
            axis.set_axis_off()
        for axis, index, atom in zip(axes, shown, _upright(self.atoms[shown]), strict=False):
            channels = atom.reshape(-1, len(self.names))
            strongest = int(np.argmax(np.square(channels).sum(axis=0)))
            marker = "." if len(channels) <= 8 else None
            axis.axhline(0, color="#d8dee4", linewidth=0.6)
            axis.plot(np.delete(channels, strongest, axis=1), color=GREY, linewidth=0.6, alpha=0.7)
            axis.plot(channels[:, strongest], color=BLUE, linewidth=1.1, marker=marker, markersize=4)
            name = f" · {self.names[strongest]}" if len(self.names) > 1 else ""
            axis.set_title(f"{self.usage[index]:.0%}{name}", fontsize=7, pad=2)
        self._set_title(figure, len(shown))

    def _set_title(self, figure: Any, shown: int) -> None:
        count = (
            f"all {shown} atoms" if shown == len(self.atoms) else f"the {shown} most used of {len(self.atoms)} atoms"
        )
        share = "" if self.image is not None else ", with the share of signals that use them"
        figure.suptitle(f"{self.title}: {count}, the most used first{share}", fontsize=11, x=0.01, ha="left")

    def _draw_errors(self, axis: Any) -> None:
        iterations = np.arange(1, len(self.errors) + 1)
        axis.plot(iterations, self.errors, color=BLUE, linewidth=1.2, marker="o", markersize=3)
        axis.annotate(
            f"{self.errors[-1]:.4g}",
            (iterations[-1], self.errors[-1]),
            textcoords="offset points",
            xytext=(0, 6),
            ha="right",
            fontsize=8,
        )
        axis.xaxis.get_major_locator().set_params(integer=True)
        _finish(axis, "iteration", "‖Y − XD‖ / √(N m)")


def _draw_search(axis: Any, search: SearchResult) -> None:
    """NRMSE over bits a signal: a line for each n, the target, and what was chosen."""
    from matplotlib import colormaps

    sizes = sorted({trial.n for trial in search.trials})
    for place, n in enumerate(sizes):
        trials = [trial for trial in search.trials if trial.n == n]
        colour = colormaps["viridis"](0.9 * place / max(1, len(sizes) - 1))
        bits, errors = [trial.bits for trial in trials], [trial.nrmse for trial in trials]
        axis.plot(bits, errors, color=colour, linewidth=1, marker=".", markersize=4, label=f"n = {n}")
    chosen = search.chosen
    axis.axhline(search.target_nrmse, color=ORANGE, linewidth=0.8, linestyle="--", label="target")
    label = f"chosen: n = {chosen.n}, s = {chosen.s}"
    axis.plot([chosen.bits], [chosen.nrmse], "o", color=ORANGE, fillstyle="none", markersize=9, label=label)
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_formatter("{x:.0f}")
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=7, frameon=False)
    _finish(axis, "bits a code", "NRMSE of held-out signals")


def _upright(atoms: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """The atoms with their largest sample positive: the sign of an atom means nothing."""
    peaks = np.take_along_axis(atoms, np.abs(atoms).argmax(axis=1)[:, None], axis=1)
    return np.where(peaks < 0, -atoms, atoms)


def _finish(axis: Any, x: str, y: str) -> None:
    axis.set_xlabel(x, fontsize=8)
    axis.set_ylabel(y, fontsize=8)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
