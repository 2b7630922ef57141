/* The table of one build of the kernels. */
#include "kernel_names.h"

#define KERNEL_TABLE_JOIN(type, isa) engine_##type##_##isa
#define KERNEL_TABLE_EXPAND(type, isa) KERNEL_TABLE_JOIN(type, isa)
#define KERNEL_TEXT(isa) #isa
#define KERNEL_TEXT_EXPAND(isa) KERNEL_TEXT(isa)

const engine_kernels KERNEL_TABLE_EXPAND(KERNEL_TYPE, ENGINE_ISA) = {
    KERNEL_TEXT_EXPAND(ENGINE_ISA), KERNEL(batch_omp_scratch), KERNEL(batch_omp),
    KERNEL(naive_omp_scratch),      KERNEL(naive_omp),         KERNEL(cholesky_omp_scratch),
    KERNEL(cholesky_omp),           KERNEL(residuals),         KERNEL(update_atoms),
};
