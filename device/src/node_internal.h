/* What the parts of the node share: node.c (session), node_upload.c, node_stream.c, node_queue.c. */
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
    FRAME_ANSWER = 0x80, /* added to a request's type */
    FRAME_STATUS = 0x83,
    FRAME_CODE = 0x87
};

#define CODE_FIELDS 7u  /* bytes of a CODE payload before the packet: window, status, backlog, windows */
#define ENTRY_FIELDS 4u /* bytes of a queue's entry before the packet */

/* Where the payload of the next frame is written. */
static inline uint8_t *et_node_payload(et_node *node) { return node->raw + ET_FRAME_HEADER; }

/* Sends the frame whose payload lies at et_node_payload. Afterwards node->raw is free again. */
void et_node_send(et_node *node, unsigned type, size_t length);

typedef struct et_node_status {
    et_status status;
    uint32_t offset;        /* upload */
    size_t needed, at_hand; /* ET_ERR_FIT */
} et_node_status;

void et_node_send_status(et_node *node, const et_frame *request, const et_node_status *status);

/* Bytes of a bundle that a slot holds; 0 for one that a board does not have. */
static inline size_t et_slot_room(const et_slot *slot)
{
    return slot->bytes != NULL && slot->size > ET_SLOT_RECORD ? slot->size - ET_SLOT_RECORD : 0;
}

/* node_upload.c */
void et_node_open_slots(et_node *node);
void et_node_on_upload(et_node *node, const et_frame *request);
void et_node_on_data(et_node *node, const et_frame *request);
void et_node_on_commit(et_node *node, const et_frame *request);

/* node_stream.c */
void et_node_on_signal(et_node *node, const et_frame *request);
void et_node_on_start(et_node *node, const et_frame *request);
void et_node_on_stop(et_node *node, const et_frame *request);
void et_node_on_ack(et_node *node, const et_frame *request);
void et_node_stop_stream(et_node *node);

/* node_queue.c */

/* Least bytes of a queue: two packets of a window each. */
size_t et_node_queue_least(const et_dictionary *dictionary);

/* Lays the queue into `size` bytes, at least et_node_queue_least; `payload`: of the largest frame. */
void et_node_queue_place(et_node_queue *queue, const et_dictionary *dictionary, uint8_t *memory, size_t size,
                         size_t payload);

/* Empties it; the next window is `first`. */
void et_node_queue_clear(et_node_queue *queue, uint32_t first, uint32_t now);

/* Whether another window can be taken without the oldest ones being dropped for it. */
int et_node_queue_has_room(const et_node_queue *queue);

/* Opens a packet; drops the oldest ones if there is no room. None may be open. */
void et_node_queue_open(et_node_queue *queue, const et_dictionary *dictionary, const et_encoder *encoder, uint32_t now);

/* Closes the open packet, if there is one: it may be sent from now on. An empty one is as if it had never been. */
void et_node_queue_close(et_node_queue *queue);

/* Puts a failed window behind the others. Closes the open packet. */
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
