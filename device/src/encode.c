#include "edgetwin/encode.h"

#include <string.h>

#include "dct.h"
#include "window_code.h"

static size_t align4(size_t size) { return (size + 3) & ~(size_t)3; }

/* OMP's workspace is free once it is done: the other kinds need three windows and a channel there (packet.c). */
static size_t workspace_size(const et_dictionary *d)
{
    const size_t omp = et_omp_workspace_size((et_atom_type)d->atom_type, d->m, d->n, d->s);
    const size_t others = d->codec == ET_CODEC_ENTROPY ? 4u * (3u * (size_t)d->m + et_channel_samples(d)) : 0;
    return align4(omp > others ? omp : others);
}

size_t et_encoder_size(const et_dictionary *d)
{
    return workspace_size(d) + 4u * (size_t)et_most_atoms(d) + 4u * (size_t)d->channels + et_chain_size(d) +
           align4(2u * (size_t)et_most_atoms(d));
}

void et_encoder_place(et_encoder *encoder, const et_dictionary *d, void *memory)
{
    uint8_t *at = memory;
    encoder->workspace = at;
    encoder->workspace_size = workspace_size(d);
    at += encoder->workspace_size;
    encoder->coefficients = (float *)(void *)at;
    at += 4u * (size_t)et_most_atoms(d);
    encoder->means = (int32_t *)(void *)at;
    at += 4u * (size_t)d->channels;
    encoder->chain = at;
    at += et_chain_size(d);
    encoder->support = (uint16_t *)(void *)at;
}

static int all_finite(const float *signal, unsigned m)
{
    for (unsigned i = 0; i < m; ++i)
        if (!et_float_finite(signal[i]))
            return 0;
    return 1;
}

/* Takes each channel's mean, rounded to steps, off the signal. */
static void take_means_off(const et_dictionary *d, int32_t *means, float *signal)
{
    const unsigned length = et_channel_samples(d);
    const float step = d->entropy.mean_step, per_mean = 1.0f / (step * (float)length);
    for (unsigned c = 0; c < d->channels; ++c) {
        float *channel = signal + c;
        float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (unsigned t = 0; t < length; ++t)
            sums[t % 4] += channel[(size_t)t * d->channels];
        means[c] = et_nearest(((sums[0] + sums[1]) + (sums[2] + sums[3])) * per_mean);
        const float mean = (float)means[c] * step;
        for (unsigned t = 0; t < length; ++t)
            channel[(size_t)t * d->channels] -= mean;
    }
}

et_status et_encode(const et_dictionary *d, const et_encoder *encoder, float *signal, et_omp_result *result)
{
    const int entropy = d->codec == ET_CODEC_ENTROPY;
    et_dictionary_scale(d, signal);
    if (!all_finite(signal, d->m))
        return ET_ERR_NOT_FINITE;
    memset(encoder->means, 0, 4u * (size_t)d->channels);
    if (entropy && d->entropy.centred)
        take_means_off(d, encoder->means, signal);
    if (entropy && !et_has_kind(d, ET_WINDOW_SPARSE)) {
        result->count = 0;
        result->residual_norm = 0.0f;
        return ET_OK;
    }
    return et_omp(d, d->s, d->tolerance, entropy ? d->entropy.least : 0.0f, signal, encoder->support,
                  encoder->coefficients, result, encoder->workspace, encoder->workspace_size);
}
