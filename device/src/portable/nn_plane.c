#include "kernels/nn.h"

void et_nn_slide_3x3(const et_nn_plane *plane, const int8_t weights[9], const int32_t channel[3],
                     const et_nn_range *range, int8_t *output)
{
    for (uint32_t y = 0; y < plane->output_height; ++y) {
        const int16_t *row[3];
        for (unsigned ky = 0; ky < 3; ++ky)
            row[ky] = plane->values + ((size_t)y * plane->stride_height + ky) * plane->width;
        for (uint32_t x = 0; x < plane->output_width; ++x, output += plane->pixel_step) {
            uint32_t sum = (uint32_t)channel[0];
            for (unsigned ky = 0; ky < 3; ++ky, row[ky - 1] += plane->stride_width)
                for (unsigned kx = 0; kx < 3; ++kx)
                    sum += (uint32_t)(row[ky][kx] * weights[3 * ky + kx]);
            *output = et_nn_output(sum, channel[1], channel[2], range);
        }
    }
}
