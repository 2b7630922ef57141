/* RESIZE_NEAREST_NEIGHBOR. */
#include "kernels/kernel.h"
#include "kernels/kernels.h"

#include <string.h>

typedef struct resize_record {
    et_record header;
    uint32_t input, output; /* places */
    int32_t height, width, channels, output_height, output_width;
    uint32_t rows, columns; /* constants: of each of the output's, the input's, uint16 */
} resize_record;

static int check_nearest(const et_model *model, uint32_t place, int32_t count, int32_t size)
{
    if ((place & ET_CONSTANT) == 0 || !et_can_read(model, place, (uint64_t)(uint32_t)count * sizeof(uint16_t), 2))
        return 0;
    const uint16_t *nearest = (const void *)(model->constants + (place & ~ET_CONSTANT));
    for (int32_t i = 0; i < count; ++i)
        if (nearest[i] >= size)
            return 0;
    return 1;
}

static int check(const et_model *model, const void *record)
{
    const resize_record *resize = record;
    const int32_t inputs[3] = {resize->height, resize->width, resize->channels};
    const int32_t outputs[3] = {resize->output_height, resize->output_width, resize->channels};
    const uint64_t read = et_volume(inputs, 3), written = et_volume(outputs, 3);
    return read != 0 && written != 0 && et_can_read(model, resize->input, read, 1) &&
           et_can_write(model, resize->output, written, 1) &&
           check_nearest(model, resize->rows, resize->output_height, resize->height) &&
           check_nearest(model, resize->columns, resize->output_width, resize->width);
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    const resize_record *resize = record;
    const uint8_t *input = et_at(model, workspace, resize->input);
    const uint16_t *rows = et_at(model, workspace, resize->rows), *columns = et_at(model, workspace, resize->columns);
    uint8_t *output = workspace + resize->output;
    const size_t channels = (size_t)resize->channels, width = (size_t)resize->width;
    for (int32_t y = 0; y < resize->output_height; ++y)
        for (int32_t x = 0; x < resize->output_width; ++x, output += channels)
            memmove(output, input + (rows[y] * width + columns[x]) * channels, channels); /* they may overlap */
}

const et_kernel et_kernel_resize = {14, sizeof(resize_record) / 4, check, run};
