#include "edgetwin/omp.h"

#include <math.h>
#include <string.h>

#include "atom.h"
#include "edgetwin/vector.h"
#include "float_bits.h"

/* Workspace, in this order, each part in whole words. */
typedef struct layout {
    float *basis;          /* Q: one orthonormal vector of m for each chosen atom */
    float *triangle;       /* R: column j from j (j + 1) / 2 on */
    float *residual;       /* m */
    uint32_t *left_out;    /* one bit an atom: chosen, or dependent on the chosen */
    int16_t *residual_s16; /* padded_samples, integer atoms only */
} layout;

static unsigned most_atoms(unsigned m, unsigned n, unsigned s)
{
    const unsigned rank = m < n ? m : n;
    return s < rank ? s : rank;
}

/* Samples of the rounded residual: whole words of an atom, zeros behind the m-th. */
static unsigned padded_samples(et_atom_type type, unsigned m)
{
    return type == ET_ATOM_INT8 ? (m + 3u) & ~3u : type == ET_ATOM_INT16 ? (m + 1u) & ~1u : 0;
}

size_t et_omp_workspace_size(et_atom_type type, unsigned m, unsigned n, unsigned s)
{
    if (m < 1 || m > ET_MAX_SAMPLES || n < 1 || n > ET_MAX_ATOMS || et_atom_stride(type, m) == 0)
        return 0;
    const size_t k = most_atoms(m, n, s);
    return 4 * (m * k + k * (k + 1) / 2 + m + (n + 31u) / 32) + 2 * (size_t)padded_samples(type, m);
}

static layout place(const et_dictionary *dictionary, unsigned k, void *workspace)
{
    layout w;
    w.basis = workspace;
    w.triangle = w.basis + (size_t)dictionary->m * k;
    w.residual = w.triangle + (size_t)k * (k + 1) / 2;
    w.left_out = (uint32_t *)(void *)(w.residual + dictionary->m);
    w.residual_s16 = (int16_t *)(void *)(w.left_out + (dictionary->n + 31u) / 32);
    return w;
}

static int is_left_out(const layout *w, unsigned j) { return (w->left_out[j / 32] >> (j % 32) & 1u) != 0; }

/* Largest |value| as bits; at least ET_FLOAT_INFINITY_BITS if any is not finite. */
static uint32_t largest_magnitude(const float *values, unsigned count)
{
    uint32_t largest = 0;
    for (unsigned i = 0; i < count; ++i) {
        const uint32_t magnitude = et_float_magnitude(values[i]);
        if (magnitude > largest)
            largest = magnitude;
    }
    return largest;
}

/* Rounds the residual to integers of at most `bits` bits: |value| <= 2^bits. Returns the value of one unit. */
static float quantise_residual(const et_dictionary *dictionary, const layout *w, int bits)
{
    const unsigned m = dictionary->m;
    const int exponent = (int)(largest_magnitude(w->residual, m) >> 23) - 126; /* |r| < 2^exponent */
    const float scale = et_float_power2(bits - exponent);
    for (unsigned i = 0; i < m; ++i)
        w->residual_s16[i] = (int16_t)et_float_round(w->residual[i] * scale);
    for (unsigned i = m; i < padded_samples((et_atom_type)dictionary->atom_type, m); ++i)
        w->residual_s16[i] = 0;
    return et_float_power2(exponent - bits);
}

/* The order that et_dots_s8 asks for. */
static void interleave_residual(const layout *w, unsigned m)
{
    for (unsigned i = 0; i < m; i += 4) {
        const int16_t second = w->residual_s16[i + 1];
        w->residual_s16[i + 1] = w->residual_s16[i + 2];
        w->residual_s16[i + 2] = second;
    }
}

/* Bits of an int8 correlation's residual: 128 m 2^bits < 2^31. */
static int residual_bits_s8(unsigned m) { return m < 1024 ? 14 : m < 2048 ? 13 : m < 4096 ? 12 : 11; }

/* Right shift that brings |sum| <= 32768 m 2^14 of an int16 correlation to at most 2^31. */
static unsigned sum_shift_s16(unsigned m)
{
    unsigned shift = 0;
    while ((4u << shift) < m)
        ++shift;
    return shift;
}

typedef struct candidate {
    unsigned atom;
    float correlation; /* its absolute value, in any unit */
} candidate;

/* Lowest index on ties: atoms come in ascending order. */
static inline void consider(candidate *best, const layout *w, unsigned j, float correlation)
{
    if (correlation > best->correlation && !is_left_out(w, j)) {
        best->atom = j;
        best->correlation = correlation;
    }
}

