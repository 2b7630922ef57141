/* Bundles: what is whole is opened, everything else is refused by name and changes nothing. */
#include <math.h>
#include <string.h>

#include "edgetwin/bundle.h"
#include "problem.h"
#include "runner.h"

#define PAYLOAD ET_BUNDLE_HEADER /* where it starts */
#define GAINS (PAYLOAD + 32)     /* of one channel: behind 16 bytes of fields and 16 of offsets */
#define SCALES (PAYLOAD + 48)    /* of integer atoms */

static const et_atom_type types[] = {ET_ATOM_FLOAT32, ET_ATOM_INT16, ET_ATOM_INT8};

typedef struct bundle {
    et_dictionary *source;
    uint8_t *bytes;
    size_t size;
} bundle;

/* A bundle of 5 samples (so that atoms are padded) and 3 atoms; nonzero if there was memory. */
static int take_bundle(bundle *b, et_atom_type type)
{
    b->source = take_dictionary(type, 5, 3, 2, random_atoms);
    if (b->source == NULL)
        return 0;
    b->source->tolerance = 0.25f;
    b->source->coefficient_bits = 12;
    b->size = write_dictionary_bundle(b->source, NULL);
    b->bytes = test_take(b->size);
    return b->bytes != NULL && write_dictionary_bundle(b->source, b->bytes) == b->size;
}

static void give_bundle(bundle *b)
{
    test_give(b->bytes);
    test_give((void *)(uintptr_t)b->source->atoms);
    if (b->source->scales != NULL)
        test_give((void *)(uintptr_t)b->source->scales);
    test_give(b->source);
}

/* Opens, and checks that an error leaves the output as it was. */
static et_status open_dictionary(const uint8_t *bytes, size_t size, et_dictionary *dictionary)
{
    et_dictionary before;
    memset(dictionary, 0x5a, sizeof *dictionary);
    memcpy(&before, dictionary, sizeof before);
    const et_status status = et_dictionary_open(bytes, size, dictionary);
    if (status != ET_OK)
        CHECK_BYTES(dictionary, &before, sizeof before);
    return status;
}

static et_status reseal_and_open(bundle *b)
{
    et_dictionary d;
    seal_bundle(b->bytes, (et_bundle_kind)b->bytes[6], b->size - ET_BUNDLE_HEADER);
    return open_dictionary(b->bytes, b->size, &d);
}

