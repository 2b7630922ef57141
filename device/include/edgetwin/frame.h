/* Frames: header, payload, optional MAC, CRC-32, in COBS, ended by a zero byte (PROTOCOL.md). */
#ifndef EDGETWIN_FRAME_H
#define EDGETWIN_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "edgetwin/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ET_FRAME_VERSION 2u
#define ET_FRAME_HEADER 12u
#define ET_FRAME_MAC 8u
#define ET_FRAME_CRC 4u
#define ET_FRAME_FLAG_MAC 1u

/* Bytes of a frame before COBS, and an upper bound of its bytes on the wire (the end mark included). */
#define ET_FRAME_RAW_SIZE(payload) (ET_FRAME_HEADER + (payload) + ET_FRAME_MAC + ET_FRAME_CRC)
#define ET_FRAME_WIRE_SIZE(payload) (ET_FRAME_RAW_SIZE(payload) + ET_FRAME_RAW_SIZE(payload) / 254u + 2u)

typedef struct et_frame {
    uint8_t type;
    uint8_t flags;
    uint8_t credit;    /* frames that the sender is ready to hold */
    uint16_t sequence; /* of the sender, one more with every frame */
    uint16_t length;   /* payload bytes */
    uint32_t id;       /* low half of the current dictionary's content id, 0: none */
    const uint8_t *payload;
} et_frame;

/* The secret half of an authenticated session, for one direction. */
typedef struct et_frame_key {
    const uint8_t *key;  /* ET_SHA256_SIZE bytes; NULL: frames carry no MAC */
    uint8_t direction;   /* 'h' from the host, 'n' from the node */
    uint32_t sequence;   /* the full 32-bit sequence number; its low half is in the header */
} et_frame_key;

/* COBS (Cheshire & Baker 1999); neither knows of the end mark.
 * write: hands the encoding to `write` run by run, so that no second buffer is needed.
 * decode: `out` may be `in`. ET_ERR_FORMAT for what is not COBS, ET_ERR_CAPACITY. */
typedef void et_write(void *context, const uint8_t *bytes, size_t size);
void et_cobs_write(const uint8_t *in, size_t size, et_write *write, void *context);
et_status et_cobs_decode(const uint8_t *in, size_t size, uint8_t *out, size_t capacity, size_t *out_size);

/* Writes header, payload, MAC (if key->key is set) and CRC to `raw`. payload may already lie at raw + ET_FRAME_HEADER.
 * ET_ERR_CAPACITY. */
et_status et_frame_build(const et_frame *frame, const et_frame_key *key, uint8_t *raw, size_t capacity, size_t *size);

/* Checks length, version and CRC of a decoded frame; frame->payload points into `raw`. The MAC is not checked here.
 * ET_ERR_TRUNCATED, ET_ERR_VERSION, ET_ERR_CRC, ET_ERR_FORMAT; *frame is untouched on error. */
et_status et_frame_parse(const uint8_t *raw, size_t size, et_frame *frame);

/* Checks the MAC of a frame that et_frame_parse took. ET_ERR_AUTH if it is missing or wrong. */
et_status et_frame_check_mac(const uint8_t *raw, const et_frame *frame, const et_frame_key *key);

#ifdef __cplusplus
}
#endif
#endif
