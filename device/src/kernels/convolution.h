/* What the kernels of convolutions share: their record, the patches under output pixels, and the order of the pixels. A
 * group of ET_NN_COLUMNS pixels has its patches read before its outputs are written: the compiler lets outputs lie over an
 * input that dies here. */
#ifndef EDGETWIN_CONVOLUTION_H
#define EDGETWIN_CONVOLUTION_H

#include "kernels/kernel.h"
#include "kernels/nn.h"

typedef struct convolution_record {
    et_record header;
    uint32_t input, output, weights, channels;
    uint32_t columns; /* scratch, as the kernel says */
    int32_t input_height, input_width, input_channels;
    int32_t output_height, output_width, output_channels;
    int32_t row_step, pixel_step; /* bytes from an output row to the next, from a pixel to the next */
    int32_t kernel_height, kernel_width;
    int32_t stride_height, stride_width;
    int32_t dilation_height, dilation_width;
    int32_t pad_top, pad_left; /* negative: that far inside the input */
    int32_t input_zero_point;
    int32_t output_zero_point, low, high, is_bounded;
} convolution_record;

/* A patch is `parts` of `runs` runs; a run lies in one piece in both the kernel and the input. */
typedef struct et_patches {
    const convolution_record *record;
    const int8_t *input;
    int32_t last_y, last_x; /* where a patch inside the input may begin at most */
    uint32_t run_bytes, runs, parts;
    size_t run_step, part_step; /* bytes of the input from one to the next */
} et_patches;

/* The pixels to come, in the order of rows. */
typedef struct et_pixels {
    const convolution_record *record;
    uint32_t left;  /* this one too */
    int32_t y, x;   /* where its patch begins */
    int32_t in_row; /* left in the row */
    int8_t *place, *row;
} et_pixels;

/* Nonzero if input, output and geometry are harmless; the rest is for the kernel to check. */
int et_convolution_check(const et_model *model, const convolution_record *record);

/* Weights of an output channel. */
uint32_t et_convolution_depth(const convolution_record *record);

/* Nonzero if every patch is inside the input. */
int et_convolution_is_inside(const convolution_record *record);

et_nn_rows et_convolution_rows(const et_model *model, const convolution_record *record, const uint8_t *workspace);

et_patches et_patches_of(const et_model *model, const convolution_record *record, const uint8_t *workspace);

static inline int et_patches_are_inside(const et_patches *patches, int32_t y, int32_t x)
{
    return y >= 0 && y <= patches->last_y && x >= 0 && x <= patches->last_x;
}

/* Where the patch that begins at (y, x), inside the input, begins. */
static inline const int8_t *et_patches_at(const et_patches *patches, int32_t y, int32_t x)
{
    const convolution_record *r = patches->record;
    return patches->input + ((size_t)y * (uint32_t)r->input_width + (uint32_t)x) * (uint32_t)r->input_channels;
}

/* Copies the patch that begins at (y, x), with the zero point where there is no input. */
void et_patches_gather(const et_patches *patches, int32_t y, int32_t x, int8_t *bytes);

et_pixels et_pixels_of(const convolution_record *record, uint8_t *workspace);

/* On to the next pixel; the last one is repeated, to fill up its group. */
static inline void et_pixels_next(et_pixels *p)
{
    const convolution_record *r = p->record;
    if (p->left <= 1) {
        p->left = 0;
        return;
    }
    --p->left;
    p->x += r->stride_width;
    p->place += r->pixel_step;
    if (--p->in_row == 0) {
        p->in_row = r->output_width;
        p->x = -r->pad_left;
        p->y += r->stride_height;
        p->place = p->row += r->row_step;
    }
}

#endif
