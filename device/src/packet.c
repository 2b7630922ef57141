#include "edgetwin/packet.h"

#include <string.h>

#include "edgetwin/code.h"
#include "window_code.h"

#define NO_KIND ET_WINDOW_KINDS /* before the first window */
#define SAMPLE_BITS 32u
#define SPARE_BYTES 4u /* of a count that is given up: it rounds */
#define RAW_BYTES 4u   /* of a raw window beyond its samples: its kind, and the end of the packet */

size_t et_packet_window_size(const et_dictionary *d)
{
    return d->codec == ET_CODEC_PACKED ? et_code_max_size(d) : 4u * (size_t)d->m + RAW_BYTES;
}

void et_packet_begin(et_packet *packet, const et_dictionary *d, const et_encoder *encoder, uint8_t *bytes,
                     size_t capacity)
{
    packet->dictionary = d;
    packet->encoder = encoder;
    packet->windows = 0;
    packet->previous = NO_KIND;
    et_range_begin(&packet->writer, bytes, capacity);
}

static float *decoded_of(const et_dictionary *d, const et_encoder *encoder)
{
    return (float *)encoder->workspace + d->m;
}

/* Sample i, of that channel, its mean put back. */
static float sample_of(const et_coded_window *window, unsigned i, unsigned channel)
{
    return window->signal[i] + (float)window->encoder->means[channel] * window->dictionary->entropy.mean_step;
}

/* The decoded window stays where it is. */
static int quantise_sparse(const et_coded_window *window, float *error)
{
    const et_dictionary *d = window->dictionary;
    float *decoded = decoded_of(d, window->encoder), sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (unsigned c = 0; c < d->channels; ++c)
        if (et_magnitude(window->encoder->means[c]) >= ET_MOST_STEPS)
            return 0;
    for (unsigned i = 0; i < window->count; ++i)
        if (!(et_float_from_bits(et_float_magnitude(window->encoder->coefficients[i])) *
                  d->entropy.per_step[ET_WINDOW_SPARSE] <
              (float)(ET_MOST_STEPS - 1)))
            return 0;
    et_decode_sparse(window, decoded);
    for (unsigned i = 0, channel = 0; i < d->m; ++i) {
        const float difference = sample_of(window, i, channel) - decoded[i];
        sums[i % 4] += difference * difference;
        if (++channel == d->channels)
            channel = 0;
    }
    *error = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    return 1;
}

static int quantise(const et_coded_window *window, et_window_kind kind, float *error)
{
    *error = 0.0f;
    switch (kind) {
    case ET_WINDOW_SPARSE:
        return quantise_sparse(window, error);
    case ET_WINDOW_DCT:
        return et_quantise_dct(window, error);
    case ET_WINDOW_DPCM:
        return et_quantise_dpcm(window, error);
    default:
        return 1;
    }
}

static void put_raw(et_range_writer *writer, const et_coded_window *window)
{
    for (unsigned i = 0; i < window->dictionary->m; ++i)
        et_range_put_bits(writer, et_float_bits(sample_of(window, i, i % window->dictionary->channels)), SAMPLE_BITS);
}

static void put_window(et_range_writer *writer, const et_coded_window *window, const et_chain *chain, unsigned previous,
                       et_window_kind kind)
{
    const uint16_t *parts =
        window->dictionary->entropy.kind_parts + (size_t)ET_WINDOW_KINDS * ((previous + 1) % (NO_KIND + 1));
    et_put_symbol(writer, parts, ET_WINDOW_KINDS, kind);
    switch (kind) {
    case ET_WINDOW_SPARSE:
        et_put_sparse(writer, window, chain);
        break;
    case ET_WINDOW_DCT:
        et_put_dct(writer, window, chain);
        break;
    case ET_WINDOW_DPCM:
        et_put_dpcm(writer, window, chain);
        break;
    default:
        put_raw(writer, window);
    }
}

/* What a decoder will get, scaled, after `choose`. */
static void decode(const et_coded_window *window, et_window_kind kind, float *decoded)
{
    switch (kind) {
    case ET_WINDOW_SPARSE: /* quantise_sparse left it */
        break;
    case ET_WINDOW_DCT:
        et_decode_dct(window->dictionary, window->encoder, decoded);
        break;
    case ET_WINDOW_DPCM:
        et_decode_dpcm(window->dictionary, window->encoder, decoded);
        break;
    default:
        for (unsigned i = 0; i < window->dictionary->m; ++i)
            decoded[i] = sample_of(window, i, i % window->dictionary->channels);
    }
}

