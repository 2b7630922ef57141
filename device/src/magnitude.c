/* Symbols of tables, and magnitudes by their expectation: buckets of half octaves, above the last one with low bits as they
 * are. */
#include "range_step.h"
#include "window_code.h"

#define ESCAPE (ET_MAGNITUDE_SYMBOLS - 1)
#define LENGTH_BITS 5u

static uint32_t part_end(const uint16_t *parts, unsigned symbols, unsigned symbol)
{
    return symbol + 1 < symbols ? parts[symbol + 1] : 1u << ET_PART_BITS;
}

void et_put_symbol(et_range_writer *writer, const uint16_t *parts, unsigned symbols, unsigned symbol)
{
    et_range_narrow(writer, parts[symbol], part_end(parts, symbols, symbol), ET_PART_BITS);
}

/* A symbol of few: by products, which take less time than the quotient that tells where in 2^15 it lies. */
static inline unsigned get_symbol(et_range_reader *reader, const uint16_t *parts, unsigned symbols)
{
    const uint32_t part = reader->range >> ET_PART_BITS;
    et_range_check(reader, part << ET_PART_BITS);
    const uint32_t offset = reader->offset;
    uint32_t start = 0, end = part << ET_PART_BITS;
    unsigned symbol = 0;
    for (; symbol + 1 < symbols; ++symbol) {
        const uint32_t next = part * parts[symbol + 1];
        if (next > offset) {
            end = next;
            break;
        }
        start = next;
    }
    et_range_enter(reader, start, end - start);
    return symbol;
}

unsigned et_get_symbol(et_range_reader *reader, const uint16_t *parts, unsigned symbols)
{
    if (symbols <= ET_MAGNITUDE_SYMBOLS)
        return get_symbol(reader, parts, symbols);
    const uint32_t part = reader->range >> ET_PART_BITS;
    unsigned symbol = 0;
    et_range_check(reader, part << ET_PART_BITS);
    for (unsigned end = symbols; end - symbol > 1;) {
        const unsigned middle = (symbol + end) / 2;
        if (part * parts[middle] <= reader->offset)
            symbol = middle;
        else
            end = middle;
    }
    et_range_enter(reader, part * parts[symbol], part * (part_end(parts, symbols, symbol) - parts[symbol]));
    return symbol;
}

/* Bucket of an expected magnitude, and how many low bits are not in its table. */
static unsigned bucket_of(uint32_t expected, unsigned *low_bits)
{
    *low_bits = 0;
    if (expected < 2)
        return expected;
    const unsigned octave = et_log2_floor(expected);
    const unsigned bucket = 2 * octave + (expected >> (octave - 1) & 1u);
    if (bucket < ET_MAGNITUDE_BUCKETS)
        return bucket;
    *low_bits = (bucket - (ET_MAGNITUDE_BUCKETS - 2)) / 2;
    return bucket - 2 * *low_bits;
}

void et_put_magnitude(et_range_writer *writer, const uint16_t *tables, uint32_t expected, uint32_t magnitude)
{
    unsigned low_bits;
    const uint16_t *table = tables + ET_MAGNITUDE_SYMBOLS * bucket_of(expected, &low_bits);
    const uint32_t high = magnitude >> low_bits;
    if (high < ESCAPE) {
        et_range_narrow(writer, table[high], table[high + 1], ET_PART_BITS);
    } else {
        const uint32_t above = high - ESCAPE + 1;
        const unsigned bits = et_log2_floor(above);
        et_put_symbol(writer, table, ET_MAGNITUDE_SYMBOLS, ESCAPE);
        et_range_put_bits(writer, bits, LENGTH_BITS);
        et_range_put_bits(writer, above & ((1u << bits) - 1), bits);
    }
    if (low_bits > 0)
        et_range_put_bits(writer, magnitude & ((1u << low_bits) - 1), low_bits);
}

/* A magnitude of which `symbol` was read: most are done with that. */
static uint32_t get_rest(et_range_reader *reader, unsigned symbol, unsigned low_bits)
{
    uint64_t high = symbol;
    if (symbol == ESCAPE) {
        const uint32_t bits = et_range_get_bits(reader, LENGTH_BITS);
        high = ESCAPE - 1 + ((uint64_t)1 << bits | et_range_get_bits(reader, bits));
    }
    const uint64_t magnitude = high << low_bits | et_range_get_bits(reader, low_bits);
    if (magnitude < ET_MOST_STEPS * 2u)
        return (uint32_t)magnitude;
    reader->failed = 1;
    return 0;
}

uint32_t et_get_magnitude(et_range_reader *reader, const uint16_t *tables, uint32_t expected)
{
    unsigned low_bits;
    const uint16_t *table = tables + ET_MAGNITUDE_SYMBOLS * bucket_of(expected, &low_bits);
    const unsigned symbol = get_symbol(reader, table, ET_MAGNITUDE_SYMBOLS);
    return symbol == ESCAPE || low_bits > 0 ? get_rest(reader, symbol, low_bits) : symbol;
}

void et_put_integer(et_range_writer *writer, const uint16_t *tables, uint32_t expected, int32_t value)
{
    et_put_magnitude(writer, tables, expected, et_magnitude(value));
    if (value != 0)
        et_range_narrow(writer, value < 0, (value < 0) + 1u, 1);
}

int32_t et_get_integer(et_range_reader *reader, const uint16_t *tables, uint32_t expected)
{
    const int32_t magnitude = (int32_t)et_get_magnitude(reader, tables, expected);
    if (magnitude == 0)
        return 0;
    const int32_t sign = -(int32_t)et_range_get_bit(reader); /* 0 or -1 */
    return (magnitude ^ sign) - sign;
}
