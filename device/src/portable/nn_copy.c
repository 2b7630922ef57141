#include <string.h>

#include "kernels/nn.h"

void et_nn_copy(const int8_t *from, size_t step, uint32_t runs, uint32_t size, int8_t *to)
{
    for (uint32_t run = 0; run < runs; ++run) {
        const int8_t *byte = from + run * step;
        uint32_t left = size;
        for (; left >= 4; left -= 4, byte += 4, to += 4) {
            uint32_t word;
            memcpy(&word, byte, 4);
            memcpy(to, &word, 4);
        }
        for (; left > 0; --left)
            *to++ = *byte++;
    }
}
