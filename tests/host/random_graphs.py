"""Random networks, drawn by hypothesis or from a seed: skip connections, concatenations, splits, several outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from operator_cases import Case, values, windows
from tflite_models import ModelBuilder

#: Elements of a tensor and bytes of weights that a drawn network keeps below.
MOST_ELEMENTS = 4000
MOST_WEIGHTS = 20000
INVOCATIONS = 2


@dataclass(frozen=True)
class Value:
    """A tensor that is there to be used."""

    index: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int


class GraphMaker:
    """Grows a network operator by operator.

    integer : draws an integer between two, both included; weights come from a seed that it draws
    """

    def __init__(self, integer: Callable[[int, int], int]) -> None:
        self.integer = integer
        self.random = np.random.default_rng(integer(0, 2**32 - 1))
        self.model = ModelBuilder()
        self.values: list[Value] = []
        self.used: set[int] = set()

    def choice(self, options: Sequence[Any]) -> Any:
        return options[self.integer(0, len(options) - 1)]

    def new(self, shape: Sequence[int], scale: float, zero_point: int | None = None) -> Value:
        """A tensor that an operator is about to write."""
        zero = int(self.random.integers(-100, 100)) if zero_point is None else zero_point
        index = self.model.tensor(shape, scale=scale, zero_point=zero)
        return Value(index, tuple(int(size) for size in shape), float(np.float32(scale)), zero)

    def operator(self, code: str, operands: Sequence[Value | int], results: Sequence[Value], **options: Any) -> None:
        indices = [operand.index if isinstance(operand, Value) else operand for operand in operands]
        self.used.update(operand.index for operand in operands if isinstance(operand, Value))
        self.model.operator(code, indices, [result.index for result in results], **options)
        self.values.extend(results)

    def pick(self, fits: Callable[[Value], bool] = lambda value: True) -> Value | None:
        """One of the tensors, mostly one of the last."""
        candidates = [value for value in self.values if fits(value)]
        if not candidates:
            return None
        back = min(self.integer(0, 5) * self.integer(0, 2), len(candidates) - 1)
        return candidates[-1 - back]

    def image(self) -> Value | None:
        return self.pick(lambda value: len(value.shape) == 4 and value.shape[0] == 1)

    def weights(self, x: Value, shape: Sequence[int], axis: int, terms: int) -> tuple[list[int], float]:
        """Constants of a layer with weights, and the scale of its output."""
        count = shape[axis]
        steps = (0.01 * 2.0 ** self.random.uniform(-2, 0, count)).astype(np.float32)
        data = self.random.integers(-127, 128, shape)
        bias = self.random.integers(-3000, 3000, count)
        indices = [
            self.model.tensor(shape, scale=steps, data=data, axis=axis),
            self.model.tensor((count,), "int32", scale=steps * np.float32(x.scale), data=bias),
        ]
        return indices, x.scale * float(steps.mean()) * 150 * terms**0.5

    def same_parameters(self, value: Value, like: Value) -> Value:
        """The value in another's scale and zero point: through a QUANTIZE unless it is so already."""
        if (value.scale, value.zero_point) == (like.scale, like.zero_point):
            return value
        result = self.new(value.shape, like.scale, like.zero_point)
        self.operator("QUANTIZE", [value], [result])
        return result


def convolution(g: GraphMaker) -> None:
    x = g.image()
    kernel, stride = (g.integer(1, 3), g.integer(1, 3)), g.integer(1, 2)
    filters = g.choice([1, 3, 4, 8, 9, 16])
    if x is None or kernel[0] * kernel[1] * x.shape[3] * filters > MOST_WEIGHTS:
        return
    kind = "VALID" if g.integer(0, 1) and x.shape[1] >= kernel[0] and x.shape[2] >= kernel[1] else "SAME"
    height, width = (windows(n, k, stride, kind) for n, k in zip(x.shape[1:3], kernel, strict=True))
    constants, scale = g.weights(x, (filters, *kernel, x.shape[3]), 0, kernel[0] * kernel[1] * x.shape[3])
    result = g.new((1, height, width, filters), scale)
    g.operator(
        "CONV_2D",
        [x, *constants],
        [result],
        padding=kind,
        stride_h=stride,
        stride_w=stride,
        fused_activation_function=g.choice(["NONE", "RELU", "RELU6"]),
    )


