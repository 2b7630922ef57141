/* Every int8 function of one int8 value: LOGISTIC, TANH, RELU and its relatives, QUANTIZE from int8. */
#include "kernels/kernel.h"
#include "kernels/kernels.h"

typedef struct lookup_record {
    et_record header;
    uint32_t input, output, table; /* places; 256 bytes, indexed by the value taken for unsigned */
    int32_t count;
} lookup_record;

static int check(const et_model *model, const void *record)
{
    const lookup_record *lookup = record;
    return lookup->count >= 1 && et_can_read(model, lookup->input, (uint32_t)lookup->count, 1) &&
           et_can_write(model, lookup->output, (uint32_t)lookup->count, 1) && et_can_read(model, lookup->table, 256, 1);
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    const lookup_record *lookup = record;
    const uint8_t *input = et_at(model, workspace, lookup->input), *table = et_at(model, workspace, lookup->table);
    uint8_t *output = workspace + lookup->output;
    const size_t count = (size_t)lookup->count;
    for (size_t i = 0; i < count; ++i)
        output[i] = table[input[i]];
}

const et_kernel et_kernel_lookup = {12, sizeof(lookup_record) / 4, check, run};
