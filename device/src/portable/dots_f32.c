#include "edgetwin/vector.h"

void et_dots_f32(const void *atoms, size_t stride, size_t n, const float *residual, size_t m, float *sums)
{
    const uint8_t *atom = atoms;
    for (size_t j = 0; j < n; ++j, atom += stride)
        sums[j] = et_dot_f32((const float *)(const void *)atom, residual, m);
}
