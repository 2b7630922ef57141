/* The node: models that are uploaded beside a dictionary, invoked by the host, and run on the board's own source. */
#include <math.h>

#include "node_session.h"
#include "toy_model.h"

enum { INPUT = 0x0c, INVOKE, READ, INVOKE_ANSWER = 0x8d, READ_ANSWER = 0x8e, RESULT = 0x8c };

#define PORTION 40u /* stacks are small */

static const et_kernel *const one_kernel[] = {&toy_triple, NULL};

/* A board with the toy kernels, greeted. */
static int take_board_with_kernels(session *s)
{
    if (!take_session(s))
        return 0;
    s->board->config.kernels = toy_kernels;
    CHECK_EQUAL(start_board(s->board), ET_OK);
    CHECK(host_hello(s->host, 1));
    return 1;
}

/* ... that holds a model of 20 bytes. */
static int take_working(session *s, model_bundle *m)
{
    if (!take_model(m, 20, ET_TENSOR_INT8, 7) || !take_board_with_kernels(s))
        return 0;
    CHECK_EQUAL(host_upload_all(s->host, m->bytes, m->size, 64).status, ET_OK);
    return 1;
}

static host_status send_input(simulated_host *host, uint32_t offset, const uint8_t *bytes, size_t size)
{
    uint8_t payload[4 + PORTION];
    memcpy(payload, &offset, 4);
    memcpy(payload + 4, bytes, size);
    host_send(host, INPUT, payload, 4 + size);
    return host_take_status(host);
}

static void send_invoke(simulated_host *host, uint32_t number, uint32_t until, int reset)
{
    uint8_t payload[16];
    et_cbor_writer cbor = {payload, sizeof payload, 0, 0};
    et_cbor_map(&cbor, 3);
    et_cbor_put_uint(&cbor, 0, number);
    et_cbor_put_uint(&cbor, 1, until);
    et_cbor_put_bool(&cbor, 2, reset);
    host_send(host, INVOKE, payload, cbor.size);
}

/* Layers that the answer to INVOKE says have run; the status in the negative if it was refused. */
static int take_invoked(simulated_host *host, uint32_t number, uint32_t *ticks)
{
    et_frame frame;
    uint32_t value = 0, layer = 0;
    if (!host_take(host, &frame))
        return -100;
    if (frame.type != INVOKE_ANSWER) {
        CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 1, &value), ET_OK);
        return -(int)value;
    }
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 0, &value), ET_OK);
    CHECK_EQUAL(value, number);
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 1, &layer), ET_OK);
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 2, ticks), ET_OK);
    return (int)layer;
}

static int invoke(simulated_host *host, uint32_t number, uint32_t until)
{
    uint32_t ticks = 0;
    send_invoke(host, number, until, 0);
    return take_invoked(host, number, &ticks);
}

/* Reads the workspace; 0 if the node refuses. */
static int read_bytes(simulated_host *host, uint32_t place, uint32_t size, uint8_t *bytes)
{
    const uint32_t payload[] = {place, size};
    et_frame frame;
    host_send(host, READ, payload, sizeof payload);
    if (!host_take(host, &frame) || frame.type != READ_ANSWER)
        return 0;
    CHECK_EQUAL(frame.length, 4 + size);
    CHECK_BYTES(frame.payload, &place, 4);
    memcpy(bytes, frame.payload + 4, size);
    return 1;
}

static uint32_t portion(uint32_t left, uint32_t most) { return left < most ? left : most; }

/* Sends a whole input, made of `seed`, in portions. */
static void send_inputs(simulated_host *host, const model_bundle *m, unsigned seed)
{
    for (uint32_t offset = 0; offset < m->input;) {
        uint8_t bytes[8] = {0};
        const uint32_t size = portion(m->input - offset, sizeof bytes);
        for (uint32_t i = 0; i < size; ++i)
            bytes[i] = (uint8_t)(seed + 5 * (offset + i));
        const host_status status = send_input(host, offset, bytes, size);
        offset += size;
        CHECK_EQUAL(status.status, ET_OK);
        CHECK_EQUAL(status.offset, offset);
    }
}

/* What lies between the layers, and what comes out, for that input and count. */
static uint8_t expected_middle(unsigned seed, uint32_t i) { return (uint8_t)(3 * (seed + 5 * i) + i); }

