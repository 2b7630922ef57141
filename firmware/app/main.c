/* The node program: one for all boards. It carries bytes between the board's link and et_node, and sleeps. */
#include "blobs.h"
#include "board.h"

#if BOARD_CREDIT * ET_FRAME_WIRE_SIZE(BOARD_MAX_PAYLOAD) > BOARD_RECEIVE_BUFFER
#error "the receive buffer must hold every frame that the credit allows"
#endif

/* The kernels that models may use: what the build lists (edgetwin build --kernels), or all. */
#ifndef NODE_KERNELS
#define NODE_KERNELS et_kernels_all
#endif
extern const et_kernel *const NODE_KERNELS[];

static et_node node;
static et_node_config config;
static et_recording recording;

static void port_write(void *context, const uint8_t *bytes, size_t size)
{
    (void)context;
    board_write(bytes, size);
}

static uint32_t port_clock_ms(void *context)
{
    (void)context;
    return board_clock_ms();
}

static uint32_t port_ticks(void *context)
{
    (void)context;
    return board_ticks();
}

static void port_entropy(void *context, uint8_t bytes[ET_NODE_NONCE])
{
    (void)context;
    board_entropy(bytes);
}

static et_status port_slot_erase(void *context, unsigned slot)
{
    (void)context;
    return board_slot_erase(slot);
}

static et_status port_slot_program(void *context, unsigned slot, size_t offset, const uint8_t *bytes, size_t size)
{
    (void)context;
    return board_slot_program(slot, offset, bytes, size);
}

static const et_port port = {
    .write = port_write,
    .clock_ms = port_clock_ms,
    .ticks = port_ticks,
    .entropy = port_entropy,
    .slot_erase = port_slot_erase,
    .slot_program = port_slot_program,
};

/* A window is whole rows: for codes, the recording's channels are the dictionary's, or one of its rows is a window. */
static et_status read_recorded(void *context, uint32_t window, unsigned m, float *signal)
{
    const int rows_fit = node.stream.results
                             ? m % recording.channels == 0
                             : recording.channels == node.dictionary.channels || recording.channels == m;
    if (!rows_fit)
        return ET_ERR_FIT;
    return et_recording_read(context, window, m, signal);
}

static const et_source recorded = {.read = read_recorded, .context = &recording};

static void configure(const board_resources *board)
{
    config.board = BOARD_NAME;
    config.slot_memory = board->slot_memory;
    for (unsigned slot = 0; slot < ET_NODE_SLOTS; ++slot)
        config.slots[slot] = board->slots[slot];
    config.max_payload = BOARD_MAX_PAYLOAD;
    config.credit = BOARD_CREDIT;
    if (blob_key_size > 0) {
        config.key = blob_key;
        config.key_size = blob_key_size;
    }
    if (blob_dictionary_size > 0) {
        config.dictionary = blob_dictionary;
        config.dictionary_size = blob_dictionary_size;
    }
    if (blob_model_size > 0) {
        config.model = blob_model;
        config.model_size = blob_model_size;
    }
    if (NODE_KERNELS[0] != NULL)
        config.kernels = NODE_KERNELS;
    if (blob_recording_size > 0 && et_recording_open(blob_recording, blob_recording_size, &recording) == ET_OK)
        config.source = &recorded;
}

int main(int argc, char **argv)
{
    const board_resources *board = board_init(argc, argv);
    configure(board);
    et_status status = et_node_init(&node, &port, &config, board->arena, board->arena_size);
    if (status != ET_OK)
        return (int)status;
    for (;;) {
        uint8_t bytes[64];
        board_feed();
        size_t size = board_read(bytes, sizeof bytes);
        if (board_hung_up())
            et_node_hang_up(&node);
        if (size > 0)
            et_node_receive(&node, bytes, size);
        if (et_node_poll(&node) == 0 && size == 0)
            board_idle();
    }
}
