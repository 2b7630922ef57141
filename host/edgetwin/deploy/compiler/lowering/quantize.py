"""QUANTIZE and DEQUANTIZE, for device/src/kernels/quantize.c, dequantize.c and lookup.c."""

from __future__ import annotations

import numpy as np

from edgetwin.deploy.compiler.activations import requantize_table
from edgetwin.deploy.compiler.graph import Operator
from edgetwin.deploy.compiler.layers import Kernel
from edgetwin.deploy.compiler.lowering import Lowering, lowers
from edgetwin.deploy.compiler.lowering.lookup import add_lookup
from edgetwin.deploy.compiler.lowering.operands import in_place, quantized, require

__all__ = ["DEQUANTIZE", "QUANTIZE"]

_FIELDS = ("input", "output", "count", "scale", "zero")
QUANTIZE = Kernel("quantize", 16, _FIELDS)
DEQUANTIZE = Kernel("dequantize", 17, _FIELDS)


@lowers("QUANTIZE")
def lower_quantize(lowering: Lowering, operator: Operator) -> None:
    """From float32, or from int8 by a table."""
    source, output = operator.input(0), operator.outputs[0]
    ((scale, zero),) = quantized(operator, output)
    if source.dtype == np.float32:
        _add(lowering, QUANTIZE, operator, scale, zero, distance=0)
    else:
        ((source_scale, source_zero),) = quantized(operator, source)
        add_lookup(lowering, operator, requantize_table(float(source_scale), source_zero, float(scale), zero))


@lowers("DEQUANTIZE")
def lower_dequantize(lowering: Lowering, operator: Operator) -> None:
    """To float32."""
    source, output = operator.input(0), operator.outputs[0]
    ((scale, zero),) = quantized(operator, source)
    require(output.dtype == np.float32, operator, f"its output is {output.dtype}, not float32")
    # Each output ends 3 bytes more above the value that it is made of.
    _add(lowering, DEQUANTIZE, operator, scale, zero, distance=3 * source.size)


def _add(
    lowering: Lowering, kernel: Kernel, operator: Operator, scale: np.float32, zero: int, *, distance: int
) -> None:
    source, output = operator.input(0), operator.outputs[0]
    require(source.size == output.size, operator, f"its output has {output.size} values, its input {source.size}")
    places = lowering.operand(source), lowering.place(output)
    lowering.add(
        kernel,
        operator,
        reads=[places[0]],
        writes=[places[1]],
        overlaps=in_place(places[1], places[0], distance=distance),
        completes=output,
        input=places[0],
        output=places[1],
        count=output.size,
        scale=int(np.float32(scale).view(np.int32)),
        zero=zero,
    )
