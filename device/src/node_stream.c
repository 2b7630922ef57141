/* Signals to packets: replayed by the host, or from the board's own source through the queue. And the source's windows to
 * results of the model, through the same queue. */
#include <string.h>

#include "bytes.h"
#include "edgetwin/node.h"
#include "node_internal.h"

#define MOST_PERIOD_MS 0x7fffffffu /* half of the clock's range: what is due is told from what is past by the sign */

/* Keeps the count of work: a window was coded. */
static void count_work(et_node *node, uint32_t work)
{
    if (node->stats.signals == 0 || work < node->stats.least)
        node->stats.least = work;
    if (work > node->stats.most)
        node->stats.most = work;
    node->stats.last = work;
    node->stats.total += work;
    ++node->stats.signals;
}

/* Of CODE and RESULT frames. Packet or results lie behind the fields already. */
static void send_entry(et_node *node, unsigned type, const et_node_entry *entry)
{
    uint8_t *payload = et_node_payload(node);
    et_store_u32(payload, entry->window);
    payload[4] = (uint8_t)entry->status;
    payload[5] = (uint8_t)(entry->backlog < 255 ? entry->backlog : 255);
    payload[6] = (uint8_t)entry->windows;
    et_node_send(node, type, CODE_FIELDS + entry->size);
}

/* Codes a window to a packet of its own, in the frame that will carry it. */
static void code_alone(et_node *node, float *signal, et_node_entry *entry)
{
    et_packet packet;
    et_omp_result result;
    et_packet_begin(&packet, &node->dictionary, &node->encoder, et_node_payload(node) + CODE_FIELDS,
                    node->config->max_payload - CODE_FIELDS);
    const uint32_t start = et_node_ticks(node);
    entry->status = et_encode(&node->dictionary, &node->encoder, signal, &result);
    if (entry->status == ET_OK)
        entry->status = et_packet_add(&packet, signal, result.count);
    count_work(node, et_node_ticks(node) - start);
    if (entry->status == ET_OK)
        entry->size = et_packet_end(&packet);
}

void et_node_on_signal(et_node *node, const et_frame *request)
{
    const et_node_status too_short = {ET_ERR_FORMAT, 0, 0, 0};
    if (request->length < 4) {
        et_node_send_status(node, request, &too_short);
        return;
    }
    et_node_entry entry = {et_load_u32(request->payload), 0, NULL, 0, ET_OK, 1};
    if (!node->has_dictionary) {
        entry.status = ET_ERR_NO_DICTIONARY;
    } else if (request->length != 4 + 4u * (size_t)node->dictionary.m) {
        entry.status = ET_ERR_FORMAT;
    } else {
        et_node_queue_close(&node->queue); /* two packets cannot share the encoder */
        /* The samples lie at offset 16 of an aligned buffer and are scaled where they are. */
        code_alone(node, (float *)(void *)(node->receive + ET_FRAME_HEADER + 4), &entry);
    }
    send_entry(node, FRAME_CODE, &entry);
}

void et_node_stop_stream(et_node *node)
{
    node->stream.active = 0;
    et_node_queue_clear(&node->queue, 0, 0);
}

typedef struct start_fields {
    uint32_t first, windows, period, batch, kind;
} start_fields;

static et_status read_start(const et_frame *request, start_fields *fields)
{
    if (et_cbor_get_uint(request->payload, request->length, 0, &fields->first) != ET_OK ||
        et_cbor_get_uint(request->payload, request->length, 1, &fields->windows) != ET_OK ||
        et_cbor_get_uint(request->payload, request->length, 2, &fields->period) != ET_OK ||
        et_cbor_get_uint(request->payload, request->length, 3, &fields->batch) != ET_OK)
        return ET_ERR_FORMAT;
    fields->kind = ET_KIND_DICTIONARY;
    (void)et_cbor_get_uint(request->payload, request->length, 4, &fields->kind);
    return fields->period <= MOST_PERIOD_MS && fields->batch >= 1 && fields->batch <= ET_PACKET_WINDOWS &&
                   (fields->kind == ET_KIND_DICTIONARY || fields->kind == ET_KIND_MODEL)
               ? ET_OK
               : ET_ERR_ARGUMENT;
}

/* The arena between the encoder's scratch and the model's workspace: for the queue, and for samples to be quantized. */
typedef struct span {
    uint8_t *bytes;
    size_t size;
} span;

