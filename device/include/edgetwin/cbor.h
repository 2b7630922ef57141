/* The part of CBOR (RFC 8949) that control frames use: one map with small unsigned keys; values are unsigned integers,
 * booleans, byte strings and text strings, all of definite length. */
#ifndef EDGETWIN_CBOR_H
#define EDGETWIN_CBOR_H

#include <stddef.h>
#include <stdint.h>

#include "edgetwin/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writer. An overflow sticks: check `overflow` once at the end. */
typedef struct et_cbor_writer {
    uint8_t *bytes;
    size_t capacity, size;
    uint8_t overflow;
} et_cbor_writer;

void et_cbor_map(et_cbor_writer *writer, unsigned pairs);
void et_cbor_put_uint(et_cbor_writer *writer, unsigned key, uint32_t value);
void et_cbor_put_bool(et_cbor_writer *writer, unsigned key, int value);
void et_cbor_put_bytes(et_cbor_writer *writer, unsigned key, const uint8_t *bytes, size_t size);
void et_cbor_put_text(et_cbor_writer *writer, unsigned key, const char *text);

/* Lookup in a map; the whole item is checked at every call, so hostile bytes give ET_ERR_FORMAT or ET_ERR_TRUNCATED.
 * A key that is absent or of another type: ET_ERR_FORMAT. Outputs are untouched on error. */
et_status et_cbor_get_uint(const uint8_t *bytes, size_t size, unsigned key, uint32_t *value);
et_status et_cbor_get_bool(const uint8_t *bytes, size_t size, unsigned key, uint8_t *value);
et_status et_cbor_get_bytes(const uint8_t *bytes, size_t size, unsigned key, const uint8_t **value, size_t *value_size);

#ifdef __cplusplus
}
#endif
#endif
