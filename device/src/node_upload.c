/* Uploads: a bundle comes in pieces into a free slot; what is in use keeps working until it is whole. */
#include "bytes.h"
#include "edgetwin/node.h"
#include "node_internal.h"

static int read_id(const et_frame *request, unsigned key, uint64_t *id)
{
    const uint8_t *bytes;
    size_t size;
    if (et_cbor_get_bytes(request->payload, request->length, key, &bytes, &size) != ET_OK || size != 8)
        return 0;
    *id = et_load_u64(bytes);
    return 1;
}

static et_status begin_upload(et_node *node, const et_frame *request, et_node_status *answer)
{
    uint32_t kind = 0, length = 0;
    uint64_t id = 0;
    if (et_cbor_get_uint(request->payload, request->length, 0, &kind) != ET_OK ||
        et_cbor_get_uint(request->payload, request->length, 1, &length) != ET_OK || !read_id(request, 2, &id) ||
        length % 4 != 0 || length < ET_BUNDLE_HEADER)
        return ET_ERR_FORMAT;
    if (kind != ET_KIND_DICTIONARY && (kind != ET_KIND_MODEL || node->config->kernels == NULL))
        return ET_ERR_UNSUPPORTED;
    if (et_node_is_current(node, (uint8_t)kind, id)) {
        node->upload.in_session = 0; /* another one that was begun waits no longer; it still can be resumed */
        answer->offset = length;
        return ET_OK;
    }
    if (!node->upload.active || node->upload.id != id || node->upload.length != length || node->upload.kind != kind) {
        size_t largest;
        const unsigned slot = et_node_free_slot(node, length, &largest);
        if (slot == ET_NODE_SLOTS) {
            answer->needed = length;
            answer->at_hand = largest;
            return ET_ERR_FIT;
        }
        node->upload.active = 0;
        if (node->port->slot_erase(node->port->context, slot) != ET_OK)
            return ET_ERR_FLASH;
        node->upload.id = id;
        node->upload.length = length;
        node->upload.offset = 0;
        node->upload.kind = (uint8_t)kind;
        node->upload.slot = (uint8_t)slot;
        node->upload.active = 1;
    }
    node->upload.in_session = 1;
    answer->offset = node->upload.offset;
    return ET_OK;
}

void et_node_on_upload(et_node *node, const et_frame *request)
{
    et_node_status answer = {ET_OK, 0, 0, 0};
    answer.status = begin_upload(node, request, &answer);
    et_node_send_status(node, request, &answer);
}

static et_status take_data(et_node *node, const et_frame *request)
{
    if (request->length < 4 || request->length % 4 != 0)
        return ET_ERR_FORMAT;
    const size_t size = request->length - 4u;
    if (!node->upload.active || et_load_u32(request->payload) != node->upload.offset ||
        size > node->upload.length - node->upload.offset)
        return ET_ERR_OFFSET;
    if (node->port->slot_program(node->port->context, node->upload.slot, ET_SLOT_RECORD + node->upload.offset,
                                 request->payload + 4, size) != ET_OK) {
        node->upload.active = 0; /* the slot must be erased before another try */
        return ET_ERR_FLASH;
    }
    node->upload.offset += (uint32_t)size;
    return ET_OK;
}

void et_node_on_data(et_node *node, const et_frame *request)
{
    et_node_status answer = {take_data(node, request), 0, 0, 0};
    answer.offset = node->upload.active ? node->upload.offset : 0;
    et_node_send_status(node, request, &answer);
}

static et_status commit_upload(et_node *node, const et_frame *request, et_node_status *answer)
{
    uint64_t id = 0;
    if (!read_id(request, 0, &id))
        return ET_ERR_FORMAT;
    if (et_node_is_current(node, ET_KIND_DICTIONARY, id) || et_node_is_current(node, ET_KIND_MODEL, id))
        return ET_OK; /* the answer to an earlier COMMIT was lost */
    if (!node->upload.active || node->upload.id != id || node->upload.offset != node->upload.length) {
        answer->offset = node->upload.active ? node->upload.offset : 0;
        return ET_ERR_OFFSET;
    }
    node->upload.active = 0;
    return et_node_use_slot(node, node->upload.slot, node->upload.kind, id, answer);
}

void et_node_on_commit(et_node *node, const et_frame *request)
{
    et_node_status answer = {ET_OK, 0, 0, 0};
    answer.status = commit_upload(node, request, &answer);
    et_node_send_status(node, request, &answer);
}
