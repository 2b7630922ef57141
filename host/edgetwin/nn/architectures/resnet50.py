"""ResNet-50 for photographs.

Source: K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, table 1: 3.8 10^9 multiply-accumulates;
25.6 M parameters. A stage's stride is in its first 1x1 convolution, as in the paper.
"""

from __future__ import annotations

from typing import Any

from edgetwin.nn.backend import load_keras

__all__ = ["resnet50"]

#: Of the stages: blocks, filters of the narrow convolutions, stride.
STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))
# A block gives four times as many filters as its narrow convolutions have.
EXPANSION = 4


def resnet50(input_shape: tuple[int, int, int] = (224, 224, 3), classes: int = 1000) -> Any:
    """A 7x7 convolution and pooling, 16 bottleneck blocks in four stages, global average, softmax.

    input_shape : (height, width, channels) of images, at least 32 x 32
    """
    layers = (keras := load_keras()).layers

    def normalised(x: Any, filters: int, width: int, stride: int = 1) -> Any:
        convolution = layers.Conv2D(
            filters, width, stride, padding="same", use_bias=False, kernel_initializer="he_normal"
        )
        return layers.BatchNormalization()(convolution(x))

    def block(x: Any, filters: int, stride: int) -> Any:
        y = layers.ReLU()(normalised(x, filters, 1, stride))
        y = layers.ReLU()(normalised(y, filters, 3))
        y = normalised(y, EXPANSION * filters, 1)
        shortcut = x if x.shape == y.shape else normalised(x, EXPANSION * filters, 1, stride)
        return layers.ReLU()(layers.Add()([shortcut, y]))

    inputs = keras.Input(input_shape)
    x = layers.ReLU()(normalised(inputs, 64, 7, 2))
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for blocks, filters, first_stride in STAGES:
        for stride in (first_stride, *[1] * (blocks - 1)):
            x = block(x, filters, stride)
    x = layers.Flatten()(layers.AveragePooling2D(x.shape[1:3])(x))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x), name="resnet50")
