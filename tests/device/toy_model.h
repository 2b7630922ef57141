/* A model for tests of the node, made by hand, and kernels that are toys, so that what it must give is plain:
 * 3 x input + position, plus a count that it keeps. */
#ifndef EDGETWIN_TEST_TOY_MODEL_H
#define EDGETWIN_TEST_TOY_MODEL_H

#include <string.h>

#include "problem.h"
#include "runner.h"

#define MODEL_STATE 16u /* bytes at the workspace's start; the first counts invocations */
#define RECORD_WORDS 4u

/* Elements of the payload (FORMATS.md). */
#define TENSORS (ET_BUNDLE_HEADER + 32u)
#define RECORDS (TENSORS + 2u * sizeof(et_tensor))
#define STATE (RECORDS + 2u * 4u * RECORD_WORDS)

typedef struct toy_record {
    uint16_t kernel, words;
    uint32_t input, output, size;
} toy_record;

static inline int toy_check(const et_model *model, const void *record)
{
    const toy_record *toy = record;
    const size_t room = model->workspace_size;
    return toy->size <= room && toy->input <= room - toy->size && toy->output <= room - toy->size;
}

static inline void triple(const et_model *model, const void *record, uint8_t *workspace)
{
    const toy_record *toy = record;
    (void)model;
    for (uint32_t i = 0; i < toy->size; ++i)
        workspace[toy->output + i] = (uint8_t)(3 * workspace[toy->input + i] + i);
}

static inline void count(const et_model *model, const void *record, uint8_t *workspace)
{
    const toy_record *toy = record;
    (void)model;
    ++workspace[0];
    for (uint32_t i = 0; i < toy->size; ++i)
        workspace[toy->output + i] = (uint8_t)(workspace[toy->input + i] + workspace[0]);
}

static const et_kernel toy_triple = {40, RECORD_WORDS, toy_check, triple};
static const et_kernel toy_count = {41, RECORD_WORDS, toy_check, count};
static const et_kernel *const toy_kernels[] = {&toy_triple, &toy_count, NULL};

typedef struct model_bundle {
    uint8_t *bytes;
    size_t size;
    uint64_t id;
    uint32_t input;     /* bytes of the input and of the output */
    uint32_t middle;    /* place of what is between the layers */
    uint32_t workspace; /* bytes */
    uint8_t first;      /* of the count */
} model_bundle;

static inline void put_tensor(uint8_t *at, uint32_t place, uint32_t size, et_tensor_type type)
{
    et_tensor tensor;
    memset(&tensor, 0, sizeof tensor);
    tensor.place = place;
    tensor.size = size;
    tensor.type = (uint8_t)type;
    tensor.rank = 1;
    for (unsigned i = 1; i < ET_MAX_RANK; ++i)
        tensor.shape[i] = 1;
    tensor.shape[0] = (int32_t)(type == ET_TENSOR_FLOAT32 ? size / 4 : size);
    tensor.scale = type == ET_TENSOR_FLOAT32 ? 0.0f : 0.5f;
    tensor.zero_point = 3;
    memcpy(at, &tensor, sizeof tensor);
}

/* A model of `input` bytes whose count begins at `first`; nonzero if there was memory. */
static inline int take_model(model_bundle *m, uint32_t input, et_tensor_type type, uint8_t first)
{
    const uint32_t step = (input + 15u) & ~15u;
    m->input = input;
    m->middle = MODEL_STATE + step;
    m->workspace = MODEL_STATE + 3 * step;
    m->first = first;
    m->size = STATE + MODEL_STATE;
    m->bytes = test_take(m->size);
    if (m->bytes == NULL)
        return 0;
    memset(m->bytes, 0, m->size);
    const uint32_t output = m->middle + step;
    const uint16_t counts[] = {1, 1, 2}, version = 1;
    const uint32_t sizes[] = {m->workspace, MODEL_STATE}, records_size = 8 * RECORD_WORDS;
    const toy_record layers[] = {{40, RECORD_WORDS, MODEL_STATE, m->middle, input},
                                 {41, RECORD_WORDS, m->middle, output, input}};
    uint8_t *fields = m->bytes + ET_BUNDLE_HEADER;
    memcpy(fields, &version, sizeof version);
    memcpy(fields + 4, sizes, sizeof sizes);
    memcpy(fields + 12, counts, sizeof counts);
    memcpy(fields + 20, &records_size, sizeof records_size);
    put_tensor(m->bytes + TENSORS, MODEL_STATE, input, type);
    put_tensor(m->bytes + TENSORS + sizeof(et_tensor), output, input, ET_TENSOR_INT8);
    memcpy(m->bytes + RECORDS, layers, sizeof layers);
    m->bytes[STATE] = first;
    seal_bundle(m->bytes, ET_KIND_MODEL, m->size - ET_BUNDLE_HEADER);
    memcpy(&m->id, m->bytes + 16, sizeof m->id);
    return 1;
}

#endif
