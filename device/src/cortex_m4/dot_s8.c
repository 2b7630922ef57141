/* Cortex-M4: SXTB16 widens bytes 0 and 2 (or, rotated, 1 and 3) of a word, SMLAD takes two products; the residual is
 * stored in that order. Sixteen products a turn: 1.25 instructions each and the loop. */
#include "edgetwin/vector.h"

int32_t et_dot_s8(const int8_t *atom, const int16_t *residual, size_t count)
{
    int32_t sum = 0;
    const int8_t *end = atom + (count & ~(size_t)15);
    if (atom != end) {
        __asm volatile("1:\n\t"
                       "ldrd r3, r4, [%[a]], #8\n\t"
                       "ldmia %[r]!, {r5, r6, r8, r9}\n\t"
                       "sxtb16 r10, r3\n\t"
                       "sxtb16 r3, r3, ror #8\n\t"
                       "smlad %[sum], r10, r5, %[sum]\n\t"
                       "smlad %[sum], r3, r6, %[sum]\n\t"
                       "sxtb16 r10, r4\n\t"
                       "sxtb16 r4, r4, ror #8\n\t"
                       "smlad %[sum], r10, r8, %[sum]\n\t"
                       "smlad %[sum], r4, r9, %[sum]\n\t"
                       "ldrd r3, r4, [%[a]], #8\n\t"
                       "ldmia %[r]!, {r5, r6, r8, r9}\n\t"
                       "sxtb16 r10, r3\n\t"
                       "sxtb16 r3, r3, ror #8\n\t"
                       "smlad %[sum], r10, r5, %[sum]\n\t"
                       "smlad %[sum], r3, r6, %[sum]\n\t"
                       "sxtb16 r10, r4\n\t"
                       "sxtb16 r4, r4, ror #8\n\t"
                       "smlad %[sum], r10, r8, %[sum]\n\t"
                       "smlad %[sum], r4, r9, %[sum]\n\t"
                       "cmp %[a], %[end]\n\t"
                       "bne 1b"
                       : [a] "+r"(atom), [r] "+r"(residual), [sum] "+r"(sum)
                       : [end] "r"(end)
                       : "r3", "r4", "r5", "r6", "r8", "r9", "r10", "cc", "memory");
    }
    for (count &= 15; count >= 4; count -= 4, atom += 4, residual += 4)
        sum += atom[0] * residual[0] + atom[2] * residual[1] + atom[1] * residual[2] + atom[3] * residual[3];
    for (; count > 0; --count)
        sum += *atom++ * *residual++;
    return sum;
}
