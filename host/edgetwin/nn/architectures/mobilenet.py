"""MobileNetV1, narrow, for small images: MLPerf Tiny's visual wake words.

Source: A. G. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017
(arXiv:1704.04861), table 1, width multiplier 0.25; as C. Banbury et al., "MLPerf Tiny Benchmark", NeurIPS 2021
(arXiv:2106.07597), section 4.3: 96x96 pixels, two classes, 221,794 parameters.
"""

from __future__ import annotations

from typing import Any

from edgetwin.nn.backend import load_keras

__all__ = ["mobilenet"]

#: Of the depthwise-separable blocks, at width 1: filters and stride.
BLOCKS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]


def mobilenet(input_shape: tuple[int, int, int] = (96, 96, 3), classes: int = 2, *, width: float = 0.25) -> Any:
    """A convolution, 13 depthwise-separable ones, global average, softmax.

    input_shape : (height, width, channels) of images
    width : of each layer, as a share of the paper's
    """
    layers = (keras := load_keras()).layers

    def normalised(layer: Any, x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization()(layer(x)))

    def convolution(filters: int, size: int, stride: int) -> Any:
        return layers.Conv2D(int(filters * width), size, stride, padding="same")

    inputs = keras.Input(input_shape)
    x = normalised(convolution(32, 3, 2), inputs)
    for filters, stride in BLOCKS:
        x = normalised(layers.DepthwiseConv2D(3, stride, padding="same"), x)
        x = normalised(convolution(filters, 1, 1), x)
    x = layers.Flatten()(layers.AveragePooling2D(x.shape[1:3])(x))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x), name="mobilenet")
