"""RESIZE_NEAREST_NEIGHBOR, for device/src/kernels/resize.c."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgetwin.deploy.compiler.graph import Operator
from edgetwin.deploy.compiler.layers import Kernel, constant
from edgetwin.deploy.compiler.lowering import Lowering, lowers
from edgetwin.deploy.compiler.lowering.operands import quantized, require

__all__ = ["RESIZE"]

RESIZE = Kernel(
    "resize",
    14,
    ("input", "output", "height", "width", "channels", "output_height", "output_width", "rows", "columns"),
)

_MOST_SIZE = 0xFFFF


@lowers("RESIZE_NEAREST_NEIGHBOR")
def lower_resize(lowering: Lowering, operator: Operator) -> None:
    """Each output pixel is one of the input's, by two tables."""
    source, output = operator.input(0), operator.outputs[0]
    quantized(operator, source, output)
    images = len(source.shape) == len(output.shape) == 4 and source.shape[::3] == output.shape[::3]
    require(images, operator, "its input and output are no images of the same channels")
    require(source.shape[0] == 1, operator, f"its batch is {source.shape[0]}", "convert the model with a batch of 1")
    require(max(source.shape[1:3]) <= _MOST_SIZE, operator, f"its input has the shape {source.shape}", "crop it")
    align, half = bool(operator.options["align_corners"]), bool(operator.options["half_pixel_centers"])
    rows, columns = (
        constant("nearest", _nearest(size, result, align, half), np.uint16)
        for size, result in zip(source.shape[1:3], output.shape[1:3], strict=True)
    )
    places = lowering.operand(source), lowering.place(output)
    lowering.add(
        RESIZE,
        operator,
        reads=[places[0]],
        writes=[places[1]],
        completes=output,
        input=places[0],
        output=places[1],
        height=source.shape[1],
        width=source.shape[2],
        channels=source.shape[3],
        output_height=output.shape[1],
        output_width=output.shape[2],
        rows=rows,
        columns=columns,
    )


def _nearest(size: int, result: int, align: bool, half: bool) -> npt.NDArray[np.int64]:
    """(result,) the input position of each output position, in float32 as TFLite finds it (GetNearestNeighbor)."""
    if align and result > 1:
        scale = np.float32(size - 1) / np.float32(result - 1)
    else:
        scale = np.float32(size) / np.float32(result)
    exact = (np.arange(result, dtype=np.float32) + np.float32(0.5 if half else 0.0)) * scale
    positions = np.trunc(exact.astype(np.float64) + 0.5) if align else np.floor(exact)
    return np.clip(positions.astype(np.int64), 0, size - 1)
