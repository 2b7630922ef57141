/* DPCM: samples rounded to a grid, channel by channel, less what the ones before predict. The grid is what is predicted from,
 * so errors do not add up, and integers at a step of 1 come back as they were. */
#include "window_code.h"

/* The last samples of a channel, the latest first. */
typedef struct predictor {
    const et_codec *codec;
    int32_t last[ET_MOST_ORDER];
    uint32_t spread; /* expected magnitude, 1/16 step */
    int begun;
} predictor;

static predictor begin(const et_dictionary *d, const et_chain *chain, unsigned channel)
{
    predictor p = {&d->entropy, {0}, d->entropy.dpcm_first, chain->follows};
    if (chain->follows) {
        p.spread = chain->spreads[channel];
        for (unsigned i = 0; i < p.codec->order; ++i)
            p.last[i] = chain->history[(size_t)channel * p.codec->order + i];
    }
    return p;
}

static int32_t predict(const predictor *p)
{
    int64_t sum = 2048;
    for (unsigned i = 0; i < p->codec->order; ++i)
        sum += (int64_t)p->codec->predictor[i] * p->last[i];
    const int64_t most = ET_MOST_STEPS - 1;
    sum >>= 12;
    return (int32_t)(sum > most ? most : sum < -most ? -most : sum);
}

static void take(predictor *p, int32_t q, uint32_t magnitude)
{
    const unsigned order = p->codec->order;
    if (p->begun) {
        p->spread = (3 * p->spread + 16 * magnitude + 2) / 4;
        for (unsigned i = order; i-- > 1;)
            p->last[i] = p->last[i - 1];
        p->last[0] = q;
        return;
    }
    p->begun = 1; /* the first sample stands for those before it */
    p->spread = p->codec->dpcm_next;
    for (unsigned i = 0; i < order; ++i)
        p->last[i] = q;
}

static int32_t steps_of(const et_coded_window *window, unsigned channel, unsigned t, float *x)
{
    const et_dictionary *d = window->dictionary;
    const float mean = (float)window->encoder->means[channel] * d->entropy.mean_step;
    *x = (window->signal[(size_t)t * d->channels + channel] + mean) * d->entropy.per_step[ET_WINDOW_DPCM];
    return et_nearest(*x);
}

int et_quantise_dpcm(const et_coded_window *window, float *error)
{
    const et_dictionary *d = window->dictionary;
    const float step = d->entropy.steps[ET_WINDOW_DPCM];
    float sum = 0.0f;
    for (unsigned c = 0; c < d->channels; ++c) {
        for (unsigned t = 0; t < et_channel_samples(d); ++t) {
            float x;
            const int32_t q = steps_of(window, c, t, &x);
            if (et_magnitude(q) >= ET_MOST_STEPS)
                return 0;
            sum += (x - (float)q) * (x - (float)q);
        }
    }
    *error = sum * step * step;
    return 1;
}

void et_put_dpcm(et_range_writer *writer, const et_coded_window *window, const et_chain *chain)
{
    const et_dictionary *d = window->dictionary;
    for (unsigned c = 0; c < d->channels; ++c) {
        predictor p = begin(d, chain, c);
        for (unsigned t = 0; t < et_channel_samples(d) && writer->size <= writer->capacity; ++t) {
            float x;
            const int32_t q = steps_of(window, c, t, &x), rest = q - predict(&p);
            et_put_integer(writer, d->entropy.dpcm_magnitudes, p.spread, rest);
            take(&p, q, et_magnitude(rest));
        }
        if (chain->follows && writer->bytes != NULL)
            chain->spreads[c] = p.spread;
    }
}

void et_decode_dpcm(const et_coded_window *window, float *decoded)
{
    const et_dictionary *d = window->dictionary;
    for (unsigned c = 0; c < d->channels; ++c)
        for (unsigned t = 0; t < et_channel_samples(d); ++t) {
            float x;
            decoded[(size_t)t * d->channels + c] = (float)steps_of(window, c, t, &x) * d->entropy.steps[ET_WINDOW_DPCM];
        }
}

void et_get_dpcm(et_range_reader *reader, const et_dictionary *d, const et_chain *chain, float *signal)
{
    for (unsigned c = 0; c < d->channels; ++c) {
        predictor p = begin(d, chain, c);
        for (unsigned t = 0; t < et_channel_samples(d); ++t) {
            const int32_t rest = et_get_integer(reader, d->entropy.dpcm_magnitudes, p.spread);
            int32_t q = rest + predict(&p);
            if (et_magnitude(q) >= ET_MOST_STEPS) {
                reader->failed = 1;
                q = 0;
            }
            take(&p, q, et_magnitude(rest));
            signal[(size_t)t * d->channels + c] = (float)q * d->entropy.steps[ET_WINDOW_DPCM];
        }
        if (chain->follows)
            chain->spreads[c] = p.spread;
    }
}
