#include "simulated.h"

#include <string.h>

#include "edgetwin/cbor.h"
#include "runner.h"

enum { HELLO = 0x01, AUTH, UPLOAD, DATA, COMMIT, START, STATUS = 0x83 }; /* PROTOCOL.md */

static void port_write(void *context, const uint8_t *bytes, size_t size)
{
    simulated_board *board = context;
    if (board->wire_read > 0) { /* room for more: what the host has read is gone */
        memmove(board->wire, board->wire + board->wire_read, board->wire_size - board->wire_read);
        board->wire_size -= board->wire_read;
        board->wire_read = 0;
    }
    if (size > SIMULATED_WIRE - board->wire_size)
        size = SIMULATED_WIRE - board->wire_size; /* a lossy line: the frame's CRC says so */
    memcpy(board->wire + board->wire_size, bytes, size);
    board->wire_size += size;
}

static uint32_t port_clock_ms(void *context) { return ((simulated_board *)context)->clock_ms; }

/* Every look costs three ticks. */
static uint32_t port_ticks(void *context) { return ((simulated_board *)context)->ticks += 3; }

static void port_entropy(void *context, uint8_t bytes[ET_NODE_NONCE])
{
    simulated_board *board = context;
    memset(bytes, ++board->entropy, ET_NODE_NONCE);
}

static et_status port_slot_erase(void *context, unsigned slot)
{
    simulated_board *board = context;
    CHECK(slot < ET_NODE_SLOTS && slot != board->node.dictionary_slot && slot != board->node.model_slot);
    if (board->programmed >= board->power_fails || board->erase_refused)
        return ET_ERR_FLASH;
    memset(board->slots + slot * SIMULATED_SLOT, board->erased_to, SIMULATED_SLOT);
    return ET_OK;
}

static et_status port_slot_program(void *context, unsigned slot, size_t offset, const uint8_t *bytes, size_t size)
{
    simulated_board *board = context;
    CHECK(slot < ET_NODE_SLOTS && slot != board->node.dictionary_slot && slot != board->node.model_slot);
    CHECK(offset % 4 == 0 && size % 4 == 0 && size <= SIMULATED_SLOT && offset <= SIMULATED_SLOT - size);
    uint8_t *target = board->slots + slot * SIMULATED_SLOT + offset;
    for (size_t i = 0; i < size; ++i) {
        if (board->programmed >= board->power_fails)
            return ET_ERR_FLASH;
        CHECK_EQUAL(target[i], board->erased_to); /* an area is programmed once after each erase */
        target[i] = bytes[i];
        ++board->programmed;
    }
    return ET_OK;
}

simulated_board *take_board(size_t arena_size)
{
    simulated_board *board = test_take(sizeof *board);
    uint8_t *slots = test_take(ET_NODE_SLOTS * SIMULATED_SLOT);
    uint8_t *arena = test_take(arena_size);
    uint8_t *wire = test_take(SIMULATED_WIRE);
    if (board == NULL || slots == NULL || arena == NULL || wire == NULL)
        return NULL;
    memset(board, 0, sizeof *board);
    memset(slots, 0xff, ET_NODE_SLOTS * SIMULATED_SLOT);
    board->slots = slots;
    board->arena = arena;
    board->arena_size = arena_size;
    board->wire = wire;
    board->power_fails = NEVER;
    board->erased_to = 0xff;
    board->port.context = board;
    board->port.write = port_write;
    board->port.clock_ms = port_clock_ms;
    board->port.ticks = port_ticks;
    board->port.entropy = port_entropy;
    board->port.slot_erase = port_slot_erase;
    board->port.slot_program = port_slot_program;
    board->config.board = "simulated";
    board->config.slot_memory = "ram";
    for (unsigned i = 0; i < ET_NODE_SLOTS; ++i) {
        board->config.slots[i].bytes = slots + i * SIMULATED_SLOT;
        board->config.slots[i].size = SIMULATED_SLOT;
    }
    board->config.max_payload = SIMULATED_PAYLOAD;
    board->config.credit = 3;
    return board;
}

et_status start_board(simulated_board *board)
{
    board->programmed = 0;
    board->power_fails = NEVER;
    board->wire_size = board->wire_read = 0;
    return et_node_init(&board->node, &board->port, &board->config, board->arena, board->arena_size);
}

