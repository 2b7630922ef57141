/* What the tests of the node share: a bundle, a board that holds it, and a host that knows what the board must answer. */
#ifndef EDGETWIN_TEST_NODE_SESSION_H
#define EDGETWIN_TEST_NODE_SESSION_H

#include <string.h>

#include "edgetwin/cbor.h"
#include "problem.h"
#include "runner.h"
#include "simulated.h"

enum { HELLO = 0x01, AUTH, UPLOAD, DATA, COMMIT, START, SIGNAL, ACK, STOP, STATS, BYE };
enum { STATUS = 0x83, CODE = 0x87, STATS_ANSWER = 0x8a };

#define ARENA 1536u
#define MOST_SAMPLES 8u
#define CODE_FIELDS 7u /* before the packet: window, status, backlog, windows */

typedef struct bundle {
    uint8_t *bytes;
    size_t size;
    et_dictionary *dictionary; /* opened */
} bundle;

typedef struct session {
    simulated_board *board;
    simulated_host *host;
} session;

/* The bundle of a dictionary; nonzero if there was memory. */
static inline int take_bundle_of(bundle *b, const et_dictionary *source)
{
    if (source == NULL)
        return 0;
    b->size = write_dictionary_bundle(source, NULL);
    b->bytes = test_take(b->size);
    b->dictionary = test_take(sizeof *b->dictionary); /* boards have small stacks */
    if (b->bytes == NULL || b->dictionary == NULL)
        return 0;
    write_dictionary_bundle(source, b->bytes);
    CHECK_EQUAL(et_dictionary_open(b->bytes, b->size, b->dictionary), ET_OK);
    return 1;
}

static inline int take_bundle(bundle *b, et_atom_type type, unsigned m, unsigned n)
{
    return take_bundle_of(b, take_dictionary(type, m, n, 2, random_atoms));
}

/* A started board, not yet greeted. */
static inline int take_session(session *s)
{
    s->board = take_board(ARENA);
    s->host = s->board != NULL ? take_host(s->board) : NULL;
    if (s->host == NULL)
        return 0;
    CHECK_EQUAL(start_board(s->board), ET_OK);
    return 1;
}

/* A greeted board that holds the dictionary. */
static inline int take_ready(session *s, bundle *b)
{
    if (!take_bundle(b, ET_ATOM_FLOAT32, 4, 6) || !take_session(s))
        return 0;
    CHECK(host_hello(s->host, 1));
    CHECK_EQUAL(host_upload_all(s->host, b->bytes, b->size, 64).status, ET_OK);
    return 1;
}

/* The signal of a window, in all tests. */
static inline void make_signal(uint32_t window, unsigned m, float *signal)
{
    uint32_t state = window * 2654435761u + 1;
    for (unsigned i = 0; i < m; ++i)
        signal[i] = test_random_float(&state);
}

/* What the packet of these windows must be, by the host's copy of the dictionary; returns its size. */
static inline size_t expected_packet(const bundle *b, uint32_t window, unsigned windows, uint8_t *bytes,
                                     size_t capacity)
{
    float signal[MOST_SAMPLES];
    et_omp_result result;
    et_encoder encoder;
    et_packet packet;
    if (!take_encoder(b->dictionary, &encoder))
        return 0;
    et_packet_begin(&packet, b->dictionary, &encoder, bytes, capacity);
    for (unsigned i = 0; i < windows; ++i) {
        make_signal(window + i, b->dictionary->m, signal);
        CHECK_EQUAL(et_encode(b->dictionary, &encoder, signal, &result), ET_OK);
        CHECK_EQUAL(et_packet_add(&packet, signal, result.count), ET_OK);
    }
    const size_t size = et_packet_end(&packet);
    test_give(encoder.workspace);
    return size;
}

static inline void send_signal(simulated_host *host, uint32_t window, const float *signal, unsigned m)
{
    uint8_t payload[4 + 4 * MOST_SAMPLES];
    memcpy(payload, &window, 4);
    memcpy(payload + 4, signal, 4u * m);
    host_send(host, SIGNAL, payload, 4 + 4u * m);
}

/* The fields of a CODE frame. */
static inline uint32_t code_window(const et_frame *frame)
{
    uint32_t window;
    memcpy(&window, frame->payload, 4);
    return window;
}

static inline unsigned code_status(const et_frame *frame) { return frame->payload[4]; }
static inline unsigned code_backlog(const et_frame *frame) { return frame->payload[5]; }
static inline unsigned code_windows(const et_frame *frame) { return frame->payload[6]; }

/* Checks that a CODE frame holds these windows, as the host codes them. */
static inline void check_code(const bundle *b, const et_frame *frame, uint32_t window, unsigned windows)
{
    uint8_t packet[SIMULATED_PAYLOAD];
    const size_t size = expected_packet(b, window, windows, packet, sizeof packet);
    CHECK_EQUAL(frame->type, CODE);
    CHECK_EQUAL(frame->id, (uint32_t)b->dictionary->id);
    CHECK_EQUAL(code_window(frame), window);
    CHECK_EQUAL(code_status(frame), ET_OK);
    CHECK_EQUAL(code_windows(frame), windows);
    CHECK_EQUAL(frame->length, CODE_FIELDS + size);
    if (frame->length == CODE_FIELDS + size)
        CHECK_BYTES(frame->payload + CODE_FIELDS, packet, size);
}

/* Whether the node encodes as this bundle says. */
static inline int works_with(session *s, const bundle *b)
{
    float signal[MOST_SAMPLES];
    et_frame frame;
    make_signal(9, b->dictionary->m, signal);
    send_signal(s->host, 9, signal, b->dictionary->m);
    if (!host_take(s->host, &frame) || frame.type != CODE || frame.id != (uint32_t)b->dictionary->id)
        return 0;
    check_code(b, &frame, 9, 1);
    return 1;
}

static inline int node_answers(session *s)
{
    et_frame frame;
    host_send(s->host, STATS, "\xa0", 1);
    return host_take(s->host, &frame) && frame.type == STATS_ANSWER;
}

#endif
