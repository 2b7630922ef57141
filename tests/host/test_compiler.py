"""The model compiler: what it reads and refuses, what it simplifies, where it puts things, and the bundle it writes."""

from __future__ import annotations

import itertools
import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tflite_micro", reason="the oracle needs edgetwin[dev]")

import tflite
import tflite_models
from conftest import REPOSITORY
from tflite_models import ModelBuilder, Tflm
from typer.testing import CliRunner

from edgetwin.cli import app
from edgetwin.core import Model as CoreModel
from edgetwin.deploy import BundleError, Model, ModelBundle
from edgetwin.deploy.compiler import compile_model, lowering
from edgetwin.deploy.compiler.compile import compile_to
from edgetwin.deploy.compiler.emit import CONSTANT
from edgetwin.deploy.compiler.layers import Buffer, Kernel, Layer, Overlap, Place, Program
from edgetwin.deploy.compiler.planner import lives_of, plan_memory
from edgetwin.deploy.compiler.tflite import read_tflite
from edgetwin.deploy.container import (
    HEADER_SIZE,
    Corrupted,
    ImpossibleField,
    Kind,
    MissingKernel,
    NotABundle,
    Truncated,
    UnknownVersion,
    WrongKind,
    wrap,
)
from edgetwin.errors import UserError

RANDOM = np.random.default_rng(5)


class Network(ModelBuilder):
    """Layers with random weights on tensors of scale 0.1 and zero point -3."""

    def activations(self, *shape: int, scale: float = 0.1, zero_point: int = -3, **more) -> int:
        return self.tensor(shape, scale=scale, zero_point=zero_point, **more)

    def conv(self, source: int, filters: int, size: int = 3, *, scale: float = 0.1, **options) -> int:
        _, height, width, channels = self.shape(source)
        stride = options.get("stride_h", 1)
        taken = 0 if options.setdefault("padding", "SAME") == "SAME" else size - 1
        weights = RANDOM.integers(-127, 128, (filters, size, size, channels))
        w = self.tensor(weights.shape, scale=[0.01] * filters, data=weights)
        b = self.tensor((filters,), "int32", scale=[0.001] * filters, data=RANDOM.integers(-900, 900, filters))
        out = self.activations(1, -(-(height - taken) // stride), -(-(width - taken) // stride), filters, scale=scale)
        self.operator("CONV_2D", [source, w, b], [out], **options)
        return out

    def unary(self, code: str, source: int, scale: float = 0.1, zero_point: int = -3, **options) -> int:
        out = self.activations(*self.shape(source), scale=scale, zero_point=zero_point)
        self.operator(code, [source], [out], **options)
        return out

    def dense(self, source: int, units: int) -> int:
        inputs = self.shape(source)[-1]
        w = self.tensor((units, inputs), scale=0.02, data=RANDOM.integers(-127, 128, (units, inputs)))
        b = self.tensor((units,), "int32", scale=0.002, data=RANDOM.integers(-900, 900, units))
        out = self.activations(1, units)
        self.operator("FULLY_CONNECTED", [source, w, b], [out])
        return out


def residual_network() -> bytes:
    """Two convolutions, a skip connection, a pool and a classifier."""
    m = Network()
    x = m.activations(1, 8, 8, 3)
    a = m.conv(x, 4, fused_activation_function="RELU")
    b = m.conv(a, 4)
    c = m.activations(1, 8, 8, 4)
    m.operator("ADD", [a, b], [c], fused_activation_function="RELU")
    d = m.activations(1, 1, 1, 4)
    m.operator("AVERAGE_POOL_2D", [c], [d], filter_height=8, filter_width=8, stride_h=8, stride_w=8, padding="VALID")
    e = m.activations(1, 4)
    m.operator("RESHAPE", [d, m.constant([1, 4])], [e], new_shape=[1, 4])
    return m.build([x], [m.dense(e, 5)])


def assert_exact(model: bytes, rows: int = 5) -> None:
    """Every output of random inputs is TFLM's."""
    ours, theirs = CoreModel(compile_model(model)), Tflm(model)
    for _ in range(rows):
        inputs = [random_values(info.shape, info.dtype) for info in ours.inputs]
        expected = theirs.invoke(inputs)
        for mine, its in zip(ours.invoke([x[np.newaxis] for x in inputs]), expected, strict=True):
            np.testing.assert_array_equal(mine[0], its)


def random_values(shape: tuple[int, ...], dtype: type | np.dtype = np.int8) -> np.ndarray:
    return (
        RANDOM.integers(-128, 128, shape).astype(dtype)
        if dtype == np.int8
        else RANDOM.normal(0, 3, shape).astype(dtype)
    )


def kernels_of(model: bytes) -> list[str]:
    return [layer.kernel.name for layer in compile_to(model).program.layers]


# What is read


def test_options_are_read_by_the_schemas_names() -> None:
    m = Network()
    x = m.activations(1, 8, 8, 3)
    y = m.conv(x, 2, padding="VALID", dilation_h_factor=2, fused_activation_function="RELU6")
    options = read_tflite(m.build([x], [y]), "m").operators[0].options
    assert options["padding"] == "VALID" and options["fused_activation_function"] == "RELU6"
    assert (options["dilation_h_factor"], options["dilation_w_factor"], options["stride_w"]) == (2, 1, 1)


def test_constants_outside_the_flatbuffer_are_followed() -> None:
    m = Network()
    x = m.activations(1, 8, 8, 3)
    y = m.conv(x, 4)
    inside, outside = m.build([x], [y]), m.build([x], [y], external=True)
    assert compile_to(inside).program.layers[0].weight_bytes == compile_to(outside).program.layers[0].weight_bytes
    x0 = random_values((1, 8, 8, 3))
    np.testing.assert_array_equal(Model(compile_model(inside)).invoke(x0), Model(compile_model(outside)).invoke(x0))


def test_every_operator_that_can_be_lowered_can_be_read() -> None:
    from edgetwin.deploy.compiler.lowering import rules
    from edgetwin.deploy.compiler.tflite import _OPERATORS

    rules.load()
    assert set(lowering.supported()) == set(_OPERATORS) - {"SHAPE"}


# What is refused, in one line


def refusal(model: bytes) -> str:
    with pytest.raises(UserError) as caught:
        compile_model(model)
    text = str(caught.value)
    assert "\n" not in text
    return text


def one_operator(code: str, dtype: str = "float32", **options) -> bytes:
    m = ModelBuilder()
    x, y = (m.tensor((1, 4), dtype, scale=None if dtype == "float32" else 0.1) for _ in range(2))
    m.operator(code, [x], [y], **options)
    return m.build([x], [y])


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("float32", "is a float model"), ("uint8", "is a uint8 model"), ("int16", "is an int16x8 model"),
     ("float16", "is a float16 model")],
)  # fmt: skip
def test_models_of_other_types_are_refused_by_kind(dtype: str, kind: str) -> None:
    text = refusal(one_operator("RELU", dtype))
    assert kind in text and "representative data set" in text


