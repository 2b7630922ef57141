/* Cortex-M4: two windows side by side share the loads of each row, four products in one LDRD and four multiplications; one
 * window at a time for the last of an odd number and for a stride of two. 20 instructions an output, 29 alone. */
#include "nn_outputs.h"

/* What slide keeps beside its registers: first what goes to its stack (the offsets are in its code), then what begins in
 * registers. */
typedef struct windows {
    int32_t bias, multiplier; /* 0 */
    uint32_t addend, shift;   /* 8 */
    uint32_t step;            /* 16; bytes from an output to the next */
    uint32_t end;             /* 20; of the first of three rows, while it slides */
    uint32_t pairs, singles;  /* 24; bytes of a row that pairs of windows go over, and the windows after them */
    uint32_t advance;         /* 32; bytes from there to the next row */
    uint32_t rows;            /* 36; of windows to go */
    uint32_t is_clamped;      /* 40 */
    uint32_t low, high;       /* 44; twice */
    uint32_t weights[6];      /* of each row: 0 and 1, 1 and 2 */
    const int16_t *values[3]; /* of each row */
    int8_t *output;
} windows;

/* r9 and r10 get four values of a row, or three where there is one window. */
#define PAIR_ROW(row, first, last)                                                                                     \
    "ldrd r9, r10, [" row "], #4\n\t"                                                                                  \
    "smlad r11, r9, " first ", r11\n\t"                                                                                \
    "smlabt r11, r10, " last ", r11\n\t"                                                                               \
    "smlatb r12, r9, " first ", r12\n\t"                                                                               \
    "smlad r12, r10, " last ", r12\n\t"
#define SINGLE_ROW(row, first, last)                                                                                   \
    "ldrd r9, r10, [" row "], #4\n\t"                                                                                  \
    "smlad r11, r9, " first ", r11\n\t"                                                                                \
    "smlabt r11, r10, " last ", r11\n\t"
#define PAIR_ROWS PAIR_ROW("r6", "r0", "r1") PAIR_ROW("r7", "r2", "r3") PAIR_ROW("r8", "r4", "r5")
#define SINGLE_ROWS SINGLE_ROW("r6", "r0", "r1") SINGLE_ROW("r7", "r2", "r3") SINGLE_ROW("r8", "r4", "r5")
#define SCALE ET_SCALE("r11", "r9")
#define SCALE_PAIR SCALE ET_SCALE("r12", "r9")
#define SHIFT ET_SHIFT("r11", "r9", "r10")
#define SHIFT_PAIR SHIFT ET_SHIFT("r12", "r9", "r10")
#define CLAMP ET_CLAMP("r11", "r12", "r9", "r10")

/* r0 to r5: weights; r6 to r8: rows; r11 and r12: sums; lr: the output. */
ET_NAKED static void slide(ET_NAKED_PARAMETER const windows *state)
{
    /* clang-format off */
    __asm volatile(
        "push {r4-r11, lr}\n\t"
        "ldmia r0!, {r1-r12, lr}\n\t"
        "sub sp, #52\n\t"
        "stmia sp, {r1-r12, lr}\n\t"
        "ldmia.w r0, {r0-r8, lr}\n"
        "1:\n\t" /* a row of windows: first the pairs */
        "ldr r9, [sp, #24]\n\t"
        "add r10, r6, r9\n\t"
        "str r10, [sp, #20]\n\t"
        "cmp r9, #0\n\t"
        "beq 4f\n"
        "2:\n\t"
        "ldr r11, [sp]\n\t"
        "mov r12, r11\n\t"
        PAIR_ROWS
        "ldr r9, [sp, #4]\n\t"
        SCALE_PAIR
        "ldrd r9, r10, [sp, #8]\n\t"
        SHIFT_PAIR
        "ldr r9, [sp, #40]\n\t"
        "cmp r9, #0\n\t"
        "bne 7f\n"
        "3:\n\t"
        "ldrd r9, r10, [sp, #16]\n\t"
        "strb r11, [lr]\n\t"
        "strb r12, [lr, r9]\n\t"
        "add lr, lr, r9, lsl #1\n\t"
        "cmp r6, r10\n\t"
        "bne 2b\n"
        "4:\n\t" /* then the singles */
        "ldr r9, [sp, #28]\n\t"
        "add r10, r6, r9\n\t"
        "str r10, [sp, #20]\n\t"
        "cmp r9, #0\n\t"
        "beq 6f\n"
        "5:\n\t"
        "ldr r11, [sp]\n\t"
        SINGLE_ROWS
        "ldr r9, [sp, #4]\n\t"
        SCALE
        "ldrd r9, r10, [sp, #8]\n\t"
        SHIFT
        "ldr r9, [sp, #40]\n\t"
        "cmp r9, #0\n\t"
        "bne 8f\n"
        "9:\n\t"
        "ldrd r9, r10, [sp, #16]\n\t"
        "strb r11, [lr]\n\t"
        "add lr, r9\n\t"
        "cmp r6, r10\n\t"
        "bne 5b\n"
        "6:\n\t"
        "ldrd r9, r10, [sp, #32]\n\t"
        "add r6, r9\n\t"
        "add r7, r9\n\t"
        "add r8, r9\n\t"
        "subs r10, #1\n\t"
        "str r10, [sp, #36]\n\t"
        "bne 1b\n\t"
        "add sp, #52\n\t"
        "pop {r4-r11, pc}\n"
        "7:\n\t"
        "ldrd r9, r10, [sp, #44]\n\t"
        CLAMP
        "b 3b\n"
        "8:\n\t"
        "ldrd r9, r10, [sp, #44]\n\t"
        CLAMP
        "b 9b");
    /* clang-format on */
}

static uint32_t both(int8_t low, int8_t high) { return (uint16_t)low | (uint32_t)high << 16; }

void et_nn_slide_3x3(const et_nn_plane *plane, const int8_t weights[9], const int32_t channel[3],
                     const et_nn_range *range, int8_t *output)
{
    const uint32_t pairs = plane->stride_width == 1 ? plane->output_width / 2 : 0;
    const uint32_t singles = plane->output_width - 2 * pairs;
    const uint32_t shift = ~(uint32_t)channel[2] & 31u;
    windows state = {.bias = channel[0],
                     .multiplier = channel[1],
                     .addend = (uint32_t)(2 * range->zero_point + 1) << shift,
                     .shift = shift,
                     .step = plane->pixel_step,
                     .pairs = 4 * pairs,
                     .singles = 4 * singles,
                     .advance = 2 * plane->stride_height * plane->width - 4 * (pairs + singles),
                     .rows = plane->output_height,
                     .is_clamped = et_nn_is_clamped(range),
                     .low = et_nn_twice(range->low),
                     .high = et_nn_twice(range->high),
                     .output = output};
    for (unsigned row = 0; row < 3; ++row, weights += 3) {
        state.weights[2 * row] = both(weights[0], weights[1]);
        state.weights[2 * row + 1] = both(weights[1], weights[2]);
        state.values[row] = plane->values + row * plane->width;
    }
    slide(&state);
}
