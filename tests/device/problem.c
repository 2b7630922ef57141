#include "problem.h"

#include <math.h>
#include <string.h>

#include "runner.h"

void random_atoms(float *atoms, unsigned m, unsigned n)
{
    uint32_t state = 0x2545f491u ^ m << 16 ^ n;
    for (unsigned j = 0; j < n; ++j) {
        float *atom = atoms + (size_t)j * m;
        float energy = 0.0f;
        for (unsigned i = 0; i < m; ++i) {
            atom[i] = test_random_float(&state);
            energy += atom[i] * atom[i];
        }
        const float inverse = 1.0f / sqrtf(energy);
        for (unsigned i = 0; i < m; ++i)
            atom[i] *= inverse;
    }
}

void identity_atoms(float *atoms, unsigned m, unsigned n)
{
    memset(atoms, 0, (size_t)m * n * sizeof *atoms);
    for (unsigned j = 0; j < n; ++j)
        atoms[(size_t)j * m + j % m] = 1.0f;
}

/* Rounds an atom to integers of at most `most`; returns the scale that gives them unit norm. */
static float quantise_atom(const float *atom, unsigned m, int32_t most, int32_t *integers)
{
    float largest = 0.0f, energy = 0.0f;
    for (unsigned i = 0; i < m; ++i)
        largest = fabsf(atom[i]) > largest ? fabsf(atom[i]) : largest;
    for (unsigned i = 0; i < m; ++i) {
        const float value = atom[i] / largest * (float)most;
        integers[i] = (int32_t)(value < 0.0f ? value - 0.5f : value + 0.5f);
        energy += (float)integers[i] * (float)integers[i];
    }
    return 1.0f / sqrtf(energy);
}

/* Rounds all atoms into `stored`, `stride` bytes each; `atoms` is used up. */
static void store_integers(et_atom_type type, float *atoms, unsigned m, unsigned n, size_t stride, uint8_t *stored,
                           float *scales)
{
    for (unsigned j = 0; j < n; ++j) {
        int32_t *integers =
            (int32_t *)(void *)(atoms + (size_t)j * m); /* in place: element i is read before it is set */
        scales[j] = quantise_atom(atoms + (size_t)j * m, m, type == ET_ATOM_INT8 ? 127 : 32767, integers);
        for (unsigned i = 0; i < m; ++i) {
            uint8_t *at = stored + j * stride;
            if (type == ET_ATOM_INT8)
                ((int8_t *)at)[i] = (int8_t)integers[i];
            else
                ((int16_t *)(void *)at)[i] = (int16_t)integers[i];
        }
    }
}

et_dictionary *take_dictionary(et_atom_type type, unsigned m, unsigned n, unsigned s, make_atoms *make)
{
    static const float offset = 0.0f, gain = 1.0f;
    const size_t stride = et_atom_stride(type, m);
    et_dictionary *d = test_take(sizeof *d);
    float *scales = type == ET_ATOM_FLOAT32 ? NULL : test_take(n * sizeof *scales);
    uint8_t *stored = test_take(n * stride);
    if (d == NULL || stored == NULL || (type != ET_ATOM_FLOAT32 && scales == NULL))
        return NULL;
    memset(stored, 0, n * stride);
    if (type == ET_ATOM_FLOAT32) {
        make((float *)(void *)stored, m, n);
    } else {
        float *atoms = test_take((size_t)m * n * sizeof *atoms);
        if (atoms == NULL)
            return NULL;
        make(atoms, m, n);
        store_integers(type, atoms, m, n, stride, stored, scales);
        test_give(atoms);
    }
    memset(d, 0, sizeof *d);
    d->m = (uint16_t)m;
    d->n = (uint16_t)n;
    d->s = (uint16_t)s;
    d->atom_type = (uint8_t)type;
    d->codec = ET_CODEC_PACKED;
    d->coefficient_bits = 32;
    d->channels = 1;
    d->offsets = &offset;
    d->gains = &gain;
    d->scales = scales;
    d->atoms = stored;
    d->stride = stride;
    return d;
}

