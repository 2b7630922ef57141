/* The node: streams of its own source, and what happens when frames are lost. */
#include <math.h>

#include "node_session.h"

#define CODE_SIZE 10u          /* of every window of the dictionary here: 2 atoms, float32 coefficients */
#define ENTRY (4u + CODE_SIZE) /* of the queue */

/* The board's own sensor: window k is make_signal(k), but for what the fields say. */
typedef struct sensor {
    uint32_t pending, broken, poisoned,
        reads;       /* windows; `pending` is ready at the second look, `poisoned` has a NaN */
    uint32_t silent; /* nothing comes from this one on */
    uint8_t quiet;   /* all samples are 0 */
} sensor;

typedef struct streaming {
    session s;
    bundle b;
    et_source source;
    sensor from;
    unsigned power_ons;
} streaming;

static et_status read_sensor(void *context, uint32_t window, unsigned m, float *signal)
{
    sensor *from = context;
    ++from->reads;
    if (window == from->pending || window >= from->silent) {
        from->pending = NEVER;
        return ET_PENDING;
    }
    if (window == from->broken)
        return ET_ERR_FLASH;
    make_signal(window, m, signal);
    for (unsigned i = 0; from->quiet && i < m; ++i)
        signal[i] = 0.0f;
    if (window == from->poisoned)
        signal[m - 1] = NAN;
    return ET_OK;
}

/* Starts the board (again), with a queue of that many bytes, and greets it. */
static void power_on(streaming *t, size_t queue)
{
    session *s = &t->s;
    memset(&t->from, 0, sizeof t->from);
    t->from.pending = t->from.broken = t->from.poisoned = t->from.silent = NEVER;
    s->board->arena_size = et_node_buffers_size(SIMULATED_PAYLOAD) + et_encoder_size(t->b.dictionary) + queue;
    CHECK(s->board->arena_size <= ARENA);
    CHECK_EQUAL(start_board(s->board), ET_OK);
    CHECK(host_hello(s->host, ++t->power_ons));
    CHECK_EQUAL(s->board->node.arena_size - et_encoder_size(t->b.dictionary), queue);
}

/* A session with the dictionary of t->b, linked, and a sensor. */
static int take_linked(streaming *t, size_t queue)
{
    t->source.read = read_sensor;
    t->source.context = &t->from;
    t->power_ons = 0;
    if (!take_session(&t->s))
        return 0;
    t->s.board->config.source = &t->source;
    t->s.board->config.dictionary = t->b.bytes;
    t->s.board->config.dictionary_size = t->b.size;
    power_on(t, queue);
    return 1;
}

/* Packed codes of a known size, and room for `entries` packets of a window. */
static int take_streaming(streaming *t, unsigned entries)
{
    if (!take_bundle(&t->b, ET_ATOM_FLOAT32, 4, 6))
        return 0;
    CHECK_EQUAL(et_packet_window_size(t->b.dictionary), CODE_SIZE);
    return take_linked(t, entries * ENTRY);
}

/* The entropy codec: a window's bits depend on those before it in its packet. */
static int take_chained(streaming *t, size_t queue)
{
    et_dictionary *d = take_dictionary(ET_ATOM_INT8, 8, 6, 2, random_atoms);
    if (d == NULL || !take_codec(d, 1u << ET_WINDOW_SPARSE | 1u << ET_WINDOW_DPCM))
        return 0;
    d->entropy.chained = 1;
    return take_bundle_of(&t->b, d) && take_linked(t, queue);
}

static void start(session *s, uint32_t first, uint32_t windows, uint32_t period_ms, unsigned batch)
{
    host_start(s->host, first, windows, period_ms, batch);
    CHECK_EQUAL(host_take_status(s->host).status, ET_OK);
}

static void acknowledge(session *s, uint32_t next) { host_send(s->host, ACK, &next, 4); }

static void poll_until_idle(session *s)
{
    unsigned left = 1000;
    while (left > 0 && et_node_poll(&s->board->node))
        --left;
}

/* What the node has sent does not arrive. */
static void lose_all(session *s) { s->board->wire_size = s->board->wire_read = 0; }

/* Windows in closed packets of the queue. */
static uint32_t queued(const session *s) { return s->board->node.queue.after - s->board->node.queue.oldest; }

