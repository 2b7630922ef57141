/* The model in use: the host's inputs, invocations as a whole or layer by layer, and what lies in the workspace. */
#include <string.h>

#include "bytes.h"
#include "edgetwin/node.h"
#include "kernels/rescale.h"
#include "node_internal.h"

#define READ_FIELDS 8u /* bytes of a READ: place, size */

void et_node_reset_model(et_node *node)
{
    node->inference.input = 0;
    node->inference.begun = 0;
    if (node->has_model)
        (void)et_model_reset(&node->model, node->workspace, node->model.workspace_size);
}

/* Whether a host may use the workspace now: not while a stream of results does. */
static et_status check_free(const et_node *node)
{
    if (!node->has_model)
        return node->config->kernels != NULL ? ET_ERR_NO_MODEL : ET_ERR_UNSUPPORTED;
    return node->stream.active && node->stream.results ? ET_ERR_BUSY : ET_OK;
}

/* ... for an invocation of its own, which it does not ask for in the middle of an upload. */
static et_status check_idle(const et_node *node)
{
    const et_status status = check_free(node);
    return status == ET_OK && node->upload.active && node->upload.in_session ? ET_ERR_BUSY : status;
}

/* Bytes from `offset` on of all inputs, one after the other. */
static void place_input(et_node *node, size_t offset, const uint8_t *bytes, size_t size)
{
    const et_model *model = &node->model;
    for (unsigned i = 0; size > 0; ++i) {
        const size_t whole = model->tensors[i].size;
        if (offset < whole) {
            const size_t part = size < whole - offset ? size : whole - offset;
            memcpy((uint8_t *)et_model_input(model, node->workspace, i) + offset, bytes, part);
            bytes += part;
            size -= part;
            offset += part;
        }
        offset -= whole;
    }
}

static et_status take_input(et_node *node, const et_frame *request)
{
    const et_status status = check_idle(node);
    if (status != ET_OK)
        return status;
    if (request->length <= 4)
        return ET_ERR_FORMAT;
    const size_t size = request->length - 4u;
    const uint32_t offset = et_load_u32(request->payload);
    if (offset == 0) { /* of the next invocation; what is left of the last one may be overwritten */
        node->inference.input = 0;
        node->inference.begun = 0;
    }
    if (offset != node->inference.input || size > node->inference.input_size - offset)
        return ET_ERR_OFFSET;
    place_input(node, offset, request->payload + 4, size);
    node->inference.input += (uint32_t)size;
    return ET_OK;
}

void et_node_on_input(et_node *node, const et_frame *request)
{
    et_node_status answer = {take_input(node, request), 0, 0, 0};
    answer.offset = node->inference.input;
    et_node_send_status(node, request, &answer);
}

/* Runs layers until so many have run. */
static void run_layers(et_node *node, uint32_t until)
{
    const uint32_t start = et_node_ticks(node);
    for (; node->inference.layer < until; ++node->inference.layer)
        et_model_step(&node->model, node->workspace, &node->inference.record);
    node->inference.ticks = et_node_ticks(node) - start;
}

static void begin_invocation(et_node *node, uint32_t number)
{
    node->inference.input = 0;
    node->inference.number = number;
    node->inference.record = node->model.records;
    node->inference.layer = 0;
    node->inference.begun = 1;
}

static et_status invoke(et_node *node, const et_frame *request, et_node_status *answer)
{
    uint32_t number = 0, until = node->model.layers;
    uint8_t reset = 0;
    const et_status status = check_idle(node);
    if (status != ET_OK)
        return status;
    if (et_cbor_get_uint(request->payload, request->length, 0, &number) != ET_OK ||
        et_cbor_get_uint(request->payload, request->length, 1, &until) != ET_OK ||
        et_cbor_get_bool(request->payload, request->length, 2, &reset) != ET_OK)
        return ET_ERR_FORMAT;
    if (until > node->model.layers)
        return ET_ERR_ARGUMENT;
    if (!node->inference.begun || node->inference.number != number) { /* else it goes on, or asks again */
        answer->offset = node->inference.input;
        if (node->inference.input != node->inference.input_size)
            return ET_ERR_OFFSET;
        if (reset)
            (void)et_model_reset(&node->model, node->workspace, node->model.workspace_size);
        begin_invocation(node, number);
    }
    if (node->inference.layer < until)
        run_layers(node, until);
    return ET_OK;
}

