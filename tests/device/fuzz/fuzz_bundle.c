/* Any bytes as a bundle. The CRC and the content id would stop nearly all of them, so the first byte of the input chooses
 * whether both are made right first: then the fields behind them are reached. Whatever opens must encode. */
#include <stdlib.h>
#include <string.h>

#include "../problem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A dictionary that was opened is used: an index that leaves the blob shows as a sanitizer's report. */
static void use(const et_dictionary *d)
{
    if ((uint64_t)d->m * d->n > 1u << 16 || code_atoms(d) > 64)
        return; /* right, but slow */
    const unsigned k = code_atoms(d);
    et_encoder encoder = {malloc(2u * k + 1), malloc(4u * k + 1), NULL, 0};
    encoder.workspace_size = et_omp_workspace_size((et_atom_type)d->atom_type, d->m, d->n, d->s);
    encoder.workspace = malloc(encoder.workspace_size);
    float *signal = malloc(d->m * sizeof *signal);
    const size_t capacity = et_code_max_size(d);
    uint8_t *code = malloc(capacity), *again = malloc(capacity);
    et_omp_result result;
    size_t code_size = 0, again_size = 0;
    unsigned count = 0;
    for (unsigned i = 0; i < d->m; ++i)
        signal[i] = (float)(int)(i * 37 % 11) - 5.0f;
    if (et_encode(d, &encoder, signal, code, capacity, &code_size, &result) == ET_OK) {
        if (et_code_unpack(d, code, code_size, encoder.support, encoder.coefficients, &count) != ET_OK ||
            count != result.count ||
            et_code_pack(d, encoder.support, encoder.coefficients, count, again, capacity, &again_size) != ET_OK ||
            again_size != code_size || memcmp(again, code, code_size) != 0)
            abort();
    }
    free(again);
    free(code);
    free(signal);
    free(encoder.workspace);
    free(encoder.coefficients);
    free(encoder.support);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const int sealed = data[0] & 1;
    const size_t length = size - 1;
    uint8_t *bytes = malloc(length + 1); /* of its own size, so that a read beyond is seen */
    memcpy(bytes, data + 1, length);
    if (sealed && length >= ET_BUNDLE_HEADER)
        seal_bundle(bytes, (et_bundle_kind)bytes[6], (length - ET_BUNDLE_HEADER) & ~(size_t)15);
    et_dictionary dictionary;
    et_recording recording;
    if (et_dictionary_open(bytes, length, &dictionary) == ET_OK)
        use(&dictionary);
    if (et_recording_open(bytes, length, &recording) == ET_OK) {
        float window[16];
        const unsigned m = 1 + data[0] % 16u;
        et_recording_read(&recording, data[0] * 0x01010101u, m, window);
    }
    free(bytes);
    return 0;
}