/* Takes the next frame, which must hold these windows. */
static void expect_windows(streaming *t, uint32_t window, unsigned windows)
{
    et_frame frame;
    test_note("window", window);
    CHECK(host_take(t->s.host, &frame));
    check_code(&t->b, &frame, window, windows);
}

static void stream_sends_every_window_in_order(void)
{
    streaming t;
    et_frame frame;
    uint32_t next = 5;
    if (!take_streaming(&t, 4))
        return;
    start(&t.s, 5, 30, 0, 1);
    while (next < 35) {
        const uint32_t before = next;
        poll_until_idle(&t.s);
        while (host_take(t.s.host, &frame))
            check_code(&t.b, &frame, next++, 1);
        CHECK_EQUAL(next - before, 2); /* the host's credit */
        if (next == before)
            return;
        acknowledge(&t.s, next);
    }
    poll_until_idle(&t.s);
    CHECK(!host_take(t.s.host, &frame));
    CHECK_EQUAL(t.s.board->node.stream.active, 0);
    CHECK_EQUAL(t.from.reads, 30);
}

static void packets_hold_as_many_windows_as_asked(void)
{
    streaming t;
    if (!take_streaming(&t, 20))
        return;
    start(&t.s, 7, 23, 0, 5);
    for (uint32_t window = 7; window < 27; window += 5) {
        poll_until_idle(&t.s);
        expect_windows(&t, window, 5);
        acknowledge(&t.s, window + 5);
    }
    poll_until_idle(&t.s);
    expect_windows(&t, 27, 3); /* the last ones */
    acknowledge(&t.s, 30);
    poll_until_idle(&t.s);
    CHECK_EQUAL(t.s.board->node.stream.active, 0);
}

/* A frame's payload is one bound, half of the queue is the other. */
static void packets_end_where_the_next_window_does_not_fit(void)
{
    static const struct {
        unsigned queue, windows;
    } cases[] = {{50, (SIMULATED_PAYLOAD - CODE_FIELDS) / CODE_SIZE}, {8, 5}, {4, 2}, {2, 1}};
    streaming t;
    if (!take_streaming(&t, 2))
        return;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const unsigned windows = cases[i].windows;
        power_on(&t, cases[i].queue * ENTRY);
        start(&t.s, 0, 2 * windows, 0, 255);
        for (uint32_t window = 0; window < 2 * windows; window += windows) {
            poll_until_idle(&t.s);
            expect_windows(&t, window, windows);
            acknowledge(&t.s, window + windows);
        }
        CHECK_EQUAL(t.from.reads, 2 * windows);
    }
}

/* Half of all packets and half of all acknowledgements are lost. */
static void stream_through_losses(streaming *t, unsigned batch)
{
    et_frame frame;
    uint32_t next = 0, state = 17;
    start(&t->s, 0, 100, 0, batch);
    for (unsigned turn = 0; turn < 9000 && next < 100; ++turn) {
        et_node_poll(&t->s.board->node);
        t->s.board->clock_ms += 10;
        while (host_take(t->s.host, &frame)) {
            const uint32_t window = code_window(&frame);
            if (test_random(&state) % 2 == 0)
                continue;
            CHECK(window - code_backlog(&frame) <= next); /* nothing that the host lacks was dropped */
            CHECK(code_windows(&frame) <= batch);
            if (window == next) {
                check_code(&t->b, &frame, next, code_windows(&frame));
                next += code_windows(&frame);
            }
        }
        if (test_random(&state) % 2 == 0)
            acknowledge(&t->s, next);
    }
    CHECK_EQUAL(next, 100);
    CHECK_EQUAL(t->from.reads, 100); /* each was coded once */
}

static void stream_survives_lost_packets_and_acknowledgements(void)
{
    static const struct {
        unsigned queue, batch;
    } cases[] = {{5, 1}, {2, 1}, {2, 16}, {3, 2}, {7, 3}, {30, 16}, {50, 255}};
    streaming t;
    if (!take_streaming(&t, 2))
        return;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; ++i) {
        power_on(&t, cases[i].queue * ENTRY);
        test_note("case", i);
        stream_through_losses(&t, cases[i].batch);
    }
}

