/* The node: hello, authentication, hostile bytes, and signals that the host plays. */
#include <math.h>

#include "node_session.h"

static const uint8_t key[] = "correct horse battery staple";

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
    static const unsigned types[] = {0x00, 0x0f, 0x7f, 0x81, 0x83, 0x87, 0xff};
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
        CHECK_EQUAL(code_status(&frame), ET_ERR_NOT_FINITE);
        CHECK_EQUAL(code_windows(&frame), 1);
        CHECK_EQUAL(frame.length, CODE_FIELDS);
        CHECK(works_with(&s, &b)); /* the stream goes on */
    }
    send_signal(s.host, 7, signal, 3);
    CHECK(host_take(s.host, &frame));
    CHECK_EQUAL(code_status(&frame), ET_ERR_FORMAT);
    send_signal(s.host, 7, signal, 5);
    CHECK(host_take(s.host, &frame));
    CHECK_EQUAL(code_status(&frame), ET_ERR_FORMAT);
    for (unsigned i = 0; i < 4; ++i)
        signal[i] = 3.4e38f; /* its code would overflow */
    send_signal(s.host, 8, signal, 4);
    CHECK(host_take(s.host, &frame));
    CHECK(code_status(&frame) == ET_ERR_OVERFLOW || code_status(&frame) == ET_OK);
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
    CHECK_EQUAL(code_status(&frame), ET_ERR_NO_DICTIONARY);
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
            CHECK_EQUAL(value, et_node_dictionary_size(b.dictionary));
    }
}

SUITE(node_session, TEST(init_checks_its_arguments), TEST(hello_says_what_the_board_is),
      TEST(another_hello_gets_another_nonce), TEST(hello_without_a_nonce_is_ignored),
      TEST(requests_before_hello_are_told_so), TEST(unknown_types_are_unsupported),
      TEST(garbage_before_hello_does_no_harm), TEST(too_long_frames_are_dropped), TEST(frames_may_come_in_any_portions),
      TEST(bye_and_a_lost_link_end_the_session), TEST(replayed_auth_does_not_jam_the_session),
      TEST(wrong_key_is_refused), TEST(proof_for_one_mac_setting_is_none_for_the_other),
      TEST(frames_without_a_right_mac_are_dropped), TEST(forged_frames_do_not_move_the_sequence),
      TEST(sequence_numbers_are_widened_beyond_16_bits), TEST(repeated_and_late_frames_are_dropped),
      TEST(flipped_bytes_are_never_acted_on), TEST(bad_signals_have_an_error_of_their_own),
      TEST(signal_without_a_dictionary_is_told_so), TEST(stats_count_the_work))
