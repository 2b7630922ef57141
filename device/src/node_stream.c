/* Signals to codes: replayed by the host, or from the board's own source through the queue. */
#include <string.h>

#include "bytes.h"
#include "edgetwin/node.h"
#include "node_internal.h"

#define MOST_PERIOD_MS 0x7fffffffu /* half of the clock's range: what is due is told from what is past by the sign */

/* Encodes and keeps the count of work. *size is 0 on error. */
static et_status encode(et_node *node, float *signal, uint8_t *code, size_t *size)
{
    et_omp_result result;
    *size = 0;
    const uint32_t start = node->port->ticks(node->port->context);
    const et_status status = et_encode(&node->dictionary, &node->encoder, signal, code,
                                       et_code_max_size(&node->dictionary), size, &result);
    const uint32_t ticks = node->port->ticks(node->port->context) - start;
    if (node->stats.signals == 0 || ticks < node->stats.least)
        node->stats.least = ticks;
    if (ticks > node->stats.most)
        node->stats.most = ticks;
    node->stats.last = ticks;
    node->stats.total += ticks;
    ++node->stats.signals;
    return status;
}

static void send_code(et_node *node, uint32_t window, et_status status, unsigned backlog, size_t size)
{
    uint8_t *payload = et_node_payload(node);
    et_store_u32(payload, window);
    payload[4] = (uint8_t)status;
    payload[5] = (uint8_t)(backlog < 255 ? backlog : 255);
    et_node_send(node, FRAME_CODE, CODE_FIELDS + size);
}

void et_node_on_signal(et_node *node, const et_frame *request)
{
    const et_node_status too_short = {ET_ERR_FORMAT, 0, 0, 0};
    if (request->length < 4) {
        et_node_send_status(node, request, &too_short);
        return;
    }
    const uint32_t window = et_load_u32(request->payload);
    et_status status = ET_OK;
    size_t size = 0;
    if (!node->has_dictionary)
        status = ET_ERR_NO_DICTIONARY;
    else if (request->length != 4 + 4u * (size_t)node->dictionary.m)
        status = ET_ERR_FORMAT;
    if (status == ET_OK) {
        /* The samples lie at offset 16 of an aligned buffer and are scaled where they are. */
        float *signal = (float *)(void *)(node->receive + ET_FRAME_HEADER + 4);
        status = encode(node, signal, et_node_payload(node) + CODE_FIELDS, &size);
    }
    send_code(node, window, status, 0, size);
}

void et_node_place_queue(et_node *node, uint8_t *memory, size_t size)
{
    const size_t capacity = size / node->queue.entry_size;
    node->queue.entries = memory;
    node->queue.capacity = capacity < 255 ? (unsigned)capacity : 255;
    node->queue.head = node->queue.count = node->queue.in_flight = 0;
}

static uint8_t *queue_entry(const et_node_queue *queue, unsigned i)
{
    return queue->entries + queue->entry_size * ((queue->head + i) % queue->capacity);
}

static void queue_drop(et_node_queue *queue, unsigned entries)
{
    queue->head = (queue->head + entries) % queue->capacity;
    queue->count -= entries;
    queue->in_flight = queue->in_flight > entries ? queue->in_flight - entries : 0;
    queue->oldest += entries;
}

void et_node_stop_stream(et_node *node)
{
    node->stream.active = 0;
    node->queue.head = node->queue.count = node->queue.in_flight = 0;
}

