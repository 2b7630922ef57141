/* What kernels share: where a record's tensors are, and checks of its fields.
 *
 * A record is a header word (kernel number, words) and the kernel's own 32-bit fields. A *place* is a byte offset into the
 * workspace, or, with ET_CONSTANT set, into the bundle's constants. Records come from outside: `check` looks at every field
 * that `run` uses for an address, a count or a shift; arithmetic on what is not checked is unsigned, so that it wraps. */
#ifndef EDGETWIN_KERNEL_H
#define EDGETWIN_KERNEL_H

#include "edgetwin/model.h"

#define ET_CONSTANT 0x80000000u
#define ET_MOST_BYTES 0x7FFFFFFFu /* of anything that a place names */

typedef struct et_record {
    uint16_t kernel, words;
} et_record;

/* Nonzero if `bytes` bytes from `place` on can be read, and the place is a multiple of `align` (1, 2 or 4). */
static inline int et_can_read(const et_model *model, uint32_t place, uint64_t bytes, uint32_t align)
{
    const uint64_t end = (uint64_t)(place & ~ET_CONSTANT) + bytes;
    return place % align == 0 && bytes <= ET_MOST_BYTES &&
           end <= ((place & ET_CONSTANT) != 0 ? model->constants_size : model->workspace_size);
}

static inline int et_can_write(const et_model *model, uint32_t place, uint64_t bytes, uint32_t align)
{
    return (place & ET_CONSTANT) == 0 && et_can_read(model, place, bytes, align);
}

static inline const void *et_at(const et_model *model, const uint8_t *workspace, uint32_t place)
{
    return (place & ET_CONSTANT) != 0 ? model->constants + (place & ~ET_CONSTANT) : workspace + place;
}

static inline int et_within(int32_t value, int32_t low, int32_t high) { return value >= low && value <= high; }

/* Product of positive dimensions; 0 if one is not in 1 .. 2^24 or the product exceeds ET_MOST_BYTES. */
static inline uint64_t et_volume(const int32_t *dimensions, unsigned count)
{
    uint64_t volume = 1;
    for (unsigned i = 0; i < count; ++i) {
        if (!et_within(dimensions[i], 1, 1 << 24))
            return 0;
        volume *= (uint32_t)dimensions[i];
        if (volume > ET_MOST_BYTES)
            return 0;
    }
    return volume;
}

#endif
