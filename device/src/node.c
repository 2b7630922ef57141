#include "edgetwin/node.h"

#include <string.h>

#include "bytes.h"
#include "edgetwin/version.h"
#include "node_internal.h"

static size_t align4(size_t size) { return (size + 3) & ~(size_t)3; }

size_t et_node_buffers_size(uint16_t max_payload)
{
    return align4(ET_FRAME_WIRE_SIZE(max_payload)) + align4(ET_FRAME_RAW_SIZE(max_payload));
}

et_status et_node_init(et_node *node, const et_port *port, const et_node_config *config, void *arena, size_t arena_size)
{
    const uint16_t payload = config->max_payload;
    if (payload < ET_NODE_LEAST_PAYLOAD || payload > ET_NODE_MOST_PAYLOAD || payload % 4 != 0 || config->credit == 0)
        return ET_ERR_ARGUMENT;
    if ((uintptr_t)arena % 8 != 0 || arena_size < et_node_buffers_size(payload))
        return ET_ERR_WORKSPACE;
    memset(node, 0, sizeof *node);
    node->port = port;
    node->config = config;
    node->receive = arena;
    node->receive_capacity = ET_FRAME_WIRE_SIZE(payload);
    node->raw = node->receive + align4(ET_FRAME_WIRE_SIZE(payload));
    node->arena = (uint8_t *)arena + et_node_buffers_size(payload);
    node->arena_size = arena_size - et_node_buffers_size(payload);
    et_node_open_slots(node);
    return ET_OK;
}

/* Low half of the content id that a frame's header carries. */
static uint32_t header_id(const et_node *node, unsigned type)
{
    if (type == FRAME_RESULT || type == (FRAME_INVOKE | FRAME_ANSWER) || type == (FRAME_READ | FRAME_ANSWER))
        return (uint32_t)node->model.id;
    return node->has_dictionary ? (uint32_t)node->dictionary.id : 0;
}

void et_node_send(et_node *node, unsigned type, size_t length)
{
    static const uint8_t end_mark = 0;
    const int greeting = type == (FRAME_HELLO | FRAME_ANSWER);
    const int exempt = greeting || type == (FRAME_AUTH | FRAME_ANSWER);
    const uint32_t sequence = greeting ? 0 : ++node->session.sent;
    const et_frame_key key = {node->session.mac && !exempt ? node->session.key : NULL, 'n', sequence};
    et_frame frame;
    size_t size = 0;
    frame.type = (uint8_t)type;
    frame.flags = 0;
    frame.credit = node->config->credit;
    frame.sequence = (uint16_t)sequence;
    frame.length = (uint16_t)length;
    frame.id = header_id(node, type);
    frame.payload = et_node_payload(node);
    if (et_frame_build(&frame, &key, node->raw, ET_FRAME_RAW_SIZE(node->config->max_payload), &size) != ET_OK)
        return; /* cannot be: every payload is at most max_payload */
    et_cobs_write(node->raw, size, node->port->write, node->port->context);
    node->port->write(node->port->context, &end_mark, 1);
}

void et_node_send_status(et_node *node, const et_frame *request, const et_node_status *status)
{
    et_cbor_writer cbor = {et_node_payload(node), node->config->max_payload, 0, 0};
    et_cbor_map(&cbor, 6);
    et_cbor_put_uint(&cbor, 0, request->sequence);
    et_cbor_put_uint(&cbor, 1, (uint32_t)status->status);
    et_cbor_put_uint(&cbor, 2, request->type);
    et_cbor_put_uint(&cbor, 3, status->offset);
    et_cbor_put_uint(&cbor, 4, (uint32_t)status->needed);
    et_cbor_put_uint(&cbor, 5, (uint32_t)status->at_hand);
    et_node_send(node, FRAME_STATUS, cbor.size);
}

static void refuse(et_node *node, const et_frame *request, et_status status)
{
    const et_node_status answer = {status, 0, 0, 0};
    et_node_send_status(node, request, &answer);
}

/* A nonce that no earlier session had: the board's entropy, the host's nonce and the old nonce, hashed. */
static void make_nonce(et_node *node, const uint8_t *host_nonce)
{
    uint8_t entropy[ET_NODE_NONCE];
    uint8_t digest[ET_SHA256_SIZE];
    et_sha256 hash;
    node->port->entropy(node->port->context, entropy);
    et_sha256_init(&hash);
    et_sha256_update(&hash, entropy, sizeof entropy);
    et_sha256_update(&hash, host_nonce, ET_NODE_NONCE);
    et_sha256_update(&hash, node->session.node_nonce, ET_NODE_NONCE);
    et_sha256_final(&hash, digest);
    memcpy(node->session.node_nonce, digest, ET_NODE_NONCE);
}

