/* Packets: every kind of window comes back as it was coded, in any company; what is no packet is refused by name or is another
 * packet, and never leads out of its bytes. */
#include "edgetwin/packet.h"

#include <math.h>
#include <string.h>

#include "problem.h"
#include "runner.h"

#define STEP 0.0625f /* of problem.c's codecs */
#define SPARSE 1u    /* kinds, as bits */
#define DCT 2u
#define DPCM 4u
#ifndef RANDOM_PACKETS
#define RANDOM_PACKETS 1000 /* test_device.py asks one of its runs for a million */
#endif
/* Of shapes, cuts and flips every one is tried on a host, every seventh on a board, which takes a thousand times as long. */
#ifdef __arm__
#define STRIDE 7u
#else
#define STRIDE 1u
#endif

/* A dictionary, its scratch, and a packet of up to `windows` windows. */
typedef struct coder {
    et_dictionary *d;
    et_encoder encoder;
    float *signals, *decoded; /* windows x m */
    float *signal;            /* m */
    uint8_t *bytes;
    size_t capacity, size;
    unsigned windows;
} coder;

/* Nonzero if there was memory. Signals are random in [-1, 1). */
static int take_coder(coder *c, et_dictionary *d, unsigned windows)
{
    uint32_t state = 0x9e3779b9u ^ (uint32_t)d->m << 8 ^ d->s;
    c->d = d;
    c->windows = windows;
    c->capacity = windows * et_packet_window_size(d);
    c->size = 0;
    c->signals = test_take(windows * d->m * sizeof *c->signals);
    c->decoded = test_take(windows * d->m * sizeof *c->decoded);
    c->signal = test_take(d->m * sizeof *c->signal);
    c->bytes = test_take(c->capacity);
    if (c->signals == NULL || c->decoded == NULL || c->signal == NULL || c->bytes == NULL ||
        !take_encoder(d, &c->encoder))
        return 0;
    for (unsigned i = 0; i < windows * d->m; ++i)
        c->signals[i] = test_random_float(&state);
    return 1;
}

/* A dictionary with a codec of these kinds, packed if there are none. */
static et_dictionary *take_coded(unsigned m, unsigned n, unsigned s, unsigned channels, unsigned kinds)
{
    static const float offsets[] = {0.0f, 0.0f, 0.0f}, gains[] = {1.0f, 1.0f, 1.0f};
    et_dictionary *d = take_dictionary(ET_ATOM_INT8, m, n, s, random_atoms);
    if (d == NULL)
        return NULL;
    d->channels = (uint16_t)channels;
    d->offsets = offsets;
    d->gains = gains;
    return kinds == 0 || take_codec(d, kinds) ? d : NULL;
}

/* What lies in the scratch must not matter from one packet to the next, nor between board and host. */
static void poison(coder *c, uint8_t value) { memset(c->encoder.workspace, value, et_encoder_size(c->d)); }

static et_status add(coder *c, et_packet *packet, const float *signal)
{
    et_omp_result result;
    memcpy(c->signal, signal, c->d->m * sizeof *signal);
    const et_status status = et_encode(c->d, &c->encoder, c->signal, &result);
    return status == ET_OK ? et_packet_add(packet, c->signal, result.count) : status;
}

static void encode(coder *c)
{
    et_packet packet;
    poison(c, 0x55);
    et_packet_begin(&packet, c->d, &c->encoder, c->bytes, c->capacity);
    for (unsigned w = 0; w < c->windows; ++w)
        CHECK_EQUAL(add(c, &packet, c->signals + w * c->d->m), ET_OK);
    c->size = et_packet_end(&packet);
    CHECK(c->size <= c->capacity);
}

/* Decodes `windows` windows of these bytes; kinds as bits. */
static et_status decode(coder *c, const uint8_t *bytes, size_t size, unsigned windows, unsigned *kinds)
{
    et_packet_reader reader;
    et_window window;
    *kinds = 0;
    et_packet_open(&reader, c->d, &c->encoder, bytes, size, windows);
    for (unsigned w = 0; w < windows; ++w) {
        const et_status status = et_packet_next(&reader, c->decoded + w * c->d->m, &window);
        if (status != ET_OK)
            return status;
        CHECK(window.kind < ET_WINDOW_KINDS && window.count <= code_atoms(c->d));
        *kinds |= 1u << window.kind;
    }
    return et_packet_close(&reader);
}

