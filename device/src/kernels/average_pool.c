/* AVERAGE_POOL_2D: sums are divided by how many pixels lie on the image, halves away from zero. */
#include "kernels/kernels.h"
#include "kernels/pool.h"
#include "kernels/rescale.h"

static int check(const et_model *model, const void *record) { return et_can_pool(model, record); }

/* Up to 4 channels of one output. */
static void averages(const pool_record *pool, const int8_t *input, const et_window *window, size_t some, int8_t *output)
{
    const int32_t count = window->rows != 0 && window->columns != 0 ? (int32_t)(window->rows * window->columns) : 1;
    int32_t sums[4] = {0};
    et_nn_sums(input, window, some, sums);
    for (size_t i = 0; i < some; ++i) {
        const int32_t mean = (sums[i] + (sums[i] > 0 ? count / 2 : -(count / 2))) / count;
        output[i] = (int8_t)et_clamp(mean, pool->low, pool->high);
    }
}

static void average(const pool_record *pool, const int8_t *input, const et_window *window, int8_t *output)
{
    const size_t channels = (size_t)pool->shape[2];
    for (size_t c = 0; c < channels; c += 4)
        averages(pool, input + c, window, channels - c < 4 ? channels - c : 4, output + c);
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    et_walk_outputs(model, record, workspace, average);
}

const et_kernel et_kernel_average_pool = {8, sizeof(pool_record) / 4, check, run};
