/* The vector kernels that OMP spends its time in. Each has a portable version (src/portable) and ports (src/cortex_m4) with
 * the same bits.
 *
 * float32: product i is added to partial sum i mod 4, in ascending i; the result is (p0 + p1) + (p2 + p3).
 * Integers: exact, so any order. All pointers are 4-byte aligned; counts may be any number, 0 included.
 * The correlation kernels (et_dots) take n atoms of m elements, `stride` bytes from one to the next, a multiple of 4. */
#ifndef EDGETWIN_VECTOR_H
#define EDGETWIN_VECTOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

float et_dot_f32(const float *a, const float *b, size_t count);

/* sums[j] = et_dot_f32(atom j, residual, m) */
void et_dots_f32(const void *atoms, size_t stride, size_t n, const float *residual, size_t m, float *sums);

/* m even. atoms: int16; residual: |value| <= 2^14. An odd signal is padded: whatever an atom has there meets a zero. */
void et_dots_s16(const void *atoms, size_t stride, size_t n, const int16_t *residual, size_t m, int64_t *sums);

/* m a multiple of 4, padded likewise. atoms: int8, natural order; residual: int16 with each group of four stored in the
 * order 0, 2, 1, 3 (what Cortex-M's SXTB16 yields). The caller keeps the sums within int32. */
void et_dots_s8(const void *atoms, size_t stride, size_t n, const int16_t *residual, size_t m, int32_t *sums);

/* y[i] = y[i] + a * x[i], product and sum rounded one after the other. x and y do not overlap. */
void et_axpy_f32(float a, const float *x, float *y, size_t count);

#ifdef __cplusplus
}
#endif
#endif
