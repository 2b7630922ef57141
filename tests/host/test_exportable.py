"""Every layer that is said to be exportable is exported: boards run it as int8, its ONNX answers as Keras does."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="edgetwin[train] is not installed")

from edgetwin.deploy.compiler.compile import compile_model
from edgetwin.deploy.model import Model, ModelBundle
from edgetwin.nn.backend import load_keras
from edgetwin.nn.exportable import LAYERS, check_layers
from edgetwin.nn.interpreter import Interpreter
from edgetwin.nn.onnx_export import OnnxNetwork, to_onnx
from edgetwin.nn.quantization import to_tflite
from edgetwin.nn.training import predict, seed_networks


def image_network(layers, keras):
    """All layers of images, one after the other, where their shapes allow."""
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(2.0, offset=-1.0)(x)
    x = layers.GaussianNoise(0.1)(layers.ZeroPadding2D(1)(x))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3)(x)))
    x = layers.LeakyReLU()(layers.DepthwiseConv2D(3, padding="same")(x))
    left = layers.SpatialDropout2D(0.1)(layers.SeparableConv2D(8, 3, padding="same", activation="relu6")(x))
    right = layers.Activation("tanh")(layers.Conv2DTranspose(8, 3, strides=2, padding="same")(x))
    right = layers.AveragePooling2D(2)(right)
    x = layers.Concatenate()([layers.Add()([left, right]), layers.Subtract()([left, right]), left, x])
    x = layers.GaussianDropout(0.1)(layers.MaxPooling2D()(x))
    x = layers.Conv2D(8, 1)(layers.Permute((2, 1, 3))(x))
    top = layers.Multiply()([layers.Maximum()([x, layers.Permute((2, 1, 3))(x)]), layers.Activation("sigmoid")(x)])
    ends = layers.Concatenate()([layers.GlobalAveragePooling2D()(top), layers.Flatten()(layers.Minimum()([top, x]))])
    return keras.Model(inputs, layers.Softmax()(layers.Dense(4)(layers.Dropout(0.5)(ends))), name="images")


def series_network(layers, keras):
    """All layers of series."""
    x = inputs = keras.Input((64,))
    x = layers.ZeroPadding1D(1)(layers.Reshape((16, 4))(x))
    x = layers.SpatialDropout1D(0.1)(layers.Conv1D(8, 3, activation="relu")(x))
    x = layers.Concatenate()([layers.MaxPooling1D()(x), layers.AveragePooling1D(2)(x)])
    ends = [layers.GlobalAveragePooling1D()(x)]
    ends += [recurrent(6, unroll=True)(x) for recurrent in (layers.SimpleRNN, layers.LSTM, layers.GRU)]
    return keras.Model(inputs, layers.Dense(3)(layers.Concatenate()(ends)), name="series")


@pytest.fixture(scope="module")
def networks():
    keras = load_keras()
    seed_networks(0)
    return [build(keras.layers, keras) for build in (image_network, series_network)]


def test_no_layer_is_left_out(networks) -> None:
    assert {type(layer).__name__ for network in networks for layer in network.layers} == LAYERS


@pytest.mark.parametrize("number", [0, 1])
def test_the_layers_are_exported(number, networks) -> None:
    network = networks[number]
    check_layers(network)
    inputs = np.random.default_rng(1).random((40, *network.inputs[0].shape[1:]), np.float32)
    expected = predict(network, inputs)
    file = to_tflite(network, inputs)
    onnx = to_onnx(network, inputs)
    np.testing.assert_allclose(OnnxNetwork(onnx.float32).predict(inputs), expected, atol=1e-4 * np.ptp(expected))
    board = Model(ModelBundle.from_bytes(compile_model(file))).predict(inputs)
    for found in (board, Interpreter(file).predict(inputs), OnnxNetwork(onnx.int8).predict(inputs)):
        assert np.sqrt(np.mean((found - expected) ** 2)) < 0.1 * np.ptp(expected)
