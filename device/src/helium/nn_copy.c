#include "kernels/nn.h"

void et_nn_copy(const int8_t *from, size_t step, uint32_t runs, uint32_t size, int8_t *to)
{
    for (; runs > 0; --runs, from += step) {
        const int8_t *bytes = from;
        int8_t *end = to + size;
        __asm volatile("dlstp.8 lr, %[size]\n"
                       "1:\n\t"
                       "vldrb.8 q0, [%[bytes]], #16\n\t"
                       "vstrb.8 q0, [%[to]], #16\n\t"
                       "letp lr, 1b"
                       : [bytes] "+r"(bytes), [to] "+r"(to)
                       : [size] "r"(size)
                       : "lr", "q0", "memory");
        to = end;
    }
}
