/* The node: dictionaries that are uploaded, and what happens when the line, the flash or the power fails. */
#include "node_session.h"

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
            check_code(&b, &frame, window, 1);
            send_signal(s.host, window, signal, 8); /* again: the same bits */
            CHECK(host_take(s.host, &frame));
            check_code(&b, &frame, window, 1);
        }
        CHECK_EQUAL(s.board->node.dictionary_slot, t % ET_NODE_SLOTS); /* the slots take turns */
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
    const int committed = s->board->node.dictionary.id == after->dictionary->id;
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
    const size_t needed = et_node_dictionary_size(b.dictionary);
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
    s.board->arena_size = et_node_buffers_size(SIMULATED_PAYLOAD) + et_node_dictionary_size(large.dictionary) - 1;
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

SUITE(node_upload, TEST(uploaded_dictionary_encodes_as_the_host_does), TEST(uploaded_dictionary_outlives_a_restart),
      TEST(last_of_several_uploads_outlives_a_restart), TEST(power_cut_at_any_byte_loses_no_dictionary),
      TEST(refused_erase_keeps_the_old_dictionary), TEST(upload_resumes_where_it_stopped),
      TEST(another_upload_starts_over), TEST(bad_uploads_are_refused_and_change_nothing),
      TEST(dictionary_that_does_not_fit_says_by_how_much), TEST(dictionary_whose_signals_do_not_fit_a_frame_is_refused),
      TEST(linked_dictionary_is_used_until_a_slot_holds_one),
      TEST(commit_goes_above_the_generation_of_a_slot_not_in_use),
      TEST(board_without_slots_keeps_its_linked_dictionary))
