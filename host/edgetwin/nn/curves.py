"""The curves of a training run as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgetwin.pictures import require_matplotlib, save_picture

__all__ = ["CURVES", "draw_curves"]

CURVES = "curves.png"
BLUE, ORANGE = "#0969da", "#bc4c00"


def draw_curves(title: str, history: Mapping[str, Sequence[float]], path: Path) -> None:
    """Writes loss and, of classes, accuracy over the epochs, of training and of validation where there was some.

    Raises UserError if matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    names = [name for name in ("loss", "accuracy") if name in history]
    figure: Any = Figure(figsize=(5 * len(names), 3.5), layout="constrained", dpi=120)
    figure.suptitle(title, parse_math=False)
    for place, name in enumerate(names, start=1):
        axes = figure.add_subplot(1, len(names), place)
        for key, label, colour in ((name, "training", BLUE), (f"val_{name}", "validation", ORANGE)):
            if key in history:
                axes.plot(range(1, len(history[key]) + 1), history[key], color=colour, label=label)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    save_picture(figure, path)
