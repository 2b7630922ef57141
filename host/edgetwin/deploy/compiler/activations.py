"""Functions of one int8 value as tables, in TensorFlow Lite's arithmetic, and the tables that SOFTMAX and LSTM read.

A table holds the results for -128, -127, ... 127. The fixed-point exp, tanh and logistic follow gemmlowp's
fixedpoint.h: int32 values of m integer bits, Qm.(31 - m), whose products are rounded halves up.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgetwin.deploy.compiler.fixed_point import clip_int8, quantize_multiplier, rescale

__all__ = [
    "exponentials",
    "hard_swish_table",
    "leaky_relu_table",
    "logistic_table",
    "relu_table",
    "requantize_table",
    "sigmoid_curve",
    "tanh_table",
]

_Integers = npt.NDArray[np.int64]
_Table = npt.NDArray[np.int8]

_INPUTS: _Integers = np.arange(-128, 128, dtype=np.int64)
_ONE = (1 << 31) - 1  # 1.0 in Q0.31
#: exp(-2^e) in Q0.31, for the bits of an exponent from 1/4 up.
_POWERS = [round(math.exp(-(2.0**e)) * 2.0**31) for e in range(-2, 5)]


def requantize_table(scale: float, zero_point: int, output_scale: float, output_zero_point: int) -> _Table:
    """QUANTIZE from int8 to int8."""
    multiplier, shift = quantize_multiplier(float(scale) / float(output_scale))
    return clip_int8(rescale(_INPUTS - zero_point, multiplier, shift) + output_zero_point)


def relu_table(
    scale: np.float32, zero_point: int, output_scale: np.float32, output_zero_point: int, low: int, high: int
) -> _Table:
    """RELU and RELU_N1_TO_1: requantised, and held to low .. high. The ratio of the scales is a float32."""
    multiplier, shift = quantize_multiplier(float(np.float32(scale) / np.float32(output_scale)))
    values = rescale(_INPUTS - zero_point, multiplier, shift) + output_zero_point
    return clip_int8(np.minimum(np.maximum(values, low), high))


def leaky_relu_table(
    scale: np.float32, zero_point: int, output_scale: np.float32, output_zero_point: int, alpha: float
) -> _Table:
    """LEAKY_RELU; alpha may be negative."""
    inputs = _INPUTS - zero_point
    identity = quantize_multiplier(float(np.float32(scale) / np.float32(output_scale)))
    multiplier, shift = quantize_multiplier(float(np.float32(scale) * np.float32(alpha) / np.float32(output_scale)))
    below = rescale(inputs, abs(multiplier), shift)
    values = np.where(inputs >= 0, rescale(inputs, *identity), -below if multiplier < 0 else below)
    return clip_int8(values + output_zero_point)


def hard_swish_table(
    scale: np.float32, zero_point: int, output_scale: np.float32, output_zero_point: int
) -> _Table | None:
    """HARD_SWISH, in int16 arithmetic; None where that is not defined: an output's scale below scale / 128 or above
    512 scale, or a scale below 1.8e-7."""
    fine_scale = np.float32(1 / 128) * np.float32(scale)
    output_multiplier, output_exponent = _int16_multiplier(fine_scale / np.float32(output_scale))
    relu_multiplier, relu_exponent = _int16_multiplier(fine_scale / np.float32(3 / 32768))
    if not -15 <= output_exponent <= 0 or relu_exponent < -15:
        return None
    fine = (_INPUTS - zero_point) << 7
    unshifted = _high_product16(fine, output_multiplier)
    # x from -3 .. 3 to -1 .. 1, saturated: the last bit of a left shift follows the product.
    relu = _int16(fine << max(relu_exponent - 1, 0))
    relu = _high_product16(relu, relu_multiplier)
    relu = _int16(relu << 1) if relu_exponent > 0 else _divided(relu, -relu_exponent)
    relu = (relu + (1 << 15)) >> 1
    product = relu * unshifted
    truncated = np.sign(product) * (np.abs(product) >> 15)
    return clip_int8(_divided(truncated, -output_exponent) + output_zero_point)


def logistic_table(scale: float, zero_point: int) -> _Table:
    """LOGISTIC; the output's scale is 1/256, its zero point -128."""

    def logistic(x: _Integers) -> _Integers:
        positive = _one_over_one_plus(_exp(-np.abs(x), 4))
        value = np.where(x > 0, positive, _ONE - positive)
        return _divided(np.where(x == 0, 1 << 30, value), 31 - 8) - 128

    return _saturating_table(scale, zero_point, logistic)


def tanh_table(scale: float, zero_point: int) -> _Table:
    """TANH; the output's scale is 1/128, its zero point 0."""

    def tanh(x: _Integers) -> _Integers:
        positive = _one_minus_over_one_plus(_exp(-np.abs(x), 5))  # of 2x, as one integer bit more has it
        return _divided(np.where(x == 0, 0, np.where(x > 0, positive, -positive)), 31 - 7)

    return _saturating_table(scale, zero_point, tanh)