static int has_output(simulated_host *host, const model_bundle *m, unsigned seed, unsigned invocations)
{
    uint8_t output[PORTION];
    for (uint32_t offset = 0; offset < m->input; offset += PORTION) {
        const uint32_t size = portion(m->input - offset, PORTION);
        if (!read_bytes(host, m->workspace - (m->middle - MODEL_STATE) + offset, size, output))
            return 0;
        for (uint32_t i = 0; i < size; ++i)
            if (output[i] != (uint8_t)(expected_middle(seed, offset + i) + m->first + invocations))
                return 0;
    }
    return 1;
}

/* Whether the node runs this model, from its initial state on. */
static int runs(session *s, const model_bundle *m, uint32_t number)
{
    uint32_t ticks = 0;
    send_inputs(s->host, m, number);
    send_invoke(s->host, number, 2, 1);
    return take_invoked(s->host, number, &ticks) == 2 && has_output(s->host, m, number, 1);
}

static void uploaded_model_runs_and_keeps_its_state(void)
{
    session s;
    model_bundle m;
    et_frame frame;
    if (!take_working(&s, &m))
        return;
    for (uint32_t number = 1; number <= 20; ++number) {
        send_inputs(s.host, &m, number);
        CHECK_EQUAL(invoke(s.host, number, 2), 2);
        CHECK(has_output(s.host, &m, number, number));
    }
    send_inputs(s.host, &m, 21);
    uint32_t ticks = 0;
    send_invoke(s.host, 21, 2, 1); /* a new series */
    CHECK_EQUAL(take_invoked(s.host, 21, &ticks), 2);
    CHECK_EQUAL(ticks, 3);
    CHECK(has_output(s.host, &m, 21, 1));
    const uint32_t whole[] = {0, 16};
    host_send(s.host, READ, whole, sizeof whole);
    CHECK(host_take(s.host, &frame));
    CHECK_EQUAL(frame.id, (uint32_t)m.id);
}

static void repeated_invocation_runs_once(void)
{
    session s;
    model_bundle m;
    if (!take_working(&s, &m))
        return;
    for (uint32_t number = 1; number <= 3; ++number) {
        send_inputs(s.host, &m, number);
        for (unsigned again = 0; again < 3; ++again) { /* the answers may have been lost */
            CHECK_EQUAL(invoke(s.host, number, 2), 2);
            CHECK(has_output(s.host, &m, number, number));
        }
    }
    CHECK_EQUAL(invoke(s.host, 4, 2), -ET_ERR_OFFSET); /* its input has not come */
}

static void layers_can_be_run_one_by_one(void)
{
    session s;
    model_bundle m;
    uint8_t middle[20];
    uint32_t ticks = 0;
    if (!take_working(&s, &m))
        return;
    send_inputs(s.host, &m, 50);
    CHECK_EQUAL(invoke(s.host, 1, 0), 0);
    send_invoke(s.host, 1, 1, 0);
    CHECK_EQUAL(take_invoked(s.host, 1, &ticks), 1);
    CHECK_EQUAL(ticks, 3);
    CHECK(read_bytes(s.host, m.middle, m.input, middle));
    for (uint32_t i = 0; i < m.input; ++i)
        CHECK_EQUAL(middle[i], expected_middle(50, i));
    CHECK_EQUAL(invoke(s.host, 1, 1), 1);
    CHECK_EQUAL(invoke(s.host, 1, 2), 2);
    CHECK(has_output(s.host, &m, 50, 1));
    CHECK_EQUAL(invoke(s.host, 1, 1), 2); /* it has run already */
    CHECK(has_output(s.host, &m, 50, 1));
}

