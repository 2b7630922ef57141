/* What kernels that slide a window over an image share. */
#ifndef EDGETWIN_POOL_H
#define EDGETWIN_POOL_H

#include "kernels/kernel.h"
#include "kernels/window.h"

typedef struct pool_record {
    et_record header;
    uint32_t input, output;                   /* places */
    int32_t shape[3], output_shape[3];        /* height, width, channels */
    int32_t filter[2], stride[2], padding[2]; /* along the height, along the width; padding above and on the left */
    int32_t low, high;
} pool_record;

/* Bounds that keep positions and sums within int32_t. */
#define ET_POOL_MOST 0xFFFF
#define ET_POOL_MOST_STRIDE 0x3FFF
#define ET_POOL_MOST_PIXELS (1 << 23)

int et_can_pool(const et_model *model, const pool_record *pool);

/* Computes all channels of one output from the part of its filter that lies on the image; it may be empty. */
typedef void (*et_pool_output)(const pool_record *pool, const int8_t *input, const et_window *window, int8_t *output);

/* Calls `compute` for each output. */
void et_walk_outputs(const et_model *model, const pool_record *pool, uint8_t *workspace, et_pool_output compute);

#endif