static void put_u16(uint8_t *bytes, unsigned value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static void put_float(uint8_t *bytes, float value) { memcpy(bytes, &value, sizeof value); }

#define FOR_EACH_BUNDLE(b)                                                                                             \
    for (unsigned b##_type = 0; b##_type < 3; ++b##_type)                                                              \
        for (int b##_once = (test_note("atom type", (int64_t)types[b##_type]), take_bundle(&b, types[b##_type]));      \
             b##_once; b##_once = 0, give_bundle(&b))

static void whole_bundle_opens_in_place(void)
{
    bundle b;
    FOR_EACH_BUNDLE(b) {
        et_dictionary d;
        CHECK_EQUAL(open_dictionary(b.bytes, b.size, &d), ET_OK);
        CHECK_EQUAL(d.m, 5);
        CHECK_EQUAL(d.n, 3);
        CHECK_EQUAL(d.s, 2);
        CHECK_EQUAL(d.atom_type, types[b_type]);
        CHECK_EQUAL(d.coefficient_bits, 12);
        CHECK_EQUAL(d.channels, 1);
        CHECK(d.tolerance == 0.25f);
        CHECK_EQUAL(d.stride, b.source->stride);
        CHECK(d.offsets[0] == 0.0f && d.gains[0] == 1.0f);
        const uint8_t *atoms = d.atoms;
        CHECK(atoms >= b.bytes && atoms + d.n * d.stride <= b.bytes + b.size);
        CHECK_BYTES(atoms, b.source->atoms, d.n * d.stride);
        if (d.scales != NULL)
            CHECK_BYTES(d.scales, b.source->scales, d.n * sizeof *d.scales);
        CHECK_BYTES(&d.id, b.bytes + 16, 8);
    }
}

static void bytes_behind_the_bundle_do_not_matter(void)
{
    bundle b;
    FOR_EACH_BUNDLE(b) {
        uint8_t *slot = test_take(b.size + 5);
        et_dictionary d;
        if (slot == NULL)
            return;
        memset(slot, 0xff, b.size + 5);
        memcpy(slot, b.bytes, b.size);
        CHECK_EQUAL(open_dictionary(slot, b.size + 5, &d), ET_OK);
        test_give(slot);
    }
}

static void every_changed_byte_is_refused(void)
{
    static const uint8_t masks[] = {0x01, 0x10, 0x80, 0xff};
    bundle b;
    FOR_EACH_BUNDLE(b) {
        for (size_t i = 0; i < b.size; ++i) {
            for (unsigned k = 0; k < sizeof masks; ++k) {
                et_dictionary d;
                b.bytes[i] ^= masks[k];
                const et_status status = open_dictionary(b.bytes, b.size, &d);
                b.bytes[i] ^= masks[k];
                test_note("byte", (int64_t)i);
                CHECK(status != ET_OK);
                if (i < 4)
                    CHECK_EQUAL(status, ET_ERR_MAGIC);
                else if (i < 6)
                    CHECK_EQUAL(status, ET_ERR_VERSION);
                else if (i == 6 || (i >= 12 && i < 24) || i >= 32)
                    CHECK_EQUAL(status, ET_ERR_CRC);
            }
        }
    }
}

static void every_cut_is_refused(void)
{
    bundle b;
    FOR_EACH_BUNDLE(b) {
        for (size_t size = 0; size < b.size; ++size) {
            et_dictionary d;
            uint8_t *cut = test_take(size); /* of its own, so that the sanitizer sees a read beyond */
            if (cut == NULL)
                return;
            memcpy(cut, b.bytes, size);
            test_note("bytes", (int64_t)size);
            CHECK_EQUAL(open_dictionary(cut, size, &d), ET_ERR_TRUNCATED);
            test_give(cut);
        }
    }
}

/* A payload that ends early, yet is sealed: the sections do not fit in. */
static void every_short_payload_is_refused(void)
{
    bundle b;
    FOR_EACH_BUNDLE(b) {
        for (size_t size = ET_BUNDLE_HEADER; size < b.size; size += 16) {
            et_dictionary d;
            uint8_t *cut = test_take(size);
            if (cut == NULL)
                return;
            memcpy(cut, b.bytes, size);
            seal_bundle(cut, ET_KIND_DICTIONARY, size - ET_BUNDLE_HEADER);
            test_note("bytes", (int64_t)size);
            CHECK_EQUAL(open_dictionary(cut, size, &d), ET_ERR_TRUNCATED);
            test_give(cut);
        }
    }
}

static void newer_version_is_named(void)
{
    bundle b;
    et_dictionary d;
    if (!take_bundle(&b, ET_ATOM_INT8))
        return;
    b.bytes[4] = 2;
    CHECK_EQUAL(open_dictionary(b.bytes, b.size, &d), ET_ERR_VERSION);
}

static void payload_under_a_foreign_id_is_refused(void)
{
    bundle b;
    et_dictionary d;
    if (!take_bundle(&b, ET_ATOM_INT8))
        return;
    b.bytes[16] ^= 1;
    uint32_t crc = et_crc32(et_crc32(0, b.bytes, 12), b.bytes + 16, b.size - 16);
    memcpy(b.bytes + 12, &crc, 4);
    CHECK_EQUAL(open_dictionary(b.bytes, b.size, &d), ET_ERR_ID);
}

static void misaligned_bundle_is_refused(void)
{
    bundle b;
    et_dictionary d;
    if (!take_bundle(&b, ET_ATOM_INT8))
        return;
    uint8_t *moved = test_take(b.size + 3);
    if (moved == NULL)
        return;
    for (unsigned offset = 1; offset < 4; ++offset) {
        memcpy(moved + offset, b.bytes, b.size);
        CHECK_EQUAL(open_dictionary(moved + offset, b.size, &d), ET_ERR_ARGUMENT);
    }
}

static void other_kinds_are_refused(void)
{
    bundle b;
    et_dictionary d;
    et_recording recording;
    if (!take_bundle(&b, ET_ATOM_INT8))
        return;
    CHECK_EQUAL(et_recording_open(b.bytes, b.size, &recording), ET_ERR_KIND);
    seal_bundle(b.bytes, ET_KIND_RECORDING, b.size - ET_BUNDLE_HEADER);
    CHECK_EQUAL(open_dictionary(b.bytes, b.size, &d), ET_ERR_KIND);
}

static void atoms_without_unit_norm_are_refused(void)
{
    static const float bad[] = {0.0f, 0.9f, 0.9999f, 1.0001f, 1.1f, 1e30f, -2.0f};
    bundle b;
    FOR_EACH_BUNDLE(b) {
        for (unsigned i = 0; i < sizeof bad / sizeof *bad; ++i) {
            if (b.source->scales != NULL) {
                put_float(b.bytes + SCALES + 8, b.source->scales[2] * bad[i]);
            } else {
                for (unsigned k = 0; k < 5; ++k)
                    put_float(b.bytes + SCALES + 40 + 4 * k, atom_element(b.source, 2, k) * bad[i]);
            }
            const et_status status = reseal_and_open(&b);
            CHECK(status == ET_ERR_NORM || (status == ET_ERR_FORMAT && bad[i] <= 0.0f && b.source->scales != NULL));
        }
    }
}

static void values_that_are_not_finite_are_refused(void)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    bundle b;
    FOR_EACH_BUNDLE(b) {
        for (unsigned i = 0; i < 3; ++i) {
            put_float(b.bytes + PAYLOAD + 12, bad[i]); /* tolerance */
            CHECK_EQUAL(reseal_and_open(&b), ET_ERR_FORMAT);
            put_float(b.bytes + PAYLOAD + 12, 0.25f);
            put_float(b.bytes + PAYLOAD + 16, bad[i]); /* offset */
            CHECK_EQUAL(reseal_and_open(&b), ET_ERR_FORMAT);
            put_float(b.bytes + PAYLOAD + 16, 0.0f);
            put_float(b.bytes + GAINS, bad[i]);
            CHECK_EQUAL(reseal_and_open(&b), ET_ERR_FORMAT);
            put_float(b.bytes + GAINS, 1.0f);
            put_float(b.bytes + SCALES, bad[i]); /* a scale, or an element of float32 atoms */
            CHECK_EQUAL(reseal_and_open(&b), b.source->scales != NULL ? ET_ERR_FORMAT : ET_ERR_NORM);
            write_dictionary_bundle(b.source, b.bytes);
            CHECK_EQUAL(reseal_and_open(&b), ET_OK);
        }
    }
}

static void gains_and_scales_must_be_positive_and_the_tolerance_not_negative(void)
{
    bundle b;
    FOR_EACH_BUNDLE(b) {
        put_float(b.bytes + GAINS, 0.0f);
        CHECK_EQUAL(reseal_and_open(&b), ET_ERR_FORMAT);
        put_float(b.bytes + GAINS, -1.0f);
        CHECK_EQUAL(reseal_and_open(&b), ET_ERR_FORMAT);
        put_float(b.bytes + GAINS, 1.0f);
        put_float(b.bytes + PAYLOAD + 12, -0.5f);
        CHECK_EQUAL(reseal_and_open(&b), ET_ERR_FORMAT);
        put_float(b.bytes + PAYLOAD + 12, 0.0f);
        CHECK_EQUAL(reseal_and_open(&b), ET_OK);
        if (b.source->scales == NULL)
            continue;
        put_float(b.bytes + SCALES, -b.source->scales[0]); /* the norm would be right */
        CHECK_EQUAL(reseal_and_open(&b), ET_ERR_FORMAT);
    }
}

static void fields_out_of_range_are_refused(void)
{
    static const struct {
        unsigned offset, value;
        et_status status;
    } cases[] = {
        {0, 0, ET_ERR_FORMAT},      {0, 4097, ET_ERR_FORMAT},  {0, 65535, ET_ERR_FORMAT},  {0, 4096, ET_ERR_TRUNCATED},
        {2, 0, ET_ERR_FORMAT},      {2, 16385, ET_ERR_FORMAT}, {2, 16384, ET_ERR_TRUNCATED}, {2, 65535, ET_ERR_FORMAT},
        {10, 0, ET_ERR_FORMAT},     {10, 2, ET_ERR_FORMAT},    {10, 6, ET_ERR_FORMAT},     {6, 0x0104, ET_ERR_FORMAT},
        {6, 0x0100, ET_ERR_FORMAT}, {8, 0x010c, ET_ERR_FORMAT}, /* the zero byte */
        {8, 0, ET_ERR_CODEC},       {8, 3, ET_ERR_CODEC},      {8, 17, ET_ERR_CODEC},      {8, 31, ET_ERR_CODEC},
        {8, 33, ET_ERR_CODEC},      {8, 4, ET_OK},             {8, 16, ET_OK},             {8, 32, ET_OK},
        {4, 0, ET_OK},              {4, 65535, ET_OK},
    };
    bundle b;
    FOR_EACH_BUNDLE(b) {
        for (unsigned i = 0; i < sizeof cases / sizeof *cases; ++i) {
            put_u16(b.bytes + PAYLOAD + cases[i].offset, cases[i].value);
            test_note("case", i);
            CHECK_EQUAL(reseal_and_open(&b), cases[i].status);
            write_dictionary_bundle(b.source, b.bytes);
        }
        b.bytes[PAYLOAD + 7] = 2;
        CHECK_EQUAL(reseal_and_open(&b), ET_ERR_CODEC);
    }
}

/* A header that claims more than there is, with a right CRC of what there is: lengths are checked before they are used. */
static void header_fields_are_checked(void)
{
    bundle b;
    et_dictionary d;
    if (!take_bundle(&b, ET_ATOM_INT16))
        return;
    memset(b.bytes + 8, 0xff, 4);
    CHECK_EQUAL(open_dictionary(b.bytes, b.size, &d), ET_ERR_FORMAT); /* not a multiple of 16 */
    b.bytes[8] = 0xf0;
    CHECK_EQUAL(open_dictionary(b.bytes, b.size, &d), ET_ERR_TRUNCATED);
    write_dictionary_bundle(b.source, b.bytes);
    b.bytes[7] = 1;
    CHECK_EQUAL(open_dictionary(b.bytes, b.size, &d), ET_ERR_FORMAT);
    b.bytes[7] = 0;
    b.bytes[31] = 1;
    CHECK_EQUAL(open_dictionary(b.bytes, b.size, &d), ET_ERR_FORMAT);
}

static void channels_scale_sample_by_sample(void)
{
    static const float offsets[] = {1.0f, -2.0f}, gains[] = {2.0f, 0.5f};
    static const float expected[] = {4.0f, 3.0f, 8.0f, 4.0f};
    float signal[] = {3.0f, 4.0f, 5.0f, 6.0f};
    et_dictionary *source = take_dictionary(ET_ATOM_FLOAT32, 4, 2, 2, identity_atoms);
    uint8_t *bytes = test_take(256);
    et_dictionary d;
    if (source == NULL || bytes == NULL)
        return;
    source->channels = 2;
    source->offsets = offsets;
    source->gains = gains;
    CHECK_EQUAL(open_dictionary(bytes, write_dictionary_bundle(source, bytes), &d), ET_OK);
    et_dictionary_scale(&d, signal);
    CHECK_BYTES(signal, expected, sizeof signal);
}

static const float samples[] = {0.0f, 1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};

/* A recording of 7 rows of one channel. */
static uint8_t *take_recording(size_t *size)
{
    uint8_t *bytes = test_take(ET_BUNDLE_HEADER + 48);
    if (bytes == NULL)
        return NULL;
    memset(bytes, 0, ET_BUNDLE_HEADER + 48);
    put_u16(bytes + PAYLOAD, 7);
    put_u16(bytes + PAYLOAD + 4, 1);
    memcpy(bytes + PAYLOAD + 16, samples, sizeof samples);
    *size = ET_BUNDLE_HEADER + 48;
    seal_bundle(bytes, ET_KIND_RECORDING, 48);
    return bytes;
}

static void recording_gives_windows_and_wraps_at_the_last_whole_one(void)
{
    size_t size;
    uint8_t *bytes = take_recording(&size);
    et_recording recording;
    float window[8];
    if (bytes == NULL)
        return;
    CHECK_EQUAL(et_recording_open(bytes, size, &recording), ET_OK);
    CHECK_EQUAL(recording.rows, 7);
    for (uint32_t k = 0; k < 5; ++k) {
        CHECK_EQUAL(et_recording_read(&recording, k, 3, window), ET_OK);
        CHECK_BYTES(window, samples + 3 * (k % 2), 12);
    }
    CHECK_EQUAL(et_recording_read(&recording, 0xffffffffu, 7, window), ET_OK);
    CHECK_BYTES(window, samples, sizeof samples);
    CHECK_EQUAL(et_recording_read(&recording, 0, 8, window), ET_ERR_FIT);
}

static void recording_with_impossible_fields_is_refused(void)
{
    static const struct {
        unsigned offset, value;
        et_status status;
    } cases[] = {{0, 0, ET_ERR_FORMAT},     {4, 0, ET_ERR_FORMAT},     {6, 1, ET_ERR_FORMAT},     {8, 1, ET_ERR_FORMAT},
                 {14, 1, ET_ERR_FORMAT},    {0, 9, ET_ERR_TRUNCATED},  {0, 8, ET_OK},             {4, 2, ET_ERR_TRUNCATED},
                 {2, 0x4000, ET_ERR_TRUNCATED}, {4, 65535, ET_ERR_TRUNCATED}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; ++i) {
        size_t size;
        uint8_t *bytes = take_recording(&size);
        et_recording recording;
        if (bytes == NULL)
            return;
        put_u16(bytes + PAYLOAD + cases[i].offset, cases[i].value);
        seal_bundle(bytes, ET_KIND_RECORDING, 48);
        test_note("case", i);
        CHECK_EQUAL(et_recording_open(bytes, size, &recording), cases[i].status);
        test_give(bytes);
    }
}

static void every_changed_byte_of_a_recording_is_refused(void)
{
    size_t size;
    uint8_t *bytes = take_recording(&size);
    if (bytes == NULL)
        return;
    for (size_t i = 0; i < size; ++i) {
        et_recording recording;
        bytes[i] ^= 0x40;
        CHECK(et_recording_open(bytes, size, &recording) != ET_OK);
        bytes[i] ^= 0x40;
    }
}

SUITE(bundle, TEST(whole_bundle_opens_in_place), TEST(bytes_behind_the_bundle_do_not_matter),
      TEST(every_changed_byte_is_refused), TEST(every_cut_is_refused), TEST(every_short_payload_is_refused),
      TEST(newer_version_is_named), TEST(payload_under_a_foreign_id_is_refused), TEST(misaligned_bundle_is_refused),
      TEST(other_kinds_are_refused), TEST(atoms_without_unit_norm_are_refused),
      TEST(values_that_are_not_finite_are_refused),
      TEST(gains_and_scales_must_be_positive_and_the_tolerance_not_negative), TEST(fields_out_of_range_are_refused),
      TEST(header_fields_are_checked), TEST(channels_scale_sample_by_sample),
      TEST(recording_gives_windows_and_wraps_at_the_last_whole_one),
      TEST(recording_with_impossible_fields_is_refused), TEST(every_changed_byte_of_a_recording_is_refused))
