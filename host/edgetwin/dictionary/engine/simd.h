/* Vectors of reals for one instruction set: what the kernels need beyond + - *, which the compilers' vector types have.
 *
 * REAL is float or double by the macro ENGINE_DOUBLE; the width follows from the instruction set that the file is compiled
 * for. NaN never reaches these functions: the callers check their data. */
#ifndef EDGETWIN_ENGINE_SIMD_H
#define EDGETWIN_ENGINE_SIMD_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#ifdef ENGINE_DOUBLE
typedef double REAL;
typedef int64_t REAL_BITS;
#define REAL_EPSILON DBL_EPSILON
#define REAL_TINY DBL_MIN
#define REAL_SQRT sqrt
#else
typedef float REAL;
typedef int32_t REAL_BITS;
#define REAL_EPSILON FLT_EPSILON
#define REAL_TINY FLT_MIN
#define REAL_SQRT sqrtf
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

/* Reals in a vector. */
#define LANES (VECTOR_BYTES / (int)sizeof(REAL))

typedef REAL vec __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL_BITS vec_bits __attribute__((vector_size(VECTOR_BYTES)));

static inline vec vec_load(const REAL *from)
{
    vec v;
    memcpy(&v, from, sizeof v);
    return v;
}

static inline void vec_store(REAL *to, vec v) { memcpy(to, &v, sizeof v); }

static inline vec vec_all(REAL x) { return x - (vec){0}; }

static inline vec vec_abs(vec v)
{
    const REAL_BITS magnitude = (REAL_BITS) ~((uint64_t)1 << (8 * sizeof(REAL) - 1));
    return (vec)((vec_bits)v & magnitude);
}

static inline vec vec_max(vec a, vec b)
{
#if defined(__AVX512F__) && defined(ENGINE_DOUBLE)
    return (vec)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif defined(__AVX512F__)
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__) && defined(ENGINE_DOUBLE)
    return (vec)_mm256_max_pd((__m256d)a, (__m256d)b);
#elif defined(__AVX2__)
    return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#else
    const vec_bits larger = a > b;
    return (vec)((larger & (vec_bits)a) | (~larger & (vec_bits)b));
#endif
}

static inline REAL vec_largest(vec v)
{
    REAL largest = v[0];
    for (int lane = 1; lane < LANES; ++lane)
        largest = v[lane] > largest ? v[lane] : largest;
    return largest;
}

static inline REAL vec_sum(vec v)
{
    REAL sum = v[0];
    for (int lane = 1; lane < LANES; ++lane)
        sum += v[lane];
    return sum;
}

/* The first index whose value has the magnitude `peak`; one has. `values` is read in whole vectors. */
static inline size_t first_of_magnitude(const REAL *values, REAL peak)
{
    size_t at = 0;
#if defined(__AVX512F__) && defined(ENGINE_DOUBLE)
    unsigned equal;
    while ((equal = _mm512_cmp_pd_mask((__m512d)vec_abs(vec_load(values + at)), _mm512_set1_pd(peak), _CMP_EQ_OQ)) == 0)
        at += LANES;
    return at + (size_t)__builtin_ctz(equal);
#elif defined(__AVX512F__)
    unsigned equal;
    while ((equal = _mm512_cmp_ps_mask((__m512)vec_abs(vec_load(values + at)), _mm512_set1_ps(peak), _CMP_EQ_OQ)) == 0)
        at += LANES;
    return at + (size_t)__builtin_ctz(equal);
#else
    while (values[at] != peak && values[at] != -peak)
        ++at;
    return at;
#endif
}

/* sum of a[i] b[i], i < count */
static inline REAL dot(const REAL *a, const REAL *b, size_t count)
{
    vec sums[4] = {{0}};
    size_t i = 0;
    for (; i + 4 * LANES <= count; i += 4 * LANES)
        for (int u = 0; u < 4; ++u)
            sums[u] += vec_load(a + i + u * LANES) * vec_load(b + i + u * LANES);
    for (; i + LANES <= count; i += LANES)
        sums[0] += vec_load(a + i) * vec_load(b + i);
    REAL sum = vec_sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (; i < count; ++i)
        sum += a[i] * b[i];
    return sum;
}

/* y[i] += a x[i], i < count */
static inline void axpy(REAL a, const REAL *x, REAL *y, size_t count)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        vec_store(y + i, vec_load(y + i) + a * vec_load(x + i));
    for (; i < count; ++i)
        y[i] += a * x[i];
}

#endif
