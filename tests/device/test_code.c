/* Codes as bits: one encoding a code, and nothing else is taken. */
#include <math.h>
#include <string.h>

#include "edgetwin/code.h"
#include "problem.h"
#include "runner.h"

#define MOST_ATOMS 20u
#define MOST_BYTES 160u

/* A dictionary as far as codes look at it. */
static et_dictionary shape(unsigned m, unsigned n, unsigned s, unsigned bits)
{
    et_dictionary d;
    memset(&d, 0, sizeof d);
    d.m = (uint16_t)m;
    d.n = (uint16_t)n;
    d.s = (uint16_t)s;
    d.codec = ET_CODEC_PACKED;
    d.coefficient_bits = (uint8_t)bits;
    return d;
}

/* et_code_unpack, where the code must take all the bytes. */
static et_status unpack_whole(const et_dictionary *d, const uint8_t *bytes, size_t size, uint16_t *support,
                              float *coefficients, unsigned *count)
{
    size_t used = 0;
    const et_status status = et_code_unpack(d, bytes, size, support, coefficients, count, &used);
    return status == ET_OK && used != size ? ET_ERR_FORMAT : status;
}

static const unsigned shapes[][3] = {{1, 1, 1},  {4, 2, 2},   {16, 16, 8},     {20, 349, 15},
                                     {20, 1, 5}, {64, 64, 0}, {4096, 16384, 20}, {12, 257, 12}};
#define SHAPES (sizeof shapes / sizeof *shapes)
static const unsigned widths[] = {4, 5, 8, 12, 15, 16, 32};
#define WIDTHS (sizeof widths / sizeof *widths)

/* A random code of `count` atoms; coefficients over many magnitudes. */
static void random_code(const et_dictionary *d, unsigned count, uint32_t *state, uint16_t *support, float *coefficients)
{
    unsigned next = 0;
    for (unsigned k = 0; k < count; ++k) {
        const unsigned room = d->n - next - (count - k) + 1;
        next += test_random(state) % room;
        support[k] = (uint16_t)next++;
        coefficients[k] = ldexpf(test_random_float(state), (int)(test_random(state) % 12) - 6);
    }
}

static void codes_come_back(void)
{
    uint32_t state = 7;
    for (unsigned i = 0; i < SHAPES; ++i) {
        for (unsigned w = 0; w < WIDTHS; ++w) {
            const et_dictionary d = shape(shapes[i][0], shapes[i][1], shapes[i][2], widths[w]);
            const unsigned k = code_atoms(&d);
            for (unsigned count = 0; count <= k; ++count) {
                uint16_t support[MOST_ATOMS], support_back[MOST_ATOMS];
                float coefficients[MOST_ATOMS], back[MOST_ATOMS];
                uint8_t bytes[MOST_BYTES], again[MOST_BYTES];
                size_t size = 0, size_again = 0;
                unsigned count_back = 99;
                random_code(&d, count, &state, support, coefficients);
                test_note("bits", widths[w]);
                CHECK_EQUAL(et_code_pack(&d, support, coefficients, count, bytes, sizeof bytes, &size), ET_OK);
                CHECK(size >= 1 && size <= et_code_max_size(&d));
                CHECK(count < k || size == et_code_max_size(&d));
                CHECK_EQUAL(unpack_whole(&d, bytes, size, support_back, back, &count_back), ET_OK);
                CHECK_EQUAL(count_back, count);
                CHECK_BYTES(support_back, support, count * sizeof *support);
                float largest = 0.0f;
                for (unsigned j = 0; j < count; ++j)
                    largest = fmaxf(largest, fabsf(coefficients[j]));
                for (unsigned j = 0; j < count; ++j) {
                    /* A step is at most largest * 2^(2 - bits); clipping at the top costs up to a whole one. */
                    const float error = widths[w] == 32 ? 0.0f : ldexpf(largest, 2 - (int)widths[w]);
                    CHECK(fabsf(back[j] - coefficients[j]) <= error);
                }
                CHECK_EQUAL(et_code_pack(&d, support_back, back, count, again, sizeof again, &size_again), ET_OK);
                CHECK_EQUAL(size_again, size);
                CHECK_BYTES(again, bytes, size);
            }
        }
    }
}

