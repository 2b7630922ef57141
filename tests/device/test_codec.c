/* The codec's tables in a bundle: whole ones open in place; every cut, every impossible field and table is refused by name. */
#include <math.h>
#include <string.h>

#include "edgetwin/bundle.h"
#include "problem.h"
#include "runner.h"

#define M 6u
#define N 5u
#define ATOMS 3u /* of a code, at most */
#define MAGNITUDES (2u * ET_MAGNITUDE_BUCKETS * ET_MAGNITUDE_SYMBOLS)

/* Sections of the codec, all kinds in use, in their order. */
enum section {
    FIELDS,
    KIND_PARTS,
    MEAN,
    SPARSE,
    COUNTS,
    SURVIVAL,
    EXPECTED,
    NEGATIVE,
    DCT,
    LAST,
    DCT_EXPECTED,
    COSINES,
    DPCM,
    SECTIONS
};

static const unsigned sizes[SECTIONS] = {64,
                                         2 * (ET_WINDOW_KINDS + 1) * ET_WINDOW_KINDS,
                                         MAGNITUDES,
                                         MAGNITUDES,
                                         2 * (ATOMS + 1),
                                         2 * (N + 1),
                                         2 * N,
                                         N,
                                         MAGNITUDES,
                                         2 * M,
                                         2 * M,
                                         4 * (M / 2 + 4 * 3), /* 6 = 2 * 3 */
                                         MAGNITUDES};

typedef struct bundle {
    et_dictionary *source;
    uint8_t *bytes;
    size_t size;
} bundle;

static int take_bundle(bundle *b)
{
    b->source = take_dictionary(ET_ATOM_INT8, M, N, ATOMS, random_atoms);
    if (b->source == NULL || !take_codec(b->source, ALL_KINDS))
        return 0;
    b->size = write_dictionary_bundle(b->source, NULL);
    b->bytes = test_take(b->size);
    return b->bytes != NULL && write_dictionary_bundle(b->source, b->bytes) == b->size;
}

static uint8_t *at(const bundle *b, enum section section)
{
    size_t offset = ET_BUNDLE_HEADER + 3 * 16 + 32 + 48; /* fields, offsets, gains; scales; atoms */
    for (unsigned i = 0; i < section; ++i)
        offset += (sizes[i] + 15u) & ~15u;
    return b->bytes + offset;
}

/* Seals and opens; an error leaves the output as it was. */
static et_status verdict(const bundle *b, size_t size)
{
    et_dictionary d, before;
    memset(&d, 0x5a, sizeof d);
    memcpy(&before, &d, sizeof d);
    seal_bundle(b->bytes, ET_KIND_DICTIONARY, size - ET_BUNDLE_HEADER);
    const et_status status = et_dictionary_open(b->bytes, size, &d);
    if (status != ET_OK)
        CHECK_BYTES(&d, &before, sizeof d);
    return status;
}

static et_status verdict_with(const bundle *b, uint8_t *place, const void *value, size_t size)
{
    memcpy(place, value, size);
    const et_status status = verdict(b, b->size);
    write_dictionary_bundle(b->source, b->bytes);
    return status;
}

static et_status with_u16(const bundle *b, enum section section, unsigned index, unsigned value)
{
    const uint16_t number = (uint16_t)value;
    return verdict_with(b, at(b, section) + 2 * index, &number, sizeof number);
}

static et_status with_float(const bundle *b, enum section section, unsigned index, float value)
{
    return verdict_with(b, at(b, section) + 4 * index, &value, sizeof value);
}

static et_status with_byte(const bundle *b, enum section section, unsigned index, unsigned value)
{
    const uint8_t byte = (uint8_t)value;
    return verdict_with(b, at(b, section) + index, &byte, 1);
}

