/* Cortex-M4F: VLDM loads eight floats in one instruction, which gcc does not do by itself. VMLA.F32 rounds the product
 * and then the sum, as the contract of vector.h asks (VFMA would not). 1.5 instructions a product and the loop. */
#include "edgetwin/vector.h"

float et_dot_f32(const float *a, const float *b, size_t count)
{
    float p0 = 0.0f, p1 = 0.0f, p2 = 0.0f, p3 = 0.0f;
    const float *end = a + (count & ~(size_t)7);
    if (a != end) {
        __asm volatile("1:\n\t"
                       "vldmia %[a]!, {s16-s23}\n\t"
                       "vldmia %[b]!, {s24-s31}\n\t"
                       "vmla.f32 %[p0], s16, s24\n\t"
                       "vmla.f32 %[p1], s17, s25\n\t"
                       "vmla.f32 %[p2], s18, s26\n\t"
                       "vmla.f32 %[p3], s19, s27\n\t"
                       "cmp %[a], %[end]\n\t"
                       "vmla.f32 %[p0], s20, s28\n\t"
                       "vmla.f32 %[p1], s21, s29\n\t"
                       "vmla.f32 %[p2], s22, s30\n\t"
                       "vmla.f32 %[p3], s23, s31\n\t"
                       "bne 1b"
                       : [a] "+r"(a), [b] "+r"(b), [p0] "+t"(p0), [p1] "+t"(p1), [p2] "+t"(p2), [p3] "+t"(p3)
                       : [end] "r"(end)
                       : "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27", "s28",
                         "s29", "s30", "s31", "cc", "memory");
    }
    count &= 7;
    if (count >= 4) {
        p0 += a[0] * b[0];
        p1 += a[1] * b[1];
        p2 += a[2] * b[2];
        p3 += a[3] * b[3];
        a += 4;
        b += 4;
        count -= 4;
    }
    if (count > 0)
        p0 += a[0] * b[0];
    if (count > 1)
        p1 += a[1] * b[1];
    if (count > 2)
        p2 += a[2] * b[2];
    return (p0 + p1) + (p2 + p3);
}
