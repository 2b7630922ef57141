"""Affine quantisation: a real value x stands as the integer q, x = scale (q - zero_point).

Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
equation 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["dequantise", "quantise"]


def quantise(
    values: npt.NDArray[np.float32], scale: float | np.float32, zero_point: int, dtype: npt.DTypeLike
) -> npt.NDArray[Any]:
    """Values, none of them NaN, as integers of a type, as TensorFlow Lite's QUANTIZE: the nearest, halves away from
    zero, saturated."""
    scaled = (values / np.float32(scale)).astype(np.float64)  # in float32, 0.49999997 + 0.5 is 1
    nearest = np.trunc(scaled + np.copysign(0.5, scaled)) + zero_point
    limits = np.iinfo(np.dtype(dtype))
    quantised: npt.NDArray[Any] = np.clip(nearest, limits.min, limits.max).astype(dtype)
    return quantised


def dequantise(values: npt.NDArray[Any], scale: float | np.float32, zero_point: int) -> npt.NDArray[np.float32]:
    """The real values that integers of 8 or 16 bits stand for."""
    return np.float32(scale) * (values.astype(np.int32) - zero_point).astype(np.float32)
