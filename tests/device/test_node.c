/* The node without a transport: whole sessions, and what happens when the line, the flash or the power fails. */
#include <math.h>
#include <string.h>

#include "edgetwin/cbor.h"
#include "edgetwin/version.h"
#include "problem.h"
#include "runner.h"
#include "simulated.h"

enum { HELLO = 0x01, AUTH, UPLOAD, DATA, COMMIT, START, SIGNAL, ACK, STOP, STATS, BYE };
enum { STATUS = 0x83, CODE = 0x87, STATS_ANSWER = 0x8a };

#define ARENA 1536u
#define MOST_SAMPLES 8u

static const uint8_t key[] = "correct horse battery staple";

typedef struct bundle {
    uint8_t *bytes;
    size_t size;
    et_dictionary dictionary; /* opened */
} bundle;

typedef struct session {
    simulated_board *board;
    simulated_host *host;
} session;

/* Nonzero if there was memory. */
static int take_bundle(bundle *b, et_atom_type type, unsigned m, unsigned n)
{
    const et_dictionary *source = take_dictionary(type, m, n, 2, random_atoms);
    if (source == NULL)
        return 0;
    b->size = write_dictionary_bundle(source, NULL);
    b->bytes = test_take(b->size);
    if (b->bytes == NULL)
        return 0;
    write_dictionary_bundle(source, b->bytes);
    CHECK_EQUAL(et_dictionary_open(b->bytes, b->size, &b->dictionary), ET_OK);
    return 1;
}

/* A started board, not yet greeted. */
static int take_session(session *s)
{
    s->board = take_board(ARENA);
    s->host = s->board != NULL ? take_host(s->board) : NULL;
    if (s->host == NULL)
        return 0;
    CHECK_EQUAL(start_board(s->board), ET_OK);
    return 1;
}

/* A greeted board that holds the dictionary. */
static int take_ready(session *s, bundle *b)
{
    if (!take_bundle(b, ET_ATOM_FLOAT32, 4, 6) || !take_session(s))
        return 0;
    CHECK(host_hello(s->host, 1));
    CHECK_EQUAL(host_upload_all(s->host, b->bytes, b->size, 64).status, ET_OK);
    return 1;
}

static void make_signal(uint32_t window, unsigned m, float *signal)
{
    uint32_t state = window * 2654435761u + 1;
    for (unsigned i = 0; i < m; ++i)
        signal[i] = test_random_float(&state);
}

/* What the code of a signal must be, by et_encode on the host's copy of the dictionary. */
static size_t expected_code(const bundle *b, const float *raw, uint8_t *code, size_t capacity, et_status *status)
{
    float signal[MOST_SAMPLES];
    et_omp_result result;
    et_encoder encoder;
    size_t size = 0;
    memcpy(signal, raw, b->dictionary.m * sizeof *signal);
    if (!take_encoder(&b->dictionary, &encoder))
        return 0;
    *status = et_encode(&b->dictionary, &encoder, signal, code, capacity, &size, &result);
    test_give(encoder.workspace);
    test_give(encoder.coefficients);
    test_give(encoder.support);
    return size;
}

static void send_signal(simulated_host *host, uint32_t window, const float *signal, unsigned m)
{
    uint8_t payload[4 + 4 * MOST_SAMPLES];
    memcpy(payload, &window, 4);
    memcpy(payload + 4, signal, 4u * m);
    host_send(host, SIGNAL, payload, 4 + 4u * m);
}

static uint32_t code_window(const et_frame *frame)
{
    uint32_t window;
    memcpy(&window, frame->payload, 4);
    return window;
}

/* Checks a CODE frame against the host's own encoding of the window's signal. */
static void check_code(const bundle *b, const et_frame *frame, uint32_t window, const float *signal)
{
    uint8_t code[64];
    et_status status = ET_OK;
    const size_t size = expected_code(b, signal, code, sizeof code, &status);
    CHECK_EQUAL(frame->type, CODE);
    CHECK_EQUAL(frame->id, (uint32_t)b->dictionary.id);
    CHECK_EQUAL(code_window(frame), window);
    CHECK_EQUAL(frame->payload[4], status);
    CHECK_EQUAL(frame->length, 6 + size);
    if (frame->length == 6 + size)
        CHECK_BYTES(frame->payload + 6, code, size);
}

/* Whether the node encodes as this bundle says. */
static int works_with(session *s, const bundle *b)
{
    float signal[MOST_SAMPLES];
    et_frame frame;
    make_signal(9, b->dictionary.m, signal);
    send_signal(s->host, 9, signal, b->dictionary.m);
    if (!host_take(s->host, &frame) || frame.type != CODE || frame.id != (uint32_t)b->dictionary.id)
        return 0;
    check_code(b, &frame, 9, signal);
    return 1;
}

static int node_answers(session *s)
{
    et_frame frame;
    host_send(s->host, STATS, "\xa0", 1);
    return host_take(s->host, &frame) && frame.type == STATS_ANSWER;
}

static void init_checks_its_arguments(void)
{
    session s;
    if (!take_session(&s))
        return;
    simulated_board *board = s.board;
    et_node *node = &board->node;
    const size_t least = et_node_buffers_size(SIMULATED_PAYLOAD);
    CHECK_EQUAL(et_node_init(node, &board->port, &board->config, board->arena, least), ET_OK);
    CHECK_EQUAL(et_node_init(node, &board->port, &board->config, board->arena, least - 1), ET_ERR_WORKSPACE);
    CHECK_EQUAL(et_node_init(node, &board->port, &board->config, board->arena + 4, least), ET_ERR_WORKSPACE);
    board->config.max_payload = 252;
    CHECK_EQUAL(start_board(board), ET_ERR_ARGUMENT);
    board->config.max_payload = 257;
    CHECK_EQUAL(start_board(board), ET_ERR_ARGUMENT);
    board->config.max_payload = 65532;
    CHECK_EQUAL(start_board(board), ET_ERR_ARGUMENT);
    board->config.max_payload = SIMULATED_PAYLOAD;
    board->config.credit = 0;
    CHECK_EQUAL(start_board(board), ET_ERR_ARGUMENT);
}

