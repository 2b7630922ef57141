/* Any bytes as what the parsers of the link take: COBS, frames, CBOR and codes. What is taken must come back. */
#include <stdlib.h>
#include <string.h>

#include "edgetwin/cbor.h"
#include "edgetwin/code.h"
#include "edgetwin/frame.h"
#include "../sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void try_frame(const uint8_t *raw, size_t size)
{
    static const uint8_t secret[32] = {7};
    const et_frame_key key = {secret, 'h', 9}, none = {NULL, 'h', 9};
    et_frame frame;
    size_t built = 0;
    if (et_frame_parse(raw, size, &frame) != ET_OK)
        return;
    require(frame.payload + frame.length <= raw + size);
    if ((frame.flags & ET_FRAME_FLAG_MAC) != 0) {
        require(et_frame_check_mac(raw, &frame, &key) == ET_ERR_AUTH); /* nobody guesses it */
        return;
    }
    uint8_t *again = malloc(size);
    require(et_frame_build(&frame, &none, again, size, &built) == ET_OK);
    require(built == size && memcmp(again, raw, size) == 0);
    free(again);
}

static void try_cobs(const uint8_t *data, size_t size)
{
    uint8_t *decoded = malloc(size + 1);
    size_t decoded_size = 0;
    if (et_cobs_decode(data, size, decoded, size, &decoded_size) == ET_OK) {
        require(decoded_size < size);
        try_frame(decoded, decoded_size);
    }
    free(decoded);

    sink out = {malloc(size + size / 254 + 1), 0};
    uint8_t *back = malloc(size + 1);
    size_t back_size = 0;
    et_cobs_write(data, size, sink_append, &out);
    require(out.size <= size + size / 254 + 1);
    require(et_cobs_decode(out.bytes, out.size, back, size, &back_size) == ET_OK);
    require(back_size == size && memcmp(back, data, size) == 0);
    free(back);
    free(out.bytes);
}

/* A frame around the bytes with a right CRC, so that the fuzzer need not find one. */
static void try_sealed_frame(const uint8_t *data, size_t size)
{
    const et_frame frame = {0x07, 0, 1, 1, (uint16_t)size, 0, data};
    const et_frame_key none = {NULL, 'h', 1};
    uint8_t *raw = malloc(ET_FRAME_RAW_SIZE(size));
    size_t raw_size = 0;
    require(et_frame_build(&frame, &none, raw, ET_FRAME_RAW_SIZE(size), &raw_size) == ET_OK);
    try_frame(raw, raw_size);
    free(raw);
}

static void try_cbor(const uint8_t *data, size_t size)
{
    for (unsigned key = 0; key < 4; ++key) {
        uint32_t number;
        uint8_t flag = 0;
        const uint8_t *bytes = NULL;
        size_t length = 0;
        et_cbor_get_uint(data, size, key, &number);
        if (et_cbor_get_bool(data, size, key, &flag) == ET_OK)
            require(flag <= 1);
        if (et_cbor_get_bytes(data, size, key, &bytes, &length) == ET_OK)
            require(bytes >= data && bytes + length <= data + size);
    }
}

static void try_code(const uint8_t *data, size_t size)
{
    static const uint8_t widths[] = {4, 8, 11, 16, 32};
    et_dictionary d;
    uint16_t support[16];
    float coefficients[16];
    unsigned count = 0;
    if (size < 3)
        return;
    memset(&d, 0, sizeof d);
    d.m = (uint16_t)(1 + data[0] % 16);
    d.n = (uint16_t)(1 + data[1] * 5u);
    d.s = data[2] / 16;
    d.coefficient_bits = widths[data[2] % sizeof widths];
    d.codec = ET_CODEC_PACKED;
    size_t used = 0;
    if (et_code_unpack(&d, data + 3, size - 3, support, coefficients, &count, &used) != ET_OK)
        return;
    uint8_t *again = malloc(size);
    size_t again_size = 0;
    require(used <= size - 3 && used <= et_code_max_size(&d));
    require(et_code_pack(&d, support, coefficients, count, again, size - 3, &again_size) == ET_OK);
    require(again_size == used && memcmp(again, data + 3, used) == 0);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 4096)
        return 0;
    uint8_t *bytes = malloc(size - 1 > 0 ? size - 1 : 1);
    memcpy(bytes, data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        try_cobs(bytes, size - 1);
        break;
    case 1:
        try_sealed_frame(bytes, size - 1);
        break;
    case 2:
        try_cbor(bytes, size - 1);
        break;
    default:
        try_code(bytes, size - 1);
    }
    free(bytes);
    return 0;
}
