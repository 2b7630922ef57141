#include "edgetwin/model.h"

#include <string.h>

#include "bytes.h"
#include "float_bits.h"
#include "kernels/kernel.h"
#include "section.h"

#define MODEL_FIELDS 32u /* bytes of the payload's fixed fields */
#define MODEL_VERSION 1u

static const et_kernel *find_kernel(const et_kernel *const kernels[], unsigned number)
{
    while (*kernels != NULL && (*kernels)->number != number)
        ++kernels;
    return *kernels;
}

static et_status check_tensor(const et_model *model, const et_tensor *tensor)
{
    const int is_float = tensor->type == ET_TENSOR_FLOAT32;
    if ((!is_float && tensor->type != ET_TENSOR_INT8) || tensor->rank > ET_MAX_RANK || tensor->zero != 0)
        return ET_ERR_FORMAT;
    const uint64_t bytes = et_volume(tensor->shape, ET_MAX_RANK) * (is_float ? 4u : 1u);
    for (unsigned i = tensor->rank; i < ET_MAX_RANK; ++i)
        if (tensor->shape[i] != 1)
            return ET_ERR_FORMAT;
    if (!is_float && !et_within(tensor->zero_point, -128, 127))
        return ET_ERR_FORMAT;
    if (bytes == 0 || bytes != tensor->size || !et_can_write(model, tensor->place, bytes, is_float ? 4 : 1))
        return ET_ERR_FORMAT;
    return ET_OK;
}

static et_status check_layers(const et_model *model, uint32_t records_size)
{
    const uint32_t *record = model->records;
    uint32_t left = records_size / 4;
    for (unsigned layer = 0; layer < model->layers; ++layer) {
        if (left == 0)
            return ET_ERR_FORMAT;
        const et_record *header = (const et_record *)record;
        const et_kernel *kernel = find_kernel(model->kernels, header->kernel);
        if (kernel == NULL)
            return model->target == ET_TARGET_PORTABLE ? ET_ERR_KERNEL : ET_ERR_TARGET;
        if (header->words != kernel->words || header->words > left || !kernel->check(model, record))
            return ET_ERR_FORMAT;
        record += header->words;
        left -= header->words;
    }
    return left == 0 ? ET_OK : ET_ERR_FORMAT;
}

et_status et_model_open(const uint8_t *bytes, size_t size, const et_kernel *const kernels[], et_model *model)
{
    et_bundle bundle;
    const et_status status = et_bundle_open(bytes, size, &bundle);
    if (status != ET_OK)
        return status;
    if (bundle.kind != ET_KIND_MODEL)
        return ET_ERR_KIND;
    if (bundle.payload_size < MODEL_FIELDS)
        return ET_ERR_TRUNCATED;

    const uint8_t *fields = bundle.payload;
    if (et_load_u16(fields) != MODEL_VERSION)
        return ET_ERR_VERSION;
    et_model m;
    m.id = bundle.id;
    m.kernels = kernels;
    m.target = fields[2];
    m.workspace_size = et_load_u32(fields + 4);
    m.state_size = et_load_u32(fields + 8);
    m.inputs = et_load_u16(fields + 12);
    m.outputs = et_load_u16(fields + 14);
    m.layers = et_load_u16(fields + 16);
    const uint32_t records_size = et_load_u32(fields + 20);
    m.constants_size = et_load_u32(fields + 24);
    if (m.target > ET_TARGET_HELIUM || fields[3] != 0 || et_load_u16(fields + 18) != 0 || et_load_u32(fields + 28) != 0 ||
        m.workspace_size > ET_MOST_BYTES || m.workspace_size % ET_MODEL_ALIGN != 0 || m.state_size > m.workspace_size ||
        m.inputs == 0 || m.outputs == 0 || records_size % 4 != 0)
        return ET_ERR_FORMAT;

    size_t offset = MODEL_FIELDS;
    m.tensors = et_take_section(&bundle, &offset, ((size_t)m.inputs + m.outputs) * sizeof(et_tensor));
    m.records = m.tensors != NULL ? et_take_section(&bundle, &offset, records_size) : NULL;
    m.state = m.records != NULL ? et_take_section(&bundle, &offset, m.state_size) : NULL;
    m.constants = m.state != NULL ? et_take_section(&bundle, &offset, m.constants_size) : NULL;
    if (m.constants == NULL)
        return ET_ERR_TRUNCATED;

    for (unsigned i = 0; i < (unsigned)m.inputs + m.outputs; ++i)
        if (check_tensor(&m, &m.tensors[i]) != ET_OK)
            return ET_ERR_FORMAT;
    const et_status layers = check_layers(&m, records_size);
    if (layers == ET_OK)
        *model = m;
    return layers;
}

size_t et_model_workspace_size(const et_model *model) { return model->workspace_size; }

static int fits(const et_model *model, const void *workspace, size_t workspace_size)
{
    return workspace_size >= model->workspace_size && (uintptr_t)workspace % ET_MODEL_ALIGN == 0;
}

et_status et_model_reset(const et_model *model, void *workspace, size_t workspace_size)
{
    if (!fits(model, workspace, workspace_size))
        return ET_ERR_WORKSPACE;
    memcpy(workspace, model->state, model->state_size);
    return ET_OK;
}

void *et_model_input(const et_model *model, void *workspace, unsigned index)
{
    return (uint8_t *)workspace + model->tensors[index].place;
}

const void *et_model_output(const et_model *model, const void *workspace, unsigned index)
{
    return (const uint8_t *)workspace + model->tensors[model->inputs + index].place;
}

void et_model_step(const et_model *model, void *workspace, const uint32_t **record)
{
    const et_record *header = (const et_record *)*record;
    const et_kernel *kernel = find_kernel(model->kernels, header->kernel);
    if (kernel != NULL) /* et_model_open has found it */
        kernel->run(model, *record, workspace);
    *record += header->words;
}

et_status et_model_invoke(const et_model *model, void *workspace, size_t workspace_size)
{
    if (!fits(model, workspace, workspace_size))
        return ET_ERR_WORKSPACE;
    const uint32_t *record = model->records;
    for (unsigned layer = 0; layer < model->layers; ++layer)
        et_model_step(model, workspace, &record);
    return ET_OK;
}
