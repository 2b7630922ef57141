"""The model compiler: what it reads and simplifies, and its command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite_micro", reason="the oracle needs edgetwin[dev]")

import tflite
from small_networks import Network, assert_exact, kernels_of, random_values, residual_network
from tflite_models import Tflm
from typer.testing import CliRunner

from edgetwin.cli import app
from edgetwin.deploy import Model, ModelBundle
from edgetwin.deploy.compiler import compile_model, lowering
from edgetwin.deploy.compiler.compile import compile_to
from edgetwin.deploy.compiler.tflite import read_tflite
from edgetwin.errors import UserError

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