/* Encodes and decodes; the kinds that were used, as bits. What the next window would be predicted from is the same to the
 * last bit on both sides. */
static unsigned there_and_back(coder *c)
{
    const size_t chain_size = (size_t)((uint8_t *)c->encoder.support - (uint8_t *)c->encoder.chain);
    unsigned kinds;
    encode(c);
    uint8_t *copy = test_take(c->size); /* of its own, so that the sanitizer sees a read beyond */
    uint8_t *chain = test_take(chain_size);
    if (copy == NULL || chain == NULL)
        return 0;
    memcpy(copy, c->bytes, c->size);
    memcpy(chain, c->encoder.chain, chain_size);
    poison(c, 0xaa);
    CHECK_EQUAL(decode(c, copy, c->size, c->windows, &kinds), ET_OK);
    if (c->d->entropy.chained)
        CHECK_BYTES(c->encoder.chain, chain, chain_size);
    test_give(chain);
    test_give(copy);
    return kinds;
}

/* Largest error of a sample. */
static float largest_error(const coder *c)
{
    float most = 0.0f;
    for (unsigned i = 0; i < c->windows * c->d->m; ++i)
        most = fmaxf(most, fabsf(c->decoded[i] - c->signals[i]));
    return most;
}

/* Squared error of all windows. */
static float energy_of_error(const coder *c)
{
    float sum = 0.0f;
    for (unsigned i = 0; i < c->windows * c->d->m; ++i)
        sum += (c->decoded[i] - c->signals[i]) * (c->decoded[i] - c->signals[i]);
    return sum;
}

static const unsigned shapes[][2] = {{1, 1},  {2, 1},  {2, 2},  {3, 1},  {3, 3},  {4, 1},  {5, 1},
                                     {7, 1},  {8, 2},  {9, 3},  {12, 1}, {13, 1}, {16, 1}, {15, 3},
                                     {24, 2}, {31, 1}, {32, 1}, {35, 1}, {36, 3}};
#define SHAPES (sizeof shapes / sizeof *shapes)

/* Runs `check` for each shape, alone and chained, with means taken off and not. */
static void for_each_codec(unsigned kinds, unsigned s, unsigned order, void (*check)(coder *c))
{
    for (unsigned i = 0; i < SHAPES; i += STRIDE) {
        for (unsigned flags = 0; flags < 4; ++flags) {
            coder c;
            et_dictionary *d = take_coded(shapes[i][0], shapes[i][0] + 3, s, shapes[i][1], kinds);
            if (d == NULL)
                return;
            d->entropy.chained = flags & 1u;
            d->entropy.centred = flags >> 1 & 1u;
            d->entropy.order = (uint8_t)order;
            if (!take_coder(&c, d, 5))
                return;
            test_note("10 m + flags", shapes[i][0] * 10 + flags);
            check(&c);
            test_give(c.encoder.workspace);
            test_give(c.bytes);
            test_give(c.signal);
            test_give(c.decoded);
            test_give(c.signals);
            if (kinds != 0) {
                test_give((void *)(uintptr_t)d->entropy.mean_magnitudes);
                test_give((void *)(uintptr_t)d->entropy.cosines);
            }
            test_give((void *)(uintptr_t)d->atoms);
            test_give((void *)(uintptr_t)d->scales);
            test_give(d);
        }
    }
}

static void check_dpcm(coder *c)
{
    CHECK_EQUAL(there_and_back(c), DPCM);
    CHECK(largest_error(c) <= 0.5001f * STEP);
    for (unsigned i = 0; i < c->windows * c->d->m; ++i)
        CHECK(c->decoded[i] == STEP * rintf(c->decoded[i] / STEP));
}

static void dpcm_comes_back_within_half_a_step_whatever_its_order(void)
{
    for (unsigned order = 0; order <= ET_MOST_ORDER; ++order)
        for_each_codec(DPCM, 0, order, check_dpcm);
}

/* Orthonormal: the error is that of the coefficients, less than a step each. */
static void check_dct(coder *c)
{
    CHECK_EQUAL(there_and_back(c), DCT);
    CHECK(energy_of_error(c) <= STEP * STEP * (float)(c->windows * c->d->m));
}

static void dct_comes_back_at_any_length(void) { for_each_codec(DCT, 0, 0, check_dct); }

