#include "edgetwin/vector.h"

static int32_t dot_s8(const int8_t *atom, const int16_t *residual, size_t m)
{
    int32_t sum = 0;
    for (size_t i = 0; i < m; i += 4)
        sum += atom[i] * residual[i] + atom[i + 2] * residual[i + 1] + atom[i + 1] * residual[i + 2] +
               atom[i + 3] * residual[i + 3];
    return sum;
}

void et_dots_s8(const void *atoms, size_t stride, size_t n, const int16_t *residual, size_t m, int32_t *sums)
{
    const int8_t *atom = atoms;
    for (size_t j = 0; j < n; ++j, atom += stride)
        sums[j] = dot_s8(atom, residual, m);
}
