/* Inner loops of the kernels that multiply and add. Each has a portable version in portable/ and ports beside it that give
 * the same bits. Weights are packed by the compiler (deploy/compiler/lowering/packing.py): rows, which are output
 * channels, in groups, four weights of each row in turn (a quad), rows and columns filled up with zeros. The input's zero
 * point is folded into the biases; sums wrap at 32 bits. */
#ifndef EDGETWIN_NN_H
#define EDGETWIN_NN_H

#include "kernels/kernel.h"
#include "kernels/rescale.h"

#define ET_NN_COLUMNS 3u      /* that et_nn_multiply takes at once */
#define ET_NN_COLUMN_ROWS 2u  /* in a group of its weights */
#define ET_NN_DENSE_ROWS 4u   /* in a group of et_nn_dense's */
#define ET_NN_HELIUM_ROWS 4u  /* of et_nn_multiply_helium and et_nn_dense_helium */
#define ET_NN_HELIUM_LANES 8u /* channels in a group of et_nn_taps_helium */

/* What turns sums into int8 outputs. `is_bounded`: the compiler has proved that no sum reaches 2^30, that shifts are
 * -31 .. -1, and that what is added before a shift cannot overflow (packing.py): then ports take a shorter way to the same
 * bits. */
typedef struct et_nn_range {
    int32_t zero_point, low, high, is_bounded;
} et_nn_range;

typedef struct et_nn_rows {
    const int8_t *weights;   /* 4-byte aligned */
    const int32_t *channels; /* of each group: its rows' biases, their multipliers, their shifts */
    uint32_t depth;          /* weights of a row */
    uint32_t count;          /* of rows */
    et_nn_range range;
} et_nn_rows;

/* Nonzero if the table of `count` rows in groups of `group` can be read and its shifts are TFLite's. */
int et_nn_check_channels(const et_model *model, uint32_t place, uint32_t count, uint32_t group);

/* One sum as an output. */
static inline int8_t et_nn_output(uint32_t sum, int32_t multiplier, int32_t shift, const et_nn_range *range)
{
    const int32_t scaled = et_rescale((int32_t)sum, multiplier, (int)shift);
    return (int8_t)et_clamp((int32_t)((uint32_t)scaled + (uint32_t)range->zero_point), range->low, range->high);
}

/* Copies `runs` runs of `size` bytes, at least 1, whose beginnings are `step` bytes apart, one behind the other. */
void et_nn_copy(const int8_t *from, size_t step, uint32_t runs, uint32_t size, int8_t *to);

/* Writes int8 as int16 into one of the ET_NN_COLUMNS columns, which take turns quad by quad: `runs` runs of `quads` quads,
 * whose beginnings are `step` bytes apart. The order within a quad is the port's own, the one that its et_nn_multiply
 * reads. `column` is 4-byte aligned. */
void et_nn_expand(const int8_t *bytes, size_t step, uint32_t runs, uint32_t quads, int16_t *column);

/* The outputs of all rows for each column; pixels[c] is where the first row's goes for column c. */
void et_nn_multiply(const et_nn_rows *rows, const int16_t *columns, int8_t *const pixels[ET_NN_COLUMNS]);

/* The outputs of all rows for one column of int8, of which whole quads can be read. */
void et_nn_dense(const et_nn_rows *rows, const int8_t *input, int8_t *output);

/* One channel of a depthwise convolution, as int16 with its padding, and the windows that go over it. */
typedef struct et_nn_plane {
    const int16_t *values; /* 4-byte aligned */
    size_t width;          /* of a row; even */
    uint32_t stride_height, stride_width;
    uint32_t output_height, output_width;
    size_t pixel_step; /* bytes from an output to the next */
} et_nn_plane;

/* 3x3 windows with a stride_width of 1 or 2, where sums are bounded (et_nn_range). `channel`: bias,
 * multiplier, shift. */
void et_nn_slide_3x3(const et_nn_plane *plane, const int8_t weights[9], const int32_t channel[3],
                     const et_nn_range *range, int8_t *output);

/* Of models that are packed for Helium; sums are bounded. Rows of weights lie one after the other, filled up to a whole
 * group; columns are int8, rows->depth bytes each, one after the other. */
void et_nn_multiply_helium(const et_nn_rows *rows, const int8_t *columns, int8_t *const pixels[ET_NN_COLUMNS]);

void et_nn_dense_helium(const et_nn_rows *rows, const int8_t *input, int8_t *output);

/* One pixel of a depthwise convolution: the outputs of all channels. Tap t of a window lies offsets[t] bytes after
 * `pixel`. rows->depth is the number of taps, rows->count that of channels; the weights of a group of channels are those
 * of its first tap, then of its second ... */
void et_nn_taps_helium(const et_nn_rows *rows, const int8_t *pixel, const uint32_t *offsets, int8_t *output);

#endif
