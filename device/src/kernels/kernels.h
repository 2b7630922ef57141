/* The kernels there are; all.c lists them. */
#ifndef EDGETWIN_KERNELS_H
#define EDGETWIN_KERNELS_H

#include "edgetwin/model.h"

extern const et_kernel et_kernel_conv;
extern const et_kernel et_kernel_depthwise;
extern const et_kernel et_kernel_dense;
extern const et_kernel et_kernel_add;
extern const et_kernel et_kernel_multiply;
extern const et_kernel et_kernel_extremum;
extern const et_kernel et_kernel_max_pool;
extern const et_kernel et_kernel_average_pool;
extern const et_kernel et_kernel_mean;
extern const et_kernel et_kernel_copy;
extern const et_kernel et_kernel_fill;
extern const et_kernel et_kernel_lookup;
extern const et_kernel et_kernel_softmax;
extern const et_kernel et_kernel_resize;
extern const et_kernel et_kernel_lstm;
extern const et_kernel et_kernel_quantize;
extern const et_kernel et_kernel_dequantize;
extern const et_kernel et_kernel_conv_helium;
extern const et_kernel et_kernel_depthwise_helium;
extern const et_kernel et_kernel_dense_helium;

#endif
