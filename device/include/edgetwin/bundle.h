/* Bundles: checked, versioned blobs that a board uses in place (FORMATS.md). */
#ifndef EDGETWIN_BUNDLE_H
#define EDGETWIN_BUNDLE_H

#include "edgetwin/dictionary.h"
#include "edgetwin/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ET_BUNDLE_VERSION 1u
#define ET_BUNDLE_HEADER 32u /* bytes before the payload */

typedef enum et_bundle_kind { ET_KIND_DICTIONARY = 1, ET_KIND_MODEL = 2, ET_KIND_RECORDING = 3 } et_bundle_kind;

typedef struct et_bundle {
    uint8_t kind;
    uint64_t id; /* first 8 bytes of the payload's SHA-256, little endian */
    const uint8_t *payload;
    size_t payload_size;
} et_bundle;

/* Samples that a board plays from its own memory: `rows` rows of `channels` float32 values. */
typedef struct et_recording {
    uint32_t rows;
    uint16_t channels;
    const float *samples; /* rows x channels, row-major */
    uint64_t id;
} et_recording;

/* Checks magic, version, length, CRC-32 and content id. `bytes` must be 4-byte aligned; `size` may exceed the bundle.
 * On error *bundle is untouched. */
et_status et_bundle_open(const uint8_t *bytes, size_t size, et_bundle *bundle);

/* et_bundle_open, then every field, offset, scale and atom norm (|‖d‖² - 1| <= 1e-4) of the kind. After ET_OK no
 * pointer of the result leaves the blob. On error the output is untouched. */
et_status et_dictionary_open(const uint8_t *bytes, size_t size, et_dictionary *dictionary);
et_status et_recording_open(const uint8_t *bytes, size_t size, et_recording *recording);

/* An et_source.read (node.h) over an et_recording: window k is the m values from k * m on, wrapping at the last whole
 * window. ET_ERR_FIT if the recording holds no whole window. */
et_status et_recording_read(void *recording, uint32_t window, unsigned m, float *signal);

#ifdef __cplusplus
}
#endif
#endif