void et_node_on_invoke(et_node *node, const et_frame *request)
{
    et_node_status refusal = {ET_OK, 0, 0, 0};
    refusal.status = invoke(node, request, &refusal);
    if (refusal.status != ET_OK) {
        et_node_send_status(node, request, &refusal);
        return;
    }
    et_cbor_writer cbor = {et_node_payload(node), node->config->max_payload, 0, 0};
    et_cbor_map(&cbor, 3);
    et_cbor_put_uint(&cbor, 0, node->inference.number);
    et_cbor_put_uint(&cbor, 1, node->inference.layer);
    et_cbor_put_uint(&cbor, 2, node->inference.ticks);
    et_node_send(node, FRAME_INVOKE | FRAME_ANSWER, cbor.size);
}

void et_node_on_read(et_node *node, const et_frame *request)
{
    et_node_status refusal = {check_free(node), 0, 0, 0};
    uint32_t place = 0, size = 0;
    if (refusal.status == ET_OK && request->length != READ_FIELDS)
        refusal.status = ET_ERR_FORMAT;
    if (refusal.status == ET_OK) {
        place = et_load_u32(request->payload);
        size = et_load_u32(request->payload + 4);
        if (size > node->config->max_payload - 4u || size > node->model.workspace_size ||
            place > node->model.workspace_size - size)
            refusal.status = ET_ERR_ARGUMENT;
    }
    if (refusal.status != ET_OK) {
        et_node_send_status(node, request, &refusal);
        return;
    }
    uint8_t *payload = et_node_payload(node);
    et_store_u32(payload, place);
    memcpy(payload + 4, node->workspace + place, size);
    et_node_send(node, FRAME_READ | FRAME_ANSWER, 4 + size);
}

et_status et_node_can_infer(const et_node *node)
{
    if (!node->has_model)
        return node->config->kernels != NULL ? ET_ERR_NO_MODEL : ET_ERR_UNSUPPORTED;
    return node->model.inputs == 1 ? ET_OK : ET_ERR_UNSUPPORTED;
}

unsigned et_node_model_samples(const et_node *node)
{
    const et_tensor *input = node->model.tensors;
    return (unsigned)(input->type == ET_TENSOR_FLOAT32 ? input->size / 4 : input->size);
}

size_t et_node_samples_size(const et_node *node)
{
    const et_tensor *input = node->model.tensors;
    return input->type == ET_TENSOR_FLOAT32 ? 0 : 4 * (size_t)input->size;
}

static et_status take_samples(et_node *node, const float *samples)
{
    const et_tensor *input = node->model.tensors;
    const unsigned count = et_node_model_samples(node);
    for (unsigned i = 0; i < count; ++i)
        if (!et_float_finite(samples[i]))
            return ET_ERR_NOT_FINITE;
    if (input->type == ET_TENSOR_FLOAT32)
        return ET_OK; /* they are there already */
    int8_t *quantized = et_model_input(&node->model, node->workspace, 0);
    for (unsigned i = 0; i < count; ++i)
        quantized[i] = et_quantize(samples[i], input->scale, input->zero_point);
    return ET_OK;
}

et_status et_node_infer(et_node *node, const float *samples, uint8_t *outputs)
{
    const et_model *model = &node->model;
    const et_status status = take_samples(node, samples);
    if (status != ET_OK)
        return status;
    begin_invocation(node, 0);
    run_layers(node, model->layers);
    node->inference.begun = 0; /* it is no invocation of the host's, who could ask for it again */
    ++node->stats.inferences;
    node->stats.inference = node->inference.ticks;
    for (unsigned i = 0; i < model->outputs; ++i) {
        const size_t size = model->tensors[model->inputs + i].size;
        memcpy(outputs, et_model_output(model, node->workspace, i), size);
        outputs += size;
    }
    return ET_OK;
}
