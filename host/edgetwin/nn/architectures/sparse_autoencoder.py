"""The autoencoder that learns what a healthy server's metrics look like together.

Source: A. Borghesi et al., "Anomaly Detection using Autoencoders in High Performance Computing Systems", IAAI 2019
(arXiv:1811.05269): one hidden layer ten times as wide as the input, kept sparse by an L1 penalty on its activity.
"""

from __future__ import annotations

from typing import Any

from edgetwin.nn.backend import load_keras

__all__ = ["sparse_autoencoder"]

ACTIVITY_PENALTY = 1e-5


def sparse_autoencoder(features: int, *, expansion: int = 10) -> Any:
    """Dense ReLU layer of `expansion` x `features` units, linear output of `features`."""
    layers = (keras := load_keras()).layers
    penalty = keras.regularizers.L1(ACTIVITY_PENALTY)
    return keras.Sequential(
        [
            keras.Input((features,)),
            layers.Dense(expansion * features, activation="relu", activity_regularizer=penalty),
            layers.Dense(features),
        ],
        name="sparse_autoencoder",
    )