static void hello_says_what_the_board_is(void)
{
    session s;
    et_frame frame;
    uint32_t number = 77;
    uint8_t flag = 9;
    const uint8_t *bytes = NULL;
    size_t size = 0;
    if (!take_session(&s))
        return;
    CHECK(host_hello(s.host, 7));
    host_deliver(s.host); /* the same again: the same answer */
    CHECK(host_take(s.host, &frame));
    CHECK_EQUAL(frame.type, 0x81);
    CHECK_EQUAL(frame.credit, 3);
    CHECK_EQUAL(frame.id, 0);
    CHECK_EQUAL(et_cbor_get_bytes(frame.payload, frame.length, 0, &bytes, &size), ET_OK);
    CHECK_BYTES(bytes, s.host->node_nonce, ET_NODE_NONCE);
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 3, &number), ET_OK);
    CHECK_EQUAL(number, SIMULATED_PAYLOAD);
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 4, &number), ET_OK);
    CHECK_EQUAL(number, ARENA - et_node_buffers_size(SIMULATED_PAYLOAD));
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 5, &number), ET_OK);
    CHECK_EQUAL(number, SIMULATED_SLOT - ET_SLOT_RECORD);
    CHECK_EQUAL(et_cbor_get_bytes(frame.payload, frame.length, 7, &bytes, &size), ET_OK);
    CHECK_EQUAL(size, 0);
    CHECK_EQUAL(et_cbor_get_bool(frame.payload, frame.length, 8, &flag), ET_OK);
    CHECK_EQUAL(flag, 0);
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 9, &number), ET_OK);
    CHECK_EQUAL(number, 1);
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 10, &number), ET_OK);
    CHECK_EQUAL(number, 0);
}

static void another_hello_gets_another_nonce(void)
{
    session s;
    uint8_t first[ET_NODE_NONCE];
    if (!take_session(&s))
        return;
    CHECK(host_hello(s.host, 7));
    memcpy(first, s.host->node_nonce, sizeof first);
    CHECK(host_hello(s.host, 8));
    CHECK(memcmp(first, s.host->node_nonce, sizeof first) != 0);
    memcpy(first, s.host->node_nonce, sizeof first);
    CHECK(host_hello(s.host, 7)); /* an old hello played again opens no old session */
    CHECK(memcmp(first, s.host->node_nonce, sizeof first) != 0);
}

static void hello_without_a_nonce_is_ignored(void)
{
    static const struct {
        uint8_t payload[6];
        size_t size;
    } cases[] = {{{0}, 0}, {{0xa0}, 1}, {{0xa1, 0x00, 0x41, 0x11}, 4}, {{0xa1, 0x00, 0x01}, 3}, {{0xff, 0xff}, 2}};
    session s;
    et_frame frame;
    if (!take_session(&s))
        return;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; ++i) {
        host_send(s.host, HELLO, cases[i].payload, cases[i].size);
        CHECK(!host_take(s.host, &frame));
    }
    CHECK(host_hello(s.host, 1));
}

static void requests_before_hello_are_told_so(void)
{
    session s;
    if (!take_session(&s))
        return;
    for (unsigned type = UPLOAD; type <= STATS; ++type) {
        host_send(s.host, type, "\xa0", 1);
        CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_STATE);
    }
}

static void give_node(void *node, const uint8_t *bytes, size_t size) { et_node_receive(node, bytes, size); }

static void unknown_types_are_unsupported(void)
{
    session s;
    if (!take_session(&s))
        return;
    CHECK(host_hello(s.host, 1));
    static const unsigned types[] = {0x00, 0x0c, 0x7f, 0x81, 0x83, 0x87, 0xff};
    for (unsigned i = 0; i < sizeof types / sizeof *types; ++i) {
        host_send(s.host, types[i], NULL, 0);
        const host_status status = host_take_status(s.host);
        CHECK_EQUAL(status.status, ET_ERR_UNSUPPORTED);
        CHECK_EQUAL(status.type, types[i]);
    }
    CHECK(!host_authenticate(s.host, key, sizeof key, 0)); /* the node is open: there is nothing to prove */
    CHECK(node_answers(&s));
}

static void garbage_before_hello_does_no_harm(void)
{
    session s;
    uint32_t state = 1;
    if (!take_session(&s))
        return;
    for (unsigned round = 0; round < 3000; ++round) {
        const uint8_t byte = (uint8_t)(test_random(&state) >> 24);
        et_node_receive(&s.board->node, &byte, 1);
    }
    et_node_receive(&s.board->node, (const uint8_t *)"", 1); /* the host's opening zero */
    s.board->wire_size = s.board->wire_read = 0;
    CHECK(host_hello(s.host, 1));
    CHECK(node_answers(&s));
}

static void too_long_frames_are_dropped(void)
{
    session s;
    et_frame frame;
    if (!take_session(&s))
        return;
    CHECK(host_hello(s.host, 1));
    const uint8_t one = 1, zero = 0;
    for (unsigned i = 0; i < 1000; ++i)
        et_node_receive(&s.board->node, &one, 1);
    et_node_receive(&s.board->node, &zero, 1);
    CHECK(!host_take(s.host, &frame));
    CHECK(node_answers(&s));
    CHECK_EQUAL(s.board->node.stats.bad_frames, 1);
}

static void frames_may_come_in_any_portions(void)
{
    session s;
    et_frame frame;
    if (!take_session(&s))
        return;
    CHECK(host_hello(s.host, 1));
    for (size_t cut = 0; cut <= 22; ++cut) {
        host_build(s.host, STATS, "\xa0", 1);
        et_node_receive(&s.board->node, s.host->last_sent, cut < s.host->last_sent_size ? cut : s.host->last_sent_size);
        if (cut < s.host->last_sent_size)
            et_node_receive(&s.board->node, s.host->last_sent + cut, s.host->last_sent_size - cut);
        CHECK(host_take(s.host, &frame));
        CHECK(!host_take(s.host, &frame));
    }
}

/* A session of a node with a key, authenticated. */
static int take_keyed(session *s, int mac)
{
    if (!take_session(s))
        return 0;
    s->board->config.key = key;
    s->board->config.key_size = sizeof key;
    CHECK_EQUAL(start_board(s->board), ET_OK);
    CHECK(host_hello(s->host, 1));
    CHECK(host_authenticate(s->host, key, sizeof key, mac));
    return 1;
}

static void bye_and_a_lost_link_end_the_session(void)
{
    session s;
    for (unsigned hung_up = 0; hung_up < 2; ++hung_up) {
        if (!take_keyed(&s, 0))
            return;
        CHECK(node_answers(&s));
        if (hung_up)
            et_node_hang_up(&s.board->node);
        else
            host_send(s.host, BYE, NULL, 0);
        host_send(s.host, STATS, "\xa0", 1);
        CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_STATE);
        CHECK(host_hello(s.host, 2));
        host_send(s.host, STATS, "\xa0", 1);
        CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_AUTH); /* and must be proven anew */
    }
}

/* AUTH carries no MAC: what its sequence number says must not move the session's. */
static void replayed_auth_does_not_jam_the_session(void)
{
    session s;
    et_frame frame;
    if (!take_keyed(&s, 1))
        return;
    /* host->last_sent is the AUTH: decoded, given a high sequence number and a fresh CRC, and sent again */
    uint8_t raw[ET_FRAME_RAW_SIZE(SIMULATED_PAYLOAD)];
    size_t size = 0;
    CHECK_EQUAL(et_cobs_decode(s.host->last_sent, s.host->last_sent_size - 1, raw, sizeof raw, &size), ET_OK);
    CHECK_EQUAL(raw[1], AUTH);
    raw[4] = 0x00;
    raw[5] = 0x70;
    const uint32_t crc = et_crc32(0, raw, size - ET_FRAME_CRC);
    memcpy(raw + size - ET_FRAME_CRC, &crc, ET_FRAME_CRC);
    et_cobs_write(raw, size, give_node, &s.board->node);
    give_node(&s.board->node, (const uint8_t *)"", 1);
    CHECK(host_take(s.host, &frame)); /* answered again, for a host whose answer was lost */
    CHECK(node_answers(&s));
}