static void chained_packets_survive_them_too(void)
{
    static const struct {
        unsigned queue, batch;
    } cases[] = {{80, 16}, {300, 7}};
    streaming t;
    if (!take_chained(&t, 80))
        return;
    CHECK_EQUAL(2 * (4 + et_packet_window_size(t.b.dictionary)), 80);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; ++i) {
        power_on(&t, cases[i].queue);
        test_note("case", i);
        stream_through_losses(&t, cases[i].batch);
    }
}

static void stream_keeps_its_period(void)
{
    streaming t;
    et_frame frame;
    uint32_t next = 0;
    if (!take_streaming(&t, 4))
        return;
    t.s.board->clock_ms = 0xffffff00u; /* and the clock wraps on the way */
    start(&t.s, 0, 0, 50, 1);
    for (unsigned ms = 0; ms < 1000; ++ms) {
        poll_until_idle(&t.s);
        while (host_take(t.s.host, &frame))
            next = code_window(&frame) + 1;
        acknowledge(&t.s, next);
        CHECK_EQUAL(t.from.reads, ms / 50 + 1);
        ++t.s.board->clock_ms;
    }
    CHECK_EQUAL(next, 20);
}

/* A packet is sent when waiting for its next window would make the first one later than a second. */
static void no_window_waits_longer_than_a_second(void)
{
    static const struct {
        uint32_t period_ms;
        unsigned windows;
    } cases[] = {{100, 10}, {300, 4}, {499, 3}, {500, 2}, {999, 2}, {1000, 1}, {5000, 1}};
    streaming t;
    if (!take_streaming(&t, 2))
        return;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; ++i) {
        et_frame frame;
        uint32_t next = 0;
        const uint32_t period = cases[i].period_ms;
        power_on(&t, 40 * ENTRY);
        start(&t.s, 0, 0, period, 16);
        const uint32_t started = t.s.board->clock_ms;
        for (unsigned ms = 0; ms < 6000; ++ms) {
            poll_until_idle(&t.s);
            while (host_take(t.s.host, &frame)) {
                CHECK_EQUAL(code_windows(&frame), cases[i].windows);
                CHECK_EQUAL(code_window(&frame), next);
                CHECK(t.s.board->clock_ms - (started + next * period) <= 1000);
                next += code_windows(&frame);
                acknowledge(&t.s, next);
            }
            ++t.s.board->clock_ms;
        }
        CHECK((next + cases[i].windows) * period >= 6000);
    }
}

static void silent_source_does_not_hold_an_open_packet_back(void)
{
    streaming t;
    et_frame frame;
    if (!take_streaming(&t, 40))
        return;
    t.from.silent = 3;
    start(&t.s, 0, 0, 10, 16);
    for (unsigned ms = 0; ms < 1000; ++ms) {
        poll_until_idle(&t.s);
        CHECK(!host_take(t.s.host, &frame));
        ++t.s.board->clock_ms;
    }
    poll_until_idle(&t.s);
    expect_windows(&t, 0, 3);
}

static void full_queue_drops_the_oldest_and_the_backlog_says_so(void)
{
    for (unsigned batch = 1; batch <= 2; ++batch) {
        streaming t;
        et_frame frame;
        uint32_t missing_below = 0, seen = 0;
        if (!take_streaming(&t, 4))
            return;
        start(&t.s, 0, 10, 10, batch);
        for (unsigned i = 0; i < 10; ++i) { /* the host is away for 100 ms: windows 0 .. 9 */
            poll_until_idle(&t.s);
            t.s.board->clock_ms += 10;
        }
        lose_all(&t.s); /* nobody was there */
        CHECK_EQUAL(t.s.board->node.queue.oldest, 6);
        t.s.board->clock_ms += ET_NODE_RESEND_MS - 10;
        for (unsigned turn = 0; turn < 4; ++turn) {
            poll_until_idle(&t.s);
            while (host_take(t.s.host, &frame)) {
                const uint32_t window = code_window(&frame);
                check_code(&t.b, &frame, window, batch);
                missing_below = window - code_backlog(&frame);
                CHECK_EQUAL(missing_below, seen > 0 ? missing_below : 6u);
                for (unsigned i = 0; i < batch; ++i)
                    seen |= 1u << (window + i);
                acknowledge(&t.s, window + batch);
            }
        }
        test_note("windows a packet", batch);
        CHECK_EQUAL(seen, 0x3c0); /* 6, 7, 8, 9: below them all is known as missing */
    }
}

