#include "kernels/elementwise.h"

void et_nn_add(const et_addition *addition, const int8_t *a, size_t a_step, const int8_t *b, size_t b_step,
               int8_t *output, size_t count)
{
    const et_addition local = *addition; /* the output may lie anywhere, as far as a compiler knows */
    for (size_t i = 0; i < count; ++i, a += a_step, b += b_step)
        output[i] = et_added(&local, *a, *b);
}
