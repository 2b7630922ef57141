#include "kernels/window.h"

void et_nn_max(const int8_t *input, const et_window *window, size_t channels, int8_t low, int8_t high, int8_t *output)
{
    for (size_t channel = 0; channel < channels; ++channel) {
        int8_t largest = low;
        for (size_t row = 0; row < window->rows; ++row) {
            const int8_t *values = input + row * window->row_stride + channel;
            for (size_t column = 0; column < window->columns; ++column, values += window->column_stride)
                largest = *values > largest ? *values : largest;
        }
        output[channel] = largest < high ? largest : high;
    }
}
