/* Cortex-M4: sums in registers become outputs, where they are bounded (et_nn_range). Arguments are names of registers. */
#ifndef EDGETWIN_NN_OUTPUTS_H
#define EDGETWIN_NN_OUTPUTS_H

#include "kernels/nn.h"
#include "naked.h"

/* et_rescale, the zero point and the saturation. TFLite rounds twice: SMMULR halves up, and the shift by s away from zero,
 * which is a floor once 2^(s - 1) is added, less 1 below zero. `addend` is (2 zero_point + 1) 2^(s - 1), which adds the
 * zero point too; `shift` is s - 1, SSAT shifts by the last bit. */
#define ET_SCALE(sum, multiplier)                                                                                      \
    "lsl " sum ", " sum ", #1\n\t"                                                                                     \
    "smmulr " sum ", " sum ", " multiplier "\n\t"                                                                      \
    "add " sum ", " sum ", " sum ", asr #31\n\t"
#define ET_SHIFT(sum, addend, shift)                                                                                   \
    "add " sum ", " sum ", " addend "\n\t"                                                                             \
    "asr " sum ", " sum ", " shift "\n\t"                                                                              \
    "ssat " sum ", #8, " sum ", asr #1\n\t"
#define ET_RESCALE(sum, multiplier, addend, shift) ET_SCALE(sum, multiplier) ET_SHIFT(sum, addend, shift)

/* Clamps two outputs to what et_nn_twice made of `low` and `high`. */
#define ET_CLAMP(a, b, low, high)                                                                                      \
    "pkhbt " a ", " a ", " b ", lsl #16\n\t"                                                                           \
    "ssub16 " b ", " a ", " low "\n\t"                                                                                 \
    "sel " a ", " a ", " low "\n\t"                                                                                    \
    "ssub16 " b ", " high ", " a "\n\t"                                                                                \
    "sel " a ", " a ", " high "\n\t"                                                                                   \
    "lsr " b ", " a ", #16\n\t"

/* A bound in both halves of a word. */
static inline uint32_t et_nn_twice(int32_t value) { return (uint16_t)value | (uint32_t)value << 16; }

/* Whether outputs are held to less than int8, which SSAT does. */
static inline uint32_t et_nn_is_clamped(const et_nn_range *range) { return range->low != -128 || range->high != 127; }

#endif
