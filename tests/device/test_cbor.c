/* The CBOR of control frames: RFC 8949's bytes out, and only well-formed maps in. */
#include <string.h>

#include "edgetwin/cbor.h"
#include "runner.h"

static void writer_gives_the_shortest_form(void)
{
    static const struct {
        uint32_t value;
        uint8_t bytes[5];
        size_t size;
    } vectors[] = {
        /* RFC 8949, appendix A */
        {0, {0x00}, 1},
        {23, {0x17}, 1},
        {24, {0x18, 0x18}, 2},
        {255, {0x18, 0xff}, 2},
        {256, {0x19, 0x01, 0x00}, 3},
        {65535, {0x19, 0xff, 0xff}, 3},
        {65536, {0x1a, 0x00, 0x01, 0x00, 0x00}, 5},
        {1000000, {0x1a, 0x00, 0x0f, 0x42, 0x40}, 5},
        {0xffffffffu, {0x1a, 0xff, 0xff, 0xff, 0xff}, 5},
    };
    for (unsigned i = 0; i < sizeof vectors / sizeof *vectors; ++i) {
        uint8_t bytes[8];
        uint32_t back = 0;
        et_cbor_writer writer = {bytes, sizeof bytes, 0, 0};
        et_cbor_map(&writer, 1);
        et_cbor_put_uint(&writer, 7, vectors[i].value);
        CHECK_EQUAL(writer.size, 2 + vectors[i].size);
        CHECK_EQUAL(bytes[0], 0xa1);
        CHECK_EQUAL(bytes[1], 7);
        CHECK_BYTES(bytes + 2, vectors[i].bytes, vectors[i].size);
        CHECK_EQUAL(et_cbor_get_uint(bytes, writer.size, 7, &back), ET_OK);
        CHECK_EQUAL(back, vectors[i].value);
        CHECK(!writer.overflow);
    }
}

static const uint8_t string[30] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};

/* {0: 70000, 1: true, 2: string, 3: "board", 4: false, 5: b""} */
static size_t write_map(uint8_t *bytes, size_t capacity, uint8_t *overflow)
{
    et_cbor_writer writer = {bytes, capacity, 0, 0};
    et_cbor_map(&writer, 6);
    et_cbor_put_uint(&writer, 0, 70000);
    et_cbor_put_bool(&writer, 1, 5);
    et_cbor_put_bytes(&writer, 2, string, sizeof string);
    et_cbor_put_text(&writer, 3, "board");
    et_cbor_put_bool(&writer, 4, 0);
    et_cbor_put_bytes(&writer, 5, string, 0);
    *overflow = writer.overflow;
    return writer.size;
}

static void every_kind_of_value_comes_back(void)
{
    uint8_t bytes[64], overflow, flag = 9;
    const size_t size = write_map(bytes, sizeof bytes, &overflow);
    uint32_t number = 0;
    const uint8_t *value = NULL;
    size_t value_size = 0;
    CHECK(!overflow);
    CHECK_EQUAL(et_cbor_get_uint(bytes, size, 0, &number), ET_OK);
    CHECK_EQUAL(number, 70000);
    CHECK_EQUAL(et_cbor_get_bool(bytes, size, 1, &flag), ET_OK);
    CHECK_EQUAL(flag, 1);
    CHECK_EQUAL(et_cbor_get_bool(bytes, size, 4, &flag), ET_OK);
    CHECK_EQUAL(flag, 0);
    CHECK_EQUAL(et_cbor_get_bytes(bytes, size, 2, &value, &value_size), ET_OK);
    CHECK_EQUAL(value_size, sizeof string);
    CHECK_BYTES(value, string, sizeof string);
    CHECK_EQUAL(et_cbor_get_bytes(bytes, size, 5, &value, &value_size), ET_OK);
    CHECK_EQUAL(value_size, 0);
}

static void absent_keys_and_other_types_are_refused(void)
{
    uint8_t bytes[64], overflow, flag = 9;
    const size_t size = write_map(bytes, sizeof bytes, &overflow);
    uint32_t number = 77;
    const uint8_t *value = NULL;
    size_t value_size = 77;
    CHECK_EQUAL(et_cbor_get_uint(bytes, size, 6, &number), ET_ERR_FORMAT);
    CHECK_EQUAL(et_cbor_get_uint(bytes, size, 1, &number), ET_ERR_FORMAT);
    CHECK_EQUAL(et_cbor_get_bool(bytes, size, 0, &flag), ET_ERR_FORMAT);
    CHECK_EQUAL(et_cbor_get_bytes(bytes, size, 3, &value, &value_size), ET_ERR_FORMAT); /* text is not bytes */
    CHECK(number == 77 && flag == 9 && value == NULL && value_size == 77);
}

