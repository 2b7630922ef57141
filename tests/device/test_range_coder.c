/* The range coder: symbols come back, the cost is what is written, and there is one encoding of them. */
#include <string.h>

#include "edgetwin/range_coder.h"
#include "runner.h"

#define MOST_SYMBOLS 400u
#define MOST_BYTES (MOST_SYMBOLS * 2u + 8u)

typedef struct symbol {
    uint32_t from, to;
    uint8_t bits;
} symbol;

/* A part of 2^bits: of any width, the least and the largest among them. */
static symbol random_symbol(uint32_t *state)
{
    symbol s;
    s.bits = (uint8_t)(1 + test_random(state) % 16);
    const uint32_t whole = 1u << s.bits;
    const uint32_t wish = 1 + (test_random(state) >> (test_random(state) % 24)) % whole;
    const uint32_t width = test_random(state) % 4 == 0 ? whole - 1 : test_random(state) % 4 == 0 ? 1 : wish;
    s.from = test_random(state) % (whole - width + 1);
    s.to = s.from + width;
    return s;
}

/* Writes symbols, or counts them if there are no bytes; returns the size, and what et_range_cost said. */
static size_t write_symbols(const symbol *symbols, unsigned count, uint8_t *bytes, size_t capacity, uint32_t *cost)
{
    et_range_writer writer;
    et_range_begin(&writer, bytes, capacity);
    for (unsigned i = 0; i < count; ++i)
        et_range_put(&writer, symbols[i].from, symbols[i].to, symbols[i].bits);
    *cost = et_range_cost(&writer);
    return bytes != NULL ? et_range_end(&writer) : writer.size;
}

/* Nonzero if the symbols are those, and nothing else is there. */
static int reads_back(const symbol *symbols, unsigned count, const uint8_t *bytes, size_t size)
{
    et_range_reader reader;
    et_range_open(&reader, bytes, size);
    for (unsigned i = 0; i < count; ++i) {
        const uint32_t at = et_range_get(&reader, symbols[i].bits);
        if (at < symbols[i].from || at >= symbols[i].to)
            return 0;
        et_range_took(&reader, symbols[i].from, symbols[i].to, symbols[i].bits);
    }
    return et_range_ended(&reader);
}

static void symbols_come_back(void)
{
    uint32_t state = 3;
    symbol *symbols = test_take(MOST_SYMBOLS * sizeof *symbols);
    uint8_t *room = test_take(MOST_BYTES);
    if (symbols == NULL || room == NULL)
        return;
    for (unsigned round = 0; round < 300; ++round) {
        const unsigned count = round < 50 ? round : test_random(&state) % MOST_SYMBOLS;
        uint32_t cost, again;
        for (unsigned i = 0; i < count; ++i)
            symbols[i] = random_symbol(&state);
        const size_t size = write_symbols(symbols, count, room, MOST_BYTES, &cost);
        uint8_t *bytes = test_take(size); /* of its own, so that the sanitizer sees a byte beyond */
        if (bytes == NULL)
            return;
        test_note("round", round);
        write_symbols(symbols, count, NULL, 0, &again);
        CHECK_EQUAL(again, cost); /* whoever only counts is told the same */
        /* Zeros are left out at the end; before that it is the bits' bytes, and never more than one beyond. */
        CHECK((uint64_t)size * 8 * 256 <= (uint64_t)cost + 8 * 256 + 26);
        memcpy(bytes, room, size);
        CHECK(reads_back(symbols, count, bytes, size));
        test_give(bytes);
    }
}

static void carries_reach_back_over_any_run(void)
{
    /* All but the top of the range again and again gives a run of 0xff; the top then carries through it. */
    static const symbol high = {0xfffe, 0xffff, 16}, top = {0xffff, 0x10000, 16}, most = {1, 0x10000, 16};
    symbol symbols[60];
    uint8_t bytes[130];
    for (unsigned length = 1; length < 60; ++length) {
        for (unsigned i = 0; i < length; ++i)
            symbols[i] = i % 7 == 6 ? most : i % 2 == 0 ? high : top;
        symbols[length - 1] = top;
        uint32_t cost;
        const size_t size = write_symbols(symbols, length, bytes, sizeof bytes, &cost);
        CHECK(size <= sizeof bytes);
        CHECK(reads_back(symbols, length, bytes, size));
    }
}

