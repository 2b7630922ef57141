/* conv.c for models that are packed for Helium: patches become columns of int8; the record's `columns` is scratch for three
 * of them. */
#include "kernels/convolution.h"
#include "kernels/kernels.h"

static int check(const et_model *model, const void *record)
{
    const convolution_record *r = record;
    if (!et_convolution_check(model, r))
        return 0;
    const uint64_t depth = et_convolution_depth(r), count = (uint32_t)r->output_channels;
    const uint64_t groups = (count + ET_NN_HELIUM_ROWS - 1) / ET_NN_HELIUM_ROWS;
    return et_can_read(model, r->weights, groups * ET_NN_HELIUM_ROWS * depth, 1) &&
           et_can_write(model, r->columns, depth * ET_NN_COLUMNS, 1) &&
           et_nn_check_channels(model, r->channels, (uint32_t)count, ET_NN_HELIUM_ROWS);
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    const convolution_record *r = record;
    int8_t *columns = (int8_t *)workspace + r->columns;
    const et_nn_rows rows = et_convolution_rows(model, r, workspace);
    const et_patches patches = et_patches_of(model, r, workspace);
    for (et_pixels pixel = et_pixels_of(r, workspace); pixel.left > 0;) {
        int8_t *places[ET_NN_COLUMNS];
        for (unsigned c = 0; c < ET_NN_COLUMNS; ++c) {
            et_patches_gather(&patches, pixel.y, pixel.x, columns + (size_t)c * rows.depth);
            places[c] = pixel.place;
            et_pixels_next(&pixel);
        }
        et_nn_multiply_helium(&rows, columns, places);
    }
}

const et_kernel et_kernel_conv_helium = {33, sizeof(convolution_record) / 4, check, run};
