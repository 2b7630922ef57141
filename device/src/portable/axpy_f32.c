#include "edgetwin/vector.h"

void et_axpy_f32(float a, const float *x, float *y, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        y[i] += a * x[i];
}
