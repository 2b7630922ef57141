"""Model bundles: how they are laid out, what the host makes of them, and which are refused."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite_micro", reason="the oracle needs edgetwin[dev]")

from conftest import REPOSITORY
from small_networks import RANDOM, Network, assert_exact, kernels_of, random_values, residual_network
from tflite_models import Tflm

from edgetwin.core import Model as CoreModel
from edgetwin.deploy import BundleError, Model, ModelBundle
from edgetwin.deploy.compiler import compile_model, lowering
from edgetwin.deploy.compiler.compile import compile_to
from edgetwin.deploy.compiler.emit import CONSTANT
from edgetwin.deploy.compiler.layers import Kernel
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
