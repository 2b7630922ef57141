"""MLPerf Tiny's networks as published, and what becomes of Keras networks as int8 files."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="networks need edgetwin[train]")
pytest.importorskip("tflite_micro", reason="the oracle needs edgetwin[dev]")

from operator_cases import Case, values
from test_nn_exact import differing, on_core, on_tflm
from test_nn_graphs import TARGETS, check_layers
from tflite_models import Tflm

from edgetwin.deploy.compiler.compile import compile_to
from edgetwin.errors import UserError
from edgetwin.nn.backend import load_keras
from edgetwin.nn.quantization import to_tflite
from edgetwin.nn.tiny import TINY, randomise, tiny_tflite

#: Parameters and multiply-accumulates, as in Banbury et al. 2021 (arXiv:2106.07597).
PUBLISHED = {
    "resnet8": (78_666, 12_501_632),
    "ds_cnn": (24_908, 2_656_768),
    "mobilenet": (221_794, 7_489_664),
    "dense_autoencoder": (269_992, 264_192),
}


@pytest.fixture(scope="module")
def keras():
    return load_keras()


@pytest.mark.parametrize("name", TINY)
def test_tiny_networks_have_the_published_number_of_parameters(name: str) -> None:
    assert TINY[name]().count_params() == PUBLISHED[name][0]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", TINY)
def test_tiny_networks_have_the_published_work_and_equal_tflm_layer_by_layer(name: str) -> None:
    model = tiny_tflite(name)
    assert sum(layer.macs for layer in compile_to(model).program.layers) == PUBLISHED[name][1]
    random = np.random.default_rng(1)
    case = Case(model, [[values(random, Tflm(model).input_shape(0))] for _ in range(3)])
    for target in TARGETS:
        assert check_layers(case, target) >= 10
        assert differing(on_core(case, target), on_tflm(case)) == 0, target


def small(keras, *layers):
    return keras.Sequential([keras.Input((8,)), *layers])


def test_random_weights_are_the_same_for_the_same_seed(keras) -> None:
    weights = []
    for seed in (0, 0, 1):
        model = small(keras, keras.layers.Dense(4), keras.layers.BatchNormalization())
        randomise(model, np.random.default_rng(seed))
        weights.append(np.concatenate([weight.ravel() for weight in model.get_weights()]))
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).any()


def test_a_network_answers_as_before_within_its_quantisation(keras) -> None:
    model = small(keras, keras.layers.Dense(16, activation="relu"), keras.layers.Dense(3))
    random = np.random.default_rng(0)
    randomise(model, random)
    inputs = random.standard_normal((200, 8), np.float32)
    file = to_tflite(model, inputs)
    graph = compile_to(file).graph
    (x,), (y,) = graph.inputs, graph.outputs
    quantised = np.clip(np.round(inputs / x.scale + x.zero_point), -128, 127).astype(np.int8)
    oracle = Tflm(file)
    found = np.concatenate([oracle.invoke([row[np.newaxis]])[0] for row in quantised])
    expected = np.asarray(model(inputs))
    error = (found - y.zero_point) * y.scale - expected
    assert np.abs(error).max() < 0.05 * np.ptp(expected)


def test_what_tensorflow_cannot_convert_is_one_clear_error(keras) -> None:
    rolled = keras.Sequential([keras.Input((6, 3)), keras.layers.LSTM(4), keras.layers.Dense(2)], name="rolled")
    with pytest.raises(UserError, match=r"TensorFlow cannot convert rolled: .*unroll") as error:
        to_tflite(rolled, np.zeros((4, 6, 3), np.float32))
    assert "\n" not in str(error.value)


def test_networks_with_two_inputs_and_unknown_modes_are_refused(keras) -> None:
    first, second = keras.Input((3,)), keras.Input((3,))
    two = keras.Model([first, second], keras.layers.Add()([first, second]), name="two")
    with pytest.raises(UserError, match="two has 2 inputs"):
        to_tflite(two, np.zeros((1, 3), np.float32))
    with pytest.raises(ValueError, match="mode"):
        to_tflite(small(keras, keras.layers.Dense(1)), np.zeros((1, 8), np.float32), mode="int4")
