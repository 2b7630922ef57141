/* From a raw window to the bytes of its code: scale, OMP, pack. What a node runs, and the host to check it. */
#ifndef EDGETWIN_ENCODE_H
#define EDGETWIN_ENCODE_H

#include "edgetwin/code.h"
#include "edgetwin/omp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Scratch of et_encode: support and coefficients for min(s, m, n) atoms, and OMP's workspace. */
typedef struct et_encoder {
    uint16_t *support;
    float *coefficients;
    void *workspace;
    size_t workspace_size;
} et_encoder;

/* Encodes the raw window in `signal` (m values, scaled in place) by the dictionary's s, tolerance and codec.
 * `code` has room for et_code_max_size(dictionary). Errors as et_omp's and et_code_pack's; *size and *result are
 * untouched then. */
et_status et_encode(const et_dictionary *dictionary, const et_encoder *encoder, float *signal, uint8_t *code,
                    size_t capacity, size_t *size, et_omp_result *result);

#ifdef __cplusplus
}
#endif
#endif
