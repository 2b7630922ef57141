"""What the model compiler refuses, in one line."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tflite_micro", reason="the oracle needs edgetwin[dev]")

import tflite_models
from small_networks import RANDOM, Network, assert_exact, kernels_of, residual_network
from tflite_models import ModelBuilder

from edgetwin.deploy import Model
from edgetwin.deploy.compiler import compile_model
from edgetwin.errors import UserError


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