/* With as many atoms as there are samples nothing is left but the coefficients' steps, through a basis that may be bad. */
static void check_sparse(coder *c)
{
    et_omp_result result;
    float *rebuilt = test_take(c->d->m * sizeof *rebuilt);
    if (rebuilt == NULL)
        return;
    CHECK_EQUAL(there_and_back(c), SPARSE);
    for (unsigned w = 0; w < c->windows; ++w) { /* by the definition: means, and steps of the coefficients */
        memcpy(c->signal, c->signals + w * c->d->m, c->d->m * sizeof *c->signal);
        CHECK_EQUAL(et_encode(c->d, &c->encoder, c->signal, &result), ET_OK);
        for (unsigned i = 0; i < c->d->m; ++i)
            rebuilt[i] = (float)c->encoder.means[i % c->d->channels] * c->d->entropy.mean_step;
        for (unsigned k = 0; k < result.count; ++k) {
            const float x = c->encoder.coefficients[k], q = floorf(fabsf(x) / STEP + 112.0f / 256.0f) * STEP;
            for (unsigned i = 0; i < c->d->m; ++i)
                rebuilt[i] += (x < 0.0f ? -q : q) * atom_element(c->d, c->encoder.support[k], i);
        }
        for (unsigned i = 0; i < c->d->m; ++i)
            CHECK(fabsf(rebuilt[i] - c->decoded[w * c->d->m + i]) <= 1e-4f * (1.0f + fabsf(rebuilt[i])));
    }
    test_give(rebuilt);
}

static void sparse_codes_come_back_from_none_to_all_atoms(void)
{
    for_each_codec(SPARSE, 0, 0, check_sparse);
    for_each_codec(SPARSE, 3, 0, check_sparse);
    for_each_codec(SPARSE, 64, 0, check_sparse);
}

static void check_any(coder *c)
{
    const unsigned kinds = there_and_back(c);
    CHECK(kinds != 0 && (kinds & ~(ALL_KINDS | 1u << ET_WINDOW_RAW)) == 0);
}

static void all_kinds_go_together(void) { for_each_codec(ALL_KINDS, 3, 3, check_any); }

/* What no kind can take is sent as it is: every bit, where no mean was taken off. */
static void check_raw(coder *c)
{
    uint32_t state = 31;
    for (unsigned i = 0; i < c->windows * c->d->m; ++i)
        c->signals[i] = ldexpf(1.0f + test_random_float(&state) / 2.0f, (int)(test_random(&state) % 24) + 100);
    CHECK_EQUAL(there_and_back(c), 1u << ET_WINDOW_RAW);
    CHECK(c->size <= c->windows * (4u * c->d->m + 2u));
    for (unsigned i = 0; i < c->windows * c->d->m; ++i)
        if (c->d->entropy.centred)
            CHECK(fabsf(c->decoded[i] - c->signals[i]) <= ldexpf(fabsf(c->signals[i]), -22));
        else
            CHECK(c->decoded[i] == c->signals[i]);
}

static void huge_windows_are_raw(void) { for_each_codec(ALL_KINDS, 3, 3, check_raw); }

static void check_denormals_and_constants(coder *c)
{
    const unsigned m = c->d->m;
    memset(c->signals, 0, m * sizeof *c->signals);
    for (unsigned i = 0; i < m; ++i) {
        c->signals[m + i] = ldexpf(i % 2 == 0 ? 1.0f : -3.0f, -149);
        c->signals[2 * m + i] = -1234.5f;
        c->signals[3 * m + i] = i == 0 ? 1000.0f : 0.0f;
        c->signals[4 * m + i] = -0.0f;
    }
    there_and_back(c);
    for (unsigned i = 0; i < m; ++i) {
        CHECK(fabsf(c->decoded[i]) <= 1e-6f && fabsf(c->decoded[m + i]) <= 1e-6f);
        CHECK(fabsf(c->decoded[2 * m + i] + 1234.5f) <= STEP * sqrtf((float)m));
        CHECK(fabsf(c->decoded[4 * m + i]) <= 1e-6f);
    }
}

static void zero_denormal_and_constant_windows_come_back(void)
{
    for_each_codec(DCT, 3, 3, check_denormals_and_constants);
    for_each_codec(DPCM, 3, 3, check_denormals_and_constants);
    for_each_codec(SPARSE | DCT | DPCM, 3, 3, check_denormals_and_constants);
}

