"""The curves as a picture: a panel a data set, bits a sample over NRMSE, each line named at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgetwin.bench.rate.curves import CODECS, Curves, Row
from edgetwin.pictures import save_picture

__all__ = ["draw_curves"]

#: Colour-blind safe (Okabe and Ito, "Color Universal Design", 2008). Codecs that need more than 2 KB of RAM are dashed.
_COLOURS = {
    "auto": "#000000",
    "sparse": "#d55e00",
    "dct": "#0072b2",
    "dpcm": "#009e73",
    "dct-64": "#56b4e9",
    "dpcm-rice": "#7fc97f",
    "zfp-window": "#cc79a7",
    "float16": "#999999",
    "sz3": "#e69f00",
    "sz3-window": "#e69f00",
    "zfp": "#cc79a7",
    "zstd": "#999999",
}
_COLUMNS = 3
_PANEL = (5.2, 4.6)
#: Least distance of two names, as a share of the panel's height.
_APART = 0.038


def draw_curves(curves: Curves, path: Path) -> None:
    """Writes the picture as the ending of `path` says. Raises UserError where it cannot be written.

    :func:`edgetwin.pictures.check_picture` says beforehand whether it can be drawn.
    """
    from matplotlib.figure import Figure

    names = list(curves.sets)
    columns = min(_COLUMNS, len(names))
    lines = -(-len(names) // columns)
    figure: Any = Figure(figsize=(columns * _PANEL[0], lines * _PANEL[1]), layout="constrained", dpi=120)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    for axis, name in zip(axes, names, strict=False):
        _draw_panel(axis, name, curves.of(name))
    save_picture(figure, path)


def _draw_panel(axis: Any, name: str, rows: dict[tuple[str, float], Row]) -> None:
    targets = sorted({target for _, target in rows})
    ends: dict[str, float] = {}
    for codec in CODECS.values():
        own = [rows[codec.name, target] for target in targets if (codec.name, target) in rows]
        if not own:
            continue
        errors, bits = [100 * row.target for row in own], [row.bits_per_sample for row in own]
        style: dict[str, Any] = {
            "linestyle": "-" if codec.small else "--",
            "linewidth": 2.2 if _ours(codec.name) else 1.2,
        }
        marker = "" if codec.fixed else "."
        axis.plot(errors, bits, color=_COLOURS[codec.name], marker=marker, **style)
        ends[codec.name] = bits[-1]
    axis.set_xscale("log")
    axis.set_yscale("log", base=2)
    axis.minorticks_off()
    axis.set_xticks([100 * target for target in targets], [f"{100 * target:g}" for target in targets])
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.grid(axis="y", color="#d8dee4", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
    axis.set_title(name, loc="left", fontsize=11)
    axis.set_xlabel("NRMSE of what is decoded, at most, %", fontsize=8)
    axis.set_ylabel("bits a sample", fontsize=8)
    _name_lines(axis, ends)


def _name_lines(axis: Any, ends: dict[str, float]) -> None:
    """Names right of the panel, each as near the end of its line as the others leave room."""
    low, high = np.log2(axis.get_ylim())
    order = sorted(ends, key=ends.__getitem__)
    wanted = np.array([(np.log2(ends[codec]) - low) / (high - low) for codec in order])
    steps = np.arange(len(order)) * _APART
    # Pushed up from below, then down from above where that left the panel's top.
    heights = np.maximum.accumulate(wanted - steps) + steps
    heights -= max(0.0, heights[-1] - 1.0)
    for codec, height, end in zip(order, heights, wanted, strict=True):
        axis.annotate(
            CODECS[codec].title,
            (1.0, end),
            xytext=(1.06, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            fontsize=7.5,
            color=_COLOURS[codec],
            fontweight="bold" if _ours(codec) else "normal",
            arrowprops={"arrowstyle": "-", "color": _COLOURS[codec], "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0},
        )


def _ours(codec: str) -> bool:
    return CODECS[codec].title.startswith("ours")
