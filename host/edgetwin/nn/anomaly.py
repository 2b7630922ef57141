"""Anomalies as what an autoencoder, that has seen normal signals only, cannot reproduce.

Source: A. Borghesi et al., "Anomaly Detection using Autoencoders in High Performance Computing Systems", IAAI 2019
(arXiv:1811.05269), section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from edgetwin.nn.architectures import sparse_autoencoder
from edgetwin.nn.training import Schedule, predict, seed_networks, train

__all__ = ["AutoencoderDetector"]

Float32Array = npt.NDArray[np.float32]


class AutoencoderDetector:
    """Flags signals whose reconstruction error is above a percentile of that of normal signals.

    Parameters
    ----------
    schedule : of the autoencoder's training; its loss is the mean absolute error
    percentile : of the errors of the normal signals given to :meth:`calibrate`, 0 to 100: the threshold. About
        100 − percentile of a hundred normal signals are flagged
    random_state : seed of the autoencoder
    on_epoch : called after each epoch

    Attributes
    ----------
    model_ : the autoencoder
    threshold_ : mean absolute error above which a signal is an anomaly
    """

    def __init__(
        self,
        schedule: Schedule,
        *,
        percentile: float = 97.0,
        random_state: int = 0,
        on_epoch: Callable[[], object] | None = None,
    ) -> None:
        self.schedule = schedule
        self.percentile = percentile
        self.random_state = random_state
        self.on_epoch = on_epoch

    def fit(self, signals: Float32Array) -> Self:
        """Learns to reproduce normal signals (N, m), scaled to about 0..1. :meth:`calibrate` comes next."""
        seed_networks(self.random_state)
        self.model_: Any = sparse_autoencoder(signals.shape[1])
        train(self.model_, signals, signals, self.schedule, loss="mean_absolute_error", on_epoch=self.on_epoch)
        return self

    def calibrate(self, normal: Float32Array) -> Self:
        """Sets the threshold by normal signals (N, m) that were not learned from, of the kind that will be judged."""
        self.threshold_ = float(np.percentile(self.errors(normal), self.percentile))
        return self

    def errors(self, signals: Float32Array) -> npt.NDArray[np.float64]:
        """Mean absolute reconstruction error of each signal (N, m)."""
        difference = np.abs(signals - predict(self.model_, signals))
        return np.asarray(difference.mean(axis=1, dtype=np.float64))

    def predict(self, signals: Float32Array) -> npt.NDArray[np.bool_]:
        """Which signals (N, m) are anomalies."""
        return np.asarray(self.errors(signals) > self.threshold_)
