/* From a raw window to its sparse code: scale, take the means off, OMP. What a node runs, and the host to check it. */
#ifndef EDGETWIN_ENCODE_H
#define EDGETWIN_ENCODE_H

#include "edgetwin/dictionary.h"
#include "edgetwin/omp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Scratch for coding the windows of one dictionary, one at a time. */
typedef struct et_encoder {
    void *workspace; /* OMP's, then the other codecs' */
    size_t workspace_size;
    float *coefficients; /* min(s, m, n) */
    int32_t *means;      /* channels: in steps of the codec; 0 where it does not take them off */
    void *chain;         /* what a packet's next window is predicted from (packet.h) */
    uint16_t *support;   /* min(s, m, n) */
} et_encoder;

/* Bytes that et_encoder_place lays out, a multiple of 4. */
size_t et_encoder_size(const et_dictionary *dictionary);

/* Lays the scratch out in `memory`, 4-byte aligned, et_encoder_size bytes. */
void et_encoder_place(et_encoder *encoder, const et_dictionary *dictionary, void *memory);

/* Codes the raw window in `signal` (m values, scaled and freed of its means in place) by the dictionary's stopping rules:
 * support, coefficients and means are the encoder's then. Errors as et_omp's; *result is untouched then. */
et_status et_encode(const et_dictionary *dictionary, const et_encoder *encoder, float *signal, et_omp_result *result);

#ifdef __cplusplus
}
#endif
#endif