def exponentials(scale: float, beta: float) -> npt.NDArray[np.int32] | None:
    """(256,) exp(-i scale beta) in Q0.31, for SOFTMAX: 0 where sums leave it out. None: the scale is too small."""
    real = min(float(np.float32(beta)) * float(scale) * 2.0**26, 2.0**31 - 1)
    if real <= 1:
        return None
    multiplier, shift = quantize_multiplier(real / 2)  # which may have no shift of 31
    shift += 1
    differences = np.arange(256, dtype=np.int64)
    counted = differences <= _radius(5, shift)
    scaled = _high_product(-(np.where(counted, differences, 0) << shift), multiplier)
    return np.where(counted, _exp(scaled, 5), 0).astype(np.int32)


def sigmoid_curve() -> npt.NDArray[np.uint16]:
    """(256,) 65536 / (1 + exp(-i / 24)): what int16 logistic and tanh interpolate between.

    TensorFlow Lite's table is one above the nearest integer at some places, whose bits are set in a number here.
    """
    nearest = np.floor(65536 / (1 + np.exp(-np.arange(256) / 24)) + 0.5).astype(np.int64)
    above = np.array([_ABOVE_NEAREST >> i & 1 for i in range(256)])
    return np.asarray(nearest + above, np.uint16)


_ABOVE_NEAREST = 0x800000000000000000000000000000800011009020440005C0467BAEFA7BD110


def _saturating_table(scale: float, zero_point: int, function: Callable[[_Integers], _Integers]) -> _Table:
    """A function of Q4.27 inputs, and its limits beyond 15."""
    fraction, shift = math.frexp(float(scale) * 2.0**27)
    inputs = _INPUTS - zero_point
    radius = _radius(4, shift)
    inside = np.abs(inputs) < radius
    values = function(rescale(np.where(inside, inputs, 0), round(fraction * 2.0**31), shift))
    return clip_int8(np.where(inside, values, np.where(inputs <= -radius, -128, 127)))


def _radius(integer_bits: int, shift: int) -> int:
    """The largest input that a multiplier with this shift leaves within `integer_bits` (CalculateInputRadius)."""
    return math.floor(math.ldexp(((1 << integer_bits) - 1) * 2.0 ** (31 - integer_bits), -shift))


def _high_product(a: _Integers, b: _Integers | int) -> _Integers:
    """SaturatingRoundingDoublingHighMul, of what does not saturate."""
    return (a * b + (1 << 30)) >> 31


def _high_product16(a: _Integers, b: _Integers | int) -> _Integers:
    """The same of int16."""
    return (a * b + (1 << 14)) >> 15


def _divided(x: _Integers, exponent: int) -> _Integers:
    """RoundingDivideByPOT: halves away from zero."""
    mask = (1 << exponent) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def _int16(x: _Integers) -> _Integers:
    return np.clip(x, -(1 << 15), (1 << 15) - 1)


def _int16_multiplier(real: np.float32) -> tuple[int, int]:
    """(multiplier, exponent) of 16 bits."""
    multiplier, exponent = quantize_multiplier(float(real))
    return min((multiplier + (1 << 15)) >> 16, (1 << 15) - 1), exponent


def _shifted_left(x: _Integers, exponent: int) -> _Integers:
    """SaturatingRoundingMultiplyByPOT to the left."""
    most = (1 << (31 - exponent)) - 1
    return np.where(x > most, _ONE, np.where(x < -most, -(1 << 31), x << exponent))


def _exp(a: _Integers, integer_bits: int) -> _Integers:
    """exp(a) in Q0.31 of a <= 0 with `integer_bits`: a Taylor series around -1/8 for what is left of quarters, then one
    factor a bit (exp_on_negative_values)."""
    quarter = 1 << (31 - integer_bits - 2)
    rest = (a & (quarter - 1)) - quarter
    x = (rest << integer_bits) + (1 << 28)
    x2 = _high_product(x, x)
    x3, x4 = _high_product(x2, x), _high_product(x2, x2)
    series = x + _divided(_high_product(_divided(x4, 2) + x3, round(2.0**31 / 3)) + x2, 1)
    at_eighth = round(math.exp(-1 / 8) * 2.0**31)
    result = at_eighth + _high_product(series, at_eighth)
    for bit, power in enumerate(_POWERS[: integer_bits + 2]):
        result = np.where((rest - a) & (quarter << bit), _high_product(result, power), result)
    return np.where(a == 0, _ONE, result)


def _newton(a: _Integers) -> _Integers:
    """2 / (1 + a) in Q2.29 of a in Q0.31: three steps of Newton and Raphson."""
    half_denominator = (a + _ONE + 1) >> 1
    x = round(48 / 17 * 2.0**29) + _high_product(half_denominator, round(-32 / 17 * 2.0**29))
    for _ in range(3):
        error = (1 << 29) - _high_product(half_denominator, x)
        x = x + _shifted_left(_high_product(x, error), 2)
    return x


def _one_over_one_plus(a: _Integers) -> _Integers:
    """1 / (1 + a) in Q0.31."""
    return _shifted_left(_newton(a), 1)


def _one_minus_over_one_plus(a: _Integers) -> _Integers:
    """(1 - a) / (1 + a) in Q0.31."""
    return _shifted_left(_newton(a) - (1 << 29), 2)
