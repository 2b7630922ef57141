/* A whole node, fed by a stranger. The first byte of the input chooses what it starts from: bit 0, raw bytes or a list of
 * frames that get a right CRC and the next sequence number (and a right MAC), so that the handlers behind those are
 * reached; bit 1, a key; bit 2, a dictionary linked in; bit 3, a sensor; bit 4, a host that said hello and proved itself;
 * bit 5, a model linked in.
 *
 * A list of frames: type, flags, payload length, payload. Flags: bit 0, the frame is sent twice; bit 1, its last byte is
 * flipped; bits 2 to 4, polls and 100 ms each after it; bit 5, the flash fails 16 bytes on; bit 6, the power fails, too: the
 * node starts again. */
#include <stdlib.h>
#include <string.h>

#include "../problem.h"
#include "../runner.h"
#include "../simulated.h"
#include "../toy_model.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAMES = 1, KEYED = 2, LINKED = 4, SENSOR = 8, GREETED = 16, MODEL = 32 };
enum { TWICE = 1, FLIPPED = 2, FLASH_FAILS = 32, POWER_FAILS = 64 };

static const uint8_t secret[] = "fuzz";
static const et_dictionary *source; /* of the linked bundle */
static uint8_t *linked;
static size_t linked_size;
static model_bundle model;
static simulated_board *board;
static simulated_host *host;

static et_status read_sensor(void *context, uint32_t window, unsigned m, float *signal)
{
    (void)context;
    if (window % 5 == 3)
        return ET_PENDING;
    for (unsigned i = 0; i < m; ++i)
        signal[i] = (float)((window + i) % 7);
    return window % 11 == 5 ? ET_ERR_FLASH : ET_OK;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    source = take_dictionary(ET_ATOM_INT8, 4, 6, 2, random_atoms);
    linked = malloc(write_dictionary_bundle(source, NULL));
    linked_size = write_dictionary_bundle(source, linked);
    take_model(&model, 20, ET_TENSOR_INT8, 7);
    board = take_board(1536);
    host = take_host(board);
    return 0;
}

static void poll_and_wait(unsigned times)
{
    for (unsigned i = 0; i < times; ++i) {
        et_node_poll(&board->node);
        board->clock_ms += 100;
    }
}

/* Entries lie back to back from head to end, in_flight of them before next; the windows are counted with them. */
static void check_queue(const et_node_queue *queue)
{
    size_t at = queue->head;
    uint32_t window = queue->oldest;
    unsigned entries = 0;
    for (; at < queue->end; ++entries) {
        CHECK((at == queue->next) == (entries == queue->in_flight));
        CHECK(at != queue->next || window == queue->unsent);
        CHECK(queue->bytes[at + 3] > 0);
        window += queue->bytes[at + 3];
        at += 4u + queue->bytes[at] + 256u * queue->bytes[at + 1];
    }
    CHECK(at == queue->end && queue->next <= queue->end && queue->end <= queue->size);
    CHECK(queue->in_flight <= entries && window == queue->after);
    CHECK(!queue->open || queue->result_size > 0 || queue->packet.writer.size <= queue->packet.writer.capacity);
    CHECK(!queue->open || queue->windows * queue->result_size <= queue->room);
    CHECK(!queue->open || queue->end + 4 + queue->room <= queue->size);
}

/* What must hold at any time. */
static void check_node(void)
{
    const et_node *node = &board->node;
    check_queue(&node->queue);
    CHECK(node->received <= node->receive_capacity);
    CHECK(!node->upload.active || node->upload.offset <= node->upload.length);
    CHECK(!node->upload.active || node->upload.slot < ET_NODE_SLOTS);
    CHECK(!node->upload.active ||
          (node->upload.slot != node->dictionary_slot && node->upload.slot != node->model_slot));
    CHECK(!node->has_model || node->inference.input <= node->inference.input_size);
    CHECK(!node->inference.begun || (node->has_model && node->inference.layer <= node->model.layers));
    CHECK(node->dictionary_slot <= ET_NODE_SLOTS && node->model_slot <= ET_NODE_SLOTS);
    CHECK(!node->stream.active || (node->stream.results ? node->has_model : node->has_dictionary));
}

static void feed_frames(const uint8_t *data, size_t size)
{
    while (size >= 3) {
        const unsigned type = data[0], flags = data[1];
        const size_t left = size - 3, length = data[2] < left ? data[2] : left;
        host_build(host, type, data + 3, length);
        if ((flags & FLASH_FAILS) != 0)
            board->power_fails = board->programmed + 16;
        if ((flags & FLIPPED) != 0)
            host->last_sent[host->last_sent_size - 2] ^= 0x55;
        host_deliver(host);
        if ((flags & TWICE) != 0)
            host_deliver(host);
        poll_and_wait(flags >> 2 & 7);
        if ((flags & POWER_FAILS) != 0)
            start_board(board);
        check_node();
        board->wire_size = board->wire_read = 0;
        data += 3 + length;
        size -= 3 + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const et_source sensor = {read_sensor, NULL};
    if (size < 1)
        return 0;
    const unsigned mode = data[0];
    memset(board->slots, 0xff, ET_NODE_SLOTS * SIMULATED_SLOT);
    board->clock_ms = 0;
    board->entropy = 0;
    board->config.key = (mode & KEYED) != 0 ? secret : NULL;
    board->config.key_size = sizeof secret;
    board->config.dictionary = (mode & LINKED) != 0 ? linked : NULL;
    board->config.dictionary_size = linked_size;
    board->config.model = (mode & MODEL) != 0 ? model.bytes : NULL;
    board->config.model_size = model.size;
    board->config.kernels = toy_kernels;
    board->config.source = (mode & SENSOR) != 0 ? &sensor : NULL;
    memset(host, 0, sizeof *host);
    host->board = board;
    host->credit = 2;
    CHECK_EQUAL(start_board(board), ET_OK);
    if ((mode & GREETED) != 0) {
        CHECK(host_hello(host, 1));
        CHECK((mode & KEYED) == 0 || host_authenticate(host, secret, sizeof secret, 1));
    }
    if ((mode & FRAMES) != 0) {
        feed_frames(data + 1, size - 1);
    } else {
        for (size_t i = 1; i < size; ++i) {
            et_node_receive(&board->node, data + i, 1);
            if (data[i] == 0) {
                poll_and_wait(1);
                check_node();
                board->wire_size = board->wire_read = 0;
            }
        }
    }
    return 0;
}