static void wrong_key_is_refused(void)
{
    session s;
    if (!take_session(&s))
        return;
    s.board->config.key = key;
    s.board->config.key_size = sizeof key;
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK(host_hello(s.host, 1));
    for (unsigned type = UPLOAD; type <= 0x0b; ++type) {
        host_send(s.host, type, "\xa0", 1);
        CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_AUTH);
    }
    CHECK(!host_authenticate(s.host, (const uint8_t *)"wrong", 5, 0));
    CHECK(!host_authenticate(s.host, key, sizeof key - 2, 1));
    host_send(s.host, AUTH, "\xa0", 1);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_FORMAT);
    host_send(s.host, STATS, "\xa0", 1);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_AUTH);
    CHECK(host_authenticate(s.host, key, sizeof key, 0));
    CHECK(node_answers(&s));
    CHECK(host_hello(s.host, 2)); /* a new session starts without proof */
    host_send(s.host, STATS, "\xa0", 1);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_AUTH);
}

/* Opens a session in which every frame carries a MAC. */
static int take_sealed(session *s)
{
    if (!take_session(s))
        return 0;
    s->board->config.key = key;
    s->board->config.key_size = sizeof key;
    CHECK_EQUAL(start_board(s->board), ET_OK);
    CHECK(host_hello(s->host, 1));
    CHECK(host_authenticate(s->host, key, sizeof key, 1));
    return 1;
}

static void proof_for_one_mac_setting_is_none_for_the_other(void)
{
    session s;
    et_frame frame;
    if (!take_session(&s))
        return;
    s.board->config.key = key;
    s.board->config.key_size = sizeof key;
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK(host_hello(s.host, 1));
    CHECK(host_authenticate(s.host, key, sizeof key, 1));
    /* The proof of that AUTH, with the MAC switched off by someone between. */
    CHECK(host_hello(s.host, 2));
    uint8_t payload[38] = {0xa2, 0x00, 0x58, 0x20};
    et_hmac hmac;
    const uint8_t mac = 1;
    et_hmac_init(&hmac, key, sizeof key);
    et_hmac_update(&hmac, "edgetwin 1", 10);
    et_hmac_update(&hmac, s.host->nonce, ET_NODE_NONCE);
    et_hmac_update(&hmac, s.host->node_nonce, ET_NODE_NONCE);
    et_hmac_final(&hmac, s.host->key);
    et_hmac_init(&hmac, s.host->key, ET_SHA256_SIZE);
    et_hmac_update(&hmac, "host", 4);
    et_hmac_update(&hmac, &mac, 1);
    et_hmac_final(&hmac, payload + 4);
    payload[36] = 0x01;
    payload[37] = 0xf4; /* false */
    host_send(s.host, AUTH, payload, sizeof payload);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_AUTH);
    payload[37] = 0xf5;
    host_send(s.host, AUTH, payload, sizeof payload);
    CHECK(host_take(s.host, &frame) && frame.type == 0x82);
}

static void frames_without_a_right_mac_are_dropped(void)
{
    session s;
    et_frame frame;
    if (!take_sealed(&s))
        return;
    CHECK(node_answers(&s));
    s.host->mac = 0;
    host_send(s.host, STATS, "\xa0", 1);
    CHECK(!host_take(s.host, &frame));
    s.host->mac = 1;
    s.host->key[5] ^= 1;
    host_send(s.host, STATS, "\xa0", 1);
    CHECK(!host_take(s.host, &frame));
    s.host->key[5] ^= 1;
    CHECK(node_answers(&s));
    host_deliver(s.host); /* played again */
    CHECK(!host_take(s.host, &frame));
    CHECK_EQUAL(s.board->node.stats.bad_frames, 2);
}

/* A forged frame must not move the counter, or the host's next frames would be taken as late. */
static void forged_frames_do_not_move_the_sequence(void)
{
    session s;
    et_frame frame;
    if (!take_sealed(&s))
        return;
    const uint32_t sent = s.host->sent;
    s.host->mac = 0;
    s.host->sent = sent + 1000;
    host_send(s.host, STATS, "\xa0", 1);
    CHECK(!host_take(s.host, &frame));
    s.host->mac = 1;
    s.host->sent = sent;
    CHECK(node_answers(&s));
}

static void sequence_numbers_are_widened_beyond_16_bits(void)
{
    session s;
    if (!take_sealed(&s))
        return;
    for (unsigned i = 0; i < 12; ++i) {
        s.host->sent += 0x7000; /* lost frames */
        test_note("sequence", s.host->sent);
        CHECK(node_answers(&s));
    }
    CHECK(s.host->sent > 0x40000);
}

static void repeated_and_late_frames_are_dropped(void)
{
    session s;
    et_frame frame;
    uint8_t late[64];
    if (!take_session(&s))
        return;
    CHECK(host_hello(s.host, 1));
    host_build(s.host, STATS, "\xa0", 1);
    const size_t late_size = s.host->last_sent_size;
    memcpy(late, s.host->last_sent, late_size);
    CHECK(node_answers(&s));
    et_node_receive(&s.board->node, late, late_size); /* overtaken */
    CHECK(!host_take(s.host, &frame));
    host_deliver(s.host); /* what was answered, again */
    CHECK(!host_take(s.host, &frame));
    CHECK(node_answers(&s));
}

static void flipped_bytes_are_never_acted_on(void)
{
    session s;
    et_frame frame;
    if (!take_session(&s))
        return;
    CHECK(host_hello(s.host, 1));
    for (unsigned bit = 0; bit < 8; ++bit) {
        size_t size = 1;
        for (size_t i = 0; i < size; ++i) {
            host_build(s.host, STATS, "\xa0", 1);
            size = s.host->last_sent_size;
            s.host->last_sent[i] ^= (uint8_t)(1u << bit);
            host_deliver(s.host);
            et_node_receive(&s.board->node, (const uint8_t *)"", 1); /* where the end mark itself was hit */
            CHECK(!host_take(s.host, &frame));
            test_note("byte", (int64_t)i);
            CHECK(node_answers(&s));
        }
    }
}

