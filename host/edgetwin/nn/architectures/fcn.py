"""A fully convolutional network for time series, of any length.

Source: Z. Wang, W. Yan, T. Oates, "Time Series Classification from Scratch with Deep Neural Networks", IJCNN 2017; as
smaller in H. I. Fawaz, "Timeseries classification from scratch", keras.io/examples/timeseries, 2020 (DL4DT's [14]).
"""

from __future__ import annotations

from typing import Any

from edgetwin.nn.backend import load_keras

__all__ = ["fcn"]

# Batch statistics are averaged over the last ten steps or so. At Keras' 0.99, as in the example, they lag so far behind
# in the first epochs that a network which has learned answers with one class for everything.
MOMENTUM = 0.9


def fcn(length: int, channels: int = 1, classes: int = 2, *, filters: int = 64, blocks: int = 3) -> Any:
    """`blocks` of convolution (width 3), batch normalisation and ReLU; global average; softmax.

    Input is (length, channels), each series of mean 0 and deviation 1.
    """
    layers = (keras := load_keras()).layers
    body = [
        layer
        for _ in range(blocks)
        for layer in (
            layers.Conv1D(filters, 3, padding="same"),
            layers.BatchNormalization(momentum=MOMENTUM),
            layers.ReLU(),
        )
    ]
    head = [layers.GlobalAveragePooling1D(), layers.Dense(classes, activation="softmax")]
    return keras.Sequential([keras.Input((length, channels)), *body, *head], name="fcn")
