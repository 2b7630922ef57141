/* Cortex-M4: two atoms at a time. SXTB16 widens bytes 0 and 2 (or, rotated, 1 and 3) of a word, SMLAD adds two products;
 * the residual is stored in that order. Eight samples a block, loaded once for both atoms: 1.19 instructions a product;
 * four blocks a turn, then one. */
#include "edgetwin/vector.h"

#define ATOM(pointer, sum)                                                                                             \
    "ldrd r9, r10, [" pointer "], #8\n\t"                                                                              \
    "sxtb16 r11, r9\n\t"                                                                                               \
    "sxtb16 r9, r9, ror #8\n\t"                                                                                        \
    "smlad " sum ", r11, r4, " sum "\n\t"                                                                              \
    "smlad " sum ", r9, r5, " sum "\n\t"                                                                               \
    "sxtb16 r11, r10\n\t"                                                                                              \
    "sxtb16 r10, r10, ror #8\n\t"                                                                                      \
    "smlad " sum ", r11, r6, " sum "\n\t"                                                                              \
    "smlad " sum ", r10, r8, " sum "\n\t"
#define BLOCK "ldmia %[r]!, {r4, r5, r6, r8}\n\t" ATOM("%[a]", "%[sa]") ATOM("%[b]", "%[sb]")
#define TURNS(blocks, end)                                                                                             \
    if (a != (end)) {                                                                                                  \
        __asm volatile("1:\n\t" blocks "cmp %[a], %[last]\n\t"                                                         \
                       "bne 1b"                                                                                        \
                       : [a] "+r"(a), [b] "+r"(b), [r] "+r"(residual), [sa] "+r"(sum_a), [sb] "+r"(sum_b)              \
                       : [last] "r"(end)                                                                               \
                       : "r4", "r5", "r6", "r8", "r9", "r10", "r11", "cc", "memory");                                  \
    }

void et_dots_s8(const void *atoms, size_t stride, size_t n, const int16_t *residual, size_t m, int32_t *sums)
{
    const int8_t *a = atoms;
    const int16_t *const start = residual;
    int32_t *const end = sums + n;
    while (sums < end) {
        const int8_t *b = sums + 1 < end ? a + stride : a; /* the last of an odd number is paired with itself */
        const int8_t *const end32 = a + (m & ~(size_t)31), *const end8 = a + (m & ~(size_t)7);
        int32_t sum_a = 0, sum_b = 0;
        residual = start;
        TURNS(BLOCK BLOCK BLOCK BLOCK, end32)
        TURNS(BLOCK, end8)
        if ((m & 4) != 0) {
            const int32_t r0 = residual[0], r2 = residual[1], r1 = residual[2], r3 = residual[3];
            sum_a += a[0] * r0 + a[1] * r1 + a[2] * r2 + a[3] * r3;
            sum_b += b[0] * r0 + b[1] * r1 + b[2] * r2 + b[3] * r3;
        }
        *sums++ = sum_a;
        if (sums < end)
            *sums++ = sum_b;
        a = b + stride - (m & ~(size_t)7); /* b stands behind its last block */
    }
}
