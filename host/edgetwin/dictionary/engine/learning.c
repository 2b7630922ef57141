/* What K-SVD does with codes: residuals, and atoms that follow them. */
#include "kernel_names.h"

#include "simd.h"

void KERNEL(residuals)(const engine_problem *problem, const engine_codes *codes, void *residual, double *squared_norms)
{
    const size_t m = problem->m;
    const REAL *atoms = problem->atoms;
    for (size_t row = 0; row < codes->rows; ++row) {
        const int32_t *support = codes->support + row * codes->s;
        const REAL *coefficients = (const REAL *)codes->coefficients + row * codes->s;
        REAL *left = (REAL *)residual + row * m;
        memcpy(left, (const REAL *)problem->signals + row * m, m * sizeof(REAL));
        for (int32_t i = 0; i < codes->counts[row]; ++i)
            axpy(-coefficients[i], atoms + (size_t)support[i] * m, left, m);
        squared_norms[row] = (double)dot(left, left, m);
    }
}

/* The rank-1 fit x dᵀ of E = residual + (old coefficients) (old atom)ᵀ, over the rows that use the atom, by power
 * iteration d = Eᵀx / |Eᵀx|, x = E d (Rubinstein 2008, eq. 9). E is never formed: Eᵀx = Rᵀx + (x_oldᵀx) d_old.
 *
 * One step is approximate K-SVD; many are the singular vectors of E (Aharon et al. 2006, section IV.C). Each step lowers
 * |E - x dᵀ| or leaves it. */
static void update_atom(size_t m, REAL *atom, const engine_codes *codes, const int64_t *entries, size_t users,
                        REAL *residual, unsigned steps, REAL turn, REAL *direction, REAL *weights)
{
    REAL *coefficients = codes->coefficients;
    for (size_t u = 0; u < users; ++u)
        weights[u] = coefficients[entries[u]];
    REAL *turned = direction + m; /* the atom of the last step */
    memcpy(turned, atom, m * sizeof(REAL));
    for (unsigned step = 0; step < steps; ++step) {
        memset(direction, 0, m * sizeof(REAL));
        REAL overlap = 0;
        for (size_t u = 0; u < users; ++u) {
            axpy(weights[u], residual + (size_t)entries[u] / codes->s * m, direction, m);
            overlap += coefficients[entries[u]] * weights[u];
        }
        axpy(overlap, atom, direction, m);
        const REAL norm = REAL_SQRT(dot(direction, direction, m));
        if (!(norm > REAL_TINY))
            break;
        for (size_t i = 0; i < m; ++i)
            direction[i] /= norm;
        const REAL cosine = dot(direction, turned, m);
        memcpy(turned, direction, m * sizeof(REAL));
        const REAL share = dot(turned, atom, m);
        for (size_t u = 0; u < users; ++u)
            weights[u] =
                dot(residual + (size_t)entries[u] / codes->s * m, turned, m) + coefficients[entries[u]] * share;
        if (!(1 - cosine > turn))
            break;
    }
    for (size_t u = 0; u < users; ++u) {
        REAL *left = residual + (size_t)entries[u] / codes->s * m;
        axpy(coefficients[entries[u]], atom, left, m);
        axpy(-weights[u], turned, left, m);
        coefficients[entries[u]] = weights[u];
    }
    memcpy(atom, turned, m * sizeof(REAL));
}

void KERNEL(update_atoms)(size_t m, size_t n, void *atoms, const engine_codes *codes, const int64_t *starts,
                          const int64_t *entries, void *residual, unsigned steps, double turn, void *scratch)
{
    REAL *direction = scratch, *weights = direction + 2 * m;
    for (size_t j = 0; j < n; ++j) {
        const size_t users = (size_t)(starts[j + 1] - starts[j]);
        if (users > 0)
            update_atom(m, (REAL *)atoms + j * m, codes, entries + starts[j], users, residual, steps, (REAL)turn,
                        direction, weights);
    }
}
