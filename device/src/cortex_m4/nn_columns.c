/* Cortex-M4: two rows by three columns at a time, six sums in registers; SXTB16 turns four weights into two pairs, SMLAD
 * adds two products: 0.83 instructions a product and the loop. A quad of a column is 0, 2, 1, 3, as SXTB16 takes it apart.
 * The loop makes four quads a turn and is entered behind those that the first turn lacks. */
#include "nn_outputs.h"

/* What multiply_pairs keeps beside its registers; the offsets are in its code. */
typedef struct pairs {
    int8_t *pixels[ET_NN_COLUMNS]; /* 0; move on */
    const int32_t *channels;       /* 12; moves on */
    const int16_t *columns;        /* 16 */
    uint32_t skip;                 /* 20; bytes of code that the first turn leaves out */
    uint32_t size;                 /* 24; bytes of a pair of rows */
    uint32_t count;                /* 28; of pairs to go */
    int32_t rounding;              /* 32; an addend without its power of two */
    uint32_t low, high;            /* 36; twice */
    uint32_t is_clamped;           /* 44 */
    uint32_t *sums;                /* 48; not NULL: the sums of one pair go there, and no outputs are made */
} pairs;

#define QUAD_BYTES 80u

#define COLUMN(first, second)                                                                                          \
    "ldrd r6, r7, [r1], #8\n\t"                                                                                        \
    "smlad " first ", r2, r6, " first "\n\t"                                                                           \
    "smlad " second ", r3, r6, " second "\n\t"                                                                         \
    "smlad " first ", r4, r7, " first "\n\t"                                                                           \
    "smlad " second ", r5, r7, " second "\n\t"
#define QUAD                                                                                                           \
    "ldrd r2, r3, [r0], #8\n\t"                                                                                        \
    "sxtb16 r4, r2, ror #8\n\t"                                                                                        \
    "sxtb16 r2, r2\n\t"                                                                                                \
    "sxtb16 r5, r3, ror #8\n\t"                                                                                        \
    "sxtb16 r3, r3\n\t" COLUMN("r8", "r9") COLUMN("r10", "r11") COLUMN("r12", "lr")
#define QUADS QUAD QUAD QUAD QUAD
#define RESCALE_FIRST                                                                                                  \
    ET_RESCALE("r8", "r3", "r1", "r6") ET_RESCALE("r10", "r3", "r1", "r6") ET_RESCALE("r12", "r3", "r1", "r6")
#define RESCALE_SECOND                                                                                                 \
    ET_RESCALE("r9", "r5", "r1", "r7") ET_RESCALE("r11", "r5", "r1", "r7") ET_RESCALE("lr", "r5", "r1", "r7")
#define CLAMP ET_CLAMP("r8", "r9", "r3", "r4") ET_CLAMP("r10", "r11", "r3", "r4") ET_CLAMP("r12", "lr", "r3", "r4")

/* r8 to r12 and lr: the sums of both rows for the first column, the second, the third. On the stack: what it was given,
 * and where the pair's weights end. */