static void integers_to_2_23_are_lossless(void)
{
    coder c;
    uint32_t state = 4;
    et_dictionary *d = take_coded(16, 1, 0, 2, DPCM);
    if (d == NULL)
        return;
    d->entropy.chained = 1; /* the scratch is that of the larger one */
    if (!take_coder(&c, d, 6))
        return;
    for (unsigned kind = 0; kind < ET_CODED_KINDS; ++kind)
        d->entropy.steps[kind] = d->entropy.per_step[kind] = 1.0f;
    for (unsigned chained = 0; chained < 2; ++chained) {
        d->entropy.chained = (uint8_t)chained;
        et_encoder_place(&c.encoder, d, c.encoder.workspace);
        for (unsigned bits = 1; bits <= 24; ++bits) {
            for (unsigned i = 0; i < 6 * 16; ++i)
                c.signals[i] = (float)((int32_t)(test_random(&state) >> (32 - bits)) - (1 << (bits - 1)));
            c.signals[7] = -8388608.0f;
            c.signals[8] = 8388607.0f;
            there_and_back(&c);
            test_note("bits", bits);
            CHECK_BYTES(c.decoded, c.signals, 6 * 16 * sizeof(float));
        }
    }
}

static void packed_codes_go_in_packets_too(void)
{
    coder c;
    unsigned kinds;
    et_dictionary *d = take_coded(8, 8, 4, 1, 0);
    if (d == NULL)
        return;
    d->s = 8;
    if (!take_coder(&c, d, 7))
        return;
    CHECK_EQUAL(there_and_back(&c), SPARSE);
    for (unsigned w = 0; w < 7; ++w) {
        unsigned count = 0;
        size_t used = 0, at = 0;
        for (unsigned before = 0; before <= w; ++before, at += used)
            CHECK_EQUAL(
                et_code_unpack(d, c.bytes + at, c.size - at, c.encoder.support, c.encoder.coefficients, &count, &used),
                ET_OK);
    }
    for (size_t cut = 0; cut < c.size; ++cut)
        CHECK_EQUAL(decode(&c, c.bytes, cut, 7, &kinds), ET_ERR_TRUNCATED);
    CHECK_EQUAL(decode(&c, c.bytes, c.size, 6, &kinds), ET_ERR_FORMAT);
}

/* A window that does not fit leaves the packet as it was, and is the first of the next one. */
static void check_full(coder *c)
{
    et_packet packet;
    encode(c);
    const size_t whole = c->size;
    for (size_t capacity = 0; capacity <= whole; capacity += STRIDE) {
        uint8_t *bytes = test_take(capacity), *few = test_take(c->capacity);
        unsigned kinds, fitting = 0;
        if (bytes == NULL || few == NULL)
            return;
        poison(c, 0x33);
        et_packet_begin(&packet, c->d, &c->encoder, bytes, capacity);
        et_status status = ET_OK;
        while (status == ET_OK && fitting < c->windows)
            fitting += (status = add(c, &packet, c->signals + fitting * c->d->m)) == ET_OK;
        CHECK(status == ET_OK || status == ET_ERR_CAPACITY);
        const size_t size = et_packet_end(&packet);
        CHECK(size <= capacity);
        CHECK_EQUAL(decode(c, bytes, size, fitting, &kinds), ET_OK);

        et_packet_begin(&packet, c->d, &c->encoder, few, c->capacity);
        for (unsigned w = 0; w < fitting; ++w)
            CHECK_EQUAL(add(c, &packet, c->signals + w * c->d->m), ET_OK);
        CHECK_EQUAL(et_packet_end(&packet), size);
        CHECK_BYTES(bytes, few, size);
        test_give(few);
        test_give(bytes);
    }
}

static void window_that_does_not_fit_leaves_the_packet_as_it_was(void) { for_each_codec(ALL_KINDS, 3, 3, check_full); }

