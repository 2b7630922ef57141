/* The node: the board's side of the link (PROTOCOL.md), without a transport. Bytes go in by et_node_receive, out by
 * port->write; time comes from port->clock_ms; everything lives in the caller's et_node and arena. */
#ifndef EDGETWIN_NODE_H
#define EDGETWIN_NODE_H

#include "edgetwin/bundle.h"
#include "edgetwin/frame.h"
#include "edgetwin/model.h"
#include "edgetwin/packet.h"
#include "edgetwin/sha256.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ET_NODE_SLOTS 3u /* a dictionary and a model can be in use, and one is free for an upload */
#define ET_NODE_NONCE 16u
#define ET_NODE_LEAST_PAYLOAD 256u
#define ET_NODE_MOST_PAYLOAD (4u * ET_MAX_SAMPLES + 16u)
#define ET_NODE_RESEND_MS 250u  /* a stream without progress is sent again after this */
#define ET_NODE_PACKET_MS 1000u /* no window waits longer than this for its packet's others */
#define ET_SLOT_RECORD 16u      /* bytes at a slot's start that say whether its bundle is current */

/* A place for a bundle that outlives the session: ET_SLOT_RECORD bytes, then the bundle. A board may have fewer than
 * ET_NODE_SLOTS: the others are zero. */
typedef struct et_slot {
    const uint8_t *bytes; /* memory-mapped, 16-byte aligned */
    size_t size;          /* bytes, ET_SLOT_RECORD included */
} et_slot;

/* Where samples come from when the board streams on its own clock. A board with a sensor brings its own. */
typedef struct et_source {
    /* Fills signal[0 .. m-1] with raw window `window`. ET_OK; ET_PENDING: not complete yet, ask again; or an error of
     * this window, which is reported in its place. */
    et_status (*read)(void *context, uint32_t window, unsigned m, float *signal);
    void *context;
} et_source;

/* What a board brings. All functions get `context`. */
typedef struct et_port {
    void *context;
    void (*write)(void *context, const uint8_t *bytes, size_t size); /* to the link; blocks until taken */
    uint32_t (*clock_ms)(void *context);                             /* milliseconds, wraps */
    uint32_t (*ticks)(void *context);                                /* work counter for STATS, wraps; may return 0 */
    void (*entropy)(void *context, uint8_t bytes[ET_NODE_NONCE]);    /* best available; mixed by hashing */
    /* Erases a slot (to any constant), programs bytes at an offset of it. offset and size are multiples of 4; an area
     * is programmed once after each erase. Both return ET_OK or ET_ERR_FLASH. */
    et_status (*slot_erase)(void *context, unsigned slot);
    et_status (*slot_program)(void *context, unsigned slot, size_t offset, const uint8_t *bytes, size_t size);
} et_port;

typedef struct et_node_config {
    const char *board;       /* name, at most 31 characters */
    const char *slot_memory; /* "flash", "ram" or "file" */
    et_slot slots[ET_NODE_SLOTS];
    const uint8_t *key; /* pre-shared key, or NULL: open */
    size_t key_size;
    const uint8_t *dictionary; /* bundle linked into the firmware, used while no slot holds one; or NULL */
    size_t dictionary_size;
    const uint8_t *model; /* likewise, 16-byte aligned */
    size_t model_size;
    const et_kernel *const *kernels; /* those that models may use, NULL at the end; or NULL: no models */
    const et_source *source;         /* for START (recorded or sensor); or NULL */
    uint16_t max_payload; /* largest payload, a multiple of 4, ET_NODE_LEAST_PAYLOAD .. ET_NODE_MOST_PAYLOAD */
    uint8_t credit;       /* frames of max_payload that the receive buffer can hold, at least 1 */
} et_node_config;

/* Arena bytes that the frame buffers take; the rest is for dictionary and model. */
size_t et_node_buffers_size(uint16_t max_payload);

/* Arena bytes that a dictionary takes beyond that: the encoder's scratch and a queue of two packets of a window each (what is
 * left of the arena lengthens packets and queue). A model takes its workspace, on a multiple of ET_MODEL_ALIGN. */
size_t et_node_dictionary_size(const et_dictionary *dictionary);