static void extremes_of_float32_come_back(void)
{
    static const float extremes[] = {3.4028235e38f, -3.4028235e38f, 1.17549435e-38f, -1.4012985e-45f, 0.0f, -0.0f};
    uint16_t support[6] = {0, 1, 2, 3, 4, 5}, support_back[6];
    for (unsigned w = 0; w < WIDTHS; ++w) {
        const et_dictionary d = shape(6, 6, 6, widths[w]);
        for (unsigned first = 0; first < 6; ++first) {
            uint8_t bytes[32];
            float back[6];
            size_t size = 0;
            unsigned count = 0;
            test_note("bits", widths[w]);
            CHECK_EQUAL(et_code_pack(&d, support, extremes + first, 6 - first, bytes, sizeof bytes, &size), ET_OK);
            CHECK_EQUAL(unpack_whole(&d, bytes, size, support_back, back, &count), ET_OK);
            CHECK_EQUAL(count, 6 - first);
            for (unsigned j = 0; j < count; ++j) {
                CHECK(isfinite(back[j]));
                if (widths[w] == 32)
                    CHECK_BYTES(&back[j], &extremes[first + j], sizeof *back);
            }
        }
    }
}

static void layout_is_that_of_formats_md(void)
{
    /* n = 16: 4 bits an index; s = 3: 2 bits for the count; B = 8.
     * codec 1 | count 2 | E = 128 (2.0 <= 3.0 < 4.0) | 5, q = 96 (3.0 * 2^(126 - 128 + 7)) | 9, q = -16 (-0.5 * 32) */
    static const uint16_t support[] = {5, 9};
    static const float coefficients[] = {3.0f, -0.5f};
    const et_dictionary d = shape(20, 16, 3, 8);
    uint8_t bytes[8];
    size_t size = 0;
    uint64_t bits = 0, expected = 0;
    CHECK_EQUAL(et_code_pack(&d, support, coefficients, 2, bytes, sizeof bytes, &size), ET_OK);
    CHECK_EQUAL(size, 5); /* 4 + 2 + 8 + 2 * (4 + 8) = 38 bits */
    for (unsigned i = 0; i < size; ++i)
        bits |= (uint64_t)bytes[i] << (8 * i);
    expected |= 1u | 2u << 4 | 128u << 6 | 5u << 14 | 96u << 18;
    expected |= (uint64_t)9 << 26 | (uint64_t)(256 - 16) << 30;
    CHECK_EQUAL(bits, expected);
}

static void coefficients_round_to_nearest_halves_away_from_zero(void)
{
    /* B = 4, E = 127: q = x * 2^2 */
    static const float x[] = {1.0f, 0.375f, 0.374f, -0.375f, 0.125f, -0.125f, 0.12499999f, -0.12499999f};
    static const float expected[] = {1.0f, 0.5f, 0.25f, -0.5f, 0.25f, -0.25f, 0.0f, 0.0f};
    const uint16_t support[] = {0, 1, 2, 3, 4, 5, 6, 7};
    const et_dictionary d = shape(8, 8, 8, 4);
    uint16_t support_back[8];
    float back[8];
    uint8_t bytes[32];
    size_t size = 0;
    unsigned count = 0;
    CHECK_EQUAL(et_code_pack(&d, support, x, 8, bytes, sizeof bytes, &size), ET_OK);
    CHECK_EQUAL(unpack_whole(&d, bytes, size, support_back, back, &count), ET_OK);
    for (unsigned j = 0; j < 8; ++j)
        CHECK(back[j] == expected[j]);
}

static void every_cut_and_every_excess_is_refused(void)
{
    uint32_t state = 11;
    for (unsigned w = 0; w < WIDTHS; ++w) {
        const et_dictionary d = shape(20, 349, 15, widths[w]);
        for (unsigned count = 0; count <= 15; count += 5) {
            uint16_t support[MOST_ATOMS];
            float coefficients[MOST_ATOMS];
            uint8_t whole[MOST_BYTES];
            size_t size = 0;
            random_code(&d, count, &state, support, coefficients);
            CHECK_EQUAL(et_code_pack(&d, support, coefficients, count, whole, sizeof whole, &size), ET_OK);
            for (size_t cut = 0; cut < size; ++cut) {
                unsigned unused = 77;
                uint8_t *bytes = test_take(cut);
                memcpy(bytes, whole, cut);
                CHECK_EQUAL(unpack_whole(&d, bytes, cut, support, coefficients, &unused), ET_ERR_TRUNCATED);
                CHECK_EQUAL(unused, 77);
                test_give(bytes);
            }
            unsigned unused = 77;
            whole[size] = 0;
            CHECK_EQUAL(unpack_whole(&d, whole, size + 1, support, coefficients, &unused), ET_ERR_FORMAT);
        }
    }
}

