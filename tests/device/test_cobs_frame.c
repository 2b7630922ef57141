/* COBS against Cheshire & Baker's rules, and frames: what is built is parsed, what is changed is refused. */
#include <string.h>

#include "edgetwin/frame.h"
#include "edgetwin/sha256.h"
#include "runner.h"
#include "sink.h"

static size_t encode(const uint8_t *in, size_t size, uint8_t *out)
{
    sink to = {out, 0};
    et_cobs_write(in, size, sink_append, &to);
    return to.size;
}

static void cobs_gives_the_known_encodings(void)
{
    static const struct {
        uint8_t in[4];
        size_t size;
        uint8_t out[6];
        size_t out_size;
    } vectors[] = {
        {{0}, 0, {0x01}, 1},
        {{0x00}, 1, {0x01, 0x01}, 2},
        {{0x00, 0x00}, 2, {0x01, 0x01, 0x01}, 3},
        {{0x00, 0x11, 0x00}, 3, {0x01, 0x02, 0x11, 0x01}, 4},
        {{0x11, 0x22, 0x00, 0x33}, 4, {0x03, 0x11, 0x22, 0x02, 0x33}, 5},
        {{0x11, 0x22, 0x33, 0x44}, 4, {0x05, 0x11, 0x22, 0x33, 0x44}, 5},
        {{0x11, 0x00, 0x00, 0x00}, 4, {0x02, 0x11, 0x01, 0x01, 0x01}, 5},
    };
    for (unsigned i = 0; i < sizeof vectors / sizeof *vectors; ++i) {
        uint8_t out[8];
        CHECK_EQUAL(encode(vectors[i].in, vectors[i].size, out), vectors[i].out_size);
        CHECK_BYTES(out, vectors[i].out, vectors[i].out_size);
    }
}

/* 254 bytes without a zero are the longest run; one byte costs at most one in 254, and one. */
static void cobs_comes_back_at_every_length_around_the_run(void)
{
    uint8_t *in = test_take(600), *out = test_take(700), *back = test_take(600);
    if (in == NULL || out == NULL || back == NULL)
        return;
    for (unsigned kind = 0; kind < 4; ++kind) {
        for (size_t size = 0; size <= 600; size += size > 20 && size < 240 ? 20 : size > 262 && size < 500 ? 7 : 1) {
            uint32_t state = 9;
            size_t back_size = 0;
            for (size_t i = 0; i < size; ++i)
                in[i] = (uint8_t)(kind == 0 ? 1 : kind == 1 ? 0 : test_random(&state) % (kind == 2 ? 3 : 256));
            const size_t out_size = encode(in, size, out);
            test_note("bytes", (int64_t)size);
            CHECK(out_size <= size + size / 254 + 1);
            CHECK(memchr(out, 0, out_size) == NULL);
            CHECK_EQUAL(et_cobs_decode(out, out_size, back, size, &back_size), ET_OK);
            CHECK_EQUAL(back_size, size);
            CHECK_BYTES(back, in, size);
            if (size > 0)
                CHECK_EQUAL(et_cobs_decode(out, out_size, back, size - 1, &back_size), ET_ERR_CAPACITY);
            CHECK_EQUAL(et_cobs_decode(out, out_size, out, size, &back_size), ET_OK); /* in place */
            CHECK_EQUAL(back_size, size);
            CHECK_BYTES(out, in, size);
        }
    }
}

static void what_is_not_cobs_is_refused(void)
{
    static const struct {
        uint8_t bytes[4];
        size_t size;
    } cases[] = {{{0}, 0}, {{0x00}, 1}, {{0x02}, 1}, {{0x03, 0x11}, 2}, {{0x03, 0x11, 0x00}, 3}, {{0xff, 0x11}, 2},
                 {{0x02, 0x11, 0x00}, 3}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; ++i) {
        uint8_t *in = test_take(cases[i].size);
        uint8_t out[8];
        size_t size = 77;
        memcpy(in, cases[i].bytes, cases[i].size);
        test_note("case", i);
        CHECK_EQUAL(et_cobs_decode(in, cases[i].size, out, sizeof out, &size), ET_ERR_FORMAT);
        CHECK_EQUAL(size, 77);
        test_give(in);
    }
}