static void whole_tables_open_in_place(void)
{
    bundle b;
    et_dictionary d;
    if (!take_bundle(&b))
        return;
    b.source->entropy.chained = 1;
    CHECK_EQUAL(write_dictionary_bundle(b.source, b.bytes), b.size);
    CHECK_EQUAL(at(&b, SECTIONS) - b.bytes, b.size);
    CHECK_EQUAL(et_dictionary_open(b.bytes, b.size, &d), ET_OK);
    CHECK_EQUAL(d.codec, ET_CODEC_ENTROPY);
    CHECK_EQUAL(d.entropy.kinds, ALL_KINDS);
    CHECK_EQUAL(d.entropy.order, 2);
    CHECK_EQUAL(d.entropy.chained, 1);
    CHECK_EQUAL(d.entropy.centred, 0);
    CHECK_EQUAL(d.entropy.rounding, 112);
    CHECK(d.entropy.steps[2] == 0.0625f && d.entropy.per_step[0] == 16.0f);
    CHECK(d.entropy.mean_step == 0.0625f / sqrtf(6.0f));
    CHECK_EQUAL(d.entropy.predictor[1], -2048);
    CHECK_EQUAL(d.entropy.mean_first, b.source->entropy.mean_first);
    CHECK_EQUAL(d.entropy.sparse_mean, b.source->entropy.sparse_mean);
    CHECK((const uint8_t *)d.entropy.kind_parts == at(&b, KIND_PARTS));
    CHECK((const uint8_t *)d.entropy.negative == at(&b, NEGATIVE));
    CHECK((const uint8_t *)d.entropy.cosines == at(&b, COSINES));
    CHECK((const uint8_t *)d.entropy.dpcm_magnitudes == at(&b, DPCM));
}

static void every_set_of_kinds_opens_and_takes_only_its_tables(void)
{
    for (unsigned kinds = 1; kinds <= ALL_KINDS; ++kinds) {
        for (unsigned centred = 0; centred < 2; ++centred) {
            et_dictionary *source = take_dictionary(ET_ATOM_INT8, M, N, ATOMS, random_atoms), d;
            if (source == NULL || !take_codec(source, kinds))
                return;
            source->entropy.centred = (uint8_t)centred;
            const size_t size = write_dictionary_bundle(source, NULL);
            uint8_t *bytes = test_take(size);
            if (bytes == NULL)
                return;
            test_note("kinds", kinds);
            CHECK_EQUAL(et_dictionary_open(bytes, write_dictionary_bundle(source, bytes), &d), ET_OK);
            CHECK((d.entropy.mean_magnitudes != NULL) == (centred || (kinds & 2u) != 0));
            CHECK((d.entropy.survival != NULL) == ((kinds & 1u) != 0));
            CHECK((d.entropy.cosines != NULL) == ((kinds & 2u) != 0));
            CHECK((d.entropy.dpcm_magnitudes != NULL) == ((kinds & 4u) != 0));
            test_give(bytes);
            test_give((void *)(uintptr_t)source->entropy.mean_magnitudes);
            test_give((void *)(uintptr_t)source->entropy.cosines);
            test_give((void *)(uintptr_t)source->atoms);
            test_give((void *)(uintptr_t)source->scales);
            test_give(source);
        }
    }
}

/* A payload that ends early, yet is sealed. */
static void every_cut_between_and_inside_tables_is_refused(void)
{
    bundle b;
    if (!take_bundle(&b))
        return;
    for (size_t size = (size_t)(at(&b, FIELDS) - b.bytes); size < b.size; size += 16) {
        test_note("bytes", (int64_t)size);
        CHECK_EQUAL(verdict(&b, size), ET_ERR_TRUNCATED);
    }
    CHECK_EQUAL(verdict(&b, b.size), ET_OK);
}

