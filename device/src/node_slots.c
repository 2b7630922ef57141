/* The slots, and the dictionary and the model in use: where they come from and where in the arena they work. */
#include <string.h>

#include "bytes.h"
#include "edgetwin/node.h"
#include "node_internal.h"

typedef union content {
    et_dictionary dictionary;
    et_model model;
} content;

size_t et_node_dictionary_size(const et_dictionary *dictionary)
{
    return et_encoder_size(dictionary) + et_node_queue_least(et_packet_window_size(dictionary));
}

size_t et_node_model_room(const et_node *node)
{
    const size_t beyond = (uintptr_t)(node->arena + node->arena_size) % ET_MODEL_ALIGN;
    const size_t taken = beyond + (node->has_dictionary ? et_node_dictionary_size(&node->dictionary) : 0);
    return node->arena_size > taken ? node->arena_size - taken : 0;
}

/* What the encoder and the queue of a dictionary may take. */
static size_t dictionary_room(const et_node *node)
{
    return node->has_model ? (size_t)(node->workspace - node->arena) : node->arena_size;
}

static et_status check_room(size_t needed, size_t at_hand, et_node_status *answer)
{
    if (needed <= at_hand)
        return ET_OK;
    answer->needed = needed;
    answer->at_hand = at_hand;
    return ET_ERR_FIT;
}

/* Whether the dictionary fits the arena, and its signals and packets of a window fit a frame; if not, says by how much. */
static et_status check_dictionary(const et_node *node, const et_dictionary *d, et_node_status *answer)
{
    const size_t signal_frame = 4 + 4u * (size_t)d->m, code_frame = CODE_FIELDS + et_packet_window_size(d);
    const size_t frame = signal_frame > code_frame ? signal_frame : code_frame;
    const et_status status = check_room(frame, node->config->max_payload, answer);
    return status == ET_OK ? check_room(et_node_dictionary_size(d), dictionary_room(node), answer) : status;
}

static uint64_t tensors_size(const et_tensor *tensors, unsigned count)
{
    uint64_t size = 0;
    for (unsigned i = 0; i < count; ++i)
        size += tensors[i].size;
    return size;
}

static et_status check_model(const et_node *node, const et_model *model, et_node_status *answer)
{
    if (tensors_size(model->tensors, (unsigned)model->inputs + model->outputs) > INT32_MAX)
        return ET_ERR_FORMAT;
    return check_room(model->workspace_size, et_node_model_room(node), answer);
}

static et_status open_bundle(const et_node *node, uint8_t kind, const uint8_t *bytes, size_t size, content *opened,
                             et_node_status *answer)
{
    et_status status;
    if (kind == ET_KIND_DICTIONARY) {
        status = et_dictionary_open(bytes, size, &opened->dictionary);
        return status == ET_OK ? check_dictionary(node, &opened->dictionary, answer) : status;
    }
    if (node->config->kernels == NULL)
        return ET_ERR_UNSUPPORTED;
    status = et_model_open(bytes, size, node->config->kernels, &opened->model);
    return status == ET_OK ? check_model(node, &opened->model, answer) : status;
}

static void use_dictionary(et_node *node, const et_dictionary *d, unsigned slot)
{
    node->dictionary = *d;
    node->stats.signals = node->stats.last = node->stats.least = node->stats.most = 0;
    node->stats.total = 0;
    node->has_dictionary = 1;
    node->dictionary_slot = (uint8_t)slot;
    et_encoder_place(&node->encoder, d, node->arena);
}

static void use_model(et_node *node, const et_model *model, unsigned slot)
{
    uint8_t *end = node->arena + node->arena_size;
    node->model = *model;
    node->workspace = end - (uintptr_t)end % ET_MODEL_ALIGN - model->workspace_size;
    node->has_model = 1;
    node->model_slot = (uint8_t)slot;
    node->inference.input_size = (uint32_t)tensors_size(model->tensors, model->inputs);
    node->inference.output_size = (uint32_t)tensors_size(model->tensors + model->inputs, model->outputs);
    node->stats.inferences = node->stats.inference = 0;
    memset(node->workspace, 0, model->workspace_size); /* the host may read it */
    et_node_reset_model(node);
}

