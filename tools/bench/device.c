/* Counts the work of encoding on a board: the windows of the linked recording by the linked dictionary. Prints one line a
 * measure: a name and ticks of the board's counter, the counter's own cost taken off. */
#include "blobs.h"
#include "board.h"
#include "edgetwin/packet.h"

#define MOST_SAMPLES 512u

static et_dictionary dictionary;
static et_recording recording;
static et_encoder encoder;
static float signal[MOST_SAMPLES];
static uint8_t *packet_bytes;
static size_t packet_capacity;
static uint32_t idle_ticks; /* between two looks at the counter */

static void put_number(uint32_t value)
{
    char text[11];
    char *at = text + sizeof text - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    board_puts(at);
}

static void put_line(const char *name, uint32_t value)
{
    board_puts(name);
    board_puts(" ");
    put_number(value);
    board_puts("\n");
}

static void load_window(uint32_t window)
{
    if (et_recording_read(&recording, window, dictionary.m, signal) != ET_OK)
        board_exit(3);
}

/* From the raw window to the bytes of a packet of its own. */
static uint32_t measure_encode(uint32_t window)
{
    et_omp_result result;
    et_packet packet;
    load_window(window);
    const uint32_t start = board_ticks();
    et_packet_begin(&packet, &dictionary, &encoder, packet_bytes, packet_capacity);
    if (et_encode(&dictionary, &encoder, signal, &result) != ET_OK ||
        et_packet_add(&packet, signal, result.count) != ET_OK)
        board_exit(4);
    et_packet_end(&packet);
    return board_ticks() - start - idle_ticks;
}

/* With the first n atoms of the dictionary alone. */
static uint32_t measure_omp(uint32_t window, unsigned n, unsigned s)
{
    et_dictionary first = dictionary;
    et_omp_result result;
    first.n = (uint16_t)n;
    load_window(window);
    et_dictionary_scale(&dictionary, signal);
    const uint32_t start = board_ticks();
    const et_status status = et_omp(&first, s, dictionary.tolerance, 0.0f, signal, encoder.support,
                                    encoder.coefficients, &result, encoder.workspace, encoder.workspace_size);
    const uint32_t ticks = board_ticks() - start;
    if (status != ET_OK || result.count != s)
        board_exit(5);
    return ticks - idle_ticks;
}

int main(int argc, char **argv)
{
    const board_resources *board = board_init(argc, argv);
    if (et_dictionary_open(blob_dictionary, blob_dictionary_size, &dictionary) != ET_OK ||
        et_recording_open(blob_recording, blob_recording_size, &recording) != ET_OK || dictionary.m > MOST_SAMPLES)
        return 1;
    const size_t encoder_size = et_encoder_size(&dictionary);
    if (encoder_size + et_packet_window_size(&dictionary) > board->arena_size)
        return 2;
    et_encoder_place(&encoder, &dictionary, board->arena);
    packet_bytes = (uint8_t *)board->arena + encoder_size;
    packet_capacity = board->arena_size - encoder_size;
    const uint32_t start = board_ticks();
    idle_ticks = board_ticks() - start;
    put_line("workspace", (uint32_t)encoder.workspace_size);
    for (uint32_t window = 0; window < recording.rows * recording.channels / dictionary.m; ++window) {
        put_line("encode", measure_encode(window));
        put_line("omp", measure_omp(window, dictionary.n, dictionary.s));
        put_line("omp_0", measure_omp(window, dictionary.n, 0));
        put_line("omp_1", measure_omp(window, dictionary.n, 1));
        put_line("omp_1_half", measure_omp(window, dictionary.n / 2u, 1));
    }
    return 0;
}
