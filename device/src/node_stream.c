/* Signals to packets: replayed by the host, or from the board's own source through the queue. */
#include <string.h>

#include "bytes.h"
#include "edgetwin/node.h"
#include "node_internal.h"

#define MOST_PERIOD_MS 0x7fffffffu /* half of the clock's range: what is due is told from what is past by the sign */

static uint32_t clock_ms(const et_node *node) { return node->port->clock_ms(node->port->context); }

static uint32_t ticks(const et_node *node) { return node->port->ticks(node->port->context); }

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

/* The packet lies behind the fields already. */
static void send_code(et_node *node, const et_node_entry *entry)
{
    uint8_t *payload = et_node_payload(node);
    et_store_u32(payload, entry->window);
    payload[4] = (uint8_t)entry->status;
    payload[5] = (uint8_t)(entry->backlog < 255 ? entry->backlog : 255);
    payload[6] = (uint8_t)entry->windows;
    et_node_send(node, FRAME_CODE, CODE_FIELDS + entry->size);
}

/* Codes a window to a packet of its own, in the frame that will carry it. */
static void code_alone(et_node *node, float *signal, et_node_entry *entry)
{
    et_packet packet;
    et_omp_result result;
    et_packet_begin(&packet, &node->dictionary, &node->encoder, et_node_payload(node) + CODE_FIELDS,
                    node->config->max_payload - CODE_FIELDS);
    const uint32_t start = ticks(node);
    entry->status = et_encode(&node->dictionary, &node->encoder, signal, &result);
    if (entry->status == ET_OK)
        entry->status = et_packet_add(&packet, signal, result.count);
    count_work(node, ticks(node) - start);
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
    send_code(node, &entry);
}

void et_node_stop_stream(et_node *node)
{
    node->stream.active = 0;
    et_node_queue_clear(&node->queue, 0, 0);
}

typedef struct start_fields {
    uint32_t first, windows, period, batch;
} start_fields;

static et_status read_start(const et_node *node, const et_frame *request, start_fields *fields)
{
    if (node->config->source == NULL)
        return ET_ERR_UNSUPPORTED;
    if (!node->has_dictionary)
        return ET_ERR_NO_DICTIONARY;
    if (et_cbor_get_uint(request->payload, request->length, 0, &fields->first) != ET_OK ||
        et_cbor_get_uint(request->payload, request->length, 1, &fields->windows) != ET_OK ||
        et_cbor_get_uint(request->payload, request->length, 2, &fields->period) != ET_OK ||
        et_cbor_get_uint(request->payload, request->length, 3, &fields->batch) != ET_OK)
        return ET_ERR_FORMAT;
    return fields->period <= MOST_PERIOD_MS && fields->batch >= 1 && fields->batch <= ET_PACKET_WINDOWS
               ? ET_OK
               : ET_ERR_ARGUMENT;
}

/* Whether a host whose answer was lost asks again. It may have read packets by now: a new start would cut them otherwise. */
static int is_running(const et_node *node, const start_fields *fields)
{
    const uint32_t taken = node->stream.window - fields->first;
    return node->stream.active && node->queue.acknowledged == fields->first &&
           node->stream.period_ms == fields->period && node->stream.batch == fields->batch &&
           (node->stream.endless ? 0 : node->stream.left + taken) == fields->windows;
}

static void start_stream(et_node *node, const start_fields *fields)
{
    const uint32_t now = clock_ms(node);
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
    answer.status = read_start(node, request, &fields);
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
    et_node_queue_acknowledge(&node->queue, et_load_u32(request->payload), clock_ms(node));
}

/* Codes a window into the open packet, or into a new one where that is full. */
static et_status code_queued(et_node *node, float *signal, uint32_t now)
{
    et_node_queue *queue = &node->queue;
    et_omp_result result;
    if (!queue->open)
        et_node_queue_open(queue, &node->dictionary, &node->encoder, now);
    const uint32_t start = ticks(node);
    et_status status = et_encode(&node->dictionary, &node->encoder, signal, &result);
    if (status == ET_OK)
        status = et_packet_add(&queue->packet, signal, result.count);
    if (status == ET_ERR_CAPACITY) {
        et_node_queue_close(queue);
        et_node_queue_open(queue, &node->dictionary, &node->encoder, now);
        status = et_packet_add(&queue->packet, signal, result.count);
    }
    count_work(node, ticks(node) - start);
    return status;
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
    float *signal = (float *)(void *)node->raw; /* free between frames */
    et_status status = source->read(source->context, node->stream.window, node->dictionary.m, signal);
    if (status == ET_PENDING)
        return 0;
    if (status == ET_OK)
        status = code_queued(node, signal, now);
    if (status != ET_OK)
        et_node_queue_fail(&node->queue, status);
    ++node->stream.window;
    if (!node->stream.endless)
        --node->stream.left;
    node->stream.due_ms += node->stream.period_ms;
    return 1;
}

/* Closes the open packet if nothing more is to come into it, or not in time: then by its number of windows, so that jitter
 * does not cut packets differently, and by the clock should the source be late. */
static void close_packet(et_node *node, uint32_t now)
{
    et_node_queue *queue = &node->queue;
    const unsigned windows = queue->packet.windows;
    if (queue->open && (windows >= node->stream.batch || has_ended(node) ||
                        (uint64_t)windows * node->stream.period_ms >= ET_NODE_PACKET_MS ||
                        now - queue->opened_ms >= ET_NODE_PACKET_MS))
        et_node_queue_close(queue);
}

/* Sends the next packet that the host's credit allows. Nonzero if it did. */
static int send_queued(et_node *node, uint32_t now)
{
    et_node_entry entry;
    if (!et_node_queue_next(&node->queue, node->stream.host_credit, now, &entry))
        return 0;
    memcpy(et_node_payload(node) + CODE_FIELDS, entry.bytes, entry.size);
    send_code(node, &entry);
    et_node_queue_sent(&node->queue, clock_ms(node));
    return 1;
}

int et_node_poll(et_node *node)
{
    if (!node->stream.active)
        return 0;
    const uint32_t now = clock_ms(node);
    const int took = take_window(node, now);
    close_packet(node, now);
    const int sent = send_queued(node, now);
    if (has_ended(node) && node->queue.head == node->queue.end)
        node->stream.active = 0;
    return took || sent;
}
