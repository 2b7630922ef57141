/* Any payload as a model: it is sealed first, else the CRC and the content id would stop nearly all. Whatever opens must
 * run in its workspace. */
#include "edgetwin/model.h"

#include <stdlib.h>
#include <string.h>

#include "../problem.h"
#include "../runner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

#define MOST_WORKSPACE 8192u /* more is right, but slow */
#define FIELDS 32u

static void require(int condition)
{
    if (!condition)
        abort();
}

/* Two invocations in a workspace of its own, so that a write beyond is seen. */
static void use(const et_model *model)
{
    const size_t size = et_model_workspace_size(model);
    if (size > MOST_WORKSPACE)
        return;
    uint8_t *workspace = malloc(size);
    for (size_t i = 0; i < size; ++i)
        workspace[i] = (uint8_t)(i * 37);
    require(et_model_reset(model, workspace, size) == ET_OK);
    for (unsigned k = 0; k < 2; ++k)
        require(et_model_invoke(model, workspace, size) == ET_OK);
    free(workspace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    et_model model;
    if (size < ET_BUNDLE_HEADER)
        return 0;
    uint8_t *bytes = malloc(size); /* of its own size, so that a read beyond is seen */
    memcpy(bytes, data, size);
    seal_bundle(bytes, ET_KIND_MODEL, (size - ET_BUNDLE_HEADER) & ~(size_t)15);
    if (et_model_open(bytes, size, et_kernels_all, &model) == ET_OK)
        use(&model);
    free(bytes);
    return 0;
}

static uint32_t load(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* Mostly replaces one word before the constants by what a check may have forgotten: fields are words, and most other
 * changes are refused at once. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    uint32_t state = seed | 1u;
    if (size < ET_BUNDLE_HEADER + FIELDS || seed % 4 == 0)
        return LLVMFuzzerMutate(data, size, most);
    const uint8_t *fields = data + ET_BUNDLE_HEADER;
    const size_t tensors = (size_t)fields[12] + fields[14], records = load(fields + 20);
    size_t words = (FIELDS + 48 * tensors + records) / 4;
    if (words > (size - ET_BUNDLE_HEADER) / 4 || records > size)
        words = (size - ET_BUNDLE_HEADER) / 4;
    uint8_t *at = data + ET_BUNDLE_HEADER + 4 * (size_t)(test_random(&state) / 16 % words);
    const uint32_t other = load(data + ET_BUNDLE_HEADER + 4 * (size_t)(test_random(&state) / 16 % words));
    const unsigned power = test_random(&state) / 65536 % 32;
    const uint32_t was = load(at);
    const uint32_t candidates[] = {
        0,       1u << power,       (1u << power) - 1, 0u - (1u << power), other,       was + 1,     was - 1, was * 2,
        was / 2, was ^ 1u << power, 0u - was,          was + other,        was - other, was * other, was + 4, was - 4};
    const uint32_t value = candidates[test_random(&state) / 65536 % (sizeof candidates / sizeof *candidates)];
    memcpy(at, &value, sizeof value);
    return size;
}
