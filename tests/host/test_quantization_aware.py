"""Folded normalisation, quantisation that gradients pass, and what training with it gives back."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="networks need edgetwin[train]")
pytest.importorskip("tflite_micro", reason="the oracle needs edgetwin[dev]")

from operator_cases import Case
from test_nn_exact import differing, on_core, on_tflm

from edgetwin.deploy.compiler.compile import compile_to
from edgetwin.nn import architectures
from edgetwin.nn.backend import load_keras
from edgetwin.nn.examples import Examples, ExampleSet
from edgetwin.nn.fake_quantization import ActivationRange, quantise_activations, quantise_kernel
from edgetwin.nn.folding import fold
from edgetwin.nn.interpreter import Interpreter
from edgetwin.nn.quantization import to_tflite
from edgetwin.nn.quantization_aware import CHECKPOINT, WEIGHTS, deployable, fine_tune, quantization_aware
from edgetwin.nn.recipe import Recipe
from edgetwin.nn.run import Training
from edgetwin.nn.scoring import score
from edgetwin.nn.tiny import randomise
from edgetwin.nn.trained import TrainedNetwork
from edgetwin.nn.training import predict, seed_networks

#: All architectures, small, and how many normalisations cannot be folded.
SMALL = {
    "cnn1d": lambda: architectures.cnn1d(50),
    "dcae": lambda: architectures.dcae((16, 16, 1), width=0.25),
    "dense_autoencoder": lambda: architectures.dense_autoencoder(20, units=16),
    "ds_cnn": lambda: architectures.ds_cnn((20, 10, 1), filters=8),
    "fcn": lambda: architectures.fcn(30, filters=8),
    "mnist_convnet": lambda: architectures.mnist_convnet((14, 14, 1)),
    "mobilenet": lambda: architectures.mobilenet((32, 32, 3), width=0.1),
    "resnet8": lambda: architectures.resnet8((8, 8, 3)),
    "resnet20": lambda: architectures.resnet20((8, 8, 3)),
    "resnet32": lambda: architectures.resnet32((8, 8, 3)),
    "resnet50": lambda: architectures.resnet50((32, 32, 3), 10),
    "sparse_autoencoder": lambda: architectures.sparse_autoencoder(20),
    "vgg16": lambda: architectures.vgg16(width=0.05),
    "vgg16_transfer": lambda: architectures.vgg16_transfer((32, 32, 3), width=0.05),
}


@pytest.fixture(scope="module")
def keras():
    return load_keras()


def random_network(model):
    randomise(model, np.random.default_rng(0))
    return model


def normalisations(model):
    return sum(type(layer).__name__ == "BatchNormalization" for layer in model.layers)


def test_every_architecture_is_folded_here():
    assert SMALL.keys() == set(architectures.__all__)


@pytest.mark.parametrize("name", SMALL)
def test_a_folded_network_gives_the_same_outputs_without_normalisation(name, keras, monkeypatch):
    # The same blocks, fewer and narrower: building 23 million weights takes half a minute.
    stages = importlib.import_module("edgetwin.nn.architectures.resnet50")
    monkeypatch.setattr(stages, "STAGES", ((2, 4, 1), (2, 8, 2)))
    model = SMALL[name]()
    # A softmax of large numbers would hide differences.
    model.layers[-1].activation = keras.activations.linear
    random_network(model)
    before = model.get_weights()
    inputs = np.random.default_rng(1).standard_normal((8, *model.inputs[0].shape[1:]), np.float32)
    folded = fold(model)
    assert normalisations(folded) == 0
    expected, found = predict(model, inputs), predict(folded, inputs)
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))


def test_each_layer_takes_in_the_normalisation_behind_it(keras):
    layers = keras.layers
    x = inputs = keras.Input((6, 6, 3))
    x = layers.BatchNormalization(scale=False)(layers.Conv2D(4, 3, use_bias=False)(x))
    x = layers.BatchNormalization(center=False)(layers.DepthwiseConv2D(2, depth_multiplier=2)(x))
    x = layers.BatchNormalization(epsilon=0.1)(layers.Conv2DTranspose(5, 3, 2)(x))
    x = layers.BatchNormalization()(layers.Dense(3)(layers.Flatten()(x)))
    model = random_network(keras.Model(inputs, x))
    samples = np.random.default_rng(1).standard_normal((5, 6, 6, 3), np.float32)
    folded = fold(model)
    assert normalisations(folded) == 0
    np.testing.assert_allclose(predict(folded, samples), predict(model, samples), rtol=1e-5, atol=1e-5)


def test_normalisation_that_belongs_to_no_layer_stays(keras):
    layers = keras.layers
    inputs = keras.Input((6, 2))
    shared, twice = layers.Conv1D(2, 3, padding="same"), layers.Conv1D(2, 1)
    x = shared(inputs)
    y = layers.BatchNormalization()(x)  # of an output that is used twice
    y = layers.BatchNormalization()(layers.Add()([x, y]))
    y = layers.BatchNormalization()(layers.Conv1D(2, 3, padding="same", activation="relu")(y))
    y = twice(layers.ReLU()(layers.BatchNormalization()(twice(y))))  # this one can go
    model = random_network(keras.Model(inputs, y))
    samples = np.random.default_rng(1).standard_normal((5, 6, 2), np.float32)
    folded = fold(model)
    assert normalisations(folded) == 3
    np.testing.assert_allclose(predict(folded, samples), predict(model, samples), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("low", "high"), [(-1.3, 2.9), (0.0, 6.0), (-4.0, 0.0), (-0.001, 100.0), (-3.0, 0.02)])
def test_activations_are_the_nearest_int8_numbers(low, high):
    x = np.linspace(1.5 * low - 1, 1.5 * high + 1, 4001, dtype=np.float32)
    scale = (high - low) / 255
    zero_point = np.round(-128 - low / scale)
    codes = np.clip(np.round(x / scale + zero_point), -128, 127)
    found = np.asarray(quantise_activations(x, np.float32(low), np.float32(high)))
    expected = (codes - zero_point) * scale
    # Where float32 falls on the other side of a tie it is the next number.
    assert (np.abs(found - expected) < 1e-4 * scale).mean() > 0.999
    assert np.abs(found - expected).max() < 1.001 * scale
    assert len(np.unique(found)) <= 256
    assert quantise_activations(np.float32(0), np.float32(low), np.float32(high)) == 0


def test_gradients_pass_inside_the_range_only():
    tf = importlib.import_module("tensorflow")
    x = tf.constant([-1.5, -0.9, -0.2, 0.0, 0.4, 1.9, 2.2])
    kernel = tf.constant(np.random.default_rng(0).standard_normal((3, 3, 2, 4)), tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, kernel])
        activations = tf.reduce_sum(3 * quantise_activations(x, -1.0, 2.0))
        weights = tf.reduce_sum(3 * quantise_kernel(kernel, (3,)))
    np.testing.assert_array_equal(tape.gradient(activations, x), [0, 3, 3, 3, 3, 3, 0])
    np.testing.assert_array_equal(tape.gradient(weights, kernel), np.full(kernel.shape, 3))


@pytest.mark.parametrize(("shape", "axes"), [((3, 3, 4, 5), (3,)), ((3, 3, 5, 4), (2,)), ((3, 3, 4, 2), (2, 3))])
def test_weights_have_127_steps_either_way_for_each_output_channel(shape, axes):
    kernel = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    kernel[..., :1, 0] *= 100
    others = tuple(axis for axis in range(4) if axis not in axes)
    scale = np.abs(kernel).max(axis=others, keepdims=True) / 127
    found = np.asarray(quantise_kernel(kernel, axes))
    codes = found / scale
    np.testing.assert_allclose(codes, np.round(codes), atol=1e-3)
    assert np.abs(codes).max() == pytest.approx(127)
    assert (np.abs(found - kernel) <= 0.501 * scale).all()
    np.testing.assert_array_equal(quantise_kernel(np.zeros(shape, np.float32), axes), 0)


def test_a_range_is_the_mean_of_the_batches_seen_and_holds_still_afterwards():
    layer = ActivationRange()
    batches = [np.array([1.0, 3.0]), np.array([-1.0, 5.0]), np.array([2.0, -2.0])]
    for batch in batches:
        layer(batch.astype(np.float32), training=True)
    layer(np.array([99.0], np.float32))
    layer(np.array([99.0], np.float32), training=True, observe=False)
    assert float(layer.low) == pytest.approx((0 - 1 - 2) / 3)
    assert float(layer.high) == pytest.approx((3 + 5 + 2) / 3)


@pytest.fixture(scope="module")
def every_kind(keras):
    """Inputs, a network of every kind of layer, and it as aware of int8 after its ranges were found."""
    layers = keras.layers
    inputs = keras.Input((12, 12, 3))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(inputs)))
    y = layers.ReLU(6.0)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(x)))
    y = layers.BatchNormalization()(layers.Conv2D(8, 1)(layers.Dropout(0.2)(y)))
    x = layers.MaxPooling2D(2)(layers.ReLU()(layers.Add()([x, y])))
    x = layers.Conv2DTranspose(6, 3, 2, padding="same", activation="relu")(x)
    x = layers.Flatten()(layers.AveragePooling2D(3)(x))
    x = layers.Dense(8, activation="relu")(x)
    model = random_network(keras.Model(inputs, layers.Dense(5)(x), name="every_kind"))
    samples = np.random.default_rng(1).standard_normal((64, 12, 12, 3), np.float32)
    aware = quantization_aware(model)
    for _ in range(3):
        aware(samples, training=True)
    return samples, model, aware


def operators(file):
    return repr(Case(file, []))


def test_the_file_computes_what_the_network_did_in_training_and_tflm_the_same(every_kind):
    samples, model, aware = every_kind
    file = to_tflite(deployable(aware), samples)
    assert operators(file) == operators(to_tflite(model, samples))
    graph = compile_to(file).graph
    (x,), (y,) = graph.inputs, graph.outputs
    codes = np.clip(np.round(samples / x.scale) + x.zero_point, -128, 127).astype(np.int8)
    case = Case(file, [[code[np.newaxis]] for code in codes])
    outputs = on_tflm(case)
    for target in ("portable", "helium"):
        assert differing(on_core(case, target), outputs) == 0
    found = (np.concatenate([output for (output,) in outputs]).astype(np.float32) - y.zero_point) * y.scale
    steps = np.abs(found - predict(aware, samples)) / y.scale
    assert steps.max() < 2.01
    assert steps.mean() < 0.5


CLASSES = 6

RECIPE = {
    "title": "small",
    "task": "classification",
    "data": {"name": "waves"},
    "architecture": {"name": "cnn1d", "parameters": {"filters": 8, "blocks": 2, "dropout": 0.0}},
    "optimizer": {"learning_rate": 0.01},
    "schedule": {"batch_size": 16},
    "quantization": {"aware_epochs": 6, "learning_rate": 0.004},
    "budget": {"full": {"epochs": 8}},
}


def waves(random, count):
    """Noisy waves, a class a frequency."""
    labels = np.arange(count) % CLASSES
    phases = random.uniform(0, 2 * np.pi, (count, 1))
    x = np.sin(2 * np.pi * np.arange(48) / 48 * (labels[:, None] + 4) + phases)
    x += random.standard_normal(x.shape) * 0.8
    return ExampleSet(x[..., np.newaxis].astype(np.float32), labels.astype(np.int64))


@pytest.fixture(scope="module")
def badly_scaled(tmp_path_factory):
    """A trained network whose channels differ in scale by a factor of 200, which its next layer makes up for."""
    random, recipe = np.random.default_rng(0), Recipe.model_validate(RECIPE)
    examples = Examples(waves(random, 768), None, waves(random, 1200), CLASSES)
    seed_networks(0)
    model = recipe.build(examples.shape, CLASSES)
    checkpoint = tmp_path_factory.mktemp("trained") / "checkpoint.npz"
    Training(recipe, 8, model, checkpoint, "").carry_on(examples, lambda progress: None, resume=False)
    model = fold(model)
    first, second = (layer for layer in model.layers if type(layer).__name__ == "Conv1D")
    factors = np.geomspace(1, 200, 8, dtype=np.float32)
    kernel, bias = first.get_weights()
    first.set_weights([kernel * factors, bias * factors])
    kernel, bias = second.get_weights()
    second.set_weights([kernel / factors[:, np.newaxis], bias])
    return TrainedNetwork("waves", recipe, model, examples)


@pytest.fixture(scope="module")
def tuned(badly_scaled, tmp_path_factory):
    """The network after fine-tuning, and the folder that this wrote into."""
    folder = tmp_path_factory.mktemp("tuned")
    return fine_tune(badly_scaled, folder), folder


def test_fine_tuning_gives_back_what_rounding_lost(badly_scaled, tuned):
    test = badly_scaled.examples.test

    def accuracy(outputs):
        return score(outputs, test, "classification")["accuracy"]

    whole = accuracy(predict(badly_scaled.model, test.inputs))
    rounded = accuracy(Interpreter(to_tflite(badly_scaled.model, badly_scaled.representative)).predict(test.inputs))
    aware, folder = tuned
    file = to_tflite(deployable(aware), badly_scaled.representative)
    regained = accuracy(Interpreter(file).predict(test.inputs))
    print(f"float {whole:.3f}, rounded {rounded:.3f}, aware {regained:.3f}")
    assert whole > 0.85
    assert rounded < whole - 0.05
    assert regained > whole - 0.3 * (whole - rounded)
    with np.load(folder / WEIGHTS) as archive:
        kept = list(archive.values())
    assert all(np.array_equal(one, other) for one, other in zip(kept, aware.get_weights(), strict=True))


def test_fine_tuning_resumes_to_the_same_weights(badly_scaled, tuned, tmp_path):
    def stop(progress):
        if progress.epoch == 4:
            raise KeyboardInterrupt

    whole, _ = tuned
    with pytest.raises(KeyboardInterrupt):
        fine_tune(badly_scaled, tmp_path, on_step=stop)
    assert (tmp_path / CHECKPOINT).exists()
    epochs = []
    resumed = fine_tune(badly_scaled, tmp_path, resume=True, on_step=lambda at: epochs.append(at.epoch))
    assert min(epochs) == 4
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True))


def test_a_recipe_without_a_word_of_it_is_fine_tuned_at_a_twentieth_of_its_rate():
    plain = Recipe.model_validate({name: table for name, table in RECIPE.items() if name != "quantization"})
    assert plain.aware_learning_rate == pytest.approx(0.01 / 20)
    assert Recipe.model_validate(RECIPE).aware_learning_rate == 0.004


@pytest.mark.timeout(1300)
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_other_backends_fold_and_fine_tune_the_same(backend, tmp_path):
    pytest.importorskip(backend)
    outputs = {}
    for name in ("tensorflow", backend):
        file = tmp_path / f"{name}.npz"
        script = [sys.executable, Path(__file__).with_name("aware_training.py"), file]
        subprocess.run(script, env={**os.environ, "KERAS_BACKEND": name}, check=True, timeout=600)
        with np.load(file) as archive:
            outputs[name] = dict(archive)
    for name, expected in outputs["tensorflow"].items():
        found = outputs[backend][name]
        assert np.abs(found - expected).mean() < 0.02 * np.ptp(expected), name