static void nonzero_padding_is_refused(void)
{
    const et_dictionary d = shape(20, 16, 3, 8); /* 38 bits with two atoms: two of padding */
    static const uint16_t support[] = {5, 9};
    static const float coefficients[] = {3.0f, -0.5f};
    uint16_t support_back[3];
    float back[3];
    uint8_t bytes[8];
    size_t size = 0;
    unsigned count = 0;
    CHECK_EQUAL(et_code_pack(&d, support, coefficients, 2, bytes, sizeof bytes, &size), ET_OK);
    for (unsigned bit = 6; bit < 8; ++bit) {
        bytes[size - 1] ^= (uint8_t)(1u << bit);
        CHECK_EQUAL(unpack_whole(&d, bytes, size, support_back, back, &count), ET_ERR_FORMAT);
        bytes[size - 1] ^= (uint8_t)(1u << bit);
    }
    CHECK_EQUAL(unpack_whole(&d, bytes, size, support_back, back, &count), ET_OK);
}

/* Fields of a code with two atoms, n = 12, s = 3, B = 8, as bits. */
static et_status unpack_fields(unsigned codec, unsigned count, unsigned exponent, unsigned index0, unsigned q0,
                               unsigned index1, unsigned q1)
{
    const et_dictionary d = shape(20, 12, 3, 8);
    uint16_t support[3];
    float coefficients[3];
    uint8_t bytes[5];
    unsigned unused;
    uint64_t bits = codec | count << 4 | exponent << 6 | index0 << 14 | q0 << 18;
    bits |= (uint64_t)index1 << 26 | (uint64_t)q1 << 30;
    for (unsigned i = 0; i < sizeof bytes; ++i)
        bytes[i] = (uint8_t)(bits >> (8 * i));
    return unpack_whole(&d, bytes, sizeof bytes, support, coefficients, &unused);
}

static void only_the_canonical_encoding_is_taken(void)
{
    CHECK_EQUAL(unpack_fields(1, 2, 127, 4, 100, 5, 1), ET_OK);
    CHECK_EQUAL(unpack_fields(1, 2, 127, 5, 100, 4, 1), ET_ERR_FORMAT);  /* not ascending */
    CHECK_EQUAL(unpack_fields(1, 2, 127, 5, 100, 5, 1), ET_ERR_FORMAT);  /* twice */
    CHECK_EQUAL(unpack_fields(1, 2, 127, 4, 100, 12, 1), ET_ERR_FORMAT); /* no such atom */
    CHECK_EQUAL(unpack_fields(1, 2, 255, 4, 100, 5, 1), ET_ERR_FORMAT);  /* infinite */
    CHECK_EQUAL(unpack_fields(1, 2, 254, 4, 127, 5, 1), ET_OK);
    CHECK_EQUAL(unpack_fields(1, 2, 127, 4, 128, 5, 1), ET_ERR_FORMAT); /* q = -128 */
    CHECK_EQUAL(unpack_fields(1, 2, 127, 4, 63, 5, 193), ET_ERR_FORMAT); /* both below 64: E would be 126 */
    CHECK_EQUAL(unpack_fields(1, 2, 127, 4, 63, 5, 192), ET_OK);         /* -64 */
    CHECK_EQUAL(unpack_fields(1, 2, 0, 4, 1, 5, 0), ET_OK);              /* denormals have no leading one */
    CHECK_EQUAL(unpack_fields(2, 2, 127, 4, 100, 5, 1), ET_ERR_CODEC);
    CHECK_EQUAL(unpack_fields(0, 2, 127, 4, 100, 5, 1), ET_ERR_CODEC);
    CHECK_EQUAL(unpack_fields(1, 1, 127, 4, 100, 0, 0), ET_ERR_FORMAT); /* longer than one atom needs */
    CHECK_EQUAL(unpack_fields(1, 3, 127, 4, 100, 5, 1), ET_ERR_TRUNCATED);
}

static void count_above_k_is_refused(void)
{
    const et_dictionary d = shape(20, 12, 4, 8); /* three bits for 0 .. 4 */
    uint16_t support[8];
    float coefficients[8];
    uint8_t bytes[16] = {1 | 5 << 4};
    unsigned count;
    for (size_t size = 1; size <= sizeof bytes; ++size)
        CHECK_EQUAL(unpack_whole(&d, bytes, size, support, coefficients, &count), ET_ERR_FORMAT);
}