def test_dynamic_range_models_are_refused_as_such() -> None:
    m = ModelBuilder()
    x, y = m.tensor((1, 4), "float32"), m.tensor((1, 2), "float32")
    w = m.tensor((2, 4), scale=0.1, data=RANDOM.integers(-127, 128, (2, 4)))
    m.operator("FULLY_CONNECTED", [x, w, -1], [y])
    assert "is a dynamic-range model" in refusal(m.build([x], [y]))


def test_floats_inside_an_int8_model_are_refused_with_their_operator() -> None:
    m = Network()
    x = m.activations(1, 4)
    wide, sum_, narrow = m.tensor((1, 4), "float32"), m.tensor((1, 4), "float32"), m.activations(1, 4)
    m.operator("DEQUANTIZE", [x], [wide])
    m.operator("ADD", [wide, wide], [sum_])
    m.operator("QUANTIZE", [sum_], [narrow])
    assert refusal(m.build([x], [narrow])).startswith("ADD (operator 1, tensor_2): it computes with floats")


def test_dynamic_shapes_are_refused() -> None:
    m = Network()
    x, y = m.activations(0, 4), m.activations(0, 4)
    m.operator("TANH", [x], [y])
    assert "dynamic or empty shape [0, 4]" in refusal(m.build([x], [y]))


def test_unknown_operators_and_versions_are_named_with_what_to_use() -> None:
    m = Network()
    x, y = m.activations(1, 4), m.activations(1, 4)
    m.operator("CUMSUM", [x], [y])
    text = refusal(m.build([x], [y]))
    assert text.startswith("CUMSUM (operator 0, tensor_1): the operator is not supported") and "CONV_2D" in text
    m = Network()
    x, y = m.activations(1, 4), m.activations(1, 4)
    m.operator("TANH", [x], [y], version=99)
    assert "version 99 is newer than" in refusal(m.build([x], [y]))


def test_models_of_several_subgraphs_are_refused(monkeypatch) -> None:
    offsets = tflite_models._offsets
    monkeypatch.setattr(tflite_models, "_offsets", lambda b, found: offsets(b, found * 2 if len(found) == 1 else found))
    assert "has 2 subgraphs" in refusal(one_operator("TANH", "int8"))


@pytest.mark.parametrize(
    ("tensor", "what"),
    [
        ({"shape": (-1, 4), "scale": 0.1}, "dynamic or empty shape [-1, 4]"),
        ({"shape": (0, 4), "scale": 0.1}, "dynamic or empty shape [0, 4]"),
        ({"dtype": "int4", "scale": 0.1}, "is of a type that no kernel takes"),
        ({"dtype": "uint8", "scale": 0.1}, "is a uint8 model"),
        ({"dtype": "int32"}, "is an input or output of type int32"),
        ({}, "is int8 without one scale"),
        ({"scale": [0.1] * 4, "axis": 1}, "is int8 without one scale"),
        ({"scale": 0.0}, "has the scale 0"),
        ({"scale": 0.1, "zero_point": 300}, "has a zero point beyond int8"),
        ({"scale": 0.1, "variable": True}, "an input is a constant or a state"),
    ],
)
@pytest.mark.parametrize("passed_on", [False, True])
def test_inputs_that_no_operator_reads_are_checked_as_those_that_one_does(tensor, what: str, passed_on: bool) -> None:
    m = Network()
    x, other = m.activations(1, 4), m.tensor(**{"shape": (1, 4), **tensor})
    y = m.unary("TANH", x, 1 / 128, 0)
    assert what in refusal(m.build([x, other], [y, other] if passed_on else [y]))


def test_a_model_that_no_board_opens_is_refused_by_its_name() -> None:
    m = Network()
    x = m.activations(1, (1 << 24) + 4)
    text = refusal(m.build([x], [m.unary("LOGISTIC", x, 1 / 256, -128)]))
    assert text.startswith("model.tflite is beyond what a board runs") and "make its tensors smaller" in text


