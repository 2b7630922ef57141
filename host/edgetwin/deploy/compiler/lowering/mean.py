"""MEAN, for device/src/kernels/mean.c."""

from __future__ import annotations

import math

from edgetwin.deploy.compiler.fixed_point import quantize_multiplier
from edgetwin.deploy.compiler.graph import Operator
from edgetwin.deploy.compiler.layers import Kernel, array
from edgetwin.deploy.compiler.lowering import Lowering, lowers
from edgetwin.deploy.compiler.lowering.loops import dense, merge
from edgetwin.deploy.compiler.lowering.operands import integers, quantized, require

__all__ = ["MEAN"]

_LOOPS = 3
MEAN = Kernel(
    "mean",
    9,
    (
        "input",
        "output",
        *array("kept", _LOOPS),
        *array("kept_strides", _LOOPS),
        *array("summed", _LOOPS),
        *array("summed_strides", _LOOPS),
        "offset",
        "multiplier",
        "shift",
        "zero",
    ),
)
_MOST_VALUES = 1 << 24


@lowers("MEAN")
def lower_mean(lowering: Lowering, operator: Operator) -> None:
    """Means over any axes, which lie in the order of those that stay."""
    source, output = operator.input(0), operator.outputs[0]
    (scale, zero_point), (output_scale, output_zero) = quantized(operator, source, output)
    rank = len(source.shape)
    axes = integers(operator, 1)
    require(all(-rank <= axis < rank for axis in axes), operator, f"it has no axes {axes}")
    summed = {axis % rank for axis in axes}
    kept = [axis for axis in range(rank) if axis not in summed]
    count = math.prod(source.shape[axis] for axis in summed)
    require(output.size * count == source.size, operator, f"its output has {output.size} values")
    require(count <= _MOST_VALUES, operator, f"it sums {count} values", "take means in steps")
    multiplier, shift = _divided(*quantize_multiplier(float(scale) / float(output_scale)), count)
    strides = dense(source.shape)
    loops = []
    for chosen in (kept, sorted(summed)):
        merged = merge([source.shape[axis] for axis in chosen], [strides[axis] for axis in chosen])
        require(len(merged) <= _LOOPS, operator, "its axes alternate too often", "transpose its input first")
        loops.append([(1, (0,))] * (_LOOPS - len(merged)) + merged)
    places = lowering.operand(source), lowering.place(output)
    lowering.add(
        MEAN,
        operator,
        reads=[places[0]],
        writes=[places[1]],
        completes=output,
        input=places[0],
        output=places[1],
        kept=[size for size, _ in loops[0]],
        kept_strides=[steps[0] for _, steps in loops[0]],
        summed=[size for size, _ in loops[1]],
        summed_strides=[steps[0] for _, steps in loops[1]],
        offset=-zero_point * count,
        multiplier=multiplier,
        shift=shift,
        zero=output_zero,
    )


def _divided(multiplier: int, shift: int, count: int) -> tuple[int, int]:
    """A multiplier that divides by a count, too, with as many bits as TFLite keeps (QuantizedMeanOrSum)."""
    more = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << more) // count, shift - more
