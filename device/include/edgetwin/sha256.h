/* SHA-256 (FIPS 180-4), HMAC-SHA-256 (RFC 2104) and CRC-32 (IEEE 802.3). */
#ifndef EDGETWIN_SHA256_H
#define EDGETWIN_SHA256_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ET_SHA256_SIZE 32u

typedef struct et_sha256 {
    uint32_t state[8];
    uint64_t length; /* bytes so far */
    uint8_t block[64];
} et_sha256;

void et_sha256_init(et_sha256 *hash);
void et_sha256_update(et_sha256 *hash, const void *bytes, size_t size);
void et_sha256_final(et_sha256 *hash, uint8_t digest[ET_SHA256_SIZE]);

typedef struct et_hmac {
    et_sha256 inner;
    uint8_t outer_pad[64];
} et_hmac;

/* Keys longer than 64 bytes are hashed first, as the RFC says. */
void et_hmac_init(et_hmac *hmac, const uint8_t *key, size_t key_size);
void et_hmac_update(et_hmac *hmac, const void *bytes, size_t size);
void et_hmac_final(et_hmac *hmac, uint8_t digest[ET_SHA256_SIZE]);

/* Compares in a time that does not depend on where the bytes differ; nonzero if equal. */
int et_equal_secret(const uint8_t *a, const uint8_t *b, size_t size);

/* CRC-32 of `size` more bytes; start with 0 and feed the result back to go on. */
uint32_t et_crc32(uint32_t crc, const void *bytes, size_t size);

#ifdef __cplusplus
}
#endif
#endif
