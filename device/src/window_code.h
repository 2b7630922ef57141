/* What the kinds of window code share (packet.c): integers in steps, coded by the expected magnitude. */
#ifndef EDGETWIN_WINDOW_CODE_H
#define EDGETWIN_WINDOW_CODE_H

#include "edgetwin/encode.h"
#include "edgetwin/range_coder.h"
#include "float_bits.h"

#define ET_PART_BITS 15u             /* tables of parts: a symbol's part of 2^15 begins at its entry */
#define ET_MOST_STEPS (1 << 24)      /* integers lie below it */
#define ET_MOST_EXPECTED 0x10000000u /* 16 x the largest magnitude that counts */

/* The window being coded: as et_encode left it. */
typedef struct et_coded_window {
    const et_dictionary *dictionary;
    const et_encoder *encoder;
    const float *signal;
    unsigned count;
} et_coded_window;

/* What a packet's next window is predicted from; NULL pointers where the codec is not chained. */
typedef struct et_chain {
    int32_t *means;    /* channels: of the window before, in steps */
    uint32_t *changes; /* channels: how much it had moved there, 1/16 step */
    uint32_t *spreads; /* channels: expected magnitude of DPCM, 1/16 step */
    int32_t *history;  /* channels x order: its last samples, the latest first, in steps of DPCM */
    int follows;       /* there is a window before */
} et_chain;

/* Symbols of a table of parts. */
void et_put_symbol(et_range_writer *writer, const uint16_t *parts, unsigned symbols, unsigned symbol);
unsigned et_get_symbol(et_range_reader *reader, const uint16_t *parts, unsigned symbols);

/* Magnitudes below 2 ET_MOST_STEPS; `expected` in 1/16 step. A reader that finds another has failed, and gets 0. */
void et_put_magnitude(et_range_writer *writer, const uint16_t *tables, uint32_t expected, uint32_t magnitude);
uint32_t et_get_magnitude(et_range_reader *reader, const uint16_t *tables, uint32_t expected);

/* The same with a sign, both as likely. */
void et_put_integer(et_range_writer *writer, const uint16_t *tables, uint32_t expected, int32_t value);
int32_t et_get_integer(et_range_reader *reader, const uint16_t *tables, uint32_t expected);

static inline uint32_t et_magnitude(int32_t value) { return value < 0 ? 0u - (uint32_t)value : (uint32_t)value; }

static inline unsigned et_channel_samples(const et_dictionary *d) { return (unsigned)d->m / d->channels; }

/* Nearest integer, held within +-ET_MOST_STEPS; NaN becomes the least. */
static inline int32_t et_nearest(float value)
{
    const float most = (float)ET_MOST_STEPS;
    if (!(value > -most))
        return -ET_MOST_STEPS;
    if (!(value < most))
        return ET_MOST_STEPS;
    return et_float_magnitude(value) < 0x4b000000u ? et_float_round(value) : (int32_t)value; /* from 2^23 on integers */
}

/* floor(|value| + rounding / 256) with the sign of value, held likewise. */
static inline int32_t et_dead_zone(float value, unsigned rounding)
{
    const float magnitude = et_float_from_bits(et_float_magnitude(value)) + (float)rounding * 0.00390625f;
    const int32_t q = magnitude < (float)ET_MOST_STEPS ? (int32_t)magnitude : ET_MOST_STEPS;
    return value < 0.0f ? -q : q;
}

static inline int et_has_kind(const et_dictionary *d, unsigned kind) { return (d->entropy.kinds >> kind & 1u) != 0; }

/* chain.c */
size_t et_chain_size(const et_dictionary *dictionary);
et_chain et_chain_at(const et_dictionary *dictionary, void *memory, int follows);
/* Takes in a decoded window, scaled. */
void et_chain_follow(const et_dictionary *dictionary, et_chain *chain, const float *signal);
void et_put_mean(et_range_writer *writer, const et_dictionary *dictionary, const et_chain *chain, unsigned channel,
                 int32_t mean);
int32_t et_get_mean(et_range_reader *reader, const et_dictionary *dictionary, const et_chain *chain, unsigned channel);

/* Each kind: put (writes, or counts; may give up beyond the writer's capacity), get (a scaled window; 0 if the reader failed), and the window that a decoder will get,
 * scaled, with its squared error. */

/* sparse_code.c. `workspace`: m floats for the decoded window. */
void et_put_sparse(et_range_writer *writer, const et_coded_window *window, const et_chain *chain);
void et_get_sparse(et_range_reader *reader, const et_dictionary *dictionary, const et_encoder *encoder,
                   const et_chain *chain, float *signal, unsigned *count);
void et_decode_sparse(const et_coded_window *window, float *decoded);
/* signal += the encoder's first `count` atoms. */
void et_add_atoms(const et_dictionary *dictionary, const et_encoder *encoder, unsigned count, float *signal);

/* dct_code.c. `integers` lie in the workspace: m, channel by channel. */
int et_quantise_dct(const et_coded_window *window, float *error);
void et_put_dct(et_range_writer *writer, const et_coded_window *window, const et_chain *chain);
void et_get_dct(et_range_reader *reader, const et_dictionary *dictionary, const et_encoder *encoder,
                const et_chain *chain, float *signal);
/* `decoded` may not overlap the workspace, which is used up. */
void et_decode_dct(const et_dictionary *dictionary, const et_encoder *encoder, float *decoded);

/* dpcm_code.c. `samples` lie in the workspace behind the decoded window: m, channel by channel. */
int et_quantise_dpcm(const et_coded_window *window, float *error);
void et_put_dpcm(et_range_writer *writer, const et_coded_window *window, const et_chain *chain);
void et_get_dpcm(et_range_reader *reader, const et_dictionary *dictionary, const et_encoder *encoder,
                 const et_chain *chain, float *signal);
void et_decode_dpcm(const et_dictionary *dictionary, const et_encoder *encoder, float *decoded);

#endif
