#include "edgetwin/frame.h"

void et_cobs_write(const uint8_t *in, size_t size, et_write *write, void *context)
{
    size_t at = 0;
    for (;;) {
        size_t run = 0;
        while (run < 254 && at + run < size && in[at + run] != 0)
            ++run;
        const uint8_t mark = (uint8_t)(run + 1);
        write(context, &mark, 1);
        if (run > 0)
            write(context, in + at, run);
        at += run;
        if (at == size)
            return;
        if (run < 254)
            ++at; /* the zero that the mark stands for */
    }
}

et_status et_cobs_decode(const uint8_t *in, size_t size, uint8_t *out, size_t capacity, size_t *out_size)
{
    size_t at = 0, i = 0;
    if (size == 0)
        return ET_ERR_FORMAT;
    while (i < size) {
        const uint8_t run = in[i++];
        if (run == 0 || (size_t)(run - 1) > size - i)
            return ET_ERR_FORMAT;
        if ((size_t)(run - 1) > capacity - at)
            return ET_ERR_CAPACITY;
        for (uint8_t k = 1; k < run; ++k) {
            if (in[i] == 0)
                return ET_ERR_FORMAT;
            out[at++] = in[i++];
        }
        if (run < 255 && i < size) {
            if (at == capacity)
                return ET_ERR_CAPACITY;
            out[at++] = 0;
        }
    }
    *out_size = at;
    return ET_OK;
}
