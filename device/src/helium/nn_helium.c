/* Helium (Armv8.1-M MVE): 16 products in a VMLADAVA; two rows by three columns at a time, or four rows by one. Loops of
 * bytes are tail-predicated: nothing is read behind a row's or a column's end. */
#include <arm_mve.h>

#include "kernels/nn.h"
#include "naked.h"

/* et_rescale of four bounded sums, and the zero point. */
static inline int32x4_t rescale(int32x4_t sums, int32x4_t multipliers, int32x4_t shifts, const et_nn_range *range)
{
    int32x4_t scaled = vqrdmulhq_s32(sums, multipliers);
    scaled = vaddq_s32(scaled, vshrq_n_s32(scaled, 31)); /* halves away from zero */
    return vaddq_n_s32(vrshlq_s32(scaled, shifts), range->zero_point);
}

/* Up to four outputs of rows side by side. */
static inline void put_rows(int32x4_t sums, const int32_t *channels, const et_nn_range *range, uint32_t rows,
                            int8_t *output)
{
    const int32x4_t biased = vaddq_s32(sums, vldrwq_s32(channels));
    int32x4_t values = rescale(biased, vldrwq_s32(channels + 4), vldrwq_s32(channels + 8), range);
    values = vminq_s32(vmaxq_s32(values, vdupq_n_s32(range->low)), vdupq_n_s32(range->high));
    vstrbq_p_s32(output, values, vctp32q(rows));
}

/* What multiply_groups keeps beside its registers; the offsets are in its code. */
typedef struct groups {
    const int8_t *columns[ET_NN_COLUMNS]; /* 0 */
    uint32_t depth;                       /* 12 */
    int8_t *pixels[ET_NN_COLUMNS];        /* 16; move on */
    int32_t rows;                         /* 28; to go */
    const int32_t *channels;              /* 32; moves on */
    int32_t zero_point, low, high;        /* 36 */
} groups;

/* The sums of row r1 and the one after the next, from their biases at r12, for each column; then half of the lanes of q4,
 * q5, q6. */
#define TWO_ROWS(bias, lanes)                                                                                          \
    "ldr r0, [r12, #" bias "]\n\t"                                                                                     \
    "ldr r2, [r12, #" bias " + 8]\n\t"                                                                                 \
    "ldm r11, {r5, r7, r9, lr}\n\t"                                                                                    \
    "add r3, r1, lr, lsl #1\n\t"                                                                                       \
    "mov r4, r0\n\t"                                                                                                   \
    "mov r6, r2\n\t"                                                                                                   \
    "mov r8, r0\n\t"                                                                                                   \
    "mov r10, r2\n\t"                                                                                                  \
    "dlstp.8 lr, lr\n"                                                                                                 \
    "2:\n\t"                                                                                                           \
    "vldrb.8 q0, [r1], #16\n\t"                                                                                        \
    "vldrb.8 q2, [r5], #16\n\t"                                                                                        \
    "vldrb.8 q1, [r3], #16\n\t"                                                                                        \
    "vmladava.s8 r0, q0, q2\n\t"                                                                                       \
    "vldrb.8 q3, [r7], #16\n\t"                                                                                        \
    "vmladava.s8 r2, q1, q2\n\t"                                                                                       \
    "vmladava.s8 r4, q0, q3\n\t"                                                                                       \
    "vldrb.8 q2, [r9], #16\n\t"                                                                                        \
    "vmladava.s8 r6, q1, q3\n\t"                                                                                       \
    "vmladava.s8 r8, q0, q2\n\t"                                                                                       \
    "vmladava.s8 r10, q1, q2\n\t"                                                                                      \
    "letp lr, 2b\n\t" LANES_##lanes
#define LANES_EVEN                                                                                                     \
    "vmov.32 q4[0], r0\n\t"                                                                                            \
    "vmov.32 q4[2], r2\n\t"                                                                                            \
    "vmov.32 q5[0], r4\n\t"                                                                                            \
    "vmov.32 q5[2], r6\n\t"                                                                                            \
    "vmov.32 q6[0], r8\n\t"                                                                                            \
    "vmov.32 q6[2], r10\n\t"
