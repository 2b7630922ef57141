/* Cortex-M4: four rows at a time; a quad of the input is turned into pairs once for all four: 1.25 instructions a product
 * and the loop, which is entered as that of nn_columns.c. */
#include "nn_outputs.h"

/* What multiply_groups keeps beside its registers; the offsets are in its code. */
typedef struct groups {
    const int32_t *channels; /* 0; moves on */
    const int8_t *input;     /* 4 */
    uint32_t skip;           /* 8; bytes of code that the first turn leaves out */
    int8_t *output;          /* 12; moves on */
    uint32_t size;           /* 16; bytes of a group of rows */
    uint32_t count;          /* 20; of groups to go */
    int32_t rounding;        /* 24; an addend without its power of two */
    uint32_t low, high;      /* 28; twice */
    uint32_t is_clamped;     /* 36 */
    uint32_t *sums;          /* 40; not NULL: the sums of one group go there, and no outputs are made */
} groups;

#define QUAD_BYTES 80u

#define ROW(weights, sum)                                                                                              \
    "sxtb16 r12, " weights ", ror #8\n\t"                                                                              \
    "sxtb16 " weights ", " weights "\n\t"                                                                              \
    "smlad " sum ", " weights ", r6, " sum "\n\t"                                                                      \
    "smlad " sum ", r12, r7, " sum "\n\t"
#define QUAD                                                                                                           \
    "ldr r6, [r1], #4\n\t"                                                                                             \
    "ldmia.w r0!, {r2-r5}\n\t"                                                                                         \
    "sxtb16 r7, r6, ror #8\n\t"                                                                                        \
    "sxtb16 r6, r6\n\t" ROW("r2", "r8") ROW("r3", "r9") ROW("r4", "r10") ROW("r5", "r11")
#define QUADS QUAD QUAD QUAD QUAD
#define RESCALE_ROW(sum, multiplier)                                                                                   \
    "ldr r6, [r12], #4\n\t"                                                                                            \
    "mvns r6, r6\n\t"                                                                                                  \
    "lsl lr, r7, r6\n\t" ET_RESCALE(sum, multiplier, "lr", "r6")
#define RESCALE RESCALE_ROW("r8", "r2") RESCALE_ROW("r9", "r3") RESCALE_ROW("r10", "r4") RESCALE_ROW("r11", "r5")
#define CLAMP ET_CLAMP("r8", "r9", "r3", "r4") ET_CLAMP("r10", "r11", "r3", "r4")

/* r8 to r11: the sums. On the stack: what it was given. */
ET_NAKED static void multiply_groups(ET_NAKED_PARAMETER const int8_t *weights, ET_NAKED_PARAMETER groups *state)
{
    /* clang-format off */
    __asm volatile(
        "push {r4-r11, lr}\n\t"
        "sub sp, #4\n\t"
        "str r1, [sp]\n"
        "1:\n\t"
        "ldr r2, [r1]\n\t"
        "ldmia r2!, {r8-r11}\n\t"
        "str r2, [r1]\n\t"
        "ldr lr, [r1, #16]\n\t"
        "add lr, r0\n\t"
        "ldrd r1, r2, [r1, #4]\n\t"
        "add pc, r2\n\t" /* from behind the next instruction */
        "nop\n"
        "2:\n\t"
        QUADS
        "cmp r0, lr\n\t"
        "bne.w 2b\n\t"
        "ldr r1, [sp]\n\t"
        "ldr r2, [r1, #40]\n\t"
        "cbz r2, 3f\n\t"
        "stmia r2, {r8-r11}\n\t"
        "b 5f\n"
        "3:\n\t"
        "ldr r12, [r1]\n\t"
        "ldr r7, [r1, #24]\n\t"
        "ldmia r12!, {r2-r5}\n\t"
        RESCALE
        "str r12, [r1]\n\t"
        "ldr r2, [r1, #36]\n\t"
        "cbz r2, 4f\n\t"
        "ldrd r3, r4, [r1, #28]\n\t"
        CLAMP
        "4:\n\t"
        "ldr r2, [r1, #12]\n\t"
        "strb r8, [r2], #1\n\t"
        "strb r9, [r2], #1\n\t"
        "strb r10, [r2], #1\n\t"
        "strb r11, [r2], #1\n\t"
        "str r2, [r1, #12]\n\t"
        "ldr r2, [r1, #20]\n\t"
        "subs r2, #1\n\t"
        "str r2, [r1, #20]\n\t"
        "bne.w 1b\n"
        "5:\n\t"
        "add sp, #4\n\t"
        "pop {r4-r11, pc}");
    /* clang-format on */
}

void et_nn_dense(const et_nn_rows *rows, const int8_t *input, int8_t *output)
{
    const et_nn_range *range = &rows->range;
    const uint32_t quads = (rows->depth + 3) / 4, size = quads * 4 * ET_NN_DENSE_ROWS;
    uint32_t row = range->is_bounded ? rows->count & ~(ET_NN_DENSE_ROWS - 1) : 0;
    groups state = {.channels = rows->channels,
                    .input = input,
                    .skip = ((0u - quads) & 3u) * QUAD_BYTES,
                    .output = output,
                    .size = size,
                    .count = row / ET_NN_DENSE_ROWS,
                    .rounding = 2 * range->zero_point + 1,
                    .low = et_nn_twice(range->low),
                    .high = et_nn_twice(range->high),
                    .is_clamped = et_nn_is_clamped(range)};
    if (row > 0)
        multiply_groups(rows->weights, &state);
    for (; row < rows->count; row += ET_NN_DENSE_ROWS) { /* what multiply_groups makes no outputs of */
        uint32_t sums[ET_NN_DENSE_ROWS];
        const int32_t *channels = rows->channels + (size_t)3 * row;
        state.channels = channels;
        state.sums = sums;
        multiply_groups(rows->weights + (size_t)(row / ET_NN_DENSE_ROWS) * size, &state);
        for (unsigned r = 0; r < ET_NN_DENSE_ROWS && row + r < rows->count; ++r)
            output[row + r] =
                et_nn_output(sums[r], channels[ET_NN_DENSE_ROWS + r], channels[2 * ET_NN_DENSE_ROWS + r], range);
    }
}
