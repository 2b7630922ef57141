/* What a window is predicted from: the one before it in the packet. */
#include "window_code.h"

size_t et_chain_size(const et_dictionary *d)
{
    return d->codec == ET_CODEC_ENTROPY && d->entropy.chained ? 4u * d->channels * (3u + (size_t)d->entropy.order) : 0;
}

et_chain et_chain_at(const et_dictionary *d, void *memory, int follows)
{
    et_chain chain;
    chain.means = memory;
    chain.changes = (uint32_t *)(void *)(chain.means + d->channels);
    chain.spreads = chain.changes + d->channels;
    chain.history = (int32_t *)(void *)(chain.spreads + d->channels);
    chain.follows = follows && d->entropy.chained;
    return chain;
}

static uint32_t expected_of(uint32_t magnitude)
{
    return magnitude < ET_MOST_EXPECTED / 16 ? 16 * magnitude : ET_MOST_EXPECTED;
}

void et_chain_follow(const et_dictionary *d, et_chain *chain, const float *signal)
{
    const unsigned length = et_channel_samples(d), order = d->entropy.order;
    const float per_mean = 1.0f / (d->entropy.mean_step * (float)length);
    const float per_sample = d->entropy.per_step[ET_WINDOW_DPCM];
    for (unsigned c = 0; c < d->channels; ++c) {
        const float *channel = signal + c;
        float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (unsigned t = 0; t < length; ++t)
            sums[t % 4] += channel[(size_t)t * d->channels];
        const int32_t mean = et_nearest(((sums[0] + sums[1]) + (sums[2] + sums[3])) * per_mean);
        chain->changes[c] = chain->follows ? expected_of(et_magnitude(mean - chain->means[c])) : 0;
        chain->means[c] = mean;
        if (!chain->follows)
            chain->spreads[c] = d->entropy.dpcm_next;
        int32_t *history = chain->history + (size_t)c * order;
        for (unsigned i = order;
             i-- > 0;) { /* a window shorter than the order moves what was there, or stands for it */
            const unsigned t = i < length ? length - 1 - i : 0;
            if (i < length || !chain->follows)
                history[i] = et_nearest(channel[(size_t)t * d->channels] * per_sample);
            else
                history[i] = history[i - length];
        }
    }
    chain->follows = 1;
}

/* Expected magnitude of a mean's difference from its prediction. */
static uint32_t mean_expected(const et_dictionary *d, const et_chain *chain, unsigned channel)
{
    return chain->follows ? (d->entropy.mean_next + chain->changes[channel]) / 2 : d->entropy.mean_first;
}

void et_put_mean(et_range_writer *writer, const et_dictionary *d, const et_chain *chain, unsigned channel, int32_t mean)
{
    const int32_t predicted = chain->follows ? chain->means[channel] : 0;
    et_put_integer(writer, d->entropy.mean_magnitudes, mean_expected(d, chain, channel), mean - predicted);
}

int32_t et_get_mean(et_range_reader *reader, const et_dictionary *d, const et_chain *chain, unsigned channel)
{
    const int32_t predicted = chain->follows ? chain->means[channel] : 0;
    const int32_t mean =
        predicted + et_get_integer(reader, d->entropy.mean_magnitudes, mean_expected(d, chain, channel));
    if (mean > -ET_MOST_STEPS && mean < ET_MOST_STEPS)
        return mean;
    reader->failed = 1;
    return 0;
}
