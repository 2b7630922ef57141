/* DPCM: samples rounded to a grid, channel by channel, less what the ones before predict. The grid is what is predicted from,
 * so errors do not add up, and integers at a step of 1 come back as they were. */
#include "window_code.h"

/* A channel's samples in steps, those before them, and what is expected of the next difference. */
typedef struct predictor {
    const et_codec *codec;
    int32_t *samples;
    int32_t past[ET_MOST_ORDER]; /* before the window, the latest first */
    uint32_t spread;             /* expected magnitude, 1/16 step */
    int begun;                   /* there is a sample before */
} predictor;

/* The workspace: behind the DCT's integers and the decoded window of packet.c. */
static int32_t *samples_of(const et_dictionary *d, const et_encoder *encoder, unsigned channel)
{
    return (int32_t *)encoder->workspace + 2 * (size_t)d->m + (size_t)channel * et_channel_samples(d);
}

static predictor begin(const et_dictionary *d, const et_encoder *encoder, const et_chain *chain, unsigned channel)
{
    predictor p = {&d->entropy, samples_of(d, encoder, channel), {0}, d->entropy.dpcm_first, chain->follows};
    if (chain->follows) {
        p.spread = chain->spreads[channel];
        for (unsigned i = 0; i < p.codec->order; ++i)
            p.past[i] = chain->history[(size_t)channel * p.codec->order + i];
    }
    return p;
}

/* Sample t from those before it. */
static inline int32_t predict(const predictor *p, unsigned t)
{
    const unsigned order = p->codec->order, inside = t < order ? t : order;
    const int16_t *weights = p->codec->predictor;
    const int32_t *samples = p->samples + t;
    int64_t sum = 2048;
    if (!p->begun)
        return 0;
    for (unsigned i = 1; i <= inside; ++i)
        sum += (int64_t)weights[i - 1] * *(samples - i);
    for (unsigned i = inside; i < order; ++i)
        sum += (int64_t)weights[i] * p->past[i - t];
    const int64_t most = ET_MOST_STEPS - 1;
    sum >>= 12;
    return (int32_t)(sum > most ? most : sum < -most ? -most : sum);
}

/* Goes on behind sample t, which differed by that magnitude. */
static inline void take(predictor *p, unsigned t, uint32_t magnitude)
{
    if (p->begun) {
        p->spread = (3 * p->spread + 16 * magnitude + 2) / 4;
        return;
    }
    p->begun = 1; /* the first sample stands for those before it */
    p->spread = p->codec->dpcm_next;
    for (unsigned i = 0; i < p->codec->order; ++i)
        p->past[i] = p->samples[t];
}

int et_quantise_dpcm(const et_coded_window *window, float *error)
{
    const et_dictionary *d = window->dictionary;
    const float step = d->entropy.steps[ET_WINDOW_DPCM], per_step = d->entropy.per_step[ET_WINDOW_DPCM];
    float sum = 0.0f;
    const unsigned length = et_channel_samples(d);
    for (unsigned c = 0; c < d->channels; ++c) {
        const float mean = (float)window->encoder->means[c] * d->entropy.mean_step;
        const float *signal = window->signal + c;
        int32_t *samples = samples_of(d, window->encoder, c);
        for (unsigned t = 0; t < length; ++t, signal += d->channels) {
            const float x = (*signal + mean) * per_step;
            const int32_t q = et_nearest(x);
            if (et_magnitude(q) >= ET_MOST_STEPS)
                return 0;
            samples[t] = q;
            sum += (x - (float)q) * (x - (float)q);
        }
    }
    *error = sum * step * step;
    return 1;
}

void et_put_dpcm(et_range_writer *writer, const et_coded_window *window, const et_chain *chain)
{
    const et_dictionary *d = window->dictionary;
    const unsigned length = et_channel_samples(d);
    for (unsigned c = 0; c < d->channels; ++c) {
        predictor p = begin(d, window->encoder, chain, c);
        for (unsigned t = 0; t < length && writer->size <= writer->capacity; ++t) {
            const int32_t rest = p.samples[t] - predict(&p, t);
            et_put_integer(writer, d->entropy.dpcm_magnitudes, p.spread, rest);
            take(&p, t, et_magnitude(rest));
        }
        if (chain->follows && writer->bytes != NULL)
            chain->spreads[c] = p.spread;
    }
}

void et_decode_dpcm(const et_dictionary *d, const et_encoder *encoder, float *decoded)
{
    const float step = d->entropy.steps[ET_WINDOW_DPCM];
    const unsigned length = et_channel_samples(d);
    for (unsigned c = 0; c < d->channels; ++c) {
        const int32_t *samples = samples_of(d, encoder, c);
        for (unsigned t = 0; t < length; ++t)
            decoded[(size_t)t * d->channels + c] = (float)samples[t] * step;
    }
}

void et_get_dpcm(et_range_reader *reader, const et_dictionary *d, const et_encoder *encoder, const et_chain *chain,
                 float *signal)
{
    const unsigned length = et_channel_samples(d);
    for (unsigned c = 0; c < d->channels; ++c) {
        predictor p = begin(d, encoder, chain, c);
        for (unsigned t = 0; t < length; ++t) {
            const int32_t rest = et_get_integer(reader, d->entropy.dpcm_magnitudes, p.spread);
            int32_t q = rest + predict(&p, t);
            if (et_magnitude(q) >= ET_MOST_STEPS) {
                reader->failed = 1;
                q = 0;
            }
            p.samples[t] = q;
            take(&p, t, et_magnitude(rest));
        }
        if (chain->follows)
            chain->spreads[c] = p.spread;
    }
    et_decode_dpcm(d, encoder, signal);
}