#define LANES_ODD                                                                                                      \
    "vmov.32 q4[1], r0\n\t"                                                                                            \
    "vmov.32 q4[3], r2\n\t"                                                                                            \
    "vmov.32 q5[1], r4\n\t"                                                                                            \
    "vmov.32 q5[3], r6\n\t"                                                                                            \
    "vmov.32 q6[1], r8\n\t"                                                                                            \
    "vmov.32 q6[3], r10\n\t"
/* As rescale, and the clamp: q0 multipliers, q1 shifts, r2 the zero point, q3 and q7 the bounds. */
#define RESCALE(sums)                                                                                                  \
    "vqrdmulh.s32 " sums ", " sums ", q0\n\t"                                                                          \
    "vshr.s32 q2, " sums ", #31\n\t"                                                                                   \
    "vadd.i32 " sums ", " sums ", q2\n\t"                                                                              \
    "vrshl.s32 " sums ", " sums ", q1\n\t"                                                                             \
    "vadd.i32 " sums ", " sums ", r2\n\t"                                                                              \
    "vmax.s32 " sums ", " sums ", q3\n\t"                                                                              \
    "vmin.s32 " sums ", " sums ", q7\n\t"
#define EVEN_ROWS TWO_ROWS("0", EVEN)
#define ODD_ROWS TWO_ROWS("4", ODD)

/* r11: the state; r12: the channels. */
ET_NAKED static void multiply_groups(ET_NAKED_PARAMETER const int8_t *weights, ET_NAKED_PARAMETER groups *state)
{
    /* clang-format off */
    __asm volatile(
        "push {r4-r11, lr}\n\t"
        "sub sp, #4\n\t"
        "vpush {d8-d15}\n\t"
        "mov r11, r1\n\t"
        "ldr r12, [r11, #32]\n\t"
        "mov r1, r0\n"
        "1:\n\t"
        "str r1, [sp, #64]\n\t"
        EVEN_ROWS
        "ldr r1, [sp, #64]\n\t"
        "ldr r3, [r11, #12]\n\t"
        "add r1, r3\n\t"
        ODD_ROWS
        "ldrd r2, r3, [r11, #36]\n\t"
        "ldr r4, [r11, #44]\n\t"
        "vldrw.32 q0, [r12, #16]\n\t"
        "vldrw.32 q1, [r12, #32]\n\t"
        "vdup.32 q3, r3\n\t"
        "vdup.32 q7, r4\n\t"
        RESCALE("q4")
        RESCALE("q5")
        RESCALE("q6")
        "adds r12, #48\n\t"
        "add r10, r11, #16\n\t"
        "ldm r10, {r4, r5, r6, r7}\n\t"
        "vctp.32 r7\n\t"
        "vpstt\n\t"
        "vstrbt.32 q4, [r4], #4\n\t"
        "vstrbt.32 q5, [r5], #4\n\t"
        "vpst\n\t"
        "vstrbt.32 q6, [r6], #4\n\t"
        "subs r7, #4\n\t"
        "stm r10, {r4, r5, r6, r7}\n\t"
        "ldr r3, [r11, #12]\n\t"
        "ldr r1, [sp, #64]\n\t"
        "add r1, r1, r3, lsl #2\n\t"
        "bgt 1b\n\t"
        "vpop {d8-d15}\n\t"
        "add sp, #4\n\t"
        "pop {r4-r11, pc}");
    /* clang-format on */
}

void et_nn_multiply_helium(const et_nn_rows *rows, const int8_t *columns, int8_t *const pixels[ET_NN_COLUMNS])
{
    groups state = {.columns = {columns, columns + rows->depth, columns + 2 * (size_t)rows->depth},
                    .depth = rows->depth,
                    .pixels = {pixels[0], pixels[1], pixels[2]},
                    .rows = (int32_t)rows->count,
                    .channels = rows->channels,
                    .zero_point = rows->range.zero_point,
                    .low = rows->range.low,
                    .high = rows->range.high};
    multiply_groups(rows->weights, &state);
}

