"""The dense autoencoder of machine sounds, MLPerf Tiny's anomaly detection.

Source: Y. Koizumi et al., "Description and Discussion on DCASE2020 Challenge Task 2", 2020 (arXiv:2006.05822), the
baseline; as C. Banbury et al., "MLPerf Tiny Benchmark", NeurIPS 2021 (arXiv:2106.07597), section 4.4: 640 inputs,
269,992 parameters.
"""

from __future__ import annotations

from typing import Any

from edgetwin.nn.backend import load_keras

__all__ = ["dense_autoencoder"]


def dense_autoencoder(features: int = 640, *, units: int = 128, depth: int = 4, code: int = 8) -> Any:
    """`depth` dense layers of `units` on either side of one of `code`, all normalised and rectified; linear output.

    The input is a vector of `features`; what the network does not reproduce is an anomaly.
    """
    layers = (keras := load_keras()).layers
    body = [
        layer
        for width in [*[units] * depth, code, *[units] * depth]
        for layer in (layers.Dense(width), layers.BatchNormalization(), layers.ReLU())
    ]
    return keras.Sequential([keras.Input((features,)), *body, layers.Dense(features)], name="dense_autoencoder")
