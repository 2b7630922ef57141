#include "edgetwin/vector.h"

float et_dot_f32(const float *a, const float *b, size_t count)
{
    float p[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        p[0] += a[i] * b[i];
        p[1] += a[i + 1] * b[i + 1];
        p[2] += a[i + 2] * b[i + 2];
        p[3] += a[i + 3] * b[i + 3];
    }
    for (size_t k = 0; i < count; ++i, ++k)
        p[k] += a[i] * b[i];
    return (p[0] + p[1]) + (p[2] + p[3]);
}
