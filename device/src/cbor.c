#include "edgetwin/cbor.h"

#include <string.h>

/* Major types of RFC 8949, section 3.1. */
enum { MAJOR_UINT = 0, MAJOR_BYTES = 2, MAJOR_TEXT = 3, MAJOR_MAP = 5, MAJOR_SIMPLE = 7 };
enum { SIMPLE_FALSE = 20, SIMPLE_TRUE = 21 };

static void put(et_cbor_writer *writer, const void *bytes, size_t size)
{
    if (size > writer->capacity - writer->size) {
        writer->overflow = 1;
        return;
    }
    memcpy(writer->bytes + writer->size, bytes, size);
    writer->size += size;
}

/* Shortest form of a head, as deterministic CBOR asks (section 4.2.1). */
static void put_head(et_cbor_writer *writer, unsigned major, uint32_t value)
{
    uint8_t head[5];
    size_t size = 1;
    unsigned info = (unsigned)value;
    if (value >= 24) {
        size = value < 0x100 ? 2 : value < 0x10000 ? 3 : 5;
        info = size == 2 ? 24 : size == 3 ? 25 : 26;
        for (size_t i = 1; i < size; ++i)
            head[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    }
    head[0] = (uint8_t)(major << 5 | info);
    put(writer, head, size);
}

void et_cbor_map(et_cbor_writer *writer, unsigned pairs) { put_head(writer, MAJOR_MAP, pairs); }

void et_cbor_put_uint(et_cbor_writer *writer, unsigned key, uint32_t value)
{
    put_head(writer, MAJOR_UINT, key);
    put_head(writer, MAJOR_UINT, value);
}

void et_cbor_put_bool(et_cbor_writer *writer, unsigned key, int value)
{
    put_head(writer, MAJOR_UINT, key);
    put_head(writer, MAJOR_SIMPLE, value ? SIMPLE_TRUE : SIMPLE_FALSE);
}

static void put_string(et_cbor_writer *writer, unsigned key, unsigned major, const void *bytes, size_t size)
{
    put_head(writer, MAJOR_UINT, key);
    put_head(writer, major, (uint32_t)size);
    put(writer, bytes, size);
}

void et_cbor_put_bytes(et_cbor_writer *writer, unsigned key, const uint8_t *bytes, size_t size)
{
    put_string(writer, key, MAJOR_BYTES, bytes, size);
}

void et_cbor_put_text(et_cbor_writer *writer, unsigned key, const char *text)
{
    put_string(writer, key, MAJOR_TEXT, text, strlen(text));
}

typedef struct item {
    unsigned major;
    uint32_t value;      /* number, or length of a string */
    const uint8_t *text; /* of a string */
} item;

static et_status read_item(const uint8_t *bytes, size_t size, size_t *offset, item *out)
{
    if (*offset >= size)
        return ET_ERR_TRUNCATED;
    const uint8_t head = bytes[(*offset)++];
    const unsigned info = head & 31u;
    out->major = head >> 5;
    out->value = info;
    out->text = NULL;
    if (info > 26)
        return ET_ERR_FORMAT; /* 64-bit and indefinite lengths are not used */
    if (info >= 24) {
        const size_t width = (size_t)1 << (info - 24);
        if (width > size - *offset)
            return ET_ERR_TRUNCATED;
        out->value = 0;
        for (size_t i = 0; i < width; ++i)
            out->value = out->value << 8 | bytes[(*offset)++];
    }
    switch (out->major) {
    case MAJOR_BYTES:
    case MAJOR_TEXT:
        if (out->value > size - *offset)
            return ET_ERR_TRUNCATED;
        out->text = bytes + *offset;
        *offset += out->value;
        return ET_OK;
    case MAJOR_UINT:
    case MAJOR_MAP:
        return ET_OK;
    case MAJOR_SIMPLE: /* info 24 and above are floats and the two-byte form, which 3.3 forbids for these values */
        return info == SIMPLE_FALSE || info == SIMPLE_TRUE ? ET_OK : ET_ERR_FORMAT;
    default:
        return ET_ERR_FORMAT;
    }
}

/* Finds the value of `key`; the map is read to its end and must fill the bytes. */
static et_status find(const uint8_t *bytes, size_t size, unsigned key, item *value)
{
    size_t offset = 0;
    item map;
    int found = 0;
    et_status status = read_item(bytes, size, &offset, &map);
    if (status != ET_OK)
        return status;
    if (map.major != MAJOR_MAP)
        return ET_ERR_FORMAT;
    for (uint32_t pair = 0; pair < map.value; ++pair) {
        item name, content;
        status = read_item(bytes, size, &offset, &name);
        if (status == ET_OK)
            status = read_item(bytes, size, &offset, &content);
        if (status != ET_OK)
            return status;
        if (name.major != MAJOR_UINT || content.major == MAJOR_MAP)
            return ET_ERR_FORMAT;
        if (name.value == key && !found) {
            *value = content;
            found = 1;
        }
    }
    return found && offset == size ? ET_OK : ET_ERR_FORMAT;
}

et_status et_cbor_get_uint(const uint8_t *bytes, size_t size, unsigned key, uint32_t *value)
{
    item content;
    const et_status status = find(bytes, size, key, &content);
    if (status != ET_OK)
        return status;
    if (content.major != MAJOR_UINT)
        return ET_ERR_FORMAT;
    *value = content.value;
    return ET_OK;
}

et_status et_cbor_get_bool(const uint8_t *bytes, size_t size, unsigned key, uint8_t *value)
{
    item content;
    const et_status status = find(bytes, size, key, &content);
    if (status != ET_OK)
        return status;
    if (content.major != MAJOR_SIMPLE)
        return ET_ERR_FORMAT;
    *value = content.value == SIMPLE_TRUE;
    return ET_OK;
}

et_status et_cbor_get_bytes(const uint8_t *bytes, size_t size, unsigned key, const uint8_t **value, size_t *value_size)
{
    item content;
    const et_status status = find(bytes, size, key, &content);
    if (status != ET_OK)
        return status;
    if (content.major != MAJOR_BYTES)
        return ET_ERR_FORMAT;
    *value = content.text;
    *value_size = content.value;
    return ET_OK;
}
