/* Atoms of the dictionary: how many, which, and their coefficients in steps. */
#include <string.h>

#include "atom.h"
#include "edgetwin/vector.h"
#include "window_code.h"

#define SURVIVAL_BITS 16u

/* 2^16 2^-(exponent / 2048), decreasing, by chords over 1/32. */
static uint32_t power_of_half(uint32_t exponent)
{
    static const uint32_t table[33] = {65536, 64132, 62757, 61413, 60097, 58809, 57549, 56316, 55109, 53928, 52773,
                                       51642, 50535, 49452, 48393, 47356, 46341, 45348, 44376, 43425, 42495, 41584,
                                       40693, 39821, 38968, 38133, 37316, 36516, 35734, 34968, 34219, 33486, 32768};
    const uint32_t whole = exponent >> 11, segment = exponent >> 6 & 31u, rest = exponent & 63u;
    if (whole > SURVIVAL_BITS)
        return 0;
    return (table[segment] - ((table[segment] - table[segment + 1]) * rest >> 6)) >> whole;
}

/* FORMATS.md: the share, of 2^16, of the next atom being j or a later one, if `left` atoms are still to come from `from` on.
 * It falls by 1 or more from each j to the next, from 2^16 at `from` to 0 at n. */
static uint32_t survival(const et_dictionary *d, unsigned from, unsigned left, unsigned j)
{
    const uint16_t *table = d->entropy.survival;
    if (j == d->n)
        return 0;
    const uint32_t share = power_of_half(left * (uint32_t)(table[j] - table[from]));
    return (share * (65536u - (d->n - from)) >> SURVIVAL_BITS) + (d->n - j);
}

static void put_atom(et_range_writer *writer, const et_dictionary *d, unsigned from, unsigned left, unsigned j)
{
    et_range_put(writer, 65536u - survival(d, from, left, j), 65536u - survival(d, from, left, j + 1), SURVIVAL_BITS);
}

static unsigned get_atom(et_range_reader *reader, const et_dictionary *d, unsigned from, unsigned left)
{
    const uint32_t above = 65536u - et_range_get(reader, SURVIVAL_BITS);
    uint32_t first = 65536u, next = 0; /* survival at j and at end */
    unsigned j = from;
    for (unsigned end = d->n; end - j > 1;) {
        const unsigned middle = (j + end) / 2;
        const uint32_t share = survival(d, from, left, middle);
        if (share >= above) {
            j = middle;
            first = share;
        } else {
            end = middle;
            next = share;
        }
    }
    et_range_took(reader, 65536u - first, 65536u - next, SURVIVAL_BITS);
    return j;
}

/* Expected magnitude of atom j's coefficient: its own, by how large those before were against theirs. */
typedef struct scale {
    uint32_t seen, expected; /* sums, 1/16 step, held to 15 bits so that products fit 32 */
} scale;

static uint32_t held(uint32_t sum) { return sum < 0x7fffu ? sum : 0x7fffu; }

static uint32_t expected_of(const et_codec *codec, const scale *before, unsigned j)
{
    const uint32_t prior = 2u * codec->sparse_mean + 1;
    return codec->sparse_expected[j] * (before->seen + prior) / (before->expected + prior);
}

static void take(const et_codec *codec, scale *before, unsigned j, uint32_t magnitude)
{
    before->seen = held(before->seen + (magnitude < 0x7ffu ? 16 * magnitude : 0x7fffu));
    before->expected = held(before->expected + codec->sparse_expected[j]);
}

static int32_t steps_of(const et_coded_window *window, unsigned i)
{
    const et_codec *codec = &window->dictionary->entropy;
    return et_dead_zone(window->encoder->coefficients[i] * codec->per_step[ET_WINDOW_SPARSE], codec->rounding);
}

