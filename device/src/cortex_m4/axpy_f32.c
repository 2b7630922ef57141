/* Cortex-M4F: eight elements a turn; VMLA.F32 rounds the product and then the sum (see dot_f32.c). */
#include "edgetwin/vector.h"

void et_axpy_f32(float a, const float *x, float *y, size_t count)
{
    const float *end = x + (count & ~(size_t)7);
    if (x != end) {
        __asm volatile("1:\n\t"
                       "vldmia %[x]!, {s16-s23}\n\t"
                       "vldmia %[y], {s24-s31}\n\t"
                       "vmla.f32 s24, s16, %[a]\n\t"
                       "vmla.f32 s25, s17, %[a]\n\t"
                       "vmla.f32 s26, s18, %[a]\n\t"
                       "vmla.f32 s27, s19, %[a]\n\t"
                       "cmp %[x], %[end]\n\t"
                       "vmla.f32 s28, s20, %[a]\n\t"
                       "vmla.f32 s29, s21, %[a]\n\t"
                       "vmla.f32 s30, s22, %[a]\n\t"
                       "vmla.f32 s31, s23, %[a]\n\t"
                       "vstmia %[y]!, {s24-s31}\n\t"
                       "bne 1b"
                       : [x] "+r"(x), [y] "+r"(y)
                       : [end] "r"(end), [a] "t"(a)
                       : "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27", "s28",
                         "s29", "s30", "s31", "cc", "memory");
    }
    for (count &= 7; count > 0; --count)
        *y++ += a * *x++;
}
