/* What kernels of two int8 operands share: one element against one, with broadcasting. */
#ifndef EDGETWIN_ELEMENTWISE_H
#define EDGETWIN_ELEMENTWISE_H

#include "kernels/kernel.h"
#include "kernels/rescale.h"
#include "kernels/walk.h"

#include <stddef.h>

/* How a record of two operands begins: loops, outermost first, the last of which is a run of the output. The host merges
 * dimensions: operands of one shape are one run. */
typedef struct et_operands {
    et_record header;
    uint32_t a, b, output; /* places */
    int32_t sizes[ET_WALK_LOOPS + 1];
    int32_t a_strides[ET_WALK_LOOPS + 1],
        b_strides[ET_WALK_LOOPS + 1]; /* the last: 1, or 0 where one value meets all */
} et_operands;

/* Computes a run of `count` outputs. */
typedef void (*et_run)(const void *record, const int8_t *a, size_t a_step, const int8_t *b, size_t b_step,
                       int8_t *output, size_t count);

/* Nonzero if operands and output lie inside. */
int et_can_walk(const et_model *model, const et_operands *operands);

/* Calls `run` for each run of the output. */
void et_walk_runs(const et_model *model, const et_operands *operands, uint8_t *workspace, et_run run);

/* Addition in TFLite's arithmetic: both operands are brought to twice the larger scale, times 2^20. For that one, `a`, it is
 * a product with 2^19. */
typedef struct et_addition {
    int32_t a_factor, a_zero;                        /* 2^19 or -2^19 */
    int32_t b_factor, b_zero, b_multiplier, b_shift; /* 1 or -1; right shift 0 .. 31 */
    int32_t multiplier, shift, zero, low, high;      /* of the output; right shift 0 .. 31 */
} et_addition;

static inline int8_t et_added(const et_addition *addition, int32_t a, int32_t b)
{
    const int32_t scaled = et_doubling_high((b - addition->b_zero) * (1 << 20), addition->b_multiplier);
    const int32_t shifted = et_rounding_shift(scaled, (int)addition->b_shift);
    const int32_t sum = (a - addition->a_zero) * addition->a_factor + shifted * addition->b_factor;
    const int32_t value = et_rounding_shift(et_doubling_high(sum, addition->multiplier), (int)addition->shift);
    return (int8_t)et_clamp(value + addition->zero, addition->low, addition->high);
}

/* output[i] = a[i * a_step] + b[i * b_step], requantised. The output may be `a` or `b`, or begin below them. */
void et_nn_add(const et_addition *addition, const int8_t *a, size_t a_step, const int8_t *b, size_t b_step,
               int8_t *output, size_t count);

#endif
