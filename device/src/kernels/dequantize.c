/* DEQUANTIZE to float32. */
#include "kernels/kernel.h"
#include "kernels/kernels.h"

typedef struct dequantize_record {
    et_record header;
    uint32_t input, output; /* places */
    int32_t count;
    float scale;
    int32_t zero;
} dequantize_record;

static int check(const et_model *model, const void *record)
{
    const dequantize_record *dequantize = record;
    return dequantize->count >= 1 && et_within(dequantize->zero, -128, 127) &&
           et_can_read(model, dequantize->input, (uint32_t)dequantize->count, 1) &&
           et_can_write(model, dequantize->output, (uint64_t)(uint32_t)dequantize->count * sizeof(float), 4);
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    const dequantize_record *dequantize = record;
    const int8_t *input = et_at(model, workspace, dequantize->input);
    float *output = (float *)(void *)(workspace + dequantize->output);
    for (int32_t i = 0; i < dequantize->count; ++i)
        output[i] = dequantize->scale * (float)(input[i] - dequantize->zero);
}

const et_kernel et_kernel_dequantize = {17, sizeof(dequantize_record) / 4, check, run};
