/* Any bytes as packets, as windows, and as the codec's tables of a bundle. The first byte of the input chooses the dictionary
 * (bits 0 to 2: its kinds of window, none: packed codes; bit 3: chained; bit 4: centred; bit 5: two channels) and what the
 * rest is: bit 6, samples of windows that must come back; bit 7, first edits of the bundle (a count, then place and value in
 * three bytes each), which is sealed again and used if it still opens. */
#include <stdlib.h>
#include <string.h>

#include "../problem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHAINED = 8, CENTRED = 16, STEREO = 32, SAMPLES = 64, EDITED = 128 };

#define M 6u
#define MOST_WINDOWS 8u

static void require(int condition)
{
    if (!condition)
        abort();
}

/* A bundle, what it was made of, and what it opens to. */
typedef struct dictionary {
    et_dictionary *source;
    uint8_t *bundle;
    size_t size;
    et_dictionary opened;
} dictionary;

/* The dictionary of a mode, made once. */
static const dictionary *dictionary_of(unsigned mode)
{
    static const float offsets[] = {0.5f, -1.0f}, gains[] = {1.0f, 4.0f};
    static dictionary made[64];
    dictionary *chosen = &made[mode % 64];
    if (chosen->bundle != NULL)
        return chosen;
    et_dictionary *d = chosen->source = take_dictionary(ET_ATOM_INT8, M, 9, 4, random_atoms);
    d->channels = (mode & STEREO) != 0 ? 2 : 1;
    d->offsets = offsets;
    d->gains = gains;
    if ((mode & ALL_KINDS) != 0)
        take_codec(d, mode & ALL_KINDS);
    d->entropy.chained = (mode & CHAINED) != 0;
    d->entropy.centred = (mode & CENTRED) != 0;
    chosen->size = write_dictionary_bundle(d, NULL);
    chosen->bundle = malloc(chosen->size);
    write_dictionary_bundle(d, chosen->bundle);
    require(et_dictionary_open(chosen->bundle, chosen->size, &chosen->opened) == ET_OK);
    return chosen;
}

/* Reads a packet to its end or first fault. */
static et_status read_packet(const et_dictionary *d, const et_encoder *encoder, const uint8_t *bytes, size_t size,
                             unsigned windows, float *decoded)
{
    et_packet_reader reader;
    et_packet_open(&reader, d, encoder, bytes, size, windows);
    for (unsigned w = 0; w < windows; ++w) {
        et_window window;
        const et_status status = et_packet_next(&reader, decoded + w * d->m, &window);
        if (status != ET_OK)
            return status;
        require(window.kind < ET_WINDOW_KINDS && window.count <= code_atoms(d));
        for (unsigned i = 0; i < window.count; ++i)
            require(encoder->support[i] < d->n);
    }
    return et_packet_close(&reader);
}

/* Windows of these samples: what the decoder gets is what the encoder says that it gets, as far as the next window would be
 * predicted from it. */
static void there_and_back(const et_dictionary *d, const et_encoder *encoder, const uint8_t *samples, size_t size)
{
    const size_t capacity = MOST_WINDOWS * et_packet_window_size(d);
    const size_t chain_size = (size_t)((uint8_t *)encoder->support - (uint8_t *)encoder->chain);
    uint8_t *bytes = malloc(capacity), *chain = malloc(chain_size + 1);
    float *signal = malloc(d->m * sizeof *signal), *decoded = malloc(MOST_WINDOWS * d->m * sizeof *decoded);
    et_packet packet;
    unsigned windows = 0;
    et_packet_begin(&packet, d, encoder, bytes, capacity);
    for (; size >= d->m * sizeof *signal && windows < MOST_WINDOWS; size -= d->m * sizeof *signal) {
        et_omp_result result;
        memcpy(signal, samples, d->m * sizeof *signal);
        samples += d->m * sizeof *signal;
        if (et_encode(d, encoder, signal, &result) != ET_OK)
            continue;
        require(et_packet_add(&packet, signal, result.count) == ET_OK);
        ++windows;
    }
    const size_t written = et_packet_end(&packet);
    require(written <= capacity);
    memcpy(chain, encoder->chain, chain_size);
    uint8_t *exact = malloc(written + 1);
    memcpy(exact, bytes, written);
    require(read_packet(d, encoder, exact, written, windows, decoded) == ET_OK);
    require(windows == 0 || memcmp(chain, encoder->chain, chain_size) == 0);
    free(exact);
    free(decoded);
    free(signal);
    free(chain);
    free(bytes);
}

/* Overwrites bytes of the payload and seals it; returns how much of the input that took. */
static size_t edit(uint8_t *bundle, size_t bundle_size, const uint8_t *data, size_t size)
{
    const size_t payload = bundle_size - ET_BUNDLE_HEADER;
    size_t used = 1;
    for (size_t edits = size > 0 ? data[0] % 16u : 0; edits > 0 && used + 3 <= size; --edits, used += 3)
        bundle[ET_BUNDLE_HEADER + (data[used] | (size_t)data[used + 1] << 8) % payload] = data[used + 2];
    seal_bundle(bundle, ET_KIND_DICTIONARY, payload);
    return used < size ? used : size;
}

static void use(const et_dictionary *d, unsigned mode, unsigned windows, const uint8_t *data, size_t size)
{
    if (d->m > 64 || code_atoms(d) > 64)
        return; /* right, but slow */
    et_encoder encoder;
    void *memory = malloc(et_encoder_size(d));
    et_encoder_place(&encoder, d, memory);
    uint8_t *bytes = malloc(size > 0 ? size : 1); /* of their own, so that a read beyond is seen */
    memcpy(bytes, data, size);
    if ((mode & SAMPLES) != 0) {
        there_and_back(d, &encoder, bytes, size);
    } else {
        float *decoded = malloc(windows * d->m * sizeof *decoded);
        read_packet(d, &encoder, bytes, size, windows, decoded);
        free(decoded);
    }
    free(bytes);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 1024)
        return 0;
    const unsigned mode = data[0], windows = 1 + data[1] % MOST_WINDOWS;
    const dictionary *whole = dictionary_of(mode);
    if ((mode & EDITED) == 0) {
        use(&whole->opened, mode, windows, data + 2, size - 2);
        return 0;
    }
    et_dictionary d;
    uint8_t *bundle = malloc(whole->size);
    memcpy(bundle, whole->bundle, whole->size);
    const size_t used = 2 + edit(bundle, whole->size, data + 2, size - 2);
    if (et_dictionary_open(bundle, whole->size, &d) == ET_OK)
        use(&d, mode, windows, data + used, size - used);
    free(bundle);
    return 0;
}
