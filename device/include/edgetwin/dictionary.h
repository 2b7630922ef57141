/* A dictionary as the board sees it: pointers into a checked bundle (bundle.h), nothing copied. */
#ifndef EDGETWIN_DICTIONARY_H
#define EDGETWIN_DICTIONARY_H

#include "edgetwin/codec.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ET_MAX_SAMPLES 4096u /* largest m */
#define ET_MAX_ATOMS 16384u  /* largest n */

/* How the atoms are stored. Integer atoms carry one float32 scale each: d_j = scale_j * q_j. */
typedef enum et_atom_type { ET_ATOM_FLOAT32 = 1, ET_ATOM_INT16 = 2, ET_ATOM_INT8 = 3 } et_atom_type;

typedef struct et_dictionary {
    uint16_t m;               /* samples a signal, 1 .. ET_MAX_SAMPLES */
    uint16_t n;               /* atoms, 1 .. ET_MAX_ATOMS */
    uint16_t s;               /* most atoms a code may use, 0 .. 65535; min(s, m, n) are ever used */
    uint8_t atom_type;        /* et_atom_type */
    uint8_t codec;            /* codec of the codes (codec.h) */
    uint8_t coefficient_bits; /* of the packed codec; 0 for the others */
    uint16_t channels;        /* sample i belongs to channel i mod channels; divides m */
    float tolerance;          /* stop when the residual's norm (scaled signal) is at most this; 0: never */
    const float *offsets;     /* channels: a sample x of channel c enters OMP as (x - offsets[c]) * gains[c] */
    const float *gains;       /* channels, each finite and above 0 */
    const float *scales;      /* n, or NULL for float32 atoms */
    const void *atoms;        /* n atoms of `stride` bytes, atom-major; 4-byte aligned */
    size_t stride;            /* bytes from one atom to the next: m elements, rounded up to 4 bytes */
    et_codec entropy;         /* of ET_CODEC_ENTROPY; not set for others */
    uint64_t id;              /* content id of the bundle */
} et_dictionary;

/* Most atoms that a code ever uses: min(s, m, n). */
static inline unsigned et_most_atoms(const et_dictionary *dictionary)
{
    const unsigned rank = dictionary->m < dictionary->n ? dictionary->m : dictionary->n;
    return dictionary->s < rank ? dictionary->s : rank;
}

/* Bytes an atom takes in a bundle: m elements of the type, rounded up to 4 bytes; 0 for an unknown type. */
size_t et_atom_stride(et_atom_type type, unsigned m);

/* Brings a raw signal to the dictionary's scale, in place: x = (x - offset) * gain, channel by channel. */
void et_dictionary_scale(const et_dictionary *dictionary, float *signal);

#ifdef __cplusplus
}
#endif
#endif
