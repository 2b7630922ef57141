/* MEAN. */
#include "kernels/kernel.h"
#include "kernels/kernels.h"
#include "kernels/rescale.h"
#include "kernels/window.h"

/* The input's dimensions, sorted into those that stay and those that are summed over, outermost first; neighbours are
 * merged. The output's elements lie in the order of the kept ones. */
typedef struct mean_record {
    et_record header;
    uint32_t input, output; /* places */
    int32_t kept[3], kept_strides[3];
    int32_t summed[3], summed_strides[3];
    int32_t offset;                  /* of a sum: minus the input's zero point times the values in it */
    int32_t multiplier, shift, zero; /* the multiplier divides by the values, too */
} mean_record;

static int check(const et_model *model, const void *record)
{
    const mean_record *mean = record;
    const uint64_t outputs = et_volume(mean->kept, 3);
    const uint64_t values = et_volume(mean->summed, 3);
    if (outputs == 0 || values == 0 || values > 1 << 24)
        return 0;
    uint64_t last = 0;
    for (unsigned i = 0; i < 3; ++i) {
        if (mean->kept_strides[i] < 0 || mean->summed_strides[i] < 0)
            return 0;
        last += (uint64_t)(mean->kept[i] - 1) * (uint32_t)mean->kept_strides[i];
        last += (uint64_t)(mean->summed[i] - 1) * (uint32_t)mean->summed_strides[i];
    }
    return outputs * values <= last + 1 && et_within(mean->shift, -31, 30) && et_within(mean->zero, -128, 127) &&
           et_can_read(model, mean->input, last + 1, 1) && et_can_write(model, mean->output, outputs, 1);
}

/* Up to 4 neighbouring outputs. */
static void means(const mean_record *mean, const int8_t *input, size_t some, int8_t *output)
{
    const et_window window = {(size_t)mean->summed[1], (size_t)mean->summed[2], (size_t)mean->summed_strides[1],
                              (size_t)mean->summed_strides[2]};
    int32_t sums[4] = {0};
    for (int32_t i = 0; i < mean->summed[0]; ++i)
        et_nn_sums(input + (size_t)i * (size_t)mean->summed_strides[0], &window, some, sums);
    const int32_t low = -128 - mean->zero, high = 127 - mean->zero;
    for (size_t i = 0; i < some; ++i) {
        const int32_t sum = (int32_t)((uint32_t)sums[i] + (uint32_t)mean->offset);
        const int32_t value = et_clamp(et_rescale(sum, mean->multiplier, (int)mean->shift), low, high);
        output[i] = (int8_t)(value + mean->zero);
    }
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    const mean_record *mean = record;
    const int8_t *input = et_at(model, workspace, mean->input);
    int8_t *output = (int8_t *)workspace + mean->output;
    const size_t count = (size_t)mean->kept[2], stride = (size_t)mean->kept_strides[2], most = stride == 1 ? 4 : 1;
    for (int32_t i = 0; i < mean->kept[0]; ++i)
        for (int32_t j = 0; j < mean->kept[1]; ++j, output += count) {
            const int8_t *first =
                input + (size_t)i * (size_t)mean->kept_strides[0] + (size_t)j * (size_t)mean->kept_strides[1];
            for (size_t k = 0; k < count; k += most)
                means(mean, first + k * stride, count - k < most ? count - k : most, output + k);
        }
}

const et_kernel et_kernel_mean = {9, sizeof(mean_record) / 4, check, run};