static void strange_requests_are_refused_and_do_no_harm(void)
{
    session s;
    model_bundle m;
    uint8_t bytes[PORTION] = {0};
    const uint32_t far_away[] = {0xfffffff0u, 0x20};
    if (!take_working(&s, &m))
        return;
    CHECK_EQUAL(invoke(s.host, 1, 2), -ET_ERR_OFFSET);
    CHECK_EQUAL(send_input(s.host, 4, bytes, 4).status, ET_ERR_OFFSET);
    CHECK_EQUAL(send_input(s.host, 0, bytes, 21).status, ET_ERR_OFFSET);
    CHECK_EQUAL(send_input(s.host, 0, bytes, 0).status, ET_ERR_FORMAT);
    CHECK_EQUAL(send_input(s.host, 0, bytes, 12).offset, 12);
    CHECK_EQUAL(send_input(s.host, 12, bytes, 9).status, ET_ERR_OFFSET);
    CHECK_EQUAL(invoke(s.host, 1, 2), -ET_ERR_OFFSET);
    CHECK_EQUAL(send_input(s.host, 0, bytes, 8).offset, 8); /* over again */
    CHECK_EQUAL(send_input(s.host, 8, bytes, 12).offset, 20);
    CHECK_EQUAL(send_input(s.host, 20, bytes, 1).status, ET_ERR_OFFSET);
    CHECK_EQUAL(invoke(s.host, 1, 3), -ET_ERR_ARGUMENT);
    host_send(s.host, INVOKE, "\xa0", 1);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_FORMAT);
    host_send(s.host, READ, "\0\0\0\0", 4);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_FORMAT);
    host_send(s.host, READ, far_away, sizeof far_away);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_ARGUMENT);
    CHECK(!read_bytes(s.host, m.workspace - 8, 9, bytes));
    CHECK(!read_bytes(s.host, m.workspace + 1, 0, bytes));
    CHECK(read_bytes(s.host, m.workspace, 0, bytes));
    CHECK(runs(&s, &m, 2));
}

static void read_is_limited_to_a_frame(void)
{
    session s;
    model_bundle m;
    uint8_t *bytes = test_take(SIMULATED_PAYLOAD);
    if (bytes == NULL || !take_model(&m, 120, ET_TENSOR_INT8, 0) || !take_board_with_kernels(&s))
        return;
    CHECK_EQUAL(host_upload_all(s.host, m.bytes, m.size, 64).status, ET_OK);
    CHECK(read_bytes(s.host, 0, SIMULATED_PAYLOAD - 4, bytes));
    CHECK(!read_bytes(s.host, 0, SIMULATED_PAYLOAD - 3, bytes));
    CHECK(runs(&s, &m, 1));
}

static void model_and_dictionary_work_at_once_and_outlive_a_restart(void)
{
    session s;
    model_bundle models[2];
    bundle dictionaries[2];
    unsigned nonce = 2;
    if (!take_board_with_kernels(&s) || !take_bundle(&dictionaries[0], ET_ATOM_INT8, 4, 4) ||
        !take_bundle(&dictionaries[1], ET_ATOM_INT16, 4, 4))
        return;
    for (unsigned i = 0; i < 2; ++i)
        if (!take_model(&models[i], 16 + 8 * i, ET_TENSOR_INT8, (uint8_t)i))
            return;
    for (unsigned uploads = 0; uploads < 8; ++uploads) { /* models twice as often */
        const model_bundle *model = &models[uploads % 2];
        const bundle *dictionary = &dictionaries[uploads / 2 % 2];
        test_note("uploads", uploads);
        CHECK_EQUAL(host_upload_all(s.host, model->bytes, model->size, 60).status, ET_OK);
        CHECK_EQUAL(host_upload_all(s.host, dictionary->bytes, dictionary->size, 60).status, ET_OK);
        CHECK(runs(&s, model, 1));
        CHECK(works_with(&s, dictionary));
        if (uploads % 3 == 2)
            CHECK_EQUAL(start_board(s.board), ET_OK);
        CHECK(host_hello(s.host, nonce++));
        CHECK(runs(&s, model, 1));
        CHECK(works_with(&s, dictionary));
    }
}

/* One of both models works, and the dictionary does; a whole upload makes the new model work. */
static void check_after_power_cut(session *s, const model_bundle *old, const model_bundle *fresh, const bundle *b,
                                  unsigned nonce)
{
    CHECK_EQUAL(start_board(s->board), ET_OK);
    CHECK(host_hello(s->host, nonce));
    CHECK(works_with(s, b));
    CHECK(runs(s, s->board->node.model.id == fresh->id ? fresh : old, 1));
    CHECK_EQUAL(host_upload_all(s->host, fresh->bytes, fresh->size, 52).status, ET_OK);
    CHECK(runs(s, fresh, 2));
    CHECK(works_with(s, b));
}

