/* DCT: each channel's mean, the last coefficient that is not 0, and those up to it. */
#include <math.h>

#include "dct.h"
#include "window_code.h"

/* The workspace: m values channel by channel, floats that become integers, then, behind the decoded window of packet.c and
 * DPCM's samples, room for one channel. */
typedef union value {
    float real;
    int32_t integer;
} value;

static float *temporary_of(const et_dictionary *d, const et_encoder *encoder)
{
    return (float *)encoder->workspace + 3 * (size_t)d->m;
}

int et_quantise_dct(const et_coded_window *window, float *error)
{
    const et_dictionary *d = window->dictionary;
    const et_codec *codec = &d->entropy;
    const unsigned length = et_channel_samples(d);
    const float step = codec->steps[ET_WINDOW_DCT];
    const float per_step = codec->per_step[ET_WINDOW_DCT];
    const float first_scale = per_step / sqrtf((float)length), scale = per_step * sqrtf(2.0f / (float)length);
    float sum = 0.0f;
    int fits = 1;
    for (unsigned c = 0; c < d->channels; ++c) {
        value *values = (value *)window->encoder->workspace + (size_t)c * length;
        for (unsigned t = 0; t < length; ++t)
            values[t].real = window->signal[(size_t)t * d->channels + c];
        et_dct(&values->real, length, codec->cosines, temporary_of(d, window->encoder));
        for (unsigned k = 0; k < length; ++k) {
            const float x = values[k].real * (k == 0 ? first_scale : scale);
            const int32_t q = k == 0 ? et_nearest(x) : et_dead_zone(x, codec->rounding);
            const float difference = x - (float)q;
            sum += difference * difference;
            values[k].integer = k == 0 ? q + window->encoder->means[c] : q;
            fits &= et_magnitude(values[k].integer) < ET_MOST_STEPS && et_magnitude(q) < ET_MOST_STEPS;
        }
    }
    *error = sum * step * step;
    return fits;
}

/* By the two coefficients before it and by what it is on average. */
static uint32_t expected_of(const et_codec *codec, unsigned k, uint32_t before, uint32_t second)
{
    const uint32_t most = ET_MOST_EXPECTED / 32;
    return (codec->dct_expected[k] + 11 * (before < most ? before : most) + 5 * (second < most ? second : most)) / 2;
}

void et_put_dct(et_range_writer *writer, const et_coded_window *window, const et_chain *chain)
{
    const et_dictionary *d = window->dictionary;
    const et_codec *codec = &d->entropy;
    const unsigned length = et_channel_samples(d);
    for (unsigned c = 0; c < d->channels; ++c) {
        const value *values = (const value *)window->encoder->workspace + (size_t)c * length;
        unsigned last = length - 1;
        while (last > 0 && values[last].integer == 0)
            --last;
        et_put_mean(writer, d, chain, c, values[0].integer);
        et_put_symbol(writer, codec->last_parts, length, last);
        uint32_t before = 0, second = 0;
        for (unsigned k = 1; k <= last && writer->size <= writer->capacity; ++k) {
            et_put_integer(writer, codec->dct_magnitudes, expected_of(codec, k, before, second), values[k].integer);
            second = before;
            before = et_magnitude(values[k].integer);
        }
    }
}

void et_decode_dct(const et_dictionary *d, const et_encoder *encoder, float *decoded)
{
    const unsigned length = et_channel_samples(d);
    const float step = d->entropy.steps[ET_WINDOW_DCT];
    const float first_scale = d->entropy.mean_step, scale = sqrtf(2.0f / (float)length) * step;
    for (unsigned c = 0; c < d->channels; ++c) {
        value *values = (value *)encoder->workspace + (size_t)c * length;
        for (unsigned k = 0; k < length; ++k)
            values[k].real = (float)values[k].integer * (k == 0 ? first_scale : scale);
        et_dct_transposed(&values->real, length, d->entropy.cosines, temporary_of(d, encoder));
        for (unsigned t = 0; t < length; ++t)
            decoded[(size_t)t * d->channels + c] = values[t].real;
    }
}

void et_get_dct(et_range_reader *reader, const et_dictionary *d, const et_encoder *encoder, const et_chain *chain,
                float *signal)
{
    const et_codec *codec = &d->entropy;
    const unsigned length = et_channel_samples(d);
    for (unsigned c = 0; c < d->channels; ++c) {
        value *values = (value *)encoder->workspace + (size_t)c * length;
        values[0].integer = et_get_mean(reader, d, chain, c);
        const unsigned last = et_get_symbol(reader, codec->last_parts, length);
        uint32_t before = 0, second = 0;
        for (unsigned k = 1; k < length; ++k) {
            values[k].integer = 0;
            if (k > last)
                continue;
            values[k].integer = et_get_integer(reader, codec->dct_magnitudes, expected_of(codec, k, before, second));
            second = before;
            before = et_magnitude(values[k].integer);
        }
        if (last > 0 && values[last].integer == 0)
            reader->failed = 1; /* no writer's */
    }
    if (!reader->failed)
        et_decode_dct(d, encoder, signal);
}
