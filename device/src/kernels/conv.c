/* CONV_2D, the phases of TRANSPOSE_CONV, and FULLY_CONNECTED with many rows: patches become columns of int16, which all
 * rows of weights are multiplied with. The record's `columns` is scratch for three of them; then for a patch as it is
 * gathered, where patches are not always read in place. */
#include "kernels/convolution.h"
#include "kernels/kernels.h"

static uint32_t count_quads(const convolution_record *r) { return (et_convolution_depth(r) + 3) / 4; }

static int check(const et_model *model, const void *record)
{
    const convolution_record *r = record;
    if (!et_convolution_check(model, r))
        return 0;
    const uint64_t quads = count_quads(r), pairs = ((uint64_t)(uint32_t)r->output_channels + 1) / 2;
    const int are_quads = (r->dilation_width == 1 ? r->kernel_width : 1) * r->input_channels % 4 == 0;
    const uint64_t scratch_quads = quads * (are_quads && et_convolution_is_inside(r) ? 6 : 7);
    return et_can_read(model, r->weights, pairs * quads * 8, 4) &&
           et_can_write(model, r->columns, scratch_quads * 4, 4) &&
           et_nn_check_channels(model, r->channels, (uint32_t)r->output_channels, ET_NN_COLUMN_ROWS);
}

/* The patch that begins at (y, x) becomes a column. Runs of whole quads are read where they lie. */
static void take_patch(const et_patches *p, int32_t y, int32_t x, uint32_t column_quads, int8_t *bytes, int16_t *column)
{
    if (p->run_bytes % 4 != 0 || !et_patches_are_inside(p, y, x)) {
        et_patches_gather(p, y, x, bytes);
        et_nn_expand(bytes, 0, 1, column_quads, column);
        return;
    }
    const int8_t *part = et_patches_at(p, y, x);
    const uint32_t quads = p->run_bytes / 4, part_values = p->runs * quads * 4 * ET_NN_COLUMNS;
    for (uint32_t i = 0; i < p->parts; ++i)
        et_nn_expand(part + i * p->part_step, p->run_step, p->runs, quads, column + i * part_values);
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    const convolution_record *r = record;
    const uint32_t quads = count_quads(r);
    int16_t *columns = (int16_t *)(void *)(workspace + r->columns);
    int8_t *bytes = (int8_t *)(columns + (size_t)quads * 4 * ET_NN_COLUMNS);
    const et_nn_rows rows = et_convolution_rows(model, r, workspace);
    const et_patches patches = et_patches_of(model, r, workspace);
    for (et_pixels pixel = et_pixels_of(r, workspace); pixel.left > 0;) {
        int8_t *places[ET_NN_COLUMNS];
        for (unsigned c = 0; c < ET_NN_COLUMNS; ++c) {
            take_patch(&patches, pixel.y, pixel.x, quads, bytes, columns + 4 * c);
            places[c] = pixel.place;
            et_pixels_next(&pixel);
        }
        et_nn_multiply(&rows, columns, places);
    }
}

const et_kernel et_kernel_conv = {1, sizeof(convolution_record) / 4, check, run};
