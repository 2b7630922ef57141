/* The kernels of learning, each in float and double and for each instruction set: a table of functions.
 *
 * Rows are signals. Arrays are C order; an array of `ld` columns has its used columns first and zeros after them.
 * Scratch is the caller's. A function runs in one thread and touches nothing but its arguments. */
#ifndef EDGETWIN_ENGINE_KERNELS_H
#define EDGETWIN_ENGINE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* ld of the Gram matrix and the correlations is a multiple of these bytes. */
#define ENGINE_PADDING 256

/* Where the codes of `rows` signals go: at most s atoms each, ascending. Entries after counts[i] are 0. */
typedef struct engine_codes {
    size_t rows;
    size_t s;
    int32_t *support;   /* rows x s */
    void *coefficients; /* rows x s reals */
    int32_t *counts;    /* rows */
} engine_codes;

/* What is coded: signals over a dictionary. */
typedef struct engine_problem {
    size_t m;
    size_t n;
    const void *signals; /* rows x m reals */
    const void *atoms;   /* n x m reals, unit norm */
    double tolerance;    /* a code ends when the residual's norm is at most this */
} engine_problem;

typedef struct engine_kernels {
    const char *name;

    /* Batch OMP (Rubinstein 2008, section 2). correlations: rows x ld, Y Dᵀ; gram: n x ld, D Dᵀ. */
    size_t (*batch_omp_scratch)(size_t m, size_t ld, size_t s);
    void (*batch_omp)(const engine_problem *problem, const void *correlations, const void *gram, size_t ld,
                      const engine_codes *codes, void *scratch);

    /* OMP whose least squares problem is solved from scratch in each step (DL4DT, algorithm 1). */
    size_t (*naive_omp_scratch)(size_t m, size_t n, size_t s);
    void (*naive_omp)(const engine_problem *problem, const engine_codes *codes, void *scratch);

    /* OMP by a Cholesky factor that grows by a row (Sturm & Christensen 2012, section 2.2). */
    size_t (*cholesky_omp_scratch)(size_t m, size_t n, size_t s);
    void (*cholesky_omp)(const engine_problem *problem, const engine_codes *codes, void *scratch);

    /* residual (rows x m) = signals - codes . atoms; squared_norms (rows, double) of its rows. */
    void (*residuals)(const engine_problem *problem, const engine_codes *codes, void *residual, double *squared_norms);

    /* Updates atoms one after the other, each with its coefficients, to a rank-1 fit of what the others leave.
     * starts (n + 1), entries: the flat indices into codes->coefficients of the entries that use atom j are
     * entries[starts[j]] .. entries[starts[j + 1] - 1]. residual (rows x m) = signals - codes . atoms is kept so.
     * steps: most power iterations of an atom; they end when the atom turns by less than `turn` (1 - cosine).
     * scratch: 2 m + the most users of an atom reals. */
    void (*update_atoms)(size_t m, size_t n, void *atoms, const engine_codes *codes, const int64_t *starts,
                         const int64_t *entries, void *residual, unsigned steps, double turn, void *scratch);
} engine_kernels;

extern const engine_kernels engine_float_base, engine_double_base;
#ifdef ENGINE_X86
extern const engine_kernels engine_float_avx2, engine_double_avx2, engine_float_avx512, engine_double_avx512;
#endif

#endif
