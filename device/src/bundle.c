#include "edgetwin/bundle.h"

#include <string.h>

#include "atom.h"
#include "bytes.h"
#include "edgetwin/sha256.h"
#include "float_bits.h"
#include "section.h"

#define DICTIONARY_FIELDS 16u /* bytes of the fixed fields of each payload */
#define RECORDING_FIELDS 16u
#define NORM_TOLERANCE 1e-4f

et_status et_bundle_open(const uint8_t *bytes, size_t size, et_bundle *bundle)
{
    static const uint8_t magic[4] = {'E', 'T', 'B', 'N'};
    if ((uintptr_t)bytes % 4 != 0)
        return ET_ERR_ARGUMENT;
    if (size < ET_BUNDLE_HEADER)
        return ET_ERR_TRUNCATED;
    if (memcmp(bytes, magic, sizeof magic) != 0)
        return ET_ERR_MAGIC;
    if (et_load_u16(bytes + 4) != ET_BUNDLE_VERSION)
        return ET_ERR_VERSION;
    const uint32_t length = et_load_u32(bytes + 8);
    if (length % 16 != 0 || bytes[7] != 0 || et_load_u64(bytes + 24) != 0)
        return ET_ERR_FORMAT;
    if (length > size - ET_BUNDLE_HEADER)
        return ET_ERR_TRUNCATED;
    uint32_t crc = et_crc32(0, bytes, 12);
    crc = et_crc32(crc, bytes + 16, 16 + (size_t)length);
    if (crc != et_load_u32(bytes + 12))
        return ET_ERR_CRC;

    et_sha256 hash;
    uint8_t digest[ET_SHA256_SIZE];
    et_sha256_init(&hash);
    et_sha256_update(&hash, bytes + ET_BUNDLE_HEADER, length);
    et_sha256_final(&hash, digest);
    if (memcmp(digest, bytes + 16, 8) != 0)
        return ET_ERR_ID;

    bundle->kind = bytes[6];
    bundle->id = et_load_u64(bytes + 16);
    bundle->payload = bytes + ET_BUNDLE_HEADER;
    bundle->payload_size = length;
    return ET_OK;
}

static int all_finite(const float *values, unsigned count, int positive)
{
    for (unsigned i = 0; i < count; ++i)
        if (!et_float_finite(values[i]) || (positive && !(values[i] > 0.0f)))
            return 0;
    return 1;
}

/* ‖d_j‖² in the contract's order, without a buffer for the atom. */
static float squared_norm(const et_dictionary *dictionary, unsigned j)
{
    const void *atom = et_atom(dictionary, j);
    float p[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (unsigned i = 0; i < dictionary->m; ++i) {
        const float value = et_atom_value(dictionary, atom, j, i);
        p[i % 4] += value * value;
    }
    return (p[0] + p[1]) + (p[2] + p[3]);
}

static et_status check_atoms(const et_dictionary *dictionary)
{
    for (unsigned j = 0; j < dictionary->n; ++j) {
        const float deviation = squared_norm(dictionary, j) - 1.0f;
        if (!(deviation <= NORM_TOLERANCE && deviation >= -NORM_TOLERANCE)) /* NaN fails too */
            return ET_ERR_NORM;
    }
    return ET_OK;
}

et_status et_dictionary_open(const uint8_t *bytes, size_t size, et_dictionary *dictionary)
{
    et_bundle bundle;
    const et_status status = et_bundle_open(bytes, size, &bundle);
    if (status != ET_OK)
        return status;
    if (bundle.kind != ET_KIND_DICTIONARY)
        return ET_ERR_KIND;
    if (bundle.payload_size < DICTIONARY_FIELDS)
        return ET_ERR_TRUNCATED;

    const uint8_t *fields = bundle.payload;
    et_dictionary d;
    d.m = et_load_u16(fields);
    d.n = et_load_u16(fields + 2);
    d.s = et_load_u16(fields + 4);
    d.atom_type = fields[6];
    d.codec = fields[7];
    d.coefficient_bits = fields[8];
    d.channels = et_load_u16(fields + 10);
    d.tolerance = et_float_from_bits(et_load_u32(fields + 12));
    d.stride = et_atom_stride((et_atom_type)d.atom_type, d.m);
    d.id = bundle.id;
    if (d.m < 1 || d.m > ET_MAX_SAMPLES || d.n < 1 || d.n > ET_MAX_ATOMS || d.stride == 0 || fields[9] != 0 ||
        d.channels < 1 || d.m % d.channels != 0 || !et_float_finite(d.tolerance) || !(d.tolerance >= 0.0f))
        return ET_ERR_FORMAT;
    if (!et_codec_known(d.codec, d.coefficient_bits))
        return ET_ERR_CODEC;

    size_t offset = DICTIONARY_FIELDS;
    d.offsets = et_take_section(&bundle, &offset, 4u * d.channels);
    d.gains = d.offsets != NULL ? et_take_section(&bundle, &offset, 4u * d.channels) : NULL;
    if (d.gains == NULL)
        return ET_ERR_TRUNCATED;
    d.scales = NULL;
    if (d.atom_type != ET_ATOM_FLOAT32) {
        d.scales = et_take_section(&bundle, &offset, 4u * d.n);
        if (d.scales == NULL)
            return ET_ERR_TRUNCATED;
        if (!all_finite(d.scales, d.n, 1))
            return ET_ERR_FORMAT;
    }
    d.atoms = et_take_section(&bundle, &offset, (size_t)d.n * d.stride);
    if (d.atoms == NULL)
        return ET_ERR_TRUNCATED;
    if (!all_finite(d.offsets, d.channels, 0) || !all_finite(d.gains, d.channels, 1))
        return ET_ERR_FORMAT;
    if (d.codec == ET_CODEC_ENTROPY) {
        const et_status codec = et_codec_open(&bundle, &offset, &d);
        if (codec != ET_OK)
            return codec;
    }
    const et_status norms = check_atoms(&d);
    if (norms == ET_OK)
        *dictionary = d;
    return norms;
}

et_status et_recording_open(const uint8_t *bytes, size_t size, et_recording *recording)
{
    et_bundle bundle;
    const et_status status = et_bundle_open(bytes, size, &bundle);
    if (status != ET_OK)
        return status;
    if (bundle.kind != ET_KIND_RECORDING)
        return ET_ERR_KIND;
    if (bundle.payload_size < RECORDING_FIELDS)
        return ET_ERR_TRUNCATED;
    const uint32_t rows = et_load_u32(bundle.payload);
    const uint16_t channels = et_load_u16(bundle.payload + 4);
    if (rows == 0 || channels == 0 || et_load_u16(bundle.payload + 6) != 0 || et_load_u64(bundle.payload + 8) != 0)
        return ET_ERR_FORMAT;
    if ((uint64_t)rows * channels * 4 > bundle.payload_size - RECORDING_FIELDS)
        return ET_ERR_TRUNCATED;
    recording->rows = rows;
    recording->channels = channels;
    recording->samples = (const float *)(const void *)(bundle.payload + RECORDING_FIELDS);
    recording->id = bundle.id;
    return ET_OK;
}

et_status et_recording_read(void *recording, uint32_t window, unsigned m, float *signal)
{
    const et_recording *r = recording;
    const uint64_t values = (uint64_t)r->rows * r->channels;
    const uint64_t windows = values / m;
    if (windows == 0)
        return ET_ERR_FIT;
    memcpy(signal, r->samples + (size_t)(window % windows) * m, m * sizeof *signal);
    return ET_OK;
}
