"""A small convnet for images of handwritten digits: 99 % of MNIST in 15 epochs, 35,000 parameters.

Source: F. Chollet, "Simple MNIST convnet", keras.io/examples/vision/mnist_convnet, 2020.
"""

from __future__ import annotations

from typing import Any

from edgetwin.nn.backend import load_keras

__all__ = ["mnist_convnet"]


def mnist_convnet(input_shape: tuple[int, int, int] = (28, 28, 1), classes: int = 10) -> Any:
    """Two 3x3 convolutions (32, 64) with pooling, half of the features dropped, softmax.

    input_shape : (height, width, channels) of images scaled to 0..1
    """
    layers = (keras := load_keras()).layers
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ],
        name="mnist_convnet",
    )
