/* Counts the work of the codec on a board: the windows of the linked recording by the linked dictionary, in packets of
 * PACKET_WINDOWS. Prints one line a measure: a name and ticks of the board's counter, its own cost taken off, or bytes. */
#include "blobs.h"
#include "board.h"
#include "edgetwin/packet.h"

#define MOST_SAMPLES 256u

static et_dictionary dictionary;
static et_recording recording;
static et_encoder encoder;
static float signal[MOST_SAMPLES];
static et_packet packet;
static uint32_t idle_ticks; /* between two looks at the counter */

static void put_line(const char *name, uint32_t value)
{
    char text[11];
    char *at = text + sizeof text - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    board_puts(name);
    board_puts(" ");
    board_puts(at);
    board_puts("\n");
}

static uint32_t ticks_since(uint32_t start) { return board_ticks() - start - idle_ticks; }

static void add_window(uint32_t window)
{
    et_omp_result result;
    if (et_recording_read(&recording, window, dictionary.m, signal) != ET_OK)
        board_exit(3);
    uint32_t start = board_ticks();
    if (et_encode(&dictionary, &encoder, signal, &result) != ET_OK)
        board_exit(4);
    put_line("encode", ticks_since(start));
    start = board_ticks();
    if (et_omp(&dictionary, dictionary.s, dictionary.tolerance, 0.0f, signal, encoder.support, encoder.coefficients,
               &result, encoder.workspace, encoder.workspace_size) != ET_OK)
        board_exit(5);
    put_line("omp", ticks_since(start));
    start = board_ticks();
    if (et_packet_add(&packet, signal, result.count) != ET_OK)
        board_exit(6);
    put_line("add", ticks_since(start));
}

int main(int argc, char **argv)
{
    const board_resources *board = board_init(argc, argv);
    if (et_dictionary_open(blob_dictionary, blob_dictionary_size, &dictionary) != ET_OK ||
        et_recording_open(blob_recording, blob_recording_size, &recording) != ET_OK || dictionary.m > MOST_SAMPLES)
        return 1;
    const size_t scratch = et_encoder_size(&dictionary), capacity = PACKET_WINDOWS * et_packet_window_size(&dictionary);
    if (scratch + capacity > board->arena_size)
        return 2;
    const uint32_t start = board_ticks();
    idle_ticks = board_ticks() - start;
    put_line("scratch", (uint32_t)scratch);
    put_line("packet", sizeof packet);
    put_line("omp workspace", (uint32_t)et_omp_workspace_size((et_atom_type)dictionary.atom_type, dictionary.m,
                                                              dictionary.n, dictionary.s));
    et_encoder_place(&encoder, &dictionary, board->arena);
    for (uint32_t window = 0; window < recording.rows * recording.channels / dictionary.m; ++window) {
        if (window % PACKET_WINDOWS == 0)
            et_packet_begin(&packet, &dictionary, &encoder, board->arena + scratch, capacity);
        add_window(window);
        if ((window + 1) % PACKET_WINDOWS == 0)
            put_line("bytes", (uint32_t)et_packet_end(&packet));
    }
    return 0;
}
