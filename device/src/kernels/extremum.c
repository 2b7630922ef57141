/* MAXIMUM and MINIMUM. */
#include "kernels/elementwise.h"
#include "kernels/kernels.h"

typedef struct extremum_record {
    et_operands operands;
    int32_t flip; /* 0 for the larger, -1 for the smaller: the order of ~x is the reverse of x's */
} extremum_record;

static int check(const et_model *model, const void *record)
{
    const extremum_record *extremum = record;
    return et_within(extremum->flip, -1, 0) && et_can_walk(model, &extremum->operands);
}

static void extremum_run(const void *record, const int8_t *a, size_t a_step, const int8_t *b, size_t b_step,
                         int8_t *output, size_t count)
{
    const int32_t flip = ((const extremum_record *)record)->flip;
    for (size_t i = 0; i < count; ++i, a += a_step, b += b_step)
        output[i] = (*a ^ flip) > (*b ^ flip) ? *a : *b;
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    et_walk_runs(model, record, workspace, extremum_run);
}

const et_kernel et_kernel_extremum = {6, sizeof(extremum_record) / 4, check, run};