static void power_cut_at_any_byte_loses_neither(void)
{
    session s;
    bundle b;
    model_bundle old, fresh;
    if (!take_board_with_kernels(&s) || !take_bundle(&b, ET_ATOM_INT8, 4, 4) ||
        !take_model(&old, 20, ET_TENSOR_INT8, 3) || !take_model(&fresh, 24, ET_TENSOR_INT8, 4))
        return;
    const uint32_t all = (uint32_t)fresh.size + 8;
    for (uint32_t cut = 0; cut <= all; ++cut) {
        memset(s.board->slots, 0xff, ET_NODE_SLOTS * SIMULATED_SLOT);
        CHECK_EQUAL(start_board(s.board), ET_OK);
        CHECK(host_hello(s.host, 3 * cut + 2));
        CHECK_EQUAL(host_upload_all(s.host, b.bytes, b.size, 100).status, ET_OK);
        CHECK_EQUAL(host_upload_all(s.host, old.bytes, old.size, 100).status, ET_OK);
        s.board->programmed = 0;
        s.board->power_fails = cut;
        test_note("cut after bytes", cut);
        CHECK_EQUAL(host_upload_all(s.host, fresh.bytes, fresh.size, 52).status, cut < all ? ET_ERR_FLASH : ET_OK);
        CHECK(runs(&s, cut < all ? &old : &fresh, 1)); /* a failing flash alone changes nothing, either */
        check_after_power_cut(&s, &old, &fresh, &b, 3 * cut + 3);
    }
}

static void invocation_during_an_upload_is_refused_and_the_model_stays(void)
{
    session s;
    model_bundle m, fresh;
    if (!take_working(&s, &m) || !take_model(&fresh, 24, ET_TENSOR_INT8, 9))
        return;
    send_inputs(s.host, &m, 1);
    CHECK_EQUAL(host_upload(s.host, ET_KIND_MODEL, (uint32_t)fresh.size, fresh.bytes + 16).status, ET_OK);
    CHECK_EQUAL(host_data(s.host, 0, fresh.bytes, 100).status, ET_OK);
    CHECK_EQUAL(invoke(s.host, 1, 2), -ET_ERR_BUSY);
    CHECK_EQUAL(send_input(s.host, 0, fresh.bytes, 4).status, ET_ERR_BUSY);
    CHECK(host_hello(s.host, 2)); /* another host: it uploads nothing */
    CHECK(runs(&s, &m, 1));
    CHECK_EQUAL(host_upload(s.host, ET_KIND_MODEL, (uint32_t)fresh.size, fresh.bytes + 16).offset, 100);
    CHECK_EQUAL(invoke(s.host, 1, 2), -ET_ERR_BUSY);
    s.board->power_fails = s.board->programmed; /* the upload fails */
    CHECK_EQUAL(host_data(s.host, 100, fresh.bytes + 100, 4).status, ET_ERR_FLASH);
    send_inputs(s.host, &m, 2);
    CHECK_EQUAL(invoke(s.host, 2, 2), 2);
    CHECK(has_output(s.host, &m, 2, 2));
    s.board->power_fails = NEVER;
    CHECK_EQUAL(host_upload_all(s.host, fresh.bytes, fresh.size, 100).status, ET_OK);
    CHECK(runs(&s, &fresh, 1));
}

static void bad_models_are_refused_and_the_old_one_runs(void)
{
    session s;
    bundle b;
    model_bundle m, bad;
    uint8_t id[8] = {1};
    if (!take_working(&s, &m) || !take_bundle(&b, ET_ATOM_INT8, 4, 4) || !take_model(&bad, 24, ET_TENSOR_INT8, 1))
        return;
    bad.bytes[bad.size - 1] ^= 1;
    CHECK_EQUAL(host_upload_all(s.host, bad.bytes, bad.size, 60).status, ET_ERR_CRC);
    bad.bytes[RECORDS + 12] = 200; /* a size beyond the workspace */
    seal_bundle(bad.bytes, ET_KIND_MODEL, bad.size - ET_BUNDLE_HEADER);
    CHECK_EQUAL(host_upload_all(s.host, bad.bytes, bad.size, 60).status, ET_ERR_FORMAT);
    bad.bytes[RECORDS + 12] = 24;
    bad.bytes[RECORDS] = 42; /* a kernel that nobody has */
    seal_bundle(bad.bytes, ET_KIND_MODEL, bad.size - ET_BUNDLE_HEADER);
    CHECK_EQUAL(host_upload_all(s.host, bad.bytes, bad.size, 60).status, ET_ERR_KERNEL);
    CHECK_EQUAL(host_upload(s.host, ET_KIND_MODEL, (uint32_t)b.size, b.bytes + 16).status, ET_OK);
    for (uint32_t offset = 0; offset < b.size; offset += 16)
        CHECK_EQUAL(host_data(s.host, offset, b.bytes + offset, 16).status, ET_OK);
    CHECK_EQUAL(host_commit(s.host, b.bytes + 16).status, ET_ERR_KIND);
    CHECK_EQUAL(host_upload(s.host, 3, 64, id).status, ET_ERR_UNSUPPORTED);
    CHECK(runs(&s, &m, 1));
    s.board->config.kernels = one_kernel; /* a firmware of tomorrow with fewer kernels */
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK_EQUAL(s.board->node.has_model, 0);
    CHECK(host_hello(s.host, 2));
    CHECK_EQUAL(invoke(s.host, 1, 2), -ET_ERR_NO_MODEL);
    s.board->config.kernels = NULL;
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK(host_hello(s.host, 3));
    CHECK_EQUAL(invoke(s.host, 1, 2), -ET_ERR_UNSUPPORTED);
    CHECK_EQUAL(host_upload_all(s.host, m.bytes, m.size, 60).status, ET_ERR_UNSUPPORTED);
}