/* One frame of three windows is lost however often it is sent, until the queue overflows. */
static void lost_packet_costs_only_its_own_windows(void)
{
    streaming t;
    et_frame frame;
    uint32_t next = 0, oldest = 0;
    uint64_t seen = 0;
    if (!take_streaming(&t, 20))
        return;
    t.s.host->credit = 4;
    start(&t.s, 0, 60, 20, 3);
    for (unsigned ms = 0; ms < 4000; ++ms) {
        poll_until_idle(&t.s);
        while (host_take(t.s.host, &frame)) {
            const uint32_t window = code_window(&frame);
            if (window == 6)
                continue;
            check_code(&t.b, &frame, window, 3);
            seen |= UINT64_C(7) << window;
            oldest = window - code_backlog(&frame);
            while (next < 60 && (next < oldest || (seen >> next & 1) != 0))
                ++next;
            acknowledge(&t.s, next);
        }
        ++t.s.board->clock_ms;
    }
    CHECK_EQUAL(next, 60);
    CHECK_EQUAL(~seen & ((UINT64_C(1) << 60) - 1), UINT64_C(7) << 6);
    CHECK_EQUAL(t.s.board->node.stream.active, 0);
}

/* Windows that drop out of the queue were still sent: their frames keep their places until the wait for them ends. */
static void overflowing_queue_never_exceeds_the_hosts_credit(void)
{
    streaming t;
    et_frame frame;
    unsigned sent = 0;
    if (!take_streaming(&t, 4))
        return;
    start(&t.s, 0, 0, 1, 1);
    for (unsigned ms = 0; ms < ET_NODE_RESEND_MS; ++ms) {
        poll_until_idle(&t.s);
        while (host_take(t.s.host, &frame))
            ++sent;
        CHECK(sent <= 2); /* the host's credit */
        ++t.s.board->clock_ms;
    }
    CHECK_EQUAL(t.s.board->node.queue.oldest, ET_NODE_RESEND_MS - 4);
    poll_until_idle(&t.s);
    while (host_take(t.s.host, &frame))
        ++sent;
    CHECK_EQUAL(sent, 4); /* and again after the wait */
    acknowledge(&t.s, code_window(&frame) + 1);
    poll_until_idle(&t.s);
    while (host_take(t.s.host, &frame))
        ++sent;
    CHECK_EQUAL(sent, 6);
}

/* The host has read packets that the board no longer holds: it is ready for more at once. */
static void acknowledged_packets_count_no_more_even_if_they_were_dropped(void)
{
    streaming t;
    et_frame frame;
    uint32_t last = 0;
    if (!take_streaming(&t, 4))
        return;
    start(&t.s, 0, 0, 1, 1);
    for (unsigned ms = 0; ms < 20; ++ms) {
        poll_until_idle(&t.s);
        ++t.s.board->clock_ms;
    }
    while (host_take(t.s.host, &frame))
        last = code_window(&frame);
    CHECK_EQUAL(last, 1);
    CHECK_EQUAL(t.s.board->node.queue.oldest, 16);
    acknowledge(&t.s, 1);
    poll_until_idle(&t.s);
    lose_all(&t.s);
    acknowledge(&t.s, 2);
    poll_until_idle(&t.s);
    CHECK(host_take(t.s.host, &frame));
    CHECK(code_window(&frame) >= 16);
}

static void failed_window_ends_its_packet_and_is_reported_alone(void)
{
    for (unsigned broken = 0; broken < 2; ++broken) {
        streaming t;
        et_frame frame;
        if (!take_streaming(&t, 20))
            return;
        t.s.host->credit = 9;
        t.from.pending = 3;
        *(broken ? &t.from.broken : &t.from.poisoned) = 6;
        start(&t.s, 0, 12, 0, 4);
        for (unsigned turn = 0; turn < 100; ++turn)
            et_node_poll(&t.s.board->node);
        expect_windows(&t, 0, 4);
        expect_windows(&t, 4, 2);
        CHECK(host_take(t.s.host, &frame));
        CHECK_EQUAL(code_window(&frame), 6);
        CHECK_EQUAL(code_status(&frame), broken ? ET_ERR_FLASH : ET_ERR_NOT_FINITE);
        CHECK_EQUAL(code_windows(&frame), 1);
        CHECK_EQUAL(frame.length, CODE_FIELDS);
        expect_windows(&t, 7, 4);
        expect_windows(&t, 11, 1);
        CHECK_EQUAL(t.from.reads, 13);
        acknowledge(&t.s, 12);
        poll_until_idle(&t.s);
        CHECK_EQUAL(t.s.board->node.stream.active, 0);
    }
}

