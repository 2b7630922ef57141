/* device/vectors.json, as the Python tests run it: what both sides must agree on, byte for byte. */
#include "vectors.h"

#include <string.h>

#include "edgetwin/encode.h"
#include "edgetwin/frame.h"
#include "edgetwin/sha256.h"
#include "problem.h"
#include "runner.h"
#include "sink.h"

#define COUNT(vectors) (sizeof(vectors) / sizeof *(vectors))

static uint8_t *take_copy(vector_bytes of)
{
    uint8_t *copy = test_take(of.size);
    if (copy != NULL)
        memcpy(copy, of.bytes, of.size);
    return copy;
}

static void cobs_vectors_hold(void)
{
    for (unsigned i = 0; i < COUNT(cobs_vectors); ++i) {
        const vector_bytes decoded = cobs_vectors[i].decoded, encoded = cobs_vectors[i].encoded;
        sink out = {test_take(encoded.size + 4), 0};
        size_t size = 0;
        if (out.bytes == NULL)
            return;
        test_note("vector", i);
        et_cobs_write(decoded.bytes, decoded.size, sink_append, &out);
        CHECK_EQUAL(out.size, encoded.size);
        CHECK_BYTES(out.bytes, encoded.bytes, encoded.size);
        CHECK_EQUAL(et_cobs_decode(encoded.bytes, encoded.size, out.bytes, decoded.size, &size), ET_OK);
        CHECK_EQUAL(size, decoded.size);
        CHECK_BYTES(out.bytes, decoded.bytes, decoded.size);
        test_give(out.bytes);
    }
}

static void crc32_vectors_hold(void)
{
    for (unsigned i = 0; i < COUNT(crc32_vectors); ++i)
        CHECK_EQUAL(et_crc32(0, crc32_vectors[i].data.bytes, crc32_vectors[i].data.size), crc32_vectors[i].crc32);
}

static void hmac_vectors_hold(void)
{
    for (unsigned i = 0; i < COUNT(hmac_vectors); ++i) {
        uint8_t mac[ET_SHA256_SIZE];
        et_hmac hmac;
        et_hmac_init(&hmac, hmac_vectors[i].key.bytes, hmac_vectors[i].key.size);
        et_hmac_update(&hmac, hmac_vectors[i].data.bytes, hmac_vectors[i].data.size);
        et_hmac_final(&hmac, mac);
        test_note("vector", i);
        CHECK_BYTES(mac, hmac_vectors[i].hmac.bytes, sizeof mac);
    }
}

static void frame_vectors_hold(void)
{
    for (unsigned i = 0; i < COUNT(frames_vectors); ++i) {
        const vector_bytes payload = frames_vectors[i].payload, wire = frames_vectors[i].wire;
        const et_frame_key key = {frames_vectors[i].key.bytes, (uint8_t)frames_vectors[i].direction,
                                  frames_vectors[i].sequence};
        const et_frame frame = {(uint8_t)frames_vectors[i].type,
                                0,
                                (uint8_t)frames_vectors[i].credit,
                                (uint16_t)frames_vectors[i].sequence,
                                (uint16_t)payload.size,
                                frames_vectors[i].id,
                                payload.bytes};
        const size_t capacity = ET_FRAME_RAW_SIZE(payload.size);
        uint8_t *raw = test_take(capacity);
        sink out = {test_take(ET_FRAME_WIRE_SIZE(payload.size)), 0};
        et_frame parsed;
        size_t size = 0;
        if (raw == NULL || out.bytes == NULL)
            return;
        test_note("vector", i);
        CHECK_EQUAL(et_frame_build(&frame, &key, raw, capacity, &size), ET_OK);
        et_cobs_write(raw, size, sink_append, &out);
        sink_append(&out, (const uint8_t *)"", 1);
        CHECK_EQUAL(out.size, wire.size);
        CHECK_BYTES(out.bytes, wire.bytes, wire.size);

        CHECK_EQUAL(et_cobs_decode(wire.bytes, wire.size - 1, raw, capacity, &size), ET_OK);
        CHECK_EQUAL(et_frame_parse(raw, size, &parsed), ET_OK);
        CHECK_EQUAL(parsed.type, frame.type);
        CHECK_EQUAL(parsed.credit, frame.credit);
        CHECK_EQUAL(parsed.sequence, frame.sequence);
        CHECK_EQUAL(parsed.id, frame.id);
        CHECK_EQUAL(parsed.length, frame.length);
        CHECK_BYTES(parsed.payload, payload.bytes, payload.size);
        if (key.key != NULL)
            CHECK_EQUAL(et_frame_check_mac(raw, &parsed, &key), ET_OK);
        test_give(out.bytes);
        test_give(raw);
    }
}