static void what_does_not_fit_beside_the_other_says_by_how_much(void)
{
    session s;
    bundle b;
    model_bundle m;
    if (!take_model(&m, 20, ET_TENSOR_INT8, 0) || !take_bundle(&b, ET_ATOM_FLOAT32, 4, 6) ||
        !take_board_with_kernels(&s))
        return;
    const size_t buffers = et_node_buffers_size(SIMULATED_PAYLOAD), dictionary = et_node_dictionary_size(b.dictionary);
    const size_t beyond = 15 & (uintptr_t)(s.board->arena + buffers + dictionary + m.workspace);
    for (unsigned order = 0; order < 2; ++order) {
        memset(s.board->slots, 0xff, ET_NODE_SLOTS * SIMULATED_SLOT);
        s.board->arena_size = buffers + dictionary + m.workspace - beyond;
        CHECK_EQUAL(start_board(s.board), ET_OK);
        CHECK(host_hello(s.host, 2 * order + 2));
        host_status status = host_upload_all(s.host, order ? b.bytes : m.bytes, order ? b.size : m.size, 48);
        CHECK_EQUAL(status.status, ET_OK);
        status = host_upload_all(s.host, order ? m.bytes : b.bytes, order ? m.size : b.size, 48);
        if (beyond > 0) {
            CHECK_EQUAL(status.status, ET_ERR_FIT);
            CHECK_EQUAL(status.needed, order ? m.workspace : dictionary);
            CHECK_EQUAL(status.needed - status.at_hand, beyond);
            CHECK(order ? works_with(&s, &b) : runs(&s, &m, 1));
        }
        s.board->arena_size += 16; /* the workspace lies on a multiple of 16 */
        CHECK_EQUAL(start_board(s.board), ET_OK);
        CHECK(host_hello(s.host, 2 * order + 3));
        CHECK_EQUAL(host_upload_all(s.host, m.bytes, m.size, 48).status, ET_OK);
        CHECK_EQUAL(host_upload_all(s.host, b.bytes, b.size, 48).status, ET_OK);
        CHECK(runs(&s, &m, 1));
        CHECK(works_with(&s, &b));
    }
}

static void upload_without_a_free_slot_is_refused(void)
{
    session s;
    bundle b;
    model_bundle m, fresh;
    if (!take_working(&s, &m) || !take_bundle(&b, ET_ATOM_INT8, 4, 4) || !take_model(&fresh, 24, ET_TENSOR_INT8, 1))
        return;
    memset(&s.board->config.slots[2], 0, sizeof s.board->config.slots[2]); /* a board with two */
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK(host_hello(s.host, 2));
    CHECK_EQUAL(host_upload_all(s.host, fresh.bytes, fresh.size, 60).status, ET_OK); /* one kind alone takes turns */
    CHECK_EQUAL(host_upload_all(s.host, m.bytes, m.size, 60).status, ET_OK);
    CHECK_EQUAL(host_upload_all(s.host, b.bytes, b.size, 60).status, ET_OK);
    const host_status full = host_upload_all(s.host, fresh.bytes, fresh.size, 60);
    CHECK_EQUAL(full.status, ET_ERR_FIT);
    CHECK_EQUAL(full.at_hand, 0);
    CHECK(works_with(&s, &b));
    CHECK(runs(&s, &m, 1));
}