def binary(code: str, shape: tuple[int, ...], second: np.ndarray, scale: float, **options) -> bytes:
    """An operator on values of scale 1 and a constant of scale 1, or of none if it is int32."""
    m = ModelBuilder()
    x, y = m.tensor((4, 4), scale=1.0), m.tensor(shape, scale=scale)
    constant = m.constant(second) if second.dtype == np.int32 else m.tensor(second.shape, scale=1.0, data=second)
    m.operator(code, [x, constant], [y], **options)
    return m.build([x], [y])


def unary(code: str, scale: float, output_scale: float, **options) -> bytes:
    m = Network()
    x = m.activations(1, 256, scale=scale)
    return m.build([x], [m.unary(code, x, output_scale, **options)])


@pytest.mark.parametrize(
    "model",
    [
        lambda ratio: unary("QUANTIZE", 1.0, ratio),
        lambda ratio: unary("RELU", 1.0, ratio),
        lambda ratio: unary("LEAKY_RELU", 1.0, ratio, alpha=0.5),
        lambda ratio: binary("MUL", (4, 4), np.ones((4, 4), np.int8), ratio),
        lambda ratio: binary("MEAN", (4,), np.array([1], np.int32), ratio),
        lambda ratio: binary("FULLY_CONNECTED", (4, 4), np.eye(4, dtype=np.int8), ratio),
    ],
    ids=["QUANTIZE", "RELU", "LEAKY_RELU", "MUL", "MEAN", "FULLY_CONNECTED"],
)
def test_scales_with_which_tflms_arithmetic_is_undefined_are_refused(request, model) -> None:
    assert_exact(model(2.0**-29.1))
    text = refusal(model(2.0**-30.1))
    assert text.startswith(f"{request.node.callspec.id} (operator 0, ") and "output's scale is too small" in text


@pytest.mark.parametrize(("scale", "output_scale"), [(0.1, 0.1 * 2**9.1), (0.1, 0.1 * 2**20), (1e-7, 1.2e-7)])
def test_hard_swish_beyond_int16_shifts_is_refused(scale: float, output_scale: float) -> None:
    assert refusal(unary("HARD_SWISH", scale, output_scale)).startswith("HARD_SWISH (operator 0, ")


@pytest.mark.parametrize(("scale", "output_scale"), [(0.1, 0.1 * 2**8.9), (2e-7, 2.4e-7)])
def test_hard_swish_within_int16_shifts_is_tflms(scale: float, output_scale: float) -> None:
    assert_exact(unary("HARD_SWISH", scale, output_scale))


def test_scales_at_which_6_is_no_int32_are_refused() -> None:
    for scale in (1e-10, 1e-44):
        assert "RELU6 (operator 0, tensor_1): its output's scale is too small" in refusal(unary("RELU6", scale, scale))


def test_padding_that_takes_away_is_refused_where_it_keeps_the_size_too() -> None:
    amounts = np.array([[1, -1], [0, 0]], np.int32)
    assert "its amounts do not fit its output" in refusal(binary("PAD", (4, 4), amounts, 1.0))
    assert kernels_of(binary("PAD", (4, 4), np.zeros((2, 2), np.int32), 1.0)) == []


def test_operators_that_read_what_is_not_written_yet_are_refused() -> None:
    m = Network()
    x, y, z = (m.activations(1, 4) for _ in range(3))
    m.operator("TANH", [z], [y])
    m.operator("TANH", [x], [z])
    assert "read before it is written" in refusal(m.build([x], [y]))


def test_what_is_no_tflite_file_is_refused() -> None:
    assert "not a TensorFlow Lite model" in refusal(b"PK\x03\x04" + bytes(100))
    assert "not a TensorFlow Lite model" in refusal(b"")


def test_a_file_that_is_cut_or_corrupted_anywhere_is_refused_or_compiled() -> None:
    """Never another exception, and what is compiled opens."""
    model, compiled = residual_network(), 0
    random = np.random.default_rng(0)
    damaged = [model[:length] for length in range(0, len(model), 97)]
    for _ in range(400):
        changed = bytearray(model)
        for position in random.integers(0, len(model), random.integers(1, 5)):
            changed[position] = random.choice([0, 1, 127, 128, 255])
        damaged.append(bytes(changed))
    for content in damaged:
        try:
            bundle = compile_model(content)
        except UserError as error:
            assert "\n" not in str(error)
        else:
            Model(bundle)
            compiled += 1
    assert compiled  # some bytes are weights


# What is simplified


def padded(pads: list[list[int]], code: str = "PAD", value: int | None = None, **options) -> bytes:
    m = Network()
    x = m.activations(1, 8, 7, 3)
    height, width = 8 + sum(pads[1]), 7 + sum(pads[2])
    y = m.activations(1, height, width, 3 + sum(pads[3]))
    extra = [] if value is None else [m.tensor((1,), scale=0.1, zero_point=-3, data=[value])]
    m.operator(code, [x, m.constant(pads), *extra], [y])
    return m.build([x], [m.conv(y, 4, **options)])