static void uploaded_dictionary_encodes_as_the_host_does(void)
{
    session s;
    bundle b;
    static const et_atom_type types[] = {ET_ATOM_FLOAT32, ET_ATOM_INT16, ET_ATOM_INT8};
    if (!take_session(&s))
        return;
    for (unsigned t = 0; t < 3; ++t) {
        if (!take_bundle(&b, types[t], 8, 6))
            return;
        CHECK(host_hello(s.host, t + 1));
        test_note("atom type", (int64_t)types[t]);
        CHECK_EQUAL(host_upload_all(s.host, b.bytes, b.size, 48).status, ET_OK);
        for (uint32_t window = 0; window < 20; ++window) {
            float signal[MOST_SAMPLES];
            et_frame frame;
            make_signal(window, 8, signal);
            send_signal(s.host, window, signal, 8);
            CHECK(host_take(s.host, &frame));
            check_code(&b, &frame, window, signal);
            send_signal(s.host, window, signal, 8); /* again: the same bits */
            CHECK(host_take(s.host, &frame));
            check_code(&b, &frame, window, signal);
        }
        CHECK_EQUAL(s.board->node.current_slot, t % 2); /* the slots take turns */
    }
}

static void uploaded_dictionary_outlives_a_restart(void)
{
    session s;
    bundle b;
    et_frame frame;
    uint32_t m = 0;
    if (!take_ready(&s, &b))
        return;
    CHECK_EQUAL(start_board(s.board), ET_OK);
    host_send(s.host, STATS, "\xa0", 1);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_STATE); /* the host learns of the restart */
    CHECK(host_hello(s.host, 2));
    host_deliver(s.host);
    CHECK(host_take(s.host, &frame));
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 10, &m), ET_OK);
    CHECK_EQUAL(m, 4);
    CHECK(works_with(&s, &b));
}

static void last_of_several_uploads_outlives_a_restart(void)
{
    session s;
    bundle bundles[3];
    static const et_atom_type types[] = {ET_ATOM_FLOAT32, ET_ATOM_INT16, ET_ATOM_INT8};
    if (!take_session(&s))
        return;
    for (unsigned i = 0; i < 3; ++i)
        if (!take_bundle(&bundles[i], types[i], 4, 4))
            return;
    for (unsigned uploads = 1; uploads <= 5; ++uploads) {
        memset(s.board->slots, 0xff, ET_NODE_SLOTS * SIMULATED_SLOT);
        CHECK_EQUAL(start_board(s.board), ET_OK);
        CHECK(host_hello(s.host, 2 * uploads));
        for (unsigned i = 0; i < uploads; ++i)
            CHECK_EQUAL(host_upload_all(s.host, bundles[i % 3].bytes, bundles[i % 3].size, 48).status, ET_OK);
        CHECK_EQUAL(start_board(s.board), ET_OK);
        CHECK(host_hello(s.host, 2 * uploads + 1));
        test_note("uploads", uploads);
        CHECK(works_with(&s, &bundles[(uploads - 1) % 3]));
    }
}

/* What must hold after the power failed: one of both bundles works, and a whole upload makes the new one work. */
static void check_after_power_cut(session *s, const bundle *before, const bundle *after, uint32_t cut, unsigned nonce)
{
    const uint32_t whole = (uint32_t)after->size;
    CHECK_EQUAL(start_board(s->board), ET_OK);
    CHECK(host_hello(s->host, nonce));
    const int committed = s->board->node.dictionary.id == after->dictionary.id;
    CHECK(!committed || cut >= whole);
    CHECK(works_with(s, committed ? after : before));
    CHECK_EQUAL(host_upload_all(s->host, after->bytes, after->size, 52).status, ET_OK);
    CHECK(works_with(s, after));
    CHECK_EQUAL(start_board(s->board), ET_OK);
    CHECK(host_hello(s->host, nonce + 1));
    CHECK(works_with(s, after));
}

static void power_cut_at_any_byte_loses_no_dictionary(void)
{
    session s;
    bundle old, fresh;
    static const uint8_t erased[] = {0xff, 0x00};
    if (!take_bundle(&old, ET_ATOM_FLOAT32, 4, 4) || !take_bundle(&fresh, ET_ATOM_INT8, 8, 6) || !take_session(&s))
        return;
    const uint32_t all = (uint32_t)fresh.size + 8; /* and the two words of the record */
    for (unsigned e = 0; e < 2; ++e) {
        for (uint32_t cut = 0; cut <= all; ++cut) {
            s.board->erased_to = erased[e];
            memset(s.board->slots, erased[e], ET_NODE_SLOTS * SIMULATED_SLOT);
            CHECK_EQUAL(start_board(s.board), ET_OK);
            CHECK(host_hello(s.host, 3 * cut + 1));
            CHECK_EQUAL(host_upload_all(s.host, old.bytes, old.size, 100).status, ET_OK);
            s.board->programmed = 0;
            s.board->power_fails = cut;
            const host_status status = host_upload_all(s.host, fresh.bytes, fresh.size, 52);
            test_note("cut after bytes", cut);
            CHECK_EQUAL(status.status, cut < all ? ET_ERR_FLASH : ET_OK);
            CHECK(works_with(&s, cut < all ? &old : &fresh)); /* a failing flash alone changes nothing, either */
            check_after_power_cut(&s, &old, &fresh, cut, 3 * cut + 2);
        }
    }
}

static void refused_erase_keeps_the_old_dictionary(void)
{
    session s;
    bundle old, fresh;
    if (!take_ready(&s, &old) || !take_bundle(&fresh, ET_ATOM_INT16, 4, 4))
        return;
    s.board->erase_refused = 1;
    CHECK_EQUAL(host_upload_all(s.host, fresh.bytes, fresh.size, 52).status, ET_ERR_FLASH);
    CHECK(works_with(&s, &old));
    s.board->erase_refused = 0;
    CHECK_EQUAL(host_upload_all(s.host, fresh.bytes, fresh.size, 52).status, ET_OK);
    CHECK(works_with(&s, &fresh));
}

static void upload_resumes_where_it_stopped(void)
{
    session s;
    bundle b;
    if (!take_bundle(&b, ET_ATOM_FLOAT32, 4, 6) || !take_session(&s))
        return;
    CHECK(host_hello(s.host, 1));
    CHECK_EQUAL(host_upload(s.host, ET_KIND_DICTIONARY, (uint32_t)b.size, b.bytes + 16).offset, 0);
    CHECK_EQUAL(host_data(s.host, 0, b.bytes, 40).offset, 40);
    CHECK_EQUAL(host_data(s.host, 40, b.bytes + 40, 60).offset, 100);
    CHECK(host_hello(s.host, 2)); /* the line was cut, the board was not */
    CHECK_EQUAL(host_upload(s.host, ET_KIND_DICTIONARY, (uint32_t)b.size, b.bytes + 16).offset, 100);
    const host_status again = host_data(s.host, 40, b.bytes + 40, 60);
    CHECK_EQUAL(again.status, ET_ERR_OFFSET);
    CHECK_EQUAL(again.offset, 100);
    const host_status gap = host_data(s.host, 104, b.bytes + 104, 8);
    CHECK_EQUAL(gap.status, ET_ERR_OFFSET);
    CHECK_EQUAL(gap.offset, 100);
    const host_status early = host_commit(s.host, b.bytes + 16);
    CHECK_EQUAL(early.status, ET_ERR_OFFSET);
    CHECK_EQUAL(early.offset, 100);
    CHECK_EQUAL(host_data(s.host, 100, b.bytes + 100, b.size - 100).offset, b.size);
    CHECK_EQUAL(host_data(s.host, (uint32_t)b.size, b.bytes, 4).status, ET_ERR_OFFSET); /* beyond its length */
    CHECK_EQUAL(host_commit(s.host, b.bytes + 16).status, ET_OK);
    CHECK(works_with(&s, &b));
    CHECK_EQUAL(host_commit(s.host, b.bytes + 16).status, ET_OK); /* its answer may have been lost */
    CHECK_EQUAL(host_upload(s.host, ET_KIND_DICTIONARY, (uint32_t)b.size, b.bytes + 16).offset, b.size);
}