static void linked_model_is_used_until_a_slot_holds_one(void)
{
    session s;
    model_bundle linked, uploaded;
    if (!take_model(&linked, 20, ET_TENSOR_INT8, 5) || !take_model(&uploaded, 24, ET_TENSOR_INT8, 6) ||
        !take_board_with_kernels(&s))
        return;
    s.board->config.model = linked.bytes;
    s.board->config.model_size = linked.size;
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK(host_hello(s.host, 2));
    CHECK(runs(&s, &linked, 1));
    CHECK_EQUAL(host_upload_all(s.host, uploaded.bytes, uploaded.size, 48).status, ET_OK);
    CHECK(runs(&s, &uploaded, 1));
    s.board->slots[ET_SLOT_RECORD + 40] ^= 1; /* a flash bit rots: fall back */
    CHECK_EQUAL(start_board(s.board), ET_OK);
    CHECK(host_hello(s.host, 3));
    CHECK(runs(&s, &linked, 1));
}

static void hello_says_what_models_there_are(void)
{
    session s;
    model_bundle m;
    et_frame frame;
    const uint8_t *bytes = NULL;
    size_t size = 0;
    uint32_t value = 0;
    if (!take_working(&s, &m))
        return;
    CHECK(host_hello(s.host, 1));
    host_deliver(s.host);
    CHECK(host_take(s.host, &frame));
    CHECK_EQUAL(et_cbor_get_bytes(frame.payload, frame.length, 14, &bytes, &size), ET_OK);
    CHECK_EQUAL(size, 8);
    CHECK_BYTES(bytes, m.bytes + 16, 8);
    const uint32_t room = (ARENA - (uint32_t)et_node_buffers_size(SIMULATED_PAYLOAD)) & ~15u;
    const uint32_t expected[] = {m.input, m.input, m.workspace};
    for (unsigned i = 0; i < 3; ++i) {
        CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 15 + i, &value), ET_OK);
        CHECK_EQUAL(value, expected[i]);
    }
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 18, &value), ET_OK);
    CHECK(value <= room + 16 && value + 16 >= room);
    CHECK_EQUAL(et_cbor_get_bytes(frame.payload, frame.length, 19, &bytes, &size), ET_OK);
    CHECK_EQUAL(size, 8);
    CHECK_BYTES(bytes, "\0\0\0\0\0\x03\0\0", 8); /* 40 and 41 */
}

static void another_session_begins_with_the_initial_state(void)
{
    session s;
    model_bundle m;
    if (!take_working(&s, &m))
        return;
    for (unsigned nonce = 1; nonce < 4; ++nonce) {
        CHECK(host_hello(s.host, nonce));
        CHECK_EQUAL(invoke(s.host, 1, 2), -ET_ERR_OFFSET);
        send_inputs(s.host, &m, 1);
        CHECK_EQUAL(invoke(s.host, 1, 2), 2);
        CHECK(has_output(s.host, &m, 1, 1));
        CHECK(host_hello(s.host, nonce)); /* the same session: it goes on */
        CHECK_EQUAL(invoke(s.host, 1, 2), 2);
        send_inputs(s.host, &m, 2);
        CHECK_EQUAL(invoke(s.host, 2, 2), 2);
        CHECK(has_output(s.host, &m, 2, 2));
    }
}

/* Samples of window w: (w + 1) * (i - 3) / 4, so that quantized by 0.5 and 3 they are rounded both ways; w = 5 has a NaN. */
static float sample_of(uint32_t window, unsigned i)
{
    return window == 5 && i == 2 ? NAN : (float)(window + 1) * ((float)i - 3.0f) / 4.0f;
}

static et_status read_samples(void *context, uint32_t window, unsigned m, float *signal)
{
    unsigned *asked = context;
    *asked = m;
    for (unsigned i = 0; i < m; ++i)
        signal[i] = sample_of(window, i);
    return window == 7 ? ET_ERR_FLASH : ET_OK;
}

static int8_t quantized(float x)
{
    const double rounded = round((double)x / 0.5) + 3.0;
    return (int8_t)(rounded < -128 ? -128 : rounded > 127 ? 127 : rounded);
}

static void start_results(simulated_host *host, uint32_t windows, unsigned batch)
{
    uint8_t payload[24];
    et_cbor_writer cbor = {payload, sizeof payload, 0, 0};
    et_cbor_map(&cbor, 5);
    et_cbor_put_uint(&cbor, 0, 0);
    et_cbor_put_uint(&cbor, 1, windows);
    et_cbor_put_uint(&cbor, 2, 0);
    et_cbor_put_uint(&cbor, 3, batch);
    et_cbor_put_uint(&cbor, 4, ET_KIND_MODEL);
    host_send(host, START, payload, cbor.size);
}

