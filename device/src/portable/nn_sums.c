#include "kernels/window.h"

static void add_row(const int8_t *values, const et_window *window, size_t channels, int32_t sums[4])
{
    const size_t stride = window->column_stride;
    if (channels == 4) {
        int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
        for (size_t column = 0; column < window->columns; ++column, values += stride) {
            a += values[0];
            b += values[1];
            c += values[2];
            d += values[3];
        }
        sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
        return;
    }
    for (size_t column = 0; column < window->columns; ++column, values += stride)
        for (size_t channel = 0; channel < channels; ++channel)
            sums[channel] += values[channel];
}

void et_nn_sums(const int8_t *input, const et_window *window, size_t channels, int32_t sums[4])
{
    for (size_t row = 0; row < window->rows; ++row)
        add_row(input + row * window->row_stride, window, channels, sums);
}