static void use(et_node *node, uint8_t kind, const content *opened, unsigned slot)
{
    et_node_stop_stream(node);
    if (kind == ET_KIND_DICTIONARY)
        use_dictionary(node, &opened->dictionary, slot);
    else
        use_model(node, &opened->model, slot);
}

/* Generation of a slot's record, 0 if it does not count. */
static uint32_t slot_generation(const et_slot *slot)
{
    if (et_slot_room(slot) == 0)
        return 0;
    const uint32_t generation = et_load_u32(slot->bytes);
    return et_load_u32(slot->bytes + 4) == ~generation ? generation : 0;
}

static int try_bundle(et_node *node, uint8_t kind, const uint8_t *bytes, size_t size, unsigned slot)
{
    content opened;
    et_node_status unused;
    if (size < ET_BUNDLE_HEADER || bytes[6] != kind || open_bundle(node, kind, bytes, size, &opened, &unused) != ET_OK)
        return 0;
    use(node, kind, &opened, slot);
    return 1;
}

/* From the newest slot to the oldest. */
static int try_slots(et_node *node, uint8_t kind)
{
    for (unsigned tried = 0;;) {
        uint32_t generation = 0;
        unsigned newest = 0;
        for (unsigned i = 0; i < ET_NODE_SLOTS; ++i) {
            const uint32_t candidate = slot_generation(&node->config->slots[i]);
            if ((tried >> i & 1u) == 0 && candidate > generation) {
                generation = candidate;
                newest = i;
            }
        }
        if (generation == 0)
            return 0;
        if (generation > node->generation)
            node->generation = generation; /* the next commit goes above all, whichever are used */
        tried |= 1u << newest;
        const et_slot *slot = &node->config->slots[newest];
        if (try_bundle(node, kind, slot->bytes + ET_SLOT_RECORD, et_slot_room(slot), newest))
            return 1;
    }
}

void et_node_open_slots(et_node *node)
{
    const et_node_config *config = node->config;
    node->dictionary_slot = node->model_slot = ET_NODE_SLOTS;
    if (!try_slots(node, ET_KIND_DICTIONARY) && config->dictionary != NULL)
        try_bundle(node, ET_KIND_DICTIONARY, config->dictionary, config->dictionary_size, ET_NODE_SLOTS);
    if (!try_slots(node, ET_KIND_MODEL) && config->model != NULL)
        try_bundle(node, ET_KIND_MODEL, config->model, config->model_size, ET_NODE_SLOTS);
}

unsigned et_node_free_slot(const et_node *node, size_t size, size_t *largest)
{
    unsigned chosen = ET_NODE_SLOTS;
    uint32_t oldest = 0;
    *largest = 0;
    for (unsigned i = 0; i < ET_NODE_SLOTS; ++i) {
        const et_slot *slot = &node->config->slots[i];
        const size_t room = et_slot_room(slot);
        if (i == node->dictionary_slot || i == node->model_slot)
            continue;
        if (room > *largest)
            *largest = room;
        if (room >= size && (chosen == ET_NODE_SLOTS || slot_generation(slot) < oldest)) {
            chosen = i;
            oldest = slot_generation(slot);
        }
    }
    return chosen;
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

et_status et_node_use_slot(et_node *node, unsigned slot, uint8_t kind, uint64_t id, et_node_status *answer)
{
    content opened;
    const uint8_t *bytes = node->config->slots[slot].bytes + ET_SLOT_RECORD;
    et_status status = open_bundle(node, kind, bytes, et_slot_room(&node->config->slots[slot]), &opened, answer);
    if (status == ET_OK && (kind == ET_KIND_DICTIONARY ? opened.dictionary.id : opened.model.id) != id)
        status = ET_ERR_ID;
    if (status == ET_OK)
        status = write_record(node, slot, node->generation + 1);
    if (status == ET_OK) {
        ++node->generation;
        use(node, kind, &opened, slot);
    }
    return status;
}

int et_node_is_current(const et_node *node, uint8_t kind, uint64_t id)
{
    return kind == ET_KIND_DICTIONARY ? node->has_dictionary && node->dictionary.id == id
                                      : node->has_model && node->model.id == id;
}
