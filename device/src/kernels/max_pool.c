/* MAX_POOL_2D. */
#include "kernels/kernels.h"
#include "kernels/pool.h"

static int check(const et_model *model, const void *record) { return et_can_pool(model, record); }

static void largest(const pool_record *pool, const int8_t *input, const et_window *window, int8_t *output)
{
    et_nn_max(input, window, (size_t)pool->shape[2], (int8_t)pool->low, (int8_t)pool->high, output);
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    et_walk_outputs(model, record, workspace, largest);
}

const et_kernel et_kernel_max_pool = {7, sizeof(pool_record) / 4, check, run};
