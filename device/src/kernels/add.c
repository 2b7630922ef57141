/* ADD and SUB. */
#include "kernels/elementwise.h"
#include "kernels/kernels.h"

typedef struct add_record {
    et_operands operands;
    et_addition addition;
} add_record;

static int check(const et_model *model, const void *record)
{
    const add_record *add = record;
    const et_addition *addition = &add->addition;
    return (addition->a_factor == 1 << 19 || addition->a_factor == -(1 << 19)) &&
           (addition->b_factor == 1 || addition->b_factor == -1) && et_within(addition->a_zero, -128, 127) &&
           et_within(addition->b_zero, -128, 127) && et_within(addition->b_shift, 0, 31) &&
           et_within(addition->shift, 0, 31) && et_within(addition->zero, -128, 127) &&
           et_within(addition->low, -128, 127) && et_within(addition->high, -128, 127) &&
           et_can_walk(model, &add->operands);
}

static void add_run(const void *record, const int8_t *a, size_t a_step, const int8_t *b, size_t b_step, int8_t *output,
                    size_t count)
{
    const add_record *add = record;
    et_nn_add(&add->addition, a, a_step, b, b_step, output, count);
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    et_walk_runs(model, record, workspace, add_run);
}

const et_kernel et_kernel_add = {4, sizeof(add_record) / 4, check, run};
