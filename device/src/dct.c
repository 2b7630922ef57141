#include "dct.h"

#include <string.h>

size_t et_dct_cosines(unsigned length)
{
    size_t count = 0;
    for (; length > 1 && length % 2 == 0; length /= 2)
        count += length / 2;
    return length > 1 ? count + 4 * (size_t)length : count;
}

/* One block of `size` into the sums of its halves and the weighted differences. */
static void split(const float *x, unsigned size, const float *weights, float *halves)
{
    const unsigned half = size / 2;
    for (unsigned i = 0; i < half; ++i) {
        halves[i] = x[i] + x[size - 1 - i];
        halves[half + i] = (x[i] - x[size - 1 - i]) * weights[i];
    }
}

/* The transforms of the halves into that of the block. */
static void join(const float *halves, unsigned size, float *x)
{
    const unsigned half = size / 2;
    for (unsigned k = 0; k < half; ++k) {
        x[2 * k] = halves[k];
        x[2 * k + 1] = k + 1 < half ? halves[half + k] + halves[half + k + 1] : halves[half + k];
    }
}

static void split_transposed(const float *x, unsigned size, float *halves)
{
    const unsigned half = size / 2;
    for (unsigned k = 0; k < half; ++k) {
        halves[k] = x[2 * k];
        halves[half + k] = k > 0 ? x[2 * k - 1] + x[2 * k + 1] : x[1];
    }
}

static void join_transposed(const float *halves, unsigned size, const float *weights, float *x)
{
    const unsigned half = size / 2;
    for (unsigned i = 0; i < half; ++i) {
        const float weighted = weights[i] * halves[half + i];
        x[i] = halves[i] + weighted;
        x[size - 1 - i] = halves[i] - weighted;
    }
}

/* All blocks of two, both ways: of size 1 there is nothing to transform. */
static void pairs(const float *x, unsigned length, float weight, int transposed, float *out)
{
    for (unsigned i = 0; i < length; i += 2) {
        const float a = x[i], b = transposed ? weight * x[i + 1] : x[i + 1];
        out[i] = a + b;
        out[i + 1] = transposed ? a - b : (a - b) * weight;
    }
}

/* Where in the table of 4 size cosines a product's cosine lies, `step` behind the one before. */
static unsigned next_cosine(unsigned at, unsigned step, unsigned size)
{
    at += step;
    return at >= 4 * size ? at - 4 * size : at;
}

/* A block of odd `size`, by the definition. */
static void direct(const float *x, unsigned size, const float *cosines, int transposed, float *out)
{
    for (unsigned a = 0; a < size; ++a) {
        unsigned at = transposed ? 0 : a;
        const unsigned step = transposed ? 2 * a + 1 : 2 * a;
        float sum = 0.0f;
        for (unsigned b = 0; b < size; ++b, at = next_cosine(at, step, size))
            sum += x[b] * cosines[at];
        out[a] = sum;
    }
}

/* Four blocks at once: the same sums, which need not wait for each other. */
static void direct_four(const float *x, unsigned size, const float *cosines, int transposed, float *out)
{
    for (unsigned a = 0; a < size; ++a) {
        unsigned at = transposed ? 0 : a;
        const unsigned step = transposed ? 2 * a + 1 : 2 * a;
        float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (unsigned b = 0; b < size; ++b, at = next_cosine(at, step, size)) {
            const float cosine = cosines[at];
            sums[0] += x[b] * cosine;
            sums[1] += x[size + b] * cosine;
            sums[2] += x[2 * size + b] * cosine;
            sums[3] += x[3 * size + b] * cosine;
        }
        for (unsigned block = 0; block < 4; ++block)
            out[block * size + a] = sums[block];
    }
}

/* From x to `temporary` and back, level by level, down to blocks of 2 or of odd size and up again; the result goes to x. */
static void transform(float *x, unsigned length, const float *cosines, int transposed, float *temporary)
{
    unsigned size = length;
    const float *weights = cosines;
    float *from = x, *to = temporary, *swap;
    for (; size > 2 && size % 2 == 0; weights += size / 2, size /= 2) {
        for (unsigned block = 0; block < length; block += size)
            if (transposed)
                split_transposed(from + block, size, to + block);
            else
                split(from + block, size, weights, to + block);
        swap = from, from = to, to = swap;
    }
    if (size > 1) {
        unsigned block = 0;
        if (size == 2) {
            pairs(from, length, weights[0], transposed, to);
            block = length;
        }
        for (; block + 4 * size <= length; block += 4 * size)
            direct_four(from + block, size, weights, transposed, to + block);
        for (; block < length; block += size)
            direct(from + block, size, weights, transposed, to + block);
        swap = from, from = to, to = swap;
    }
    while (size < length) {
        size *= 2;
        weights -= size / 2;
        for (unsigned block = 0; block < length; block += size)
            if (transposed)
                join_transposed(from + block, size, weights, to + block);
            else
                join(from + block, size, to + block);
        swap = from, from = to, to = swap;
    }
    if (from != x)
        memcpy(x, from, length * sizeof *x);
}

void et_dct(float *x, unsigned length, const float *cosines, float *temporary)
{
    transform(x, length, cosines, 0, temporary);
}

void et_dct_transposed(float *x, unsigned length, const float *cosines, float *temporary)
{
    transform(x, length, cosines, 1, temporary);
}