@pytest.mark.parametrize(
    "options", [{"padding": "VALID"}, {"padding": "SAME"}, {"padding": "VALID", "stride_h": 2, "stride_w": 2}]
)
def test_padding_with_the_zero_point_goes_into_the_convolution(options) -> None:
    for model in (
        padded([[0, 0], [1, 0], [2, 1], [0, 0]], **options),
        padded([[0, 0], [0, 2], [1, 1], [0, 0]], "PADV2", -3, **options),
    ):
        assert kernels_of(model) == ["conv"]
        assert_exact(model)


def test_other_padding_stays() -> None:
    for model in (
        padded([[0, 0], [1, 1], [1, 1], [0, 0]], "PADV2", 5, padding="VALID"),
        padded([[0, 0], [1, 1], [1, 1], [0, 2]], padding="VALID"),
    ):
        assert len(kernels_of(model)) > 1
        assert_exact(model)


@pytest.mark.parametrize("code", ["RELU", "RELU6"])
def test_activations_go_into_what_they_follow(code: str) -> None:
    m = Network()
    x = m.activations(1, 6, 6, 2)
    model = m.build([x], [m.unary(code, m.conv(x, 4))])
    assert kernels_of(model) == ["conv"]
    assert_exact(model)


def test_an_activation_of_what_others_read_stays() -> None:
    m = Network()
    x = m.activations(1, 6, 6, 2)
    y = m.conv(x, 2)
    z, total = m.unary("RELU", y), m.activations(1, 6, 6, 2)
    m.operator("ADD", [y, z], [total])
    model = m.build([x], [total])
    assert kernels_of(model) == ["conv", "lookup", "add"]
    assert_exact(model)


def test_functions_of_one_value_become_one_table() -> None:
    m = Network()
    x = m.activations(1, 256)
    y = m.unary("TANH", x, 1 / 128, 0)
    z = m.unary("QUANTIZE", y, 0.02, 7)
    model = m.build([x], [m.unary("LEAKY_RELU", z, 0.03, 1, alpha=0.3)])
    assert kernels_of(model) == ["lookup"]
    values = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
    np.testing.assert_array_equal(Model(compile_model(model)).invoke(values), Tflm(model).invoke([values])[0])


def test_a_table_that_is_read_between_stays() -> None:
    m = Network()
    x = m.activations(1, 16)
    y = m.unary("TANH", x, 1 / 128, 0)
    model = m.build([x], [m.unary("LEAKY_RELU", y, 0.03, 1, alpha=0.3), y])
    assert kernels_of(model) == ["lookup", "lookup"]
    assert_exact(model)


def test_floats_that_only_move_become_int8() -> None:
    """As converters write unrolled LSTMs: DEQUANTIZE, SPLIT, QUANTIZE."""
    for scale, zero_point in ((0.1, -3), (0.07, 5)):
        m = Network()
        x, wide = m.activations(1, 12), m.tensor((1, 12), "float32")
        parts = [m.tensor((1, 4), "float32") for _ in range(3)]
        m.operator("DEQUANTIZE", [x], [wide])
        m.operator("SPLIT", [m.tensor((), "int32", data=1), wide], parts, num_splits=3)
        narrow = [m.unary("QUANTIZE", part, scale, zero_point) for part in parts]
        ends = [m.unary("TANH", part, 1 / 128, 0) for part in narrow]
        model = m.build([x], ends)
        assert not {"quantize", "dequantize"} & set(kernels_of(model))
        assert_exact(model)


def test_just_below_a_half_is_no_half() -> None:
    """In float32 0.49999997 + 0.5 is 1."""
    m = Network()
    below = float(np.nextafter(np.float32(0.5), np.float32(0)))
    x, wide = m.tensor((1, 256), scale=below), m.tensor((1, 256), "float32")
    m.operator("DEQUANTIZE", [x], [wide])
    model = m.build([x], [m.unary("TANH", m.unary("QUANTIZE", wide, 1.0, 0), 1 / 128, 0)])
    assert kernels_of(model) == ["lookup"]
    assert_exact(model)


def test_arithmetic_on_shapes_is_done_before() -> None:
    m = Network()
    x, y = m.activations(1, 4, 3), m.activations(1, 12)
    shape, first, wanted = m.tensor((3,), "int32"), m.tensor((), "int32"), m.tensor((2,), "int32")
    m.operator("SHAPE", [x], [shape], out_type=tflite.TensorType.INT32)
    limits = [m.constant([0]), m.constant([1]), m.constant([1])]
    m.operator("STRIDED_SLICE", [shape, *limits], [first], shrink_axis_mask=1)
    m.operator("PACK", [first, m.tensor((), "int32", data=12)], [wanted], values_count=2)
    m.operator("RESHAPE", [x, wanted], [y])
    model = m.build([x], [m.unary("TANH", y, 1 / 128, 0)])
    assert kernels_of(model) == ["lookup"]
    assert_exact(model)


def test_what_nobody_reads_is_left_out() -> None:
    m = Network()
    x = m.activations(1, 6, 6, 2)
    m.conv(x, 8)
    model = m.build([x], [m.conv(x, 2)])
    assert kernels_of(model) == ["conv"]
    assert_exact(model)


# Where things lie