static void not_finite_coefficients_are_refused_at_32_bits(void)
{
    const et_dictionary d = shape(4, 1, 1, 32); /* 4 + 1 bits, no index, 32 bits */
    static const uint32_t bad[] = {0x7f800000u, 0xff800000u, 0x7fc00000u, 0xffffffffu};
    for (unsigned i = 0; i < 4; ++i) {
        const uint64_t bits = 1u | 1u << 4 | (uint64_t)bad[i] << 5;
        uint16_t support[1];
        float coefficients[1];
        uint8_t bytes[5];
        unsigned count;
        for (unsigned k = 0; k < sizeof bytes; ++k)
            bytes[k] = (uint8_t)(bits >> (8 * k));
        CHECK_EQUAL(unpack_whole(&d, bytes, sizeof bytes, support, coefficients, &count), ET_ERR_FORMAT);
    }
}

static void wrong_codes_are_not_packed(void)
{
    static const uint16_t descending[] = {5, 4}, twice[] = {5, 5}, beyond[] = {4, 12}, good[] = {4, 5, 6, 7};
    static const float one[] = {1.0f, 1.0f, 1.0f, 1.0f};
    static const float nan[] = {1.0f, NAN}, infinite[] = {-INFINITY, 1.0f};
    et_dictionary d = shape(20, 12, 3, 8);
    uint8_t bytes[16];
    size_t size = 77;
    CHECK_EQUAL(et_code_pack(&d, descending, one, 2, bytes, sizeof bytes, &size), ET_ERR_ARGUMENT);
    CHECK_EQUAL(et_code_pack(&d, twice, one, 2, bytes, sizeof bytes, &size), ET_ERR_ARGUMENT);
    CHECK_EQUAL(et_code_pack(&d, beyond, one, 2, bytes, sizeof bytes, &size), ET_ERR_ARGUMENT);
    CHECK_EQUAL(et_code_pack(&d, good, nan, 2, bytes, sizeof bytes, &size), ET_ERR_ARGUMENT);
    CHECK_EQUAL(et_code_pack(&d, good, infinite, 2, bytes, sizeof bytes, &size), ET_ERR_ARGUMENT);
    CHECK_EQUAL(et_code_pack(&d, good, one, 4, bytes, sizeof bytes, &size), ET_ERR_ARGUMENT);
    CHECK_EQUAL(et_code_pack(&d, good, one, 2, bytes, 4, &size), ET_ERR_CAPACITY);
    d.codec = 9;
    CHECK_EQUAL(et_code_pack(&d, good, one, 2, bytes, sizeof bytes, &size), ET_ERR_CODEC);
    d.codec = ET_CODEC_PACKED;
    d.coefficient_bits = 3;
    CHECK_EQUAL(et_code_pack(&d, good, one, 2, bytes, sizeof bytes, &size), ET_ERR_CODEC);
    CHECK_EQUAL(size, 77);
}

/* Whatever is taken is what an encoder would have written. */
static void random_bytes_are_refused_or_canonical(void)
{
    uint32_t state = 5;
    for (unsigned w = 0; w < WIDTHS; ++w) {
        const et_dictionary d = shape(3, 5, 2, widths[w]);
        for (unsigned round = 0; round < 2000; ++round) {
            uint16_t support[2];
            float coefficients[2];
            uint8_t bytes[12], again[12];
            size_t size_again = 0;
            unsigned count = 0;
            for (unsigned i = 0; i < sizeof bytes; ++i)
                bytes[i] = (uint8_t)(test_random(&state) >> 24);
            bytes[0] = (uint8_t)((bytes[0] & 0xf0) | ET_CODEC_PACKED);
            const size_t size = 1 + test_random(&state) % sizeof bytes;
            if (unpack_whole(&d, bytes, size, support, coefficients, &count) != ET_OK)
                continue;
            CHECK_EQUAL(et_code_pack(&d, support, coefficients, count, again, sizeof again, &size_again), ET_OK);
            CHECK_EQUAL(size_again, size);
            CHECK_BYTES(again, bytes, size);
        }
    }
}

SUITE(code, TEST(codes_come_back), TEST(extremes_of_float32_come_back), TEST(layout_is_that_of_formats_md),
      TEST(coefficients_round_to_nearest_halves_away_from_zero), TEST(every_cut_and_every_excess_is_refused),
      TEST(nonzero_padding_is_refused), TEST(only_the_canonical_encoding_is_taken), TEST(count_above_k_is_refused),
      TEST(not_finite_coefficients_are_refused_at_32_bits), TEST(wrong_codes_are_not_packed),
      TEST(random_bytes_are_refused_or_canonical))
