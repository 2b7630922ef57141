/* Cortex-M4F: two atoms at a time, as dot_f32.c does one; the eight floats of the residual are loaded once for both: 1.19
 * instructions a product and the loop. All 32 registers of the FPU are in use: eight partial sums, and three times eight
 * operands. */
#include "edgetwin/vector.h"

static inline void dot_pair(const float *a, const float *b, const float *residual, size_t m, float sums[2])
{
    float p0 = 0.0f, p1 = 0.0f, p2 = 0.0f, p3 = 0.0f; /* of a */
    float q0 = 0.0f, q1 = 0.0f, q2 = 0.0f, q3 = 0.0f; /* of b */
    const float *end = a + (m & ~(size_t)7);
    if (a != end) {
        __asm volatile("1:\n\t"
                       "vldmia %[r]!, {s8-s15}\n\t"
                       "vldmia %[a]!, {s16-s23}\n\t"
                       "vldmia %[b]!, {s24-s31}\n\t"
                       "vmla.f32 %[p0], s16, s8\n\t"
                       "vmla.f32 %[p1], s17, s9\n\t"
                       "vmla.f32 %[p2], s18, s10\n\t"
                       "vmla.f32 %[p3], s19, s11\n\t"
                       "vmla.f32 %[q0], s24, s8\n\t"
                       "vmla.f32 %[q1], s25, s9\n\t"
                       "vmla.f32 %[q2], s26, s10\n\t"
                       "vmla.f32 %[q3], s27, s11\n\t"
                       "cmp %[a], %[end]\n\t"
                       "vmla.f32 %[p0], s20, s12\n\t"
                       "vmla.f32 %[p1], s21, s13\n\t"
                       "vmla.f32 %[p2], s22, s14\n\t"
                       "vmla.f32 %[p3], s23, s15\n\t"
                       "vmla.f32 %[q0], s28, s12\n\t"
                       "vmla.f32 %[q1], s29, s13\n\t"
                       "vmla.f32 %[q2], s30, s14\n\t"
                       "vmla.f32 %[q3], s31, s15\n\t"
                       "bne 1b"
                       : [a] "+r"(a), [b] "+r"(b), [r] "+r"(residual), [p0] "+t"(p0), [p1] "+t"(p1), [p2] "+t"(p2),
                         [p3] "+t"(p3), [q0] "+t"(q0), [q1] "+t"(q1), [q2] "+t"(q2), [q3] "+t"(q3)
                       : [end] "r"(end)
                       : "s8", "s9", "s10", "s11", "s12", "s13", "s14", "s15", "s16", "s17", "s18", "s19", "s20", "s21",
                         "s22", "s23", "s24", "s25", "s26", "s27", "s28", "s29", "s30", "s31", "cc", "memory");
    }
    m &= 7;
    if (m >= 4) {
        __asm volatile("vldmia %[r]!, {s8-s11}\n\t"
                       "vldmia %[a]!, {s16-s19}\n\t"
                       "vldmia %[b]!, {s24-s27}\n\t"
                       "vmla.f32 %[p0], s16, s8\n\t"
                       "vmla.f32 %[p1], s17, s9\n\t"
                       "vmla.f32 %[p2], s18, s10\n\t"
                       "vmla.f32 %[p3], s19, s11\n\t"
                       "vmla.f32 %[q0], s24, s8\n\t"
                       "vmla.f32 %[q1], s25, s9\n\t"
                       "vmla.f32 %[q2], s26, s10\n\t"
                       "vmla.f32 %[q3], s27, s11"
                       : [a] "+r"(a), [b] "+r"(b), [r] "+r"(residual), [p0] "+t"(p0), [p1] "+t"(p1), [p2] "+t"(p2),
                         [p3] "+t"(p3), [q0] "+t"(q0), [q1] "+t"(q1), [q2] "+t"(q2), [q3] "+t"(q3)
                       :
                       : "s8", "s9", "s10", "s11", "s16", "s17", "s18", "s19", "s24", "s25", "s26", "s27", "memory");
        m -= 4;
    }
    if (m > 0) {
        p0 += a[0] * residual[0];
        q0 += b[0] * residual[0];
    }
    if (m > 1) {
        p1 += a[1] * residual[1];
        q1 += b[1] * residual[1];
    }
    if (m > 2) {
        p2 += a[2] * residual[2];
        q2 += b[2] * residual[2];
    }
    sums[0] = (p0 + p1) + (p2 + p3);
    sums[1] = (q0 + q1) + (q2 + q3);
}

void et_dots_f32(const void *atoms, size_t stride, size_t n, const float *residual, size_t m, float *sums)
{
    const uint8_t *atom = atoms;
    for (; n >= 2; n -= 2, atom += 2 * stride, sums += 2)
        dot_pair((const float *)(const void *)atom, (const float *)(const void *)(atom + stride), residual, m, sums);
    if (n > 0)
        *sums = et_dot_f32((const float *)(const void *)atom, residual, m);
}
