/* The codec's part of a bundle: everything that coding and decoding rely on is checked here, once. */
#include "edgetwin/codec.h"

#include <math.h>
#include <string.h>

#include "bytes.h"
#include "dct.h"
#include "section.h"
#include "window_code.h"

#define FIELDS 64u
#define CENTRED 1u
#define CHAINED 2u
#define MOST_MEAN 0x3fffu /* of sparse_mean: sums of it stay within 16 bits */

int et_codec_known(unsigned codec, unsigned coefficient_bits)
{
    if (codec == ET_CODEC_PACKED)
        return (coefficient_bits >= 4 && coefficient_bits <= 16) || coefficient_bits == 32;
    return codec == ET_CODEC_ENTROPY && coefficient_bits == 0;
}

/* Parts begin at 0 and each takes 1 or more of 2^15; those of kinds that are not in `used` take nothing. */
static int good_parts(const uint16_t *parts, unsigned symbols, unsigned used)
{
    for (unsigned i = 0; i < symbols; ++i) {
        const uint32_t to = i + 1 < symbols ? parts[i + 1] : 1u << ET_PART_BITS;
        const int some = i >= 32 || (used >> i & 1u) != 0;
        if ((i == 0 && parts[0] != 0) || to > 1u << ET_PART_BITS || (some ? to <= parts[i] : to != parts[i]))
            return 0;
    }
    return 1;
}

static const uint16_t *take_parts(const et_bundle *bundle, size_t *offset, unsigned tables, unsigned symbols,
                                  unsigned used, et_status *status)
{
    const uint16_t *parts = et_take_section(bundle, offset, 2u * (size_t)tables * symbols);
    if (parts == NULL) {
        *status = ET_ERR_TRUNCATED;
        return NULL;
    }
    for (unsigned i = 0; i < tables; ++i)
        if (!good_parts(parts + (size_t)i * symbols, symbols, used))
            *status = ET_ERR_FORMAT;
    return parts;
}

static const uint16_t *take_magnitudes(const et_bundle *bundle, size_t *offset, et_status *status)
{
    return take_parts(bundle, offset, ET_MAGNITUDE_BUCKETS, ET_MAGNITUDE_SYMBOLS, ~0u, status);
}

static et_status open_fields(const uint8_t *fields, et_codec *codec)
{
    for (unsigned i = 0; i < ET_CODED_KINDS; ++i) {
        codec->steps[i] = et_float_from_bits(et_load_u32(fields + 4 * i));
        if (!et_float_finite(codec->steps[i]) || !(codec->steps[i] >= 1e-30f))
            return ET_ERR_FORMAT;
        codec->per_step[i] = 1.0f / codec->steps[i];
    }
    codec->least = et_float_from_bits(et_load_u32(fields + 12));
    codec->energy_per_bit = et_float_from_bits(et_load_u32(fields + 16));
    codec->kinds = fields[20];
    codec->order = fields[21];
    codec->centred = (fields[22] & CENTRED) != 0;
    codec->chained = (fields[22] & CHAINED) != 0;
    codec->rounding = fields[23];
    for (unsigned i = 0; i < ET_MOST_ORDER; ++i)
        codec->predictor[i] = (int16_t)et_load_u16(fields + 24 + 2 * i);
    codec->mean_first = et_load_u16(fields + 40);
    codec->mean_next = et_load_u16(fields + 42);
    codec->dpcm_first = et_load_u16(fields + 44);
    codec->dpcm_next = et_load_u16(fields + 46);
    codec->sparse_mean = et_load_u16(fields + 48);
    uint8_t rest = 0;
    for (unsigned i = 50; i < FIELDS; ++i)
        rest |= fields[i];
    for (unsigned i = codec->order; i < ET_MOST_ORDER; ++i)
        rest |= codec->predictor[i] != 0;
    if (!et_float_finite(codec->least) || !(codec->least >= 0.0f) || !et_float_finite(codec->energy_per_bit) ||
        !(codec->energy_per_bit >= 0.0f) || codec->kinds == 0 || codec->kinds >= 1u << ET_CODED_KINDS ||
        codec->order > ET_MOST_ORDER || (fields[22] & ~(CENTRED | CHAINED)) != 0 || codec->sparse_mean > MOST_MEAN ||
        rest != 0)
        return ET_ERR_FORMAT;
    return ET_OK;
}