#define MOST_PAYLOAD 40u

static const uint8_t secret[ET_SHA256_SIZE] = {1, 2, 3};
static const et_frame_key no_key = {NULL, 'h', 0};
static const et_frame_key host_key = {secret, 'h', 0x12345u};

/* A frame with a payload of 0, 1, 2 and so on. */
static size_t build(const et_frame_key *key, unsigned length, uint8_t *raw)
{
    uint8_t payload[MOST_PAYLOAD];
    et_frame frame = {0x07, 0, 3, 0x2345, (uint16_t)length, 0xdeadbeefu, payload};
    size_t size = 0;
    for (unsigned i = 0; i < length; ++i)
        payload[i] = (uint8_t)i;
    CHECK_EQUAL(et_frame_build(&frame, key, raw, ET_FRAME_RAW_SIZE(MOST_PAYLOAD), &size), ET_OK);
    return size;
}

static void built_frames_are_parsed(void)
{
    for (unsigned mac = 0; mac < 2; ++mac) {
        for (unsigned length = 0; length <= MOST_PAYLOAD; ++length) {
            uint8_t raw[ET_FRAME_RAW_SIZE(MOST_PAYLOAD)];
            et_frame frame;
            const size_t size = build(mac ? &host_key : &no_key, length, raw);
            CHECK_EQUAL(size, 16 + length + (mac ? 8u : 0u));
            CHECK_EQUAL(et_frame_parse(raw, size, &frame), ET_OK);
            CHECK_EQUAL(frame.type, 7);
            CHECK_EQUAL(frame.flags, mac);
            CHECK_EQUAL(frame.credit, 3);
            CHECK_EQUAL(frame.sequence, 0x2345);
            CHECK_EQUAL(frame.length, length);
            CHECK_EQUAL(frame.id, 0xdeadbeefu);
            CHECK(frame.payload == raw + ET_FRAME_HEADER);
            for (unsigned i = 0; i < length; ++i)
                CHECK_EQUAL(frame.payload[i], i);
            CHECK_EQUAL(et_frame_check_mac(raw, &frame, &host_key), mac ? ET_OK : ET_ERR_AUTH);
        }
    }
}

static void payload_may_lie_in_place(void)
{
    uint8_t raw[ET_FRAME_RAW_SIZE(4)], copied[ET_FRAME_RAW_SIZE(4)];
    static const uint8_t payload[4] = {9, 8, 7, 6};
    et_frame frame = {1, 0, 1, 1, 4, 0, raw + ET_FRAME_HEADER};
    size_t size = 0;
    memcpy(raw + ET_FRAME_HEADER, payload, 4);
    CHECK_EQUAL(et_frame_build(&frame, &host_key, raw, sizeof raw, &size), ET_OK);
    frame.payload = payload;
    CHECK_EQUAL(et_frame_build(&frame, &host_key, copied, sizeof copied, &size), ET_OK);
    CHECK_EQUAL(size, sizeof raw);
    CHECK_BYTES(raw, copied, size);
    CHECK_EQUAL(et_frame_build(&frame, &host_key, raw, sizeof raw - 1, &size), ET_ERR_CAPACITY);
    CHECK_EQUAL(et_frame_build(&frame, &no_key, raw, sizeof raw - 9, &size), ET_ERR_CAPACITY);
}

static void every_flipped_bit_is_refused(void)
{
    uint8_t raw[ET_FRAME_RAW_SIZE(MOST_PAYLOAD)];
    const size_t size = build(&host_key, 10, raw);
    for (size_t i = 0; i < size; ++i) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            et_frame frame;
            raw[i] ^= (uint8_t)(1u << bit);
            CHECK_EQUAL(et_frame_parse(raw, size, &frame), ET_ERR_CRC);
            raw[i] ^= (uint8_t)(1u << bit);
        }
    }
}

static void every_cut_frame_is_refused(void)
{
    uint8_t whole[ET_FRAME_RAW_SIZE(MOST_PAYLOAD)];
    const size_t size = build(&host_key, 10, whole);
    for (size_t cut = 0; cut < size; ++cut) {
        uint8_t *raw = test_take(cut);
        et_frame frame;
        memcpy(raw, whole, cut);
        CHECK_EQUAL(et_frame_parse(raw, cut, &frame), cut < 16 ? ET_ERR_TRUNCATED : ET_ERR_CRC);
        test_give(raw);
    }
}

