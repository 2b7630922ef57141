/* The float32 representation, for exact scaling by powers of two and for tests that no rounding can disturb. */
#ifndef EDGETWIN_FLOAT_BITS_H
#define EDGETWIN_FLOAT_BITS_H

#include <float.h>
#include <stdint.h>
#include <string.h>

/* What the arithmetic contract (vector.h) and bundles that are used in place rest on. */
#if defined(__FAST_MATH__) || FLT_EVAL_METHOD != 0
#error "the core needs IEEE-754 float32 arithmetic: no -ffast-math, and SSE instead of x87 (-msse2 -mfpmath=sse)"
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "bundles are little endian and used in place: big-endian targets are not supported"
#endif

#define ET_FLOAT_INFINITY_BITS 0x7f800000u

static inline uint32_t et_float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float et_float_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Bits of |value|: they order like the magnitudes, and NaN and infinity are the largest. */
static inline uint32_t et_float_magnitude(float value) { return et_float_bits(value) & 0x7fffffffu; }

static inline int et_float_finite(float value) { return et_float_magnitude(value) < ET_FLOAT_INFINITY_BITS; }

/* 2^exponent, -126 <= exponent <= 127. */
static inline float et_float_power2(int exponent) { return et_float_from_bits((uint32_t)(exponent + 127) << 23); }

/* Nearest integer, halves away from zero; |value| < 2^30. What is added is the float32 below 0.5: with 0.5 itself the sum
 * of 0.49999997 would round up to 1. */
static inline int32_t et_float_round(float value)
{
    const float half = 0.49999997f;
    return (int32_t)(value < 0.0f ? value - half : value + half);
}

#endif