static span free_area(const et_node *node)
{
    const size_t encoder = node->has_dictionary ? et_encoder_size(&node->dictionary) : 0;
    const size_t end = node->has_model ? (size_t)(node->workspace - node->arena) : node->arena_size;
    const span result = {node->arena + encoder, end - encoder};
    return result;
}

/* Whether results of the model can be streamed; if memory or frames are too small, by how much. */
static et_status check_results(const et_node *node, et_node_status *answer)
{
    et_status status = et_node_can_infer(node);
    if (status != ET_OK)
        return status;
    const size_t window = node->inference.output_size;
    answer->needed = CODE_FIELDS + window;
    answer->at_hand = node->config->max_payload;
    if (answer->needed <= answer->at_hand) {
        answer->needed = et_node_samples_size(node) + et_node_queue_least(window);
        answer->at_hand = free_area(node).size;
    }
    if (answer->needed > answer->at_hand)
        return ET_ERR_FIT;
    answer->needed = answer->at_hand = 0;
    return ET_OK;
}

static et_status check_start(const et_node *node, const start_fields *fields, et_node_status *answer)
{
    if (node->config->source == NULL)
        return ET_ERR_UNSUPPORTED;
    if (fields->kind == ET_KIND_MODEL)
        return check_results(node, answer);
    return node->has_dictionary ? ET_OK : ET_ERR_NO_DICTIONARY;
}

/* Whether a host whose answer was lost asks again. It may have read packets by now: a new start would cut them otherwise. */
static int is_running(const et_node *node, const start_fields *fields)
{
    const uint32_t taken = node->stream.window - fields->first;
    return node->stream.active && node->stream.results == (fields->kind == ET_KIND_MODEL) &&
           node->queue.acknowledged == fields->first && node->stream.period_ms == fields->period &&
           node->stream.batch == fields->batch &&
           (node->stream.endless ? 0 : node->stream.left + taken) == fields->windows;
}

/* Where the source writes, and the queue behind it. */
static void place_stream(et_node *node)
{
    const size_t payload = node->config->max_payload;
    const span area = free_area(node);
    node->stream.samples = (float *)(void *)node->raw; /* free between frames */
    if (!node->stream.results) {
        et_node_queue_place(&node->queue, et_packet_window_size(&node->dictionary), area.bytes, area.size, payload);
        return;
    }
    const size_t samples = et_node_samples_size(node), window = node->inference.output_size;
    node->stream.samples = samples > 0 ? (float *)(void *)area.bytes : et_model_input(&node->model, node->workspace, 0);
    et_node_queue_place(&node->queue, window, area.bytes + samples, area.size - samples, payload);
    node->queue.result_size = window;
}

static void start_stream(et_node *node, const start_fields *fields)
{
    const uint32_t now = et_node_clock_ms(node);
    node->stream.results = fields->kind == ET_KIND_MODEL;
    place_stream(node);
    if (node->stream.results)
        et_node_reset_model(node);
    et_node_queue_clear(&node->queue, fields->first, now);
    node->stream.window = fields->first;
    node->stream.due_ms = now;
    node->stream.left = fields->windows;
    node->stream.endless = fields->windows == 0;
    node->stream.period_ms = fields->period;
    node->stream.batch = (uint8_t)fields->batch;
    node->stream.active = 1;
}

void et_node_on_start(et_node *node, const et_frame *request)
{
    et_node_status answer = {ET_OK, 0, 0, 0};
    start_fields fields;
    answer.status = read_start(request, &fields);
    if (answer.status == ET_OK)
        answer.status = check_start(node, &fields, &answer);
    if (answer.status == ET_OK && !is_running(node, &fields))
        start_stream(node, &fields);
    if (answer.status == ET_OK)
        node->stream.host_credit = request->credit > 0 ? request->credit : 1;
    et_node_send_status(node, request, &answer);
}

void et_node_on_stop(et_node *node, const et_frame *request)
{
    const et_node_status answer = {ET_OK, 0, 0, 0};
    et_node_stop_stream(node);
    et_node_send_status(node, request, &answer);
}

void et_node_on_ack(et_node *node, const et_frame *request)
{
    if (request->length != 4 || !node->stream.active)
        return;
    node->stream.host_credit = request->credit;
    et_node_queue_acknowledge(&node->queue, et_load_u32(request->payload), et_node_clock_ms(node));
}

