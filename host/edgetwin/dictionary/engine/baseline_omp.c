/* OMP without a Gram matrix, a signal at a time: what the paper compares, and the faster way for a few signals.
 *
 * Sources: DL4DT, algorithm 1; B. Sturm, M. Christensen, "Comparison of orthogonal matching pursuit implementations"
 * (EUSIPCO 2012), section 2.2. */
#include "kernel_names.h"

#include "code.h"

typedef struct scratch_space {
    size_t *chosen;     /* s */
    REAL *residual;     /* m */
    REAL *correlations; /* n: of the atoms with the signal */
    REAL *factor;       /* s x s: Cholesky factor L of the chosen atoms' Gram matrix */
    REAL *code;         /* s */
} scratch_space;

static size_t scratch_size(size_t m, size_t n, size_t s)
{
    return s * sizeof(size_t) + (m + n + s * s + s) * sizeof(REAL);
}

static scratch_space place_scratch(void *memory, size_t m, size_t n, size_t s)
{
    scratch_space space;
    space.chosen = memory;
    space.residual = (REAL *)(void *)(space.chosen + s);
    space.correlations = space.residual + m;
    space.factor = space.correlations + n;
    space.code = space.factor + s * s;
    return space;
}

/* Row `row` of L from the products of its atom with the chosen ones up to itself. 0 if the atom depends on them. */
static int factor_row(REAL *factor, size_t s, size_t row)
{
    REAL *products = factor + row * s, distance = products[row];
    for (size_t i = 0; i < row; ++i) {
        products[i] = (products[i] - dot(factor + i * s, products, i)) / factor[i * s + i];
        distance -= products[i] * products[i];
    }
    if (!(distance > DEPENDENT))
        return 0;
    products[row] = REAL_SQRT(distance);
    return 1;
}

/* code = (L Lᵀ)⁻¹ (correlations of the chosen atoms with the signal) */
static void solve(const scratch_space *space, size_t s, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        space->code[i] = (space->correlations[space->chosen[i]] - dot(space->factor + i * s, space->code, i)) /
                         space->factor[i * s + i];
    for (size_t i = count; i-- > 0;) {
        space->code[i] /= space->factor[i * s + i];
        axpy(-space->code[i], space->factor + i * s, space->code, i);
    }
}

/* The products of chosen atom `row` with those before it and itself, into row `row` of L. */
static void products_of_row(const scratch_space *space, const REAL *atoms, size_t m, size_t s, size_t row)
{
    for (size_t i = 0; i <= row; ++i)
        space->factor[row * s + i] = dot(atoms + space->chosen[row] * m, atoms + space->chosen[i] * m, m);
}

static int factor_last_row(const scratch_space *space, const REAL *atoms, size_t m, size_t s, size_t count)
{
    products_of_row(space, atoms, m, s, count - 1);
    return factor_row(space->factor, s, count - 1);
}

static int factor_all_rows(const scratch_space *space, const REAL *atoms, size_t m, size_t s, size_t count)
{
    for (size_t row = 0; row < count; ++row) {
        products_of_row(space, atoms, m, s, row);
        if (!factor_row(space->factor, s, row))
            return 0;
    }
    return 1;
}

typedef int factorise(const scratch_space *space, const REAL *atoms, size_t m, size_t s, size_t count);

static inline __attribute__((always_inline)) void omp(const engine_problem *problem, const engine_codes *codes,
                                                      void *scratch, factorise *factor)
{
    const size_t m = problem->m, n = problem->n, s = codes->s;
    const REAL *atoms = problem->atoms, tolerance = (REAL)problem->tolerance;
    const scratch_space space = place_scratch(scratch, m, n, s);
    for (size_t row = 0; row < codes->rows; ++row) {
        const REAL *signal = (const REAL *)problem->signals + row * m;
        const REAL norm = REAL_SQRT(dot(signal, signal, m));
        size_t count = 0;
        memcpy(space.residual, signal, m * sizeof(REAL));
        while (count < s && (count == 0 ? norm : REAL_SQRT(dot(space.residual, space.residual, m))) > tolerance) {
            REAL peak = NOISE * norm;
            size_t best = n;
            for (size_t j = 0; j < n; ++j) {
                const REAL correlation = dot(space.residual, atoms + j * m, m);
                const REAL magnitude = correlation < 0 ? -correlation : correlation;
                if (count == 0)
                    space.correlations[j] = correlation;
                if (magnitude > peak) {
                    peak = magnitude;
                    best = j;
                }
            }
            if (best == n)
                break;
            space.chosen[count] = best;
            if (!factor(&space, atoms, m, s, count + 1))
                break;
            solve(&space, s, ++count);
            subtract_atoms(signal, atoms, m, space.chosen, space.code, count, space.residual);
        }
        store_code(codes, row, space.chosen, space.code, count);
    }
}

size_t KERNEL(naive_omp_scratch)(size_t m, size_t n, size_t s) { return scratch_size(m, n, s); }

void KERNEL(naive_omp)(const engine_problem *problem, const engine_codes *codes, void *scratch)
{
    omp(problem, codes, scratch, factor_all_rows);
}

size_t KERNEL(cholesky_omp_scratch)(size_t m, size_t n, size_t s) { return scratch_size(m, n, s); }

void KERNEL(cholesky_omp)(const engine_problem *problem, const engine_codes *codes, void *scratch)
{
    omp(problem, codes, scratch, factor_last_row);
}
