/* DEPTHWISE_CONV_2D with one output a channel, for models that are packed for Helium: pixel by pixel, all channels of a tap
 * side by side. Channels go in groups; the taps of a group are read before its outputs are written. As in memmove, an output
 * that lies above its input is written from its last pixel on, any other from its first, so that either may lie over an
 * input that dies here: how far apart they must begin, lowering/depthwise.py says. */
#include "kernels/kernel.h"
#include "kernels/kernels.h"
#include "kernels/nn.h"

#define MOST_STRIDE 32767
#define MOST_REACH (1 << 28)

typedef struct depthwise_helium_record {
    et_record header;
    uint32_t input, output, weights, channels;
    uint32_t
        taps; /* scratch: offsets of the taps inside the input, those of a pixel at its border, a pixel of padding */
    int32_t input_height, input_width, input_channels;
    int32_t output_height, output_width;
    int32_t kernel_height, kernel_width;
    int32_t stride_height, stride_width;
    int32_t dilation_height, dilation_width;
    int32_t pad_top, pad_left;
    int32_t input_zero_point;
    int32_t output_zero_point, low, high, is_bounded;
} depthwise_helium_record;

/* How far it is from the first row (column) that windows look at to the last. */
static int64_t reach(int32_t outputs, int32_t stride, int32_t kernel, int32_t dilation)
{
    return (int64_t)(outputs - 1) * stride + (int64_t)(kernel - 1) * dilation;
}

static int check(const et_model *model, const void *record)
{
    const depthwise_helium_record *r = record;
    const int32_t input[] = {r->input_height, r->input_width, r->input_channels};
    const int32_t output[] = {r->output_height, r->output_width, r->input_channels};
    const int32_t kernel[] = {r->kernel_height, r->kernel_width, r->input_channels};
    const uint64_t input_size = et_volume(input, 3);
    const uint64_t output_size = et_volume(output, 3);
    if (input_size == 0 || output_size == 0 || et_volume(kernel, 3) == 0 ||
        !et_within(r->stride_height, 1, MOST_STRIDE) || !et_within(r->stride_width, 1, MOST_STRIDE) ||
        !et_within(r->dilation_height, 1, MOST_STRIDE) || !et_within(r->dilation_width, 1, MOST_STRIDE) ||
        !et_within(r->pad_top, 0, MOST_REACH) || !et_within(r->pad_left, 0, MOST_REACH) ||
        !et_within(r->output_zero_point, -128, 127) || !et_within(r->low, -128, 127) ||
        !et_within(r->high, -128, 127) ||
        reach(r->output_height, r->stride_height, r->kernel_height, r->dilation_height) > MOST_REACH ||
        reach(r->output_width, r->stride_width, r->kernel_width, r->dilation_width) > MOST_REACH)
        return 0;
    const uint64_t taps = (uint64_t)(uint32_t)r->kernel_height * (uint32_t)r->kernel_width;
    const uint64_t channels = (uint32_t)r->input_channels;
    const uint64_t groups = (channels + ET_NN_HELIUM_LANES - 1) / ET_NN_HELIUM_LANES;
    /* The offsets must outlive the outputs. */
    const uint64_t scratch = 8 * taps + channels;
    if (r->taps < r->output + output_size && r->output < r->taps + scratch)
        return 0;
    return et_can_write(model, r->input, input_size, 1) && et_can_write(model, r->output, output_size, 1) &&
           et_can_read(model, r->weights, groups * ET_NN_HELIUM_LANES * taps, 1) &&
           et_can_write(model, r->taps, scratch, 4) &&
           et_nn_check_channels(model, r->channels, (uint32_t)channels, ET_NN_HELIUM_LANES);
}

/* Offsets of the taps from the place of the input's pixel (0, 0), for a window that begins at (y, x); `padding` where
 * there is no input. */
static void offset_taps(const depthwise_helium_record *r, int32_t y, int32_t x, uint32_t padding, uint32_t *offsets)
{
    for (int32_t ky = 0; ky < r->kernel_height; ++ky, y += r->dilation_height) {
        int32_t column = x;
        for (int32_t kx = 0; kx < r->kernel_width; ++kx, column += r->dilation_width) {
            const int is_inside = y >= 0 && y < r->input_height && column >= 0 && column < r->input_width;
            *offsets++ =
                is_inside ? ((uint32_t)y * (uint32_t)r->input_width + (uint32_t)column) * (uint32_t)r->input_channels +
                                r->input
                          : padding;
        }
    }
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    const depthwise_helium_record *r = record;
    const uint32_t taps = (uint32_t)(r->kernel_height * r->kernel_width), channels = (uint32_t)r->input_channels;
    const et_nn_rows rows = {.weights = et_at(model, workspace, r->weights),
                             .channels = et_at(model, workspace, r->channels),
                             .depth = taps,
                             .count = channels,
                             .range = {r->output_zero_point, r->low, r->high, r->is_bounded}};
    const int32_t last_y = r->input_height - 1 - (r->kernel_height - 1) * r->dilation_height;
    const int32_t last_x = r->input_width - 1 - (r->kernel_width - 1) * r->dilation_width;
    uint32_t *inside = (uint32_t *)(void *)(workspace + r->taps);
    uint32_t *border = inside + taps;
    const uint32_t padding = r->taps + 8 * taps;
    for (uint32_t c = 0; c < channels; ++c)
        workspace[padding + c] = (uint8_t)r->input_zero_point;
    if (last_y >= 0 && last_x >= 0)
        offset_taps(r, 0, 0, padding, inside);

    const int is_backward = r->output > r->input;
    const int32_t last_row = r->output_height - 1, last_column = r->output_width - 1;
    const uint32_t last = (uint32_t)(last_row * r->output_width + last_column);
    const int32_t down = is_backward ? -r->stride_height : r->stride_height;
    const int32_t across = is_backward ? -r->stride_width : r->stride_width;
    const uint32_t step = is_backward ? 0u - channels : channels;
    const int32_t first_x = (is_backward ? last_column * r->stride_width : 0) - r->pad_left;
    int32_t y = (is_backward ? last_row * r->stride_height : 0) - r->pad_top;
    uint32_t output = r->output + (is_backward ? last * channels : 0);
    for (int32_t row = 0; row <= last_row; ++row, y += down) {
        int32_t x = first_x;
        for (int32_t column = 0; column <= last_column; ++column, x += across, output += step) {
            const int8_t *pixel = (const int8_t *)workspace;
            const uint32_t *offsets = border;
            if (y >= 0 && y <= last_y && x >= 0 && x <= last_x) {
                pixel += ((size_t)y * (uint32_t)r->input_width + (uint32_t)x) * channels;
                offsets = inside;
            } else {
                offset_taps(r, y, x, padding, border);
            }
            et_nn_taps_helium(&rows, pixel, offsets, (int8_t *)workspace + output);
        }
    }
}

const et_kernel et_kernel_depthwise_helium = {34, sizeof(depthwise_helium_record) / 4, check, run};