def depthwise(g: GraphMaker) -> None:
    x = g.image()
    kernel, stride, multiplier = (g.integer(1, 3), g.integer(1, 3)), g.integer(1, 2), g.choice([1, 1, 2])
    if x is None or x.shape[3] * multiplier > 64:
        return
    height, width = (windows(n, k, stride, "SAME") for n, k in zip(x.shape[1:3], kernel, strict=True))
    depth = x.shape[3] * multiplier
    constants, scale = g.weights(x, (1, *kernel, depth), 3, kernel[0] * kernel[1])
    result = g.new((1, height, width, depth), scale)
    g.operator(
        "DEPTHWISE_CONV_2D",
        [x, *constants],
        [result],
        padding="SAME",
        stride_h=stride,
        stride_w=stride,
        depth_multiplier=multiplier,
        fused_activation_function=g.choice(["NONE", "RELU"]),
    )


def transpose_convolution(g: GraphMaker) -> None:
    x = g.image()
    filters, stride = g.choice([1, 2, 4, 8]), g.integer(1, 2)
    if x is None or x.shape[1] * x.shape[2] * stride**2 * filters > MOST_ELEMENTS or 9 * x.shape[3] > 500:
        return
    shape = (1, x.shape[1] * stride, x.shape[2] * stride, filters)
    constants, scale = g.weights(x, (filters, 3, 3, x.shape[3]), 0, 9 * x.shape[3])
    result = g.new(shape, scale)
    operands = [g.model.constant(shape), constants[0], x, constants[1]]
    g.operator("TRANSPOSE_CONV", operands, [result], padding="SAME", stride_h=stride, stride_w=stride)


def fully_connected(g: GraphMaker) -> None:
    x, units = g.pick(lambda value: len(value.shape) >= 1), g.choice([1, 3, 8, 10, 16])
    if x is None or x.shape[-1] * units > MOST_WEIGHTS:
        return
    constants, scale = g.weights(x, (units, x.shape[-1]), 0, x.shape[-1])
    rows = int(np.prod(x.shape[:-1]))
    result = g.new((rows, units), scale)
    g.operator("FULLY_CONNECTED", [x, *constants], [result], fused_activation_function=g.choice(["NONE", "RELU"]))


def binary(g: GraphMaker) -> None:
    x = g.pick()
    assert x is not None
    other = g.pick(lambda value: value.shape == x.shape)
    assert other is not None
    code = g.choice(["ADD", "ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"])
    options = {} if code in ("MAXIMUM", "MINIMUM") else {"fused_activation_function": g.choice(["NONE", "RELU"])}
    if code in ("MAXIMUM", "MINIMUM"):
        other = g.same_parameters(other, x)
        result = g.new(x.shape, x.scale, x.zero_point)
    elif code == "MUL":
        result = g.new(x.shape, x.scale * other.scale * 100)
    else:
        result = g.new(x.shape, x.scale + other.scale)
    g.operator(code, [x, other], [result], **options)


def with_constant(g: GraphMaker) -> None:
    x = g.pick()
    assert x is not None
    shape = x.shape if g.integer(0, 1) else x.shape[-1:]
    constant = g.model.tensor(shape, scale=x.scale, zero_point=3, data=values(g.random, shape))
    code = g.choice(["ADD", "MUL"])
    result = g.new(x.shape, x.scale * 2 if code == "ADD" else x.scale**2 * 100)
    g.operator(code, [x, constant], [result])


