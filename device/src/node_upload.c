/* Bundles: the two slots, uploads, and the dictionary in use. */
#include <string.h>

#include "bytes.h"
#include "edgetwin/node.h"
#include "node_internal.h"

size_t et_node_dictionary_size(const et_dictionary *dictionary)
{
    return et_encoder_size(dictionary) + et_node_queue_least(dictionary);
}

/* Whether the dictionary fits the arena, and its signals and packets of a window fit a frame; if not, says by how much. */
static et_status check_fit(const et_node *node, const et_dictionary *d, et_node_status *answer)
{
    const size_t signal_frame = 4 + 4u * (size_t)d->m, code_frame = CODE_FIELDS + et_packet_window_size(d);
    const size_t frame = signal_frame > code_frame ? signal_frame : code_frame;
    if (frame > node->config->max_payload) {
        answer->needed = frame;
        answer->at_hand = node->config->max_payload;
        return ET_ERR_FIT;
    }
    if (et_node_dictionary_size(d) > node->arena_size) {
        answer->needed = et_node_dictionary_size(d);
        answer->at_hand = node->arena_size;
        return ET_ERR_FIT;
    }
    return ET_OK;
}

static void use_dictionary(et_node *node, const et_dictionary *d, unsigned slot)
{
    const size_t encoder_size = et_encoder_size(d);
    et_node_stop_stream(node);
    node->dictionary = *d;
    node->stats.signals = node->stats.last = node->stats.least = node->stats.most = 0;
    node->stats.total = 0;
    node->has_dictionary = 1;
    node->current_slot = (uint8_t)slot;
    et_encoder_place(&node->encoder, d, node->arena);
    et_node_queue_place(&node->queue, d, node->arena + encoder_size, node->arena_size - encoder_size,
                        node->config->max_payload);
}

/* Generation of a slot's record, 0 if it does not count. */
static uint32_t slot_generation(const et_slot *slot)
{
    if (et_slot_room(slot) == 0)
        return 0;
    const uint32_t generation = et_load_u32(slot->bytes);
    return et_load_u32(slot->bytes + 4) == ~generation ? generation : 0;
}

static int try_bundle(et_node *node, const uint8_t *bytes, size_t size, unsigned slot)
{
    et_dictionary dictionary;
    et_node_status unused;
    if (et_dictionary_open(bytes, size, &dictionary) != ET_OK || check_fit(node, &dictionary, &unused) != ET_OK)
        return 0;
    use_dictionary(node, &dictionary, slot);
    return 1;
}

static int try_slot(et_node *node, unsigned i)
{
    const et_slot *slot = &node->config->slots[i];
    return slot_generation(slot) > 0 && try_bundle(node, slot->bytes + ET_SLOT_RECORD, et_slot_room(slot), i);
}

void et_node_open_slots(et_node *node)
{
    const et_node_config *config = node->config;
    const uint32_t first = slot_generation(&config->slots[0]), second = slot_generation(&config->slots[1]);
    const unsigned newest = second > first ? 1 : 0;
    node->generation = newest ? second : first; /* the next commit goes above both, whichever is used */
    if (!try_slot(node, newest) && !try_slot(node, 1 - newest) && config->dictionary != NULL)
        try_bundle(node, config->dictionary, config->dictionary_size, ET_NODE_SLOTS);
}

/* An upload never touches the slot in use. */
static unsigned free_slot(const et_node *node) { return node->current_slot == 0 ? 1 : 0; }

static int is_current(const et_node *node, uint64_t id) { return node->has_dictionary && node->dictionary.id == id; }

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
    if (kind != ET_KIND_DICTIONARY)
        return ET_ERR_UNSUPPORTED;
    if (is_current(node, id)) {
        answer->offset = length;
        return ET_OK;
    }
    const unsigned slot = free_slot(node);
    const size_t room = et_slot_room(&node->config->slots[slot]);
    if (length > room) {
        answer->needed = length;
        answer->at_hand = room;
        return ET_ERR_FIT;
    }
    if (!node->upload.active || node->upload.id != id || node->upload.length != length) {
        node->upload.active = 0;
        if (node->port->slot_erase(node->port->context, slot) != ET_OK)
            return ET_ERR_FLASH;
        node->upload.id = id;
        node->upload.length = length;
        node->upload.offset = 0;
        node->upload.active = 1;
    }
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
    if (node->port->slot_program(node->port->context, free_slot(node), ET_SLOT_RECORD + node->upload.offset,
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

/* Writes the record that makes a slot current; its second word is the atomic step. */
static et_status write_record(et_node *node, unsigned slot, uint32_t generation)
{
    uint8_t word[4];
    et_store_u32(word, generation);
    if (node->port->slot_program(node->port->context, slot, 0, word, sizeof word) != ET_OK)
        return ET_ERR_FLASH;
    et_store_u32(word, ~generation);
    return node->port->slot_program(node->port->context, slot, 4, word, sizeof word);
}

static et_status commit_upload(et_node *node, const et_frame *request, et_node_status *answer)
{
    uint64_t id = 0;
    if (!read_id(request, 0, &id))
        return ET_ERR_FORMAT;
    if (is_current(node, id))
        return ET_OK; /* the answer to an earlier COMMIT was lost */
    if (!node->upload.active || node->upload.id != id || node->upload.offset != node->upload.length) {
        answer->offset = node->upload.active ? node->upload.offset : 0;
        return ET_ERR_OFFSET;
    }
    const unsigned slot = free_slot(node);
    et_dictionary dictionary;
    node->upload.active = 0;
    et_status status =
        et_dictionary_open(node->config->slots[slot].bytes + ET_SLOT_RECORD, node->upload.length, &dictionary);
    if (status == ET_OK && dictionary.id != id)
        status = ET_ERR_ID;
    if (status == ET_OK)
        status = check_fit(node, &dictionary, answer);
    if (status == ET_OK)
        status = write_record(node, slot, node->generation + 1);
    if (status == ET_OK) {
        ++node->generation;
        use_dictionary(node, &dictionary, slot);
    }
    return status;
}

void et_node_on_commit(et_node *node, const et_frame *request)
{
    et_node_status answer = {ET_OK, 0, 0, 0};
    answer.status = commit_upload(node, request, &answer);
    et_node_send_status(node, request, &answer);
}
