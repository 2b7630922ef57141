#include "kernels/pool.h"

int et_can_pool(const et_model *model, const pool_record *pool)
{
    for (unsigned i = 0; i < 2; ++i)
        if (!et_within(pool->shape[i], 1, ET_POOL_MOST) || !et_within(pool->output_shape[i], 1, ET_POOL_MOST) ||
            !et_within(pool->filter[i], 1, ET_POOL_MOST) || !et_within(pool->stride[i], 1, ET_POOL_MOST_STRIDE) ||
            !et_within(pool->padding[i], 0, ET_POOL_MOST))
            return 0;
    const uint64_t inputs = et_volume(pool->shape, 3), outputs = et_volume(pool->output_shape, 3);
    const uint64_t pixels = et_volume(pool->filter, 2);
    return pool->shape[2] == pool->output_shape[2] && pixels != 0 && pixels <= ET_POOL_MOST_PIXELS &&
           et_within(pool->low, -128, 127) && et_within(pool->high, -128, 127) && inputs != 0 && outputs != 0 &&
           et_can_read(model, pool->input, inputs, 1) && et_can_write(model, pool->output, outputs, 1);
}

/* The part of an output's filter that lies on the image along an axis: from *first on, as many as are returned. */
static size_t clip(const pool_record *pool, unsigned axis, int32_t position, size_t *first)
{
    const int32_t start = position * pool->stride[axis] - pool->padding[axis], end = start + pool->filter[axis];
    const int32_t from = start < 0 ? 0 : start, to = end < pool->shape[axis] ? end : pool->shape[axis];
    *first = from < to ? (size_t)from : 0;
    return from < to ? (size_t)(to - from) : 0;
}

void et_walk_outputs(const et_model *model, const pool_record *pool, uint8_t *workspace, et_pool_output compute)
{
    const int8_t *input = et_at(model, workspace, pool->input);
    int8_t *output = (int8_t *)workspace + pool->output;
    const size_t channels = (size_t)pool->shape[2];
    et_window window = {0, 0, (size_t)pool->shape[1] * channels, channels};
    for (int32_t y = 0; y < pool->output_shape[0]; ++y) {
        size_t top, left;
        window.rows = clip(pool, 0, y, &top);
        for (int32_t x = 0; x < pool->output_shape[1]; ++x, output += channels) {
            window.columns = clip(pool, 1, x, &left);
            compute(pool, input + top * window.row_stride + left * channels, &window, output);
        }
    }
}
