"""A page that shows what came through: raw signals against reconstructed ones, and the figures."""

from __future__ import annotations

import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgetwin.files import write_atomically
from edgetwin.pictures import require_matplotlib

#: Channels and rows that are drawn at most: what a person can still look at.
_MOST_CHANNELS = 6
_MOST_ROWS = 400

_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; }
  table { border-collapse: collapse; margin: 1rem 0; }
  td { padding: .2rem 1.2rem .2rem 0; border-bottom: 1px solid #d8dee4; }
  td + td { text-align: right; font-variant-numeric: tabular-nums; }
  svg { width: 100%; height: auto; }
</style>
<h1>$title</h1>
<p>$summary</p>
<table>$rows</table>
<h2>Raw and reconstructed, from the best channel to the worst</h2>
$signals
<h2>Error of each window</h2>
$errors
</html>
""")


def write_report(
    path: Path,
    title: str,
    summary: str,
    figures: Mapping[str, str],
    raw: NDArray[np.float32],
    reconstructed: NDArray[np.float32],
    names: Sequence[str],
) -> None:
    """Writes one self-contained HTML page.

    figures : label to printed value, shown as a table
    raw, reconstructed : (N, m) windows in the sensor's units, channel-interleaved; NaN rows leave a gap
    names : of the channels; m is a multiple of their number

    Raises UserError if matplotlib is not installed or the page cannot be written.
    """
    require_matplotlib()
    rows = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(v)}</td></tr>" for k, v in figures.items())
    page = _PAGE.substitute(
        title=html.escape(title),
        summary=html.escape(summary),
        rows=rows,
        signals=_signals_svg(raw, reconstructed, names),
        errors=_errors_svg(raw, reconstructed),
    )
    write_atomically(path, page.encode())


def _new_figure(rows: int, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, height), layout="constrained")
    return figure, figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]


def _svg(figure: Any) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _relative_errors(series: NDArray[np.float32], twin: NDArray[np.float32]) -> NDArray[np.float64]:
    """RMS error of each channel over its standard deviation; infinity for a constant channel, if it has an error."""
    whole = np.isfinite(series).all(axis=1) & np.isfinite(twin).all(axis=1)
    error = np.sqrt(((series - twin)[whole].astype(np.float64) ** 2).mean(axis=0))
    spread = series[whole].std(axis=0, dtype=np.float64)
    relative: NDArray[np.float64] = np.where(error > 0, np.inf, 0.0)
    np.divide(error, spread, out=relative, where=spread > 0)
    return relative


def _signals_svg(raw: NDArray[np.float32], reconstructed: NDArray[np.float32], names: Sequence[str]) -> str:
    """Time series of some channels, from the best reconstructed to the worst; constant ones only if all are."""
    channels = len(names)
    series, twin = raw.reshape(-1, channels), reconstructed.reshape(-1, channels)
    errors = _relative_errors(series, twin)
    varying = int(np.isfinite(errors).sum()) or channels
    count = min(_MOST_CHANNELS, varying)
    shown = np.argsort(errors, kind="stable")[np.linspace(0, varying - 1, count).round().astype(int)]
    figure, axes = _new_figure(count, 1.5 * count + 0.6)
    for axis, channel in zip(axes, shown, strict=True):
        axis.plot(series[:_MOST_ROWS, channel], color="#8c959f", linewidth=1.6, label="raw")
        axis.plot(twin[:_MOST_ROWS, channel], color="#0969da", linewidth=0.9, label="reconstructed by the twin")
        error = f"NRMSE {errors[channel]:.2f}" if np.isfinite(errors[channel]) else "constant"
        axis.set_ylabel(f"{names[channel]}\n{error}", fontsize=8)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=8, frameon=False)
    axes[-1].set_xlabel("sample", fontsize=8)
    return _svg(figure)


def _errors_svg(raw: NDArray[np.float32], reconstructed: NDArray[np.float32]) -> str:
    error = np.sqrt(((raw - reconstructed).astype(np.float64) ** 2).mean(axis=1))
    figure, (axis,) = _new_figure(1, 2.2)
    axis.plot(error, color="#0969da", linewidth=0.9)
    axis.set_xlabel("window", fontsize=8)
    axis.set_ylabel("RMS error", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    return _svg(figure)
