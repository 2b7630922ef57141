/* Hashes against the vectors of their standards. */
#include <string.h>

#include "edgetwin/sha256.h"
#include "runner.h"

/* Hexadecimal text as bytes; returns their number. */
static size_t from_hex(const char *text, uint8_t *bytes)
{
    size_t size = 0;
    for (; text[0] != '\0'; text += 2, ++size) {
        unsigned value = 0;
        for (unsigned i = 0; i < 2; ++i)
            value = value << 4 | (unsigned)(text[i] <= '9' ? text[i] - '0' : text[i] - 'a' + 10);
        bytes[size] = (uint8_t)value;
    }
    return size;
}

static void hash(const void *bytes, size_t size, uint8_t digest[ET_SHA256_SIZE])
{
    et_sha256 state;
    et_sha256_init(&state);
    et_sha256_update(&state, bytes, size);
    et_sha256_final(&state, digest);
}

static void sha256_gives_the_vectors_of_fips_180(void)
{
    static const struct {
        const char *message, *digest;
    } vectors[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqr"
         "stu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    for (unsigned i = 0; i < sizeof vectors / sizeof *vectors; ++i) {
        uint8_t digest[ET_SHA256_SIZE], expected[ET_SHA256_SIZE];
        hash(vectors[i].message, strlen(vectors[i].message), digest);
        from_hex(vectors[i].digest, expected);
        CHECK_BYTES(digest, expected, sizeof digest);
    }
}

static void sha256_of_many_blocks(void)
{
    /* FIPS 180-2, B.3: a million times "a". */
    uint8_t digest[ET_SHA256_SIZE], expected[ET_SHA256_SIZE];
    uint8_t portion[100];
    et_sha256 state;
    memset(portion, 'a', sizeof portion);
    et_sha256_init(&state);
    for (unsigned i = 0; i < 10000; ++i)
        et_sha256_update(&state, portion, sizeof portion);
    et_sha256_final(&state, digest);
    from_hex("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", expected);
    CHECK_BYTES(digest, expected, sizeof digest);
}

static void sha256_does_not_depend_on_the_portions(void)
{
    uint8_t message[150], whole[ET_SHA256_SIZE];
    for (unsigned i = 0; i < sizeof message; ++i)
        message[i] = (uint8_t)(i * 7);
    for (size_t size = 0; size <= sizeof message; size += 3) {
        hash(message, size, whole);
        for (size_t first = 0; first <= size; first += 5) {
            uint8_t digest[ET_SHA256_SIZE];
            et_sha256 state;
            et_sha256_init(&state);
            et_sha256_update(&state, message, first);
            et_sha256_update(&state, message + first, size - first);
            et_sha256_final(&state, digest);
            CHECK_BYTES(digest, whole, sizeof digest);
        }
    }
}

static void hmac_gives_the_vectors_of_rfc_4231(void)
{
    static const struct {
        const char *key, *message, *mac;
    } vectors[] = {
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {"0102030405060708090a0b0c0d0e0f10111213141516171819",
         "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    };
    for (unsigned i = 0; i < sizeof vectors / sizeof *vectors; ++i) {
        uint8_t key[32], message[64], mac[ET_SHA256_SIZE], expected[ET_SHA256_SIZE];
        et_hmac state;
        et_hmac_init(&state, key, from_hex(vectors[i].key, key));
        et_hmac_update(&state, message, from_hex(vectors[i].message, message));
        et_hmac_final(&state, mac);
        from_hex(vectors[i].mac, expected);
        CHECK_BYTES(mac, expected, sizeof mac);
    }
}

/* RFC 4231, cases 6 and 7: 131 times 0xaa. */
static void hmac_hashes_keys_longer_than_a_block(void)
{
    static const struct {
        const char *message, *mac;
    } vectors[] = {
        {"Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
         "hashed before being used by the HMAC algorithm.",
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    uint8_t key[131];
    memset(key, 0xaa, sizeof key);
    for (unsigned i = 0; i < 2; ++i) {
        uint8_t mac[ET_SHA256_SIZE], expected[ET_SHA256_SIZE];
        et_hmac state;
        et_hmac_init(&state, key, sizeof key);
        et_hmac_update(&state, vectors[i].message, strlen(vectors[i].message));
        et_hmac_final(&state, mac);
        from_hex(vectors[i].mac, expected);
        CHECK_BYTES(mac, expected, sizeof mac);
    }
}

static void crc32_gives_its_check_value(void)
{
    CHECK_EQUAL(et_crc32(0, "123456789", 9), 0xcbf43926u);
    CHECK_EQUAL(et_crc32(0, "", 0), 0);
    CHECK_EQUAL(et_crc32(0, "\0", 1), 0xd202ef8du);
    for (size_t cut = 0; cut <= 9; ++cut)
        CHECK_EQUAL(et_crc32(et_crc32(0, "123456789", cut), &"123456789"[cut], 9 - cut), 0xcbf43926u);
}

static void secrets_are_equal_only_as_a_whole(void)
{
    uint8_t a[8] = {1, 2, 3, 4, 5, 6, 7, 8}, b[8];
    for (unsigned i = 0; i < 8; ++i) {
        memcpy(b, a, sizeof b);
        CHECK(et_equal_secret(a, b, sizeof a));
        b[i] ^= 0x80;
        CHECK(!et_equal_secret(a, b, sizeof a));
        CHECK(et_equal_secret(a, b, i));
    }
}

SUITE(sha256, TEST(sha256_gives_the_vectors_of_fips_180), TEST(sha256_of_many_blocks),
      TEST(sha256_does_not_depend_on_the_portions), TEST(hmac_gives_the_vectors_of_rfc_4231),
      TEST(hmac_hashes_keys_longer_than_a_block), TEST(crc32_gives_its_check_value),
      TEST(secrets_are_equal_only_as_a_whole))