simulated_host *take_host(simulated_board *board)
{
    simulated_host *host = test_take(sizeof *host);
    if (host == NULL)
        return NULL;
    memset(host, 0, sizeof *host);
    host->board = board;
    host->credit = 2;
    return host;
}

static void append_sent(void *context, const uint8_t *bytes, size_t size)
{
    simulated_host *host = context;
    memcpy(host->last_sent + host->last_sent_size, bytes, size);
    host->last_sent_size += size;
}

void host_build(simulated_host *host, unsigned type, const void *payload, size_t size)
{
    const uint32_t sequence = type == HELLO ? 0 : ++host->sent;
    const int exempt = type == HELLO || type == AUTH;
    const et_frame_key key = {host->mac && !exempt ? host->key : NULL, 'h', sequence};
    const et_frame frame = {(uint8_t)type, 0, host->credit, (uint16_t)sequence, (uint16_t)size, 0, payload};
    static const uint8_t end_mark = 0;
    size_t raw_size = 0;
    CHECK_EQUAL(et_frame_build(&frame, &key, host->raw, sizeof host->raw, &raw_size), ET_OK);
    host->last_sent_size = 0;
    et_cobs_write(host->raw, raw_size, append_sent, host);
    append_sent(host, &end_mark, 1);
}

void host_deliver(simulated_host *host) { et_node_receive(&host->board->node, host->last_sent, host->last_sent_size); }

void host_send(simulated_host *host, unsigned type, const void *payload, size_t size)
{
    host_build(host, type, payload, size);
    host_deliver(host);
}

int host_take(simulated_host *host, et_frame *frame)
{
    simulated_board *board = host->board;
    const uint8_t *start = board->wire + board->wire_read;
    const uint8_t *end = memchr(start, 0, board->wire_size - board->wire_read);
    size_t size = 0;
    if (end == NULL)
        return 0;
    board->wire_read += (size_t)(end - start) + 1;
    CHECK_EQUAL(et_cobs_decode(start, (size_t)(end - start), host->raw, sizeof host->raw, &size), ET_OK);
    CHECK_EQUAL(et_frame_parse(host->raw, size, frame), ET_OK);
    if (frame->type == (HELLO | 0x80)) {
        CHECK_EQUAL(frame->sequence, 0);
        return 1;
    }
    host->taken += (uint16_t)(frame->sequence - host->taken);
    CHECK_EQUAL((frame->flags & ET_FRAME_FLAG_MAC) != 0, host->mac && frame->type != (AUTH | 0x80));
    if ((frame->flags & ET_FRAME_FLAG_MAC) != 0) {
        const et_frame_key key = {host->key, 'n', host->taken};
        CHECK_EQUAL(et_frame_check_mac(host->raw, frame, &key), ET_OK);
    }
    return 1;
}

int host_hello(simulated_host *host, unsigned nonce)
{
    uint8_t payload[32];
    et_cbor_writer cbor = {payload, sizeof payload, 0, 0};
    et_frame frame;
    const uint8_t *answer;
    size_t size;
    if (memcmp(host->nonce, &nonce, sizeof nonce) != 0) { /* a repeated one resets nothing */
        host->mac = 0;
        host->sent = host->taken = 0;
        memcpy(host->nonce, &nonce, sizeof nonce);
    }
    et_cbor_map(&cbor, 1);
    et_cbor_put_bytes(&cbor, 0, host->nonce, sizeof host->nonce);
    host_send(host, HELLO, payload, cbor.size);
    if (!host_take(host, &frame) || frame.type != (HELLO | 0x80))
        return 0;
    if (et_cbor_get_bytes(frame.payload, frame.length, 13, &answer, &size) != ET_OK || size != ET_NODE_NONCE ||
        memcmp(answer, host->nonce, size) != 0)
        return 0;
    if (et_cbor_get_bytes(frame.payload, frame.length, 0, &answer, &size) != ET_OK || size != ET_NODE_NONCE)
        return 0;
    memcpy(host->node_nonce, answer, size);
    return 1;
}

static void prove(const simulated_host *host, const char *label, uint8_t mac, uint8_t proof[ET_SHA256_SIZE])
{
    et_hmac hmac;
    et_hmac_init(&hmac, host->key, sizeof host->key);
    et_hmac_update(&hmac, label, 4);
    et_hmac_update(&hmac, &mac, 1);
    et_hmac_final(&hmac, proof);
}

