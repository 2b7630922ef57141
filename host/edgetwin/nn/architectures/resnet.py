"""ResNets for small colour images; with one block a stage it is MLPerf Tiny's image classification.

Source: K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2: 6n + 2 layers. The paper
has 0.27 M parameters with n = 3 and 0.46 M with n = 5; a little more here, whose shortcuts between stages are 1x1
projections (as in the thesis, section 6.3.2), not padding. With n = 1 as C. Banbury et al., "MLPerf Tiny Benchmark",
NeurIPS 2021 (arXiv:2106.07597), section 4.2: 78,666 parameters.
"""

from __future__ import annotations

from typing import Any

from edgetwin.nn.backend import load_keras

__all__ = ["resnet8", "resnet20", "resnet32"]


def resnet8(input_shape: tuple[int, int, int] = (32, 32, 3), classes: int = 10) -> Any:
    """A convolution and three residual blocks of 16, 32 and 64 filters; global average; softmax.

    input_shape : (height, width, channels) of images; height and width multiples of 4
    """
    return _resnet(1, input_shape, classes, "resnet8")


def resnet20(input_shape: tuple[int, int, int] = (32, 32, 3), classes: int = 10) -> Any:
    """As :func:`resnet8`, with three blocks a stage."""
    return _resnet(3, input_shape, classes, "resnet20")


def resnet32(input_shape: tuple[int, int, int] = (32, 32, 3), classes: int = 10) -> Any:
    """As :func:`resnet8`, with five blocks a stage."""
    return _resnet(5, input_shape, classes, "resnet32")


def _resnet(n: int, input_shape: tuple[int, int, int], classes: int, name: str) -> Any:
    layers = (keras := load_keras()).layers

    def convolution(x: Any, filters: int, width: int, stride: int) -> Any:
        return layers.Conv2D(filters, width, stride, padding="same", kernel_initializer="he_normal")(x)

    def block(x: Any, filters: int, stride: int) -> Any:
        y = layers.BatchNormalization()(convolution(x, filters, 3, stride))
        y = layers.BatchNormalization()(convolution(layers.ReLU()(y), filters, 3, 1))
        # Only where the shapes differ is the shortcut a projection, and it has no normalisation.
        shortcut = convolution(x, filters, 1, stride) if stride > 1 else x
        return layers.ReLU()(layers.Add()([shortcut, y]))

    inputs = keras.Input(input_shape)
    x = layers.ReLU()(layers.BatchNormalization()(convolution(inputs, 16, 3, 1)))
    for filters, first_stride in ((16, 1), (32, 2), (64, 2)):
        for stride in (first_stride, *[1] * (n - 1)):
            x = block(x, filters, stride)
    x = layers.Flatten()(layers.AveragePooling2D((input_shape[0] // 4, input_shape[1] // 4))(x))
    outputs = layers.Dense(classes, activation="softmax", kernel_initializer="he_normal")(x)
    return keras.Model(inputs, outputs, name=name)