/* What the node says of models: the one in use, memory, and the kernels that there are. */
static void put_model(const et_node *node, et_cbor_writer *cbor)
{
    uint8_t id[8], linked[8];
    uint64_t kernels = 0;
    for (const et_kernel *const *kernel = node->config->kernels; kernel != NULL && *kernel != NULL; ++kernel)
        kernels |= (*kernel)->number < 64 ? UINT64_C(1) << (*kernel)->number : 0;
    et_store_u64(linked, kernels);
    et_store_u64(id, node->model.id);
    et_cbor_put_bytes(cbor, 14, id, node->has_model ? sizeof id : 0);
    et_cbor_put_uint(cbor, 15, node->inference.input_size);
    et_cbor_put_uint(cbor, 16, node->inference.output_size);
    et_cbor_put_uint(cbor, 17, (uint32_t)node->model.workspace_size);
    et_cbor_put_uint(cbor, 18, (uint32_t)et_node_model_room(node));
    et_cbor_put_bytes(cbor, 19, linked, sizeof linked);
}

static void on_hello(et_node *node, const et_frame *request)
{
    const et_node_config *config = node->config;
    const uint8_t *nonce;
    size_t nonce_size;
    if (et_cbor_get_bytes(request->payload, request->length, 0, &nonce, &nonce_size) != ET_OK ||
        nonce_size != ET_NODE_NONCE)
        return;
    if (!node->session.open || memcmp(nonce, node->session.host_nonce, ET_NODE_NONCE) != 0) {
        make_nonce(node, nonce);
        memcpy(node->session.host_nonce, nonce, ET_NODE_NONCE);
        node->session.sent = node->session.taken = 0;
        node->session.open = 1;
        node->session.authenticated = config->key == NULL;
        node->session.mac = 0;
        node->upload.in_session = 0;
        et_node_stop_stream(node);
        et_node_reset_model(node);
    }

    uint8_t id[8];
    et_store_u64(id, node->dictionary.id);
    et_cbor_writer cbor = {et_node_payload(node), config->max_payload, 0, 0};
    et_cbor_map(&cbor, 20);
    et_cbor_put_bytes(&cbor, 0, node->session.node_nonce, ET_NODE_NONCE);
    et_cbor_put_text(&cbor, 1, config->board);
    et_cbor_put_text(&cbor, 2, ET_CORE_VERSION);
    et_cbor_put_uint(&cbor, 3, config->max_payload);
    et_cbor_put_uint(&cbor, 4, (uint32_t)node->arena_size);
    et_cbor_put_uint(&cbor, 5, (uint32_t)et_slot_room(&config->slots[0]));
    et_cbor_put_text(&cbor, 6, config->slot_memory);
    et_cbor_put_bytes(&cbor, 7, id, node->has_dictionary ? sizeof id : 0);
    et_cbor_put_bool(&cbor, 8, config->key != NULL);
    et_cbor_put_uint(&cbor, 9, config->source != NULL ? 3 : 1);
    et_cbor_put_uint(&cbor, 10, node->dictionary.m);
    et_cbor_put_uint(&cbor, 11, node->dictionary.n);
    et_cbor_put_uint(&cbor, 12, node->dictionary.s);
    et_cbor_put_bytes(&cbor, 13, node->session.host_nonce, ET_NODE_NONCE);
    put_model(node, &cbor);
    et_node_send(node, FRAME_HELLO | FRAME_ANSWER, cbor.size);
}

/* HMAC(session key, label | mac): the proof that a side knows the pre-shared key. */
static void prove(const et_node *node, const char *label, uint8_t mac, uint8_t proof[ET_SHA256_SIZE])
{
    et_hmac hmac;
    et_hmac_init(&hmac, node->session.key, ET_SHA256_SIZE);
    et_hmac_update(&hmac, label, strlen(label));
    et_hmac_update(&hmac, &mac, 1);
    et_hmac_final(&hmac, proof);
}

static void on_auth(et_node *node, const et_frame *request, uint32_t sequence)
{
    const et_node_config *config = node->config;
    const uint8_t *proof;
    size_t proof_size;
    uint8_t mac = 0, expected[ET_SHA256_SIZE];
    if (config->key == NULL) {
        node->session.taken = sequence;
        refuse(node, request, ET_ERR_UNSUPPORTED);
        return;
    }
    if (et_cbor_get_bytes(request->payload, request->length, 0, &proof, &proof_size) != ET_OK ||
        et_cbor_get_bool(request->payload, request->length, 1, &mac) != ET_OK || proof_size != ET_SHA256_SIZE) {
        refuse(node, request, ET_ERR_FORMAT);
        return;
    }
    et_hmac hmac;
    et_hmac_init(&hmac, config->key, config->key_size);
    et_hmac_update(&hmac, "edgetwin 1", 10);
    et_hmac_update(&hmac, node->session.host_nonce, ET_NODE_NONCE);
    et_hmac_update(&hmac, node->session.node_nonce, ET_NODE_NONCE);
    et_hmac_final(&hmac, node->session.key);
    prove(node, "host", mac, expected);
    if (!et_equal_secret(expected, proof, ET_SHA256_SIZE)) {
        refuse(node, request, ET_ERR_AUTH);
        return;
    }
    /* A repeated AUTH is answered again, but its sequence number, which no MAC protects, must not move the session's:
     * replayed with a high one it would have every later frame of the host dropped. */
    if (!node->session.authenticated)
        node->session.taken = sequence;
    prove(node, "node", mac, expected);
    et_cbor_writer cbor = {et_node_payload(node), config->max_payload, 0, 0};
    et_cbor_map(&cbor, 1);
    et_cbor_put_bytes(&cbor, 0, expected, ET_SHA256_SIZE);
    et_node_send(node, FRAME_AUTH | FRAME_ANSWER, cbor.size);
    node->session.authenticated = 1;
    node->session.mac = mac;
}