static void failed_windows_alone_fill_and_leave_the_queue(void)
{
    streaming t;
    et_frame frame;
    uint32_t next = 0;
    if (!take_streaming(&t, 2))
        return;
    t.from.poisoned = 0;
    start(&t.s, 0, 40, 0, 16);
    for (unsigned turn = 0; turn < 400; ++turn) {
        et_node_poll(&t.s.board->node);
        while (host_take(t.s.host, &frame)) {
            CHECK_EQUAL(code_window(&frame), next);
            CHECK_EQUAL(code_status(&frame), ET_ERR_NOT_FINITE);
            CHECK_EQUAL(code_windows(&frame), 1);
            next += code_windows(&frame);
            t.from.poisoned = next;
            acknowledge(&t.s, next);
        }
        if (next == 40)
            break;
    }
    CHECK_EQUAL(next, 40);
}

static void acknowledgements_of_other_windows_change_nothing(void)
{
    streaming t;
    static const uint32_t odd[] = {0, 5, 6, 15, 0x80000000u, 0xffffffffu};
    if (!take_streaming(&t, 4))
        return;
    start(&t.s, 10, 0, 0, 1);
    acknowledge(&t.s, 10); /* nothing yet */
    poll_until_idle(&t.s);
    CHECK_EQUAL(queued(&t.s), 4);
    for (unsigned i = 0; i < sizeof odd / sizeof *odd; ++i) {
        acknowledge(&t.s, odd[i]);
        CHECK_EQUAL(queued(&t.s), 4);
        CHECK_EQUAL(t.s.board->node.queue.oldest, 10);
    }
    host_send(t.s.host, ACK, odd, 3);
    host_send(t.s.host, ACK, odd, 8);
    CHECK_EQUAL(queued(&t.s), 4);
    acknowledge(&t.s, 14);
    CHECK_EQUAL(queued(&t.s), 0);
    CHECK_EQUAL(t.s.board->node.queue.oldest, 14);
}

static void acknowledgement_inside_a_packet_frees_those_before_it(void)
{
    streaming t;
    if (!take_streaming(&t, 20))
        return;
    t.s.host->credit = 9;
    start(&t.s, 0, 12, 0, 4);
    poll_until_idle(&t.s);
    lose_all(&t.s);
    acknowledge(&t.s, 6);
    CHECK_EQUAL(t.s.board->node.queue.oldest, 4);
    t.s.board->clock_ms += ET_NODE_RESEND_MS;
    poll_until_idle(&t.s);
    expect_windows(&t, 4, 4); /* from the first packet that is not acknowledged as a whole */
    expect_windows(&t, 8, 4);
    acknowledge(&t.s, 5); /* overtaken by a later one */
    CHECK_EQUAL(t.s.board->node.queue.oldest, 4);
    acknowledge(&t.s, 8);
    CHECK_EQUAL(t.s.board->node.queue.oldest, 8);
    acknowledge(&t.s, 12);
    poll_until_idle(&t.s);
    CHECK_EQUAL(t.s.board->node.stream.active, 0);
}

/* Both need the encoder, and what it predicts a packet's next window from: the open packet is closed first. */
static void replayed_signals_do_not_harm_the_open_packet(void)
{
    streaming t;
    if (!take_chained(&t, 400))
        return;
    t.s.host->credit = 9;
    start(&t.s, 0, 12, 10, 6);
    for (unsigned ms = 0; ms < 200; ++ms) {
        poll_until_idle(&t.s);
        if (ms == 15)
            CHECK(works_with(&t.s, &t.b));
        if (ms == 95) {
            expect_windows(&t, 0, 2);
            expect_windows(&t, 2, 6);
            CHECK(works_with(&t.s, &t.b));
        }
        ++t.s.board->clock_ms;
    }
    expect_windows(&t, 8, 2);
    expect_windows(&t, 10, 2);
}

