/* What the parts of the node share: node.c (session), node_upload.c, node_stream.c. */
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

#define CODE_FIELDS 6u /* bytes of a CODE payload before the code: window, status, backlog */

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
void et_node_place_queue(et_node *node, uint8_t *memory, size_t size);
void et_node_on_signal(et_node *node, const et_frame *request);
void et_node_on_start(et_node *node, const et_frame *request);
void et_node_on_stop(et_node *node, const et_frame *request);
void et_node_on_ack(et_node *node, const et_frame *request);
void et_node_stop_stream(et_node *node);

#endif