/* Bits that are worth a try for a kind with that error: those of the best one's price, or of a raw window. */
static float affordable_bits(const et_codec *codec, float error, float least, float most)
{
    const float bits = (least - error) / codec->energy_per_bit;
    return bits < most ? bits : most;
}

/* The kind with the least squared error plus price of its bits, the first on ties; raw if none can take the window or it is
 * the shortest. What each quantised stays in the workspace. *end: the writer as it would be then. */
static et_window_kind choose(const et_packet *packet, const et_coded_window *window, const et_chain *chain,
                             et_range_writer *end)
{
    static const et_window_kind order[ET_CODED_KINDS] = {ET_WINDOW_SPARSE, ET_WINDOW_DPCM, ET_WINDOW_DCT};
    const et_codec *codec = &window->dictionary->entropy;
    const uint32_t start = et_range_cost(&packet->writer), raw = 256u * SAMPLE_BITS * window->dictionary->m;
    et_window_kind best = ET_WINDOW_RAW;
    float least = 0.0f;
    for (unsigned i = 0; i < ET_CODED_KINDS; ++i) {
        float error, most = (float)raw * 0.00390625f;
        et_range_writer counter = packet->writer;
        counter.bytes = NULL;
        if (!et_has_kind(window->dictionary, order[i]) || !quantise(window, order[i], &error))
            continue;
        if (best != ET_WINDOW_RAW) {
            if (!(error < least))
                continue;
            most = affordable_bits(codec, error, least, most);
        }
        counter.capacity = counter.size + (size_t)(most * 0.125f) + SPARE_BYTES;
        put_window(&counter, window, chain, packet->previous, order[i]);
        const uint32_t bits = et_range_cost(&counter) - start;
        const float price = error + codec->energy_per_bit * ((float)bits * 0.00390625f);
        if (counter.size <= counter.capacity && bits < raw && (best == ET_WINDOW_RAW || price < least)) {
            best = order[i];
            least = price;
            *end = counter;
        }
    }
    if (best == ET_WINDOW_RAW) {
        *end = packet->writer;
        end->bytes = NULL;
        put_window(end, window, chain, packet->previous, best);
    }
    return best;
}

static et_status add_packed(et_packet *packet, unsigned count)
{
    et_range_writer *writer = &packet->writer;
    size_t size;
    const et_status status = et_code_pack(packet->dictionary, packet->encoder->support, packet->encoder->coefficients,
                                          count, writer->bytes + writer->size, writer->capacity - writer->size, &size);
    if (status == ET_OK) {
        writer->size += size;
        ++packet->windows;
    }
    return status;
}

et_status et_packet_add(et_packet *packet, const float *signal, unsigned count)
{
    const et_dictionary *d = packet->dictionary;
    if (packet->windows == ET_PACKET_WINDOWS)
        return ET_ERR_CAPACITY;
    if (d->codec == ET_CODEC_PACKED)
        return add_packed(packet, count);
    const et_coded_window window = {d, packet->encoder, signal, count};
    et_chain chain = et_chain_at(d, packet->encoder->chain, packet->windows > 0);
    et_range_writer end;
    const et_window_kind kind = choose(packet, &window, &chain, &end);
    if (end.size + 1 > packet->writer.capacity) /* the end of the packet may take a byte */
        return ET_ERR_CAPACITY;
    put_window(&packet->writer, &window, &chain, packet->previous, kind);
    packet->previous = (uint8_t)kind;
    ++packet->windows;
    if (d->entropy.chained) {
        float *decoded = decoded_of(d, packet->encoder);
        decode(&window, kind, decoded);
        et_chain_follow(d, &chain, decoded);
    }
    return ET_OK;
}

size_t et_packet_end(et_packet *packet)
{
    return packet->dictionary->codec == ET_CODEC_PACKED ? packet->writer.size : et_range_end(&packet->writer);
}