/* Packets, or the results of a model, waiting to be sent or acknowledged, oldest first, back to back. Entry: u16 size,
 * u8 status, u8 windows, packet or results; a failed window is an entry of its own, without either. */
typedef struct et_node_queue {
    uint8_t *bytes;
    size_t size, least, longest;    /* bytes of the queue; of an entry that surely holds a window; of any entry */
    size_t head, next, end;         /* where the oldest entry starts, the next to be sent, and the open one */
    uint32_t oldest, unsent, after; /* the windows there */
    uint32_t acknowledged;          /* the host lacks no window below it */
    unsigned in_flight;             /* entries from head to next: sent, not acknowledged */
    unsigned dropped;     /* sent, not acknowledged, no longer held: the host may still be about to read them */
    uint32_t dropped_end; /* the window after them */
    uint32_t progress_ms;
    et_packet packet;   /* at the end, while open; of codes */
    size_t result_size; /* of one window; 0: the queue holds packets */
    size_t room;        /* bytes for packet or results, while open */
    unsigned windows;   /* in the open entry */
    uint32_t opened_ms;
    uint8_t open;
} et_node_queue;

typedef struct et_node {
    const et_port *port;
    const et_node_config *config;
    uint8_t *receive; /* the frame being collected, then decoded in place */
    size_t received, receive_capacity;
    uint8_t too_long; /* the frame being collected does not fit */
    uint8_t *raw;     /* the frame being built; between frames, a window to be coded */
    uint8_t *arena;   /* encoder, queue; at its end the model's workspace */
    size_t arena_size;

    struct {
        uint8_t host_nonce[ET_NODE_NONCE], node_nonce[ET_NODE_NONCE], key[ET_SHA256_SIZE];
        uint32_t sent, taken; /* sequence numbers */
        uint8_t open, authenticated, mac;
    } session;

    et_dictionary dictionary;
    et_encoder encoder;
    et_model model;
    uint8_t *workspace; /* the model's */
    uint8_t has_dictionary, has_model;
    uint8_t dictionary_slot, model_slot; /* ET_NODE_SLOTS: none of them */
    uint32_t generation;                 /* the highest of all slots */

    struct {
        uint64_t id;
        uint32_t length, offset;
        uint8_t kind, slot;
        uint8_t active;
        uint8_t in_session; /* by the host that is here now */
    } upload;

    struct {
        uint32_t input_size, output_size; /* bytes of all inputs, of all outputs */
        uint32_t input;                   /* bytes of the next invocation's inputs that are there */
        uint32_t number, ticks;           /* of the invocation; of its layers that ran last */
        const uint32_t *record;           /* of its next layer */
        uint16_t layer;                   /* layers that have run */
        uint8_t begun;
    } inference;

    et_node_queue queue;
    struct {
        uint32_t window, left, period_ms, due_ms; /* next window; windows still to take */
        float *samples; /* where the source writes: of an int8 model, before they are quantized */
        uint8_t active, endless, host_credit, batch; /* batch: windows a frame at most */
        uint8_t results;                             /* of the model; else codes of the dictionary */
    } stream;

    struct {
        uint32_t bad_frames;                 /* since the node started */
        uint32_t signals, last, least, most; /* ticks of coding a window, since the dictionary is current */
        uint64_t total;
        uint32_t inferences, inference; /* since the model is current; ticks of the last whole one */
    } stats;
} et_node;

/* Sets up the node and opens the newest slot of each kind whose bundle is whole. port, config and arena stay the caller's and must
 * outlive the node. arena is 8-byte aligned.
 * ET_ERR_ARGUMENT, ET_ERR_WORKSPACE (arena below et_node_buffers_size or not aligned). */
et_status et_node_init(et_node *node, const et_port *port, const et_node_config *config, void *arena,
                       size_t arena_size);

/* Takes bytes from the link, in any portions, and answers every frame that they complete. */
void et_node_receive(et_node *node, const uint8_t *bytes, size_t size);

/* The link is gone: ends the session and its stream, so that whoever comes next must say hello and authenticate. For
 * ports that notice (TCP); a UART does not, there a host says BYE. */
void et_node_hang_up(et_node *node);

/* Does what time asks for: the next window of a stream, resending. Call it often. Nonzero if there is more to do now. */
int et_node_poll(et_node *node);

#ifdef __cplusplus
}
#endif
#endif
