"""Operators that move values and change none, for device/src/kernels/copy.c and fill.c.

What lies in one piece of its input is not moved at all: its tensor becomes a part of the other's place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgetwin.deploy.compiler.graph import Operator, Tensor, UnsupportedModelError
from edgetwin.deploy.compiler.layers import Constant, Kernel, Overlap, Place, array
from edgetwin.deploy.compiler.lowering import Lowering, lowers
from edgetwin.deploy.compiler.lowering.loops import Loop, dense, merge
from edgetwin.deploy.compiler.lowering.operands import integers, quantized, require, require_alike

__all__ = ["COPY", "FILL"]

_LOOPS = 5  # ET_WALK_LOOPS and one
COPY = Kernel(
    "copy",
    10,
    (
        "source",
        "target",
        "bytes",
        *array("sizes", _LOOPS),
        *array("source_strides", _LOOPS),
        *array("target_strides", _LOOPS),
    ),
)
FILL = Kernel("fill", 11, ("target", "bytes", "value"))


@dataclass(frozen=True)
class _Part:
    """Elements of a tensor: where the first is, and how far from one to the next along each axis."""

    tensor: Tensor
    first: int
    strides: Sequence[int]


@lowers("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def lower_reshape(lowering: Lowering, operator: Operator) -> None:
    """The same values under another shape."""
    source, output = operator.input(0), operator.outputs[0]
    require(source.size == output.size, operator, f"{source.shape} cannot become {output.shape}")
    _view(lowering, output, source, 0)


@lowers("TRANSPOSE")
def lower_transpose(lowering: Lowering, operator: Operator) -> None:
    """Axes in another order."""
    source, output = operator.input(0), operator.outputs[0]
    order = [axis % len(source.shape) for axis in integers(operator, 1)] if source.shape else []
    known = sorted(order) == list(range(len(source.shape)))
    require(known and tuple(source.shape[axis] for axis in order) == output.shape, operator, "its axes are impossible")
    strides = dense(source.shape)
    _take(lowering, operator, output, _Part(source, 0, [strides[axis] for axis in order]), output.shape)


@lowers("STRIDED_SLICE")
def lower_strided_slice(lowering: Lowering, operator: Operator) -> None:
    """Every k-th element from one limit to another along each axis."""
    source, output = operator.input(0), operator.outputs[0]
    begins, ends, steps = (integers(operator, position) for position in (1, 2, 3))
    options = operator.options
    require(len(begins) == len(ends) == len(steps) and 0 not in steps, operator, "its limits are impossible")
    shape, strides, first, axis = [], [], 0, 0
    inner = dense(source.shape)
    ellipsis, new_axis = options.get("ellipsis_mask", 0), options.get("new_axis_mask", 0)
    for position, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        if ellipsis >> position & 1:
            rest = sum(not new_axis >> later & 1 for later in range(position + 1, len(begins)))
            while axis < len(source.shape) - rest:
                shape.append(source.shape[axis])
                strides.append(inner[axis])
                axis += 1
            continue
        if new_axis >> position & 1:
            shape.append(1)
            strides.append(0)
            continue
        require(axis < len(source.shape), operator, "it has limits for more axes than its input has")
        size = source.shape[axis]
        shrink = bool(options.get("shrink_axis_mask", 0) >> position & 1)
        end += begin if options.get("offset", False) else 0
        limits = slice(
            None if options.get("begin_mask", 0) >> position & 1 else begin,
            None if options.get("end_mask", 0) >> position & 1 else end,
            step,
        )
        start, stop, _ = limits.indices(size)
        count = 1 if shrink else len(range(start, stop, step))
        require(0 <= start < size and count > 0, operator, f"it takes nothing of axis {axis}")
        first += start * inner[axis]
        if not shrink:
            shape.append(count)
            strides.append(step * inner[axis])
        axis += 1
    shape += source.shape[axis:]
    strides += inner[axis:]
    require(math.prod(shape) == output.size, operator, f"it takes {shape}, its output has the shape {output.shape}")
    _take(lowering, operator, output, _Part(source, first, strides), shape)


@lowers("SLICE")
def lower_slice(lowering: Lowering, operator: Operator) -> None:
    """A box of the input."""
    source, output = operator.input(0), operator.outputs[0]
    begins, sizes = integers(operator, 1), integers(operator, 2)
    require(len(begins) == len(sizes) == len(source.shape), operator, "its limits are impossible")
    limits = list(zip(begins, sizes, source.shape, strict=True))
    shape = tuple(whole - begin if size == -1 else size for begin, size, whole in limits)
    inside = all(0 <= begin < begin + size <= whole for size, (begin, _, whole) in zip(shape, limits, strict=True))
    require(inside and shape == output.shape, operator, "its limits are impossible")
    strides = dense(source.shape)
    first = sum(begin * stride for begin, stride in zip(begins, strides, strict=True))
    _take(lowering, operator, output, _Part(source, first, strides), shape)


@lowers("SPLIT", "SPLIT_V", "UNPACK")
def lower_split(lowering: Lowering, operator: Operator) -> None:
    """Outputs that lie one after the other along an axis."""
    source = operator.input(1 if operator.code == "SPLIT" else 0)
    if operator.code == "UNPACK":
        axis = operator.options["axis"]
    else:
        axis = integers(operator, 0 if operator.code == "SPLIT" else 2)[0]
    rank = len(source.shape)
    require(-rank <= axis < rank, operator, f"it has no axis {axis}")
    axis %= rank
    strides = dense(source.shape)
    begin = 0
    for output in operator.outputs:
        size = output.size * source.shape[axis] // source.size
        shape = [*source.shape[:axis], size, *source.shape[axis + 1 :]]
        fits = math.prod(shape) == output.size and begin + size <= source.shape[axis]
        require(fits, operator, f"{output.name} does not fit its input")
        _take(lowering, operator, output, _Part(source, begin * strides[axis], strides), shape)
        begin += size
    require(begin == source.shape[axis], operator, "its outputs are not its whole input")


@lowers("CONCATENATION", "PACK")
def lower_concatenation(lowering: Lowering, operator: Operator) -> None:
    """Inputs one after the other along an axis."""
    output = operator.outputs[0]
    sources = [operator.input(position) for position in range(len(operator.inputs))]
    activation = operator.options.get("fused_activation_function", "NONE")
    require(activation == "NONE", operator, f"{activation} is fused", "make it a layer of its own")
    if output.dtype == np.int8:
        require_alike(operator, *sources, output)
    rank, axis = len(output.shape), operator.options["axis"]
    require(-rank <= axis < rank, operator, f"it has no axis {axis}")
    axis %= rank
    strides = dense(output.shape)
    begin = 0
    for source in sources:
        size = source.size * output.shape[axis] // output.size
        shape = [*output.shape[:axis], size, *output.shape[axis + 1 :]]
        require(math.prod(shape) == source.size, operator, f"{source.name} does not fit its output")
        part = _Part(output, begin * strides[axis], strides)
        begin += size
        _copy(lowering, operator, shape, _Part(source, 0, dense(shape)), part, last=begin == output.shape[axis])
    require(begin == output.shape[axis], operator, "its inputs are not its whole output")


@lowers("PAD", "PADV2")
def lower_pad(lowering: Lowering, operator: Operator) -> None:
    """The output filled with one value, and the input copied into it."""
    source, output = operator.input(0), operator.outputs[0]
    pads = np.reshape(integers(operator, 1), (-1, 2))
    fits = len(pads) == len(source.shape) == len(output.shape) and pads.min(initial=0) >= 0
    fits = fits and output.shape == tuple(int(size) for size in np.asarray(source.shape) + pads.sum(axis=1))
    require(fits, operator, "its amounts do not fit its output")
    ((_, zero_point),) = quantized(operator, output)
    value = zero_point
    if len(operator.inputs) > 2:
        added = operator.input(2)
        require(added.data is not None, operator, f"{added.name} is computed in the model", "make it a constant")
        require_alike(operator, added, output)
        value = int(np.asarray(added.data).ravel()[0])
    if not pads.any():
        _view(lowering, output, source, 0)
        return
    place = lowering.place(output)
    lowering.add(FILL, operator, reads=[], writes=[place], target=place, bytes=output.bytes, value=value)
    strides = dense(output.shape)
    first = sum(int(before) * stride for before, stride in zip(pads[:, 0], strides, strict=True))
    inside = _Part(output, first, strides)
    _copy(lowering, operator, source.shape, _Part(source, 0, dense(source.shape)), inside, last=True)


def _view(lowering: Lowering, part: Tensor, whole: Tensor, first: int) -> None:
    """Lets a tensor be the elements of another from one on."""
    if whole.data is not None:
        part.data = whole.data.ravel()[first : first + part.size].reshape(part.shape)
    else:
        lowering.alias(part, whole, first * whole.dtype.itemsize)


def _take(lowering: Lowering, operator: Operator, output: Tensor, part: _Part, shape: Sequence[int]) -> None:
    """Makes an output of a part of the input: without a copy if its elements lie in that order already."""
    loops = merge(shape, part.strides)
    if not loops or (len(loops) == 1 and loops[0][1] == (1,)):
        _view(lowering, output, part.tensor, part.first)
        return
    _copy(lowering, operator, shape, part, _Part(output, 0, dense(shape)), last=True, alone=True)


def _copy(
    lowering: Lowering,
    operator: Operator,
    shape: Sequence[int],
    source: _Part,
    target: _Part,
    *,
    last: bool,
    alone: bool = False,
) -> None:
    """Appends a copy of elements. last: it completes the output; alone: it is all that writes it."""
    item = source.tensor.dtype.itemsize
    require(source.tensor.dtype == target.tensor.dtype, operator, "its tensors have different types")
    loops = merge(
        [*shape, item],
        [stride * item for stride in source.strides] + [1],
        [stride * item for stride in target.strides] + [1],
    )
    run = loops.pop()[0] if loops and loops[-1][1] == (1, 1) else 1
    if len(loops) > _LOOPS:
        raise UnsupportedModelError(operator, f"{tuple(shape)} has too many axes to move", "move fewer at once")
    padded: list[Loop] = [(1, (0, 0))] * (_LOOPS - len(loops)) + loops
    whole = lowering.operand(source.tensor)
    origin: Place | Constant
    if isinstance(whole, Constant):
        # A record has no offset into a constant: what is copied begins with the lowest element.
        origin, shift = _cut(whole, source.first * item, [(size, steps[0]) for size, steps in padded])
        require(shift == 0, operator, f"{source.tensor.name} is a constant that is reversed", "reverse it beforehand")
    else:
        origin = Place(whole.buffer, whole.offset + source.first * item)
    place = lowering.place(target.tensor)
    goal = Place(place.buffer, place.offset + target.first * item)
    lowering.add(
        COPY,
        operator,
        reads=[origin],
        writes=[goal],
        overlaps=[_overlap(goal, origin, padded, run)] if alone and isinstance(origin, Place) else [],
        completes=target.tensor if last else None,
        source=origin,
        target=goal,
        bytes=run,
        sizes=[size for size, _ in padded],
        source_strides=[steps[0] for _, steps in padded],
        target_strides=[steps[1] for _, steps in padded],
    )


def _cut(whole: Constant, first: int, loops: Sequence[tuple[int, int]]) -> tuple[Constant, int]:
    """A constant from an element on, and how far below that the strides lead."""
    below = sum(min((size - 1) * step, 0) for size, step in loops)
    return Constant(whole.name, whole.data[first:]), below


def _overlap(goal: Place, origin: Place, loops: Sequence[Loop], run: int) -> Overlap:
    """How far below the input the output must begin so that no run is written over one that is still to be read."""
    read: npt.NDArray[np.int64] = np.zeros(1, np.int64)
    written = read
    for size, (source, target) in loops:
        turns = np.arange(size)
        read = (read[:, None] + turns * source).ravel()
        written = (written[:, None] + turns * target).ravel()
    # Within a run nothing is lost; before each there are all earlier ones.
    ends = np.maximum.accumulate(written)[:-1] + run
    distance = int((ends - read[1:]).max(initial=-origin.buffer.size))
    return Overlap(goal.buffer, origin.buffer, distance + goal.offset - origin.offset)
