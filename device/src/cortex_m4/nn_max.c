/* Cortex-M4: four channels at a time. SSUB8 sets a flag for each byte that is not smaller, by which SEL chooses. */
#include "kernels/window.h"

#include <string.h>

static inline uint32_t larger(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b));
    return result;
}

static inline uint32_t smaller(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm("ssub8 %0, %1, %2\n\tsel %0, %2, %1" : "=&r"(result) : "r"(a), "r"(b));
    return result;
}

static inline uint32_t load(const int8_t *bytes) /* of any alignment, which LDR takes */
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

void et_nn_max(const int8_t *input, const et_window *window, size_t channels, int8_t low, int8_t high, int8_t *output)
{
    const uint32_t lows = (uint8_t)low * 0x01010101u, highs = (uint8_t)high * 0x01010101u;
    const size_t stride = window->column_stride;
    size_t channel = 0;
    for (; channel + 4 <= channels; channel += 4) {
        uint32_t largest = lows;
        const int8_t *row = input + channel;
        for (size_t i = 0; i < window->rows; ++i, row += window->row_stride) {
            const int8_t *values = row;
            for (size_t left = window->columns; left != 0; --left, values += stride)
                largest = larger(load(values), largest);
        }
        largest = smaller(largest, highs);
        memcpy(output + channel, &largest, sizeof largest);
    }
    for (; channel < channels; ++channel) {
        int8_t largest = low;
        for (size_t i = 0; i < window->rows; ++i) {
            const int8_t *values = input + i * window->row_stride + channel;
            for (size_t left = window->columns; left != 0; --left, values += stride)
                largest = *values > largest ? *values : largest;
        }
        output[channel] = largest < high ? largest : high;
    }
}
