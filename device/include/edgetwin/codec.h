/* How sparse codes, and what stands in for them, become bits: the codec's part of a dictionary bundle (FORMATS.md). */
#ifndef EDGETWIN_CODEC_H
#define EDGETWIN_CODEC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Codec ids. PACKED: fixed-width indices; coefficients of coefficient_bits (4 .. 16) with one shared exponent, or 32
 * for float32 as they are. ENTROPY: coefficients in steps, range coded by the tables below. */
#define ET_CODEC_PACKED 1u
#define ET_CODEC_ENTROPY 2u

/* How a window was coded. */
typedef enum et_window_kind {
    ET_WINDOW_SPARSE = 0, /* atoms of the dictionary */
    ET_WINDOW_DCT = 1,
    ET_WINDOW_DPCM = 2,
    ET_WINDOW_RAW = 3 /* float32 samples: what no other kind can take */
} et_window_kind;

#define ET_WINDOW_KINDS 4u
#define ET_CODED_KINDS 3u /* all but raw */
#define ET_MOST_ORDER 8u
#define ET_MAGNITUDE_BUCKETS 13u
#define ET_MAGNITUDE_SYMBOLS 16u /* 0 .. 14, and one for all above */

/* Tables of frequencies hold where each symbol's part of 2^15 begins. Expected magnitudes are in 1/16 step. */
typedef struct et_codec {
    float steps[ET_CODED_KINDS];    /* the quantisers' */
    float per_step[ET_CODED_KINDS]; /* 1 / step */
    float mean_step;      /* the DCT's over sqrt(samples a channel): what a mean's integer is worth in a sample */
    float least;          /* OMP stops when no atom correlates more with the residual */
    float energy_per_bit; /* a kind with one bit more must have less squared error by this */
    uint8_t kinds;        /* bit k: et_window_kind k may be used */
    uint8_t order;        /* of DPCM's predictor */
    uint8_t centred;      /* each channel's mean is coded by itself, atoms see what is left */
    uint8_t chained;      /* means and DPCM are predicted from the window before, if the packet has one */
    uint8_t rounding;     /* sparse, DCT: q = floor(|x| / step + rounding / 256) */
    int16_t predictor[ET_MOST_ORDER]; /* in 1/4096, the latest sample first */
    uint16_t mean_first, mean_next;   /* expected magnitudes at a packet's start and later */
    uint16_t dpcm_first, dpcm_next;
    uint16_t sparse_mean;            /* expected magnitude of a coefficient, over all atoms */
    const uint16_t *kind_parts;      /* (ET_WINDOW_KINDS + 1) x ET_WINDOW_KINDS, by the kind before; none first */
    const uint16_t *mean_magnitudes; /* ET_MAGNITUDE_BUCKETS x ET_MAGNITUDE_SYMBOLS */
    const uint16_t *sparse_magnitudes, *dct_magnitudes, *dpcm_magnitudes;
    const uint16_t *count_parts;     /* min(s, m, n) + 1 */
    const uint16_t *survival;        /* n + 1: -2048 log2 of the share of all uses that atoms from j on have */
    const uint16_t *sparse_expected; /* n */
    const uint8_t *negative;         /* n: of 256 coefficients, those below 0 */
    const uint16_t *last_parts;      /* samples a channel: the last coefficient that is not 0; 0: the mean or none */
    const uint16_t *dct_expected;    /* samples a channel */
    const float *cosines;            /* et_dct_cosines(samples a channel), see dct.h */
} et_codec;

/* Nonzero if the codec and its coefficient_bits are known. */
int et_codec_known(unsigned codec, unsigned coefficient_bits);

#ifdef __cplusplus
}
#endif
#endif
