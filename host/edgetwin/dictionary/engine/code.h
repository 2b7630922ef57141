/* Writing down the code of one signal, as every algorithm ends. */
#ifndef EDGETWIN_ENGINE_CODE_H
#define EDGETWIN_ENGINE_CODE_H

#include "kernels.h"
#include "simd.h"

/* The share of the signal's norm below which correlations are rounding noise: 2^-20 in float, as on a board. */
#define NOISE (8 * REAL_EPSILON)

/* Squared distance from the span of the chosen atoms below which an atom depends on them. */
#define DEPENDENT (16 * REAL_EPSILON)

/* Stores atoms and coefficients in the order of the atoms. */
static inline void store_code(const engine_codes *codes, size_t row, const size_t *atoms, const REAL *coefficients,
                              size_t count)
{
    int32_t *support = codes->support + row * codes->s;
    REAL *values = (REAL *)codes->coefficients + row * codes->s;
    for (size_t i = 0; i < count; ++i) {
        size_t place = i;
        for (; place > 0 && support[place - 1] > (int32_t)atoms[i]; --place) {
            support[place] = support[place - 1];
            values[place] = values[place - 1];
        }
        support[place] = (int32_t)atoms[i];
        values[place] = coefficients[i];
    }
    memset(support + count, 0, (codes->s - count) * sizeof *support);
    memset(values + count, 0, (codes->s - count) * sizeof *values);
    codes->counts[row] = (int32_t)count;
}

/* residual (m) = signal - sum of coefficients[i] atoms[chosen[i]] */
static inline void subtract_atoms(const REAL *signal, const REAL *atoms, size_t m, const size_t *chosen,
                                  const REAL *coefficients, size_t count, REAL *residual)
{
    memcpy(residual, signal, m * sizeof *residual);
    for (size_t i = 0; i < count; ++i)
        axpy(-coefficients[i], atoms + chosen[i] * m, residual, m);
}

#endif
