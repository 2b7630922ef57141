/* Single steps of the range coder, compiled into what takes many of them (magnitude.c). */
#ifndef EDGETWIN_RANGE_STEP_H
#define EDGETWIN_RANGE_STEP_H

#include "edgetwin/range_coder.h"

#define ET_LEAST_RANGE (1u << 24) /* after each symbol; 2^16 parts of it are 256 each */

/* floor(log2 value), value > 0 */
static inline unsigned et_log2_floor(uint32_t value)
{
#ifdef __GNUC__
    return 31u - (unsigned)__builtin_clz(value);
#else
    unsigned bits = 0;
    while (value >>= 1)
        ++bits;
    return bits;
#endif
}

/* range_coder.c: 1 onto the bytes written. */
void et_range_carry(et_range_writer *writer);

static inline void et_range_put_byte(et_range_writer *writer, uint8_t byte)
{
    if (writer->size < writer->capacity)
        writer->bytes[writer->size] = byte;
    ++writer->size;
}

/* et_range_put. Who only counts needs no low. */
static inline void et_range_narrow(et_range_writer *writer, uint32_t from, uint32_t to, unsigned bits)
{
    const uint32_t part = writer->range >> bits;
    uint32_t range = part * (to - from);
    if (writer->bytes == NULL) {
        const unsigned shift = (31u - et_log2_floor(range)) & 24u; /* whole bytes above the range */
        writer->size += shift / 8;
        writer->range = range << shift;
        return;
    }
    const uint32_t amount = part * from;
    uint32_t low = writer->low + amount;
    if (low < amount)
        et_range_carry(writer);
    for (; range < ET_LEAST_RANGE; low <<= 8, range <<= 8)
        et_range_put_byte(writer, (uint8_t)(low >> 24));
    writer->low = low;
    writer->range = range;
}

static inline uint32_t et_range_next_byte(et_range_reader *reader)
{
    const size_t position = reader->position++;
    return position < reader->size ? reader->bytes[position] : 0;
}

/* et_range_took, of a symbol that begins `start` above low and takes `range`. */
static inline void et_range_enter(et_range_reader *reader, uint32_t start, uint32_t range)
{
    uint32_t low = reader->low + start, offset = reader->offset - start;
    for (; range < ET_LEAST_RANGE; range <<= 8) {
        low <<= 8;
        offset = offset << 8 | et_range_next_byte(reader);
    }
    reader->low = low;
    reader->offset = offset;
    reader->range = range;
}

/* Marks what no writer leaves: an offset beyond the parts. Reading goes on at 0. */
static inline void et_range_check(et_range_reader *reader, uint32_t parts)
{
    if (reader->offset >= parts) {
        reader->failed = 1;
        reader->offset = 0;
    }
}

/* et_range_get_bits of one bit. */
static inline uint32_t et_range_get_bit(et_range_reader *reader)
{
    const uint32_t part = reader->range >> 1;
    et_range_check(reader, 2 * part);
    const uint32_t bit = reader->offset >= part;
    et_range_enter(reader, bit != 0 ? part : 0, part);
    return bit;
}

#endif
