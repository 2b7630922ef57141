/* Moves bytes: TRANSPOSE, STRIDED_SLICE, SPLIT, CONCATENATION, PACK, UNPACK, and what PAD surrounds. */
#include "kernels/kernel.h"
#include "kernels/kernels.h"
#include "kernels/walk.h"

#include <string.h>

/* Runs of `bytes` neighbours, in five loops, outermost first. Strides are bytes, of any sign; source and target are the
 * places of the first run. */
typedef struct copy_record {
    et_record header;
    uint32_t source, target;
    int32_t bytes;
    int32_t sizes[ET_WALK_LOOPS + 1];
    int32_t source_strides[ET_WALK_LOOPS + 1], target_strides[ET_WALK_LOOPS + 1];
} copy_record;

/* The lowest place that the strides lead to from `place`, and in *bytes how much is used from there on; or no place at
 * all, which nothing can be read from. */
static uint32_t lowest(const copy_record *copy, uint32_t place, const int32_t *strides, uint64_t *bytes)
{
    int64_t low = place & ~ET_CONSTANT, high = low;
    for (unsigned loop = 0; loop <= ET_WALK_LOOPS; ++loop) {
        const int64_t reach = (int64_t)(copy->sizes[loop] - 1) * strides[loop];
        low += reach < 0 ? reach : 0;
        high += reach > 0 ? reach : 0;
    }
    *bytes = low < 0 ? UINT64_MAX >> 1 : (uint64_t)(high - low) + (uint32_t)copy->bytes;
    return (place & ET_CONSTANT) | (low < 0 ? 0 : (uint32_t)low);
}

static int check(const et_model *model, const void *record)
{
    const copy_record *copy = record;
    const uint64_t runs = et_volume(copy->sizes, ET_WALK_LOOPS + 1);
    if (runs == 0 || copy->bytes < 1 || runs * (uint32_t)copy->bytes > model->workspace_size) /* or it takes for ever */
        return 0;
    uint64_t read, written;
    const uint32_t source = lowest(copy, copy->source, copy->source_strides, &read);
    const uint32_t target = lowest(copy, copy->target, copy->target_strides, &written);
    return et_can_read(model, source, read, 1) && et_can_write(model, target, written, 1);
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    const copy_record *copy = record;
    const uint8_t *source = et_at(model, workspace, copy->source);
    uint8_t *target = workspace + copy->target;
    const size_t bytes = (size_t)copy->bytes, count = (size_t)copy->sizes[ET_WALK_LOOPS];
    const size_t source_stride = (size_t)copy->source_strides[ET_WALK_LOOPS];
    const size_t target_stride = (size_t)copy->target_strides[ET_WALK_LOOPS];
    et_walk walk = {{0}, 0, 0};
    do {
        size_t from = walk.a, to = walk.b;
        if (bytes == 1)
            for (size_t i = 0; i < count; ++i, from += source_stride, to += target_stride)
                target[(ptrdiff_t)to] = source[(ptrdiff_t)from];
        else
            for (size_t i = 0; i < count; ++i, from += source_stride, to += target_stride)
                memmove(target + (ptrdiff_t)to, source + (ptrdiff_t)from, bytes); /* they may overlap */
    } while (et_walk_next(&walk, copy->sizes, copy->source_strides, copy->target_strides));
}

const et_kernel et_kernel_copy = {10, sizeof(copy_record) / 4, check, run};