def concatenation(g: GraphMaker) -> None:
    x = g.pick()
    assert x is not None
    axis = g.integer(0, len(x.shape) - 1)
    rest = [size for at, size in enumerate(x.shape) if at != axis]

    def fits(value: Value) -> bool:
        same = len(value.shape) == len(x.shape)
        return same and [size for at, size in enumerate(value.shape) if at != axis] == rest

    parts = [x, *(g.same_parameters(part, x) for _ in range(g.integer(1, 3)) if (part := g.pick(fits)) is not None)]
    shape = [*x.shape[:axis], sum(part.shape[axis] for part in parts), *x.shape[axis + 1 :]]
    if np.prod(shape) <= MOST_ELEMENTS:
        g.operator("CONCATENATION", parts, [g.new(shape, x.scale, x.zero_point)], axis=axis)


def split(g: GraphMaker) -> None:
    x = g.pick(lambda value: any(size > 1 for size in value.shape))
    if x is None:
        return
    axis = g.choice([at for at, size in enumerate(x.shape) if size > 1])
    count = g.choice([count for count in range(2, x.shape[axis] + 1) if x.shape[axis] % count == 0][:3])
    shape = [*x.shape[:axis], x.shape[axis] // count, *x.shape[axis + 1 :]]
    parts = [g.new(shape, x.scale, x.zero_point) for _ in range(count)]
    g.operator("SPLIT", [g.model.constant(np.int32(axis)), x], parts, num_splits=count)


def unpack(g: GraphMaker) -> None:
    x = g.pick(lambda value: len(value.shape) > 1 and min(value.shape) <= 4)
    if x is None:
        return
    axis = g.choice([at for at, size in enumerate(x.shape) if size <= 4])
    shape = [*x.shape[:axis], *x.shape[axis + 1 :]]
    parts = [g.new(shape, x.scale, x.zero_point) for _ in range(x.shape[axis])]
    g.operator("UNPACK", [x], parts, num=x.shape[axis], axis=axis)


def pack(g: GraphMaker) -> None:
    x = g.pick(lambda value: len(value.shape) < 5 and np.prod(value.shape) * 2 <= MOST_ELEMENTS)
    if x is None:
        return
    other = g.pick(lambda value: value.shape == x.shape)
    assert other is not None
    parts, axis = [x, g.same_parameters(other, x)], g.integer(0, len(x.shape))
    shape = [*x.shape[:axis], 2, *x.shape[axis:]]
    g.operator("PACK", parts, [g.new(shape, x.scale, x.zero_point)], values_count=2, axis=axis)


def strided_slice(g: GraphMaker) -> None:
    x = g.pick(lambda value: len(value.shape) <= 4)
    if x is None:
        return
    begin = [g.integer(0, min(size - 1, 2)) for size in x.shape]
    strides = [g.choice([1, 1, 2]) for _ in x.shape]
    shape = [len(range(first, size, step)) for first, size, step in zip(begin, x.shape, strides, strict=True)]
    constants = [g.model.constant(each) for each in (begin, x.shape, strides)]
    g.operator("STRIDED_SLICE", [x, *constants], [g.new(shape, x.scale, x.zero_point)])


def pad(g: GraphMaker) -> None:
    x = g.pick(lambda value: len(value.shape) <= 4)
    if x is None:
        return
    amounts = [[0, 0], *([g.integer(0, 2), g.integer(0, 1)] for _ in x.shape[1:])]
    shape = [size + sum(amount) for size, amount in zip(x.shape, amounts, strict=True)]
    if np.prod(shape) <= MOST_ELEMENTS:
        g.operator("PAD", [x, g.model.constant(amounts)], [g.new(shape, x.scale, x.zero_point)])


def reshape(g: GraphMaker) -> None:
    x = g.pick()
    assert x is not None
    size = int(np.prod(x.shape))
    depth = g.choice([divisor for divisor in (1, 2, 3, 4, 8) if size % divisor == 0])
    shape = g.choice([(1, size), (1, size // depth, 1, depth), (1, size // depth, depth)])
    g.operator("RESHAPE", [x, g.model.constant(shape)], [g.new(shape, x.scale, x.zero_point)], new_shape=shape)


def transpose(g: GraphMaker) -> None:
    x = g.pick()
    assert x is not None
    order = [int(axis) for axis in g.random.permutation(len(x.shape))]
    shape = [x.shape[axis] for axis in order]
    g.operator("TRANSPOSE", [x, g.model.constant(order)], [g.new(shape, x.scale, x.zero_point)])


def pool(g: GraphMaker) -> None:
    x = g.image()
    if x is None:
        return
    height, width = min(2, x.shape[1]), min(2, x.shape[2])
    result = g.new((1, x.shape[1] // height, x.shape[2] // width, x.shape[3]), x.scale, x.zero_point)
    g.operator(
        g.choice(["MAX_POOL_2D", "AVERAGE_POOL_2D"]),
        [x],
        [result],
        padding="VALID",
        stride_h=height,
        stride_w=width,
        filter_height=height,
        filter_width=width,
    )


def mean(g: GraphMaker) -> None:
    x = g.image()
    if x is not None:
        keep = bool(g.integer(0, 1))
        shape = (1, 1, 1, x.shape[3]) if keep else (1, x.shape[3])
        g.operator("MEAN", [x, g.model.constant([1, 2])], [g.new(shape, x.scale)], keep_dims=keep)


def resize(g: GraphMaker) -> None:
    x = g.image()
    if x is not None and 4 * np.prod(x.shape) <= MOST_ELEMENTS:
        size = [2 * x.shape[1], 2 * x.shape[2]]
        result = g.new((1, *size, x.shape[3]), x.scale, x.zero_point)
        g.operator("RESIZE_NEAREST_NEIGHBOR", [x, g.model.constant(size)], [result])


def function(g: GraphMaker) -> None:
    x = g.pick(lambda value: len(value.shape) <= 4)
    if x is None:
        return
    code = g.choice(["RELU", "LEAKY_RELU", "LOGISTIC", "TANH", "SOFTMAX", "QUANTIZE"])
    fixed = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0), "SOFTMAX": (1 / 256, -128)}
    options = {"LEAKY_RELU": {"alpha": 0.2}, "SOFTMAX": {"beta": 1.0}}.get(code, {})
    scale, zero = fixed.get(code, (x.scale * 1.1, None))
    g.operator(code, [x], [g.new(x.shape, scale, zero)], **options)


OPERATIONS: list[Callable[[GraphMaker], None]] = [
    *(convolution, convolution, depthwise, depthwise, binary, binary, concatenation, concatenation),
    *(transpose_convolution, fully_connected, with_constant, split, unpack, pack, strided_slice, pad),
    *(reshape, transpose, pool, mean, resize, function, function),
]


def network(integer: Callable[[int, int], int]) -> Case:
    """A network of one or two inputs and up to 14 operators; all that nothing reads, and sometimes more, is output."""
    g = GraphMaker(integer)
    shape = (1, g.integer(2, 9), g.integer(2, 9), g.choice([1, 2, 3, 4, 8]))
    inputs = [g.new(shape, 0.05) for _ in range(g.integer(1, 2))]
    g.values.extend(inputs)
    for _ in range(g.integer(2, 14)):
        g.choice(OPERATIONS)(g)
    fed = {value.index for value in inputs}
    made = [value for value in g.values if value.index not in fed]
    if not made:
        with_constant(g)
        made = g.values[-1:]
    outputs = [value for value in made if value.index not in g.used or g.integer(0, 9) == 9]
    series = [[values(g.random, value.shape) for value in inputs] for _ in range(INVOCATIONS)]
    return Case(g.model.build([value.index for value in inputs], [value.index for value in outputs]), series)


def seeded_network(random: np.random.Generator) -> Case:
    """A network that depends on a seed alone."""
    return network(lambda low, high: int(random.integers(low, high, endpoint=True)))


@st.composite
def networks(draw: Callable[[st.SearchStrategy[int]], int]) -> Case:
    """A network that hypothesis draws."""
    return network(lambda low, high: draw(st.integers(low, high)))
