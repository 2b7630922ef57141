"""Small untrained Keras networks of every kind that the project makes, as int8 .tflite files in the folder named."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from edgetwin.nn.architectures import fcn, mnist_convnet
from edgetwin.nn.backend import load_keras
from edgetwin.nn.quantization import convert
from edgetwin.nn.tiny import randomise

keras = load_keras()
layers = keras.layers


def separable():
    x = inputs = keras.Input((12, 12, 3))
    for filters, stride in ((8, 2), (12, 1)):
        x = layers.ReLU()(layers.BatchNormalization()(layers.DepthwiseConv2D(3, stride, padding="same")(x)))
        x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(filters, 1)(x)))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(4, activation="softmax")(x))


def residual():
    inputs = keras.Input((10, 10, 2))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    y = layers.Conv2D(8, 3, padding="same")(layers.LeakyReLU(0.1)(layers.Conv2D(8, 3, padding="same")(x)))
    x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Concatenate()([layers.AveragePooling2D(2)(x), layers.MaxPooling2D(2)(x)])
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))


def autoencoder():
    x = inputs = keras.Input((12, 12, 1))
    for filters in (6, 4):
        x = layers.Conv2D(filters, 3, 2, padding="same", activation="relu")(x)
    for filters in (4, 6):
        x = layers.Conv2DTranspose(filters, 3, 2, padding="same", activation="relu")(x)
    return keras.Model(inputs, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x))


def dense():
    x = inputs = keras.Input((40,))
    for units in (16, 3, 16):
        x = layers.Dense(units, activation="tanh" if units == 3 else "relu")(x)
    return keras.Model(inputs, layers.Dense(40)(x))


def recurrent(layer):
    inputs = keras.Input((6, 3))
    return keras.Model(inputs, layers.Dense(2)(layer(8, unroll=True)(inputs)))


NETWORKS = {
    "cnn": lambda: mnist_convnet((14, 14, 1)),
    "separable": separable,
    "residual": residual,
    "autoencoder": autoencoder,
    "fcn": lambda: fcn(20, 2, 3, filters=6),
    "dense": dense,
    "lstm": lambda: recurrent(layers.LSTM),
    "gru": lambda: recurrent(layers.GRU),
}

if __name__ == "__main__":
    for name, network in NETWORKS.items():
        random, model = np.random.default_rng(0), network()
        randomise(model, random)
        samples = random.standard_normal((16, *model.inputs[0].shape[1:]), np.float32)
        Path(sys.argv[1], f"{name}.tflite").write_bytes(convert(model, samples))