/* Atoms whose correlations are computed in one call of a kernel, and then compared. */
#define BATCH 16u

static unsigned batch_size(unsigned j, unsigned n) { return n - j < BATCH ? n - j : BATCH; }

static candidate correlate_f32(const et_dictionary *dictionary, const layout *w)
{
    const unsigned n = dictionary->n;
    candidate best = {n, -1.0f};
    for (unsigned j = 0; j < n; j += BATCH) {
        const unsigned count = batch_size(j, n);
        float sums[BATCH];
        et_dots_f32(et_atom(dictionary, j), dictionary->stride, count, w->residual, dictionary->m, sums);
        for (unsigned i = 0; i < count; ++i)
            consider(&best, w, j + i, fabsf(sums[i]));
    }
    return best;
}

static candidate correlate_s16(const et_dictionary *dictionary, const layout *w, unsigned shift)
{
    const unsigned n = dictionary->n, m = padded_samples(ET_ATOM_INT16, dictionary->m);
    candidate best = {n, -1.0f};
    for (unsigned j = 0; j < n; j += BATCH) {
        const unsigned count = batch_size(j, n);
        int64_t sums[BATCH];
        et_dots_s16(et_atom(dictionary, j), dictionary->stride, count, w->residual_s16, m, sums);
        for (unsigned i = 0; i < count; ++i) {
            const uint64_t magnitude = (uint64_t)(sums[i] < 0 ? -sums[i] : sums[i]);
            consider(&best, w, j + i, (float)(uint32_t)(magnitude >> shift) * dictionary->scales[j + i]);
        }
    }
    return best;
}

static candidate correlate_s8(const et_dictionary *dictionary, const layout *w)
{
    const unsigned n = dictionary->n, m = padded_samples(ET_ATOM_INT8, dictionary->m);
    candidate best = {n, -1.0f};
    for (unsigned j = 0; j < n; j += BATCH) {
        const unsigned count = batch_size(j, n);
        int32_t sums[BATCH];
        et_dots_s8(et_atom(dictionary, j), dictionary->stride, count, w->residual_s16, m, sums);
        for (unsigned i = 0; i < count; ++i)
            consider(&best, w, j + i, fabsf((float)sums[i]) * dictionary->scales[j + i]);
    }
    return best;
}

/* Atom with the largest |<d_j, r>| of those not left out, lowest index on ties; n if all are left out.
 * *correlation is its absolute value. */
static unsigned select_atom(const et_dictionary *dictionary, const layout *w, float *correlation)
{
    const unsigned m = dictionary->m;
    candidate best;
    float unit = 1.0f;
    switch (dictionary->atom_type) {
    case ET_ATOM_INT8:
        unit = quantise_residual(dictionary, w, residual_bits_s8(m));
        interleave_residual(w, m);
        best = correlate_s8(dictionary, w);
        break;
    case ET_ATOM_INT16: {
        const unsigned shift = sum_shift_s16(m);
        unit = quantise_residual(dictionary, w, 14) * (float)(1u << shift);
        best = correlate_s16(dictionary, w, shift);
        break;
    }
    default:
        best = correlate_f32(dictionary, w);
    }
    *correlation = best.correlation * unit;
    return best.atom;
}

/* One pass of modified Gram-Schmidt of q against the first `count` basis vectors; adds the products to `column`. */
static void orthogonalise(const layout *w, unsigned m, unsigned count, float *q, float *column)
{
    for (unsigned i = 0; i < count; ++i) {
        const float *basis = w->basis + (size_t)i * m;
        const float product = et_dot_f32(basis, q, m);
        column[i] += product;
        et_axpy_f32(-product, basis, q, m);
    }
}

/* Appends atom j to the QR factorisation (Sturm & Christensen 2012, eq. 9 to 11). 0 if it depends on the chosen. */
static int append_atom(const et_dictionary *dictionary, const layout *w, unsigned count, unsigned j)
{
    const unsigned m = dictionary->m;
    float *q = w->basis + (size_t)count * m;
    float *column = w->triangle + (size_t)count * (count + 1) / 2;

    const void *atom = et_atom(dictionary, j);
    if (dictionary->atom_type == ET_ATOM_FLOAT32)
        memcpy(q, atom, m * sizeof *q);
    else
        for (unsigned i = 0; i < m; ++i)
            q[i] = et_atom_value(dictionary, atom, j, i);
    for (unsigned i = 0; i < count; ++i)
        column[i] = 0.0f;
    const float before = et_dot_f32(q, q, m);
    orthogonalise(w, m, count, q, column);
    float after = et_dot_f32(q, q, m);
    if (after < 0.5f * before) { /* cancellation: twice is enough (Giraud, Langou & Rozloznik 2005) */
        orthogonalise(w, m, count, q, column);
        after = et_dot_f32(q, q, m);
    }
    if (after <= ET_OMP_DEPENDENT * ET_OMP_DEPENDENT * before)
        return 0;
    const float norm = sqrtf(after);
    column[count] = norm;
    const float inverse = 1.0f / norm;
    for (unsigned i = 0; i < m; ++i)
        q[i] *= inverse;
    return 1;
}