/* Takes `windows` windows of results in order, of a model whose input is int8, and acknowledges them. */
static void check_results(session *s, const model_bundle *m, uint32_t windows, unsigned batch)
{
    et_frame frame;
    unsigned ran = 0;
    uint32_t next = 0;
    for (unsigned polls = 0; next < windows && polls < 1000; ++polls) {
        et_node_poll(&s->board->node);
        while (host_take(s->host, &frame)) {
            CHECK_EQUAL(frame.type, RESULT);
            CHECK_EQUAL(frame.id, (uint32_t)m->id);
            CHECK_EQUAL(code_window(&frame), next);
            const int failed = next == 5 || next == 7;
            CHECK_EQUAL(code_status(&frame), next == 5 ? ET_ERR_NOT_FINITE : next == 7 ? ET_ERR_FLASH : ET_OK);
            CHECK(code_windows(&frame) <= batch);
            CHECK_EQUAL(frame.length, CODE_FIELDS + (failed ? 0 : code_windows(&frame) * m->input));
            const uint8_t *output = frame.payload + CODE_FIELDS;
            for (unsigned w = 0; w < code_windows(&frame) && !failed; ++w) {
                ++ran;
                for (uint32_t i = 0; i < m->input; ++i)
                    CHECK_EQUAL(*output++,
                                (uint8_t)(3 * quantized(sample_of(next + w, i)) + (int)i + m->first + (int)ran));
            }
            next += code_windows(&frame);
            host_send(s->host, ACK, &next, 4);
        }
    }
    CHECK_EQUAL(next, windows);
}

static void board_streams_results_of_its_own_source(void)
{
    session s;
    model_bundle m;
    unsigned asked = 0;
    const et_source source = {read_samples, &asked};
    if (!take_working(&s, &m))
        return;
    s.board->config.source = &source;
    for (unsigned batch = 1; batch <= 4; ++batch) {
        start_results(s.host, 40, batch);
        CHECK_EQUAL(host_take_status(s.host).status, ET_OK);
        check_results(&s, &m, 40, batch);
        CHECK_EQUAL(asked, 20);
        et_node_poll(&s.board->node);
        CHECK_EQUAL(s.board->node.stream.active, 0);
    }
    CHECK_EQUAL(s.board->node.stats.inferences, 4 * 38);
}

static void results_beside_a_dictionary_and_codes_take_turns(void)
{
    session s;
    bundle b;
    model_bundle m;
    unsigned asked = 0;
    const et_source source = {read_samples, &asked};
    if (!take_working(&s, &m) || !take_bundle(&b, ET_ATOM_INT8, 4, 4))
        return;
    CHECK_EQUAL(host_upload_all(s.host, b.bytes, b.size, 60).status, ET_OK);
    s.board->config.source = &source;
    for (unsigned turn = 0; turn < 3; ++turn) {
        start_results(s.host, 20, 2);
        CHECK_EQUAL(host_take_status(s.host).status, ET_OK);
        CHECK(works_with(&s, &b)); /* the host plays a signal meanwhile */
        check_results(&s, &m, 20, 2);
        host_start(s.host, 0, 4, 0, 1);
        CHECK_EQUAL(host_take_status(s.host).status, ET_OK);
        CHECK(runs(&s, &m, turn)); /* and invokes while codes are streamed */
        et_node_poll(&s.board->node);
        et_frame frame;
        CHECK(host_take(s.host, &frame));
        CHECK_EQUAL(frame.type, CODE);
        host_send(s.host, STOP, "\xa0", 1);
        while (host_take(s.host, &frame)) {
        }
    }
}

static void host_keeps_off_while_results_are_streamed(void)
{
    session s;
    model_bundle m, fresh;
    unsigned asked = 0;
    uint8_t bytes[20] = {0};
    et_frame frame;
    const et_source source = {read_samples, &asked};
    if (!take_working(&s, &m) || !take_model(&fresh, 24, ET_TENSOR_INT8, 1))
        return;
    s.board->config.source = &source;
    start_results(s.host, 0, 1);
    CHECK_EQUAL(host_take_status(s.host).status, ET_OK);
    CHECK_EQUAL(send_input(s.host, 0, bytes, 20).status, ET_ERR_BUSY);
    CHECK_EQUAL(invoke(s.host, 0, 2), -ET_ERR_BUSY);
    CHECK(!read_bytes(s.host, 0, 4, bytes));
    CHECK_EQUAL(host_upload(s.host, ET_KIND_MODEL, (uint32_t)fresh.size, fresh.bytes + 16).status, ET_OK);
    et_node_poll(&s.board->node); /* the current model keeps running during the upload */
    CHECK(host_take(s.host, &frame));
    CHECK_EQUAL(frame.type, RESULT);
    CHECK_EQUAL(host_upload_all(s.host, fresh.bytes, fresh.size, 60).status, ET_OK);
    CHECK_EQUAL(s.board->node.stream.active, 0); /* its successor ends the stream */
    CHECK(runs(&s, &fresh, 1));
}