static void another_upload_starts_over(void)
{
    session s;
    bundle first, second;
    if (!take_bundle(&first, ET_ATOM_FLOAT32, 4, 6) || !take_bundle(&second, ET_ATOM_INT8, 4, 6) || !take_session(&s))
        return;
    CHECK(host_hello(s.host, 1));
    CHECK_EQUAL(host_upload(s.host, ET_KIND_DICTIONARY, (uint32_t)first.size, first.bytes + 16).status, ET_OK);
    CHECK_EQUAL(host_data(s.host, 0, first.bytes, 100).status, ET_OK);
    CHECK_EQUAL(host_upload_all(s.host, second.bytes, second.size, 48).status, ET_OK);
    CHECK(works_with(&s, &second));
    CHECK_EQUAL(host_data(s.host, 100, first.bytes + 100, 4).status, ET_ERR_OFFSET); /* no upload is open */
}

static void bad_uploads_are_refused_and_change_nothing(void)
{
    session s;
    bundle old, fresh;
    uint8_t id[8] = {1, 2, 3};
    if (!take_ready(&s, &old) || !take_bundle(&fresh, ET_ATOM_INT16, 4, 4))
        return;
    const uint32_t size = (uint32_t)fresh.size;

    CHECK_EQUAL(host_upload(s.host, ET_KIND_MODEL, size, id).status, ET_ERR_UNSUPPORTED);
    CHECK_EQUAL(host_upload(s.host, ET_KIND_DICTIONARY, size + 2, id).status, ET_ERR_FORMAT);
    CHECK_EQUAL(host_upload(s.host, ET_KIND_DICTIONARY, 0, id).status, ET_ERR_FORMAT);
    const host_status long_one = host_upload(s.host, ET_KIND_DICTIONARY, SIMULATED_SLOT, id);
    CHECK_EQUAL(long_one.status, ET_ERR_FIT);
    CHECK_EQUAL(long_one.needed, SIMULATED_SLOT);
    CHECK_EQUAL(long_one.at_hand, SIMULATED_SLOT - ET_SLOT_RECORD);

    CHECK_EQUAL(host_upload(s.host, ET_KIND_DICTIONARY, size, id).status, ET_OK); /* under a foreign name */
    CHECK_EQUAL(host_data(s.host, 0, fresh.bytes, fresh.size).status, ET_OK);
    CHECK_EQUAL(host_commit(s.host, id).status, ET_ERR_ID);
    CHECK(works_with(&s, &old));

    fresh.bytes[fresh.size - 1] ^= 1;
    CHECK_EQUAL(host_upload_all(s.host, fresh.bytes, fresh.size, 48).status, ET_ERR_CRC);
    CHECK(works_with(&s, &old));
    fresh.bytes[fresh.size - 1] ^= 1;
    fresh.bytes[4] = 2;
    CHECK_EQUAL(host_upload_all(s.host, fresh.bytes, fresh.size, 48).status, ET_ERR_VERSION);
    fresh.bytes[4] = 1;

    host_send(s.host, UPLOAD, "\xa0", 1);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_FORMAT);
    host_send(s.host, COMMIT, "\xa0", 1);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_FORMAT);
    host_send(s.host, DATA, "\0\0\0\0\0", 5);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_FORMAT);
    host_send(s.host, DATA, "\0\0", 2);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_FORMAT);
    CHECK(works_with(&s, &old));
    CHECK_EQUAL(host_upload_all(s.host, fresh.bytes, fresh.size, 48).status, ET_OK);
    CHECK(works_with(&s, &fresh));
}

static void dictionary_that_does_not_fit_says_by_how_much(void)
{
    session s;
    bundle b;
    if (!take_bundle(&b, ET_ATOM_FLOAT32, 4, 6) || !take_session(&s))
        return;
    const size_t needed = et_node_dictionary_size(&b.dictionary);
    const size_t buffers = et_node_buffers_size(SIMULATED_PAYLOAD);
    s.board->arena_size = buffers + needed - 1;
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK(host_hello(s.host, 1));
    const host_status status = host_upload_all(s.host, b.bytes, b.size, 48);
    CHECK_EQUAL(status.status, ET_ERR_FIT);
    CHECK_EQUAL(status.needed, needed);
    CHECK_EQUAL(status.at_hand, needed - 1);

    s.board->arena_size = buffers + needed; /* exactly enough */
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK(host_hello(s.host, 2));
    CHECK_EQUAL(host_upload_all(s.host, b.bytes, b.size, 48).status, ET_OK);
    CHECK(works_with(&s, &b));

    s.board->arena_size = buffers + needed - 1; /* a firmware of tomorrow with less memory */
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK_EQUAL(s.board->node.has_dictionary, 0);
}

/* A signal of 64 samples does not fit a payload of 256 bytes with its window number. */
static void dictionary_whose_signals_do_not_fit_a_frame_is_refused(void)
{
    session s;
    bundle b;
    if (!take_bundle(&b, ET_ATOM_INT8, 64, 2) || !take_session(&s))
        return;
    CHECK(host_hello(s.host, 1));
    const host_status status = host_upload_all(s.host, b.bytes, b.size, 48);
    CHECK_EQUAL(status.status, ET_ERR_FIT);
    CHECK_EQUAL(status.needed, 260);
    CHECK_EQUAL(status.at_hand, 256);
}

static void linked_dictionary_is_used_until_a_slot_holds_one(void)
{
    session s;
    bundle linked, uploaded;
    if (!take_bundle(&linked, ET_ATOM_INT8, 8, 4) || !take_bundle(&uploaded, ET_ATOM_INT16, 4, 4) || !take_session(&s))
        return;
    s.board->config.dictionary = linked.bytes;
    s.board->config.dictionary_size = linked.size;
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK(host_hello(s.host, 1));
    CHECK(works_with(&s, &linked));
    CHECK_EQUAL(host_upload_all(s.host, uploaded.bytes, uploaded.size, 48).status, ET_OK);
    CHECK(works_with(&s, &uploaded));
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK(host_hello(s.host, 2));
    CHECK(works_with(&s, &uploaded));
    s.board->slots[ET_SLOT_RECORD + 40] ^= 1; /* a flash bit rots: fall back */
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK(host_hello(s.host, 3));
    CHECK(works_with(&s, &linked));
}

