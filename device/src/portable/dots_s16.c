#include "edgetwin/vector.h"

void et_dots_s16(const void *atoms, size_t stride, size_t n, const int16_t *residual, size_t m, int64_t *sums)
{
    const uint8_t *bytes = atoms;
    for (size_t j = 0; j < n; ++j, bytes += stride) {
        const int16_t *atom = (const int16_t *)(const void *)bytes;
        int64_t sum = 0;
        for (size_t i = 0; i < m; ++i)
            sum += (int32_t)atom[i] * residual[i];
        sums[j] = sum;
    }
}