@st.composite
def programs(draw) -> Program:
    """Layers that read and write random buffers, some in place."""
    kernel = Kernel("any", 1, ())
    distances = st.integers(-20, 20)
    buffers = [Buffer("input", draw(st.integers(1, 50)), draw(st.sampled_from([1, 2, 4])))]
    state = Buffer("state", draw(st.integers(1, 20)), 4, bytes(20)) if draw(st.booleans()) else None
    layers = []
    for number in range(draw(st.integers(1, 12))):
        reads = draw(st.lists(st.sampled_from(buffers), min_size=1, max_size=3, unique=True))
        output = Buffer(f"{number}", draw(st.integers(1, 50)), draw(st.sampled_from([1, 2, 4])))
        scratch = [Buffer(f"scratch {number}", draw(st.integers(1, 30)), 4)] if draw(st.booleans()) else []
        overlaps = [
            draw(
                st.one_of(
                    st.builds(Overlap, st.just(output), st.just(source), distances, st.booleans()),
                    st.builds(Overlap, st.just(output), st.just(source), distances, above=distances),
                )
            )
            for source in reads
            if draw(st.booleans())
        ]
        reads = [*reads, *([state] if state is not None and draw(st.booleans()) else [])]
        layers.append(Layer(kernel, f"{number}", number, {}, reads, [output], scratch, overlaps))
        buffers.append(output)
    outputs = draw(st.lists(st.sampled_from(buffers[1:]), min_size=1, max_size=2, unique=True))
    return Program("any", "portable", layers, [Place(buffers[0])], [Place(buffer) for buffer in outputs])


@settings(max_examples=100, deadline=None)
@given(programs())
def test_buffers_that_live_together_are_apart_or_may_overlap(program: Program) -> None:
    plan, lives = plan_memory(program), lives_of(program)
    for buffer, place in plan.places.items():
        assert place % buffer.align == 0 and place >= 0 and place + buffer.size <= plan.workspace_size
    assert plan.workspace_size % 16 == 0 and plan.workspace_size >= plan.bound
    buffers = list(lives)
    for i, one in enumerate(buffers):
        for other in buffers[:i]:
            apart = (
                plan.places[one] + one.size <= plan.places[other] or plan.places[other] + other.size <= plan.places[one]
            )
            if lives[one].meets(lives[other]) and not apart:
                assert may_overlap(program, plan, one, other) or may_overlap(program, plan, other, one)
    for buffer in buffers:
        if buffer.state is not None:
            assert plan.places[buffer] + buffer.size <= plan.state_size


def may_overlap(program: Program, plan, output: Buffer, source: Buffer) -> bool:
    """Whether the only layer in which both live permits it."""
    return any(
        overlap.output is output
        and overlap.input is source
        and plan.lives[output].first == plan.lives[source].last == number
        and permits(overlap, plan.places[source] - plan.places[output])
        for number, layer in enumerate(program.layers)
        for overlap in layer.overlaps
    )


def permits(overlap: Overlap, below: int) -> bool:
    """Whether the output may begin so many bytes below the input."""
    if overlap.is_exact:
        return below == overlap.distance
    return below >= overlap.distance or (overlap.above is not None and -below >= overlap.above)


def test_the_plan_reaches_the_bound_of_a_chain_and_says_what_decides() -> None:
    kernel = Kernel("any", 1, ())
    sizes = [64, 32, 48, 96, 16]
    buffers = [Buffer(str(size), size) for size in sizes]
    layers = [Layer(kernel, str(i), i, {}, [buffers[i]], [buffers[i + 1]]) for i in range(4)]
    plan = plan_memory(Program("chain", "portable", layers, [Place(buffers[0])], [Place(buffers[4])]))
    assert (plan.bound, plan.bound_layer, plan.workspace_size) == (144, 2, 144)
    assert [buffer.size for buffer in plan.live_at(2)] == [96, 48]
    in_place = Layer(kernel, "2", 2, {}, [buffers[2]], [buffers[3]], overlaps=[Overlap(buffers[3], buffers[2], 0)])
    plan = plan_memory(
        Program("chain", "portable", [*layers[:2], in_place, layers[3]], [Place(buffers[0])], [Place(buffers[4])])
    )
    assert (plan.bound, plan.workspace_size) == (112, 112)


def test_a_chain_that_may_go_both_ways_does_not_creep() -> None:
    kernel = Kernel("any", 1, ())
    buffers = [Buffer(str(i), 100) for i in range(9)]
    layers = [
        Layer(kernel, str(i), i, {}, [source], [output], overlaps=[Overlap(output, source, 12, above=16)])
        for i, (source, output) in enumerate(itertools.pairwise(buffers))
    ]
    plan = plan_memory(Program("chain", "helium", layers, [Place(buffers[0])], [Place(buffers[-1])]))
    assert (plan.bound, plan.workspace_size) == (112, 128)


@pytest.mark.parametrize("target", ["portable", "helium"])
@pytest.mark.parametrize("name", ["resnet8", "ds_cnn", "mobilenet", "dense_autoencoder"])
def test_the_workspace_is_near_its_bound_and_below_tflms(name: str, target: str, capfd) -> None:
    pytest.importorskip("tensorflow", reason="networks need edgetwin[train]")
    from edgetwin.nn.tiny import tiny_tflite

    content = tiny_tflite(name)
    plan = compile_to(content, target).plan
    Tflm(content)._interpreter.print_allocations()
    head = int(re.search(r"allocation head (\d+)", "".join(capfd.readouterr()))[1])
    assert plan.workspace_size <= 1.05 * plan.bound
    assert plan.workspace_size <= head


# What is written