/* The same after a refusal, without coding the window anew. */
static void refused_window_begins_the_next_packet(void)
{
    coder c;
    et_packet packet;
    et_omp_result result;
    uint8_t first[12], next[100], alone[100];
    et_dictionary *d = take_coded(16, 20, 4, 1, ALL_KINDS);
    if (d == NULL)
        return;
    d->entropy.chained = 1;
    if (!take_coder(&c, d, 6))
        return;
    et_packet_begin(&packet, d, &c.encoder, first, sizeof first);
    unsigned w = 0;
    et_status status = ET_OK;
    for (; status == ET_OK && w < 6; ++w) {
        memcpy(c.signal, c.signals + w * 16, 64);
        CHECK_EQUAL(et_encode(d, &c.encoder, c.signal, &result), ET_OK);
        status = et_packet_add(&packet, c.signal, result.count);
    }
    CHECK_EQUAL(status, ET_ERR_CAPACITY);
    et_packet_end(&packet);
    et_packet_begin(&packet, d, &c.encoder, next, sizeof next);
    CHECK_EQUAL(et_packet_add(&packet, c.signal, result.count), ET_OK);
    const size_t size = et_packet_end(&packet);
    et_packet_begin(&packet, d, &c.encoder, alone, sizeof alone);
    CHECK_EQUAL(add(&c, &packet, c.signals + (w - 1) * 16), ET_OK);
    CHECK_EQUAL(et_packet_end(&packet), size);
    CHECK_BYTES(next, alone, size);
}

static void packet_holds_255_windows(void)
{
    coder c;
    et_packet packet;
    unsigned kinds;
    et_dictionary *d = take_coded(2, 3, 1, 1, ALL_KINDS);
    if (d == NULL)
        return;
    d->entropy.chained = 1;
    if (!take_coder(&c, d, ET_PACKET_WINDOWS))
        return;
    CHECK(there_and_back(&c) != 0);
    et_packet_begin(&packet, d, &c.encoder, c.bytes, c.capacity);
    for (unsigned w = 0; w < ET_PACKET_WINDOWS; ++w)
        CHECK_EQUAL(add(&c, &packet, c.signals + w * 2), ET_OK);
    CHECK_EQUAL(add(&c, &packet, c.signals), ET_ERR_CAPACITY);
    CHECK_EQUAL(et_packet_end(&packet), c.size);
    CHECK_EQUAL(decode(&c, c.bytes, c.size, ET_PACKET_WINDOWS, &kinds), ET_OK);
}

static void window_with_nan_or_infinity_is_not_coded(void)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    static const unsigned kinds[] = {0, DPCM, ALL_KINDS};
    for (unsigned k = 0; k < 3; ++k) {
        coder c;
        et_omp_result result = {77, 0.0f};
        et_dictionary *d = take_coded(6, 8, 2, 2, kinds[k]);
        if (d == NULL || !take_coder(&c, d, 1))
            return;
        for (unsigned i = 0; i < 3; ++i) {
            memcpy(c.signal, c.signals, 24);
            c.signal[i] = bad[i];
            CHECK_EQUAL(et_encode(d, &c.encoder, c.signal, &result), ET_ERR_NOT_FINITE);
            CHECK_EQUAL(result.count, 77);
        }
    }
}

static void reading_beyond_the_windows_is_refused(void)
{
    coder c;
    et_packet_reader reader;
    et_window window;
    et_dictionary *d = take_coded(4, 4, 2, 1, ALL_KINDS);
    if (d == NULL || !take_coder(&c, d, 2))
        return;
    encode(&c);
    et_packet_open(&reader, d, &c.encoder, c.bytes, c.size, 2);
    CHECK_EQUAL(et_packet_close(&reader), ET_ERR_ARGUMENT);
    CHECK_EQUAL(et_packet_next(&reader, c.decoded, &window), ET_OK);
    CHECK_EQUAL(et_packet_next(&reader, c.decoded, &window), ET_OK);
    CHECK_EQUAL(et_packet_next(&reader, c.decoded, &window), ET_ERR_ARGUMENT);
    CHECK_EQUAL(et_packet_close(&reader), ET_OK);
    et_packet_open(&reader, d, &c.encoder, c.bytes, 0, 0);
    CHECK_EQUAL(et_packet_close(&reader), ET_OK);
    et_packet_open(&reader, d, &c.encoder, c.bytes, 1, 0);
    CHECK_EQUAL(et_packet_close(&reader), ET_ERR_FORMAT);
}

static int is_verdict(et_status status)
{
    return status == ET_OK || status == ET_ERR_FORMAT || status == ET_ERR_TRUNCATED || status == ET_ERR_CODEC;
}