void et_put_sparse(et_range_writer *writer, const et_coded_window *window, const et_chain *chain)
{
    const et_dictionary *d = window->dictionary;
    const et_codec *codec = &d->entropy;
    if (codec->centred)
        for (unsigned c = 0; c < d->channels; ++c)
            et_put_mean(writer, d, chain, c, window->encoder->means[c]);
    unsigned count = 0;
    for (unsigned i = 0; i < window->count; ++i)
        count += steps_of(window, i) != 0;
    et_put_symbol(writer, codec->count_parts, et_most_atoms(d) + 1u, count);
    scale before = {0, 0};
    unsigned from = 0;
    for (unsigned i = 0; i < window->count; ++i) {
        const int32_t q = steps_of(window, i);
        const unsigned j = window->encoder->support[i];
        if (q == 0)
            continue;
        put_atom(writer, d, from, count--, j);
        const uint32_t negative = codec->negative[j];
        et_range_put(writer, q < 0 ? 0 : negative, q < 0 ? negative : 256, 8);
        et_put_magnitude(writer, codec->sparse_magnitudes, expected_of(codec, &before, j), et_magnitude(q) - 1);
        take(codec, &before, j, et_magnitude(q) - 1);
        from = j + 1;
    }
}

/* Four at a time, for boards. */
static void add_int8(float coefficient, const int8_t *atom, float *signal, unsigned m)
{
    unsigned i = 0;
    for (; i + 4 <= m; i += 4) {
        signal[i] += coefficient * (float)atom[i];
        signal[i + 1] += coefficient * (float)atom[i + 1];
        signal[i + 2] += coefficient * (float)atom[i + 2];
        signal[i + 3] += coefficient * (float)atom[i + 3];
    }
    for (; i < m; ++i)
        signal[i] += coefficient * (float)atom[i];
}

/* signal += coefficient * atom, with the scale of an integer atom in the coefficient. */
static void add_atom(const et_dictionary *d, unsigned j, float coefficient, float *signal)
{
    const void *atom = et_atom(d, j);
    if (d->atom_type == ET_ATOM_FLOAT32) {
        et_axpy_f32(coefficient, atom, signal, d->m);
        return;
    }
    coefficient *= d->scales[j];
    if (d->atom_type == ET_ATOM_INT8)
        add_int8(coefficient, atom, signal, d->m);
    else
        for (unsigned i = 0; i < d->m; ++i)
            signal[i] += coefficient * (float)((const int16_t *)atom)[i];
}

void et_add_atoms(const et_dictionary *d, const et_encoder *encoder, unsigned count, float *signal)
{
    for (unsigned i = 0; i < count; ++i)
        add_atom(d, encoder->support[i], encoder->coefficients[i], signal);
}

static void begin_signal(const et_dictionary *d, const int32_t *means, float *signal)
{
    const float step = d->entropy.mean_step;
    unsigned channel = 0;
    for (unsigned i = 0; i < d->m; ++i) {
        signal[i] = (float)means[channel] * step;
        if (++channel == d->channels)
            channel = 0;
    }
}

void et_decode_sparse(const et_coded_window *window, float *decoded)
{
    const et_dictionary *d = window->dictionary;
    begin_signal(d, window->encoder->means, decoded);
    for (unsigned i = 0; i < window->count; ++i) {
        const int32_t q = steps_of(window, i);
        if (q != 0)
            add_atom(d, window->encoder->support[i], (float)q * d->entropy.steps[ET_WINDOW_SPARSE], decoded);
    }
}

void et_get_sparse(et_range_reader *reader, const et_dictionary *d, const et_encoder *encoder, const et_chain *chain,
                   float *signal, unsigned *count)
{
    const et_codec *codec = &d->entropy;
    for (unsigned c = 0; c < d->channels; ++c)
        encoder->means[c] = codec->centred ? et_get_mean(reader, d, chain, c) : 0;
    const unsigned atoms = et_get_symbol(reader, codec->count_parts, et_most_atoms(d) + 1u);
    scale before = {0, 0};
    unsigned from = 0;
    for (unsigned i = 0; i < atoms; ++i) {
        if (from == d->n) {
            reader->failed = 1;
            return;
        }
        const unsigned j = get_atom(reader, d, from, atoms - i);
        const uint32_t negative = codec->negative[j];
        const int below = et_range_get(reader, 8) < negative;
        et_range_took(reader, below ? 0 : negative, below ? negative : 256, 8);
        const uint32_t less = et_get_magnitude(reader, codec->sparse_magnitudes, expected_of(codec, &before, j));
        take(codec, &before, j, less);
        const int32_t q = (int32_t)less + 1;
        encoder->support[i] = (uint16_t)j;
        encoder->coefficients[i] = (float)(below ? -q : q) * codec->steps[ET_WINDOW_SPARSE];
        from = j + 1;
    }
    begin_signal(d, encoder->means, signal);
    et_add_atoms(d, encoder, atoms, signal);
    *count = atoms;
}
