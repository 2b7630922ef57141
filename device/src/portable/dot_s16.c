#include "edgetwin/vector.h"

int64_t et_dot_s16(const int16_t *atom, const int16_t *residual, size_t count)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; ++i)
        sum += (int32_t)atom[i] * residual[i];
    return sum;
}
