#include "edgetwin/frame.h"

#include <string.h>

#include "bytes.h"
#include "edgetwin/sha256.h"

/* First ET_FRAME_MAC bytes of HMAC(key, direction | sequence | header | payload). */
static void frame_mac(const et_frame_key *key, const uint8_t *raw, size_t size, uint8_t mac[ET_SHA256_SIZE])
{
    et_hmac hmac;
    uint8_t prefix[5];
    prefix[0] = key->direction;
    et_store_u32(prefix + 1, key->sequence);
    et_hmac_init(&hmac, key->key, ET_SHA256_SIZE);
    et_hmac_update(&hmac, prefix, sizeof prefix);
    et_hmac_update(&hmac, raw, size);
    et_hmac_final(&hmac, mac);
}

et_status et_frame_build(const et_frame *frame, const et_frame_key *key, uint8_t *raw, size_t capacity, size_t *size)
{
    const int has_mac = key->key != NULL;
    size_t at = ET_FRAME_HEADER + (size_t)frame->length;
    if (capacity < at + (has_mac ? ET_FRAME_MAC : 0) + ET_FRAME_CRC)
        return ET_ERR_CAPACITY;
    if (frame->length > 0 && frame->payload != raw + ET_FRAME_HEADER)
        memmove(raw + ET_FRAME_HEADER, frame->payload, frame->length);
    raw[0] = ET_FRAME_VERSION;
    raw[1] = frame->type;
    raw[2] = (uint8_t)((frame->flags & ~ET_FRAME_FLAG_MAC) | (has_mac ? ET_FRAME_FLAG_MAC : 0));
    raw[3] = frame->credit;
    et_store_u16(raw + 4, frame->sequence);
    et_store_u16(raw + 6, frame->length);
    et_store_u32(raw + 8, frame->id);
    if (has_mac) {
        uint8_t mac[ET_SHA256_SIZE];
        frame_mac(key, raw, at, mac);
        memcpy(raw + at, mac, ET_FRAME_MAC);
        at += ET_FRAME_MAC;
    }
    et_store_u32(raw + at, et_crc32(0, raw, at));
    *size = at + ET_FRAME_CRC;
    return ET_OK;
}

et_status et_frame_parse(const uint8_t *raw, size_t size, et_frame *frame)
{
    if (size < ET_FRAME_HEADER + ET_FRAME_CRC)
        return ET_ERR_TRUNCATED;
    if (et_load_u32(raw + size - ET_FRAME_CRC) != et_crc32(0, raw, size - ET_FRAME_CRC))
        return ET_ERR_CRC;
    if (raw[0] != ET_FRAME_VERSION)
        return ET_ERR_VERSION;
    const uint16_t length = et_load_u16(raw + 6);
    const size_t mac = (raw[2] & ET_FRAME_FLAG_MAC) != 0 ? ET_FRAME_MAC : 0;
    if (size != ET_FRAME_HEADER + length + mac + ET_FRAME_CRC)
        return ET_ERR_FORMAT;
    frame->type = raw[1];
    frame->flags = raw[2];
    frame->credit = raw[3];
    frame->sequence = et_load_u16(raw + 4);
    frame->length = length;
    frame->id = et_load_u32(raw + 8);
    frame->payload = raw + ET_FRAME_HEADER;
    return ET_OK;
}

et_status et_frame_check_mac(const uint8_t *raw, const et_frame *frame, const et_frame_key *key)
{
    if ((frame->flags & ET_FRAME_FLAG_MAC) == 0)
        return ET_ERR_AUTH;
    uint8_t mac[ET_SHA256_SIZE];
    const size_t size = ET_FRAME_HEADER + (size_t)frame->length;
    frame_mac(key, raw, size, mac);
    return et_equal_secret(mac, raw + size, ET_FRAME_MAC) ? ET_OK : ET_ERR_AUTH;
}
