/* dense.c for models that are packed for Helium. */
#include "kernels/kernel.h"
#include "kernels/kernels.h"
#include "kernels/nn.h"

typedef struct dense_helium_record {
    et_record header;
    uint32_t input, output, weights, channels;
    int32_t inputs, outputs;
    int32_t output_zero_point, low, high, is_bounded;
} dense_helium_record;

static int check(const et_model *model, const void *record)
{
    const dense_helium_record *r = record;
    if (!et_within(r->inputs, 1, 1 << 24) || !et_within(r->outputs, 1, 1 << 24) ||
        !et_within(r->output_zero_point, -128, 127) || !et_within(r->low, -128, 127) || !et_within(r->high, -128, 127))
        return 0;
    const uint64_t inputs = (uint32_t)r->inputs, outputs = (uint32_t)r->outputs;
    const uint64_t groups = (outputs + ET_NN_HELIUM_ROWS - 1) / ET_NN_HELIUM_ROWS;
    return et_can_read(model, r->input, inputs, 1) && et_can_write(model, r->output, outputs, 1) &&
           et_can_read(model, r->weights, groups * ET_NN_HELIUM_ROWS * inputs, 1) &&
           et_nn_check_channels(model, r->channels, (uint32_t)outputs, ET_NN_HELIUM_ROWS);
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    const dense_helium_record *r = record;
    const et_nn_rows rows = {.weights = et_at(model, workspace, r->weights),
                             .channels = et_at(model, workspace, r->channels),
                             .depth = (uint32_t)r->inputs,
                             .count = (uint32_t)r->outputs,
                             .range = {r->output_zero_point, r->low, r->high, r->is_bounded}};
    et_nn_dense_helium(&rows, et_at(model, workspace, r->input), (int8_t *)workspace + r->output);
}

const et_kernel et_kernel_dense_helium = {35, sizeof(dense_helium_record) / 4, check, run};