/* Sets a byte of a frame and its CRC anew. */
static et_status parse_changed(unsigned offset, unsigned value)
{
    uint8_t raw[ET_FRAME_RAW_SIZE(MOST_PAYLOAD)];
    et_frame frame;
    const size_t size = build(&no_key, 10, raw);
    raw[offset] = (uint8_t)value;
    const uint32_t crc = et_crc32(0, raw, size - 4);
    memcpy(raw + size - 4, &crc, 4);
    return et_frame_parse(raw, size, &frame);
}

static void lengths_and_versions_are_checked_behind_a_right_crc(void)
{
    CHECK_EQUAL(parse_changed(0, 1), ET_ERR_VERSION);
    CHECK_EQUAL(parse_changed(0, 3), ET_ERR_VERSION);
    CHECK_EQUAL(parse_changed(0, 0), ET_ERR_VERSION);
    CHECK_EQUAL(parse_changed(6, 9), ET_ERR_FORMAT);
    CHECK_EQUAL(parse_changed(6, 11), ET_ERR_FORMAT);
    CHECK_EQUAL(parse_changed(7, 0xff), ET_ERR_FORMAT);
    CHECK_EQUAL(parse_changed(2, 1), ET_ERR_FORMAT); /* a MAC that is not there */
    CHECK_EQUAL(parse_changed(2, 2), ET_OK);         /* a flag of tomorrow */
}

/* A forger knows the CRC but not the key. */
static void every_change_under_a_right_crc_fails_the_mac(void)
{
    uint8_t raw[ET_FRAME_RAW_SIZE(MOST_PAYLOAD)];
    et_frame frame;
    const size_t size = build(&host_key, 10, raw);
    for (size_t i = 0; i + ET_FRAME_CRC < size; ++i) {
        raw[i] ^= 0x04;
        const uint32_t crc = et_crc32(0, raw, size - 4);
        memcpy(raw + size - 4, &crc, 4);
        if (et_frame_parse(raw, size, &frame) == ET_OK)
            CHECK_EQUAL(et_frame_check_mac(raw, &frame, &host_key), ET_ERR_AUTH);
        raw[i] ^= 0x04;
    }
    const uint32_t crc = et_crc32(0, raw, size - 4);
    memcpy(raw + size - 4, &crc, 4);
    CHECK_EQUAL(et_frame_parse(raw, size, &frame), ET_OK);
    CHECK_EQUAL(et_frame_check_mac(raw, &frame, &host_key), ET_OK);
    const et_frame_key other_direction = {secret, 'n', host_key.sequence};
    const et_frame_key other_turn = {secret, 'h', host_key.sequence + 0x10000u}; /* the same low half */
    CHECK_EQUAL(et_frame_check_mac(raw, &frame, &other_direction), ET_ERR_AUTH);
    CHECK_EQUAL(et_frame_check_mac(raw, &frame, &other_turn), ET_ERR_AUTH);
}

static void wire_size_bounds_every_frame(void)
{
    uint8_t *raw = test_take(ET_FRAME_RAW_SIZE(700)), *out = test_take(ET_FRAME_WIRE_SIZE(700));
    if (raw == NULL || out == NULL)
        return;
    for (unsigned length = 200; length <= 700; ++length) {
        memset(raw, 1, ET_FRAME_RAW_SIZE(length)); /* no zero: the longest encoding */
        CHECK(encode(raw, ET_FRAME_RAW_SIZE(length), out) + 1 <= ET_FRAME_WIRE_SIZE(length));
    }
}

SUITE(cobs_frame, TEST(cobs_gives_the_known_encodings), TEST(cobs_comes_back_at_every_length_around_the_run),
      TEST(what_is_not_cobs_is_refused), TEST(built_frames_are_parsed), TEST(payload_may_lie_in_place),
      TEST(every_flipped_bit_is_refused), TEST(every_cut_frame_is_refused),
      TEST(lengths_and_versions_are_checked_behind_a_right_crc), TEST(every_change_under_a_right_crc_fails_the_mac),
      TEST(wire_size_bounds_every_frame))
