#include "edgetwin/vector.h"

int32_t et_dot_s8(const int8_t *atom, const int16_t *residual, size_t count)
{
    int32_t sum = 0;
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        sum += atom[i] * residual[i] + atom[i + 2] * residual[i + 1] + atom[i + 1] * residual[i + 2] +
               atom[i + 3] * residual[i + 3];
    for (; i < count; ++i)
        sum += atom[i] * residual[i];
    return sum;
}
