"""MAX_POOL_2D and AVERAGE_POOL_2D, for device/src/kernels/max_pool.c and average_pool.c."""

from __future__ import annotations

import numpy as np

from edgetwin.deploy.compiler.graph import Operator
from edgetwin.deploy.compiler.layers import Kernel, array
from edgetwin.deploy.compiler.lowering import Lowering, lowers
from edgetwin.deploy.compiler.lowering.operands import bounds, in_place, quantized, require
from edgetwin.deploy.compiler.lowering.windows import Axis, padding_before

__all__ = ["AVERAGE_POOL", "MAX_POOL"]

_FIELDS = (
    "input",
    "output",
    *array("shape", 3),
    *array("output_shape", 3),
    *array("filter", 2),
    *array("stride", 2),
    *array("padding", 2),
    "low",
    "high",
)
MAX_POOL = Kernel("max_pool", 7, _FIELDS)
AVERAGE_POOL = Kernel("average_pool", 8, _FIELDS)

_MOST_SIZE = 0xFFFF  # ET_POOL_MOST
_MOST_STRIDE = 0x3FFF  # ET_POOL_MOST_STRIDE
_MOST_PIXELS = 1 << 23  # ET_POOL_MOST_PIXELS
_SAME_SCALE = 1e-6  # what TFLite lets scales differ by


@lowers("MAX_POOL_2D", "AVERAGE_POOL_2D")
def lower_pool(lowering: Lowering, operator: Operator) -> None:
    """Windows over an image, channel by channel."""
    source, output = operator.input(0), operator.outputs[0]
    (scale, zero), (output_scale, output_zero) = quantized(operator, source, output)
    same = abs(float(scale) - float(output_scale)) <= _SAME_SCALE and zero == output_zero
    require(same, operator, "input and output have different scales or zero points")
    require(len(source.shape) == len(output.shape) == 4, operator, "its input and output are no images")
    single = source.shape[0] == output.shape[0] == 1
    require(single, operator, f"its batch is {source.shape[0]}", "convert the model with a batch of 1")
    require(source.shape[3] == output.shape[3], operator, "input and output have different channels")
    axes = [_axis(operator, axis) for axis in range(2)]
    require(axes[0].kernel * axes[1].kernel <= _MOST_PIXELS, operator, "its window is too large", "pool in steps")
    low, high = bounds(operator, output)
    places = lowering.operand(source), lowering.place(output)
    lowering.add(
        MAX_POOL if operator.code == "MAX_POOL_2D" else AVERAGE_POOL,
        operator,
        reads=[places[0]],
        writes=[places[1]],
        overlaps=in_place(places[1], places[0], distance=_distance(axes[0], axes[1], source.shape[3])),
        completes=output,
        input=places[0],
        output=places[1],
        shape=source.shape[1:],
        output_shape=output.shape[1:],
        filter=[axis.kernel for axis in axes],
        stride=[axis.stride for axis in axes],
        padding=[axis.pad for axis in axes],
        low=low,
        high=high,
    )


def _axis(operator: Operator, axis: int) -> Axis:
    size, outputs = operator.input(0).shape[1 + axis], operator.outputs[0].shape[1 + axis]
    kernel = operator.options[("filter_height", "filter_width")[axis]]
    stride = operator.options[("stride_h", "stride_w")[axis]]
    known = 0 < kernel <= _MOST_SIZE and 0 < stride <= _MOST_STRIDE and size <= _MOST_SIZE
    require(known, operator, f"a filter of {kernel} in steps of {stride} over {size} is too large", "pool in steps")
    same = operator.options["padding"] == "SAME"
    expected = -(-size // stride) if same else (size - kernel) // stride + 1
    require(outputs == expected, operator, f"its output has {outputs} rows or columns where {expected} fit")
    return Axis(size, outputs, kernel, stride, 1, padding_before(size, outputs, kernel, stride) if same else 0)


def _distance(rows: Axis, columns: Axis, channels: int) -> int:
    """How far below the input the output must begin so that no pixel is written over one that is still read."""
    read = rows.first_taps()[:, None] * columns.size + columns.first_taps()
    read = read.ravel()
    written = np.arange(read.size)
    # A pixel may be written where it is read itself; where later ones are read, only before them.
    later = np.minimum.accumulate(np.append(read[1:], rows.size * columns.size)[::-1])[::-1]
    return channels * int(max((written - read).max(), (written + 1 - later).max()))
