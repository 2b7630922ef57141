#include "kernels/nn.h"

static inline uint32_t dot(const int8_t a[4], const int8_t b[4])
{
    return (uint32_t)(a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]);
}

void et_nn_dense(const et_nn_rows *rows, const int8_t *input, int8_t *output)
{
    const int8_t *weights = rows->weights;
    const int32_t *channels = rows->channels;
    const uint32_t quads = (rows->depth + 3) / 4;
    for (uint32_t row = 0; row < rows->count; row += ET_NN_DENSE_ROWS, channels += 3 * ET_NN_DENSE_ROWS) {
        uint32_t sums[ET_NN_DENSE_ROWS] = {(uint32_t)channels[0], (uint32_t)channels[1], (uint32_t)channels[2],
                                           (uint32_t)channels[3]};
        const int8_t *values = input;
        for (uint32_t quad = 0; quad < quads; ++quad, weights += 4 * ET_NN_DENSE_ROWS, values += 4) {
            sums[0] += dot(weights, values);
            sums[1] += dot(weights + 4, values);
            sums[2] += dot(weights + 8, values);
            sums[3] += dot(weights + 12, values);
        }
        for (unsigned r = 0; r < ET_NN_DENSE_ROWS && row + r < rows->count; ++r)
            output[row + r] =
                et_nn_output(sums[r], channels[ET_NN_DENSE_ROWS + r], channels[2 * ET_NN_DENSE_ROWS + r], &rows->range);
    }
}