/* A bundle that this firmware cannot hold must not come back over a newer upload when a later firmware can. */
static void commit_goes_above_the_generation_of_a_slot_not_in_use(void)
{
    session s;
    bundle large, small;
    if (!take_bundle(&large, ET_ATOM_FLOAT32, 8, 6) || !take_bundle(&small, ET_ATOM_INT8, 4, 4) || !take_session(&s))
        return;
    CHECK(host_hello(s.host, 1));
    CHECK_EQUAL(host_upload_all(s.host, small.bytes, small.size, 48).status, ET_OK); /* slot 0, generation 1 */
    CHECK_EQUAL(host_upload_all(s.host, large.bytes, large.size, 48).status, ET_OK); /* slot 1, generation 2 */
    memset(s.board->slots, 0xff, SIMULATED_SLOT); /* slot 0 is lost, and slot 1 too large for what comes now */
    const size_t room = s.board->arena_size;
    s.board->arena_size = et_node_buffers_size(SIMULATED_PAYLOAD) + et_node_dictionary_size(&large.dictionary) - 1;
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK_EQUAL(s.board->node.has_dictionary, 0);
    CHECK(host_hello(s.host, 2));
    CHECK_EQUAL(host_upload_all(s.host, small.bytes, small.size, 48).status, ET_OK);
    s.board->arena_size = room;
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK(host_hello(s.host, 3));
    CHECK(works_with(&s, &small));
}

static void board_without_slots_keeps_its_linked_dictionary(void)
{
    session s;
    bundle b;
    if (!take_bundle(&b, ET_ATOM_INT8, 8, 4) || !take_session(&s))
        return;
    memset(s.board->config.slots, 0, sizeof s.board->config.slots);
    s.board->config.dictionary = b.bytes;
    s.board->config.dictionary_size = b.size;
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK(host_hello(s.host, 1));
    CHECK(works_with(&s, &b));
    const uint8_t id[8] = {1};
    const host_status status = host_upload(s.host, ET_KIND_DICTIONARY, 128, id);
    CHECK_EQUAL(status.status, ET_ERR_FIT);
    CHECK_EQUAL(status.at_hand, 0);
}

static void bad_signals_have_an_error_of_their_own(void)
{
    session s;
    bundle b;
    float signal[MOST_SAMPLES];
    et_frame frame;
    if (!take_ready(&s, &b))
        return;
    for (unsigned i = 0; i < 4; ++i) {
        make_signal(i, 4, signal);
        signal[i] = i % 2 == 0 ? NAN : INFINITY;
        send_signal(s.host, i, signal, 4);
        CHECK(host_take(s.host, &frame));
        CHECK_EQUAL(frame.type, CODE);
        CHECK_EQUAL(code_window(&frame), i);
        CHECK_EQUAL(frame.payload[4], ET_ERR_NOT_FINITE);
        CHECK_EQUAL(frame.length, 6);
        CHECK(works_with(&s, &b)); /* the stream goes on */
    }
    send_signal(s.host, 7, signal, 3);
    CHECK(host_take(s.host, &frame));
    CHECK_EQUAL(frame.payload[4], ET_ERR_FORMAT);
    send_signal(s.host, 7, signal, 5);
    CHECK(host_take(s.host, &frame));
    CHECK_EQUAL(frame.payload[4], ET_ERR_FORMAT);
    for (unsigned i = 0; i < 4; ++i)
        signal[i] = 3.4e38f; /* its code would overflow */
    send_signal(s.host, 8, signal, 4);
    CHECK(host_take(s.host, &frame));
    CHECK(frame.payload[4] == ET_ERR_OVERFLOW || frame.payload[4] == ET_OK);
    host_send(s.host, SIGNAL, "\0\0", 2);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_FORMAT);
    CHECK(works_with(&s, &b));
}

static void signal_without_a_dictionary_is_told_so(void)
{
    session s;
    et_frame frame;
    const float signal[4] = {0};
    if (!take_session(&s))
        return;
    CHECK(host_hello(s.host, 1));
    send_signal(s.host, 1, signal, 4);
    CHECK(host_take(s.host, &frame));
    CHECK_EQUAL(frame.payload[4], ET_ERR_NO_DICTIONARY);
}

/* The board's own sensor: window k is make_signal(k), but for what the fields say. */
typedef struct sensor {
    uint32_t pending, broken, reads; /* windows; `pending` is ready at the second look */
} sensor;

static et_status read_sensor(void *context, uint32_t window, unsigned m, float *signal)
{
    sensor *from = context;
    ++from->reads;
    if (window == from->pending) {
        from->pending = NEVER;
        return ET_PENDING;
    }
    if (window == from->broken)
        return ET_ERR_FLASH;
    make_signal(window, m, signal);
    return ET_OK;
}

/* A session with a dictionary and a sensor, whose queue has room for `queue` codes. */
static int take_streaming(session *s, bundle *b, et_source *source, sensor *from, unsigned queue)
{
    from->pending = from->broken = NEVER;
    from->reads = 0;
    source->read = read_sensor;
    source->context = from;
    if (!take_bundle(b, ET_ATOM_FLOAT32, 4, 6) || !take_session(s))
        return 0;
    s->board->config.source = source;
    const size_t entry = (4 + et_code_max_size(&b->dictionary) + 3) & ~(size_t)3;
    s->board->arena_size =
        et_node_buffers_size(SIMULATED_PAYLOAD) + et_node_dictionary_size(&b->dictionary) + (queue - 2) * entry;
    CHECK(s->board->arena_size <= ARENA);
    CHECK_EQUAL(start_board(s->board), ET_OK);
    CHECK(host_hello(s->host, 1));
    CHECK_EQUAL(host_upload_all(s->host, b->bytes, b->size, 64).status, ET_OK);
    CHECK_EQUAL(s->board->node.queue.capacity, queue);
    return 1;
}

static void start(session *s, uint32_t first, uint32_t windows, uint32_t period_ms)
{
    host_start(s->host, first, windows, period_ms);
    CHECK_EQUAL(host_take_status(s->host).status, ET_OK);
}

static void acknowledge(session *s, uint32_t next)
{
    host_send(s->host, ACK, &next, 4);
}

static void poll_until_idle(session *s)
{
    unsigned left = 1000;
    while (left > 0 && et_node_poll(&s->board->node))
        --left;
}

/* What the node has sent does not arrive. */
static void lose_all(session *s) { s->board->wire_size = s->board->wire_read = 0; }

