"""Convolutions, depthwise convolutions and dense layers: what the planner is allowed, and what ports make shorter."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tflite_micro", reason="the oracle needs edgetwin[dev]")

from operator_cases import CASES
from tflite_models import ModelBuilder, Tflm, run_tflm

from edgetwin.core import Model
from edgetwin.deploy.compiler.compile import compile_model, compile_to
from edgetwin.deploy.compiler.fixed_point import rescale
from edgetwin.deploy.compiler.graph import Operator, Tensor, UnsupportedModelError
from edgetwin.deploy.compiler.layers import Buffer
from edgetwin.deploy.compiler.lowering.conv import COLUMNS, overlap_distance
from edgetwin.deploy.compiler.lowering.depthwise import HELIUM_LANES, helium_distances
from edgetwin.deploy.compiler.lowering.packing import Rows, rows_of
from edgetwin.deploy.compiler.lowering.windows import Axis

TARGETS = ("portable", "helium")


# Where outputs may lie over an input


def random_axis(random: np.random.Generator) -> Axis:
    while True:
        size, kernel, stride, dilation = (int(value) for value in random.integers(1, (9, 5, 4, 4)))
        pad = int(random.integers(-1, 4))
        outputs = (size + 2 * max(pad, 0) - (kernel - 1) * dilation - 1) // stride + 1
        if outputs > 0:
            return Axis(size, outputs, kernel, stride, dilation, pad)


def is_safe(height: Axis, width: Axis, depth: int, channels: int, group: int, distance: int) -> bool:
    """Whether no group reads bytes of the input that an earlier group has written over, byte by byte."""
    overwritten: set[int] = set()
    pixels = [(y, x) for y in range(height.outputs) for x in range(width.outputs)]
    for first in range(0, len(pixels), group):
        members = range(first, min(first + group, len(pixels)))
        for y, x in (pixels[member] for member in members):
            for ky in range(height.kernel):
                for kx in range(width.kernel):
                    row = y * height.stride - height.pad + ky * height.dilation
                    column = x * width.stride - width.pad + kx * width.dilation
                    if 0 <= row < height.size and 0 <= column < width.size:
                        start = (row * width.size + column) * depth
                        if overwritten.intersection(range(start, start + depth)):
                            return False
        for member in members:
            start = member * channels - distance
            overwritten.update(range(start, start + channels))
    return True


@pytest.mark.parametrize("group", [1, COLUMNS])
def test_outputs_may_lie_as_near_as_said_and_no_nearer(group: int) -> None:
    random = np.random.default_rng(1)
    tight = 0
    for _ in range(300):
        height, width = random_axis(random), random_axis(random)
        depth, channels = (int(value) for value in random.integers(1, 6, 2))
        size = height.size * width.size * depth
        distance = overlap_distance(height, width, depth, channels, group)
        for slack in (0, 1, 7):
            assert is_safe(height, width, depth, channels, group, distance + slack), (height, width)
        tight += distance > -size and not is_safe(height, width, depth, channels, group, distance - 1)
    assert tight > 150  # else nothing lies in the way, or only in gaps between what is read


def is_safe_on_helium(height: Axis, width: Axis, depth: int, above: int) -> bool:
    """Whether a depthwise layer whose output begins `above` bytes above its input reads nothing that it has written."""
    overwritten: set[int] = set()
    pixels = [(y, x) for y in range(height.outputs) for x in range(width.outputs)]
    order = range(len(pixels)) if above <= 0 else reversed(range(len(pixels)))
    for number in order:
        y, x = pixels[number]
        rows = (y * height.stride - height.pad + ky * height.dilation for ky in range(height.kernel))
        columns = [x * width.stride - width.pad + kx * width.dilation for kx in range(width.kernel)]
        taps = [
            (row * width.size + column) * depth
            for row in rows
            for column in columns
            if 0 <= row < height.size and 0 <= column < width.size
        ]
        for first in range(0, depth, HELIUM_LANES):
            end = min(first + HELIUM_LANES, depth)
            if any(overwritten.intersection(range(tap + first, tap + end)) for tap in taps):
                return False
            start = number * depth + above
            overwritten.update(range(start + first, start + end))
    return True


def test_outputs_of_a_depthwise_layer_on_helium_may_lie_below_or_above_as_near_as_said() -> None:
    random = np.random.default_rng(2)
    tight = {"below": 0, "above": 0}
    for _ in range(300):
        height, width, depth = random_axis(random), random_axis(random), int(random.integers(1, 20))
        below, above = helium_distances(height, width, depth)
        assert below >= 0 < above  # the kernel looks at which lies higher
        for slack in (0, 1, 7):
            assert is_safe_on_helium(height, width, depth, -below - slack), (height, width, depth)
            assert is_safe_on_helium(height, width, depth, above + slack), (height, width, depth)
        tight["below"] += below > 0 and not is_safe_on_helium(height, width, depth, 1 - below)
        tight["above"] += above > 1 and not is_safe_on_helium(height, width, depth, above - 1)
    assert min(tight.values()) > 100, tight


def chain(random: np.random.Generator) -> ModelBuilder:
    """Convolutions and depthwise ones one after the other, in which inputs die."""
    model = ModelBuilder()
    height, width, depth = (int(value) for value in random.integers(3, 12, 3))
    zero = int(random.integers(-128, 128))
    tensor = model.tensor((1, height, width, depth), scale=0.05, zero_point=zero)
    model.inputs = [tensor]
    for _ in range(int(random.integers(2, 6))):
        is_depthwise = bool(random.integers(2))
        kernel, stride = int(random.integers(1, 4)), int(random.choice([1, 1, 2]))
        filters = depth if is_depthwise else int(random.integers(1, 14))
        shape = (1, kernel, kernel, filters) if is_depthwise else (filters, kernel, kernel, depth)
        data = random.integers(-127, 128, shape)
        weights = model.tensor(shape, scale=[0.01] * filters, data=data, axis=3 if is_depthwise else 0)
        bias = model.tensor((filters,), "int32", scale=[0.0005] * filters, data=random.integers(-2000, 2000, filters))
        height, width = -(-height // stride), -(-width // stride)
        output = model.tensor((1, height, width, filters), scale=0.1, zero_point=int(random.integers(-128, 128)))
        model.operator(
            "DEPTHWISE_CONV_2D" if is_depthwise else "CONV_2D",
            [tensor, weights, bias],
            [output],
            padding="SAME",
            stride_h=stride,
            stride_w=stride,
            dilation_h_factor=1,
            dilation_w_factor=1,
            **({"depth_multiplier": 1} if is_depthwise else {}),
        )
        tensor, depth = output, filters
    model.outputs = [tensor]
    return model


@pytest.mark.parametrize("target", TARGETS)
def test_chains_whose_outputs_lie_over_their_inputs_are_exact(target: str) -> None:
    overlapping = backward = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        model = chain(random)
        content = model.build(model.inputs, model.outputs)
        compiled = compile_to(content, target)
        places = compiled.plan.places
        for layer in compiled.program.layers:
            for overlap in layer.overlaps:
                below = places[overlap.input] - places[overlap.output]
                if -overlap.input.size < below < overlap.output.size:
                    overlapping += 1
                    backward += overlap.above is not None and below < 0
                    if overlap.above is not None and below < 0:
                        assert -below >= overlap.above
                    else:
                        assert below == overlap.distance if overlap.is_exact else below >= overlap.distance
        values = random.integers(-128, 128, model.shape(model.inputs[0]), np.int8)
        (expected,) = Tflm(content).invoke([values])
        (found,) = Model(compiled.bundle).invoke([values[None]])
        assert np.array_equal(found[0], expected), seed
    assert overlapping > 60
    assert backward > 0 or target != "helium"


# The short way from a sum to an output


def short_way(sums: np.ndarray, multiplier: int, shift: int, zero_point: int) -> np.ndarray:
    """What cortex_m4/nn_outputs.h computes, in int32 that must not overflow."""
    right = -shift
    doubled = 2 * sums
    scaled = (doubled * multiplier + (1 << 31)) >> 32
    added = scaled + (scaled >> 31) + ((2 * zero_point + 1) << (right - 1))
    for values in (doubled, scaled, added):
        assert np.all(np.abs(values) < 1 << 31)
    return np.clip(added >> (right - 1) >> 1, -128, 127)


def bounded_rows(weight: int, bias: int, real: float, source_zero: int, zero_point: int) -> Rows:
    """One output channel of one weight."""
    one, zero = np.array([1.0], np.float32), np.zeros(1, np.int64)
    source = Tensor(0, "x", (1, 1), np.dtype(np.int8), one, np.array([source_zero]))
    filters = Tensor(1, "w", (1, 1), np.dtype(np.int8), one, zero, data=np.array([[weight]], np.int8))
    biases = Tensor(2, "b", (1,), np.dtype(np.int32), one, zero, data=np.array([bias], np.int32))
    output_scale = np.array([1 / real], np.float32)
    output = Tensor(3, "y", (1, 1), np.dtype(np.int8), output_scale, np.array([zero_point]))
    operator = Operator(0, "FULLY_CONNECTED", 1, [source, filters, biases], [output], {})
    assert filters.data is not None
    return rows_of(operator, source, filters, biases, filters.data)


def test_the_short_way_is_exact_wherever_the_compiler_permits_it() -> None:
    random = np.random.default_rng(2)
    permitted = 0
    for _ in range(2000):
        real = 2.0 ** random.uniform(-33, 3)
        bias = int(random.integers(-(2**31), 2**31) >> random.integers(31))
        source_zero, zero_point = (int(value) for value in random.integers(-128, 128, 2))
        rows = bounded_rows(int(random.integers(-128, 128)), bias, real, source_zero, zero_point)
        if not rows.is_bounded:
            continue
        permitted += 1
        multiplier, shift = int(rows.multipliers[0]), int(rows.shifts[0])
        weight = int(rows.weights[0, 0])
        sums = bias + weight * (np.arange(-128, 128) - source_zero)
        # ... and the halves, where the two roundings show.
        halves = ((2 * np.arange(-140, 141) + 1) << max(-shift - 1, 0)) * (1 << 31) // max(multiplier, 1)
        most = abs(bias) + 255 * abs(weight)
        sums = np.concatenate([sums, halves[np.abs(halves) <= most]])
        expected = np.clip(rescale(sums, multiplier, shift) + zero_point, -128, 127)
        assert np.array_equal(short_way(sums, multiplier, shift, zero_point), expected), (multiplier, shift)
    assert 800 < permitted < 2000


@pytest.mark.parametrize(
    ("real", "bias", "is_bounded"),
    [(0.01, 1000, True), (0.01, 2**30 - 1, False), (0.75, 1000, False), (0.49, 1000, True), (2.0**-31, 5, False)],
)
def test_sums_are_bounded_below_2_to_30_and_multipliers_below_a_half(real: float, bias: int, is_bounded: bool) -> None:
    assert bounded_rows(127, bias, real, 0, -128).is_bounded is is_bounded


# Which kernel, which memory


@pytest.mark.parametrize(("target", "kernel"), [("portable", "conv"), ("helium", "conv_helium")])
def test_a_transposed_convolution_is_ordinary_ones_a_phase_each(target: str, kernel: str) -> None:
    for seed in range(20):
        compiled = compile_to(CASES["TRANSPOSE_CONV"](np.random.default_rng(seed)).model, target)
        kernels = {layer.kernel.name for layer in compiled.program.layers}
        assert kernels <= {kernel, "conv"}
        assert [layer.result is not None for layer in compiled.program.layers] == [False] * (
            len(compiled.program.layers) - 1
        ) + [True]


def test_grouped_convolutions_equal_the_groups_one_by_one() -> None:
    random = np.random.default_rng(3)
    model = ModelBuilder()
    x = model.tensor((1, 5, 6, 8), scale=0.05, zero_point=3)
    weights = model.tensor((6, 3, 3, 4), scale=[0.01] * 6, data=random.integers(-127, 128, (6, 3, 3, 4)))
    y = model.tensor((1, 5, 6, 6), scale=0.1, zero_point=-4)
    options = {"padding": "SAME", "dilation_h_factor": 1, "dilation_w_factor": 1}
    model.operator("CONV_2D", [x, weights], [y], **options)
    content = model.build([x], [y])
    values = random.integers(-128, 128, (1, 5, 6, 8), np.int8)
    (expected,) = Tflm(content).invoke([values])
    for target in TARGETS:
        (found,) = Model(compile_to(content, target).bundle).invoke([values[None]])
        assert np.array_equal(found[0], expected)


def test_a_pointwise_convolution_that_grows_needs_its_output_and_little_more() -> None:
    model = ModelBuilder()
    x = model.tensor((1, 48, 48, 8), scale=0.05)
    weights = model.tensor((16, 1, 1, 8), scale=[0.01] * 16, data=1)
    y = model.tensor((1, 48, 48, 16), scale=0.1)
    model.operator("CONV_2D", [x, weights], [y], padding="SAME", dilation_h_factor=1, dilation_w_factor=1)
    plan = compile_to(model.build([x], [y])).plan
    columns = 3 * 8 * 2
    assert plan.workspace_size <= 48 * 48 * 16 + columns + 3 * 16 + 16


def test_weights_that_are_no_constants_are_named() -> None:
    model = ModelBuilder()
    x, weights = model.tensor((1, 8), scale=0.05), model.tensor((4, 8), scale=0.01)
    y = model.tensor((1, 4), scale=0.1)
    model.operator("FULLY_CONNECTED", [x, weights], [y])
    with pytest.raises(UnsupportedModelError, match=r"FULLY_CONNECTED \(operator 0.*its weights are no int8 constants"):
        compile_to(model.build([x, weights], [y]))


def test_a_dense_layer_reads_whole_quads_of_its_input() -> None:
    model = ModelBuilder()
    x = model.tensor((1, 5), scale=0.05)
    weights = model.tensor((3, 5), scale=0.01, data=1)
    y = model.tensor((1, 3), scale=0.1)
    model.operator("FULLY_CONNECTED", [x, weights], [y])
    (layer,) = compile_to(model.build([x], [y])).program.layers
    (buffer,) = layer.reads
    assert isinstance(buffer, Buffer) and buffer.size == 8


@pytest.mark.parametrize(
    ("size", "depth", "then", "stride", "padding"),
    [
        (4, 16, 20, 2, "SAME"),
        (4, 16, 18, 2, "SAME"),
        (4, 32, 40, 2, "SAME"),
        (5, 16, 20, 2, "VALID"),
        (8, 64, 72, 4, "SAME"),
    ],
)
@pytest.mark.parametrize("target", ["portable", "helium"])
def test_a_strided_depthwise_layer_never_overwrites_its_own_taps(size, depth, then, stride, padding, target):
    random = np.random.default_rng(0)
    model = ModelBuilder()
    half = -(-size // stride) if padding == "SAME" else (size - 3) // stride + 1
    x = model.tensor((1, size, size, depth), scale=0.5, zero_point=3)
    w = model.tensor((1, 3, 3, depth), scale=[0.01] * depth, axis=3, data=random.integers(-127, 128, (1, 3, 3, depth)))
    y = model.tensor((1, half, half, depth), scale=0.5, zero_point=-4)
    v = model.tensor((then, 1, 1, depth), scale=[0.01] * then, data=random.integers(-127, 128, (then, 1, 1, depth)))
    z = model.tensor((1, half, half, then), scale=0.5, zero_point=1)
    strides = {"stride_w": stride, "stride_h": stride, "padding": padding}
    model.operator("DEPTHWISE_CONV_2D", [x, w], [y], depth_multiplier=1, **strides)
    model.operator("CONV_2D", [y, v], [z], padding="SAME", stride_w=1, stride_h=1)
    content = model.build([x], [z])
    image = random.integers(-128, 128, (1, size, size, depth), dtype=np.int8)
    (expected,) = run_tflm(content, [image])
    (found,) = Model(compile_model(content, target)).invoke([image[np.newaxis]])
    np.testing.assert_array_equal(found[0], expected)


def test_a_relu_after_a_concatenation_is_a_layer_of_its_own():
    model = ModelBuilder()
    parts = [model.tensor((1, 4), scale=0.5, zero_point=-3) for _ in range(2)]
    whole, held = (model.tensor((1, 8), scale=0.5, zero_point=-3) for _ in range(2))
    model.operator("CONCATENATION", parts, [whole], axis=1)
    model.operator("RELU", [whole], [held])
    content = model.build(parts, [held])
    values = [np.arange(-4, 4, 2, dtype=np.int8)[np.newaxis], np.full((1, 4), -100, np.int8)]
    (expected,) = run_tflm(content, values)
    (found,) = Model(compile_model(content)).invoke([value[np.newaxis] for value in values])
    np.testing.assert_array_equal(found[0], expected)
