/* Batch OMP: correlations by the Gram matrix, the factor of the chosen atoms' Gram matrix grown by a row a step.
 *
 * Source: R. Rubinstein, M. Zibulevsky, M. Elad, "Efficient Implementation of the K-SVD Algorithm using Batch Orthogonal
 * Matching Pursuit" (2008), section 2. It keeps the Cholesky factor L of G_II and solves two triangular systems a step.
 * Here M = inverse of L is kept instead: row k of M holds the coefficients of the k-th orthonormal direction over the
 * chosen atoms, so that the code grows by z_k times that row and nothing has to be solved. */
#include "kernel_names.h"

#include "code.h"

typedef struct scratch_space {
    REAL *correlations; /* ld: of all atoms with the residual */
    REAL *rows;         /* s x stride: M, lower triangular */
    REAL *columns;      /* s x stride: M transposed */
    REAL *products;     /* stride */
    REAL *code;         /* stride */
    const REAL **grams; /* s: rows of the Gram matrix of the chosen atoms */
    size_t *chosen;     /* s */
    REAL *residual;     /* m */
    size_t stride;      /* s in whole vectors */
} scratch_space;

static size_t whole_vectors(size_t count) { return (count + LANES - 1) / LANES * LANES; }

size_t KERNEL(batch_omp_scratch)(size_t m, size_t ld, size_t s)
{
    const size_t stride = whole_vectors(s);
    return (ld + 2 * s * stride + 2 * stride + m) * sizeof(REAL) + s * (sizeof(REAL *) + sizeof(size_t));
}

static scratch_space place_scratch(void *memory, size_t ld, size_t s)
{
    scratch_space space;
    space.stride = whole_vectors(s);
    space.correlations = memory;
    space.rows = space.correlations + ld;
    space.columns = space.rows + s * space.stride;
    space.products = space.columns + s * space.stride;
    space.code = space.products + space.stride;
    space.grams = (const REAL **)(void *)(space.code + space.stride);
    space.chosen = (size_t *)(void *)(space.grams + s);
    space.residual = (REAL *)(void *)(space.chosen + s);
    return space;
}

/* `vectors` vectors of correlations = from - sum of code[c] grams[c]; returns the largest magnitudes so far. */
static inline __attribute__((always_inline)) vec correlate_chunk(const REAL *from, const REAL *const *grams,
                                                                 const REAL *code, size_t count, size_t at,
                                                                 REAL *correlations, vec peaks, const int vectors)
{
    vec sums[8];
#pragma GCC unroll 8
    for (int u = 0; u < vectors; ++u)
        sums[u] = vec_load(from + at + u * LANES);
    for (size_t c = 0; c < count; ++c) {
        const REAL *gram = grams[c] + at;
        const vec weight = vec_all(code[c]);
#pragma GCC unroll 8
        for (int u = 0; u < vectors; ++u)
            sums[u] -= weight * vec_load(gram + u * LANES);
    }
#pragma GCC unroll 8
    for (int u = 0; u < vectors; ++u) {
        vec_store(correlations + at + u * LANES, sums[u]);
        peaks = vec_max(vec_abs(sums[u]), peaks);
    }
    return peaks;
}

/* The correlations of all atoms with the residual (eq. 5 of the source); returns their largest magnitude. */
static REAL correlate(const REAL *from, const scratch_space *space, size_t count, size_t ld)
{
    vec peaks = {0};
    size_t at = 0;
    for (; at + 8 * LANES <= ld; at += 8 * LANES)
        peaks = correlate_chunk(from, space->grams, space->code, count, at, space->correlations, peaks, 8);
    for (; at < ld; at += 4 * LANES)
        peaks = correlate_chunk(from, space->grams, space->code, count, at, space->correlations, peaks, 4);
    return vec_largest(peaks);
}

/* Appends an atom, whose correlation with the residual is given, to the factor and the code. Returns the length of the
 * step z along the new direction, or 0 if the atom depends on the chosen ones. */
static REAL append(const scratch_space *space, size_t count, const REAL *gram, size_t atom, REAL correlation)
{
    const size_t stride = space->stride, used = whole_vectors(count);
    REAL *products = space->products, *row = space->rows + count * stride;
    /* products = M g, the atom's coordinates along the directions so far */
    for (size_t i = 0; i < used; i += LANES) {
        vec sum = {0};
        for (size_t c = 0; c < count && c < i + LANES; ++c)
            sum += vec_all(gram[space->chosen[c]]) * vec_load(space->columns + c * stride + i);
        vec_store(products + i, sum);
    }
    REAL distance = gram[atom];
    for (size_t i = 0; i < count; ++i)
        distance -= products[i] * products[i];
    if (!(distance > DEPENDENT))
        return 0;
    const REAL scale = 1 / REAL_SQRT(distance), step = correlation * scale;
    /* the new row of M: -scale (products M), scale */
    for (size_t i = 0; i < used; i += LANES) {
        vec sum = {0};
        for (size_t r = i; r < count; ++r)
            sum += vec_all(products[r]) * vec_load(space->rows + r * stride + i);
        vec_store(row + i, sum * vec_all(-scale));
    }
    row[count] = scale;
    for (size_t c = 0; c <= count; ++c) {
        space->columns[c * stride + count] = row[c];
        space->code[c] += step * row[c];
    }
    return step;
}

void KERNEL(batch_omp)(const engine_problem *problem, const void *correlations, const void *gram, size_t ld,
                       const engine_codes *codes, void *scratch)
{
    const size_t m = problem->m, s = codes->s;
    const double tolerance = problem->tolerance * problem->tolerance;
    const scratch_space space = place_scratch(scratch, ld, s);
    for (size_t row = 0; row < codes->rows; ++row) {
        const REAL *signal = (const REAL *)problem->signals + row * m;
        const REAL *initial = (const REAL *)correlations + row * ld;
        const REAL norm = REAL_SQRT(dot(signal, signal, m));
        double left = (double)norm * (double)norm;
        size_t count = 0;
        memset(space.rows, 0, (2 * s * space.stride + 2 * space.stride) * sizeof(REAL));
        while (count < s && (tolerance == 0 || left > tolerance)) {
            const REAL peak = correlate(initial, &space, count, ld);
            if (!(peak > NOISE * norm))
                break;
            const size_t atom = first_of_magnitude(space.correlations, peak);
            const REAL *row_of_gram = (const REAL *)gram + atom * ld;
            const REAL step = append(&space, count, row_of_gram, atom, space.correlations[atom]);
            if (step == 0)
                break;
            space.grams[count] = row_of_gram;
            space.chosen[count++] = atom;
            left -= (double)step * (double)step;
            /* The recursion has lost its digits: measure what is left. */
            if (tolerance > 0 && left < 1e4 * REAL_EPSILON * (double)norm * (double)norm) {
                subtract_atoms(signal, problem->atoms, m, space.chosen, space.code, count, space.residual);
                left = (double)dot(space.residual, space.residual, m);
            }
        }
        store_code(codes, row, space.chosen, space.code, count);
    }
}
