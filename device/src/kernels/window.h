/* Rectangles of a tensor whose channels lie side by side. */
#ifndef EDGETWIN_WINDOW_H
#define EDGETWIN_WINDOW_H

#include <stddef.h>
#include <stdint.h>

typedef struct et_window {
    size_t rows, columns;
    size_t row_stride, column_stride; /* bytes */
} et_window;

/* output[c] = the largest of the window's values of channel c, held to low .. high. The output may begin at the input, or
 * below it. */
void et_nn_max(const int8_t *input, const et_window *window, size_t channels, int8_t low, int8_t high, int8_t *output);

/* Adds the window's values to sums[0 .. channels - 1]; 1 to 4 channels, at most 2^24 values to a sum. */
void et_nn_sums(const int8_t *input, const et_window *window, size_t channels, int32_t sums[4]);

#endif