static void stream_sends_every_window_in_order(void)
{
    session s;
    bundle b;
    et_source source;
    sensor from;
    et_frame frame;
    uint32_t next = 5;
    if (!take_streaming(&s, &b, &source, &from, 4))
        return;
    start(&s, 5, 30, 0);
    while (next < 35) {
        const uint32_t before = next;
        poll_until_idle(&s);
        while (host_take(s.host, &frame)) {
            float signal[MOST_SAMPLES];
            make_signal(next, 4, signal);
            check_code(&b, &frame, next, signal);
            ++next;
        }
        CHECK_EQUAL(next - before, 2); /* the host's credit */
        if (next == before)
            return;
        acknowledge(&s, next);
    }
    poll_until_idle(&s);
    CHECK(!host_take(s.host, &frame));
    CHECK_EQUAL(s.board->node.stream.active, 0);
    CHECK_EQUAL(from.reads, 30);
}

/* Half of all codes and half of all acknowledgements are lost. */
static void stream_survives_lost_codes_and_acknowledgements(void)
{
    session s;
    bundle b;
    et_source source;
    sensor from;
    et_frame frame;
    uint32_t next = 0, state = 17;
    if (!take_streaming(&s, &b, &source, &from, 5))
        return;
    start(&s, 0, 50, 0);
    for (unsigned turn = 0; turn < 2000 && next < 50; ++turn) {
        et_node_poll(&s.board->node);
        s.board->clock_ms += 10;
        while (host_take(s.host, &frame)) {
            const uint32_t window = code_window(&frame);
            if (test_random(&state) % 2 == 0)
                continue;
            CHECK(window - frame.payload[5] <= next); /* nothing that the host lacks was dropped */
            if (window == next) {
                float signal[MOST_SAMPLES];
                make_signal(next, 4, signal);
                check_code(&b, &frame, next, signal);
                ++next;
            }
        }
        if (test_random(&state) % 2 == 0)
            acknowledge(&s, next);
    }
    CHECK_EQUAL(next, 50);
    CHECK_EQUAL(from.reads, 50); /* each was encoded once */
}

static void stream_keeps_its_period(void)
{
    session s;
    bundle b;
    et_source source;
    sensor from;
    et_frame frame;
    uint32_t next = 0;
    if (!take_streaming(&s, &b, &source, &from, 4))
        return;
    s.board->clock_ms = 0xffffff00u; /* and the clock wraps on the way */
    start(&s, 0, 0, 50);
    for (unsigned ms = 0; ms < 1000; ++ms) {
        poll_until_idle(&s);
        while (host_take(s.host, &frame))
            next = code_window(&frame) + 1;
        acknowledge(&s, next);
        CHECK_EQUAL(from.reads, ms / 50 + 1);
        ++s.board->clock_ms;
    }
    CHECK_EQUAL(next, 20);
}

static void full_queue_drops_the_oldest_and_the_backlog_says_so(void)
{
    session s;
    bundle b;
    et_source source;
    sensor from;
    et_frame frame;
    uint32_t missing_below = 0, seen = 0;
    if (!take_streaming(&s, &b, &source, &from, 4))
        return;
    start(&s, 0, 0, 10);
    for (unsigned i = 0; i < 10; ++i) { /* the host is away for 100 ms: windows 0 .. 9 */
        poll_until_idle(&s);
        s.board->clock_ms += 10;
    }
    lose_all(&s); /* nobody was there */
    CHECK_EQUAL(s.board->node.queue.oldest, 6);
    s.board->clock_ms += ET_NODE_RESEND_MS - 10;
    s.board->node.stream.left = 0;
    s.board->node.stream.endless = 0; /* no further windows */
    for (unsigned turn = 0; turn < 4; ++turn) {
        poll_until_idle(&s);
        while (host_take(s.host, &frame)) {
            const uint32_t window = code_window(&frame);
            float signal[MOST_SAMPLES];
            make_signal(window, 4, signal);
            check_code(&b, &frame, window, signal);
            missing_below = window - frame.payload[5];
            CHECK_EQUAL(missing_below, seen > 0 ? missing_below : 6u);
            seen |= 1u << window;
            acknowledge(&s, window + 1);
        }
    }
    CHECK_EQUAL(seen, 0x3c0); /* 6, 7, 8, 9: below them all is known as missing */
}

/* Windows that drop out of the queue were still sent: their frames keep their places until the wait for them ends. */
static void overflowing_queue_never_exceeds_the_hosts_credit(void)
{
    session s;
    bundle b;
    et_source source;
    sensor from;
    et_frame frame;
    unsigned sent = 0;
    if (!take_streaming(&s, &b, &source, &from, 4))
        return;
    start(&s, 0, 0, 1);
    for (unsigned ms = 0; ms < ET_NODE_RESEND_MS; ++ms) {
        poll_until_idle(&s);
        while (host_take(s.host, &frame))
            ++sent;
        CHECK(sent <= 2); /* the host's credit */
        ++s.board->clock_ms;
    }
    CHECK_EQUAL(s.board->node.queue.oldest, ET_NODE_RESEND_MS - 4);
    poll_until_idle(&s);
    while (host_take(s.host, &frame))
        ++sent;
    CHECK_EQUAL(sent, 4); /* and again after the wait */
    acknowledge(&s, code_window(&frame) + 1);
    poll_until_idle(&s);
    while (host_take(s.host, &frame))
        ++sent;
    CHECK_EQUAL(sent, 6);
}

static void pending_and_broken_windows_do_not_stop_the_stream(void)
{
    session s;
    bundle b;
    et_source source;
    sensor from;
    et_frame frame;
    uint32_t next = 0;
    if (!take_streaming(&s, &b, &source, &from, 4))
        return;
    from.pending = 3;
    from.broken = 6;
    start(&s, 0, 10, 0);
    for (unsigned turn = 0; turn < 100; ++turn) {
        et_node_poll(&s.board->node);
        while (host_take(s.host, &frame)) {
            CHECK_EQUAL(code_window(&frame), next);
            CHECK_EQUAL(frame.payload[4], next == 6 ? ET_ERR_FLASH : ET_OK);
            CHECK(next != 6 || frame.length == 6);
            acknowledge(&s, ++next);
        }
    }
    CHECK_EQUAL(next, 10);
    CHECK_EQUAL(from.reads, 11);
}

static void acknowledgements_of_other_windows_change_nothing(void)
{
    session s;
    bundle b;
    et_source source;
    sensor from;
    static const uint32_t odd[] = {0, 5, 6, 14, 15, 0x80000000u, 0xffffffffu};
    if (!take_streaming(&s, &b, &source, &from, 4))
        return;
    start(&s, 10, 0, 0);
    acknowledge(&s, 10); /* nothing yet */
    poll_until_idle(&s);
    CHECK_EQUAL(s.board->node.queue.count, 4);
    for (unsigned i = 0; i < sizeof odd / sizeof *odd; ++i) {
        if (odd[i] == 14)
            continue; /* that is all of them */
        acknowledge(&s, odd[i]);
        CHECK_EQUAL(s.board->node.queue.count, 4);
        CHECK_EQUAL(s.board->node.queue.oldest, 10);
    }
    host_send(s.host, ACK, odd, 3);
    host_send(s.host, ACK, odd, 8);
    CHECK_EQUAL(s.board->node.queue.count, 4);
    acknowledge(&s, 14);
    CHECK_EQUAL(s.board->node.queue.count, 0);
    CHECK_EQUAL(s.board->node.queue.oldest, 14);
}