def test_a_record_has_the_fields_of_its_kernels_struct() -> None:
    """Kernel.fields against the C source: the same names in the same order, 32 bits each."""
    from edgetwin.deploy.compiler.lowering import rules

    rules.load()
    kernels = {
        value.number: value
        for module in vars(lowering).values()
        if hasattr(module, "__name__")
        for value in vars(module).values()
        if isinstance(value, Kernel)
    }
    folder = REPOSITORY / "device" / "src" / "kernels"
    source = "\n".join(path.read_text() for path in sorted(folder.iterdir()))
    structs = dict(re.findall(r"typedef struct (\w+) \{(.*?)\n\}", re.sub(r"/\*.*?\*/", "", source, flags=re.S), re.S))
    constants = dict(re.findall(r"#define (\w+) (\d+)u?\b", source))
    for names in re.findall(r"enum(?: \w+)? \{([\w\s,]*)\}", source):
        constants |= {name.strip(): str(value) for value, name in enumerate(names.split(","))}
    assert len(kernels) >= 17
    for kernel in kernels.values():
        (struct_name,) = re.findall(rf"et_kernel_{kernel.name} = {{{kernel.number}, sizeof\((\w+)\)", source)
        assert struct_fields(struct_name, structs, constants) == list(kernel.fields), kernel.name


def struct_fields(name: str, structs: dict[str, str], constants: dict[str, str]) -> list[str]:
    """Members of a record's struct but its header, arrays by element, structs by member."""
    fields: list[str] = []
    for declaration in structs[name].split(";")[:-1]:
        kind, members = declaration.split(maxsplit=1)
        if kind == "et_record":
            continue
        if kind in structs:
            fields += struct_fields(kind, structs, constants)
            continue
        for member in members.split(","):
            title, *size = re.fullmatch(r"\s*(\w+)(?:\[(\w+)(?: \+ (\d+))?\])?\s*", member).groups()
            elements = sum(int(constants.get(term, term)) for term in size if term)
            fields += [f"{title}_{i}" for i in range(elements)] if elements else [title]
    return fields


def test_the_payload_is_laid_out_as_formats_md_says() -> None:
    compiled = compile_to(residual_network())
    payload, plan = compiled.bundle[HEADER_SIZE:], compiled.plan
    version, target, zero, workspace, state, inputs, outputs, layers, zero2, records, constants, zero3 = (
        struct.unpack_from("<HBBIIHHHHIII", payload)
    )
    assert (version, target, zero, zero2, zero3) == (1, 0, 0, 0, 0)
    assert (workspace, state, inputs, outputs, layers) == (plan.workspace_size, 0, 1, 1, len(compiled.program.layers))
    place, size, kind, rank, pad, *shape, scale, zero_point = struct.unpack_from("<IIBBH5ifi", payload, 32)
    assert (place + size <= workspace, size, kind, rank, pad, shape) == (True, 192, 1, 4, 0, [1, 8, 8, 3, 1])
    assert (np.float32(scale), zero_point) == (np.float32(0.1), -3)
    at = 32 + 96
    for layer in compiled.program.layers:
        number, words = struct.unpack_from("<HH", payload, at)
        assert (number, words) == (layer.kernel.number, layer.kernel.words)
        at += 4 * words
    assert at == 32 + 96 + records and constants % 16 == 0


def test_equal_constants_are_stored_once_and_lie_on_multiples_of_16() -> None:
    m = Network()
    x = m.activations(1, 6, 6, 4)
    weights = m.tensor((4, 1, 1, 4), scale=[0.01] * 4, data=RANDOM.integers(-127, 128, (4, 1, 1, 4)))
    outputs = []
    for _ in range(3):
        outputs.append(m.activations(1, 6, 6, 4))
        m.operator("CONV_2D", [x, weights, -1], [outputs[-1]], padding="SAME")
    compiled = compile_to(m.build([x], outputs))
    stored = {
        value.data for layer in compiled.program.layers for value in layer.fields.values() if hasattr(value, "data")
    }
    (size,) = struct.unpack_from("<I", compiled.bundle, HEADER_SIZE + 24)
    assert size == sum(len(data) + -len(data) % 16 for data in stored)
    assert len(compiled.program.layers) == 3
    first = compiled.bundle[HEADER_SIZE + 32 + 4 * 48 :]
    words = struct.unpack_from(f"<{compiled.program.layers[0].kernel.words}I", first)
    assert all((word & ~CONSTANT) % 16 == 0 for word in words if word & CONSTANT and word - CONSTANT < size)


def test_the_same_model_gives_the_same_bytes() -> None:
    model = residual_network()
    assert compile_model(model) == compile_model(model)
    assert compile_model(model, metadata={"labels": ["a"]}) != compile_model(model)


# The model on the host


@pytest.fixture(scope="module")
def network() -> tuple[bytes, Model]:
    content = residual_network()
    return content, Model(compile_model(content, metadata={"labels": ["a", "b", "c", "d", "e"]}))


def test_rows_stand_in_the_place_of_a_batch_of_one(network) -> None:
    content, model = network
    rows, oracle = random_values((6, 8, 8, 3)), Tflm(content)
    expected = np.concatenate([oracle.invoke([row[np.newaxis]])[0] for row in rows])
    np.testing.assert_array_equal(model.invoke(rows), expected)
    np.testing.assert_array_equal(model.invoke(rows[0]), expected[:1])
    np.testing.assert_array_equal(model.invoke([rows[:2]]), expected[:2])
    assert model.invoke(rows[:0]).shape == (0, 5)


