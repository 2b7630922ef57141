"""The paper's figures 2 and 3 with our results, and signals beside what dictionaries make of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.bench.dl4dt import published
from edgetwin.bench.dl4dt.compress import Example
from edgetwin.bench.dl4dt.results import (
    DICTIONARY,
    ORIGINAL,
    RANDOM,
    Classification,
    Confusion,
    Results,
    Telemetry,
)
from edgetwin.bench.dl4dt.tables import TITLES
from edgetwin.pictures import require_matplotlib, save_picture

__all__ = ["draw_figures"]

Float32Array = npt.NDArray[np.float32]

# The paper draws the original data in green, dotted, and dictionaries in orange.
GREEN, ORANGE, GREY = "#1a7f37", "#bc4c00", "#8c959f"
DPI = 150
SMALL = 8
EXAMPLE_IMAGES = 12
EXAMPLE_SERIES = 3
EXAMPLE_ROWS = 400


def draw_figures(results: Results, examples: Sequence[Example], folder: Path) -> list[Path]:
    """Writes accuracy.png (figure 2), detection_COLLECTION.png (figure 3) and signals_NAME.png; returns their paths."""
    require_matplotlib()
    made: list[Path] = []
    classified = {name: part for name, part in results.classification.items() if isinstance(part, Classification)}
    if classified:
        made.append(_save(_accuracy_figure(classified), folder / "accuracy.png"))
    for name, part in results.telemetry.items():
        if isinstance(part, Telemetry):
            made.append(_save(_detection_figure(name, part), folder / f"detection_{name}.png"))
    for example in examples:
        draw = _draw_images if example.shape == (28, 28) else _draw_series
        made.append(_save(draw(example), folder / f"signals_{example.name}.png"))
    return made


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", dpi=DPI)


def _save(figure: Any, path: Path) -> Path:
    save_picture(figure, path)
    return path


def _accuracy_figure(parts: dict[str, Classification]) -> Any:
    figure = _figure(7, 0.4 + 2.8 * len(parts))
    for axis, (name, part) in zip(figure.subplots(len(parts), 1, squeeze=False)[:, 0], parts.items(), strict=True):
        original = next(row for row in part.rows if row.training == ORIGINAL)
        dictionary = [row for row in part.rows if row.training == DICTIONARY]
        levels = [100 * row.compression for row in dictionary]
        _curve(axis, levels, [row.accuracy for row in dictionary], original.accuracy)
        axis.plot(
            levels,
            [100 * (row.accuracy_reconstructed or 0) for row in dictionary],
            color=ORANGE,
            marker="s",
            markersize=4,
            linestyle="--",
            linewidth=0.9,
            label="the same, test set coded too",
        )
        for row in part.rows:
            if row.training == RANDOM:
                _random(axis, row.compression, row.accuracy)
        paper = published.ACCURACY[name]
        _paper_original(axis, paper[0.0])
        _paper(axis, [(c, value) for c, value in paper.items() if c], label="paper, dictionary")
        _paper(axis, list(published.RANDOM_ACCURACY[name].items()), marker="x", label="paper, random")
        _finish(axis, f"{TITLES[name]} (N = {part.signals:,}, s = {part.n_nonzero_coefs})", "accuracy, %")
    return figure


def _detection_figure(name: str, part: Telemetry) -> Any:
    figure = _figure(7, 7.6)
    known = published.PRECISION_RECALL
    f_scores = {
        kind: [(c, 2 * known[c][kind][0] * known[c][kind][1] / sum(known[c][kind])) for c in known]
        for kind in ("normal", "anomaly")
    }
    panels: list[tuple[str, Callable[[Confusion], float], list[tuple[float, float]]]] = [
        ("accuracy, %", lambda total: total.accuracy, []),
        ("F-score of normal signals, %", lambda total: total.normal[2], f_scores["normal"]),
        ("F-score of anomalies, %", lambda total: total.anomaly[2], f_scores["anomaly"]),
    ]
    for axis, (label, measure, paper) in zip(figure.subplots(3, 1, sharex=True), panels, strict=True):
        values = {(row.training, row.compression): measure(row.total) for row in part.rows}
        dictionary = {c: value for (training, c), value in values.items() if training == DICTIONARY}
        _curve(axis, [100 * c for c in dictionary], list(dictionary.values()), values[ORIGINAL, 0.0])
        for (training, compression), value in values.items():
            if training == RANDOM:
                _random(axis, compression, value)
        if paper:
            _paper_original(axis, dict(paper)[0.0])
            _paper(axis, [(c, value) for c, value in paper if c], label="paper (D.A.V.I.D.E.), dictionary")
        else:
            _paper_original(axis, published.DETECTION_ACCURACY)
        _finish(axis, "", label)
    servers = ", ".join(part.signals) if len(part.signals) <= 4 else f"{len(part.signals)} servers"
    figure.suptitle(f"{name.upper()} ({servers}), s = {part.n_nonzero_coefs}", fontsize=SMALL + 2)
    return figure


def _curve(axis: Any, levels: list[float], shares: list[float], original: float) -> None:
    axis.axhline(100 * original, color=GREEN, linestyle=":", linewidth=1.6, label="original data")
    axis.plot(levels, [100 * s for s in shares], color=ORANGE, marker="o", markersize=5, label="dictionary")


def _random(axis: Any, compression: float, share: float) -> None:
    axis.plot(
        100 * compression, 100 * share, color=GREY, marker="X", markersize=8, linestyle="", label="random signals"
    )


def _paper_original(axis: Any, share: float) -> None:
    axis.axhline(100 * share, color="black", linestyle=":", linewidth=0.8, label="paper, original data")


def _paper(axis: Any, points: list[tuple[float, float]], *, label: str, marker: str = "o") -> None:
    style: dict[str, Any] = {"markerfacecolor": "none"} if marker == "o" else {}
    x, y = [100 * compression for compression, _ in points], [100 * share for _, share in points]
    axis.plot(x, y, color="black", marker=marker, markersize=5, linestyle="", markeredgewidth=0.9, label=label, **style)


def _finish(axis: Any, title: str, label: str) -> None:
    axis.set_title(title, fontsize=SMALL + 1, loc="left")
    axis.set_xlabel("compression, %", fontsize=SMALL)
    axis.label_outer()
    axis.set_ylabel(label, fontsize=SMALL)
    axis.set_xlim(35, 85)
    axis.margins(y=0.12)
    axis.tick_params(labelsize=SMALL)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(fontsize=SMALL - 1, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def _draw_images(example: Example) -> Any:
    """Rows: the images, then the same from each dictionary."""
    rows = [("original", example.signals), *((_level(c, d.error), d.signals) for c, d in example.dictionaries.items())]
    figure = _figure(9, 0.4 + 0.85 * len(rows))
    for line, (title, signals) in zip(figure.subplots(len(rows), EXAMPLE_IMAGES, squeeze=False), rows, strict=True):
        for axis, image in zip(line, signals, strict=False):
            axis.imshow(image.reshape(example.shape), cmap="gray_r", vmin=0, vmax=1)
            axis.set_xticks([])
            axis.set_yticks([])
        line[0].set_ylabel(title, fontsize=SMALL - 1, rotation=0, ha="right", va="center")
    return figure


def _draw_series(example: Example) -> Any:
    """Series one below the other: signals, or channels over time, with what the dictionaries make of them."""
    figure = _figure(9, 0.5 + 1.6 * EXAMPLE_SERIES)
    axes = figure.subplots(EXAMPLE_SERIES, 1, sharex=True)
    shades = np.linspace(1, 0.4, len(example.dictionaries))[::-1]
    drawn = _series(example)
    for axis, column in zip(axes, drawn, strict=False):
        axis.plot(_columns(example.signals, example.shape)[:, column], color=GREY, linewidth=2, label="original")
        for shade, (compression, learned) in zip(shades, example.dictionaries.items(), strict=True):
            series = _columns(learned.signals, example.shape)[:, column]
            label = _level(compression, learned.error).replace("\n", ", ")
            axis.plot(series, color=ORANGE, alpha=shade, linewidth=0.8, label=label)
        axis.tick_params(labelsize=SMALL)
        axis.spines[["top", "right"]].set_visible(False)
        if len(example.shape) == 2:
            axis.set_ylabel(f"metric {column + 1}", fontsize=SMALL)
    axes[0].set_title(example.name, fontsize=SMALL + 1, loc="left")
    axes[0].legend(fontsize=SMALL - 1, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=6)
    axes[-1].set_xlabel("sample" if len(example.shape) == 1 else "row, held-out windows left out", fontsize=SMALL)
    return figure


def _columns(signals: Float32Array, shape: tuple[int, ...]) -> Float32Array:
    """Series as columns (time, series): of single-channel signals the first, of telemetry the channels."""
    return signals[:EXAMPLE_SERIES].T if len(shape) == 1 else signals.reshape(-1, shape[1])[:EXAMPLE_ROWS]


def _series(example: Example) -> npt.NDArray[np.intp]:
    """Which columns are drawn: the best, a middle and the worst represented of those that change."""
    original = _columns(example.signals, example.shape)
    least = next(iter(example.dictionaries.values()))
    error = np.abs(original - _columns(least.signals, example.shape)).mean(axis=0)
    order = np.argsort(error, kind="stable")
    changing = order[original.std(axis=0)[order] > 0]
    places = np.linspace(0, len(changing) - 1, min(EXAMPLE_SERIES, len(changing))).round().astype(np.intp)
    return np.asarray(changing[places])


def _level(compression: float, error: float) -> str:
    return f"{compression:.0%}\nerror {error:.3f}"
