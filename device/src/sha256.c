#include "edgetwin/sha256.h"

#include <string.h>

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, unsigned bits) { return x >> bits | x << (32 - bits); }

static uint32_t load_big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | (uint32_t)bytes[3];
}

static void store_big_endian(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 24);
    bytes[1] = (uint8_t)(value >> 16);
    bytes[2] = (uint8_t)(value >> 8);
    bytes[3] = (uint8_t)value;
}

/* FIPS 180-4, 6.2.2. The schedule is kept as its last 16 words: 192 bytes of stack less. */
static void compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[16];
    uint32_t v[8];
    for (unsigned t = 0; t < 16; ++t)
        w[t] = load_big_endian(block + 4 * t);
    memcpy(v, state, sizeof v);
    for (unsigned t = 0; t < 64; ++t) {
        if (t >= 16) {
            const uint32_t w2 = w[(t - 2) % 16], w15 = w[(t - 15) % 16];
            w[t % 16] += (rotate(w2, 17) ^ rotate(w2, 19) ^ w2 >> 10) + w[(t - 7) % 16] +
                         (rotate(w15, 7) ^ rotate(w15, 18) ^ w15 >> 3);
        }
        const uint32_t t1 = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
                            ((v[4] & v[5]) ^ (~v[4] & v[6])) + round_constants[t] + w[t % 16];
        const uint32_t t2 = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
                            ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (unsigned i = 0; i < 8; ++i)
        state[i] += v[i];
}

void et_sha256_init(et_sha256 *hash)
{
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->state, initial, sizeof initial);
    hash->length = 0;
}

void et_sha256_update(et_sha256 *hash, const void *bytes, size_t size)
{
    const uint8_t *in = bytes;
    size_t used = (size_t)(hash->length % 64);
    hash->length += size;
    while (size > 0) {
        const size_t room = 64 - used;
        const size_t part = size < room ? size : room;
        memcpy(hash->block + used, in, part);
        in += part;
        size -= part;
        used += part;
        if (used == 64) {
            compress(hash->state, hash->block);
            used = 0;
        }
    }
}

void et_sha256_final(et_sha256 *hash, uint8_t digest[ET_SHA256_SIZE])
{
    const uint64_t bits = hash->length * 8;
    const uint8_t one = 0x80, zero = 0;
    uint8_t length[8];
    store_big_endian(length, (uint32_t)(bits >> 32));
    store_big_endian(length + 4, (uint32_t)bits);
    et_sha256_update(hash, &one, 1);
    while (hash->length % 64 != 56)
        et_sha256_update(hash, &zero, 1);
    et_sha256_update(hash, length, sizeof length);
    for (unsigned i = 0; i < 8; ++i)
        store_big_endian(digest + 4 * i, hash->state[i]);
}

void et_hmac_init(et_hmac *hmac, const uint8_t *key, size_t key_size)
{
    uint8_t block[64] = {0};
    if (key_size > sizeof block) {
        et_sha256_init(&hmac->inner);
        et_sha256_update(&hmac->inner, key, key_size);
        et_sha256_final(&hmac->inner, block);
    } else {
        memcpy(block, key, key_size);
    }
    for (unsigned i = 0; i < sizeof block; ++i) {
        hmac->outer_pad[i] = block[i] ^ 0x5c;
        block[i] ^= 0x36;
    }
    et_sha256_init(&hmac->inner);
    et_sha256_update(&hmac->inner, block, sizeof block);
}

void et_hmac_update(et_hmac *hmac, const void *bytes, size_t size) { et_sha256_update(&hmac->inner, bytes, size); }

void et_hmac_final(et_hmac *hmac, uint8_t digest[ET_SHA256_SIZE])
{
    uint8_t inner[ET_SHA256_SIZE];
    et_sha256_final(&hmac->inner, inner);
    et_sha256_init(&hmac->inner);
    et_sha256_update(&hmac->inner, hmac->outer_pad, sizeof hmac->outer_pad);
    et_sha256_update(&hmac->inner, inner, sizeof inner);
    et_sha256_final(&hmac->inner, digest);
}

int et_equal_secret(const uint8_t *a, const uint8_t *b, size_t size)
{
    uint8_t difference = 0;
    for (size_t i = 0; i < size; ++i)
        difference |= a[i] ^ b[i];
    return difference == 0;
}
