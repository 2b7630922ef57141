"""A depthwise-separable convnet for spectrograms, MLPerf Tiny's keyword spotting.

Source: Y. Zhang et al., "Hello Edge: Keyword Spotting on Microcontrollers", 2017 (arXiv:1711.07128), DS-CNN S; as
C. Banbury et al., "MLPerf Tiny Benchmark", NeurIPS 2021 (arXiv:2106.07597), section 4.1: 24,908 parameters.
"""

from __future__ import annotations

from typing import Any

from edgetwin.nn.backend import load_keras

__all__ = ["ds_cnn"]


def ds_cnn(
    input_shape: tuple[int, int, int] = (49, 10, 1), classes: int = 12, *, filters: int = 64, blocks: int = 4
) -> Any:
    """A wide convolution, `blocks` depthwise-separable ones, global average, softmax; dropout at both ends.

    input_shape : (time steps, coefficients a step, channels)
    """
    layers = (keras := load_keras()).layers

    def normalised(layer: Any, x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization()(layer(x)))

    inputs = keras.Input(input_shape)
    x = layers.Dropout(0.2)(normalised(layers.Conv2D(filters, (10, 4), 2, padding="same"), inputs))
    for _ in range(blocks):
        x = normalised(layers.DepthwiseConv2D(3, padding="same"), x)
        x = normalised(layers.Conv2D(filters, 1, padding="same"), x)
    x = layers.AveragePooling2D(x.shape[1:3])(layers.Dropout(0.4)(x))
    outputs = layers.Dense(classes, activation="softmax")(layers.Flatten()(x))
    return keras.Model(inputs, outputs, name="ds_cnn")
