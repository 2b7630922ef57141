"""What a compiled model takes, for people: rows of a table, which tensors decide, and a picture of the memory plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from edgetwin.deploy.compiler.compile import Compiled
from edgetwin.deploy.compiler.layers import Buffer, Layer
from edgetwin.pictures import check_picture, save_picture

__all__ = ["LayerRow", "deciding_tensors", "layer_rows", "save_memory_map"]

_INCHES = (12.0, 6.5)  # of the picture
_PLOT_INCHES = (11.0, 4.6)  # of it, where memory is drawn
_CHARACTER_INCHES = (0.06, 0.13)  # of labels, with what lies between
_MOST_TICKS = 64
_MOST_LABEL = 28
_COLOURS = {"input": "#54aeff", "output": "#2da44e", "state": "#bf3989", "scratch": "#d0d7de", "tensor": "#ffb77c"}


class LayerRow(NamedTuple):
    """One layer of a report."""

    operator: str  # as the title has it: code, place in the file, tensor
    shape: tuple[int, ...] | None  # of the tensor that is complete after it
    macs: int
    kernel: str
    weight_bytes: int
    live_bytes: int  # that it needs at least, of the workspace


def layer_rows(compiled: Compiled) -> list[LayerRow]:
    """A row for each layer, in order."""
    return [
        LayerRow(
            layer.title,
            layer.result[0].shape if layer.result else None,
            layer.macs,
            layer.kernel.name,
            layer.weight_bytes,
            compiled.plan.live_bytes[number],
        )
        for number, layer in enumerate(compiled.program.layers)
    ]


def deciding_tensors(compiled: Compiled, most: int = 3) -> str:
    """The layer that needs most memory, and the largest buffers that live in it, as a phrase."""
    plan, layers = compiled.plan, compiled.program.layers
    largest = plan.live_at(plan.bound_layer)[:most]
    sizes = ", ".join(f"{buffer.name[-_MOST_LABEL:]} {buffer.size}" for buffer in largest)
    at = layers[plan.bound_layer].title if 0 <= plan.bound_layer < len(layers) else "what goes in or out"
    return f"{at}: {sizes} bytes"


def save_memory_map(compiled: Compiled, path: Path) -> None:
    """Draws where each buffer lies in the workspace (bytes upwards) and when it lives (layers to the right).

    Raises UserError for an ending that is no picture's, without matplotlib, or where the file cannot be written.
    """
    check_picture(path)
    from matplotlib.figure import Figure

    plan, layers = compiled.plan, compiled.program.layers
    figure: Any = Figure(figsize=_INCHES, layout="constrained", dpi=120)
    axes = figure.add_subplot()
    for buffer, place in plan.places.items():
        _draw_buffer(axes, compiled, buffer, place)
    axes.axhline(plan.bound, color="#cf222e", linestyle="--", linewidth=1)
    axes.annotate(
        f"bound {plan.bound:,}", (1, plan.bound), xycoords=("axes fraction", "data"), xytext=(-4, 3),
        textcoords="offset points", color="#cf222e", ha="right",
    )  # fmt: skip
    axes.set_xlim(-1, len(layers) + 1)
    axes.set_ylim(0, plan.workspace_size * 1.06)
    step = -(-len(layers) // _MOST_TICKS)
    numbers = range(0, len(layers), max(step, 1))
    axes.set_xticks([number + 0.5 for number in numbers], [_tick(number, layers[number]) for number in numbers])
    axes.tick_params(axis="x", rotation=90, labelsize=7)
    axes.set_ylabel("bytes of the workspace")
    above = 100 * (plan.workspace_size / plan.bound - 1) if plan.bound else 0.0
    title = f"{compiled.program.name}: workspace {plan.workspace_size:,} bytes, {above:.1f} % above the bound"
    axes.set_title(title, loc="left")
    handles = [axes.bar(0, 0, color=colour, label=kind) for kind, colour in _COLOURS.items()]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), fontsize=8)
    save_picture(figure, path)


def _draw_buffer(axes: Any, compiled: Compiled, buffer: Buffer, place: int) -> None:
    plan, count = compiled.plan, len(compiled.program.layers)
    life = plan.lives[buffer]
    first, last = max(life.first, -1), min(life.last, count)
    axes.bar(
        first, buffer.size, last + 1 - first, place, align="edge", color=_COLOURS[_kind(compiled, buffer)],
        edgecolor="#24292f", linewidth=0.6, alpha=0.75,
    )  # fmt: skip
    box = (last + 1 - first) / (count + 2) * _PLOT_INCHES[0], buffer.size / plan.workspace_size * _PLOT_INCHES[1]
    for label in (f"{buffer.name[-_MOST_LABEL:]}\n{buffer.size:,}", f"{buffer.size:,}"):
        lines = label.split("\n")
        wide, high = (_CHARACTER_INCHES[0] * max(map(len, lines)), _CHARACTER_INCHES[1] * len(lines))
        turned = wide > box[0]
        if (high <= box[0] and wide <= box[1]) if turned else high <= box[1]:
            axes.text(
                (first + last + 1) / 2, place + buffer.size / 2, label, ha="center", va="center", fontsize=7,
                rotation=90 if turned else 0,
            )  # fmt: skip
            return


def _kind(compiled: Compiled, buffer: Buffer) -> str:
    program = compiled.program
    if buffer.state is not None:
        return "state"
    if any(place.buffer is buffer for place in program.inputs):
        return "input"
    if any(place.buffer is buffer for place in program.outputs):
        return "output"
    return "scratch" if any(buffer in layer.scratch for layer in program.layers) else "tensor"


def _tick(number: int, layer: Layer) -> str:
    return f"{layer.title.split(' ', 1)[0]} {number}"
