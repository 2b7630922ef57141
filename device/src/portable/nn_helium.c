/* What Helium computes, for hosts that run models packed for it. */
#include "kernels/nn.h"

static uint32_t dot(const int8_t *a, const int8_t *b, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; ++i)
        sum += (uint32_t)(a[i] * b[i]);
    return sum;
}

void et_nn_multiply_helium(const et_nn_rows *rows, const int8_t *columns, int8_t *const pixels[ET_NN_COLUMNS])
{
    for (unsigned c = 0; c < ET_NN_COLUMNS; ++c)
        et_nn_dense_helium(rows, columns + (size_t)c * rows->depth, pixels[c]);
}

void et_nn_dense_helium(const et_nn_rows *rows, const int8_t *input, int8_t *output)
{
    for (uint32_t row = 0; row < rows->count; ++row) {
        const int32_t *group = rows->channels + (size_t)(row / ET_NN_HELIUM_ROWS) * 3 * ET_NN_HELIUM_ROWS;
        const int32_t *channel = group + row % ET_NN_HELIUM_ROWS;
        const uint32_t sum = dot(rows->weights + (size_t)row * rows->depth, input, rows->depth);
        output[row] = et_nn_output((uint32_t)channel[0] + sum, channel[ET_NN_HELIUM_ROWS],
                                   channel[2 * ET_NN_HELIUM_ROWS], &rows->range);
    }
}

void et_nn_taps_helium(const et_nn_rows *rows, const int8_t *pixel, const uint32_t *offsets, int8_t *output)
{
    for (uint32_t c = 0; c < rows->count; ++c) {
        const size_t group = c / ET_NN_HELIUM_LANES, lane = c % ET_NN_HELIUM_LANES;
        const int32_t *channel = rows->channels + group * 3 * ET_NN_HELIUM_LANES + lane;
        const int8_t *weights = rows->weights + group * rows->depth * ET_NN_HELIUM_LANES + lane;
        uint32_t sum = (uint32_t)channel[0];
        for (uint32_t tap = 0; tap < rows->depth; ++tap)
            sum += (uint32_t)(pixel[(size_t)offsets[tap] + c] * weights[(size_t)tap * ET_NN_HELIUM_LANES]);
        output[c] = et_nn_output(sum, channel[ET_NN_HELIUM_LANES], channel[2 * ET_NN_HELIUM_LANES], &rows->range);
    }
}
