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
        int32_t *integers = (int32_t *)(void *)(atoms + (size_t)j * m); /* in place: element i is read before it is set */
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
    const unsigned k = code_atoms(d);
    encoder->workspace_size = et_omp_workspace_size((et_atom_type)d->atom_type, d->m, d->n, d->s);
    encoder->support = test_take(k * sizeof *encoder->support);
    encoder->coefficients = test_take(k * sizeof *encoder->coefficients);
    encoder->workspace = test_take(encoder->workspace_size);
    return encoder->support != NULL && encoder->coefficients != NULL && encoder->workspace != NULL;
}