void et_packet_open(et_packet_reader *reader, const et_dictionary *d, const et_encoder *encoder, const uint8_t *bytes,
                    size_t size, unsigned windows)
{
    reader->dictionary = d;
    reader->encoder = encoder;
    reader->windows = (uint16_t)windows;
    reader->begun = 0;
    reader->previous = NO_KIND;
    if (d->codec == ET_CODEC_PACKED) {
        memset(&reader->reader, 0, sizeof reader->reader);
        reader->reader.bytes = bytes;
        reader->reader.size = size;
    } else {
        et_range_open(&reader->reader, bytes, size);
    }
}

static et_status next_packed(et_packet_reader *reader, float *signal, et_window *window)
{
    const et_dictionary *d = reader->dictionary;
    et_range_reader *bytes = &reader->reader;
    unsigned count;
    size_t used;
    const et_status status = et_code_unpack(d, bytes->bytes + bytes->position, bytes->size - bytes->position,
                                            reader->encoder->support, reader->encoder->coefficients, &count, &used);
    if (status != ET_OK)
        return status;
    bytes->position += used;
    for (unsigned i = 0; i < d->m; ++i)
        signal[i] = 0.0f;
    et_add_atoms(d, reader->encoder, count, signal);
    window->kind = ET_WINDOW_SPARSE;
    window->count = (uint16_t)count;
    return ET_OK;
}

static et_status next_entropy(et_packet_reader *reader, float *signal, et_window *window)
{
    const et_dictionary *d = reader->dictionary;
    et_range_reader *bits = &reader->reader;
    et_chain chain = et_chain_at(d, reader->encoder->chain, reader->begun);
    unsigned count = 0;
    const uint16_t *parts = d->entropy.kind_parts + (size_t)ET_WINDOW_KINDS * ((reader->previous + 1) % (NO_KIND + 1));
    const et_window_kind kind = (et_window_kind)et_get_symbol(bits, parts, ET_WINDOW_KINDS);
    switch (kind) {
    case ET_WINDOW_SPARSE:
        et_get_sparse(bits, d, reader->encoder, &chain, signal, &count);
        break;
    case ET_WINDOW_DCT:
        et_get_dct(bits, d, reader->encoder, &chain, signal);
        break;
    case ET_WINDOW_DPCM:
        et_get_dpcm(bits, d, reader->encoder, &chain, signal);
        break;
    default:
        for (unsigned i = 0; i < d->m; ++i)
            signal[i] = et_float_from_bits(et_range_get_bits(bits, SAMPLE_BITS));
    }
    for (unsigned i = 0; !bits->failed && kind == ET_WINDOW_RAW && i < d->m; ++i)
        bits->failed = !et_float_finite(signal[i]);
    if (bits->failed)
        return ET_ERR_FORMAT;
    if (d->entropy.chained)
        et_chain_follow(d, &chain, signal);
    reader->previous = (uint8_t)kind;
    reader->begun = 1;
    window->kind = kind;
    window->count = (uint16_t)count;
    return ET_OK;
}

static void unscale(const et_dictionary *d, float *signal)
{
    unsigned channel = 0;
    for (unsigned i = 0; i < d->m; ++i) {
        signal[i] = signal[i] / d->gains[channel] + d->offsets[channel];
        if (++channel == d->channels)
            channel = 0;
    }
}

et_status et_packet_next(et_packet_reader *reader, float *signal, et_window *window)
{
    const et_dictionary *d = reader->dictionary;
    if (reader->windows == 0)
        return ET_ERR_ARGUMENT;
    const et_status status =
        d->codec == ET_CODEC_PACKED ? next_packed(reader, signal, window) : next_entropy(reader, signal, window);
    if (status != ET_OK)
        return status;
    --reader->windows;
    unscale(d, signal);
    return ET_OK;
}

et_status et_packet_close(const et_packet_reader *reader)
{
    const et_range_reader *bytes = &reader->reader;
    if (reader->windows > 0)
        return ET_ERR_ARGUMENT;
    if (reader->dictionary->codec == ET_CODEC_PACKED)
        return bytes->position == bytes->size ? ET_OK : ET_ERR_FORMAT;
    return et_range_ended(bytes) ? ET_OK : ET_ERR_FORMAT;
}
