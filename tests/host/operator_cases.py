"""Random models of one operator each, over all that the compiler takes: the cases of tests against TFLM.

Each function takes a generator and returns a :class:`Case`. Scales, zero points and values cover the whole range;
about a fifth of the multipliers are extreme, so that outputs underflow to a constant or saturate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tflite
from tflite_models import ModelBuilder

Random = np.random.Generator
#: Invocations a case: the second shows that nothing is left of the first, or that states are.
INVOCATIONS = 2


class Case:
    """A model and inputs of successive invocations; it shows as its operators."""

    def __init__(self, model: bytes, series: list[list[np.ndarray]]) -> None:
        self.model, self.series = model, series

    def __repr__(self) -> str:
        names = {number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)}
        model = tflite.Model.GetRootAs(self.model, 0)
        graph = model.Subgraphs(0)
        operators = (graph.Operators(index).OpcodeIndex() for index in range(graph.OperatorsLength()))
        return f"Case({', '.join(names[model.OperatorCodes(index).BuiltinCode()] for index in operators)})"


def chance(random: Random, share: float) -> bool:
    return bool(random.random() < share)


def zero_point(random: Random) -> int:
    return int(random.choice([-128, 127, 0])) if chance(random, 0.25) else int(random.integers(-128, 128))


def scale(random: Random) -> float:
    """Between 2^-10 and 2^3: any, a power of two, or in hundredths, whose quotients are near ties."""
    exponent, kind = random.uniform(-10, 3), random.integers(3)
    if kind == 0:
        return float(np.float32(random.integers(1, 100) / 100))
    return float(np.float32(2.0 ** (round(exponent) if kind == 1 else exponent)))


def values(random: Random, shape: Sequence[int]) -> np.ndarray:
    """int8: all over the range, its ends only, near one value, or one value."""
    kind = random.integers(16)
    if kind == 0:
        return np.asarray(random.choice([-128, 127], shape), np.int8)
    if kind == 1:
        return np.full(shape, random.integers(-128, 128), np.int8)
    if kind == 2:
        return np.clip(random.normal(random.integers(-128, 128), 9, shape), -128, 127).astype(np.int8)
    return random.integers(-128, 128, shape, np.int8)


def dimensions(random: Random, rank: int, most: int = 7) -> tuple[int, ...]:
    return tuple(int(size) for size in random.integers(1, most + 1, rank))


def channels(random: Random) -> int:
    """1 to 36: whole and broken blocks of 4, 8 and 16."""
    return int(random.choice([1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 17, 19, 24, 32, 36]))


def activation(random: Random) -> str:
    return str(random.choice(["NONE"] * 4 + ["RELU", "RELU6", "RELU_N1_TO_1"]))


def padding(random: Random, sizes: Sequence[int], kernel: Sequence[int]) -> str:
    """SAME where a VALID window does not fit."""
    fits = all(size >= extent for size, extent in zip(sizes, kernel, strict=True))
    return "VALID" if fits and chance(random, 0.5) else "SAME"


def windows(size: int, extent: int, stride: int, kind: str) -> int:
    return -(-size // stride) if kind == "SAME" else (size - extent) // stride + 1


def output_scale(random: Random, product: float, count: float) -> float:
    """For a sum of `count` products of int8 values in steps of `product`: spread over the range, or extreme."""
    multiplier = 2.0 ** random.uniform(-2, 2) / (150 * max(count, 1.0) ** 0.5)
    if chance(random, 0.2):
        multiplier = 2.0 ** random.uniform(-36, 4)
    return float(np.float32(product / multiplier))


def finish(random: Random, model: ModelBuilder, inputs: Sequence[int], outputs: Sequence[int]) -> Case:
    series = [[values(random, model.shape(tensor)) for tensor in inputs] for _ in range(INVOCATIONS)]
    return Case(model.build(inputs, outputs), series)


def weighted(
    random: Random, model: ModelBuilder, x: tuple[float, int], shape: Sequence[int], axis: int, terms: int
) -> tuple[list[int], float]:
    """Weights and, mostly, biases of an operator; and the scale of its output. x: scale and zero point of the input."""
    count = shape[axis]
    steps = np.full(count, scale(random), np.float32)
    if chance(random, 0.7):
        steps = (steps * 2.0 ** random.uniform(-6, 1, count)).astype(np.float32)
    elif chance(random, 0.5):
        steps = steps[:1]
    # As converters do, -128 is left out, and what is read from elsewhere may hold it.
    data = random.integers(-128 if chance(random, 0.3) else -127, 128, shape)
    operands = [model.tensor(shape, scale=steps, data=data, axis=axis)]
    if chance(random, 0.8):
        most = 2**30 if chance(random, 0.1) else int(random.choice([20, 2000, 20000]))
        bias = random.integers(-most, most + 1, count)
        operands.append(model.tensor((count,), "int32", scale=(steps * np.float32(x[0])).astype(np.float32), data=bias))
    return operands, output_scale(random, float(x[0]) * float(steps.max()), terms)


def conv(random: Random) -> Case:
    model, depth, filters = ModelBuilder(), channels(random), channels(random)
    size, kernel = dimensions(random, 2, 11), dimensions(random, 2, 5)
    if chance(random, 0.25):
        kernel = (1, 1)
    stride, dilation = dimensions(random, 2, 3), dimensions(random, 2, 3)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    kind = padding(random, size, extent)
    shape = [windows(*each, kind) for each in zip(size, extent, stride, strict=True)]
    x = scale(random), zero_point(random)
    inputs = [model.tensor((1, *size, depth), scale=x[0], zero_point=x[1])]
    operands, y = weighted(random, model, x, (filters, *kernel, depth), 0, kernel[0] * kernel[1] * depth)
    outputs = [model.tensor((1, *shape, filters), scale=y, zero_point=zero_point(random))]
    model.operator(
        "CONV_2D",
        inputs + operands,
        outputs,
        padding=kind,
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h_factor=dilation[0],
        dilation_w_factor=dilation[1],
        fused_activation_function=activation(random),
    )
    return finish(random, model, inputs, outputs)


def depthwise(random: Random) -> Case:
    model, depth = ModelBuilder(), channels(random)
    multiplier = int(random.choice([1, 1, 1, 2, 3, 8]))
    size, kernel = dimensions(random, 2, 11), dimensions(random, 2, 5)
    stride, dilation = dimensions(random, 2, 3), dimensions(random, 2, 3)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    kind = padding(random, size, extent)
    shape = [windows(*each, kind) for each in zip(size, extent, stride, strict=True)]
    x = scale(random), zero_point(random)
    inputs = [model.tensor((1, *size, depth), scale=x[0], zero_point=x[1])]
    operands, y = weighted(random, model, x, (1, *kernel, depth * multiplier), 3, kernel[0] * kernel[1])
    outputs = [model.tensor((1, *shape, depth * multiplier), scale=y, zero_point=zero_point(random))]
    model.operator(
        "DEPTHWISE_CONV_2D",
        inputs + operands,
        outputs,
        padding=kind,
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h_factor=dilation[0],
        dilation_w_factor=dilation[1],
        depth_multiplier=multiplier,
        fused_activation_function=activation(random),
    )
    return finish(random, model, inputs, outputs)


def transpose_conv(random: Random) -> Case:
    model, depth, filters = ModelBuilder(), channels(random), channels(random)
    size, kernel, stride = dimensions(random, 2, 6), dimensions(random, 2, 5), dimensions(random, 2, 3)
    kind = str(random.choice(["SAME", "VALID"]))
    # Any output is right whose windows are as many as the inputs.
    cut = [int(random.integers(s)) if chance(random, 0.3) else 0 for s in stride]
    shape = [n * s - c for n, s, c in zip(size, stride, cut, strict=True)]
    if kind == "VALID":
        shape = [(n - 1) * s + k + c for n, s, k, c in zip(size, stride, kernel, cut, strict=True)]
    x = scale(random), zero_point(random)
    inputs = [model.tensor((1, *size, depth), scale=x[0], zero_point=x[1])]
    operands, y = weighted(random, model, x, (filters, *kernel, depth), 0, kernel[0] * kernel[1] * depth)
    outputs = [model.tensor((1, *shape, filters), scale=y, zero_point=zero_point(random))]
    operands = [model.constant([1, *shape, filters]), operands[0], *inputs, *operands[1:]]
    model.operator(
        "TRANSPOSE_CONV",
        operands,
        outputs,
        padding=kind,
        stride_h=stride[0],
        stride_w=stride[1],
        fused_activation_function=activation(random),
    )
    return finish(random, model, inputs, outputs)


def fully_connected(random: Random) -> Case:
    model, units = ModelBuilder(), channels(random)
    depth = int(random.integers(1, 200)) if chance(random, 0.5) else channels(random)
    keep = chance(random, 0.3)
    outer = dimensions(random, int(random.integers(1, 4)), 4) if keep or chance(random, 0.3) else (1,)
    x = scale(random), zero_point(random)
    inputs = [model.tensor((*outer, depth), scale=x[0], zero_point=x[1])]
    operands, y = weighted(random, model, x, (units, depth), 0, depth)
    shape = (*outer, units) if keep else (int(np.prod(outer)), units)
    outputs = [model.tensor(shape, scale=y, zero_point=zero_point(random))]
    model.operator(
        "FULLY_CONNECTED",
        inputs + operands,
        outputs,
        keep_num_dims=keep,
        fused_activation_function=activation(random),
    )
    return finish(random, model, inputs, outputs)


def _operands(
    random: Random, model: ModelBuilder, parameters: Sequence[tuple[float, int]]
) -> tuple[list[int], list[int], tuple[int, ...]]:
    """Two operands of one shape or of shapes that broadcast, one perhaps constant; the inputs; the common shape."""
    rank = int(random.integers(1, 5))
    shape = dimensions(random, rank, 9)
    shapes = [list(shape), list(shape)]
    if chance(random, 0.5):
        for axis in range(rank):
            if chance(random, 0.4):
                shapes[random.integers(2)][axis] = 1
        if chance(random, 0.4):
            shapes[random.integers(2)][: random.integers(rank)] = []
    common = np.broadcast_shapes(*shapes)
    constant = int(random.integers(2)) if chance(random, 0.3) else -1
    operands = [
        model.tensor(shape, scale=step, zero_point=zero, data=values(random, shape) if index == constant else None)
        for index, (shape, (step, zero)) in enumerate(zip(shapes, parameters, strict=True))
    ]
    return operands, [operand for index, operand in enumerate(operands) if index != constant], common


def addition(code: str) -> Callable[[Random], Case]:
    def case(random: Random) -> Case:
        model = ModelBuilder()
        steps = [scale(random)] * 2
        other = int(random.integers(2))
        steps[other] *= 2.0 ** (random.uniform(-14, 14) if chance(random, 0.2) else random.uniform(-2, 2))
        if chance(random, 0.3):
            steps = [float(np.float32(random.integers(1, 40) / 100)) for _ in range(2)]
        operands, inputs, shape = _operands(random, model, [(step, zero_point(random)) for step in steps])
        # TFLM ends the program where the output's scale is below 2^-19 of the larger one.
        y = max(steps) * 2.0 ** (random.uniform(-18, 20) if chance(random, 0.2) else random.uniform(-1, 2))
        if chance(random, 0.3):
            y = steps[0] + steps[1]
        outputs = [model.tensor(shape, scale=y, zero_point=zero_point(random))]
        model.operator(code, operands, outputs, fused_activation_function=activation(random))
        return finish(random, model, inputs, outputs)

    return case


def multiply(random: Random) -> Case:
    model = ModelBuilder()
    steps = [scale(random), scale(random)]
    operands, inputs, shape = _operands(random, model, [(step, zero_point(random)) for step in steps])
    y = output_scale(random, steps[0] * steps[1], 1)
    outputs = [model.tensor(shape, scale=y, zero_point=zero_point(random))]
    model.operator("MUL", operands, outputs, fused_activation_function=activation(random))
    return finish(random, model, inputs, outputs)


def extremum(code: str) -> Callable[[Random], Case]:
    def case(random: Random) -> Case:
        model, same = ModelBuilder(), (scale(random), zero_point(random))
        operands, inputs, shape = _operands(random, model, [same, same])
        outputs = [model.tensor(shape, scale=same[0], zero_point=same[1])]
        model.operator(code, operands, outputs)
        return finish(random, model, inputs, outputs)

    return case


def pool(code: str) -> Callable[[Random], Case]:
    def case(random: Random) -> Case:
        model, size, stride = ModelBuilder(), dimensions(random, 2, 11), dimensions(random, 2, 3)
        kernel = size if chance(random, 0.2) else dimensions(random, 2, 5)
        kind = padding(random, size, kernel)
        shape = [windows(*each, kind) for each in zip(size, kernel, stride, strict=True)]
        depth, step, zero = channels(random), scale(random), zero_point(random)
        inputs = [model.tensor((1, *size, depth), scale=step, zero_point=zero)]
        outputs = [model.tensor((1, *shape, depth), scale=step, zero_point=zero)]
        model.operator(
            code,
            inputs,
            outputs,
            padding=kind,
            stride_h=stride[0],
            stride_w=stride[1],
            filter_height=kernel[0],
            filter_width=kernel[1],
            fused_activation_function=activation(random),
        )
        return finish(random, model, inputs, outputs)

    return case


def mean(random: Random) -> Case:
    model, rank = ModelBuilder(), int(random.integers(1, 6))
    shape = dimensions(random, rank, 7)
    axes = sorted(int(axis) for axis in random.choice(rank, random.integers(1, rank + 1), replace=False))
    if chance(random, 0.4) and rank >= 4:
        axes = [1, 2]
    keep = chance(random, 0.5)
    reduced = [1 if axis in axes else size for axis, size in enumerate(shape) if keep or axis not in axes]
    step = scale(random)
    named = [axis - rank if chance(random, 0.2) else axis for axis in axes]
    inputs = [model.tensor(shape, scale=step, zero_point=zero_point(random))]
    y = step * 2.0 ** (random.uniform(-8, 20) if chance(random, 0.3) else random.uniform(-3, 1))
    outputs = [model.tensor(reduced, scale=y, zero_point=zero_point(random))]
    model.operator("MEAN", [*inputs, model.constant(named)], outputs, keep_dims=keep)
    return finish(random, model, inputs, outputs)


def pad(code: str) -> Callable[[Random], Case]:
    def case(random: Random) -> Case:
        model, rank = ModelBuilder(), int(random.integers(1, 6))
        shape = dimensions(random, rank, 5)
        amounts = random.integers(0, 4, (rank, 2)) * (random.random((rank, 2)) < 0.6)
        padded = [int(size) for size in np.asarray(shape) + amounts.sum(axis=1)]
        same = {"scale": scale(random), "zero_point": zero_point(random)}
        inputs = [model.tensor(shape, **same)]
        operands = [*inputs, model.constant(amounts)]
        if code == "PADV2":
            operands.append(model.tensor((1,), data=values(random, (1,)), **same))
        outputs = [model.tensor(padded, **same)]
        model.operator(code, operands, outputs)
        return finish(random, model, inputs, outputs)

    return case


def concatenation(random: Random) -> Case:
    model, rank = ModelBuilder(), int(random.integers(1, 6))
    axis, shape = int(random.integers(rank)), list(dimensions(random, rank, 5))
    same = {"scale": scale(random), "zero_point": zero_point(random)}
    shapes = [[*shape[:axis], int(random.integers(1, 6)), *shape[axis + 1 :]] for _ in range(random.integers(1, 6))]
    constant = int(random.integers(len(shapes))) if len(shapes) > 1 and chance(random, 0.3) else -1
    operands = [
        model.tensor(each, data=values(random, each) if index == constant else None, **same)
        for index, each in enumerate(shapes)
    ]
    inputs = [operand for index, operand in enumerate(operands) if index != constant]
    shape[axis] = sum(each[axis] for each in shapes)
    outputs = [model.tensor(shape, **same)]
    model.operator("CONCATENATION", operands, outputs, axis=axis - rank if chance(random, 0.3) else axis)
    return finish(random, model, inputs, outputs)


def _moved(
    random: Random, code: str, shape: Sequence[int], result: Sequence[int], *constants: object, **options
) -> Case:
    """A case of an operator with one input that changes no values."""
    model = ModelBuilder()
    same = {"scale": scale(random), "zero_point": zero_point(random)}
    inputs, outputs = [model.tensor(shape, **same)], [model.tensor(result, **same)]
    model.operator(code, [*inputs, *(model.constant(each) for each in constants)], outputs, **options)
    return finish(random, model, inputs, outputs)


def reshape(random: Random) -> Case:
    shape = dimensions(random, int(random.integers(1, 6)), 5)
    factors = [factor for size in shape for factor in ((2, 2) if size == 4 else (size,))]
    result = np.ones(int(random.integers(1, 6)), int)
    for factor in factors:
        result[random.integers(len(result))] *= factor
    return _moved(random, "RESHAPE", shape, result, result)


def squeeze(random: Random) -> Case:
    shape = dimensions(random, int(random.integers(2, 6)), 2)
    squeezed = [axis for axis, size in enumerate(shape) if size == 1 and chance(random, 0.6)]
    if len(squeezed) == len(shape):
        squeezed.pop()
    if not squeezed:
        squeezed, shape = [0], (1, *shape[1:])
    result = [size for axis, size in enumerate(shape) if axis not in squeezed]
    return _moved(random, "SQUEEZE", shape, result, squeeze_dims=squeezed)


def expand_dims(random: Random) -> Case:
    shape = dimensions(random, int(random.integers(1, 5)), 5)
    axis = int(random.integers(-len(shape) - 1, len(shape) + 1))
    at = axis % (len(shape) + 1)
    return _moved(random, "EXPAND_DIMS", shape, [*shape[:at], 1, *shape[at:]], [axis])


def transpose(random: Random) -> Case:
    shape = dimensions(random, int(random.integers(1, 6)), 6)
    order = random.permutation(len(shape))
    return _moved(random, "TRANSPOSE", shape, [shape[axis] for axis in order], order)


def strided_slice(random: Random) -> Case:
    rank = int(random.integers(1, 5))
    shape = dimensions(random, rank, 7)
    begin, end, strides, result = [], [], [], []
    begin_mask = end_mask = shrink_mask = 0
    for axis, size in enumerate(shape):
        shrink = rank > 1 and len(result) + rank - axis > 1 and chance(random, 0.15)
        stride = 1 if shrink else int(random.choice([1, 1, 2, 3, -1, -2]))
        first = int(random.integers(size))
        last = first + 1
        if not shrink:
            count = int(random.integers(1, (size - first - 1 if stride > 0 else first) // abs(stride) + 2))
            last = first + (count - 1) * stride + (1 if stride > 0 else -1)
            whole = range(size)[::stride]
            if chance(random, 0.2):
                begin_mask |= 1 << axis
                first = whole[0]
                last = whole[-1] + (1 if stride > 0 else -1)
            if last < 0 or chance(random, 0.2):
                end_mask |= 1 << axis
                last = size if stride > 0 else -size - 1
            result.append(len(range(first, last if last >= 0 or stride > 0 else -1, stride)))
        else:
            shrink_mask |= 1 << axis
        begin.append(first - size if chance(random, 0.2) else first)
        end.append(last)
        strides.append(stride)
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "shrink_axis_mask": shrink_mask}
    return _moved(random, "STRIDED_SLICE", shape, result, begin, end, strides, **masks)


def _parts(random: Random, code: str, split: Callable[[Random, list[int], int], tuple]) -> Case:
    """A case of an operator that cuts its input along an axis."""
    model, rank = ModelBuilder(), int(random.integers(1, 6))
    axis, shape = int(random.integers(rank)), list(dimensions(random, rank, 5))
    sizes, before, after, options = split(random, shape, axis)
    same = {"scale": scale(random), "zero_point": zero_point(random)}
    inputs = [model.tensor(shape, **same)]
    operands = [*(model.constant(each) for each in before), *inputs, *(model.constant(each) for each in after)]
    shapes = [[*shape[:axis], *([size] if size else []), *shape[axis + 1 :]] for size in sizes]
    outputs = [model.tensor(each, **same) for each in shapes]
    model.operator(code, operands, outputs, **options)
    return finish(random, model, inputs, outputs)


def split(random: Random) -> Case:
    def equal(random: Random, shape: list[int], axis: int) -> tuple:
        size, count = shape[axis], int(random.integers(1, 5))
        shape[axis] *= count
        return [size] * count, [np.int32(axis)], [], {"num_splits": count}

    return _parts(random, "SPLIT", equal)


def unpack(random: Random) -> Case:
    def single(random: Random, shape: list[int], axis: int) -> tuple:
        if len(shape) == 1:
            shape.append(3)
        return [0] * shape[axis], [], [], {"num": shape[axis], "axis": axis}

    return _parts(random, "UNPACK", single)


def pack(random: Random) -> Case:
    model, rank, count = ModelBuilder(), int(random.integers(1, 5)), int(random.integers(1, 5))
    shape, axis = dimensions(random, rank, 5), int(random.integers(rank + 1))
    same = {"scale": scale(random), "zero_point": zero_point(random)}
    inputs = [model.tensor(shape, **same) for _ in range(count)]
    outputs = [model.tensor([*shape[:axis], count, *shape[axis:]], **same)]
    model.operator("PACK", inputs, outputs, values_count=count, axis=axis)
    return finish(random, model, inputs, outputs)


def _elementwise(random: Random, code: str, x: tuple, y: tuple, **options) -> Case:
    model, shape = ModelBuilder(), dimensions(random, int(random.integers(1, 5)), 6)
    inputs = [model.tensor(shape, scale=x[0], zero_point=x[1])]
    outputs = [model.tensor(shape, scale=y[0], zero_point=y[1])]
    model.operator(code, inputs, outputs, **options)
    case = finish(random, model, inputs, outputs)
    if int(np.prod(shape)) >= 64:  # large ones hold all values
        case.series[0][0].reshape(-1)[:] = np.resize(np.arange(-128, 128), int(np.prod(shape)))
    return case


def relu(random: Random) -> Case:
    x = scale(random)
    y = x * 2.0 ** (random.uniform(-16, 16) if chance(random, 0.2) else random.uniform(-1, 2))
    return _elementwise(random, "RELU", (x, zero_point(random)), (y, zero_point(random)))


def relu6(random: Random) -> Case:
    same = scale(random), zero_point(random)
    return _elementwise(random, "RELU6", same, same)


def leaky_relu(random: Random) -> Case:
    x = scale(random)
    y = x * 2.0 ** (random.uniform(-16, 16) if chance(random, 0.2) else random.uniform(-1, 2))
    alpha = float(random.choice([0.0, 0.01, 0.1, 0.3, 1.0, 1.5])) if chance(random, 0.5) else random.uniform(0, 1)
    return _elementwise(random, "LEAKY_RELU", (x, zero_point(random)), (y, zero_point(random)), alpha=alpha)


def logistic(random: Random) -> Case:
    return _elementwise(random, "LOGISTIC", (scale(random), zero_point(random)), (1 / 256, -128))


def tanh(random: Random) -> Case:
    return _elementwise(random, "TANH", (scale(random), zero_point(random)), (1 / 128, 0))


def requantize(random: Random) -> Case:
    x = scale(random)
    y = x * 2.0 ** (random.uniform(-20, 20) if chance(random, 0.3) else random.uniform(-2, 2))
    return _elementwise(random, "QUANTIZE", (x, zero_point(random)), (y, zero_point(random)))


def quantize(random: Random) -> Case:
    model, shape = ModelBuilder(), dimensions(random, int(random.integers(1, 5)), 6)
    step = scale(random)
    inputs = [model.tensor(shape, "float32")]
    outputs = [model.tensor(shape, scale=step, zero_point=zero_point(random))]
    model.operator("QUANTIZE", inputs, outputs)
    series = [[(random.normal(0, 100, shape) * step).astype(np.float32)], [np.zeros(shape, np.float32)]]
    # Halves, which round away from zero; and the ends of what is defined: beyond int32 the reference's cast is not.
    series[1][0].reshape(-1)[:] = random.integers(-300, 300, int(np.prod(shape))) * np.float32(step) / np.float32(2)
    series[1][0].reshape(-1)[:1] = np.float32(step) * random.choice([2.0**30, -(2.0**30), 0.0, -0.0, 1e-30])
    return Case(model.build(inputs, outputs), series)


def dequantize(random: Random) -> Case:
    model, shape = ModelBuilder(), dimensions(random, int(random.integers(1, 5)), 6)
    inputs = [model.tensor(shape, scale=scale(random), zero_point=zero_point(random))]
    outputs = [model.tensor(shape, "float32")]
    model.operator("DEQUANTIZE", inputs, outputs)
    return finish(random, model, inputs, outputs)


def softmax(random: Random) -> Case:
    model, shape = ModelBuilder(), dimensions(random, int(random.integers(1, 5)), 5)
    if chance(random, 0.2):
        shape = (1, int(random.integers(1, 300)))
    inputs = [model.tensor(shape, scale=2.0 ** random.uniform(-12, 4), zero_point=zero_point(random))]
    outputs = [model.tensor(shape, scale=1 / 256, zero_point=-128)]
    beta = 1.0 if chance(random, 0.7) else random.uniform(0.1, 4)
    model.operator("SOFTMAX", inputs, outputs, beta=beta)
    return finish(random, model, inputs, outputs)


def resize_nearest(random: Random) -> Case:
    size, result, depth = dimensions(random, 2, 7), dimensions(random, 2, 15), channels(random)
    align, half = (chance(random, 0.4), chance(random, 0.4))
    return _moved(
        random,
        "RESIZE_NEAREST_NEIGHBOR",
        (1, *size, depth),
        (1, *result, depth),
        result,
        align_corners=align,
        half_pixel_centers=half,
    )


def lstm(random: Random) -> Case:
    model, depth, units = ModelBuilder(), int(random.integers(1, 13)), int(random.integers(1, 21))
    steps, time_major = int(random.integers(1, 6)), chance(random, 0.5)
    order = (steps, 1) if time_major else (1, steps)
    x, hidden = (scale(random), zero_point(random)), (2.0 ** random.uniform(-9, -6), zero_point(random))
    cell = 2.0 ** int(random.integers(-14, -8))
    inputs = [model.tensor((*order, depth), scale=x[0], zero_point=x[1])]

    def weights(width: int, step: float) -> list[int]:
        scales = 2.0 ** random.uniform(-4, 2, 4) / (step * 127 * 64 * width**0.5)
        return [model.tensor((units, width), scale=s, data=random.integers(-127, 128, (units, width))) for s in scales]

    kernels, recurrent = weights(depth, x[0]), weights(units, hidden[0])
    biases = [
        model.tensor((units,), "int32", scale=x[0] * 2.0**-8, data=random.integers(-4000, 4000, units))
        for _ in range(4)
    ]
    absent = [-1]
    operands = [*inputs, *kernels, *recurrent, *absent * 3, *biases, *absent * 2]
    operands.append(model.tensor((1, units), scale=hidden[0], zero_point=hidden[1], variable=True))
    operands.append(model.tensor((1, units), "int16", scale=cell, variable=True))
    outputs = [model.tensor((*order, units), scale=hidden[0], zero_point=hidden[1])]
    model.operator(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        operands + absent * 4,
        outputs,
        fused_activation_function="TANH",
        cell_clip=float(random.choice([0.0, 1.0, 10.0])),
        time_major=time_major,
    )
    return finish(random, model, inputs, outputs)


#: By operator; QUANTIZE and REQUANTIZE are one in the schema.
CASES: dict[str, Callable[[Random], Case]] = {
    "CONV_2D": conv,
    "DEPTHWISE_CONV_2D": depthwise,
    "TRANSPOSE_CONV": transpose_conv,
    "FULLY_CONNECTED": fully_connected,
    "ADD": addition("ADD"),
    "SUB": addition("SUB"),
    "MUL": multiply,
    "MAXIMUM": extremum("MAXIMUM"),
    "MINIMUM": extremum("MINIMUM"),
    "AVERAGE_POOL_2D": pool("AVERAGE_POOL_2D"),
    "MAX_POOL_2D": pool("MAX_POOL_2D"),
    "MEAN": mean,
    "PAD": pad("PAD"),
    "PADV2": pad("PADV2"),
    "CONCATENATION": concatenation,
    "RESHAPE": reshape,
    "SQUEEZE": squeeze,
    "EXPAND_DIMS": expand_dims,
    "TRANSPOSE": transpose,
    "STRIDED_SLICE": strided_slice,
    "SPLIT": split,
    "PACK": pack,
    "UNPACK": unpack,
    "QUANTIZE": quantize,
    "REQUANTIZE": requantize,
    "DEQUANTIZE": dequantize,
    "RELU": relu,
    "RELU6": relu6,
    "LEAKY_RELU": leaky_relu,
    "LOGISTIC": logistic,
    "TANH": tanh,
    "SOFTMAX": softmax,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm,
}