static void results_that_fit_no_frame_or_no_queue_are_refused(void)
{
    session s;
    model_bundle m;
    unsigned asked = 0;
    const et_source source = {read_samples, &asked};
    if (!take_board_with_kernels(&s) || !take_model(&m, 256, ET_TENSOR_INT8, 0))
        return;
    s.board->config.source = &source;
    start_results(s.host, 1, 1);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_NO_MODEL);
    CHECK_EQUAL(host_upload_all(s.host, m.bytes, m.size, 60).status, ET_OK);
    start_results(s.host, 1, 1);
    host_status status = host_take_status(s.host);
    CHECK_EQUAL(status.status, ET_ERR_FIT);
    CHECK_EQUAL(status.needed, CODE_FIELDS + 256);
    CHECK_EQUAL(status.at_hand, SIMULATED_PAYLOAD);
    if (!take_model(&m, 160, ET_TENSOR_INT8, 0)) /* 640 bytes of samples do not fit beside its workspace */
        return;
    CHECK_EQUAL(host_upload_all(s.host, m.bytes, m.size, 60).status, ET_OK);
    start_results(s.host, 1, 1);
    status = host_take_status(s.host);
    CHECK_EQUAL(status.status, ET_ERR_FIT);
    CHECK_EQUAL(status.needed, 4 * 160 + 2 * (4 + 160));
    CHECK(status.at_hand < status.needed);
    CHECK(runs(&s, &m, 1));
}

static void float_inputs_are_taken_as_they_are(void)
{
    session s;
    model_bundle m;
    unsigned asked = 0;
    et_frame frame;
    const et_source source = {read_samples, &asked};
    if (!take_model(&m, 20, ET_TENSOR_FLOAT32, 7) || !take_board_with_kernels(&s))
        return;
    s.board->config.source = &source;
    CHECK_EQUAL(host_upload_all(s.host, m.bytes, m.size, 60).status, ET_OK);
    start_results(s.host, 1, 1);
    CHECK_EQUAL(host_take_status(s.host).status, ET_OK);
    et_node_poll(&s.board->node);
    CHECK(host_take(s.host, &frame));
    CHECK_EQUAL(asked, 5);
    CHECK_EQUAL(frame.length, CODE_FIELDS + 20);
    for (unsigned i = 0; i < 20; ++i) {
        const float sample = sample_of(0, i / 4);
        uint8_t bytes[4];
        memcpy(bytes, &sample, 4);
        CHECK_EQUAL(frame.payload[CODE_FIELDS + i], (uint8_t)(3 * bytes[i % 4] + i + 8));
    }
}

SUITE(node_model, TEST(uploaded_model_runs_and_keeps_its_state), TEST(repeated_invocation_runs_once),
      TEST(layers_can_be_run_one_by_one), TEST(strange_requests_are_refused_and_do_no_harm),
      TEST(read_is_limited_to_a_frame), TEST(model_and_dictionary_work_at_once_and_outlive_a_restart),
      TEST(power_cut_at_any_byte_loses_neither), TEST(invocation_during_an_upload_is_refused_and_the_model_stays),
      TEST(bad_models_are_refused_and_the_old_one_runs), TEST(what_does_not_fit_beside_the_other_says_by_how_much),
      TEST(upload_without_a_free_slot_is_refused), TEST(linked_model_is_used_until_a_slot_holds_one),
      TEST(hello_says_what_models_there_are), TEST(another_session_begins_with_the_initial_state),
      TEST(board_streams_results_of_its_own_source), TEST(results_beside_a_dictionary_and_codes_take_turns),
      TEST(host_keeps_off_while_results_are_streamed), TEST(results_that_fit_no_frame_or_no_queue_are_refused),
      TEST(float_inputs_are_taken_as_they_are))
