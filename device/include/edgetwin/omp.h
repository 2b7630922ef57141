/* Orthogonal matching pursuit by incremental QR (Sturm & Christensen 2012, section 2.3; DL4DT, Algorithm 1).
 *
 * Defined results, in every atom type:
 *   zero signal              no atom, residual norm 0
 *   NaN or infinity          ET_ERR_NOT_FINITE, outputs untouched
 *   residual gone early      stops when ||r|| <= max(tolerance, ET_OMP_FLOOR * ||y||), or at `least`: fewer than s atoms
 *   ties                     the lowest atom index
 *   repeated or dependent    an atom within ET_OMP_DEPENDENT of the span of the chosen ones is left out for good,
 *                            the next best is taken; no atom is ever chosen twice
 *   s above min(m, n)        behaves as min(m, n); s = 0: no atom, residual norm ||y||
 *   any magnitude            the signal is first scaled by a power of two, so that squares neither overflow nor
 *                            vanish; ET_ERR_OVERFLOW where a coefficient would not fit a float32
 *
 * Arithmetic: float32 without contraction, reductions in the order of vector.h. Integer atoms are correlated in integers
 * with the residual rounded to 14 bits (fewer for int8 from m = 1024 on), which is exact in any order. So every target and
 * every port gives the same bits. */
#ifndef EDGETWIN_OMP_H
#define EDGETWIN_OMP_H

#include "edgetwin/dictionary.h"
#include "edgetwin/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ET_OMP_FLOOR 9.5367431640625e-7f /* 2^-20: below it a float32 residual is rounding noise */
#define ET_OMP_DEPENDENT 2.44140625e-4f  /* 2^-12: sqrt(eps), the rank test of float32 QR */

typedef struct et_omp_result {
    uint16_t count;      /* atoms used */
    float residual_norm; /* ||y - D x||_2 as the recursion sees it */
} et_omp_result;

/* Exact workspace of et_omp in bytes; at most 4 (m s + s^2 + 2 n + 2 m) for s, m, n >= 1 and s <= min(m, n).
 * 0 if m, n or the type is out of range. */
size_t et_omp_workspace_size(et_atom_type type, unsigned m, unsigned n, unsigned s);

/* Encodes one signal.
 *   s, tolerance, least   stopping rules: at most s atoms; residual norm at most tolerance; no atom left whose
 *                  |<d, r>| is above least (both >= 0, finite)
 *   signal         m float32, already scaled (et_dictionary_scale); may not overlap the workspace
 *   support        room for min(s, m, n) indices, ascending on return
 *   coefficients   as many, in the order of support
 *   workspace      at least et_omp_workspace_size bytes, 4-byte aligned; its contents are not kept
 * Errors: ET_ERR_ARGUMENT, ET_ERR_WORKSPACE, ET_ERR_NOT_FINITE leave all outputs untouched; after ET_ERR_OVERFLOW
 * support and coefficients are undefined and *result is untouched. */
et_status et_omp(const et_dictionary *dictionary, unsigned s, float tolerance, float least, const float *signal,
                 uint16_t *support, float *coefficients, et_omp_result *result, void *workspace, size_t workspace_size);

#ifdef __cplusplus
}
#endif
#endif
