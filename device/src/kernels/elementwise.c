#include "kernels/elementwise.h"

static int can_read(const et_model *model, uint32_t place, const int32_t *sizes, const int32_t *strides)
{
    uint64_t last = 0;
    for (unsigned loop = 0; loop <= ET_WALK_LOOPS; ++loop) {
        if (strides[loop] < 0)
            return 0;
        last += (uint64_t)(sizes[loop] - 1) * (uint32_t)strides[loop];
    }
    return strides[ET_WALK_LOOPS] <= 1 && et_can_read(model, place, last + 1, 1);
}

int et_can_walk(const et_model *model, const et_operands *operands)
{
    const uint64_t elements = et_volume(operands->sizes, ET_WALK_LOOPS + 1);
    return elements != 0 && can_read(model, operands->a, operands->sizes, operands->a_strides) &&
           can_read(model, operands->b, operands->sizes, operands->b_strides) &&
           et_can_write(model, operands->output, elements, 1);
}

void et_walk_runs(const et_model *model, const et_operands *operands, uint8_t *workspace, et_run run)
{
    const int8_t *a = et_at(model, workspace, operands->a), *b = et_at(model, workspace, operands->b);
    int8_t *output = (int8_t *)workspace + operands->output;
    const size_t count = (size_t)operands->sizes[ET_WALK_LOOPS];
    const size_t a_step = (size_t)operands->a_strides[ET_WALK_LOOPS];
    const size_t b_step = (size_t)operands->b_strides[ET_WALK_LOOPS];
    et_walk walk = {{0}, 0, 0};
    do {
        run(operands, a + walk.a, a_step, b + walk.b, b_step, output, count);
        output += count;
    } while (et_walk_next(&walk, operands->sizes, operands->a_strides, operands->b_strides));
}
