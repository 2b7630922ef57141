#include "edgetwin/encode.h"

et_status et_encode(const et_dictionary *dictionary, const et_encoder *encoder, float *signal, uint8_t *code,
                    size_t capacity, size_t *size, et_omp_result *result)
{
    et_omp_result found;
    et_dictionary_scale(dictionary, signal);
    et_status status = et_omp(dictionary, dictionary->s, dictionary->tolerance, signal, encoder->support,
                              encoder->coefficients, &found, encoder->workspace, encoder->workspace_size);
    if (status == ET_OK)
        status = et_code_pack(dictionary, encoder->support, encoder->coefficients, found.count, code, capacity, size);
    if (status == ET_OK)
        *result = found;
    return status;
}