/* Solves R x = z in place, column by column. */
static void back_substitute(const layout *w, unsigned count, float *x)
{
    for (unsigned j = count; j-- > 0;) {
        const float *column = w->triangle + (size_t)j * (j + 1) / 2;
        x[j] /= column[j];
        for (unsigned i = 0; i < j; ++i)
            x[i] -= column[i] * x[j];
    }
}

static void sort_by_index(uint16_t *support, float *coefficients, unsigned count)
{
    for (unsigned i = 1; i < count; ++i) {
        const uint16_t index = support[i];
        const float coefficient = coefficients[i];
        unsigned k = i;
        for (; k > 0 && support[k - 1] > index; --k) {
            support[k] = support[k - 1];
            coefficients[k] = coefficients[k - 1];
        }
        support[k] = index;
        coefficients[k] = coefficient;
    }
}

et_status et_omp(const et_dictionary *dictionary, unsigned s, float tolerance, float least, const float *signal,
                 uint16_t *support, float *coefficients, et_omp_result *result, void *workspace, size_t workspace_size)
{
    const unsigned m = dictionary->m, n = dictionary->n;
    const size_t needed = et_omp_workspace_size((et_atom_type)dictionary->atom_type, m, n, s);
    if (needed == 0 || !(tolerance >= 0.0f) || !et_float_finite(tolerance) || !(least >= 0.0f) ||
        !et_float_finite(least))
        return ET_ERR_ARGUMENT;
    if (workspace == NULL || workspace_size < needed || (uintptr_t)workspace % 4 != 0)
        return ET_ERR_WORKSPACE;
    const uint32_t largest = largest_magnitude(signal, m);
    if (largest >= ET_FLOAT_INFINITY_BITS)
        return ET_ERR_NOT_FINITE;

    const unsigned k = most_atoms(m, n, s);
    const layout w = place(dictionary, k, workspace);
    memset(w.left_out, 0, 4 * ((n + 31u) / 32));

    /* Brings the largest sample near 1; an exact scaling. */
    int exponent = 127 - (int)(largest >> 23);
    exponent = exponent > 126 ? 126 : exponent < -126 ? -126 : exponent;
    const float scale = et_float_power2(exponent), unscale = et_float_power2(-exponent);
    for (unsigned i = 0; i < m; ++i)
        w.residual[i] = signal[i] * scale;

    float energy = et_dot_f32(w.residual, w.residual, m);
    const float floor = ET_OMP_FLOOR * ET_OMP_FLOOR * energy;
    const float target = tolerance * scale * (tolerance * scale);
    const float limit = target > floor ? target : floor;
    const float weakest = least * scale * (least * scale);
    const float useless = weakest > floor ? weakest : floor;

    unsigned count = 0;
    while (count < k && energy > limit) {
        float correlation;
        const unsigned j = select_atom(dictionary, &w, &correlation);
        if (j == n || correlation * correlation <= useless)
            break; /* what is left lies outside the span of the atoms, or is not worth them */
        w.left_out[j / 32] |= 1u << (j % 32);
        if (!append_atom(dictionary, &w, count, j))
            continue;
        const float *q = w.basis + (size_t)count * m;
        const float z = et_dot_f32(q, w.residual, m);
        et_axpy_f32(-z, q, w.residual, m);
        support[count] = (uint16_t)j;
        coefficients[count] = z;
        ++count;
        energy = et_dot_f32(w.residual, w.residual, m);
    }
    back_substitute(&w, count, coefficients);
    sort_by_index(support, coefficients, count);

    const float residual_norm = sqrtf(energy) * unscale;
    int finite = et_float_finite(residual_norm);
    for (unsigned i = 0; i < count; ++i) {
        coefficients[i] *= unscale;
        finite &= et_float_finite(coefficients[i]);
    }
    if (!finite)
        return ET_ERR_OVERFLOW;
    result->count = (uint16_t)count;
    result->residual_norm = residual_norm;
    return ET_OK;
}