/* Zeros take about a bit each. */
static void packet_holds_255_windows(void)
{
    streaming t;
    et_frame frame;
    et_encoder encoder;
    et_packet_reader reader;
    et_window window;
    float signal[MOST_SAMPLES];
    if (!take_chained(&t, 500))
        return;
    t.from.quiet = 1;
    start(&t.s, 0, 300, 0, 255);
    poll_until_idle(&t.s);
    CHECK(host_take(t.s.host, &frame));
    CHECK_EQUAL(code_windows(&frame), 255);
    if (!take_encoder(t.b.dictionary, &encoder))
        return;
    et_packet_open(&reader, t.b.dictionary, &encoder, frame.payload + CODE_FIELDS, frame.length - CODE_FIELDS, 255);
    for (unsigned i = 0; i < 255; ++i) {
        CHECK_EQUAL(et_packet_next(&reader, signal, &window), ET_OK);
        for (unsigned k = 0; k < t.b.dictionary->m; ++k)
            CHECK(signal[k] == 0.0f);
    }
    CHECK_EQUAL(et_packet_close(&reader), ET_OK);
    CHECK(host_take(t.s.host, &frame));
    CHECK_EQUAL(code_windows(&frame), 45);
    CHECK_EQUAL(code_backlog(&frame), 255); /* that or more */
}

/* A window may have to be sent as it is: 4 bytes a sample, and 4. */
static void dictionary_whose_packets_do_not_fit_a_frame_is_not_used(void)
{
    const unsigned most = (SIMULATED_PAYLOAD - CODE_FIELDS - 4) / 4;
    for (unsigned m = most; m <= most + 1; ++m) {
        bundle b;
        et_dictionary *d = take_dictionary(ET_ATOM_INT8, m, 1, 0, identity_atoms);
        if (d == NULL || !take_codec(d, 1u << ET_WINDOW_DPCM) || !take_bundle_of(&b, d))
            return;
        simulated_board *board =
            take_board(et_node_buffers_size(SIMULATED_PAYLOAD) + et_node_dictionary_size(b.dictionary));
        if (board == NULL)
            return;
        board->config.dictionary = b.bytes;
        board->config.dictionary_size = b.size;
        CHECK_EQUAL(start_board(board), ET_OK);
        CHECK_EQUAL(board->node.has_dictionary, m == most);
    }
}

static void stream_can_be_stopped_and_started_again(void)
{
    streaming t;
    et_frame frame;
    if (!take_streaming(&t, 9))
        return;
    start(&t.s, 0, 0, 0, 3);
    poll_until_idle(&t.s);
    lose_all(&t.s);
    host_send(t.s.host, STOP, "\xa0", 1);
    CHECK_EQUAL(host_take_status(t.s.host).status, ET_OK);
    t.s.board->clock_ms += 1000;
    poll_until_idle(&t.s);
    CHECK(!host_take(t.s.host, &frame));
    start(&t.s, 2, 0, 0, 3); /* from the first that was not acknowledged, an open packet or not */
    poll_until_idle(&t.s);
    expect_windows(&t, 2, 3);
    CHECK(host_hello(t.s.host, 2) || 1); /* codes may be on the wire before its answer */
    lose_all(&t.s);
    t.s.board->clock_ms += 1000;
    poll_until_idle(&t.s);
    CHECK(!host_take(t.s.host, &frame)); /* another session ends the stream */
}

/* The host did not read the answer to the first one, but maybe its packets. */
static void repeated_start_changes_nothing(void)
{
    streaming t;
    et_frame frame;
    if (!take_streaming(&t, 20))
        return;
    t.s.host->credit = 9;
    start(&t.s, 3, 10, 0, 4);
    for (unsigned turn = 0; turn < 6; ++turn)
        et_node_poll(&t.s.board->node);
    expect_windows(&t, 3, 4);
    start(&t.s, 3, 10, 0, 4);
    poll_until_idle(&t.s);
    expect_windows(&t, 7, 4);
    expect_windows(&t, 11, 2);
    CHECK_EQUAL(t.from.reads, 10);
    start(&t.s, 3, 10, 0, 5); /* another one */
    poll_until_idle(&t.s);
    CHECK_EQUAL(t.from.reads, 20);
    lose_all(&t.s);
    start(&t.s, 3, 0, 0, 5);
    start(&t.s, 3, 10, 0, 5);
    poll_until_idle(&t.s);
    CHECK_EQUAL(t.from.reads, 30);
    lose_all(&t.s);
    acknowledge(&t.s, 8);
    start(&t.s, 3, 10, 0, 5); /* the host knows what it has: it means to start anew */
    poll_until_idle(&t.s);
    expect_windows(&t, 3, 5);
    expect_windows(&t, 8, 5);
    CHECK(!host_take(t.s.host, &frame));
}

