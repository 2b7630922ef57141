#include "kernels/nn.h"

int et_nn_check_channels(const et_model *model, uint32_t place, uint32_t count, uint32_t group)
{
    const uint64_t groups = ((uint64_t)count + group - 1) / group;
    if ((place & ET_CONSTANT) == 0 || !et_can_read(model, place, groups * group * 12, 4))
        return 0;
    const int32_t *shifts =
        (const int32_t *)(const void *)(model->constants + (place & ~ET_CONSTANT)) + (size_t)group * 2;
    for (uint64_t i = 0; i < groups; ++i, shifts += (size_t)group * 3)
        for (uint32_t row = 0; row < group; ++row)
            if (!et_within(shifts[row], -31, 30))
                return 0;
    return 1;
}