def test_predict_takes_and_gives_real_values(network) -> None:
    _, model = network
    rows = random_values((3, 8, 8, 3))
    real = (0.1 * (rows.astype(np.float32) + 3)).astype(np.float32)
    exact = model.invoke(rows)
    np.testing.assert_allclose(model.predict(real), np.float32(0.1) * (exact.astype(np.float32) + 3), rtol=1e-6)
    with pytest.raises(UserError, match="NaN"):
        model.predict(np.full((1, 8, 8, 3), np.nan))


def test_values_that_are_no_real_numbers_are_refused_in_one_line(network) -> None:
    _, model = network
    rows = np.zeros((1, 8, 8, 3))
    for x in (rows.astype(str), {"tensor_0": rows}, rows + 1j, rows.astype(object)):
        with pytest.raises(UserError, match=r"the values for input tensor_0 are .*, not real numbers"):
            model.predict(x)
    np.testing.assert_array_equal(model.predict(rows.astype(bool)), model.predict(rows))


def test_inputs_of_another_shape_or_type_are_refused_in_one_line(network) -> None:
    _, model = network
    for x, text in (
        (np.zeros((1, 8, 8, 3), np.float32), "takes int8, not float32"),
        (np.zeros((1, 8, 8, 4), np.int8), r"takes rows of shape \(8, 8, 3\), not an array \(1, 8, 8, 4\)"),
        ([np.zeros((1, 8, 8, 3), np.int8)] * 2, "takes 1 inputs, not 2"),
    ):
        with pytest.raises(UserError, match=text):
            model.invoke(x)


def test_several_inputs_and_outputs_keep_their_order() -> None:
    m = Network()
    x, y = m.activations(1, 6), m.activations(1, 6, scale=0.2)
    total, least = m.activations(1, 6), m.activations(1, 6)
    m.operator("ADD", [x, y], [total])
    m.operator("MINIMUM", [x, total], [least])
    content = m.build([x, y], [least, total])
    model, oracle = Model(compile_model(content)), Tflm(content)
    a, b = random_values((4, 6)), random_values((4, 6))
    found = model.invoke([a, b])
    for row in range(4):
        for mine, its in zip(found, oracle.invoke([a[row : row + 1], b[row : row + 1]]), strict=True):
            np.testing.assert_array_equal(mine[row : row + 1], its)
    with pytest.raises(UserError, match="4, 3 rows"):
        model.invoke([a, b[:3]])


def test_an_input_can_be_an_output_and_an_output_be_given_twice() -> None:
    m = Network()
    x = m.activations(1, 6)
    y = m.unary("LOGISTIC", x, 1 / 256, -128)
    z = m.unary("LEAKY_RELU", y, 0.1, 5, alpha=0.5)
    content = m.build([x], [z, x, y, z])
    assert_exact(content)


def test_floats_go_in_and_out_at_the_edges() -> None:
    m = Network()
    x, y = m.tensor((1, 50), "float32"), m.tensor((1, 75), "float32")
    image, planes = m.tensor((1, 5, 5, 2), "float32"), m.tensor((1, 5, 5, 3), "float32")
    inner = m.activations(1, 5, 5, 2)
    m.operator("RESHAPE", [x, m.constant([1, 5, 5, 2])], [image])
    m.operator("QUANTIZE", [image], [inner])
    m.operator("DEQUANTIZE", [m.conv(inner, 3)], [planes])
    m.operator("RESHAPE", [planes, m.constant([1, 75])], [y])
    content = m.build([x], [y])
    assert kernels_of(content) == ["quantize", "conv", "dequantize"]
    assert_exact(content)
    rows = np.float32(RANDOM.normal(0, 3, (4, 50)))
    model = Model(compile_model(content))
    np.testing.assert_array_equal(model.predict(rows), model.invoke(rows))


def test_a_state_is_kept_until_reset() -> None:
    """A fused LSTM, as tests against TFLM have it (test_nn_exact.py): here, that rows follow each other."""
    from operator_cases import CASES

    for seed in range(20):
        content = CASES["UNIDIRECTIONAL_SEQUENCE_LSTM"](np.random.default_rng(seed)).model
        model = Model(compile_model(content))
        shape = model.inputs[0].shape
        row = random_values((1, *shape))
        first, second = model._core.invoke([row])[0], model._core.invoke([row])[0]
        model.reset()
        both = model._core.invoke([np.concatenate([row, row])])[0]
        np.testing.assert_array_equal(both, np.concatenate([first, second]))
        if not np.array_equal(first, second):
            return
    pytest.fail("no case keeps a state that shows")


def test_a_trace_has_every_tensor_as_tflm_computes_it(network) -> None:
    content, model = network
    x, oracle = random_values((1, 8, 8, 3)), Tflm(content, keep=True)
    oracle.invoke([x])
    compared = 0
    for layer, values in zip(model.bundle.layers, model.trace(x), strict=True):
        if layer.tensor >= 0:
            np.testing.assert_array_equal(values, oracle.tensor(layer.tensor).ravel())
            compared += 1
    assert compared == 5  # all but the reshape


def test_a_bundle_describes_itself(network, tmp_path: Path) -> None:
    bundle = network[1].bundle
    bundle.save(tmp_path / "m.etm")
    again = ModelBundle.load(tmp_path / "m.etm")
    assert (again.id, again.to_bytes()) == (bundle.id, bundle.to_bytes())
    assert (again.target, again.inputs[0].shape, again.outputs[0].shape) == ("portable", (1, 8, 8, 3), (1, 5))
    assert [layer.kernel for layer in again.layers] == ["conv", "conv", "add", "average_pool", "dense"]
    assert sum(layer.macs for layer in again.layers) == 64 * 27 * 4 + 64 * 36 * 4 + 20
    assert again.metadata["labels"] == ["a", "b", "c", "d", "e"]
    assert again.workspace_size == CoreModel(again.to_bytes()).workspace_size


