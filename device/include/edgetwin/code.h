/* Sparse codes as packed bits, the codec ET_CODEC_PACKED (FORMATS.md). */
#ifndef EDGETWIN_CODE_H
#define EDGETWIN_CODE_H

#include "edgetwin/dictionary.h"
#include "edgetwin/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Most bytes that a code of this dictionary can take. */
size_t et_code_max_size(const et_dictionary *dictionary);

/* Packs a code of `count` atoms, support strictly ascending. On error *size is untouched and `bytes` undefined.
 * ET_ERR_ARGUMENT, ET_ERR_CODEC, ET_ERR_CAPACITY. */
et_status et_code_pack(const et_dictionary *dictionary, const uint16_t *support, const float *coefficients,
                       unsigned count, uint8_t *bytes, size_t capacity, size_t *size);

/* Unpacks the code at the start of `size` bytes and says how many it takes. support and coefficients have room for
 * min(s, m, n) entries and are undefined on error. Nothing but the canonical encoding is taken: ET_ERR_TRUNCATED,
 * ET_ERR_FORMAT, ET_ERR_CODEC. */
et_status et_code_unpack(const et_dictionary *dictionary, const uint8_t *bytes, size_t size, uint16_t *support,
                         float *coefficients, unsigned *count, size_t *used);

#ifdef __cplusplus
}
#endif
#endif
