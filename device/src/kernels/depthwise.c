/* DEPTHWISE_CONV_2D, channel by channel: the channel's plane, padding included, becomes int16, then all windows go over
 * it. A plane is read before its outputs are written, which lie where this channel's inputs do when the output's place is
 * the input's and depth is kept. */
#include "kernels/kernel.h"
#include "kernels/kernels.h"
#include "kernels/nn.h"

#define MOST_STRIDE 32767
#define MOST_PAD (1 << 24)

typedef struct depthwise_record {
    et_record header;
    uint32_t input, output, weights, channels;
    uint32_t plane; /* scratch */
    int32_t input_height, input_width, input_channels;
    int32_t output_height, output_width;
    int32_t multiplier; /* outputs of a channel */
    int32_t kernel_height, kernel_width;
    int32_t stride_height, stride_width;
    int32_t dilation_height, dilation_width;
    int32_t pad_top, pad_left;
    int32_t input_zero_point;
    int32_t output_zero_point, low, high, is_bounded;
} depthwise_record;

/* Positions from the first that the windows look at to the last. */
static uint64_t reach(int32_t outputs, int32_t stride, int32_t kernel, int32_t dilation)
{
    return (uint64_t)(outputs - 1) * (uint32_t)stride + (uint64_t)(kernel - 1) * (uint32_t)dilation + 1;
}

static uint64_t plane_height(const depthwise_record *r)
{
    return reach(r->output_height, r->stride_height, r->kernel_height, r->dilation_height);
}

static uint64_t plane_width(const depthwise_record *r)
{
    const uint64_t width = reach(r->output_width, r->stride_width, r->kernel_width, r->dilation_width);
    return width + width % 2;
}

static int check(const et_model *model, const void *record)
{
    const depthwise_record *r = record;
    const int32_t input[] = {r->input_height, r->input_width, r->input_channels};
    const int32_t output[] = {r->output_height, r->output_width, r->input_channels, r->multiplier};
    const int32_t kernel[] = {r->kernel_height, r->kernel_width, r->input_channels, r->multiplier};
    const uint64_t input_size = et_volume(input, 3);
    const uint64_t output_size = et_volume(output, 4);
    const uint64_t weights_size = et_volume(kernel, 4);
    if (input_size == 0 || output_size == 0 || weights_size == 0 || !et_within(r->stride_height, 1, MOST_STRIDE) ||
        !et_within(r->stride_width, 1, MOST_STRIDE) || !et_within(r->dilation_height, 1, MOST_STRIDE) ||
        !et_within(r->dilation_width, 1, MOST_STRIDE) || !et_within(r->pad_top, 0, MOST_PAD) ||
        !et_within(r->pad_left, 0, MOST_PAD) || !et_within(r->output_zero_point, -128, 127) ||
        !et_within(r->low, -128, 127) || !et_within(r->high, -128, 127))
        return 0;
    const uint64_t height = plane_height(r), width = plane_width(r);
    return height <= ET_MOST_BYTES && width <= ET_MOST_BYTES && et_can_read(model, r->input, input_size, 1) &&
           et_can_write(model, r->output, output_size, 1) && et_can_read(model, r->weights, weights_size, 1) &&
           height * width <= ET_MOST_BYTES / 2 && et_can_write(model, r->plane, height * width * 2, 4) &&
           et_nn_check_channels(model, r->channels, (uint32_t)(r->input_channels * r->multiplier), 1);
}

static void fill_padding(const depthwise_record *r, int16_t *plane)
{
    const int16_t padding = (int16_t)r->input_zero_point;
    for (size_t count = (size_t)(plane_height(r) * plane_width(r)); count > 0; --count)
        *plane++ = padding;
}

/* One channel of the input; `plane` is where its first pixel goes, between paddings that stay. */
static void take_plane(const depthwise_record *r, const int8_t *input, int16_t *plane, int32_t rows, int32_t columns)
{
    const size_t channels = (uint32_t)r->input_channels;
    const size_t beyond = (size_t)(r->input_width - columns) * channels;
    const size_t width = (size_t)plane_width(r);
    for (int32_t y = 0; y < rows; ++y, input += beyond, plane += width) {
        int16_t *to = plane;
        int32_t left = columns;
        for (; left >= 4; left -= 4, to += 4, input += 4 * channels) {
            to[0] = input[0];
            to[1] = input[channels];
            to[2] = input[2 * channels];
            to[3] = input[3 * channels];
        }
        for (; left > 0; --left, input += channels)
            *to++ = *input;
    }
}

/* Any kernel, stride and dilation. */
static void slide(const depthwise_record *r, const int16_t *plane, const int8_t *weights, const int32_t channel[3],
                  const et_nn_range *range, int8_t *output, size_t step)
{
    const size_t width = (size_t)plane_width(r);
    for (int32_t y = 0; y < r->output_height; ++y) {
        const int16_t *window = plane + (size_t)y * (uint32_t)r->stride_height * width;
        for (int32_t x = 0; x < r->output_width; ++x, window += r->stride_width, output += step) {
            uint32_t sum = (uint32_t)channel[0];
            const int8_t *weight = weights;
            for (int32_t ky = 0; ky < r->kernel_height; ++ky) {
                const int16_t *value = window + (size_t)ky * (uint32_t)r->dilation_height * width;
                for (int32_t kx = 0; kx < r->kernel_width; ++kx, value += r->dilation_width)
                    sum += (uint32_t)(*value * *weight++);
            }
            *output = et_nn_output(sum, channel[1], channel[2], range);
        }
    }
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    const depthwise_record *r = record;
    const int8_t *input = et_at(model, workspace, r->input);
    const int8_t *weights = et_at(model, workspace, r->weights);
    const int32_t *channel = et_at(model, workspace, r->channels);
    int8_t *output = (int8_t *)workspace + r->output;
    int16_t *plane = (int16_t *)(void *)(workspace + r->plane);
    const et_nn_range range = {r->output_zero_point, r->low, r->high, r->is_bounded};
    const int32_t taps = r->kernel_height * r->kernel_width;
    const int is_3x3 = r->kernel_height == 3 && r->kernel_width == 3 && r->dilation_height == 1 &&
                       r->dilation_width == 1 && r->stride_width <= 2 && r->is_bounded;
    const size_t width = (size_t)plane_width(r), step = (uint32_t)(r->input_channels * r->multiplier);
    const et_nn_plane windows = {plane,
                                 width,
                                 (uint32_t)r->stride_height,
                                 (uint32_t)r->stride_width,
                                 (uint32_t)r->output_height,
                                 (uint32_t)r->output_width,
                                 step};
    /* What of the input the windows look at. */
    const int32_t rows = et_clamp((int32_t)plane_height(r) - r->pad_top, 0, r->input_height);
    const int32_t columns = et_clamp((int32_t)width - r->pad_left, 0, r->input_width);

    fill_padding(r, plane);
    for (int32_t c = 0; c < r->input_channels; ++c, ++input) {
        if (rows > 0 && columns > 0)
            take_plane(r, input, plane + (size_t)r->pad_top * width + (uint32_t)r->pad_left, rows, columns);
        for (int32_t m = 0; m < r->multiplier; ++m, ++output, weights += taps, channel += 3) {
            if (is_3x3)
                et_nn_slide_3x3(&windows, weights, channel, &range, output);
            else
                slide(r, plane, weights, channel, &range, output, step);
        }
    }
}

const et_kernel et_kernel_depthwise = {2, sizeof(depthwise_record) / 4, check, run};
