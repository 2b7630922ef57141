"""Scaling: every channel brought to mean 0 and deviation 1, so that none outweighs the others in OMP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

__all__ = ["ChannelScaling"]

Float32Array = npt.NDArray[np.float32]

# A deviation below this share of the channel's magnitude is float32 rounding, not signal (ET_OMP_FLOOR).
ROUNDING = 2.0**-20
# Gains stay in here, so that a gain and its inverse are normal float32 numbers, with room for the samples.
GAIN_RANGE = (2.0**-100, 2.0**100)


@dataclass(frozen=True, eq=False)
class ChannelScaling:
    """Offset and gain of each channel: a raw sample x of channel c enters OMP as (x − offsets[c]) · gains[c].

    offsets : (channels,) float32, finite
    gains : (channels,) float32, finite, above 0
    """

    offsets: Float32Array
    gains: Float32Array

    def __post_init__(self) -> None:
        if self.offsets.ndim != 1 or self.offsets.shape != self.gains.shape or not self.channels:
            raise ValueError(f"offsets {self.offsets.shape} and gains {self.gains.shape} must be one of each a channel")
        if self.offsets.dtype != np.float32 or self.gains.dtype != np.float32:
            raise ValueError("offsets and gains must be float32")
        if not (np.isfinite(self.offsets).all() and np.isfinite(self.gains).all() and (self.gains > 0).all()):
            raise ValueError("offsets must be finite, gains finite and above 0")

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.offsets)

    @classmethod
    def fit(cls, values: Float32Array) -> Self:
        """Mean and 1 / standard deviation of training data (rows, channels), NaN left out.

        A channel that is constant in training has gain 1: there is no deviation to divide by, and a later change
        comes through in the sensor's own unit. A channel without a single finite value has offset 0 and gain 1.
        """
        if values.ndim != 2 or values.size == 0:
            raise ValueError(f"values must have shape (rows, channels) and not be empty, not {values.shape}")
        finite = np.isfinite(values)
        count = np.maximum(finite.sum(axis=0), 1)
        known = np.where(finite, values, 0).astype(np.float64)
        means = known.sum(axis=0) / count
        deviations = np.sqrt(np.where(finite, np.square(known - means), 0).sum(axis=0) / count)
        varies = deviations > ROUNDING * np.abs(known).max(axis=0)
        gains = np.where(varies, 1.0 / np.where(varies, deviations, 1.0), 1.0)
        return cls(means.astype(np.float32), np.clip(gains, *GAIN_RANGE).astype(np.float32))

    @classmethod
    def identity(cls, channels: int) -> Self:
        """Offset 0 and gain 1: samples enter OMP as they are."""
        return cls(np.zeros(channels, np.float32), np.ones(channels, np.float32))

    def transform(self, signals: npt.NDArray[np.floating]) -> Float32Array:
        """Scaled signals (N, m) or rows (rows, channels), each operation rounded to float32 as on a board."""
        by_channel = self._by_channel(signals)
        return ((by_channel - self.offsets) * self.gains).reshape(signals.shape)

    def inverse_transform(self, signals: npt.NDArray[np.floating]) -> Float32Array:
        """Signals (N, m) or rows (rows, channels) back in the sensor's units."""
        by_channel = self._by_channel(signals)
        return (by_channel / self.gains + self.offsets).reshape(signals.shape)

    def _by_channel(self, signals: npt.NDArray[np.floating]) -> Float32Array:
        if signals.ndim != 2 or signals.shape[1] % self.channels:
            raise ValueError(f"signals of shape {signals.shape} are not windows of {self.channels} channels")
        return np.asarray(signals, dtype=np.float32).reshape(-1, self.channels)
