"""Operators without weights, and the LSTM: what the comparison with TFLM (test_nn_exact) does not reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tflite_micro", reason="the oracle needs edgetwin[dev]")

import tflite_models
from operator_cases import CASES, Case, Random, _elementwise, dimensions, finish, scale, zero_point
from test_nn_exact import differing, on_core, on_tflm
from tflite_models import ModelBuilder

from edgetwin.core import Model
from edgetwin.deploy.compiler import activations
from edgetwin.deploy.compiler.compile import compile_model, compile_to
from edgetwin.deploy.compiler.emit import emit
from edgetwin.deploy.compiler.graph import Graph, Operator, Tensor, UnsupportedModelError
from edgetwin.deploy.compiler.layers import Buffer, Layer
from edgetwin.deploy.compiler.lowering import lower
from edgetwin.deploy.compiler.lowering.operands import require
from edgetwin.deploy.compiler.planner import plan_memory

INT8 = np.dtype(np.int8)


def tensor(shape: tuple[int, ...], data: object = None, dtype: str = "int8") -> Tensor:
    quantisation = {"scale": np.ones(1, np.float32), "zero_point": np.zeros(1, np.int64)} if dtype == "int8" else {}
    values = None if data is None else np.asarray(data, dtype).reshape(shape)
    return Tensor(-1, "x", shape, np.dtype(dtype), data=values, **quantisation)


def constants(*values: object) -> list[Tensor]:
    return [tensor(np.shape(each), each, "int32") for each in values]


def run(operator: Operator, x: np.ndarray) -> list[np.ndarray]:
    """Outputs of a graph of one operator."""
    inputs = [each for each in operator.inputs if each is not None and each.data is None]
    graph = Graph("one", inputs, operator.outputs, [operator])
    program = lower(graph, "portable")
    return Model(emit(program, graph, plan_memory(program), {})).invoke([x[np.newaxis]])


# Operators that movements are checked against NumPy for


@pytest.mark.parametrize("seed", range(50))
def test_slice_takes_a_box(seed: int) -> None:
    random = np.random.default_rng(seed)
    shape = dimensions(random, int(random.integers(1, 6)), 5)
    begin = [int(random.integers(size)) for size in shape]
    counts = [int(random.integers(1, size - first + 1)) for size, first in zip(shape, begin, strict=True)]
    sizes = [-1 if first + count == size else count for size, first, count in zip(shape, begin, counts, strict=True)]
    x = random.integers(-128, 128, shape, np.int8)
    expected = x[tuple(slice(first, first + count) for first, count in zip(begin, counts, strict=True))]
    operator = Operator(0, "SLICE", 1, [tensor(shape), *constants(begin, sizes)], [tensor(expected.shape)])
    np.testing.assert_array_equal(run(operator, x)[0][0], expected)


@pytest.mark.parametrize("seed", range(50))
def test_split_v_cuts_at_any_places(seed: int) -> None:
    random = np.random.default_rng(seed)
    shape = dimensions(random, int(random.integers(1, 6)), 6)
    axis = int(random.integers(len(shape)))
    cuts = np.unique(random.integers(1, shape[axis], 2)) if shape[axis] > 1 else np.zeros(0, int)
    x = random.integers(-128, 128, shape, np.int8)
    parts = np.split(x, cuts, axis=axis)
    inputs = [tensor(shape), *constants([part.shape[axis] for part in parts], axis - len(shape))]
    outputs = [tensor(part.shape) for part in parts]
    found = run(Operator(0, "SPLIT_V", 1, inputs, outputs), x)
    for mine, its in zip(found, parts, strict=True):
        np.testing.assert_array_equal(mine[0], its)


@pytest.mark.parametrize(
    ("key", "limits", "masks"),
    [
        (np.s_[..., 1:3], ([0, 1], [0, 3], [1, 1]), {"ellipsis_mask": 1}),
        (np.s_[1, ..., ::-2], ([1, 0, 0], [2, 0, 0], [1, 1, -2]), {"ellipsis_mask": 2, "shrink_axis_mask": 1, "b": 4}),
        (np.s_[:, None, 1:, None], ([0, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]), {"new_axis_mask": 10, "b": 1, "e": 5}),
        (np.s_[-1], ([-1], [0], [1]), {"shrink_axis_mask": 1}),
        (np.s_[::-1, ::-1, ::-1], ([9, 9, 9], [0, 0, 0], [-1, -1, -1]), {"e": 7}),
        (np.s_[1:9, -9:2], ([1, -9], [9, 2], [1, 1]), {}),
    ],
)
def test_strided_slice_follows_all_masks(key: object, limits: tuple, masks: dict[str, int]) -> None:
    names = {"b": "begin_mask", "e": "end_mask"}
    options = {names.get(name, name): mask for name, mask in masks.items()}
    if options.get("ellipsis_mask") == 2:
        options["end_mask"] = 4
    x = np.random.default_rng(0).integers(-128, 128, (3, 4, 5), np.int8)
    expected = x[key]
    inputs = [tensor(x.shape), *constants(*limits)]
    found = run(Operator(0, "STRIDED_SLICE", 1, inputs, [tensor(expected.shape)], options), x)
    np.testing.assert_array_equal(found[0][0], expected)


def test_what_lies_in_one_piece_is_not_copied() -> None:
    model = ModelBuilder()
    x = model.tensor((4, 6), scale=0.5)
    rows = [model.tensor((1, 6), scale=0.5) for _ in range(4)]
    flat = model.tensor((6,), scale=0.5)
    last = model.tensor((3,), scale=0.5)
    model.operator("SPLIT", [model.constant(0), x], rows, num_splits=4)
    model.operator("RESHAPE", [rows[2], model.constant([6])], [flat])
    model.operator("STRIDED_SLICE", [flat, *(model.constant([each]) for each in (3, 6, 1))], [last])
    compiled = compile_to(model.build([x], [rows[1], last]))
    assert compiled.program.layers == [] and compiled.plan.workspace_size == 32
    values = np.arange(24, dtype=np.int8).reshape(4, 6)
    row, end = Model(compiled.bundle).invoke([values[np.newaxis]])
    assert row.tolist() == [[list(range(6, 12))]] and end.tolist() == [[15, 16, 17]]


# In place


def placed(layer: Layer, shared: Buffer, others: list[Buffer]) -> tuple[dict[Buffer, int], int]:
    """Places where the output lies as high over one input as the layer permits, and the end."""
    (distance,) = (overlap.distance for overlap in layer.overlaps if overlap.input is shared)
    output = next(overlap.output for overlap in layer.overlaps)
    distance += -distance % max(output.align, shared.align)
    places = {output: max(-distance, 0), shared: max(distance, 0)}
    end = max(place + buffer.size for buffer, place in places.items())
    for buffer in others:
        places[buffer] = end = -(-end // buffer.align) * buffer.align
        end += buffer.size
    return places, -(-end // 16) * 16


#: Left out: what is not moved, what writes its output in several layers, and kernels that never share bytes.
APART = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "SPLIT", "UNPACK", "PAD", "PADV2", "CONCATENATION", "PACK"}
APART |= {"MEAN", "RESIZE_NEAREST_NEIGHBOR", "UNIDIRECTIONAL_SEQUENCE_LSTM"}
APART |= {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"}


@pytest.mark.parametrize("code", [code for code in CASES if code not in APART])
def test_outputs_over_inputs_are_right_at_the_limit_that_layers_name(code: str) -> None:
    overlapped = 0
    for seed in range(60):
        case = CASES[code](np.random.default_rng(seed))
        try:
            expected = on_tflm(case)
            compiled = compile_to(case.model)
        except (RuntimeError, UnsupportedModelError):
            continue
        if len(compiled.program.layers) != 1:
            continue
        (layer,) = compiled.program.layers
        for overlap in layer.overlaps:
            others = [buffer for buffer in compiled.plan.places if buffer not in (overlap.input, overlap.output)]
            places, size = placed(layer, overlap.input, others)
            overlapped += places[overlap.output] < places[overlap.input] + overlap.input.size and (
                places[overlap.input] < places[overlap.output] + overlap.output.size
            )
            plan = replace(compiled.plan, places=places, workspace_size=size)
            model = Model(emit(compiled.program, compiled.graph, plan, {}))
            stacked = model.invoke([np.stack(values) for values in zip(*case.series, strict=True)])
            found = [list(outputs) for outputs in zip(*stacked, strict=True)]
            assert differing(found, expected) == 0, f"seed {seed}"
    assert overlapped > 10


# Functions of one value


def hard_swish(random: Random) -> Case:
    x = scale(random)
    y = x * 2.0 ** random.uniform(-6, 3)
    return _elementwise(random, "HARD_SWISH", (x, zero_point(random)), (y, zero_point(random)))


def test_hard_swish_equals_tflm() -> None:
    compared = 0
    for seed in range(400):
        case = hard_swish(np.random.default_rng(seed))
        try:
            expected = on_tflm(case)
        except RuntimeError:
            continue
        assert differing(on_core(case, "portable"), expected) == 0, f"seed {seed}"
        compared += 1
    assert compared > 200


def test_relu_n1_to_1_equals_litert(monkeypatch: pytest.MonkeyPatch) -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="TFLM has no RELU_N1_TO_1")
    monkeypatch.setitem(tflite_models._OPTIONS, "RELU_N1_TO_1", None)
    for seed in range(200):
        random = np.random.default_rng(seed)
        x, y = (scale(random), zero_point(random)), (scale(random), zero_point(random))
        case = _elementwise(random, "RELU_N1_TO_1", x, y)
        oracle = litert.Interpreter(
            model_content=case.model, experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF
        )
        oracle.allocate_tensors()
        oracle.set_tensor(oracle.get_input_details()[0]["index"], case.series[0][0])
        oracle.invoke()
        expected = oracle.get_tensor(oracle.get_output_details()[0]["index"])
        np.testing.assert_array_equal(on_core(case, "portable")[0][0], expected, err_msg=f"seed {seed}")


@pytest.mark.parametrize("step", [2.0**-9, 0.03, 0.125, 1.0, 20.0])
def test_tables_are_the_functions(step: float) -> None:
    inputs = np.clip((np.arange(-128, 128) - 5) * step, -700, 700)
    logistic = activations.logistic_table(step, 5).astype(int) + 128
    tanh = activations.tanh_table(step, 5).astype(int)
    inner = np.abs(inputs) < 15  # beyond, and at 0 of a coarse scale, TFLite takes the limit
    assert np.abs(logistic - 256 / (1 + np.exp(-inputs)))[inner & (inputs != 0)].max(initial=0) <= 1.5
    assert np.abs(tanh - 128 * np.tanh(inputs))[inner & (inputs != 0)].max(initial=0) <= 1.5
    powers = activations.exponentials(step, 0.5)
    assert powers is not None
    exact = np.exp(-np.arange(256) * 0.5 * step)
    assert np.abs(powers / 2.0**31 - exact).max() < 3e-7


def test_the_sigmoid_curve_rises_to_one() -> None:
    curve = activations.sigmoid_curve().astype(int)
    assert curve[0] == 32768 and curve[-1] == 65535 and (np.diff(curve) >= 0).all()
    assert np.abs(curve - 65536 / (1 + np.exp(-np.arange(256) / 24))).max() < 1.2


def test_softmax_of_many_equal_classes_is_zero() -> None:
    model = ModelBuilder()
    x = model.tensor((1, 4095), scale=0.1)
    y = model.tensor((1, 4095), scale=1 / 256, zero_point=-128)
    model.operator("SOFTMAX", [x], [y], beta=1.0)
    built = model.build([x], [y])
    equal = np.zeros((1, 4095), np.int8)
    one = equal.copy()
    one[0, 77] = 127
    none, found = Model(compile_model(built)).invoke([np.stack([equal, one])])[0]
    assert (none == -128).all()  # TFLM stops here: the shift is above 31
    np.testing.assert_array_equal(found, tflite_models.run_tflm(built, [one])[0])


def test_quantize_saturates_what_no_integer_holds() -> None:
    model = ModelBuilder()
    x = model.tensor((6,), "float32")
    y = model.tensor((6,), scale=0.5, zero_point=-3)
    model.operator("QUANTIZE", [x], [y])
    values = np.array([[np.inf, -np.inf, np.nan, 3e38, -1e-45, 0.25]], np.float32)
    (found,) = Model(compile_model(model.build([x], [y]))).invoke([values])
    assert found.tolist() == [[127, -128, 127, 127, -3, -2]]


# The LSTM's states


def test_lstm_begins_a_new_series_after_reset() -> None:
    case = CASES["UNIDIRECTIONAL_SEQUENCE_LSTM"](np.random.default_rng(3))
    model = Model(compile_model(case.model))
    first, second, again = (model.invoke([case.series[0][0][np.newaxis]])[0] for _ in range(3))
    model.reset()
    restarted = model.invoke([case.series[0][0][np.newaxis]])[0]
    assert not (np.array_equal(first, second) and np.array_equal(second, again))
    np.testing.assert_array_equal(restarted, first)


# What is refused


def lstm(**changes: object) -> ModelBuilder:
    """A model of an LSTM with 3 units on 2 inputs, changed."""
    model = ModelBuilder()
    batch = changes.get("batch", 1)
    x = model.tensor((batch, 4, 2), scale=0.5)
    kernels = [model.tensor((3, 2), scale=0.1, zero_point=changes.get("zero", 0), data=1) for _ in range(4)]
    recurrent = [model.tensor((3, 3), scale=0.1, data=1) for _ in range(4)]
    peephole = model.tensor((3,), "int16", scale=0.1, data=1) if "peephole" in changes else -1
    biases = [model.tensor((3,), "int32", scale=0.05, data=1) for _ in range(4)]
    hidden = model.tensor((batch, 3), scale=2**-7, variable=True)
    cell = model.tensor((batch, 3), "int16", scale=2**-11, variable=True)
    y = model.tensor((batch, 4, 3), scale=2**-7)
    operands = [x, *kernels, *recurrent, -1, peephole, -1, *biases, -1, -1, hidden, cell, -1, -1, -1, -1]
    model.operator(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        operands,
        [y],
        fused_activation_function=changes.get("activation", "TANH"),
        cell_clip=float(changes.get("clip", 0.0)),
    )
    model.ends = [x], [y]
    return model


def pair(code: str, first: float, second: float, result: float, **options: object) -> ModelBuilder:
    model = ModelBuilder()
    x, y = model.tensor((1, 4), scale=first), model.tensor((1, 4), scale=second)
    z = model.tensor((1, 8) if code == "CONCATENATION" else (1, 4), scale=result)
    model.operator(code, [x, y], [z], **options)
    model.ends = [x, y], [z]
    return model


def pool(batch: int, result: float, **options: object) -> ModelBuilder:
    model = ModelBuilder()
    x, y = model.tensor((batch, 4, 4, 2), scale=0.5), model.tensor((batch, 2, 2, 2), scale=result)
    model.operator("MAX_POOL_2D", [x], [y], padding="VALID", filter_height=2, filter_width=2, **options)
    model.ends = [x], [y]
    return model


def softmax(result: float, classes: int) -> ModelBuilder:
    model = ModelBuilder()
    x, y = (
        model.tensor((1, classes), scale=0.5),
        model.tensor((1, classes), scale=result, zero_point=-128),
    )
    model.operator("SOFTMAX", [x], [y], beta=1.0)
    model.ends = [x], [y]
    return model


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda: lstm(peephole=True), "it has peepholes: use a plain LSTM"),
        (lambda: lstm(activation="RELU"), "its activation is RELU: use tanh"),
        (lambda: lstm(batch=2), "its batch is 2: convert the model with a batch of 1"),
        (lambda: lstm(zero=3), "zero point 0"),
        (lambda: lstm(clip=1e-9), "its cell state is clipped to"),
        (lambda: pair("ADD", 0.5, 0.5, 1e-7), "its output's scale is too small for its inputs'"),
        (lambda: pair("MUL", 0.5, 0.5, 0.5, fused_activation_function="TANH"), "TANH is fused"),
        (lambda: pair("MAXIMUM", 0.5, 0.25, 0.5), "different scales or zero points"),
        (lambda: pair("CONCATENATION", 0.5, 0.25, 0.5, axis=1), "different scales or zero points"),
        (lambda: pool(2, 0.5, stride_h=2, stride_w=2), "its batch is 2: convert the model with a batch of 1"),
        (lambda: pool(1, 0.25, stride_h=2, stride_w=2), "different scales or zero points"),
        (lambda: pool(1, 0.5), "its output has 2 rows or columns where 3 fit"),
        (lambda: softmax(1 / 128, 10), "its output's scale is not 1/256"),
        (lambda: softmax(1 / 256, 4096), "it has 4096 classes, at most 4095 are possible"),
    ],
)
def test_refusals_name_the_operator_and_what_to_change(model: Callable[[], ModelBuilder], said: str) -> None:
    built = model()
    with pytest.raises(UnsupportedModelError) as refused:
        compile_model(built.build(*built.ends))
    message = str(refused.value)
    assert said in message and "(operator 0, tensor_" in message and "\n" not in message


def test_operands_broadcast_as_numpy_says() -> None:
    random = np.random.default_rng(1)
    for first, second in [((2, 1, 3, 1, 2), (1, 4, 1, 5, 1)), ((5,), (2, 3, 1)), ((1,), (3, 4)), ((3, 1), (3, 4))]:
        model = ModelBuilder()
        shape = np.broadcast_shapes(first, second)
        x, y = (model.tensor(each, scale=0.5) for each in (first, second))
        z = model.tensor(shape, scale=0.5)
        model.operator("MINIMUM", [x, y], [z])
        case = finish(random, model, [x, y], [z])
        a, b = case.series[0]
        np.testing.assert_array_equal(on_core(case, "portable")[0][0], np.minimum(a, b))


def test_a_requirement_that_holds_says_nothing() -> None:
    operator = Operator(0, "ADD", 1, [], [tensor((1,))])
    require(True, operator, "nothing")
    with pytest.raises(UnsupportedModelError, match="something: convert the model again"):
        require(False, operator, "something")