static void bundle_vectors_hold(void)
{
    for (unsigned i = 0; i < COUNT(bundles_vectors); ++i) {
        uint8_t *bytes = take_copy(bundles_vectors[i].bundle);
        et_dictionary dictionary;
        if (bytes == NULL)
            return;
        const et_status status = et_dictionary_open(bytes, bundles_vectors[i].bundle.size, &dictionary);
        test_note("vector", i);
        CHECK_EQUAL(status, bundles_vectors[i].status);
        if (status == ET_OK) {
            CHECK_EQUAL(dictionary.id, bundles_vectors[i].id);
            CHECK_EQUAL(dictionary.m, bundles_vectors[i].m);
            CHECK_EQUAL(dictionary.n, bundles_vectors[i].n);
        }
        test_give(bytes);
    }
}

static void code_vectors_hold(void)
{
    for (unsigned i = 0; i < COUNT(codes_vectors); ++i) {
        const vector_bytes bundle = bundles_vectors[codes_vectors[i].bundle].bundle, code = codes_vectors[i].code;
        uint8_t *bytes = take_copy(bundle), *signal = take_copy(codes_vectors[i].signal), *out = NULL;
        et_dictionary dictionary;
        et_encoder encoder;
        et_omp_result result;
        et_packet packet;
        et_packet_reader reader;
        et_window window;
        test_note("vector", i);
        if (bytes == NULL || signal == NULL)
            return;
        CHECK_EQUAL(et_dictionary_open(bytes, bundle.size, &dictionary), ET_OK);
        const size_t capacity = et_packet_window_size(&dictionary);
        if (!take_encoder(&dictionary, &encoder) || (out = test_take(capacity)) == NULL)
            return;
        const et_status status = et_encode(&dictionary, &encoder, (float *)(void *)signal, &result);
        CHECK_EQUAL(status, codes_vectors[i].status);
        if (status == ET_OK) {
            et_packet_begin(&packet, &dictionary, &encoder, out, capacity);
            CHECK_EQUAL(et_packet_add(&packet, (const float *)(void *)signal, result.count), ET_OK);
            CHECK_EQUAL(et_packet_end(&packet), code.size);
            CHECK_BYTES(out, code.bytes, code.size);
            et_packet_open(&reader, &dictionary, &encoder, code.bytes, code.size, 1);
            CHECK_EQUAL(et_packet_next(&reader, (float *)(void *)signal, &window), ET_OK);
            CHECK_EQUAL(et_packet_close(&reader), ET_OK);
        }
        test_give(out);
        test_give(encoder.workspace);
        test_give(signal);
        test_give(bytes);
    }
}

static void packet_vectors_hold(void)
{
    for (unsigned i = 0; i < COUNT(packets_vectors); ++i) {
        const vector_bytes bundle = bundles_vectors[packets_vectors[i].bundle].bundle,
                           expected = packets_vectors[i].packet;
        const unsigned windows = packets_vectors[i].windows;
        uint8_t *bytes = take_copy(bundle), *signals = take_copy(packets_vectors[i].signals), *out = NULL;
        et_dictionary d;
        et_encoder encoder;
        et_packet packet;
        et_packet_reader reader;
        et_window window;
        test_note("vector", i);
        if (bytes == NULL || signals == NULL)
            return;
        CHECK_EQUAL(et_dictionary_open(bytes, bundle.size, &d), ET_OK);
        const size_t capacity = windows * et_packet_window_size(&d);
        if (!take_encoder(&d, &encoder) || (out = test_take(capacity)) == NULL)
            return;
        et_packet_begin(&packet, &d, &encoder, out, capacity);
        for (unsigned w = 0; w < windows; ++w) {
            float *signal = (float *)(void *)signals + w * d.m;
            et_omp_result result;
            CHECK_EQUAL(et_encode(&d, &encoder, signal, &result), ET_OK);
            CHECK_EQUAL(et_packet_add(&packet, signal, result.count), ET_OK);
        }
        CHECK_EQUAL(et_packet_end(&packet), expected.size);
        CHECK_BYTES(out, expected.bytes, expected.size);
        et_packet_open(&reader, &d, &encoder, expected.bytes, expected.size, windows);
        for (unsigned w = 0; w < windows; ++w)
            CHECK_EQUAL(et_packet_next(&reader, (float *)(void *)signals, &window), ET_OK);
        CHECK_EQUAL(et_packet_close(&reader), ET_OK);
        test_give(out);
        test_give(encoder.workspace);
        test_give(signals);
        test_give(bytes);
    }
}

SUITE(vectors, TEST(cobs_vectors_hold), TEST(crc32_vectors_hold), TEST(hmac_vectors_hold), TEST(frame_vectors_hold),
      TEST(bundle_vectors_hold), TEST(code_vectors_hold), TEST(packet_vectors_hold))
