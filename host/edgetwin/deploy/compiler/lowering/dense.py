"""FULLY_CONNECTED, for device/src/kernels/dense.c."""

from __future__ import annotations

import numpy as np

from edgetwin.deploy.compiler.graph import Operator, Tensor, UnsupportedModelError
from edgetwin.deploy.compiler.layers import Kernel, Place
from edgetwin.deploy.compiler.lowering import Lowering, lowers
from edgetwin.deploy.compiler.lowering.packing import Rows, rows_of
from edgetwin.deploy.compiler.lowering.windows import Axis

__all__ = ["DENSE", "DENSE_HELIUM", "add_dense"]

DENSE = Kernel(
    "dense",
    3,
    (
        "input",
        "output",
        "weights",
        "channels",
        "inputs",
        "outputs",
        "output_zero_point",
        "low",
        "high",
        "is_bounded",
    ),
)

DENSE_HELIUM = Kernel("dense_helium", 35, DENSE.fields)

GROUP = 4  # ET_NN_DENSE_ROWS, ET_NN_HELIUM_ROWS


@lowers("FULLY_CONNECTED")
def lower_fully_connected(lowering: Lowering, operator: Operator) -> None:
    """A dense layer; with many rows of input a 1x1 convolution over them."""
    from edgetwin.deploy.compiler.lowering.conv import add_conv

    source, filters, output = operator.input(0), operator.input(1), operator.outputs[0]
    if operator.options.get("weights_format", "DEFAULT") != "DEFAULT":
        raise UnsupportedModelError(operator, "its weights are shuffled", "convert the model again")
    if len(filters.shape) != 2 or filters.size == 0 or source.size % filters.shape[1]:
        raise UnsupportedModelError(operator, "its weights do not fit its input", "convert the model again")
    outputs, inputs = filters.shape
    count = source.size // inputs
    if output.size != count * outputs:
        raise UnsupportedModelError(operator, "its output does not fit its weights", "convert the model again")
    stored = filters.data if filters.data is not None else np.zeros(filters.shape, np.int8)
    bias = operator.inputs[2] if len(operator.inputs) > 2 else None
    rows = rows_of(operator, source, filters, bias, stored.reshape(outputs, inputs))
    rows = rows.with_weights(rows.weights, int(source.zero_point[0]))
    macs = count * outputs * inputs
    if count == 1:
        add_dense(lowering, operator, source, rows, macs=macs)
    else:
        axes = Axis(1, 1, 1, 1, 1, 0), Axis(count, count, 1, 1, 1, 0)
        add_conv(lowering, operator, source, output, rows, axes, macs=macs)


def add_dense(lowering: Lowering, operator: Operator, source: Tensor, rows: Rows, *, macs: int) -> None:
    """A layer that multiplies all rows with one column, the whole of a tensor."""
    place_in, place_out = lowering.operand(source), lowering.place(operator.outputs[0])
    on_helium = lowering.target == "helium" and rows.is_bounded
    if (
        isinstance(place_in, Place) and not on_helium
    ):  # whole quads of the input are read; the weights beyond its end are zeros
        place_in.buffer.size = max(place_in.buffer.size, place_in.offset + 4 * rows.quads)
    lowering.add(
        DENSE_HELIUM if on_helium else DENSE,
        operator,
        reads=[place_in],
        writes=[place_out],
        completes=operator.outputs[0],
        macs=macs,
        input=place_in,
        output=place_out,
        weights=rows.pack_rows(GROUP) if on_helium else rows.pack_quads(GROUP),
        channels=rows.pack_channels(GROUP),
        inputs=rows.weights.shape[1],
        outputs=len(rows.weights),
        **rows.fields(),
    )
