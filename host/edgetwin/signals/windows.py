"""Windows: rows of samples cut into signals, and signals put back into rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["from_windows", "to_windows"]


def to_windows(values: npt.NDArray[np.float32], length: int) -> npt.NDArray[np.float32]:
    """Consecutive windows of `length` rows, that do not overlap, each as one signal.

    values : (rows, channels); the last rows % length rows do not fill a window and are left out

    Returns (rows // length, length * channels), row-major in time: sample i of a signal belongs to channel
    i mod channels, as a bundle has it (device/FORMATS.md). A view where `values` is contiguous.
    """
    if values.ndim != 2:
        raise ValueError(f"values must have shape (rows, channels), not {values.shape}")
    if length < 1:
        raise ValueError(f"a window has at least one row, not {length}")
    count = len(values) // length
    return np.ascontiguousarray(values[: count * length]).reshape(count, length * values.shape[1])


def from_windows(signals: npt.NDArray[np.float32], channels: int) -> npt.NDArray[np.float32]:
    """The rows (N * length, channels) of signals (N, length * channels): what `to_windows` was given."""
    if signals.ndim != 2 or channels < 1 or signals.shape[1] % channels:
        raise ValueError(f"signals of shape {signals.shape} are not windows of {channels} channels")
    return signals.reshape(len(signals) * (signals.shape[1] // channels), channels)
