/* What the parts of the node share: node.c (session), node_slots.c, node_upload.c, node_model.c, node_stream.c (codes and
 * results of the board's own source), node_queue.c. */
#ifndef EDGETWIN_NODE_INTERNAL_H
#define EDGETWIN_NODE_INTERNAL_H

#include "edgetwin/cbor.h"
#include "edgetwin/node.h"

/* PROTOCOL.md, Session. */
enum {
    FRAME_HELLO = 0x01,
    FRAME_AUTH = 0x02,
    FRAME_UPLOAD = 0x03,
    FRAME_DATA = 0x04,
    FRAME_COMMIT = 0x05,
    FRAME_START = 0x06,
    FRAME_SIGNAL = 0x07,
    FRAME_ACK = 0x08,
    FRAME_STOP = 0x09,
    FRAME_STATS = 0x0A,
    FRAME_BYE = 0x0B,
    FRAME_INPUT = 0x0C,
    FRAME_INVOKE = 0x0D,
    FRAME_READ = 0x0E,
    FRAME_ANSWER = 0x80, /* added to a request's type */
    FRAME_STATUS = 0x83,
    FRAME_CODE = 0x87,
    FRAME_RESULT = 0x8C
};

#define CODE_FIELDS 7u  /* bytes of a CODE or RESULT payload before the packet: window, status, backlog, windows */
#define ENTRY_FIELDS 4u /* bytes of a queue's entry before the packet */

/* Where the payload of the next frame is written. */
static inline uint8_t *et_node_payload(et_node *node) { return node->raw + ET_FRAME_HEADER; }

/* Sends the frame whose payload lies at et_node_payload. Afterwards node->raw is free again. */
void et_node_send(et_node *node, unsigned type, size_t length);

typedef struct et_node_status {
    et_status status;
    uint32_t offset;        /* upload, input */
    size_t needed, at_hand; /* ET_ERR_FIT */
} et_node_status;

void et_node_send_status(et_node *node, const et_frame *request, const et_node_status *status);

static inline uint32_t et_node_clock_ms(const et_node *node) { return node->port->clock_ms(node->port->context); }

static inline uint32_t et_node_ticks(const et_node *node) { return node->port->ticks(node->port->context); }

/* node_slots.c: what is in use, and where it lies. */

/* Bytes of a bundle that a slot holds; 0 for one that a board does not have. */
static inline size_t et_slot_room(const et_slot *slot)
{
    return slot->bytes != NULL && slot->size > ET_SLOT_RECORD ? slot->size - ET_SLOT_RECORD : 0;
}

/* The newest whole bundle of each kind, or the one linked in. */
void et_node_open_slots(et_node *node);

/* The slot that the next bundle goes to: of those not in use with that much room, the one written longest ago.
 * ET_NODE_SLOTS if there is none; then *largest is the room of the largest that is not in use. */
unsigned et_node_free_slot(const et_node *node, size_t size, size_t *largest);

/* Checks the bundle in a slot as a whole and whether it fits; on ET_OK it is in use and was marked as the newest. */
et_status et_node_use_slot(et_node *node, unsigned slot, uint8_t kind, uint64_t id, et_node_status *answer);

/* Bytes from the arena's start that a model's workspace may begin at and after. */
size_t et_node_model_room(const et_node *node);

int et_node_is_current(const et_node *node, uint8_t kind, uint64_t id);

/* node_upload.c */
void et_node_on_upload(et_node *node, const et_frame *request);
void et_node_on_data(et_node *node, const et_frame *request);
void et_node_on_commit(et_node *node, const et_frame *request);

/* node_model.c */
void et_node_on_input(et_node *node, const et_frame *request);
void et_node_on_invoke(et_node *node, const et_frame *request);
void et_node_on_read(et_node *node, const et_frame *request);

/* Forgets inputs and invocation, and writes the model's initial state. */
void et_node_reset_model(et_node *node);

/* Whether the model can take the source's windows: it must have one input. */
et_status et_node_can_infer(const et_node *node);

/* Elements of the model's input: samples of a window of the source. */
unsigned et_node_model_samples(const et_node *node);

/* Bytes of a buffer for a window's samples; 0 where the source writes into the model's input, which is float32. */
size_t et_node_samples_size(const et_node *node);

/* Takes samples (quantized from `samples`, or already in place), runs the model, and writes its outputs one after the
 * other. ET_ERR_NOT_FINITE for NaN and infinity. */
et_status et_node_infer(et_node *node, const float *samples, uint8_t *outputs);

/* node_stream.c */
void et_node_on_signal(et_node *node, const et_frame *request);
void et_node_on_start(et_node *node, const et_frame *request);
void et_node_on_stop(et_node *node, const et_frame *request);
void et_node_on_ack(et_node *node, const et_frame *request);
void et_node_stop_stream(et_node *node);

/* node_queue.c */

/* Least bytes of a queue of entries with at most `window_size` bytes a window: two of a window each. */
size_t et_node_queue_least(size_t window_size);

/* Lays the queue into `size` bytes, at least et_node_queue_least; `payload`: of the largest frame. */
void et_node_queue_place(et_node_queue *queue, size_t window_size, uint8_t *memory, size_t size, size_t payload);

/* Empties it; the next window is `first`. */
void et_node_queue_clear(et_node_queue *queue, uint32_t first, uint32_t now);

/* Whether another window can be taken without the oldest ones being dropped for it. */
int et_node_queue_has_room(const et_node_queue *queue);

/* Opens an entry of queue->room bytes, which it returns; drops the oldest ones if there is no room. None may be open. */
uint8_t *et_node_queue_open(et_node_queue *queue, uint32_t now);

/* Closes the open entry, if there is one: it may be sent from now on. An empty one is as if it had never been. */
void et_node_queue_close(et_node_queue *queue);

/* Puts a failed window behind the others. Closes the open entry. */
void et_node_queue_fail(et_node_queue *queue, et_status status);

/* The host has all windows below `next`: frees the entries that end there or earlier. */
void et_node_queue_acknowledge(et_node_queue *queue, uint32_t next, uint32_t now);

typedef struct et_node_entry {
    uint32_t window, backlog;
    const uint8_t *bytes;
    size_t size;
    et_status status;
    unsigned windows;
} et_node_entry;

/* The next entry to send, again from the oldest on if there was no progress for long. 0 if there is none, or if `credit`
 * frames are under way. */
int et_node_queue_next(et_node_queue *queue, unsigned credit, uint32_t now, et_node_entry *entry);

/* That entry was sent. */
void et_node_queue_sent(et_node_queue *queue, uint32_t now);

#endif
