/* Cortex-M4: SMLALD takes two products a turn into 64 bits; four in, one instruction a product and the loop. */
#include "edgetwin/vector.h"

int64_t et_dot_s16(const int16_t *atom, const int16_t *residual, size_t count)
{
    uint32_t low = 0, high = 0;
    const int16_t *end = atom + (count & ~(size_t)7);
    if (atom != end) {
        uint32_t a0, a1, r0, r1;
        __asm volatile("1:\n\t"
                       "ldrd %[a0], %[a1], [%[a]], #8\n\t"
                       "ldrd %[r0], %[r1], [%[r]], #8\n\t"
                       "smlald %[low], %[high], %[a0], %[r0]\n\t"
                       "smlald %[low], %[high], %[a1], %[r1]\n\t"
                       "ldrd %[a0], %[a1], [%[a]], #8\n\t"
                       "ldrd %[r0], %[r1], [%[r]], #8\n\t"
                       "smlald %[low], %[high], %[a0], %[r0]\n\t"
                       "cmp %[a], %[end]\n\t"
                       "smlald %[low], %[high], %[a1], %[r1]\n\t"
                       "bne 1b"
                       : [a] "+r"(atom), [r] "+r"(residual), [low] "+r"(low), [high] "+r"(high), [a0] "=&r"(a0),
                         [a1] "=&r"(a1), [r0] "=&r"(r0), [r1] "=&r"(r1)
                       : [end] "r"(end)
                       : "cc", "memory");
    }
    int64_t sum = (int64_t)((uint64_t)high << 32 | low);
    for (count &= 7; count > 0; --count)
        sum += (int32_t)*atom++ * *residual++;
    return sum;
}