int host_authenticate(simulated_host *host, const uint8_t *key, size_t key_size, int mac)
{
    uint8_t payload[48], proof[ET_SHA256_SIZE];
    et_cbor_writer cbor = {payload, sizeof payload, 0, 0};
    et_frame frame;
    const uint8_t *answer;
    size_t size;
    et_hmac hmac;
    et_hmac_init(&hmac, key, key_size);
    et_hmac_update(&hmac, "edgetwin 1", 10);
    et_hmac_update(&hmac, host->nonce, sizeof host->nonce);
    et_hmac_update(&hmac, host->node_nonce, sizeof host->node_nonce);
    et_hmac_final(&hmac, host->key);
    prove(host, "host", (uint8_t)mac, proof);
    et_cbor_map(&cbor, 2);
    et_cbor_put_bytes(&cbor, 0, proof, sizeof proof);
    et_cbor_put_bool(&cbor, 1, mac);
    host_send(host, AUTH, payload, cbor.size);
    if (!host_take(host, &frame) || frame.type != (AUTH | 0x80) ||
        et_cbor_get_bytes(frame.payload, frame.length, 0, &answer, &size) != ET_OK || size != ET_SHA256_SIZE)
        return 0;
    prove(host, "node", (uint8_t)mac, proof);
    if (memcmp(proof, answer, size) != 0)
        return 0;
    host->mac = (uint8_t)mac;
    return 1;
}

host_status host_take_status(simulated_host *host)
{
    host_status result = {-1, 0, 0, 0, 0};
    et_frame frame;
    uint32_t status = 0, sequence = 0;
    if (!host_take(host, &frame) || frame.type != STATUS)
        return result;
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 0, &sequence), ET_OK);
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 1, &status), ET_OK);
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 2, &result.type), ET_OK);
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 3, &result.offset), ET_OK);
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 4, &result.needed), ET_OK);
    CHECK_EQUAL(et_cbor_get_uint(frame.payload, frame.length, 5, &result.at_hand), ET_OK);
    if (sequence == (uint16_t)host->sent)
        result.status = (int)status;
    return result;
}

host_status host_upload(simulated_host *host, unsigned kind, uint32_t length, const uint8_t *id)
{
    uint8_t payload[32];
    et_cbor_writer cbor = {payload, sizeof payload, 0, 0};
    et_cbor_map(&cbor, 3);
    et_cbor_put_uint(&cbor, 0, kind);
    et_cbor_put_uint(&cbor, 1, length);
    et_cbor_put_bytes(&cbor, 2, id, 8);
    host_send(host, UPLOAD, payload, cbor.size);
    return host_take_status(host);
}

host_status host_data(simulated_host *host, uint32_t offset, const uint8_t *bytes, size_t size)
{
    uint8_t payload[SIMULATED_PAYLOAD];
    CHECK(size + 4 <= sizeof payload);
    memcpy(payload, &offset, 4);
    memcpy(payload + 4, bytes, size);
    host_send(host, DATA, payload, size + 4);
    return host_take_status(host);
}

host_status host_commit(simulated_host *host, const uint8_t *id)
{
    uint8_t payload[16];
    et_cbor_writer cbor = {payload, sizeof payload, 0, 0};
    et_cbor_map(&cbor, 1);
    et_cbor_put_bytes(&cbor, 0, id, 8);
    host_send(host, COMMIT, payload, cbor.size);
    return host_take_status(host);
}

host_status host_upload_all(simulated_host *host, const uint8_t *bundle, size_t size, size_t portion)
{
    host_status status = host_upload(host, bundle[6], (uint32_t)size, bundle + 16);
    while (status.status == ET_OK && status.offset < size) {
        const size_t left = size - status.offset;
        status = host_data(host, status.offset, bundle + status.offset, left < portion ? left : portion);
    }
    return status.status == ET_OK ? host_commit(host, bundle + 16) : status;
}

void host_start(simulated_host *host, uint32_t first, uint32_t windows, uint32_t period_ms, unsigned batch)
{
    uint8_t payload[24];
    et_cbor_writer cbor = {payload, sizeof payload, 0, 0};
    et_cbor_map(&cbor, 4);
    et_cbor_put_uint(&cbor, 0, first);
    et_cbor_put_uint(&cbor, 1, windows);
    et_cbor_put_uint(&cbor, 2, period_ms);
    et_cbor_put_uint(&cbor, 3, batch);
    host_send(host, START, payload, cbor.size);
}
