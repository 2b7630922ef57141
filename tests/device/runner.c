#include "runner.h"

/* The suites of this program: -DTEST_SUITES="X(omp) X(vector)". A small board runs them in several programs. */
#ifndef TEST_SUITES
#define TEST_SUITES                                                                                                    \
    X(vector) X(omp) X(bundle) X(code) X(codec) X(range_coder) X(packet) X(cobs_frame) X(sha256) X(cbor)              \
    X(node_session) X(node_upload) X(node_stream) X(node_model) X(vectors)
#endif

#define X(name) extern const test_suite suite_##name;
TEST_SUITES
#undef X

#define MOST_BLOCKS 64u
#define MOST_MESSAGES 5u /* of one test: a broken loop must not flood the line */

static struct {
    const char *suite, *name, *note;
    int64_t note_value;
    unsigned failed_checks;
    int short_of_memory;
    void *blocks[MOST_BLOCKS];
    unsigned block_count;
} current;

static void put_number(int64_t value)
{
    char text[21];
    char *at = text + sizeof text - 1;
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    *at = '\0';
    do {
        *--at = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude > 0);
    if (value < 0)
        *--at = '-';
    test_puts(at);
}

/* Counts a failed check and prints where; nonzero if the caller may print the rest of the line. */
static int report(const char *file, int line, const char *text)
{
    if (++current.failed_checks > MOST_MESSAGES)
        return 0;
    test_puts(file);
    test_puts(":");
    put_number(line);
    test_puts(": ");
    test_puts(current.suite);
    test_puts("/");
    test_puts(current.name);
    if (current.note != NULL) {
        test_puts(" (");
        test_puts(current.note);
        test_puts(" ");
        put_number(current.note_value);
        test_puts(")");
    }
    test_puts(": ");
    test_puts(text);
    return 1;
}

void test_note(const char *what, int64_t value)
{
    current.note = what;
    current.note_value = value;
}

void test_failed(const char *file, int line, const char *text)
{
    if (report(file, line, text))
        test_puts(" is false\n");
}

void test_equal(const char *file, int line, const char *text, int64_t actual, int64_t expected)
{
    if (actual == expected || !report(file, line, text))
        return;
    test_puts(" is ");
    put_number(actual);
    test_puts(", not ");
    put_number(expected);
    test_puts("\n");
}

void test_equal_bytes(const char *file, int line, const char *text, const void *actual, const void *expected,
                      size_t size)
{
    const uint8_t *a = actual, *b = expected;
    for (size_t i = 0; i < size; ++i) {
        if (a[i] == b[i])
            continue;
        if (!report(file, line, text))
            return;
        test_puts(" differs at byte ");
        put_number((int64_t)i);
        test_puts(": ");
        put_number(a[i]);
        test_puts(", not ");
        put_number(b[i]);
        test_puts("\n");
        return;
    }
}

void *test_take(size_t size)
{
    void *block = current.block_count < MOST_BLOCKS ? platform_take(size) : NULL;
    if (block == NULL)
        current.short_of_memory = 1;
    else
        current.blocks[current.block_count++] = block;
    return block;
}

void test_give(void *block)
{
    CHECK(current.block_count > 0 && current.blocks[current.block_count - 1] == block);
    --current.block_count;
    platform_give(block);
}

uint32_t test_random(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

float test_random_float(uint32_t *state)
{
    return (float)((int32_t)(test_random(state) >> 8) - 0x800000) * (1.0f / 0x800000);
}

/* Runs one test; nonzero if it failed. */
static int run(const test_suite *suite, const test *one, unsigned *skipped)
{
    current.suite = suite->name;
    current.name = one->name;
    current.note = NULL;
    current.failed_checks = 0;
    current.short_of_memory = 0;
    current.block_count = 0;
    one->run();
    while (current.block_count > 0)
        platform_give(current.blocks[--current.block_count]);
    if (current.short_of_memory) {
        ++*skipped;
        test_puts("  not run for want of memory: ");
        test_puts(one->name);
        test_puts("\n");
    }
    return current.failed_checks > 0;
}

int test_main(void)
{
#define X(name) &suite_##name,
    static const test_suite *const suites[] = {TEST_SUITES};
#undef X
    unsigned failures = 0, not_run = 0;
    for (unsigned i = 0; i < sizeof suites / sizeof *suites; ++i) {
        const test_suite *suite = suites[i];
        unsigned failed = 0, skipped = 0;
        for (unsigned k = 0; k < suite->count; ++k)
            failed += run(suite, &suite->tests[k], &skipped) != 0;
        test_puts(suite->name);
        test_puts(": ");
        put_number((int64_t)suite->count - failed - skipped);
        test_puts(" passed, ");
        put_number(failed);
        test_puts(" failed, ");
        put_number(skipped);
        test_puts(" not run\n");
        failures += failed;
        not_run += skipped;
    }
    put_number(not_run);
    test_puts(" not run\n");
    test_puts(failures == 0 ? "ALL PASSED\n" : "FAILED\n");
    return failures > 0;
}