/* cos by its series, the same bits on every target: 0 <= x <= 2 pi. */
static double cosine(double x)
{
    double term = 1.0, sum = 1.0;
    for (unsigned i = 1; i < 20; ++i) {
        term *= -x * x / (double)(2 * i * (2 * i - 1));
        sum += term;
    }
    return sum;
}

/* The table of dct.h, for `length`; returns its values' number. */
static size_t write_cosines(unsigned length, float *out)
{
    const double pi = 3.14159265358979323846;
    size_t count = 0;
    for (; length > 1 && length % 2 == 0; length /= 2)
        for (unsigned i = 0; i < length / 2; ++i, ++count)
            if (out != NULL)
                out[count] = (float)(0.5 / cosine(pi * (2 * i + 1) / (2 * length)));
    for (unsigned j = 0; length > 1 && j < 4 * length; ++j, ++count)
        if (out != NULL)
            out[count] = (float)cosine(pi * j / (2 * length));
    return count;
}

/* Geometric distributions with the expectations of magnitude.c's buckets. */
static void write_magnitudes(uint16_t *tables)
{
    for (unsigned bucket = 0; bucket < ET_MAGNITUDE_BUCKETS; ++bucket) {
        const unsigned sixteenths = bucket < 2 ? bucket : (2u + bucket % 2) << (bucket / 2 - 1);
        const float ratio = (float)(sixteenths + 1) / (float)(sixteenths + 17);
        float beyond = 1.0f;
        for (unsigned i = 0; i < ET_MAGNITUDE_SYMBOLS; ++i, beyond *= ratio)
            *tables++ = (uint16_t)(i + (unsigned)((32768.0f - ET_MAGNITUDE_SYMBOLS) * (1.0f - beyond)));
    }
}

/* All symbols equally likely. */
static const uint16_t *write_flat_parts(uint16_t *parts, unsigned symbols)
{
    for (unsigned i = 0; i < symbols; ++i)
        parts[i] = (uint16_t)(i * 32768u / symbols);
    return parts;
}

/* Each kind's part after any other: 1/4 or, of the first in use, what the others leave but for the rare raw windows. */
static void write_kind_parts(uint16_t *parts, unsigned kinds)
{
    for (unsigned row = 0; row < ET_WINDOW_KINDS + 1; ++row) {
        unsigned at = 32768u - 64u;
        for (unsigned kind = ET_WINDOW_RAW; kind-- > 0;) {
            parts[kind + 1] = (uint16_t)at;
            if (kinds >> kind & 1u)
                at = (kinds & ((1u << kind) - 1)) != 0 ? at - 8192u : 0;
        }
        parts[0] = 0;
        parts += ET_WINDOW_KINDS;
    }
}

