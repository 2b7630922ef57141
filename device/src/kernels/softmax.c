/* SOFTMAX: exp((x - largest) * beta * scale) over its sum, in gemmlowp's fixed point. The exponentials are a table that the
 * host made; the reciprocal of the sum is found here. */
#include "kernels/kernel.h"
#include "kernels/kernels.h"
#include "kernels/rescale.h"

#define SUM_SHIFT 12      /* of an exponential in a sum: Q12.19 */
#define MOST_DEPTH 4095   /* above it a sum could overflow */
#define NEAREST (1 << 30) /* the least that exp(0) may be, so that no sum is 0 */

typedef struct softmax_record {
    et_record header;
    uint32_t input, output; /* places */
    int32_t rows, depth;
    uint32_t table; /* 256 int32: exp of 0, -1, ... steps of the input, Q0.31 */
} softmax_record;

static int check(const et_model *model, const void *record)
{
    const softmax_record *softmax = record;
    const int32_t dimensions[2] = {softmax->rows, softmax->depth};
    const uint64_t elements = et_volume(dimensions, 2);
    if (elements == 0 || softmax->depth > MOST_DEPTH || !et_can_read(model, softmax->input, elements, 1) ||
        !et_can_write(model, softmax->output, elements, 1) || (softmax->table & ET_CONSTANT) == 0 ||
        !et_can_read(model, softmax->table, 256 * sizeof(int32_t), 4))
        return 0;
    const int32_t *table = (const void *)(model->constants + (softmax->table & ~ET_CONSTANT));
    for (unsigned i = 0; i < 256; ++i)
        if (table[i] < 0)
            return 0;
    return table[0] >= NEAREST;
}

/* x * 2^exponent, saturated as gemmlowp does. */
static int32_t shifted_left(int32_t x, int exponent)
{
    const int32_t most = (INT32_MAX >> exponent);
    return x > most ? INT32_MAX : x < -most ? INT32_MIN : x * (1 << exponent);
}

/* 1 / (1 + x) for x in [0, 1), Q0.31: three steps of Newton and Raphson on (1 + x) / 2. */
static int32_t one_over_one_plus(uint32_t x)
{
    const int32_t half = (int32_t)((x + 0x80000000u) >> 1);
    int32_t guess = 1515870810 + et_doubling_high(half, -1010580540); /* 48/17 - 32/17 half, Q2.29 */
    for (unsigned i = 0; i < 3; ++i) {
        const int32_t error = (1 << 29) - et_doubling_high(half, guess);
        guess += shifted_left(et_doubling_high(guess, error), 2);
    }
    return shifted_left(guess, 1);
}

/* Differences are cut to a byte: the output may lie over the input in ways that only a hostile record has. */
static void softmax_row(const int8_t *input, size_t depth, const int32_t *table, int8_t *output)
{
    int32_t largest = -128;
    for (size_t i = 0; i < depth; ++i)
        largest = input[i] > largest ? input[i] : largest;
    uint32_t sum = 0;
    for (size_t i = 0; i < depth; ++i)
        sum += (uint32_t)et_rounding_shift(table[(uint8_t)(largest - input[i])], SUM_SHIFT);
    int headroom = 0;
    for (; (sum & 0x80000000u) == 0; sum <<= 1)
        ++headroom;
    const int32_t scale = one_over_one_plus(sum & 0x7FFFFFFFu);
    const int shift = SUM_SHIFT - headroom + 31 - 8; /* down to steps of 1/256: 22 .. 34 */
    const uint64_t half = UINT64_C(1) << (shift - 1);
    for (size_t i = 0; i < depth; ++i) {
        const int32_t product = et_doubling_high(scale, table[(uint8_t)(largest - input[i])]);
        const int32_t share = (int32_t)(((uint32_t)product + half) >> shift);
        output[i] = (int8_t)et_clamp(share - 128, -128, 127);
    }
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    const softmax_record *softmax = record;
    const int8_t *input = et_at(model, workspace, softmax->input);
    const int32_t *table = et_at(model, workspace, softmax->table);
    int8_t *output = (int8_t *)workspace + softmax->output;
    const size_t depth = (size_t)softmax->depth;
    for (int32_t row = 0; row < softmax->rows; ++row, input += depth, output += depth)
        softmax_row(input, depth, table, output);
}

const et_kernel et_kernel_softmax = {13, sizeof(softmax_record) / 4, check, run};