static et_status open_sparse(const et_bundle *bundle, size_t *offset, et_dictionary *d)
{
    et_codec *codec = &d->entropy;
    et_status status = ET_OK;
    codec->sparse_magnitudes = take_magnitudes(bundle, offset, &status);
    codec->count_parts =
        status == ET_ERR_TRUNCATED ? NULL : take_parts(bundle, offset, 1, et_most_atoms(d) + 1u, ~0u, &status);
    if (status == ET_ERR_TRUNCATED)
        return status;
    codec->survival = et_take_section(bundle, offset, 2u * ((size_t)d->n + 1));
    codec->sparse_expected = codec->survival != NULL ? et_take_section(bundle, offset, 2u * (size_t)d->n) : NULL;
    codec->negative = codec->sparse_expected != NULL ? et_take_section(bundle, offset, d->n) : NULL;
    if (codec->negative == NULL)
        return ET_ERR_TRUNCATED;
    for (unsigned j = 0; j < d->n; ++j)
        if (codec->survival[j + 1] < codec->survival[j] || codec->negative[j] == 0)
            return ET_ERR_FORMAT;
    return codec->survival[0] == 0 ? status : ET_ERR_FORMAT;
}

static et_status open_dct(const et_bundle *bundle, size_t *offset, et_dictionary *d)
{
    et_codec *codec = &d->entropy;
    const unsigned length = et_channel_samples(d);
    const size_t cosines = et_dct_cosines(length);
    et_status status = ET_OK;
    codec->dct_magnitudes = take_magnitudes(bundle, offset, &status);
    codec->last_parts = status == ET_ERR_TRUNCATED ? NULL : take_parts(bundle, offset, 1, length, ~0u, &status);
    if (status == ET_ERR_TRUNCATED)
        return status;
    codec->dct_expected = et_take_section(bundle, offset, 2u * (size_t)length);
    codec->cosines = codec->dct_expected != NULL ? et_take_section(bundle, offset, 4u * cosines) : NULL;
    if (codec->cosines == NULL)
        return ET_ERR_TRUNCATED;
    for (size_t i = 0; i < cosines; ++i)
        if (!et_float_finite(codec->cosines[i]))
            return ET_ERR_FORMAT;
    return status;
}

et_status et_codec_open(const et_bundle *bundle, size_t *offset, et_dictionary *d)
{
    et_codec *codec = &d->entropy;
    memset(codec, 0, sizeof *codec);
    const uint8_t *fields = et_take_section(bundle, offset, FIELDS);
    if (fields == NULL)
        return ET_ERR_TRUNCATED;
    et_status status = open_fields(fields, codec);
    if (status != ET_OK)
        return status;
    codec->mean_step = codec->steps[ET_WINDOW_DCT] / sqrtf((float)et_channel_samples(d));
    codec->kind_parts =
        take_parts(bundle, offset, ET_WINDOW_KINDS + 1, ET_WINDOW_KINDS, codec->kinds | 1u << ET_WINDOW_RAW, &status);
    if (status != ET_OK)
        return status;
    if (codec->centred || et_has_kind(d, ET_WINDOW_DCT))
        codec->mean_magnitudes = take_magnitudes(bundle, offset, &status);
    if (status == ET_OK && et_has_kind(d, ET_WINDOW_SPARSE))
        status = open_sparse(bundle, offset, d);
    if (status == ET_OK && et_has_kind(d, ET_WINDOW_DCT))
        status = open_dct(bundle, offset, d);
    if (status == ET_OK && et_has_kind(d, ET_WINDOW_DPCM))
        codec->dpcm_magnitudes = take_magnitudes(bundle, offset, &status);
    return status;
}
