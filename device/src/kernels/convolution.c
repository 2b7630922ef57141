#include "kernels/convolution.h"

#define MOST_STRIDE 32767
#define MOST_REACH (1 << 28) /* rows or columns that windows may go over in all, and padding */

/* Pixels that lie side by side in both the kernel and the input. */
static int32_t run_length(const convolution_record *r) { return r->dilation_width == 1 ? r->kernel_width : 1; }

/* How far it is from the first row (column) that windows look at to the last, padding included. */
static int64_t reach(int32_t outputs, int32_t stride, int32_t kernel, int32_t dilation)
{
    return (int64_t)(outputs - 1) * stride + (int64_t)(kernel - 1) * dilation;
}

static int64_t reach_down(const convolution_record *r)
{
    return reach(r->output_height, r->stride_height, r->kernel_height, r->dilation_height);
}

static int64_t reach_right(const convolution_record *r)
{
    return reach(r->output_width, r->stride_width, r->kernel_width, r->dilation_width);
}

uint32_t et_convolution_depth(const convolution_record *r)
{
    return (uint32_t)r->kernel_height * (uint32_t)r->kernel_width * (uint32_t)r->input_channels;
}

int et_convolution_is_inside(const convolution_record *r)
{
    return r->pad_top <= 0 && reach_down(r) - r->pad_top < r->input_height && r->pad_left <= 0 &&
           reach_right(r) - r->pad_left < r->input_width;
}

int et_convolution_check(const et_model *model, const convolution_record *r)
{
    const int32_t input[] = {r->input_height, r->input_width, r->input_channels};
    const int32_t output[] = {r->output_height, r->output_width, r->output_channels};
    const int32_t kernel[] = {r->kernel_height, r->kernel_width, r->input_channels};
    const uint64_t input_size = et_volume(input, 3);
    if (input_size == 0 || et_volume(output, 3) == 0 || et_volume(kernel, 3) == 0 ||
        !et_within(r->stride_height, 1, MOST_STRIDE) || !et_within(r->stride_width, 1, MOST_STRIDE) ||
        !et_within(r->dilation_height, 1, MOST_STRIDE) || !et_within(r->dilation_width, 1, MOST_STRIDE) ||
        !et_within(r->pad_top, -MOST_REACH, MOST_REACH) || !et_within(r->pad_left, -MOST_REACH, MOST_REACH) ||
        !et_within(r->pixel_step, r->output_channels, INT32_MAX) || !et_within(r->row_step, 0, INT32_MAX) ||
        !et_within(r->output_zero_point, -128, 127) || !et_within(r->low, -128, 127) ||
        !et_within(r->high, -128, 127) || reach_down(r) > MOST_REACH || reach_right(r) > MOST_REACH)
        return 0;
    /* No pixel lies over another, so that there are no more of them than bytes, however much a bundle asks for. */
    const uint64_t row_size = (uint64_t)(r->output_width - 1) * (uint32_t)r->pixel_step + (uint32_t)r->output_channels;
    const uint64_t last_row = (uint64_t)(r->output_height - 1) * (uint32_t)r->row_step;
    return (uint32_t)r->row_step >= row_size && et_can_read(model, r->input, input_size, 1) &&
           et_can_write(model, r->output, last_row + row_size, 1);
}

et_nn_rows et_convolution_rows(const et_model *model, const convolution_record *r, const uint8_t *workspace)
{
    const et_nn_rows rows = {.weights = et_at(model, workspace, r->weights),
                             .channels = et_at(model, workspace, r->channels),
                             .depth = et_convolution_depth(r),
                             .count = (uint32_t)r->output_channels,
                             .range = {r->output_zero_point, r->low, r->high, r->is_bounded}};
    return rows;
}

et_patches et_patches_of(const et_model *model, const convolution_record *r, const uint8_t *workspace)
{
    const size_t channels = (uint32_t)r->input_channels;
    const size_t row_step = (size_t)(uint32_t)r->dilation_height * (uint32_t)r->input_width * channels;
    const uint32_t height = (uint32_t)r->kernel_height, width = (uint32_t)r->kernel_width;
    const int is_dense = r->dilation_width == 1;
    const et_patches patches = {.record = r,
                                .input = et_at(model, workspace, r->input),
                                .last_y =
                                    r->input_height - 1 - (int32_t)reach(1, 1, r->kernel_height, r->dilation_height),
                                .last_x = r->input_width - 1 - (int32_t)reach(1, 1, r->kernel_width, r->dilation_width),
                                .run_bytes = (uint32_t)run_length(r) * (uint32_t)r->input_channels,
                                .runs = is_dense ? height : width,
                                .parts = is_dense ? 1 : height,
                                .run_step = is_dense ? row_step : (uint32_t)r->dilation_width * channels,
                                .part_step = row_step};
    return patches;
}

static int8_t *fill(int8_t *to, int8_t value, uint32_t count)
{
    for (; count > 0; --count)
        *to++ = value;
    return to;
}

static void gather_padded(const et_patches *patches, int32_t y, int32_t x, int8_t *bytes)
{
    const convolution_record *r = patches->record;
    const uint32_t channels = (uint32_t)r->input_channels;
    const int8_t padding = (int8_t)r->input_zero_point;
    const int32_t run = run_length(r);
    for (int32_t ky = 0; ky < r->kernel_height; ++ky, y += r->dilation_height) {
        const int is_row = y >= 0 && y < r->input_height;
        int32_t column = x;
        for (int32_t kx = 0; kx < r->kernel_width; kx += run, column += r->dilation_width) {
            const int32_t begin = et_clamp(-column, 0, run);
            const int32_t end = is_row ? et_clamp(r->input_width - column, begin, run) : begin;
            bytes = fill(bytes, padding, (uint32_t)begin * channels);
            if (end > begin) {
                const uint32_t size = (uint32_t)(end - begin) * channels;
                et_nn_copy(et_patches_at(patches, y, column + begin), 0, 1, size, bytes);
                bytes += size;
            }
            bytes = fill(bytes, padding, (uint32_t)(run - end) * channels);
        }
    }
}

void et_patches_gather(const et_patches *patches, int32_t y, int32_t x, int8_t *bytes)
{
    if (!et_patches_are_inside(patches, y, x)) {
        gather_padded(patches, y, x, bytes);
        return;
    }
    const int8_t *part = et_patches_at(patches, y, x);
    for (uint32_t i = 0; i < patches->parts; ++i, bytes += patches->runs * patches->run_bytes)
        et_nn_copy(part + i * patches->part_step, patches->run_step, patches->runs, patches->run_bytes, bytes);
}

et_pixels et_pixels_of(const convolution_record *r, uint8_t *workspace)
{
    int8_t *output = (int8_t *)workspace + r->output;
    const et_pixels pixels = {.record = r,
                              .left = (uint32_t)r->output_height * (uint32_t)r->output_width,
                              .y = -r->pad_top,
                              .x = -r->pad_left,
                              .in_row = r->output_width,
                              .place = output,
                              .row = output};
    return pixels;
}
