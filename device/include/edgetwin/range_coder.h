/* A range coder over memory (Martin 1979; carries go back into the bytes written). Packets are written with it (packet.h). */
#ifndef EDGETWIN_RANGE_CODER_H
#define EDGETWIN_RANGE_CODER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `bytes` NULL: counts only: `size` and et_range_cost are as if it wrote, et_range_end is not for it. */
typedef struct et_range_writer {
    uint8_t *bytes;
    size_t capacity, size; /* size > capacity: it did not fit */
    uint32_t low, range;
} et_range_writer;

typedef struct et_range_reader {
    const uint8_t *bytes;
    size_t size, position; /* position may lie beyond size: zeros are read there */
    uint32_t low, range;
    uint32_t offset; /* of the code's value above low */
    uint8_t failed;
} et_range_reader;

void et_range_begin(et_range_writer *writer, uint8_t *bytes, size_t capacity);

/* Codes a symbol that has the part [from, to) of 2^bits, bits 1 .. 16, to > from. */
void et_range_put(et_range_writer *writer, uint32_t from, uint32_t to, unsigned bits);

/* `bits` equally likely bits, 0 .. 32. */
void et_range_put_bits(et_range_writer *writer, uint32_t value, unsigned bits);

/* Cost so far, in 1/256 bit, within 0.1 bit. */
uint32_t et_range_cost(const et_range_writer *writer);

/* Flushes; returns the size: the shortest bytes that lead to the same symbols, without zeros at the end. > capacity: they
 * did not fit. */
size_t et_range_end(et_range_writer *writer);

void et_range_open(et_range_reader *reader, const uint8_t *bytes, size_t size);

/* Where in 2^bits the next symbol lies; et_range_took must follow with its part. */
uint32_t et_range_get(et_range_reader *reader, unsigned bits);
void et_range_took(et_range_reader *reader, uint32_t from, uint32_t to, unsigned bits);

uint32_t et_range_get_bits(et_range_reader *reader, unsigned bits);

/* Nonzero if the bytes are what et_range_end gives for the symbols read. */
int et_range_ended(const et_range_reader *reader);

#ifdef __cplusplus
}
#endif
#endif
