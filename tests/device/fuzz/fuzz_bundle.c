/* Any bytes as a bundle. The CRC and the content id would stop nearly all of them, so the first byte of the input chooses
 * whether both are made right first: then the fields behind them are reached. Whatever opens must encode. */
#include <stdlib.h>
#include <string.h>

#include "../problem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WINDOWS 3u

static void require(int condition)
{
    if (!condition)
        abort();
}

/* A dictionary that was opened is used: an index that leaves the blob shows as a sanitizer's report. */
static void use(const et_dictionary *d)
{
    if ((uint64_t)d->m * d->n > 1u << 16 || code_atoms(d) > 64)
        return; /* right, but slow */
    et_encoder encoder;
    void *memory = malloc(et_encoder_size(d));
    et_encoder_place(&encoder, d, memory);
    float *signal = malloc(d->m * sizeof *signal);
    const size_t capacity = WINDOWS * et_packet_window_size(d);
    uint8_t *code = malloc(capacity);
    et_omp_result result;
    et_packet packet;
    et_packet_reader reader;
    et_window window;
    unsigned windows = 0;
    et_packet_begin(&packet, d, &encoder, code, capacity);
    for (unsigned w = 0; w < WINDOWS; ++w) {
        for (unsigned i = 0; i < d->m; ++i)
            signal[i] = (float)(int)(i * 37 % (11 + w)) - 5.0f;
        if (et_encode(d, &encoder, signal, &result) != ET_OK)
            continue;
        require(et_packet_add(&packet, signal, result.count) == ET_OK);
        ++windows;
    }
    const size_t size = et_packet_end(&packet);
    et_packet_open(&reader, d, &encoder, code, size, windows);
    while (windows-- > 0)
        require(et_packet_next(&reader, signal, &window) == ET_OK);
    require(et_packet_close(&reader) == ET_OK);
    free(code);
    free(signal);
    free(memory);
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
