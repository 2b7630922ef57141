#include <stddef.h>

#include "kernels/kernels.h"

const et_kernel *const et_kernels_all[] = {
    &et_kernel_conv,
    &et_kernel_depthwise,
    &et_kernel_dense,
    &et_kernel_add,
    &et_kernel_multiply,
    &et_kernel_extremum,
    &et_kernel_max_pool,
    &et_kernel_average_pool,
    &et_kernel_mean,
    &et_kernel_copy,
    &et_kernel_fill,
    &et_kernel_lookup,
    &et_kernel_softmax,
    &et_kernel_resize,
    &et_kernel_lstm,
    &et_kernel_quantize,
    &et_kernel_dequantize,
/* Cores with Helium, and computers that check what those compute; other boards refuse the target by name. */
#if defined(__ARM_FEATURE_MVE) || UINTPTR_MAX > 0xFFFFFFFFu
    &et_kernel_conv_helium,
    &et_kernel_depthwise_helium,
    &et_kernel_dense_helium,
#endif
    NULL,
};