def test_inputs_or_outputs_of_one_name_get_numbers() -> None:
    m = Network()
    inputs = [m.activations(1, 4, name=name) for name in ("a", "a", "a:1", "a")]
    total = m.activations(1, 4, name="a")
    m.operator("ADD", inputs[:2], [total])
    bundle = ModelBundle.from_bytes(compile_model(m.build(inputs, [total, total])))
    assert [info.name for info in bundle.inputs] == ["a", "a:1", "a:1:1", "a:2"]
    assert [info.name for info in bundle.outputs] == ["a", "a:1"]


# Bad bundles


def resealed(bundle: bytes, at: int, value: bytes) -> bytes:
    """A bundle with other bytes in its payload, and a header that fits them."""
    payload = bytearray(bundle[HEADER_SIZE:])
    payload[at : at + len(value)] = value
    return wrap(Kind.MODEL, bytes(payload))


def test_a_cut_bundle_is_refused_at_every_length(network) -> None:
    bundle = network[1].bundle.to_bytes()
    for length in range(0, len(bundle), 7):
        with pytest.raises(Truncated):
            Model(bundle[:length])


def test_bad_bundles_are_refused_by_name(network) -> None:
    bundle = network[1].bundle.to_bytes()
    flipped = bytearray(bundle)
    flipped[200] ^= 1
    for content, error in (
        (bytes(flipped), Corrupted),
        (b"TFL3" + bundle[4:], NotABundle),
        (resealed(bundle, 0, b"\x02\x00"), UnknownVersion),
        (resealed(bundle, 2, b"\x09"), ImpossibleField),
        (resealed(bundle, 4, struct.pack("<I", 17)), ImpossibleField),
        (resealed(bundle, 32 + 96, struct.pack("<H", 999)), MissingKernel),
        (wrap(Kind.MODEL, bytes(16)), Truncated),
        (wrap(Kind.RECORDING, bytes(64)), WrongKind),
    ):
        with pytest.raises(error) as caught:
            Model(content)
        assert "\n" not in str(caught.value)


def test_a_refusal_says_what_helps(network) -> None:
    bundle = network[1].bundle.to_bytes()
    for content, remedy in (
        (resealed(bundle, 0, b"\x02\x00"), "upgrade edgetwin"),
        (resealed(bundle, 32 + 96, struct.pack("<H", 999)), "upgrade edgetwin"),
        (resealed(bundle, 4, struct.pack("<I", 17)), "compile the model again"),
    ):
        with pytest.raises(BundleError, match=remedy):
            Model(content)


def test_a_hostile_payload_is_refused_or_harmless(network) -> None:
    """What passes the checks runs; ASan and fuzzing of the core stand behind this (tests/device)."""
    bundle = network[1].bundle.to_bytes()
    random = np.random.default_rng(3)
    for _ in range(300):
        changed = bundle
        for at in random.integers(0, 32 + 96 + 300, random.integers(1, 4)):
            changed = resealed(changed, int(at), bytes([random.choice([0, 1, 4, 127, 128, 255])]))
        try:
            model = Model(changed)
        except BundleError as error:
            assert "\n" not in str(error)
            continue
        if model.bundle.workspace_size < 1 << 20:
            model.invoke([np.zeros(info.shape, info.dtype) for info in model.inputs])


# The command


def run(*arguments: str):
    return CliRunner().invoke(app, ["compile", *arguments], catch_exceptions=True)


def test_the_command_writes_a_bundle_and_says_what_it_takes(tmp_path: Path) -> None:
    source, target, picture = tmp_path / "m.tflite", tmp_path / "m.etm", tmp_path / "m.png"
    source.write_bytes(residual_network())
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    result = run(
        str(source), "-o", str(target), "--board", "netduinoplus2", "--json", "--report", str(picture),
        "--labels", str(tmp_path / "labels.txt"),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    printed, bundle = json.loads(result.stdout), ModelBundle.load(target)
    assert printed["flash_bytes"] == target.stat().st_size
    assert printed["arena_bytes"] == bundle.workspace_size and printed["id"] == f"{bundle.id:016x}"
    assert [layer["kernel"] for layer in printed["layers"]] == [layer.kernel for layer in bundle.layers]
    assert bundle.metadata["labels"] == ["a", "b", "c", "d", "e"] and picture.read_bytes()[:4] == b"\x89PNG"
    assert "average_pool" in run(str(source), "-o", str(target)).stdout


def test_a_model_too_large_for_the_board_is_refused_with_what_decides(tmp_path: Path) -> None:
    m = Network()
    x = m.activations(1, 96, 96, 3)
    (tmp_path / "m.tflite").write_bytes(m.build([x], [m.conv(x, 8)]))
    result = run(str(tmp_path / "m.tflite"), "-o", str(tmp_path / "m.etm"), "--board", "microbit")
    assert isinstance(result.exception, UserError) and not (tmp_path / "m.etm").exists()
    text = str(result.exception)
    assert "does not fit microbit" in text and "tensor_" in text and "more than" in text
