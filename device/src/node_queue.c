/* The queue of a stream: packets or results in the order of their windows, back to back in one piece of memory. The newest
 * entry may be open: then windows are still added to it where it lies. */
#include <string.h>

#include "bytes.h"
#include "edgetwin/node.h"
#include "node_internal.h"

size_t et_node_queue_least(size_t window_size) { return 2 * (ENTRY_FIELDS + window_size); }

void et_node_queue_place(et_node_queue *queue, size_t window_size, uint8_t *memory, size_t size, size_t payload)
{
    const size_t longest = ENTRY_FIELDS + payload - CODE_FIELDS;
    queue->bytes = memory;
    queue->size = size;
    queue->least = ENTRY_FIELDS + window_size;
    queue->longest = longest < size / 2 ? longest : size / 2; /* two entries always fit */
    queue->result_size = 0;
}

void et_node_queue_clear(et_node_queue *queue, uint32_t first, uint32_t now)
{
    queue->head = queue->next = queue->end = 0;
    queue->in_flight = queue->dropped = 0;
    queue->open = 0;
    queue->oldest = queue->unsent = queue->after = queue->acknowledged = first;
    queue->progress_ms = now;
}

static unsigned windows_at(const et_node_queue *queue, size_t entry) { return queue->bytes[entry + 3]; }

static size_t following(const et_node_queue *queue, size_t entry)
{
    return entry + ENTRY_FIELDS + et_load_u16(queue->bytes + entry);
}

static void free_oldest(et_node_queue *queue)
{
    queue->oldest += windows_at(queue, queue->head);
    queue->head = following(queue, queue->head);
    if (queue->in_flight > 0) {
        --queue->in_flight;
    } else { /* it was the next to be sent */
        queue->next = queue->head;
        queue->unsent = queue->oldest;
    }
}

/* To the front of the memory. No entry may be open. */
static void move_entries(et_node_queue *queue)
{
    memmove(queue->bytes, queue->bytes + queue->head, queue->end - queue->head);
    queue->next -= queue->head;
    queue->end -= queue->head;
    queue->head = 0;
}

/* For an entry at the end that holds at least one window. The host sees by the backlog what was dropped for it. */
static void make_room(et_node_queue *queue)
{
    while (queue->size - (queue->end - queue->head) < queue->least) {
        const int sent = queue->in_flight > 0;
        free_oldest(queue);
        if (sent) {
            ++queue->dropped;
            queue->dropped_end = queue->oldest;
        }
    }
    if (queue->size - queue->end < queue->longest)
        move_entries(queue);
}

int et_node_queue_has_room(const et_node_queue *queue)
{
    const size_t open = queue->open ? ENTRY_FIELDS + queue->room : 0;
    return queue->size - (queue->end - queue->head) - open >= queue->least;
}

uint8_t *et_node_queue_open(et_node_queue *queue, uint32_t now)
{
    make_room(queue);
    const size_t room = queue->size - queue->end;
    const size_t entry = room < queue->longest ? room : queue->longest;
    queue->room = entry - ENTRY_FIELDS;
    queue->windows = 0;
    queue->opened_ms = now;
    queue->open = 1;
    return queue->bytes + queue->end + ENTRY_FIELDS;
}

static void end_entry(et_node_queue *queue, size_t size, et_status status, unsigned windows)
{
    uint8_t *entry = queue->bytes + queue->end;
    et_store_u16(entry, (unsigned)size);
    entry[2] = (uint8_t)status;
    entry[3] = (uint8_t)windows;
    queue->end += ENTRY_FIELDS + size;
    queue->after += windows;
}

void et_node_queue_close(et_node_queue *queue)
{
    if (queue->open && queue->windows > 0) {
        const size_t results = queue->windows * queue->result_size;
        end_entry(queue, results > 0 ? results : et_packet_end(&queue->packet), ET_OK, queue->windows);
    }
    queue->open = 0;
}

void et_node_queue_fail(et_node_queue *queue, et_status status)
{
    et_node_queue_close(queue);
    make_room(queue);
    end_entry(queue, 0, status, 1);
}

void et_node_queue_acknowledge(et_node_queue *queue, uint32_t next, uint32_t now)
{
    const uint32_t from = queue->acknowledged, step = next - from; /* window numbers are modulo 2^32 */
    if (step == 0 || step > queue->after - from)
        return;
    queue->acknowledged = next;
    queue->progress_ms = now;
    if (queue->dropped > 0 && queue->dropped_end - from <= step)
        queue->dropped = 0;
    while (queue->head < queue->end && queue->oldest + windows_at(queue, queue->head) - from <= step)
        free_oldest(queue);
}

int et_node_queue_next(et_node_queue *queue, unsigned credit, uint32_t now, et_node_entry *entry)
{
    if (queue->in_flight + queue->dropped > 0 && now - queue->progress_ms >= ET_NODE_RESEND_MS) {
        queue->in_flight = queue->dropped = 0;
        queue->next = queue->head;
        queue->unsent = queue->oldest;
    }
    if (queue->next == queue->end || queue->in_flight + queue->dropped >= credit)
        return 0;
    entry->window = queue->unsent;
    entry->backlog = queue->unsent - queue->oldest;
    entry->bytes = queue->bytes + queue->next + ENTRY_FIELDS;
    entry->size = et_load_u16(queue->bytes + queue->next);
    entry->status = (et_status)queue->bytes[queue->next + 2];
    entry->windows = windows_at(queue, queue->next);
    return 1;
}

void et_node_queue_sent(et_node_queue *queue, uint32_t now)
{
    if (queue->in_flight + queue->dropped == 0)
        queue->progress_ms = now;
    queue->unsent += windows_at(queue, queue->next);
    queue->next = following(queue, queue->next);
    ++queue->in_flight;
}
