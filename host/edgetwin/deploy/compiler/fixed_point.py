"""TensorFlow Lite's fixed-point arithmetic on the host: multipliers for the board, and exact results for tables."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["activation_range", "clip_int8", "quantize_multiplier", "rescale"]


def quantize_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) with real ≈ multiplier * 2^(shift - 31), 2^30 <= multiplier < 2^31; (0, 0) for 0.

    As TFLite's QuantizeMultiplier (quantization_util.cc): halves away from zero; below 2^-32 it is 0.

    Raises OverflowError from 2^30 on: TFLite Micro would shift an int32 out of its bits.
    """
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * 2.0**31 + 0.5) if fraction >= 0 else math.ceil(fraction * 2.0**31 - 0.5)
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        raise OverflowError(f"{real} is no multiplier below 2^30")
    return multiplier, shift


def rescale(values: npt.NDArray[np.int64], multiplier: int, shift: int) -> npt.NDArray[np.int64]:
    """MultiplyByQuantizedMultiplier of int32 values, exactly (device/src/kernels/rescale.h)."""
    left, right = max(shift, 0), max(-shift, 0)
    shifted = (np.asarray(values, np.int64) << left).astype(np.uint32).astype(np.int32).astype(np.int64)
    high = (shifted * multiplier + (1 << 30)) >> 31
    mask = (1 << right) - 1
    remainder = high & mask
    return np.asarray((high >> right) + (remainder > (mask >> 1) + (high < 0)), np.int64)


def activation_range(activation: str, scale: float, zero_point: int) -> tuple[int, int]:
    """(low, high) of an int8 output with a fused activation: CalculateActivationRangeQuantized.

    activation : NONE, RELU, RELU6 or RELU_N1_TO_1

    Raises OverflowError where a limit is no int32: TFLite Micro's conversion is undefined.
    """

    def quantised(real: float) -> int:
        if abs(real / scale) >= 1 << 31:
            raise OverflowError(f"{real} is no int32 at the scale {scale}")
        exact = float(np.float32(real) / np.float32(scale))
        return zero_point + int(math.floor(exact + 0.5) if exact >= 0 else math.ceil(exact - 0.5))

    low, high = -128, 127
    if activation in ("RELU", "RELU6"):
        low = max(low, quantised(0.0))
    if activation == "RELU6":
        high = min(high, quantised(6.0))
    if activation == "RELU_N1_TO_1":
        low, high = max(low, quantised(-1.0)), min(high, quantised(1.0))
    return low, high


def clip_int8(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
    """Values held to -128 .. 127."""
    return np.clip(values, -128, 127).astype(np.int8)