static void on_stats(et_node *node)
{
    et_cbor_writer cbor = {et_node_payload(node), node->config->max_payload, 0, 0};
    const uint32_t signals = node->stats.signals;
    et_cbor_map(&cbor, 10);
    et_cbor_put_uint(&cbor, 0, signals);
    et_cbor_put_uint(&cbor, 1, node->stats.last);
    et_cbor_put_uint(&cbor, 2, node->stats.least);
    et_cbor_put_uint(&cbor, 3, node->stats.most);
    et_cbor_put_uint(&cbor, 4, signals > 0 ? (uint32_t)(node->stats.total / signals) : 0);
    et_cbor_put_uint(&cbor, 5, node->stats.bad_frames);
    et_cbor_put_uint(&cbor, 6, node->has_dictionary ? (uint32_t)node->encoder.workspace_size : 0);
    et_cbor_put_uint(&cbor, 7, node->has_dictionary ? (uint32_t)et_node_dictionary_size(&node->dictionary) : 0);
    et_cbor_put_uint(&cbor, 8, node->stats.inferences);
    et_cbor_put_uint(&cbor, 9, node->stats.inference);
    et_node_send(node, FRAME_STATS | FRAME_ANSWER, cbor.size);
}

static void dispatch(et_node *node, const et_frame *request)
{
    switch (request->type) {
    case FRAME_UPLOAD:
        et_node_on_upload(node, request);
        break;
    case FRAME_DATA:
        et_node_on_data(node, request);
        break;
    case FRAME_COMMIT:
        et_node_on_commit(node, request);
        break;
    case FRAME_START:
        et_node_on_start(node, request);
        break;
    case FRAME_SIGNAL:
        et_node_on_signal(node, request);
        break;
    case FRAME_ACK:
        et_node_on_ack(node, request);
        break;
    case FRAME_STOP:
        et_node_on_stop(node, request);
        break;
    case FRAME_STATS:
        on_stats(node);
        break;
    case FRAME_INPUT:
        et_node_on_input(node, request);
        break;
    case FRAME_INVOKE:
        et_node_on_invoke(node, request);
        break;
    case FRAME_READ:
        et_node_on_read(node, request);
        break;
    case FRAME_BYE:
        et_node_hang_up(node);
        break;
    default:
        refuse(node, request, ET_ERR_UNSUPPORTED);
    }
}

static void on_frame(et_node *node, size_t size)
{
    et_frame request;
    size_t raw_size;
    if (et_cobs_decode(node->receive, size, node->receive, node->receive_capacity, &raw_size) != ET_OK ||
        et_frame_parse(node->receive, raw_size, &request) != ET_OK || request.length > node->config->max_payload) {
        ++node->stats.bad_frames;
        return;
    }
    if (request.type == FRAME_HELLO) {
        on_hello(node, &request);
        return;
    }
    if (!node->session.open) {
        refuse(node, &request, ET_ERR_STATE);
        return;
    }
    const uint16_t step = (uint16_t)(request.sequence - node->session.taken);
    const uint32_t sequence = node->session.taken + step;
    if (step == 0 || step > 0x7fff)
        return; /* repeated or late */
    if (request.type == FRAME_AUTH) {
        on_auth(node, &request, sequence);
        return;
    }
    if (!node->session.authenticated) {
        refuse(node, &request, ET_ERR_AUTH);
        return;
    }
    const et_frame_key key = {node->session.key, 'h', sequence};
    if (node->session.mac && et_frame_check_mac(node->receive, &request, &key) != ET_OK) {
        ++node->stats.bad_frames;
        return;
    }
    node->session.taken = sequence;
    dispatch(node, &request);
}

void et_node_hang_up(et_node *node)
{
    et_node_stop_stream(node);
    node->session.open = node->session.authenticated = node->session.mac = 0;
    node->received = 0;
    node->too_long = 0;
}

void et_node_receive(et_node *node, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; ++i) {
        if (bytes[i] != 0) {
            if (node->received < node->receive_capacity)
                node->receive[node->received++] = bytes[i];
            else
                node->too_long = 1;
            continue;
        }
        if (node->too_long)
            ++node->stats.bad_frames;
        else if (node->received > 0)
            on_frame(node, node->received);
        node->received = 0;
        node->too_long = 0;
    }
}
