"""SOFTMAX, for device/src/kernels/softmax.c."""

from __future__ import annotations

import numpy as np

from edgetwin.deploy.compiler.activations import exponentials
from edgetwin.deploy.compiler.graph import Operator, UnsupportedModelError
from edgetwin.deploy.compiler.layers import Kernel, constant
from edgetwin.deploy.compiler.lowering import Lowering, lowers
from edgetwin.deploy.compiler.lowering.operands import in_place, quantized, require

__all__ = ["SOFTMAX"]

SOFTMAX = Kernel("softmax", 13, ("input", "output", "rows", "depth", "table"))

_MOST_DEPTH = 4095  # MOST_DEPTH


@lowers("SOFTMAX")
def lower_softmax(lowering: Lowering, operator: Operator) -> None:
    """Shares of exp(beta x) along the last axis."""
    source, output = operator.input(0), operator.outputs[0]
    (scale, _), (output_scale, output_zero) = quantized(operator, source, output)
    exact = output_scale == np.float32(1 / 256) and output_zero == -128
    require(exact, operator, "its output's scale is not 1/256 or its zero point not -128")
    require(len(source.shape) >= 1 and source.shape == output.shape, operator, "its output has another shape")
    depth = source.shape[-1]
    require(depth <= _MOST_DEPTH, operator, f"it has {depth} classes, at most {_MOST_DEPTH} are possible", "use fewer")
    table = exponentials(float(scale), operator.options["beta"])
    if table is None:
        raise UnsupportedModelError(operator, f"its input's scale {scale} is too small", "calibrate with other data")
    places = lowering.operand(source), lowering.place(output)
    lowering.add(
        SOFTMAX,
        operator,
        reads=[places[0]],
        writes=[places[1]],
        overlaps=in_place(places[1], places[0]),
        completes=output,
        input=places[0],
        output=places[1],
        rows=source.size // depth,
        depth=depth,
        table=constant("exponentials", table, np.int32),
    )