void et_nn_dense_helium(const et_nn_rows *rows, const int8_t *input, int8_t *output)
{
    const uint32_t depth = rows->depth;
    const int8_t *weights = rows->weights;
    const int32_t *channels = rows->channels;
    for (uint32_t row = 0; row < rows->count; row += ET_NN_HELIUM_ROWS, channels += 3 * ET_NN_HELIUM_ROWS) {
        const int8_t *column = input, *second = weights + depth, *third = second + depth, *fourth = third + depth;
        int32_t a = 0, b = 0, c = 0, d = 0;
        __asm volatile("dlstp.8 lr, %[depth]\n"
                       "1:\n\t"
                       "vldrb.8 q0, [%[column]], #16\n\t"
                       "vldrb.8 q1, [%[first]], #16\n\t"
                       "vldrb.8 q2, [%[second]], #16\n\t"
                       "vmladava.s8 %[a], q0, q1\n\t"
                       "vldrb.8 q3, [%[third]], #16\n\t"
                       "vmladava.s8 %[b], q0, q2\n\t"
                       "vldrb.8 q1, [%[fourth]], #16\n\t"
                       "vmladava.s8 %[c], q0, q3\n\t"
                       "vmladava.s8 %[d], q0, q1\n\t"
                       "letp lr, 1b"
                       : [column] "+r"(column), [first] "+r"(weights), [second] "+r"(second), [third] "+r"(third),
                         [fourth] "+r"(fourth), [a] "+Te"(a), [b] "+Te"(b), [c] "+Te"(c), [d] "+Te"(d)
                       : [depth] "r"(depth)
                       : "lr", "q0", "q1", "q2", "q3", "memory");
        weights = rows->weights + (size_t)(row + ET_NN_HELIUM_ROWS) * depth;
        const int32_t sums[ET_NN_HELIUM_ROWS] = {a, b, c, d};
        put_rows(vldrwq_s32(sums), channels, &rows->range, rows->count - row, output + row);
    }
}

void et_nn_taps_helium(const et_nn_rows *rows, const int8_t *pixel, const uint32_t *offsets, int8_t *output)
{
    const et_nn_range *range = &rows->range;
    const int8_t *weights = rows->weights;
    const int32_t *channels = rows->channels;
    const int16x8_t low = vdupq_n_s16((int16_t)range->low), high = vdupq_n_s16((int16_t)range->high);
    for (uint32_t c = 0; c < rows->count; c += 8, pixel += 8, output += 8, channels += 24) {
        const mve_pred16_t lanes = vctp16q(rows->count - c);
        const int32x4x2_t biases = vld2q_s32(channels); /* of even channels, of odd ones */
        int32x4_t even = biases.val[0], odd = biases.val[1];
        const uint32_t *offset = offsets;
        __asm volatile("vctp.16 %[left]\n\t"
                       "dls lr, %[taps]\n"
                       "1:\n\t"
                       "ldr r3, [%[offset]], #4\n\t"
                       "add r3, %[pixel]\n\t"
                       "vpst\n\t"
                       "vldrbt.s16 q0, [r3]\n\t"
                       "vldrb.s16 q1, [%[weights]], #8\n\t"
                       "vmullb.s16 q2, q0, q1\n\t"
                       "vmullt.s16 q3, q0, q1\n\t"
                       "vadd.i32 %q[even], %q[even], q2\n\t"
                       "vadd.i32 %q[odd], %q[odd], q3\n\t"
                       "le lr, 1b"
                       : [offset] "+r"(offset), [weights] "+l"(weights), [even] "+w"(even), [odd] "+w"(odd)
                       : [left] "r"(rows->count - c), [taps] "r"(rows->depth), [pixel] "r"(pixel)
                       : "r3", "lr", "q0", "q1", "q2", "q3", "cc", "memory");
        const int32x4x2_t multipliers = vld2q_s32(channels + 8), shifts = vld2q_s32(channels + 16);
        even = rescale(even, multipliers.val[0], shifts.val[0], range);
        odd = rescale(odd, multipliers.val[1], shifts.val[1], range);
        const int16x8_t values = vqmovntq_s32(vqmovnbq_s32(low, even), odd);
        vstrbq_p_s16(output, vminq_s16(vmaxq_s16(values, low), high), lanes);
    }
}
