/* The names of the kernels in one build of them: for a type (ENGINE_DOUBLE or float) and an instruction set (ENGINE_ISA). */
#ifndef EDGETWIN_ENGINE_KERNEL_NAMES_H
#define EDGETWIN_ENGINE_KERNEL_NAMES_H

#include "kernels.h"

#ifdef ENGINE_DOUBLE
#define KERNEL_TYPE double
#else
#define KERNEL_TYPE float
#endif
#define KERNEL_JOIN(name, type, isa) engine_##type##_##isa##_##name
#define KERNEL_EXPAND(name, type, isa) KERNEL_JOIN(name, type, isa)
#define KERNEL(name) KERNEL_EXPAND(name, KERNEL_TYPE, ENGINE_ISA)

size_t KERNEL(batch_omp_scratch)(size_t m, size_t ld, size_t s);
void KERNEL(batch_omp)(const engine_problem *problem, const void *correlations, const void *gram, size_t ld,
                       const engine_codes *codes, void *scratch);
size_t KERNEL(naive_omp_scratch)(size_t m, size_t n, size_t s);
void KERNEL(naive_omp)(const engine_problem *problem, const engine_codes *codes, void *scratch);
size_t KERNEL(cholesky_omp_scratch)(size_t m, size_t n, size_t s);
void KERNEL(cholesky_omp)(const engine_problem *problem, const engine_codes *codes, void *scratch);
void KERNEL(residuals)(const engine_problem *problem, const engine_codes *codes, void *residual, double *squared_norms);
void KERNEL(update_atoms)(size_t m, size_t n, void *atoms, const engine_codes *codes, const int64_t *starts,
                          const int64_t *entries, void *residual, unsigned steps, double turn, void *scratch);

#endif
