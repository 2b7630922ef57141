#include "edgetwin/code.h"

#include "float_bits.h"

/* Bits are filled from the least significant end of each byte. */
typedef struct bit_writer {
    uint8_t *bytes;
    size_t position; /* in bits */
} bit_writer;

static void put_bits(bit_writer *writer, uint32_t value, unsigned bits)
{
    while (bits > 0) {
        const unsigned used = writer->position % 8;
        const unsigned part = bits < 8 - used ? bits : 8 - used;
        uint8_t *byte = writer->bytes + writer->position / 8;
        if (used == 0)
            *byte = 0;
        *byte |= (uint8_t)((value & ((1u << part) - 1)) << used);
        value >>= part;
        bits -= part;
        writer->position += part;
    }
}

typedef struct bit_reader {
    const uint8_t *bytes;
    size_t position, end;
    int failed; /* read past the end: all values are 0 from there on */
} bit_reader;

static uint32_t get_bits(bit_reader *reader, unsigned bits)
{
    uint32_t value = 0;
    if (bits > reader->end - reader->position) {
        reader->failed = 1;
        reader->position = reader->end;
        return 0;
    }
    for (unsigned got = 0; got < bits;) {
        const unsigned used = reader->position % 8;
        const unsigned part = bits - got < 8 - used ? bits - got : 8 - used;
        const uint32_t byte = reader->bytes[reader->position / 8];
        value |= (byte >> used & ((1u << part) - 1)) << got;
        got += part;
        reader->position += part;
    }
    return value;
}

/* Bits that tell `values` values apart: ceil(log2 values). */
static unsigned width(unsigned values)
{
    unsigned bits = 0;
    while ((1u << bits) < values)
        ++bits;
    return bits;
}

static size_t code_bits(const et_dictionary *d, unsigned count)
{
    const size_t head = 4u + width(et_most_atoms(d) + 1u);
    const size_t exponent = count > 0 && d->coefficient_bits < 32 ? 8 : 0;
    return head + exponent + (size_t)count * (width(d->n) + d->coefficient_bits);
}

size_t et_code_max_size(const et_dictionary *dictionary)
{
    return (code_bits(dictionary, et_most_atoms(dictionary)) + 7) / 8;
}

/* x * 2^exponent for exponents beyond those of a float32; the last product alone may round. */
static float scale_by_power2(float x, int exponent)
{
    for (; exponent > 126; exponent -= 126)
        x *= et_float_power2(126);
    for (; exponent < -126; exponent += 126)
        x *= et_float_power2(-126);
    return x * et_float_power2(exponent);
}

/* FORMATS.md: q = x * 2^(126 - E + B - 1), rounded and held to +-(2^(B-1) - 1). */
static int32_t quantise(float x, int largest_exponent, unsigned bits)
{
    const int32_t most = (int32_t)((1u << (bits - 1)) - 1);
    const int32_t q = et_float_round(scale_by_power2(x, 126 - largest_exponent + (int)bits - 1));
    return q > most ? most : q < -most ? -most : q;
}

et_status et_code_pack(const et_dictionary *dictionary, const uint16_t *support, const float *coefficients,
                       unsigned count, uint8_t *bytes, size_t capacity, size_t *size)
{
    const unsigned bits = dictionary->coefficient_bits, index_bits = width(dictionary->n);
    if (!et_codec_known(dictionary->codec, bits))
        return ET_ERR_CODEC;
    if (count > et_most_atoms(dictionary))
        return ET_ERR_ARGUMENT;
    uint32_t largest = 0;
    for (unsigned i = 0; i < count; ++i) {
        const uint32_t magnitude = et_float_magnitude(coefficients[i]);
        if (support[i] >= dictionary->n || (i > 0 && support[i] <= support[i - 1]) ||
            magnitude >= ET_FLOAT_INFINITY_BITS)
            return ET_ERR_ARGUMENT;
        if (magnitude > largest)
            largest = magnitude;
    }
    const size_t total = (code_bits(dictionary, count) + 7) / 8;
    if (capacity < total)
        return ET_ERR_CAPACITY;

    bit_writer writer = {bytes, 0};
    put_bits(&writer, dictionary->codec, 4);
    put_bits(&writer, count, width(et_most_atoms(dictionary) + 1u));
    const uint32_t exponent = largest >> 23;
    if (count > 0 && bits < 32)
        put_bits(&writer, exponent, 8);
    for (unsigned i = 0; i < count; ++i) {
        put_bits(&writer, support[i], index_bits);
        if (bits < 32)
            put_bits(&writer, (uint32_t)quantise(coefficients[i], (int)exponent, bits), bits);
        else
            put_bits(&writer, et_float_bits(coefficients[i]), 32);
    }
    *size = total;
    return ET_OK;
}