/* Cut, longer, flipped, and under another dictionary. A packet has nothing to spare that would tell: a frame's or a file's
 * CRC does. Here it must only be safe, and a byte too many is refused. */
static void check_damaged(coder *c)
{
    unsigned kinds;
    encode(c);
    for (size_t cut = 0; cut < c->size; cut += STRIDE) {
        uint8_t *bytes = test_take(cut);
        if (bytes == NULL)
            return;
        memcpy(bytes, c->bytes, cut);
        CHECK(is_verdict(decode(c, bytes, cut, c->windows, &kinds)));
        test_give(bytes);
    }
    uint8_t *bytes = test_take(c->size + 9);
    if (bytes == NULL)
        return;
    memcpy(bytes, c->bytes, c->size);
    for (unsigned extra = 0; extra < 256; extra += 17) {
        memset(bytes + c->size, (int)extra, 9);
        CHECK_EQUAL(decode(c, bytes, c->size + 9, c->windows, &kinds), ET_ERR_FORMAT);
    }
    for (size_t bit = 0; bit < 8 * c->size; bit += STRIDE) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK(is_verdict(decode(c, bytes, c->size, c->windows, &kinds)));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    const et_codec own = c->d->entropy;
    c->d->entropy.rounding ^= 0x80;
    c->d->entropy.dpcm_first += 999;
    c->d->entropy.order = ET_MOST_ORDER - own.order;
    c->d->entropy.steps[ET_WINDOW_DCT] *= 3.0f;
    if (!c->d->entropy.chained) /* else the scratch would have another size */
        CHECK(is_verdict(decode(c, bytes, c->size, c->windows, &kinds)));
    c->d->entropy = own;
    test_give(bytes);
}

static void damaged_packets_do_no_harm(void)
{
    for_each_codec(SPARSE, 3, 3, check_damaged);
    for_each_codec(DCT, 3, 3, check_damaged);
    for_each_codec(DPCM, 3, 3, check_damaged);
    for_each_codec(ALL_KINDS, 3, 3, check_damaged);
    for_each_codec(0, 3, 3, check_damaged);
}

static void random_packets_do_no_harm(void)
{
    uint32_t state = 1;
    coder coders[4];
    for (unsigned i = 0; i < 4; ++i) {
        et_dictionary *d = take_coded(6, 12, 4, 1 + i % 2, i < 3 ? ALL_KINDS : 0);
        if (d == NULL)
            return;
        d->entropy.chained = i >> 1 & 1u;
        d->entropy.centred = i & 1u;
        d->entropy.order = (uint8_t)(3 * i);
        if (!take_coder(&coders[i], d, 3))
            return;
    }
    uint8_t *bytes = test_take(40);
    if (bytes == NULL)
        return;
    for (uint32_t round = 0; round < RANDOM_PACKETS; ++round) {
        coder *c = &coders[round % 4];
        unsigned kinds;
        const size_t size = test_random(&state) % 40;
        const uint8_t mask = round % 16 == 0 ? 0xff : 0; /* magnitudes are the largest where all bits are */
        for (size_t i = 0; i < size; i += 4) {
            const uint32_t word = test_random(&state);
            for (size_t k = 0; k < 4; ++k)
                bytes[40 - size + i + k < 40 ? 40 - size + i + k : 39] = (uint8_t)(word >> 8 * k | mask);
        }
        /* At the block's end, so that the sanitizer sees a read beyond. */
        CHECK(is_verdict(decode(c, bytes + 40 - size, size, 1 + round % 3, &kinds)));
    }
}

SUITE(packet, TEST(dpcm_comes_back_within_half_a_step_whatever_its_order), TEST(dct_comes_back_at_any_length),
      TEST(sparse_codes_come_back_from_none_to_all_atoms), TEST(all_kinds_go_together), TEST(huge_windows_are_raw),
      TEST(zero_denormal_and_constant_windows_come_back), TEST(integers_to_2_23_are_lossless),
      TEST(packed_codes_go_in_packets_too), TEST(window_that_does_not_fit_leaves_the_packet_as_it_was),
      TEST(refused_window_begins_the_next_packet), TEST(packet_holds_255_windows),
      TEST(window_with_nan_or_infinity_is_not_coded), TEST(reading_beyond_the_windows_is_refused),
      TEST(damaged_packets_do_no_harm), TEST(random_packets_do_no_harm))