static void every_cut_is_refused(void)
{
    uint8_t bytes[64], overflow;
    const size_t size = write_map(bytes, sizeof bytes, &overflow);
    for (size_t cut = 0; cut < size; ++cut) {
        uint8_t *copy = test_take(cut);
        uint32_t number = 77;
        memcpy(copy, bytes, cut);
        test_note("bytes", (int64_t)cut);
        CHECK_EQUAL(et_cbor_get_uint(copy, cut, 0, &number), ET_ERR_TRUNCATED);
        CHECK_EQUAL(number, 77);
        test_give(copy);
    }
    bytes[size] = 0;
    uint32_t number;
    CHECK_EQUAL(et_cbor_get_uint(bytes, size + 1, 0, &number), ET_ERR_FORMAT); /* more than the map */
}

static void overflow_sticks_and_nothing_is_written_beyond(void)
{
    uint8_t whole[64], overflow;
    const size_t size = write_map(whole, sizeof whole, &overflow);
    for (size_t capacity = 0; capacity < size; ++capacity) {
        uint8_t *bytes = test_take(capacity);
        CHECK(write_map(bytes, capacity, &overflow) <= capacity);
        CHECK_EQUAL(overflow, 1);
        test_give(bytes);
    }
}

static void malformed_items_are_refused(void)
{
    static const struct {
        uint8_t bytes[8];
        size_t size;
    } cases[] = {
        {{0x00}, 1},                                     /* not a map */
        {{0x80}, 1},                                     /* an array */
        {{0xbf, 0x00, 0x01, 0xff}, 4},                   /* an indefinite map */
        {{0xa1, 0x00, 0x1b, 0, 0, 0, 0, 1}, 8},          /* 64 bits */
        {{0xa1, 0x00, 0x20}, 3},                         /* a negative number */
        {{0xa1, 0x20, 0x00}, 3},                         /* a negative key */
        {{0xa1, 0x61, 'k', 0x00}, 4},                    /* a text key */
        {{0xa1, 0x00, 0xa0}, 3},                         /* a map in a map */
        {{0xa1, 0x00, 0x80}, 3},                         /* an array in a map */
        {{0xa1, 0x00, 0xc0}, 3},                         /* a tag */
        {{0xa1, 0x00, 0x5f, 0xff}, 4},                   /* an indefinite string */
        {{0xa1, 0x00, 0xf6}, 3},                         /* null */
        {{0xa1, 0x00, 0xf8, 0x15}, 4},                   /* true in two bytes, which RFC 8949, 3.3 forbids */
        {{0xa1, 0x00, 0xfa, 0, 0, 0, 0x15}, 7},          /* a float with the bits of 21 */
        {{0xa1, 0x00, 0xff}, 3},                         /* a break */
        {{0xa1, 0x00, 0x1c}, 3},                         /* reserved */
        {{0xba, 0xff, 0xff, 0xff, 0xff, 0x00, 0x01}, 7}, /* four thousand million pairs */
        {{0xa1, 0x00, 0x5a, 0xff, 0xff, 0xff, 0xff}, 7}, /* a string of 4 GB */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; ++i) {
        uint32_t number = 77;
        uint8_t flag = 9;
        const uint8_t *value;
        size_t value_size;
        test_note("case", i);
        CHECK(et_cbor_get_uint(cases[i].bytes, cases[i].size, 0, &number) != ET_OK);
        CHECK(et_cbor_get_bool(cases[i].bytes, cases[i].size, 0, &flag) != ET_OK);
        CHECK(et_cbor_get_bytes(cases[i].bytes, cases[i].size, 0, &value, &value_size) != ET_OK);
        CHECK(number == 77 && flag == 9);
    }
}

static void first_of_two_equal_keys_counts(void)
{
    static const uint8_t bytes[] = {0xa2, 0x00, 0x01, 0x00, 0x02};
    uint32_t number = 0;
    CHECK_EQUAL(et_cbor_get_uint(bytes, sizeof bytes, 0, &number), ET_OK);
    CHECK_EQUAL(number, 1);
}

static void random_bytes_never_read_beyond(void)
{
    uint32_t state = 3;
    for (unsigned round = 0; round < 5000; ++round) {
        const size_t size = test_random(&state) % 12;
        uint8_t *bytes = test_take(size);
        const uint8_t *value;
        size_t value_size = 0;
        for (size_t i = 0; i < size; ++i)
            bytes[i] = (uint8_t)(test_random(&state) >> 24);
        if (size > 0)
            bytes[0] = (uint8_t)(0xa0 | test_random(&state) % 4);
        if (et_cbor_get_bytes(bytes, size, 0, &value, &value_size) == ET_OK)
            CHECK(value >= bytes && value + value_size <= bytes + size);
        test_give(bytes);
    }
}

SUITE(cbor, TEST(writer_gives_the_shortest_form), TEST(every_kind_of_value_comes_back),
      TEST(absent_keys_and_other_types_are_refused), TEST(every_cut_is_refused),
      TEST(overflow_sticks_and_nothing_is_written_beyond), TEST(malformed_items_are_refused),
      TEST(first_of_two_equal_keys_counts), TEST(random_bytes_never_read_beyond))