/* Reads one coefficient; ET_ERR_FORMAT for bits that no encoder writes. *largest becomes the largest |q| so far. */
static et_status read_coefficient(bit_reader *reader, unsigned bits, int exponent, float *coefficient, int32_t *largest)
{
    const uint32_t raw = get_bits(reader, bits);
    if (bits == 32) {
        *coefficient = et_float_from_bits(raw);
        return et_float_finite(*coefficient) ? ET_OK : ET_ERR_FORMAT;
    }
    const uint32_t sign = 1u << (bits - 1);
    if (raw == sign)
        return ET_ERR_FORMAT;
    const int32_t q = (raw & sign) != 0 ? (int32_t)raw - (int32_t)(sign << 1) : (int32_t)raw;
    const int32_t magnitude = q < 0 ? -q : q;
    if (magnitude > *largest)
        *largest = magnitude;
    *coefficient = scale_by_power2((float)q, exponent - 126 - (int)(bits - 1));
    return ET_OK;
}

et_status et_code_unpack(const et_dictionary *dictionary, const uint8_t *bytes, size_t size, uint16_t *support,
                         float *coefficients, unsigned *count, size_t *used)
{
    const unsigned bits = dictionary->coefficient_bits, index_bits = width(dictionary->n);
    bit_reader reader = {bytes, 0, size * 8, 0};
    const uint32_t codec = get_bits(&reader, 4);
    if (reader.failed)
        return ET_ERR_TRUNCATED;
    if (codec != dictionary->codec || !et_codec_known(codec, bits))
        return ET_ERR_CODEC;
    const uint32_t atoms = get_bits(&reader, width(et_most_atoms(dictionary) + 1u));
    if (reader.failed)
        return ET_ERR_TRUNCATED;
    if (atoms > et_most_atoms(dictionary))
        return ET_ERR_FORMAT;
    const size_t total = code_bits(dictionary, atoms);
    if (size < (total + 7) / 8)
        return ET_ERR_TRUNCATED;
    reader.end = (total + 7) / 8 * 8;
    const uint32_t exponent = atoms > 0 && bits < 32 ? get_bits(&reader, 8) : 0;
    if (exponent == 255)
        return ET_ERR_FORMAT;
    int32_t largest = 0;
    for (uint32_t i = 0; i < atoms; ++i) {
        support[i] = (uint16_t)get_bits(&reader, index_bits);
        if (support[i] >= dictionary->n || (i > 0 && support[i] <= support[i - 1]))
            return ET_ERR_FORMAT;
        const et_status status = read_coefficient(&reader, bits, (int)exponent, &coefficients[i], &largest);
        if (status != ET_OK)
            return status;
    }
    if (get_bits(&reader, (unsigned)(reader.end - reader.position)) != 0)
        return ET_ERR_FORMAT;
    if (exponent > 0 && largest < (int32_t)1 << (bits - 2))
        return ET_ERR_FORMAT; /* the largest coefficient has a smaller exponent */
    *count = atoms;
    *used = (total + 7) / 8;
    return ET_OK;
}
