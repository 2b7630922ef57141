"""ADD, SUB, MUL, MAXIMUM and MINIMUM, for device/src/kernels/add.c, multiply.c and extremum.c."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgetwin.deploy.compiler.fixed_point import quantize_multiplier
from edgetwin.deploy.compiler.graph import Operator, Tensor
from edgetwin.deploy.compiler.layers import Constant, Kernel, Overlap, Place, array
from edgetwin.deploy.compiler.lowering import Lowering, lowers
from edgetwin.deploy.compiler.lowering.loops import dense, merge
from edgetwin.deploy.compiler.lowering.operands import bounds, in_place, quantized, require, require_alike

__all__ = ["ADD", "EXTREMUM", "MULTIPLY"]

_LOOPS = 5  # ET_WALK_LOOPS and the run
_OPERANDS = (
    "a",
    "b",
    "output",
    *array("sizes", _LOOPS),
    *array("a_strides", _LOOPS),
    *array("b_strides", _LOOPS),
)
ADD = Kernel(
    "add",
    4,
    (
        *_OPERANDS,
        "a_factor",
        "a_zero",
        "b_factor",
        "b_zero",
        "b_multiplier",
        "b_shift",
        "multiplier",
        "shift",
        "zero",
        "low",
        "high",
    ),
)
MULTIPLY = Kernel("multiply", 5, (*_OPERANDS, "a_zero", "b_zero", "multiplier", "shift", "zero", "low", "high"))
EXTREMUM = Kernel("extremum", 6, (*_OPERANDS, "flip"))

_LEFT_SHIFT = 20  # of int8 operands before they are added


@dataclass(frozen=True)
class _Walk:
    """Loops over the elements of two operands and an output."""

    operands: list[Place | Constant]
    output: Place
    overlaps: list[Overlap]
    sizes: list[int]
    a_strides: list[int]
    b_strides: list[int]


@lowers("ADD", "SUB")
def lower_addition(lowering: Lowering, operator: Operator) -> None:
    """The operand of the larger scale becomes `a`, whose multiplier is exactly 1/2: a shift."""
    output = operator.outputs[0]
    tensors = [operator.input(0), operator.input(1)]
    scales = [scale for scale, _ in quantized(operator, *tensors)]
    signs = [1, 1 if operator.code == "ADD" else -1]
    order = [0, 1] if scales[0] >= scales[1] else [1, 0]
    a, b = (tensors[i] for i in order)
    (_, a_zero), (b_scale, b_zero), (scale, zero) = quantized(operator, a, b, output)
    twice = 2.0 * float(max(scales))
    b_multiplier, b_shift = quantize_multiplier(float(b_scale) / twice)
    ratio = twice / (float(1 << _LEFT_SHIFT) * float(scale))
    multiplier, shift = quantize_multiplier(ratio)
    require(
        ratio < 1 and shift <= 0,
        operator,
        "its output's scale is too small for its inputs'",
        "calibrate with representative data",
    )
    low, high = bounds(operator, output)
    walk = _walk(lowering, operator, a, b)
    lowering.add(
        ADD,
        operator,
        reads=walk.operands,
        writes=[walk.output],
        overlaps=walk.overlaps,
        completes=output,
        a=walk.operands[0],
        b=walk.operands[1],
        output=walk.output,
        sizes=walk.sizes,
        a_strides=walk.a_strides,
        b_strides=walk.b_strides,
        a_factor=signs[order[0]] << (_LEFT_SHIFT - 1),
        a_zero=a_zero,
        b_factor=signs[order[1]],
        b_zero=b_zero,
        b_multiplier=b_multiplier,
        b_shift=-b_shift,
        multiplier=multiplier,
        shift=-shift,
        zero=zero,
        low=low,
        high=high,
    )


@lowers("MUL")
def lower_multiply(lowering: Lowering, operator: Operator) -> None:
    """Products, requantised."""
    a, b, output = operator.input(0), operator.input(1), operator.outputs[0]
    (a_scale, a_zero), (b_scale, b_zero), (scale, zero) = quantized(operator, a, b, output)
    multiplier, shift = quantize_multiplier(float(a_scale) * float(b_scale) / float(scale))
    low, high = bounds(operator, output)
    walk = _walk(lowering, operator, a, b)
    lowering.add(
        MULTIPLY,
        operator,
        reads=walk.operands,
        writes=[walk.output],
        overlaps=walk.overlaps,
        completes=output,
        a=walk.operands[0],
        b=walk.operands[1],
        output=walk.output,
        sizes=walk.sizes,
        a_strides=walk.a_strides,
        b_strides=walk.b_strides,
        a_zero=a_zero,
        b_zero=b_zero,
        multiplier=multiplier,
        shift=shift,
        zero=zero,
        low=low,
        high=high,
    )


@lowers("MAXIMUM", "MINIMUM")
def lower_extremum(lowering: Lowering, operator: Operator) -> None:
    """The larger or the smaller stored value: all tensors have one scale."""
    a, b, output = operator.input(0), operator.input(1), operator.outputs[0]
    require_alike(operator, a, b, output)
    walk = _walk(lowering, operator, a, b)
    lowering.add(
        EXTREMUM,
        operator,
        reads=walk.operands,
        writes=[walk.output],
        overlaps=walk.overlaps,
        completes=output,
        a=walk.operands[0],
        b=walk.operands[1],
        output=walk.output,
        sizes=walk.sizes,
        a_strides=walk.a_strides,
        b_strides=walk.b_strides,
        flip=0 if operator.code == "MAXIMUM" else -1,
    )


def _walk(lowering: Lowering, operator: Operator, a: Tensor, b: Tensor) -> _Walk:
    """How two operands, which broadcast as in NumPy, make the output."""
    output = operator.outputs[0]
    shape = np.broadcast_shapes(a.shape, b.shape) if _broadcast(a.shape, b.shape) else None
    require(shape == output.shape, operator, f"shapes {a.shape} and {b.shape} do not make {output.shape}")
    loops = merge(output.shape, _strides(a, output), _strides(b, output))
    if not loops or any(step > 1 for step in loops[-1][1]):  # a run's strides are 0 or 1
        loops.append((1, (0, 0)))
    require(len(loops) <= _LOOPS, operator, f"{a.shape} and {b.shape} broadcast along too many axes", "reshape them")
    loops = [(1, (0, 0))] * (_LOOPS - len(loops)) + loops
    operands, place = [lowering.operand(a), lowering.operand(b)], lowering.place(output)
    whole = [operand for tensor, operand in zip((a, b), operands, strict=True) if tensor.size == output.size]
    # An operand that is read again for other elements must not be written over.
    again = {operand.buffer for operand in operands if operand not in whole and isinstance(operand, Place)}
    return _Walk(
        operands=operands,
        output=place,
        overlaps=[overlap for overlap in in_place(place, *whole) if overlap.input not in again],
        sizes=[size for size, _ in loops],
        a_strides=[steps[0] for _, steps in loops],
        b_strides=[steps[1] for _, steps in loops],
    )


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(x == y or 1 in (x, y) for x, y in zip(a[::-1], b[::-1], strict=False))


def _strides(tensor: Tensor, output: Tensor) -> list[int]:
    """Of a tensor along its output's axes: 0 where it is repeated."""
    missing = len(output.shape) - len(tensor.shape)
    steps = dense(tensor.shape)
    return [0] * missing + [0 if size == 1 else step for size, step in zip(tensor.shape, steps, strict=True)]