static void fields_out_of_range_are_refused(void)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY, -1.0f};
    bundle b;
    if (!take_bundle(&b))
        return;
    for (unsigned i = 0; i < 4; ++i)
        for (unsigned field = 0; field < 5; ++field) /* steps, least, energy per bit */
            CHECK_EQUAL(with_float(&b, FIELDS, field, bad[i]), ET_ERR_FORMAT);
    for (unsigned kind = 0; kind < ET_CODED_KINDS; ++kind) {
        CHECK_EQUAL(with_float(&b, FIELDS, kind, 0.0f), ET_ERR_FORMAT);
        CHECK_EQUAL(with_float(&b, FIELDS, kind, 9e-31f), ET_ERR_FORMAT); /* its inverse must be finite */
        CHECK_EQUAL(with_float(&b, FIELDS, kind, 1e-30f), ET_OK);
        CHECK_EQUAL(with_float(&b, FIELDS, kind, 3e38f), ET_OK);
    }
    CHECK_EQUAL(with_float(&b, FIELDS, 3, 0.0f), ET_OK);
    CHECK_EQUAL(with_float(&b, FIELDS, 4, 3e38f), ET_OK);
    CHECK_EQUAL(with_byte(&b, FIELDS, 20, 0), ET_ERR_FORMAT); /* no kind */
    CHECK_EQUAL(with_byte(&b, FIELDS, 20, 8), ET_ERR_FORMAT); /* raw is none to choose */
    CHECK_EQUAL(with_byte(&b, FIELDS, 20, 0x87), ET_ERR_FORMAT);
    CHECK_EQUAL(with_byte(&b, FIELDS, 21, ET_MOST_ORDER), ET_OK);
    CHECK_EQUAL(with_byte(&b, FIELDS, 21, ET_MOST_ORDER + 1), ET_ERR_FORMAT);
    CHECK_EQUAL(with_byte(&b, FIELDS, 22, 3), ET_OK);
    CHECK_EQUAL(with_byte(&b, FIELDS, 22, 4), ET_ERR_FORMAT); /* an unknown flag */
    CHECK_EQUAL(with_byte(&b, FIELDS, 23, 255), ET_OK);
    for (unsigned i = 12; i < 24; ++i) /* predictor, of order 2, and expected magnitudes */
        CHECK_EQUAL(with_u16(&b, FIELDS, i, 0xffff), i < 14 || i >= 20 ? ET_OK : ET_ERR_FORMAT);
    CHECK_EQUAL(with_u16(&b, FIELDS, 24, 0x3fff), ET_OK);
    CHECK_EQUAL(with_u16(&b, FIELDS, 24, 0x4000), ET_ERR_FORMAT); /* sums of it would overflow */
    for (unsigned i = 50; i < 64; ++i)
        CHECK_EQUAL(with_byte(&b, FIELDS, i, 1), ET_ERR_FORMAT);
}

static void tables_whose_parts_do_not_ascend_are_refused(void)
{
    static const struct {
        enum section section;
        unsigned symbols;
    } tables[] = {{MEAN, ET_MAGNITUDE_SYMBOLS}, {SPARSE, ET_MAGNITUDE_SYMBOLS},
                  {DCT, ET_MAGNITUDE_SYMBOLS},  {DPCM, ET_MAGNITUDE_SYMBOLS},
                  {COUNTS, ATOMS + 1},          {LAST, M}};
    bundle b;
    if (!take_bundle(&b))
        return;
    for (unsigned i = 0; i < sizeof tables / sizeof *tables; ++i) {
        const unsigned count = sizes[tables[i].section] / 2;
        for (unsigned k = 0; k < count; k += i < 4 ? 6u : 1u) {
            uint16_t before, after;
            const uint8_t *place = at(&b, tables[i].section) + 2 * k;
            test_note("table and entry", 1000 * i + k);
            CHECK_EQUAL(with_u16(&b, tables[i].section, k, 0x8000), ET_ERR_FORMAT);
            CHECK_EQUAL(with_u16(&b, tables[i].section, k, 0xffff), ET_ERR_FORMAT);
            if (k % tables[i].symbols == 0) {
                CHECK_EQUAL(with_u16(&b, tables[i].section, k, 1), ET_ERR_FORMAT); /* begins at 0 */
                continue;
            }
            memcpy(&before, place - 2, 2);
            CHECK_EQUAL(with_u16(&b, tables[i].section, k, before), ET_ERR_FORMAT); /* a part of nothing */
            CHECK_EQUAL(with_u16(&b, tables[i].section, k, before + 1u), ET_OK);
            if (k % tables[i].symbols + 1 < tables[i].symbols) {
                memcpy(&after, place + 2, 2);
                CHECK_EQUAL(with_u16(&b, tables[i].section, k, after), ET_ERR_FORMAT);
            }
        }
    }
}

