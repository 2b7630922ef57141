/* DCT-II and its inverse, of any length: halved while it is even (Lee 1984), the odd rest directly. */
#ifndef EDGETWIN_DCT_H
#define EDGETWIN_DCT_H

#include <stddef.h>

/* Values of the table for `length`: for each even length N on the way down, 1 / (2 cos(pi (2i + 1) / 2N)), i < N/2; then, if
 * the odd rest L is above 1, cos(pi j / 2L), j < 4L. */
size_t et_dct_cosines(unsigned length);

/* x becomes X_k = sum_i x_i cos(pi (2i + 1) k / 2N). temporary: `length` floats. */
void et_dct(float *x, unsigned length, const float *cosines, float *temporary);

/* X becomes x_i = sum_k X_k cos(pi (2i + 1) k / 2N), the transpose. */
void et_dct_transposed(float *x, unsigned length, const float *cosines, float *temporary);

#endif
