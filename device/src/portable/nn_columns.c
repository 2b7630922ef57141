#include "kernels/nn.h"

void et_nn_expand(const int8_t *bytes, size_t step, uint32_t runs, uint32_t quads, int16_t *column)
{
    for (uint32_t run = 0; run < runs; ++run) {
        const int8_t *from = bytes + run * step;
        for (uint32_t quad = 0; quad < quads; ++quad, from += 4, column += 4 * ET_NN_COLUMNS)
            for (unsigned i = 0; i < 4; ++i)
                column[i] = from[i];
    }
}

static inline uint32_t dot(const int8_t weights[4], const int16_t values[4])
{
    return (uint32_t)(weights[0] * values[0] + weights[1] * values[1] + weights[2] * values[2] +
                      weights[3] * values[3]);
}

void et_nn_multiply(const et_nn_rows *rows, const int16_t *columns, int8_t *const pixels[ET_NN_COLUMNS])
{
    const int8_t *weights = rows->weights;
    const int32_t *channels = rows->channels;
    const uint32_t quads = (rows->depth + 3) / 4;
    for (uint32_t row = 0; row < rows->count; row += 2, channels += 6) {
        uint32_t a0 = (uint32_t)channels[0], a1 = a0, a2 = a0;
        uint32_t b0 = (uint32_t)channels[1], b1 = b0, b2 = b0;
        const int16_t *column = columns;
        for (uint32_t quad = 0; quad < quads; ++quad, weights += 8, column += 4 * ET_NN_COLUMNS) {
            a0 += dot(weights, column);
            b0 += dot(weights + 4, column);
            a1 += dot(weights, column + 4);
            b1 += dot(weights + 4, column + 4);
            a2 += dot(weights, column + 8);
            b2 += dot(weights + 4, column + 8);
        }
        const uint32_t sums[ET_NN_COLUMNS][2] = {{a0, b0}, {a1, b1}, {a2, b2}};
        for (unsigned c = 0; c < ET_NN_COLUMNS; ++c) {
            pixels[c][row] = et_nn_output(sums[c][0], channels[2], channels[4], &rows->range);
            if (row + 1 < rows->count)
                pixels[c][row + 1] = et_nn_output(sums[c][1], channels[3], channels[5], &rows->range);
        }
    }
}
