/* A node with everything simulated: a board whose power can fail at any programmed byte, and the host's end of the link.
 * Used by the tests of the node and by the fuzz target of the node. */
#ifndef EDGETWIN_TEST_SIMULATED_H
#define EDGETWIN_TEST_SIMULATED_H

#include "edgetwin/node.h"

#define SIMULATED_PAYLOAD 256u
#define SIMULATED_SLOT 512u
#define SIMULATED_WIRE 1024u
#define NEVER 0xffffffffu

typedef struct simulated_board {
    et_node node;
    et_port port;
    et_node_config config;
    uint8_t *slots; /* ET_NODE_SLOTS x SIMULATED_SLOT */
    uint8_t *arena;
    size_t arena_size;
    uint32_t clock_ms, ticks;
    uint32_t programmed;   /* bytes since the power came */
    uint32_t power_fails;  /* after that many programmed bytes: nothing is written any more; NEVER */
    uint8_t erased_to;     /* what an erased byte reads */
    uint8_t erase_refused; /* slot_erase fails */
    uint8_t entropy;       /* counts */
    uint8_t *wire;         /* what the node sent and the host has not read */
    size_t wire_size, wire_read;
} simulated_board;

typedef struct simulated_host {
    simulated_board *board;
    uint8_t nonce[ET_NODE_NONCE], node_nonce[ET_NODE_NONCE], key[ET_SHA256_SIZE];
    uint8_t mac;    /* frames carry one */
    uint8_t credit; /* of every frame sent */
    uint32_t sent, taken;
    uint8_t raw[ET_FRAME_RAW_SIZE(SIMULATED_PAYLOAD)];
    uint8_t last_sent[ET_FRAME_WIRE_SIZE(SIMULATED_PAYLOAD)]; /* on the wire, the end mark included */
    size_t last_sent_size;
} simulated_host;

/* A board with empty slots and an arena of that many bytes (frame buffers included), in memory of test_take; NULL for want
 * of it. Not started yet: set the config first. */
simulated_board *take_board(size_t arena_size);

/* et_node_init: power on. The slots keep what they hold. */
et_status start_board(simulated_board *board);

/* The host's end; nothing is sent yet. */
simulated_host *take_host(simulated_board *board);

/* Builds a frame into last_sent without sending it; the sequence number is the host's next. */
void host_build(simulated_host *host, unsigned type, const void *payload, size_t size);

/* Gives the node the bytes of last_sent (again). */
void host_deliver(simulated_host *host);

/* Builds and delivers. */
void host_send(simulated_host *host, unsigned type, const void *payload, size_t size);

/* The next frame that the node sent: CRC, sequence and MAC are checked. 0 if there is none. The payload lies in host->raw
 * and lives until the next call. */
int host_take(simulated_host *host, et_frame *frame);

/* Sends HELLO and takes its answer; nonzero if it came. Key 13 of the answer must be the host's nonce. */
int host_hello(simulated_host *host, unsigned nonce);

/* Sends AUTH with the proof of this key; nonzero if the node proved that it has the key, too. On success frames carry a MAC
 * from here on if asked for. */
int host_authenticate(simulated_host *host, const uint8_t *key, size_t key_size, int mac);

/* The fields of a STATUS frame, taken from the wire. status is -1 if no STATUS to the last request came. */
typedef struct host_status {
    int status;
    uint32_t type, offset, needed, at_hand;
} host_status;

host_status host_take_status(simulated_host *host);

/* UPLOAD, DATA and COMMIT of a bundle; each sends one request and takes its STATUS. */
host_status host_upload(simulated_host *host, unsigned kind, uint32_t length, const uint8_t *id);
host_status host_data(simulated_host *host, uint32_t offset, const uint8_t *bytes, size_t size);
host_status host_commit(simulated_host *host, const uint8_t *id);

/* All three, in DATA frames of `portion` bytes; the status of the first one that is refused. */
host_status host_upload_all(simulated_host *host, const uint8_t *bundle, size_t size, size_t portion);

/* START, without taking the answer. */
void host_start(simulated_host *host, uint32_t first, uint32_t windows, uint32_t period_ms, unsigned batch);

#endif
