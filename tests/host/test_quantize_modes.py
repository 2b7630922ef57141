"""Each mode of quantisation: files, answers, noise, the command, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="networks need edgetwin[train]")

from ai_edge_litert.interpreter import Interpreter as LiteRt

from edgetwin.cli.quantize import quantize
from edgetwin.errors import UserError
from edgetwin.nn.backend import load_keras
from edgetwin.nn.checkpoint import save_weights
from edgetwin.nn.examples import ExampleSet
from edgetwin.nn.interpreter import Interpreter
from edgetwin.nn.noise import layer_names, layer_noise
from edgetwin.nn.quantization import MODES, check_scale, convert, to_tflite
from edgetwin.nn.recipe import load_recipe
from edgetwin.nn.scoring import FIGURES, figure, lost
from edgetwin.nn.subject import Subject
from edgetwin.nn.trained import spread
from edgetwin.nn.training import predict

pytestmark = pytest.mark.timeout(600)

CLASSES = 4


@pytest.fixture(scope="module")
def keras():
    return load_keras()


@pytest.fixture(scope="module")
def subject(keras):
    """A small network that has learned which quarter of an image is bright."""
    random = np.random.default_rng(0)
    labels = np.arange(400) % CLASSES
    images = random.uniform(0, 0.5, (400, 12, 12, 1)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image[6 * (label // 2) :, 6 * (label % 2) :][:6, :6] += 0.25
    layers = keras.layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(16, 3, 2, name="edges"),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(),
            # Called as an operator of the normalisation is.
            layers.Dense(32, activation="relu", name="add_1"),
            layers.Dense(CLASSES, activation="softmax", name="classes"),
        ],
        name="quarters",
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images, labels, epochs=8, batch_size=20, verbose=0)
    return Subject("quarters", model, "classification", images[:200], ExampleSet(images[200:], labels[200:]))


@pytest.fixture(scope="module")
def files(subject):
    """One a mode, converted in this process, which has started TensorFlow once."""
    return {mode: convert(subject.model, subject.representative, mode) for mode in MODES}


def test_files_are_the_smaller_the_fewer_bits_their_weights_have(files) -> None:
    size = {mode: len(file) for mode, file in files.items()}
    assert size["float16"] < 0.6 * size["float32"]
    assert size["dynamic"] < 0.4 * size["float32"]
    assert size["int8"] < 0.4 * size["float32"]
    assert size["int16x8"] < 0.4 * size["float32"]


def test_only_int8_and_int16x8_have_integers_at_their_edges(files) -> None:
    for mode, file in files.items():
        interpreter = LiteRt(model_content=file)
        edges = [*interpreter.get_input_details(), *interpreter.get_output_details()]
        expected = {"int8": np.int8, "int16x8": np.int16}.get(mode, np.float32)
        assert {edge["dtype"] for edge in edges} == {expected}, mode


def test_dynamic_range_weights_are_symmetric_int8(files) -> None:
    interpreter = LiteRt(model_content=files["dynamic"])
    interpreter.allocate_tensors()
    tensors = [tensor for tensor in interpreter.get_tensor_details() if tensor["dtype"] == np.int8]
    weights = [interpreter.get_tensor(tensor["index"]) for tensor in tensors]
    assert any(weight.shape == (32, 400) for weight in weights)
    assert all(weight.min() >= -127 and np.abs(weight).max() == 127 for weight in weights)
    assert all((tensor["quantization_parameters"]["zero_points"] == 0).all() for tensor in tensors)


@pytest.mark.parametrize(
    ("mode", "bound"), [("float32", 1e-5), ("float16", 5e-3), ("dynamic", 0.05), ("int8", 0.1), ("int16x8", 0.05)]
)
def test_each_mode_answers_as_keras_does_within_its_rounding(mode, bound, subject, files) -> None:
    inputs = subject.test.inputs
    found, expected = Interpreter(files[mode]).predict(inputs), predict(subject.model, inputs)
    assert np.abs(found - expected).max() < bound
    assert np.mean(found.argmax(axis=1) == expected.argmax(axis=1)) >= 0.99
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=2 * bound)


def test_many_inputs_are_answered_as_one_is(subject, files) -> None:
    interpreter, inputs, done = Interpreter(files["int8"]), subject.test.inputs, []
    at_once = interpreter.predict(inputs, done.append)
    np.testing.assert_array_equal(at_once, np.concatenate([interpreter.predict(sample[None]) for sample in inputs]))
    assert sum(done) == len(inputs)


@pytest.mark.parametrize("count", [1, 256, 257, 511, 512, 60_000])
def test_representative_inputs_are_spread_over_all(count) -> None:
    chosen = spread(np.arange(count, dtype=np.float32))
    assert len(chosen) == min(count, 256)
    assert chosen[0] == 0 and chosen[-1] == count - 1
    assert (np.abs(np.diff(chosen) - (count - 1) / max(len(chosen) - 1, 1)) < 1).all()


def weight_scales(file: bytes, shape: tuple[int, ...]) -> int:
    details = LiteRt(model_content=file).get_tensor_details()
    return next(
        len(tensor["quantization_parameters"]["scales"])
        for tensor in details
        if tensor["dtype"] == np.int8 and tuple(tensor["shape"]) == shape
    )


def test_dense_weights_have_a_scale_an_output_or_one_where_asked(subject, files) -> None:
    assert weight_scales(files["int8"], (32, 400)) == 32
    whole = convert(subject.model, subject.representative, per_tensor_dense=True)
    assert weight_scales(whole, (32, 400)) == 1
    assert weight_scales(whole, (16, 3, 3, 1)) == 16


def test_the_noise_of_a_dense_layer_is_that_of_its_arithmetic(keras) -> None:
    model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(6, name="only")])
    inputs = np.random.default_rng(1).standard_normal((50, 20)).astype(np.float32)
    real, quantised = convert(model, inputs, "float32"), convert(model, inputs)
    interpreter = LiteRt(model_content=quantised)
    (x,), (y,) = interpreter.get_input_details(), interpreter.get_output_details()

    def rounded(values, tensor):
        scale, zero = tensor["quantization"]
        return (np.clip(np.round(values / scale) + zero, -128, 127) - zero) * scale

    kernel, bias = (weight.astype(np.float64) for weight in model.get_weights())
    steps = np.abs(kernel).max(axis=0) / 127  # symmetric, a scale an output
    found = rounded(rounded(inputs, x) @ (np.round(kernel / steps) * steps) + bias, y)
    expected = inputs @ kernel + bias
    ratio = 10 * np.log10(np.square(expected).sum() / np.square(expected - found).sum())
    (noise,) = layer_noise(real, quantised, inputs, layer_names(model))
    assert noise.layer in ("only", "output")
    assert noise.decibels == pytest.approx(ratio, abs=0.05)


def test_layers_are_named_and_the_noisiest_comes_first(subject, files) -> None:
    inputs = subject.test.inputs[:20]
    noise = layer_noise(files["float32"], files["int8"], inputs, layer_names(subject.model))
    assert {"norm", "add_1", "classes", "output"} == {layer.layer for layer in noise}
    ratios = [layer.decibels for layer in noise]
    assert ratios == sorted(ratios)
    assert 15 < ratios[0] < 60
    wide = layer_noise(files["float32"], files["int16x8"], inputs, layer_names(subject.model))
    assert wide[0].decibels > ratios[0]
    assert {layer.decibels for layer in layer_noise(files["float32"], files["float32"], inputs)} == {np.inf}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x[:0], "no representative inputs"),
        (lambda x: x[..., 0], r"have the shape \(12, 12\), quarters takes \(12, 12, 1\)"),
        (lambda x: np.where(x > 0.7, np.nan, x), "NaN or infinite"),
        (lambda x: np.where(x > 0.7, np.inf, x), "NaN or infinite"),
    ],
)
def test_representative_inputs_that_cannot_serve_are_refused(change, said, subject) -> None:
    with pytest.raises(UserError, match=said):
        to_tflite(subject.model, change(subject.representative))


@pytest.mark.parametrize("change", [lambda x: 255 * x, lambda x: x / 255, lambda x: x - 5, lambda x: 0 * x])
def test_representative_inputs_of_another_scale_are_refused(change, subject) -> None:
    check_scale(subject.representative, subject.test.inputs)
    with pytest.raises(UserError, match=r"the representative inputs go from .* scale the representative ones"):
        check_scale(change(subject.representative), subject.test.inputs)


def test_a_network_for_any_size_is_refused(keras) -> None:
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.Conv1D(2, 3)], name="any")
    with pytest.raises(UserError, match="any takes inputs of any size"):
        to_tflite(model, np.zeros((2, 8, 3), np.float32))


def test_a_layer_of_a_class_of_the_users_own_is_named(keras) -> None:
    class Doubling(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    model = keras.Sequential([keras.Input((3,)), Doubling(name="twice")], name="own")
    with pytest.raises(UserError, match="layer twice of own is a class of your own, Doubling") as error:
        to_tflite(model, np.zeros((2, 3), np.float32))
    assert "\n" not in str(error.value)


def test_an_operator_that_the_converter_does_not_know_is_named_with_its_layer(keras) -> None:
    model = keras.Sequential([keras.Input((4, 4, 4, 2)), keras.layers.MaxPooling3D(name="solid")], name="volume")
    with pytest.raises(UserError, match=r"operator MaxPool3D in volume_1/solid.*layer solid of volume") as error:
        to_tflite(model, np.zeros((2, 4, 4, 4, 2), np.float32), "float32")
    assert "\n" not in str(error.value)


def test_the_command_takes_a_keras_file_with_arrays(subject, tmp_path, capfd) -> None:
    subject.model.save(tmp_path / "quarters.keras")
    inputs, labels = subject.test.inputs, subject.test.labels
    np.savez(tmp_path / "data.npz", x=inputs, y=labels, representative=subject.representative)
    capfd.readouterr()
    quantize(
        tmp_path / "quarters.keras", tmp_path / "out", ["int8"], data=tmp_path / "data.npz", layers=2, as_json=True
    )
    out, err = capfd.readouterr()
    result = json.loads(out)
    (file,) = (tmp_path / "out").iterdir()
    assert file.name == "quarters.int8.tflite"
    row = result["files"]["int8"]
    assert row["bytes"] == file.stat().st_size
    assert row["boards"] is None
    assert row["milliseconds"] > 0
    interpreter = LiteRt(model_content=file.read_bytes())
    interpreter.allocate_tensors()
    (x,), (y,) = interpreter.get_input_details(), interpreter.get_output_details()
    hits = 0
    for image, label in zip(inputs, labels, strict=True):
        scale, zero = x["quantization"]
        interpreter.set_tensor(x["index"], np.clip(np.round(image[None] / scale) + zero, -128, 127).astype(np.int8))
        interpreter.invoke()
        hits += interpreter.get_tensor(y["index"]).argmax() == label
    assert row["figure"] == hits / len(inputs)
    assert row["lost"] == pytest.approx(result["keras"] - row["figure"])
    assert len(result["noise"]["int8"]) == 2
    assert "INFO" not in err
    assert "WARNING" not in err


def test_the_command_takes_a_recipe_and_its_weights(tmp_path, capfd, monkeypatch) -> None:
    monkeypatch.setattr("edgetwin.deploy.comparison.to_tflite", convert)
    recipe = tmp_path / "tiny"
    recipe.mkdir()
    (recipe / "recipe.toml").write_text(
        'title = "tiny"\ntask = "detection"\n[data]\nname = "asd"\nserver = "omi-6"\n'
        '[architecture]\nname = "dense_autoencoder"\nparameters = { units = 64, depth = 1, code = 4 }\n'
        "[budget.full]\nepochs = 1\n"
    )
    save_weights(load_recipe(recipe).build((19,), 2), tmp_path / "weights.npz")
    quantize(recipe, tmp_path / "out", ["float16"], tmp_path / "weights.npz", layers=0)
    out = capfd.readouterr().out
    assert (tmp_path / "out" / "tiny.float16.tflite").exists()
    assert "Keras" in out
    assert "auc" in out


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": [0, 1]}, "has no array 'x'"),
        ({"x": np.zeros((2, 12, 12))}, r"x is float64 of shape \(2, 12, 12\); .*\(N, 12, 12, 1\)"),
        ({"x": np.full((2, 12, 12, 1), np.nan)}, "NaN or infinite"),
        ({"x": np.full((2, 12, 12, 1), 1e300)}, "NaN or infinite"),
        ({"x": np.float32(1), "y": 0}, r"x is float32 of shape \(\)"),
        ({"x": np.zeros((2, 12, 12, 1))}, "has no y: give class indices"),
        ({"x": np.zeros((2, 12, 12, 1)), "y": [0, 4]}, "class indices below the network's 4 classes"),
        ({"x": np.zeros((2, 12, 12, 1)), "y": [0, 1, 2]}, r"give \(2,\) class indices"),
        (
            {"x": np.eye(12).reshape(1, 12, 12, 1), "y": [0], "representative": 255 * np.ones((1, 12, 12, 1))},
            "scale the representative ones",
        ),
    ],
)
def test_arrays_that_do_not_fit_the_network_are_refused(arrays, said, subject, tmp_path) -> None:
    subject.model.save(tmp_path / "quarters.keras")
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(UserError, match=said):
        Subject.of_file(tmp_path / "quarters.keras", tmp_path / "data.npz")


def test_a_network_that_answers_with_neither_classes_nor_its_input_is_refused(keras, tmp_path) -> None:
    labels = np.arange(4) % 2
    np.savez(tmp_path / "plain.npz", x=np.ones((4, 6)))
    np.savez(tmp_path / "labelled.npz", x=np.ones((4, 6)), y=labels)
    np.savez(tmp_path / "series.npz", x=np.ones((4, 3, 2)), y=labels)
    inputs = keras.Input((6,))
    keras.Sequential([inputs, keras.layers.Reshape((3, 2))]).save(tmp_path / "series.keras")
    for data in ("plain.npz", "labelled.npz"):
        with pytest.raises(
            UserError, match=r"answers with values of shape \(3, 2\): neither one a class nor its input"
        ):
            Subject.of_file(tmp_path / "series.keras", tmp_path / data)
    keras.Sequential([keras.Input((3, 2)), keras.layers.ReLU()]).save(tmp_path / "same.keras")
    with pytest.raises(UserError, match=r"has y, but .* leave y out"):
        Subject.of_file(tmp_path / "same.keras", tmp_path / "series.npz")


def test_networks_of_other_edges_are_refused(keras, tmp_path) -> None:
    np.savez(tmp_path / "data.npz", x=np.zeros((2, 3)), y=[0, 1])
    np.save(tmp_path / "plain.npy", np.zeros((2, 3)))
    inputs = keras.Input((3,))
    keras.Model(inputs, [keras.layers.Dense(2)(inputs), keras.layers.Dense(2)(inputs)]).save(tmp_path / "two.keras")
    keras.Model([inputs, other := keras.Input((3,))], keras.layers.Add()([inputs, other])).save(tmp_path / "sum.keras")
    keras.Sequential([keras.layers.Dense(2)]).save(tmp_path / "open.keras")
    for name, said in (("two", "1 inputs and 2 outputs"), ("sum", "2 inputs and 1"), ("open", "has no fixed input")):
        with pytest.raises(UserError, match=said):
            Subject.of_file(tmp_path / f"{name}.keras", tmp_path / "data.npz")
    keras.Sequential([inputs, keras.layers.Dense(2)]).save(tmp_path / "good.keras")
    with pytest.raises(UserError, match=r"plain.npy: not a readable .npz file"):
        Subject.of_file(tmp_path / "good.keras", tmp_path / "plain.npy")
    with pytest.raises(UserError, match=r"none.npz: no such file"):
        Subject.of_file(tmp_path / "good.keras", tmp_path / "none.npz")


def test_outputs_that_are_no_numbers_have_no_figure() -> None:
    examples = ExampleSet(np.zeros((4, 2), np.float32), np.array([0, 1, 0, 1]))
    for task in FIGURES:
        with pytest.raises(UserError, match="NaN or infinite"):
            figure(np.full((4, 2), np.nan, np.float32), examples, task)
    with pytest.raises(UserError, match="some of each"):
        figure(np.zeros((2, 2), np.float32), examples[::2], "detection")
    with pytest.raises(UserError, match="some of each"):
        figure(np.zeros((2, 2), np.float32), examples[1::2], "detection")


def test_what_is_lost_is_a_difference_of_shares_or_a_share_of_an_error() -> None:
    assert lost(0.9, 0.88, "classification") == pytest.approx(0.02)
    assert lost(0.9, 0.95, "detection") == pytest.approx(-0.05)
    assert lost(0.2, 0.21, "reconstruction") == pytest.approx(0.05)


def test_a_file_that_is_no_network_is_refused(tmp_path) -> None:
    np.savez(tmp_path / "data.npz", x=np.zeros((2, 3)))
    (tmp_path / "bad.keras").write_bytes(b"PK\3\4 cut")
    with pytest.raises(UserError, match=r"bad.keras cannot be read as a .keras file"):
        Subject.of_file(tmp_path / "bad.keras", tmp_path / "data.npz")
    with pytest.raises(UserError, match="no such file"):
        Subject.of_file(tmp_path / "none.keras", tmp_path / "data.npz")
    with pytest.raises(UserError, match=r"give --data FILE.npz"):
        quantize(tmp_path / "bad.keras")
