/* Cortex-M4: SMMULR of a doubled operand is gemmlowp's doubling high product. */
#include "kernels/elementwise.h"

static inline int32_t high_product(int32_t doubled, int32_t multiplier)
{
    int32_t product;
    __asm("smmulr %0, %1, %2" : "=r"(product) : "r"(doubled), "r"(multiplier));
    return product;
}

/* A rounded shift to the right by 1 or more; `half` is half a step of the result, and may hold what is added to it. */
static inline int32_t shift_right(int32_t x, int32_t half, int32_t shift)
{
    return (x - (x < 0) + half) >> shift; /* halves away from zero */
}

/* Runs of neighbours, with all zero points in the constants. */
static void add_neighbours(const et_addition *addition, const int8_t *a, const int8_t *b, int8_t *output, size_t count)
{
    const int32_t low = addition->low, high = addition->high;
    /* b's product, doubled; and once more where there is no shift, for a shift by 1: then the product is exact. */
    const int32_t b_shift = addition->b_shift + (addition->b_shift == 0);
    const int32_t b_scale = addition->b_shift == 0 ? 1 << 22 : 1 << 21, b_constant = -addition->b_zero * b_scale;
    const int32_t b_multiplier = addition->b_multiplier, b_half = 1 << (b_shift - 1);
    /* The sum, doubled. */
    const int32_t a_factor = addition->a_factor * 2, b_factor = addition->b_factor * 2;
    const int32_t constant = -addition->a_zero * a_factor;
    const int32_t multiplier = addition->multiplier, shift = addition->shift;
    const int32_t half = (1 << (shift - 1)) + addition->zero * (1 << shift);
    for (const int8_t *const end = output + count; output != end;) {
        const int32_t scaled = high_product(*b++ * b_scale + b_constant, b_multiplier);
        const int32_t sum = *a++ * a_factor + constant + shift_right(scaled, b_half, b_shift) * b_factor;
        const int32_t value = shift_right(high_product(sum, multiplier), half, shift);
        *output++ = (int8_t)et_clamp(value, low, high);
    }
}

void et_nn_add(const et_addition *addition, const int8_t *a, size_t a_step, const int8_t *b, size_t b_step,
               int8_t *output, size_t count)
{
    /* A sum is below 2^28: up to a shift of 23 the zero point can be added before it. */
    const int exact_b = addition->b_shift != 0 || addition->b_multiplier == 1 << 30;
    if (a_step == 1 && b_step == 1 && exact_b && addition->b_shift < 31 && et_within(addition->shift, 1, 23)) {
        add_neighbours(addition, a, b, output, count);
        return;
    }
    const et_addition local = *addition;
    for (size_t i = 0; i < count; ++i, a += a_step, b += b_step)
        output[i] = et_added(&local, *a, *b);
}
