/* Bytes of one value: what PAD adds. */
#include "kernels/kernel.h"
#include "kernels/kernels.h"

#include <string.h>

typedef struct fill_record {
    et_record header;
    uint32_t target; /* a place */
    int32_t bytes, value;
} fill_record;

static int check(const et_model *model, const void *record)
{
    const fill_record *fill = record;
    return fill->bytes >= 1 && et_can_write(model, fill->target, (uint32_t)fill->bytes, 1);
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    const fill_record *fill = record;
    (void)model;
    memset(workspace + fill->target, (uint8_t)fill->value, (size_t)fill->bytes);
}

const et_kernel et_kernel_fill = {11, sizeof(fill_record) / 4, check, run};
