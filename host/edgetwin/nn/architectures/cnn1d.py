"""A small convnet for time series: FCN's layers, but each halves the series, so that a board can run it.

Source: as in edgetwin.nn.architectures.fcn (Wang, Yan, Oates, "Time Series Classification from Scratch with Deep Neural
Networks", IJCNN 2017); strides, widths and dropout are ours.
"""

from __future__ import annotations

from typing import Any

from edgetwin.nn.architectures.fcn import MOMENTUM
from edgetwin.nn.backend import load_keras

__all__ = ["cnn1d"]

# Filters double up to this many times the first layer's.
WIDEST = 4


def cnn1d(
    length: int,
    channels: int = 1,
    classes: int = 2,
    *,
    filters: int = 16,
    blocks: int = 4,
    kernel: int = 8,
    dropout: float = 0.2,
) -> Any:
    """`blocks` of convolution (stride 2), batch normalisation and ReLU; global average; dropout; softmax.

    Input is (length, channels), each series of mean 0 and deviation 1.

    filters : of the first block; the second has twice as many, the others four times
    dropout : share of the averages that are dropped
    """
    layers = (keras := load_keras()).layers
    body = [
        layer
        for block in range(blocks)
        for layer in (
            layers.Conv1D(filters * min(2**block, WIDEST), kernel, 2, padding="same"),
            layers.BatchNormalization(momentum=MOMENTUM),
            layers.ReLU(),
        )
    ]
    head = [layers.GlobalAveragePooling1D(), layers.Dropout(dropout), layers.Dense(classes, activation="softmax")]
    return keras.Sequential([keras.Input((length, channels)), *body, *head], name="cnn1d")