static void kinds_that_are_not_used_have_no_part_and_those_used_have_one(void)
{
    bundle b;
    if (!take_bundle(&b))
        return;
    for (unsigned row = 0; row < ET_WINDOW_KINDS + 1; ++row) {
        CHECK_EQUAL(with_u16(&b, KIND_PARTS, 4 * row, 1), ET_ERR_FORMAT);
        CHECK_EQUAL(with_u16(&b, KIND_PARTS, 4 * row + 1, 0), ET_ERR_FORMAT);      /* sparse: nothing */
        CHECK_EQUAL(with_u16(&b, KIND_PARTS, 4 * row + 3, 0x8000), ET_ERR_FORMAT); /* raw: nothing */
    }
    CHECK_EQUAL(with_byte(&b, FIELDS, 20, 6), ET_ERR_FORMAT); /* sparse has a part, but is not used */
}

static void other_tables_out_of_range_are_refused(void)
{
    bundle b;
    if (!take_bundle(&b))
        return;
    CHECK_EQUAL(with_u16(&b, SURVIVAL, 0, 1), ET_ERR_FORMAT); /* all atoms have the whole share */
    for (unsigned j = 1; j <= N; ++j)
        CHECK_EQUAL(with_u16(&b, SURVIVAL, j, 0), j == 1 ? ET_OK : ET_ERR_FORMAT); /* ever less is left */
    CHECK_EQUAL(with_u16(&b, SURVIVAL, N, 0xffff), ET_OK);
    CHECK_EQUAL(with_u16(&b, SURVIVAL, N - 1, 0xffff), ET_ERR_FORMAT);
    for (unsigned j = 0; j < N; ++j) {
        CHECK_EQUAL(with_byte(&b, NEGATIVE, j, 0), ET_ERR_FORMAT);
        CHECK_EQUAL(with_byte(&b, NEGATIVE, j, 255), ET_OK);
        CHECK_EQUAL(with_u16(&b, EXPECTED, j, 0xffff), ET_OK);
    }
    for (unsigned k = 0; k < M; ++k)
        CHECK_EQUAL(with_u16(&b, DCT_EXPECTED, k, 0xffff), ET_OK);
    for (unsigned i = 0; i < sizes[COSINES] / 4; ++i) {
        CHECK_EQUAL(with_float(&b, COSINES, i, NAN), ET_ERR_FORMAT);
        CHECK_EQUAL(with_float(&b, COSINES, i, -INFINITY), ET_ERR_FORMAT);
    }
}

static void coefficient_bits_belong_to_the_packed_codec_alone(void)
{
    bundle b;
    if (!take_bundle(&b))
        return;
    b.bytes[ET_BUNDLE_HEADER + 8] = 8;
    CHECK_EQUAL(verdict(&b, b.size), ET_ERR_CODEC);
    b.bytes[ET_BUNDLE_HEADER + 8] = 0;
    CHECK_EQUAL(verdict(&b, b.size), ET_OK);
    b.bytes[ET_BUNDLE_HEADER + 7] = ET_CODEC_PACKED;
    CHECK_EQUAL(verdict(&b, b.size), ET_ERR_CODEC);
    b.bytes[ET_BUNDLE_HEADER + 7] = 3;
    CHECK_EQUAL(verdict(&b, b.size), ET_ERR_CODEC);
}

SUITE(codec, TEST(whole_tables_open_in_place), TEST(every_set_of_kinds_opens_and_takes_only_its_tables),
      TEST(every_cut_between_and_inside_tables_is_refused), TEST(fields_out_of_range_are_refused),
      TEST(tables_whose_parts_do_not_ascend_are_refused),
      TEST(kinds_that_are_not_used_have_no_part_and_those_used_have_one), TEST(other_tables_out_of_range_are_refused),
      TEST(coefficient_bits_belong_to_the_packed_codec_alone))
