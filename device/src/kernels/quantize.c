/* QUANTIZE from float32. */
#include "float_bits.h"
#include "kernels/kernel.h"
#include "kernels/kernels.h"
#include "kernels/rescale.h"

typedef struct quantize_record {
    et_record header;
    uint32_t input, output; /* places */
    int32_t count;
    float scale;
    int32_t zero;
} quantize_record;

static int check(const et_model *model, const void *record)
{
    const quantize_record *quantize = record;
    return quantize->count >= 1 && quantize->scale > 0.0f && et_float_finite(quantize->scale) &&
           et_within(quantize->zero, -128, 127) &&
           et_can_read(model, quantize->input, (uint64_t)(uint32_t)quantize->count * sizeof(float), 4) &&
           et_can_write(model, quantize->output, (uint32_t)quantize->count, 1);
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    const quantize_record *quantize = record;
    const float *input = et_at(model, workspace, quantize->input);
    int8_t *output = (int8_t *)workspace + quantize->output;
    for (int32_t i = 0; i < quantize->count; ++i)
        output[i] = et_quantize(input[i], quantize->scale, quantize->zero);
}

const et_kernel et_kernel_quantize = {16, sizeof(quantize_record) / 4, check, run};
