/* Takes what et_cobs_write hands out into one buffer, which must be large enough. */
#ifndef EDGETWIN_TEST_SINK_H
#define EDGETWIN_TEST_SINK_H

#include <string.h>

#include "edgetwin/frame.h"

typedef struct sink {
    uint8_t *bytes;
    size_t size;
} sink;

static inline void sink_append(void *context, const uint8_t *bytes, size_t size)
{
    sink *out = context;
    memcpy(out->bytes + out->size, bytes, size);
    out->size += size;
}

#endif
