/* The vector kernels that OMP spends its time in. Each has a portable version (src/portable) and ports (src/cortex_m4) with the same bits.
 *
 * float32: product i is added to partial sum i mod 4, in ascending i; the result is (p0 + p1) + (p2 + p3).
 * Integers: exact, so any order. All pointers are 4-byte aligned; count may be any number, 0 included. */
#ifndef EDGETWIN_VECTOR_H
#define EDGETWIN_VECTOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

float et_dot_f32(const float *a, const float *b, size_t count);

/* atom: int16, natural order; residual: |value| <= 2^14, natural order. */
int64_t et_dot_s16(const int16_t *atom, const int16_t *residual, size_t count);

/* atom: int8, natural order; residual: int16 with each full group of four stored in the order 0, 2, 1, 3 (what
 * Cortex-M's SXTB16 yields); a last, partial group is in natural order. The caller keeps the sum within int32. */
int32_t et_dot_s8(const int8_t *atom, const int16_t *residual, size_t count);

/* y[i] = y[i] + a * x[i], product and sum rounded one after the other. x and y do not overlap. */
void et_axpy_f32(float a, const float *x, float *y, size_t count);

#ifdef __cplusplus
}
#endif
#endif