static void bits_come_back(void)
{
    uint32_t state = 9, values[33];
    uint8_t bytes[80];
    et_range_writer writer;
    et_range_reader reader;
    for (unsigned round = 0; round < 100; ++round) {
        et_range_begin(&writer, bytes, sizeof bytes);
        for (unsigned bits = 0; bits <= 32; ++bits) {
            values[bits] = bits == 0 ? 0 : test_random(&state) >> (32 - bits);
            et_range_put_bits(&writer, values[bits], bits);
        }
        CHECK(et_range_cost(&writer) >= 528 * 256 && et_range_cost(&writer) < 529 * 256); /* 1 + .. + 32 */
        et_range_open(&reader, bytes, et_range_end(&writer));
        for (unsigned bits = 0; bits <= 32; ++bits)
            CHECK_EQUAL(et_range_get_bits(&reader, bits), values[bits]);
        CHECK(et_range_ended(&reader));
    }
}

static void nothing_takes_no_bytes(void)
{
    uint32_t cost;
    et_range_reader reader;
    uint8_t byte;
    CHECK_EQUAL(write_symbols(NULL, 0, &byte, 1, &cost), 0);
    CHECK(cost < 26);
    et_range_open(&reader, NULL, 0);
    CHECK(et_range_ended(&reader));
    et_range_open(&reader, (const uint8_t *)"", 1);
    CHECK(!et_range_ended(&reader));
}

/* Other bytes of the same symbols do not exist: not longer ones, and no other ones. */
static void there_is_one_encoding(void)
{
    uint32_t state = 21;
    for (unsigned round = 0; round < 200; ++round) {
        symbol symbols[12];
        uint8_t bytes[40];
        uint32_t cost;
        const unsigned count = 1 + round % 12;
        for (unsigned i = 0; i < count; ++i)
            symbols[i] = random_symbol(&state);
        const size_t size = write_symbols(symbols, count, bytes, sizeof bytes - 1, &cost);
        test_note("round", round);
        CHECK(size == 0 || bytes[size - 1] != 0);
        for (unsigned last = 0; last < 256; ++last) {
            bytes[size] = (uint8_t)last;
            CHECK(!reads_back(symbols, count, bytes, size + 1));
        }
        for (size_t bit = 0; bit < 8 * size; ++bit) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            CHECK(!reads_back(symbols, count, bytes, size));
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t cut = 0; cut < size; ++cut)
            CHECK(!reads_back(symbols, count, bytes, cut));
    }
}

static void what_does_not_fit_is_counted_and_not_written(void)
{
    uint32_t state = 5, cost;
    symbol symbols[40];
    uint8_t whole[90];
    for (unsigned i = 0; i < 40; ++i)
        symbols[i] = random_symbol(&state);
    const size_t size = write_symbols(symbols, 40, whole, sizeof whole, &cost);
    for (size_t capacity = 0; capacity <= size; ++capacity) {
        uint8_t *bytes = test_take(capacity);
        if (bytes == NULL)
            return;
        const size_t said = write_symbols(symbols, 40, bytes, capacity, &cost);
        if (capacity < size)
            CHECK(said > capacity);
        else
            CHECK_BYTES(bytes, whole, size);
        test_give(bytes);
    }
}

/* Whatever the bytes are, a reader gets some symbol. */
static void any_bytes_can_be_read(void)
{
    uint32_t state = 77;
    for (unsigned round = 0; round < 2000; ++round) {
        uint8_t bytes[12];
        const size_t size = test_random(&state) % (sizeof bytes + 1);
        et_range_reader reader;
        for (size_t i = 0; i < size; ++i)
            bytes[i] = round % 2 == 0 ? 0xff : (uint8_t)(test_random(&state) >> 24);
        et_range_open(&reader, bytes, size);
        for (unsigned i = 0; i < 40; ++i) {
            const unsigned bits = 1 + test_random(&state) % 16;
            const uint32_t at = et_range_get(&reader, bits);
            CHECK(at >> bits == 0);
            et_range_took(&reader, at, at + 1, bits);
        }
    }
}

SUITE(range_coder, TEST(symbols_come_back), TEST(carries_reach_back_over_any_run), TEST(bits_come_back),
      TEST(nothing_takes_no_bytes), TEST(there_is_one_encoding), TEST(what_does_not_fit_is_counted_and_not_written),
      TEST(any_bytes_can_be_read))