void et_node_on_start(et_node *node, const et_frame *request)
{
    et_node_status answer = {ET_OK, 0, 0, 0};
    uint32_t first = 0, windows = 0, period = 0;
    if (node->config->source == NULL)
        answer.status = ET_ERR_UNSUPPORTED;
    else if (!node->has_dictionary)
        answer.status = ET_ERR_NO_DICTIONARY;
    else if (et_cbor_get_uint(request->payload, request->length, 0, &first) != ET_OK ||
             et_cbor_get_uint(request->payload, request->length, 1, &windows) != ET_OK ||
             et_cbor_get_uint(request->payload, request->length, 2, &period) != ET_OK)
        answer.status = ET_ERR_FORMAT;
    else if (period > MOST_PERIOD_MS)
        answer.status = ET_ERR_ARGUMENT;
    if (answer.status == ET_OK) {
        const uint32_t now = node->port->clock_ms(node->port->context);
        et_node_stop_stream(node);
        node->queue.oldest = node->queue.base = node->stream.window = first;
        node->queue.progress_ms = node->stream.due_ms = now;
        node->stream.left = windows;
        node->stream.endless = windows == 0;
        node->stream.period_ms = period;
        node->stream.host_credit = request->credit > 0 ? request->credit : 1;
        node->stream.active = 1;
    }
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
    et_node_queue *queue = &node->queue;
    const uint32_t next = et_load_u32(request->payload);
    const uint32_t end = queue->oldest + queue->count; /* window numbers are modulo 2^32 */
    node->stream.host_credit = request->credit;
    if (next - queue->base == 0 || next - queue->base > end - queue->base)
        return;
    queue->base = next;
    queue->progress_ms = node->port->clock_ms(node->port->context);
    if (next - queue->oldest <= queue->count)
        queue_drop(queue, (unsigned)(next - queue->oldest));
}

/* Takes the next window of the source into the queue, once it is due. Nonzero if it did. */
static int take_window(et_node *node, uint32_t now)
{
    const et_source *source = node->config->source;
    et_node_queue *queue = &node->queue;
    if ((!node->stream.endless && node->stream.left == 0) || (int32_t)(now - node->stream.due_ms) < 0)
        return 0;
    if (node->stream.period_ms == 0 && queue->count == queue->capacity)
        return 0;
    float *signal = (float *)(void *)node->raw; /* free between frames */
    et_status status = source->read(source->context, node->stream.window, node->dictionary.m, signal);
    if (status == ET_PENDING)
        return 0;
    if (queue->count == queue->capacity)
        queue_drop(queue, 1); /* the host sees the gap by the backlog */
    uint8_t *entry = queue_entry(queue, queue->count);
    size_t size = 0;
    if (status == ET_OK)
        status = encode(node, signal, entry + 4, &size);
    et_store_u16(entry, (unsigned)size);
    entry[2] = (uint8_t)status;
    ++queue->count;
    ++node->stream.window;
    if (!node->stream.endless)
        --node->stream.left;
    node->stream.due_ms += node->stream.period_ms;
    return 1;
}

/* Sends the next code that the host's credit allows. Nonzero if it did. */
static int send_queued(et_node *node, uint32_t now)
{
    et_node_queue *queue = &node->queue;
    const int waiting = queue->oldest + queue->in_flight != queue->base;
    if (waiting && now - queue->progress_ms >= ET_NODE_RESEND_MS) {
        queue->in_flight = 0;
        queue->base = queue->oldest;
    }
    if (queue->in_flight == queue->count || queue->oldest + queue->in_flight - queue->base >= node->stream.host_credit)
        return 0;
    const uint8_t *entry = queue_entry(queue, queue->in_flight);
    const size_t size = et_load_u16(entry);
    memcpy(et_node_payload(node) + CODE_FIELDS, entry + 4, size);
    if (queue->oldest + queue->in_flight == queue->base)
        queue->progress_ms = now;
    send_code(node, queue->oldest + queue->in_flight, (et_status)entry[2], queue->in_flight, size);
    ++queue->in_flight;
    return 1;
}

int et_node_poll(et_node *node)
{
    if (!node->stream.active)
        return 0;
    const uint32_t now = node->port->clock_ms(node->port->context);
    const int took = take_window(node, now);
    const int sent = send_queued(node, now);
    if (!node->stream.endless && node->stream.left == 0 && node->queue.count == 0)
        node->stream.active = 0;
    return took || sent;
}