int take_codec(et_dictionary *d, unsigned kinds)
{
    static const int16_t predictor[] = {6144, -2048}; /* 1.5 x[t-1] - 0.5 x[t-2] */
    const unsigned length = (unsigned)d->m / d->channels, counts = code_atoms(d) + 1, n = d->n;
    const size_t magnitudes = (size_t)ET_MAGNITUDE_BUCKETS * ET_MAGNITUDE_SYMBOLS;
    const size_t kind_parts = (ET_WINDOW_KINDS + 1) * (size_t)ET_WINDOW_KINDS;
    float *cosines = test_take(write_cosines(length, NULL) * sizeof *cosines);
    uint16_t *at = test_take(2 * (magnitudes + kind_parts + counts + 3 * (size_t)n + 1 + 2 * (size_t)length));
    if (cosines == NULL || at == NULL)
        return 0;
    et_codec *codec = &d->entropy;
    memset(codec, 0, sizeof *codec);
    d->codec = ET_CODEC_ENTROPY;
    d->coefficient_bits = 0;
    for (unsigned i = 0; i < ET_CODED_KINDS; ++i) {
        codec->steps[i] = 0.0625f;
        codec->per_step[i] = 16.0f;
    }
    codec->mean_step = codec->steps[ET_WINDOW_DCT] / sqrtf((float)length);
    codec->energy_per_bit = 0.00045f; /* steps^2 ln 2 / 6 */
    codec->kinds = (uint8_t)kinds;
    codec->order = sizeof predictor / sizeof *predictor;
    memcpy(codec->predictor, predictor, sizeof predictor);
    codec->rounding = 112;
    codec->mean_first = codec->dpcm_first = 128;
    codec->mean_next = codec->dpcm_next = codec->sparse_mean = 32;
    write_cosines(length, cosines);
    codec->cosines = cosines;
    write_magnitudes(at);
    codec->mean_magnitudes = codec->sparse_magnitudes = codec->dct_magnitudes = codec->dpcm_magnitudes = at;
    write_kind_parts(at += magnitudes, kinds);
    codec->kind_parts = at;
    codec->count_parts = write_flat_parts(at += kind_parts, counts);
    codec->last_parts = write_flat_parts(at += counts, length);
    at += length;
    codec->dct_expected = at;
    for (unsigned k = 0; k < length; ++k)
        *at++ = (uint16_t)(64 / (k + 1));
    codec->survival = at;
    for (unsigned j = 0; j <= n; ++j)
        *at++ = (uint16_t)(j * (8192u / n));
    codec->sparse_expected = at;
    for (unsigned j = 0; j < n; ++j)
        *at++ = (uint16_t)(16 + j % 32);
    memset(at, 128, n);
    codec->negative = (const uint8_t *)at;
    return 1;
}

float atom_element(const et_dictionary *dictionary, unsigned j, unsigned i)
{
    const uint8_t *atom = (const uint8_t *)dictionary->atoms + j * dictionary->stride;
    if (dictionary->atom_type == ET_ATOM_INT8)
        return (float)((const int8_t *)atom)[i] * dictionary->scales[j];
    if (dictionary->atom_type == ET_ATOM_INT16)
        return (float)((const int16_t *)(const void *)atom)[i] * dictionary->scales[j];
    return ((const float *)(const void *)atom)[i];
}

static void store_little_endian(uint8_t *bytes, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; ++i)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

void seal_bundle(uint8_t *bundle, et_bundle_kind kind, size_t payload_size)
{
    et_sha256 hash;
    uint8_t digest[ET_SHA256_SIZE];
    et_sha256_init(&hash);
    et_sha256_update(&hash, bundle + ET_BUNDLE_HEADER, payload_size);
    et_sha256_final(&hash, digest);
    memcpy(bundle, "ETBN", 4);
    store_little_endian(bundle + 4, ET_BUNDLE_VERSION, 2);
    bundle[6] = (uint8_t)kind;
    bundle[7] = 0;
    store_little_endian(bundle + 8, payload_size, 4);
    memcpy(bundle + 16, digest, 8);
    memset(bundle + 24, 0, 8);
    store_little_endian(bundle + 12, et_crc32(et_crc32(0, bundle, 12), bundle + 16, 16 + payload_size), 4);
}

/* Puts a section, padded with zeros to 16 bytes, at *at, or only counts if there is no bundle. */
static void put_section(uint8_t *bundle, size_t *at, const void *section, size_t size)
{
    const size_t padded = (size + 15) & ~(size_t)15;
    if (bundle != NULL) {
        memset(bundle + *at, 0, padded);
        memcpy(bundle + *at, section, size);
    }
    *at += padded;
}

