/* Codes and decodes the windows of the linked recording by each of the bundles that lie one after the other in place of the
 * linked dictionary, in packets of PACKET_WINDOWS. Prints a line a bundle: CRC-32 of its packets, each behind its size in two
 * bytes, CRC-32 of what they decode to, their bytes in all, and windows of each kind. */
#include "blobs.h"
#include "board.h"
#include "edgetwin/bundle.h"
#include "edgetwin/frame.h"
#include "edgetwin/packet.h"

#define MOST_SAMPLES 64u

typedef struct outcome {
    uint32_t packets, decoded, bytes;
    uint32_t kinds[ET_WINDOW_KINDS];
} outcome;

static et_recording recording;
static float signal[MOST_SAMPLES];

static void put_number(uint32_t value, char end)
{
    char text[12];
    char *at = text + sizeof text - 2;
    at[0] = end;
    at[1] = '\0';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    board_puts(at);
}

static void run_packet(const et_dictionary *d, const et_encoder *encoder, uint8_t *bytes, size_t capacity,
                       uint32_t first, uint32_t windows, outcome *out)
{
    et_packet packet;
    et_packet_begin(&packet, d, encoder, bytes, capacity);
    for (uint32_t window = first; window < first + windows; ++window) {
        et_omp_result result;
        if (et_recording_read(&recording, window, d->m, signal) != ET_OK ||
            et_encode(d, encoder, signal, &result) != ET_OK || et_packet_add(&packet, signal, result.count) != ET_OK)
            board_exit(3);
    }
    const size_t size = et_packet_end(&packet);
    const uint8_t head[2] = {(uint8_t)size, (uint8_t)(size >> 8)};
    out->packets = et_crc32(et_crc32(out->packets, head, 2), bytes, size);
    out->bytes += (uint32_t)size;

    et_packet_reader reader;
    et_window window;
    et_packet_open(&reader, d, encoder, bytes, size, windows);
    while (windows-- > 0) {
        if (et_packet_next(&reader, signal, &window) != ET_OK)
            board_exit(4);
        out->decoded = et_crc32(out->decoded, (const uint8_t *)signal, 4u * (size_t)d->m);
        ++out->kinds[window.kind];
    }
    if (et_packet_close(&reader) != ET_OK)
        board_exit(5);
}

static void run_bundle(const et_dictionary *d, uint8_t *arena, size_t arena_size)
{
    const size_t scratch = et_encoder_size(d), capacity = PACKET_WINDOWS * et_packet_window_size(d);
    const uint32_t windows = recording.rows * recording.channels / d->m;
    outcome out = {0, 0, 0, {0}};
    et_encoder encoder;
    if (d->m > MOST_SAMPLES || scratch + capacity > arena_size)
        board_exit(2);
    et_encoder_place(&encoder, d, arena);
    for (uint32_t first = 0; first < windows; first += PACKET_WINDOWS)
        run_packet(d, &encoder, arena + scratch, capacity, first,
                   windows - first < PACKET_WINDOWS ? windows - first : PACKET_WINDOWS, &out);
    put_number(out.packets, ' ');
    put_number(out.decoded, ' ');
    put_number(out.bytes, ' ');
    for (unsigned kind = 0; kind < ET_WINDOW_KINDS; ++kind)
        put_number(out.kinds[kind], kind + 1 < ET_WINDOW_KINDS ? ' ' : '\n');
}

int main(int argc, char **argv)
{
    const board_resources *board = board_init(argc, argv);
    et_dictionary d;
    et_bundle bundle;
    if (et_recording_open(blob_recording, blob_recording_size, &recording) != ET_OK)
        return 1;
    for (size_t at = 0; et_bundle_open(blob_dictionary + at, blob_dictionary_size - at, &bundle) == ET_OK;
         at += ET_BUNDLE_HEADER + bundle.payload_size) {
        if (et_dictionary_open(blob_dictionary + at, blob_dictionary_size - at, &d) != ET_OK)
            return 6;
        run_bundle(&d, board->arena, board->arena_size);
    }
    return 0;
}