static void stream_can_be_stopped_and_started_again(void)
{
    session s;
    bundle b;
    et_source source;
    sensor from;
    et_frame frame;
    if (!take_streaming(&s, &b, &source, &from, 4))
        return;
    host_send(s.host, START, "\xa0", 1);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_FORMAT);
    start(&s, 0, 0, 0);
    poll_until_idle(&s);
    lose_all(&s);
    host_send(s.host, STOP, "\xa0", 1);
    CHECK_EQUAL(host_take_status(s.host).status, ET_OK);
    s.board->clock_ms += 1000;
    poll_until_idle(&s);
    CHECK(!host_take(s.host, &frame));
    start(&s, 2, 0, 0); /* from the first that was not acknowledged */
    poll_until_idle(&s);
    CHECK(host_take(s.host, &frame));
    CHECK_EQUAL(code_window(&frame), 2);
    CHECK(host_hello(s.host, 2) || 1); /* codes may be on the wire before its answer */
    lose_all(&s);
    s.board->clock_ms += 1000;
    poll_until_idle(&s);
    CHECK(!host_take(s.host, &frame)); /* another session ends the stream */
}

static void commit_ends_a_stream(void)
{
    session s;
    bundle b, other;
    et_source source;
    sensor from;
    et_frame frame;
    if (!take_streaming(&s, &b, &source, &from, 4) || !take_bundle(&other, ET_ATOM_INT8, 4, 4))
        return;
    start(&s, 0, 0, 1000);
    poll_until_idle(&s);
    CHECK(host_take(s.host, &frame));
    CHECK_EQUAL(host_upload_all(s.host, other.bytes, other.size, 48).status, ET_OK);
    s.board->clock_ms += 5000;
    poll_until_idle(&s);
    CHECK(!host_take(s.host, &frame));
    CHECK(works_with(&s, &other));
}

static void stream_needs_a_source_and_a_dictionary(void)
{
    session s;
    et_source source = {read_sensor, NULL};
    if (!take_session(&s))
        return;
    CHECK(host_hello(s.host, 1));
    host_start(s.host, 0, 0, 0);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_UNSUPPORTED);
    s.board->config.source = &source;
    host_start(s.host, 0, 0, 0);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_NO_DICTIONARY);
}

static void period_beyond_the_clocks_range_is_refused(void)
{
    session s;
    bundle b;
    et_source source;
    sensor from;
    if (!take_streaming(&s, &b, &source, &from, 4))
        return;
    host_start(s.host, 0, 0, 0x80000000u);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_ARGUMENT);
    start(&s, 0, 0, 0x7fffffffu);
    poll_until_idle(&s);
    CHECK_EQUAL(from.reads, 1); /* the first is due at once, the next in 25 days */
}

static void stats_count_the_work(void)
{
    session s;
    bundle b;
    et_frame frame;
    static const uint32_t expected[8] = {5, 3, 3, 3, 3, 0, 0, 0};
    if (!take_ready(&s, &b))
        return;
    for (unsigned i = 0; i < 5; ++i)
        CHECK(works_with(&s, &b));
    host_send(s.host, STATS, "\xa0", 1);
    CHECK(host_take(s.host, &frame));
    CHECK_EQUAL(frame.type, STATS_ANSWER);
    for (unsigned field = 0; field < 8; ++field) {
        uint32_t value = 77;
        test_note("field", field);
        CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, field, &value), ET_OK);
        if (field < 6)
            CHECK_EQUAL(value, expected[field]);
        else if (field == 6)
            CHECK_EQUAL(value, et_omp_workspace_size(ET_ATOM_FLOAT32, 4, 6, 2));
        else
            CHECK_EQUAL(value, et_node_dictionary_size(&b.dictionary));
    }
}

SUITE(node, TEST(init_checks_its_arguments), TEST(hello_says_what_the_board_is), TEST(another_hello_gets_another_nonce),
      TEST(hello_without_a_nonce_is_ignored), TEST(requests_before_hello_are_told_so),
      TEST(unknown_types_are_unsupported), TEST(garbage_before_hello_does_no_harm), TEST(too_long_frames_are_dropped),
      TEST(frames_may_come_in_any_portions), TEST(wrong_key_is_refused),
      TEST(bye_and_a_lost_link_end_the_session), TEST(replayed_auth_does_not_jam_the_session),
      TEST(proof_for_one_mac_setting_is_none_for_the_other), TEST(frames_without_a_right_mac_are_dropped),
      TEST(forged_frames_do_not_move_the_sequence), TEST(sequence_numbers_are_widened_beyond_16_bits),
      TEST(repeated_and_late_frames_are_dropped), TEST(flipped_bytes_are_never_acted_on),
      TEST(uploaded_dictionary_encodes_as_the_host_does), TEST(uploaded_dictionary_outlives_a_restart),
      TEST(last_of_several_uploads_outlives_a_restart), TEST(power_cut_at_any_byte_loses_no_dictionary),
      TEST(refused_erase_keeps_the_old_dictionary),
      TEST(upload_resumes_where_it_stopped), TEST(another_upload_starts_over),
      TEST(bad_uploads_are_refused_and_change_nothing), TEST(dictionary_that_does_not_fit_says_by_how_much),
      TEST(dictionary_whose_signals_do_not_fit_a_frame_is_refused),
      TEST(linked_dictionary_is_used_until_a_slot_holds_one), TEST(commit_goes_above_the_generation_of_a_slot_not_in_use),
      TEST(board_without_slots_keeps_its_linked_dictionary), TEST(bad_signals_have_an_error_of_their_own),
      TEST(signal_without_a_dictionary_is_told_so), TEST(stream_sends_every_window_in_order),
      TEST(stream_survives_lost_codes_and_acknowledgements), TEST(stream_keeps_its_period),
      TEST(full_queue_drops_the_oldest_and_the_backlog_says_so),
      TEST(overflowing_queue_never_exceeds_the_hosts_credit),
      TEST(pending_and_broken_windows_do_not_stop_the_stream), TEST(acknowledgements_of_other_windows_change_nothing),
      TEST(stream_can_be_stopped_and_started_again), TEST(commit_ends_a_stream),
      TEST(stream_needs_a_source_and_a_dictionary),
      TEST(period_beyond_the_clocks_range_is_refused), TEST(stats_count_the_work))
