/* MUL. */
#include "kernels/elementwise.h"
#include "kernels/kernels.h"
#include "kernels/rescale.h"

typedef struct multiply_record {
    et_operands operands;
    int32_t a_zero, b_zero;
    int32_t multiplier, shift, zero, low, high;
} multiply_record;

static int check(const et_model *model, const void *record)
{
    const multiply_record *multiply = record;
    return et_within(multiply->a_zero, -128, 127) && et_within(multiply->b_zero, -128, 127) &&
           et_within(multiply->shift, -31, 30) && et_within(multiply->zero, -128, 127) &&
           et_within(multiply->low, -128, 127) && et_within(multiply->high, -128, 127) &&
           et_can_walk(model, &multiply->operands);
}

static void multiply_run(const void *record, const int8_t *a, size_t a_step, const int8_t *b, size_t b_step,
                         int8_t *output, size_t count)
{
    const multiply_record *multiply = record;
    const int32_t multiplier = multiply->multiplier, zero = multiply->zero, low = multiply->low - zero;
    const int32_t a_zero = multiply->a_zero, b_zero = multiply->b_zero, high = multiply->high - zero;
    const int shift = (int)multiply->shift;
    for (size_t i = 0; i < count; ++i, a += a_step, b += b_step) {
        const int32_t product = et_rescale((*a - a_zero) * (*b - b_zero), multiplier, shift);
        output[i] = (int8_t)(et_clamp(product, low, high) + zero);
    }
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    et_walk_runs(model, record, workspace, multiply_run);
}

const et_kernel et_kernel_multiply = {5, sizeof(multiply_record) / 4, check, run};
