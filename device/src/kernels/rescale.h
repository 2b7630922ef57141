/* TensorFlow Lite's roundings, exactly: fixed-point products, an int32 times multiplier * 2^(shift - 31), rounded twice; and
 * int8 from float32. */
#ifndef EDGETWIN_RESCALE_H
#define EDGETWIN_RESCALE_H

#include <stdint.h>

#include "float_bits.h"

/* gemmlowp's SaturatingRoundingDoublingHighMul: a * b / 2^31, halves up. */
static inline int32_t et_doubling_high(int32_t a, int32_t b)
{
    if (a == INT32_MIN && b == INT32_MIN)
        return INT32_MAX;
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* gemmlowp's RoundingDivideByPOT: x / 2^exponent, halves away from zero; exponent 0 .. 31. */
static inline int32_t et_rounding_shift(int32_t x, int exponent)
{
    const int32_t mask = (int32_t)((UINT32_C(1) << exponent) - 1);
    const int32_t remainder = x & mask;
    return (x >> exponent) + (remainder > (mask >> 1) + (x < 0));
}

/* MultiplyByQuantizedMultiplier; shift -31 .. 30. A left shift wraps. */
static inline int32_t et_rescale(int32_t x, int32_t multiplier, int shift)
{
    const int left = shift > 0 ? shift : 0;
    return et_rounding_shift(et_doubling_high((int32_t)((uint32_t)x << left), multiplier), left - shift);
}

static inline int32_t et_clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* QUANTIZE: x / scale rounded, halves away from zero, plus the zero point, held to int8. NaN becomes 127. */
static inline int8_t et_quantize(float x, float scale, int32_t zero_point)
{
    const float most = 1024.0f; /* beyond all int8 values */
    const float ratio = x / scale;
    const float held = ratio < -most ? -most : ratio < most ? ratio : most;
    return (int8_t)et_clamp(et_float_round(held) + zero_point, -128, 127);
}

#endif