static void put_codec_fields(uint8_t *bundle, size_t *at, const et_codec *codec)
{
    const uint16_t expected[] = {codec->mean_first, codec->mean_next, codec->dpcm_first, codec->dpcm_next,
                                 codec->sparse_mean};
    uint8_t fields[64] = {0};
    memcpy(fields, codec->steps, 12);
    memcpy(fields + 12, &codec->least, 4);
    memcpy(fields + 16, &codec->energy_per_bit, 4);
    fields[20] = codec->kinds;
    fields[21] = codec->order;
    fields[22] = (uint8_t)((codec->centred ? 1 : 0) | (codec->chained ? 2 : 0));
    fields[23] = codec->rounding;
    memcpy(fields + 24, codec->predictor, sizeof codec->predictor);
    memcpy(fields + 40, expected, sizeof expected);
    put_section(bundle, at, fields, sizeof fields);
}

static void put_codec(uint8_t *bundle, size_t *at, const et_dictionary *d)
{
    const et_codec *codec = &d->entropy;
    const size_t magnitudes = 2u * ET_MAGNITUDE_BUCKETS * ET_MAGNITUDE_SYMBOLS;
    const unsigned length = (unsigned)d->m / d->channels;
    put_codec_fields(bundle, at, codec);
    put_section(bundle, at, codec->kind_parts, 2u * (ET_WINDOW_KINDS + 1) * ET_WINDOW_KINDS);
    if (codec->centred || codec->kinds >> ET_WINDOW_DCT & 1u)
        put_section(bundle, at, codec->mean_magnitudes, magnitudes);
    if (codec->kinds >> ET_WINDOW_SPARSE & 1u) {
        put_section(bundle, at, codec->sparse_magnitudes, magnitudes);
        put_section(bundle, at, codec->count_parts, 2u * (code_atoms(d) + 1u));
        put_section(bundle, at, codec->survival, 2u * (d->n + 1u));
        put_section(bundle, at, codec->sparse_expected, 2u * d->n);
        put_section(bundle, at, codec->negative, d->n);
    }
    if (codec->kinds >> ET_WINDOW_DCT & 1u) {
        put_section(bundle, at, codec->dct_magnitudes, magnitudes);
        put_section(bundle, at, codec->last_parts, 2u * length);
        put_section(bundle, at, codec->dct_expected, 2u * length);
        put_section(bundle, at, codec->cosines, 4u * write_cosines(length, NULL));
    }
    if (codec->kinds >> ET_WINDOW_DPCM & 1u)
        put_section(bundle, at, codec->dpcm_magnitudes, magnitudes);
}

size_t write_dictionary_bundle(const et_dictionary *d, uint8_t *bundle)
{
    uint8_t fields[16];
    size_t at = ET_BUNDLE_HEADER;
    store_little_endian(fields, d->m, 2);
    store_little_endian(fields + 2, d->n, 2);
    store_little_endian(fields + 4, d->s, 2);
    fields[6] = d->atom_type;
    fields[7] = d->codec;
    fields[8] = d->coefficient_bits;
    fields[9] = 0;
    store_little_endian(fields + 10, d->channels, 2);
    memcpy(fields + 12, &d->tolerance, 4); /* every target is little endian */
    put_section(bundle, &at, fields, sizeof fields);
    put_section(bundle, &at, d->offsets, 4u * d->channels);
    put_section(bundle, &at, d->gains, 4u * d->channels);
    if (d->scales != NULL)
        put_section(bundle, &at, d->scales, 4u * d->n);
    put_section(bundle, &at, d->atoms, d->n * d->stride);
    if (d->codec == ET_CODEC_ENTROPY)
        put_codec(bundle, &at, d);
    if (bundle != NULL)
        seal_bundle(bundle, ET_KIND_DICTIONARY, at - ET_BUNDLE_HEADER);
    return at;
}

unsigned code_atoms(const et_dictionary *d)
{
    const unsigned rank = d->m < d->n ? d->m : d->n;
    return d->s < rank ? d->s : rank;
}

int take_encoder(const et_dictionary *d, et_encoder *encoder)
{
    void *memory = test_take(et_encoder_size(d));
    if (memory != NULL)
        et_encoder_place(encoder, d, memory);
    return memory != NULL;
}