ET_NAKED static void multiply_pairs(ET_NAKED_PARAMETER const int8_t *weights, ET_NAKED_PARAMETER pairs *state)
{
    /* clang-format off */
    __asm volatile(
        "push {r4-r11, lr}\n\t"
        "sub sp, #12\n\t"
        "str r1, [sp]\n"
        "1:\n\t"
        "ldr r2, [r1, #12]\n\t"
        "ldrd r8, r9, [r2], #8\n\t"
        "str r2, [r1, #12]\n\t"
        "mov r10, r8\n\t"
        "mov r11, r9\n\t"
        "mov r12, r8\n\t"
        "mov lr, r9\n\t"
        "ldr r2, [r1, #24]\n\t"
        "add r2, r0\n\t"
        "str r2, [sp, #4]\n\t"
        "ldrd r1, r2, [r1, #16]\n\t"
        "add pc, r2\n\t" /* from behind the next instruction */
        "nop\n"
        "2:\n\t"
        QUADS
        "ldr r2, [sp, #4]\n\t"
        "cmp r0, r2\n\t"
        "bne.w 2b\n\t"
        "ldr r2, [sp]\n\t"
        "ldr r3, [r2, #48]\n\t"
        "cbz r3, 3f\n\t"
        "stmia r3, {r8-r12, lr}\n\t"
        "b 5f\n"
        "3:\n\t"
        "ldr r4, [r2, #12]\n\t"
        "ldmia r4!, {r3, r5, r6, r7}\n\t" /* multipliers, shifts */
        "str r4, [r2, #12]\n\t"
        "ldr r4, [r2, #32]\n\t"
        "mvns r6, r6\n\t"
        "lsl r1, r4, r6\n\t"
        RESCALE_FIRST
        "mvns r7, r7\n\t"
        "lsl r1, r4, r7\n\t"
        RESCALE_SECOND
        "ldr r5, [r2, #44]\n\t"
        "cbz r5, 4f\n\t"
        "ldrd r3, r4, [r2, #36]\n\t"
        CLAMP
        "4:\n\t"
        "ldmia.w r2, {r3, r4, r5}\n\t"
        "strb r8, [r3], #1\n\t"
        "strb r9, [r3], #1\n\t"
        "strb r10, [r4], #1\n\t"
        "strb r11, [r4], #1\n\t"
        "strb r12, [r5], #1\n\t"
        "strb lr, [r5], #1\n\t"
        "stmia.w r2, {r3, r4, r5}\n\t"
        "ldr r3, [r2, #28]\n\t"
        "subs r3, #1\n\t"
        "str r3, [r2, #28]\n\t"
        "mov r1, r2\n\t"
        "bne.w 1b\n"
        "5:\n\t"
        "add sp, #12\n\t"
        "pop {r4-r11, pc}");
    /* clang-format on */
}

#define EXPAND                                                                                                         \
    "ldr r3, [r5], #4\n\t"                                                                                             \
    "sxtb16 r4, r3\n\t"                                                                                                \
    "sxtb16 r3, r3, ror #8\n\t"                                                                                        \
    "strd r4, r3, [%[column]], #24\n\t"

void et_nn_expand(const int8_t *bytes, size_t step, uint32_t runs, uint32_t quads, int16_t *column)
{
    /* clang-format off */
    __asm volatile(
        "1:\n\t"
        "mov r5, %[bytes]\n\t"
        "add %[bytes], %[step]\n\t"
        "lsrs r6, %[quads], #1\n\t"
        "bcc 2f\n\t" /* an even number */
        EXPAND
        "cbz r6, 3f\n"
        "2:\n\t"
        EXPAND
        EXPAND
        "subs r6, #1\n\t"
        "bne 2b\n"
        "3:\n\t"
        "subs %[runs], #1\n\t"
        "bne 1b"
        : [bytes] "+r"(bytes), [runs] "+r"(runs), [column] "+r"(column)
        : [step] "r"(step), [quads] "r"(quads)
        : "r3", "r4", "r5", "r6", "cc", "memory");
    /* clang-format on */
}

void et_nn_multiply(const et_nn_rows *rows, const int16_t *columns, int8_t *const pixels[ET_NN_COLUMNS])
{
    const et_nn_range *range = &rows->range;
    const uint32_t quads = (rows->depth + 3) / 4, size = quads * 4 * ET_NN_COLUMN_ROWS;
    uint32_t row = range->is_bounded ? rows->count & ~1u : 0;
    pairs state = {.pixels = {pixels[0], pixels[1], pixels[2]},
                   .channels = rows->channels,
                   .columns = columns,
                   .skip = ((0u - quads) & 3u) * QUAD_BYTES,
                   .size = size,
                   .count = row / 2,
                   .rounding = 2 * range->zero_point + 1,
                   .low = et_nn_twice(range->low),
                   .high = et_nn_twice(range->high),
                   .is_clamped = et_nn_is_clamped(range)};
    if (row > 0)
        multiply_pairs(rows->weights, &state);
    for (; row < rows->count; row += 2) { /* what multiply_pairs makes no outputs of */
        uint32_t sums[2 * ET_NN_COLUMNS];
        const int32_t *channels = rows->channels + (size_t)3 * row;
        state.channels = channels;
        state.sums = sums;
        multiply_pairs(rows->weights + (size_t)(row / 2) * size, &state);
        for (unsigned c = 0; c < ET_NN_COLUMNS; ++c) {
            pixels[c][row] = et_nn_output(sums[2 * c], channels[2], channels[4], range);
            if (row + 1 < rows->count)
                pixels[c][row + 1] = et_nn_output(sums[2 * c + 1], channels[3], channels[5], range);
        }
    }
}
