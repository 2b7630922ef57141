/* Sparse codes as packed bits (FORMATS.md). */
#ifndef EDGETWIN_CODE_H
#define EDGETWIN_CODE_H

#include "edgetwin/dictionary.h"
#include "edgetwin/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Codec ids. PACKED: fixed-width indices; coefficients of coefficient_bits (4 .. 16) with one shared exponent, or 32
 * for float32 as they are. */
#define ET_CODEC_PACKED 1u

/* Nonzero if the dictionary's codec and coefficient_bits are known. */
int et_codec_known(unsigned codec, unsigned coefficient_bits);

/* Most bytes that a code of this dictionary can take. */
size_t et_code_max_size(const et_dictionary *dictionary);

/* Packs a code of `count` atoms, support strictly ascending. On error *size is untouched and `bytes` undefined.
 * ET_ERR_ARGUMENT, ET_ERR_CODEC, ET_ERR_CAPACITY. */
et_status et_code_pack(const et_dictionary *dictionary, const uint16_t *support, const float *coefficients,
                       unsigned count, uint8_t *bytes, size_t capacity, size_t *size);

/* Unpacks exactly `size` bytes. support and coefficients have room for min(s, m, n) entries and are undefined on error.
 * Nothing but the canonical encoding is taken: ET_ERR_TRUNCATED, ET_ERR_FORMAT, ET_ERR_CODEC. */
et_status et_code_unpack(const et_dictionary *dictionary, const uint8_t *bytes, size_t size, uint16_t *support,
                         float *coefficients, unsigned *count);

#ifdef __cplusplus
}
#endif
#endif