static void commit_ends_a_stream(void)
{
    streaming t;
    bundle other;
    et_frame frame;
    if (!take_streaming(&t, 4) || !take_bundle(&other, ET_ATOM_INT8, 4, 4))
        return;
    start(&t.s, 0, 0, 400, 16);
    poll_until_idle(&t.s);
    CHECK_EQUAL(host_upload_all(t.s.host, other.bytes, other.size, 48).status, ET_OK);
    t.s.board->clock_ms += 5000;
    poll_until_idle(&t.s);
    CHECK(!host_take(t.s.host, &frame)); /* not even what the open packet held */
    CHECK(works_with(&t.s, &other));
}

static void stream_needs_a_source_and_a_dictionary(void)
{
    session s;
    et_source source = {read_sensor, NULL};
    if (!take_session(&s))
        return;
    CHECK(host_hello(s.host, 1));
    host_start(s.host, 0, 0, 0, 1);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_UNSUPPORTED);
    s.board->config.source = &source;
    host_start(s.host, 0, 0, 0, 1);
    CHECK_EQUAL(host_take_status(s.host).status, ET_ERR_NO_DICTIONARY);
}

static void start_checks_its_fields(void)
{
    streaming t;
    if (!take_streaming(&t, 4))
        return;
    host_send(t.s.host, START, "\xa0", 1);
    CHECK_EQUAL(host_take_status(t.s.host).status, ET_ERR_FORMAT);
    host_send(t.s.host, START, "\xa3\0\0\1\0\2\0", 7); /* without windows a frame */
    CHECK_EQUAL(host_take_status(t.s.host).status, ET_ERR_FORMAT);
    host_start(t.s.host, 0, 0, 0, 0);
    CHECK_EQUAL(host_take_status(t.s.host).status, ET_ERR_ARGUMENT);
    host_start(t.s.host, 0, 0, 0, 256);
    CHECK_EQUAL(host_take_status(t.s.host).status, ET_ERR_ARGUMENT);
    host_start(t.s.host, 0, 0, 0x80000000u, 1); /* beyond the clock's range */
    CHECK_EQUAL(host_take_status(t.s.host).status, ET_ERR_ARGUMENT);
    start(&t.s, 0, 0, 0x7fffffffu, 255);
    poll_until_idle(&t.s);
    CHECK_EQUAL(t.from.reads, 1); /* the first is due at once, the next in 25 days */
    expect_windows(&t, 0, 1);
}

SUITE(node_stream, TEST(stream_sends_every_window_in_order), TEST(packets_hold_as_many_windows_as_asked),
      TEST(packets_end_where_the_next_window_does_not_fit), TEST(stream_survives_lost_packets_and_acknowledgements),
      TEST(chained_packets_survive_them_too), TEST(stream_keeps_its_period), TEST(no_window_waits_longer_than_a_second),
      TEST(silent_source_does_not_hold_an_open_packet_back), TEST(full_queue_drops_the_oldest_and_the_backlog_says_so),
      TEST(lost_packet_costs_only_its_own_windows), TEST(overflowing_queue_never_exceeds_the_hosts_credit),
      TEST(acknowledged_packets_count_no_more_even_if_they_were_dropped),
      TEST(failed_window_ends_its_packet_and_is_reported_alone), TEST(failed_windows_alone_fill_and_leave_the_queue),
      TEST(acknowledgements_of_other_windows_change_nothing),
      TEST(acknowledgement_inside_a_packet_frees_those_before_it), TEST(replayed_signals_do_not_harm_the_open_packet),
      TEST(packet_holds_255_windows), TEST(dictionary_whose_packets_do_not_fit_a_frame_is_not_used),
      TEST(stream_can_be_stopped_and_started_again), TEST(repeated_start_changes_nothing), TEST(commit_ends_a_stream),
      TEST(stream_needs_a_source_and_a_dictionary), TEST(start_checks_its_fields))
