#include "edgetwin/range_coder.h"

#include "range_step.h"

void et_range_begin(et_range_writer *writer, uint8_t *bytes, size_t capacity)
{
    writer->bytes = bytes;
    writer->capacity = capacity;
    writer->size = 0;
    writer->low = 0;
    writer->range = 0xffffffffu;
}

void et_range_carry(et_range_writer *writer)
{
    if (writer->size > writer->capacity)
        return;
    for (size_t i = writer->size; i-- > 0 && ++writer->bytes[i] == 0;)
        ;
}

void et_range_put(et_range_writer *writer, uint32_t from, uint32_t to, unsigned bits)
{
    et_range_narrow(writer, from, to, bits);
}

void et_range_put_bits(et_range_writer *writer, uint32_t value, unsigned bits)
{
    for (; bits > 16; bits -= 16, value >>= 16)
        et_range_put(writer, value & 0xffffu, (value & 0xffffu) + 1, 16);
    if (bits > 0)
        et_range_put(writer, value, value + 1, bits);
}

uint32_t et_range_cost(const et_range_writer *writer)
{
    uint32_t range = writer->range, whole = 0;
    for (; range < 1u << 31; range <<= 1)
        ++whole;
    /* log2 of 1 .. 2 by its chord */
    return ((uint32_t)writer->size * 8 + whole + 1) * 256 - (range >> 23 & 255u);
}

/* How far above low the value lies that a writer ends with: the one with the most zero bytes at its end. Whole bytes of
 * it that are written come in *bytes, 0 or 1; low + offset may carry. */
static uint32_t end_offset(uint32_t low, uint32_t range, unsigned *bytes)
{
    *bytes = 0;
    if (low == 0 || 0u - low < range) /* 0, or 2^32: nothing but a carry */
        return 0u - low;
    *bytes = 1;
    return (0u - low) & (ET_LEAST_RANGE - 1);
}

size_t et_range_end(et_range_writer *writer)
{
    unsigned bytes;
    const uint32_t offset = end_offset(writer->low, writer->range, &bytes);
    writer->low += offset;
    if (writer->low < offset)
        et_range_carry(writer);
    if (bytes > 0)
        et_range_put_byte(writer, (uint8_t)(writer->low >> 24));
    if (writer->size <= writer->capacity)
        while (writer->size > 0 && writer->bytes[writer->size - 1] == 0)
            --writer->size;
    return writer->size;
}

void et_range_open(et_range_reader *reader, const uint8_t *bytes, size_t size)
{
    reader->bytes = bytes;
    reader->size = size;
    reader->position = 0;
    reader->low = 0;
    reader->range = 0xffffffffu;
    reader->offset = 0;
    reader->failed = 0;
    for (unsigned i = 0; i < 4; ++i)
        reader->offset = reader->offset << 8 | et_range_next_byte(reader);
}

uint32_t et_range_get(et_range_reader *reader, unsigned bits)
{
    const uint32_t part = reader->range >> bits;
    et_range_check(reader, part << bits);
    return reader->offset / part;
}

void et_range_took(et_range_reader *reader, uint32_t from, uint32_t to, unsigned bits)
{
    const uint32_t part = reader->range >> bits;
    et_range_enter(reader, part * from, part * (to - from));
}

uint32_t et_range_get_bits(et_range_reader *reader, unsigned bits)
{
    uint32_t value = 0;
    unsigned got = 0;
    for (; bits - got > 16; got += 16) {
        const uint32_t part = et_range_get(reader, 16);
        et_range_took(reader, part, part + 1, 16);
        value |= part << got;
    }
    if (bits > got) {
        const uint32_t part = et_range_get(reader, bits - got);
        et_range_took(reader, part, part + 1, bits - got);
        value |= part << got;
    }
    return value;
}

int et_range_ended(const et_range_reader *reader)
{
    unsigned bytes;
    const uint32_t offset = end_offset(reader->low, reader->range, &bytes);
    return !reader->failed && reader->offset == offset && reader->size <= reader->position - 4 + bytes &&
           (reader->size == 0 || reader->bytes[reader->size - 1] != 0);
}