static void open_packet(et_node *node, uint32_t now)
{
    et_node_queue *queue = &node->queue;
    uint8_t *bytes = et_node_queue_open(queue, now);
    et_packet_begin(&queue->packet, &node->dictionary, &node->encoder, bytes, queue->room);
}

/* Codes a window into the open packet, or into a new one where that is full. */
static et_status code_queued(et_node *node, float *signal, uint32_t now)
{
    et_node_queue *queue = &node->queue;
    et_omp_result result;
    if (!queue->open)
        open_packet(node, now);
    const uint32_t start = et_node_ticks(node);
    et_status status = et_encode(&node->dictionary, &node->encoder, signal, &result);
    if (status == ET_OK)
        status = et_packet_add(&queue->packet, signal, result.count);
    if (status == ET_ERR_CAPACITY) {
        et_node_queue_close(queue);
        open_packet(node, now);
        status = et_packet_add(&queue->packet, signal, result.count);
    }
    count_work(node, et_node_ticks(node) - start);
    return status;
}

/* Runs the model on a window; its outputs go behind those in the open entry. */
static et_status infer_queued(et_node *node, const float *samples, uint32_t now)
{
    et_node_queue *queue = &node->queue;
    const size_t size = queue->result_size;
    if (queue->open && queue->room - queue->windows * size < size)
        et_node_queue_close(queue);
    if (!queue->open)
        (void)et_node_queue_open(queue, now);
    return et_node_infer(node, samples, queue->bytes + queue->end + ENTRY_FIELDS + queue->windows * size);
}

static int has_ended(const et_node *node) { return !node->stream.endless && node->stream.left == 0; }

/* Takes the next window of the source into the queue, once it is due. Nonzero if it did. */
static int take_window(et_node *node, uint32_t now)
{
    const et_source *source = node->config->source;
    if (has_ended(node) || (int32_t)(now - node->stream.due_ms) < 0)
        return 0;
    if (node->stream.period_ms == 0 && !et_node_queue_has_room(&node->queue))
        return 0;
    float *samples = node->stream.samples;
    const unsigned count = node->stream.results ? et_node_model_samples(node) : node->dictionary.m;
    et_status status = source->read(source->context, node->stream.window, count, samples);
    if (status == ET_PENDING)
        return 0;
    if (status == ET_OK)
        status = node->stream.results ? infer_queued(node, samples, now) : code_queued(node, samples, now);
    if (status == ET_OK)
        ++node->queue.windows;
    else
        et_node_queue_fail(&node->queue, status);
    ++node->stream.window;
    if (!node->stream.endless)
        --node->stream.left;
    node->stream.due_ms += node->stream.period_ms;
    return 1;
}

/* Closes the open entry if nothing more is to come into it, or not in time: then by its number of windows, so that jitter
 * does not cut packets differently, and by the clock should the source be late. */
static void close_entry(et_node *node, uint32_t now)
{
    et_node_queue *queue = &node->queue;
    const unsigned windows = queue->windows;
    if (queue->open && (windows >= node->stream.batch || has_ended(node) ||
                        (uint64_t)windows * node->stream.period_ms >= ET_NODE_PACKET_MS ||
                        now - queue->opened_ms >= ET_NODE_PACKET_MS))
        et_node_queue_close(queue);
}

/* Sends the next entry that the host's credit allows. Nonzero if it did. */
static int send_queued(et_node *node, uint32_t now)
{
    et_node_entry entry;
    if (!et_node_queue_next(&node->queue, node->stream.host_credit, now, &entry))
        return 0;
    memcpy(et_node_payload(node) + CODE_FIELDS, entry.bytes, entry.size);
    send_entry(node, node->stream.results ? FRAME_RESULT : FRAME_CODE, &entry);
    et_node_queue_sent(&node->queue, et_node_clock_ms(node));
    return 1;
}

int et_node_poll(et_node *node)
{
    if (!node->stream.active)
        return 0;
    const uint32_t now = et_node_clock_ms(node);
    const int took = take_window(node, now);
    close_entry(node, now);
    const int sent = send_queued(node, now);
    if (has_ended(node) && node->queue.head == node->queue.end)
        node->stream.active = 0;
    return took || sent;
}
