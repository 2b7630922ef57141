/* A test runner that needs no library: it runs on the host and on boards with a few KB of RAM.
 *
 * A suite is one file: static functions named after the behaviour they check, and a table of them.
 *     static void zero_signal_has_no_atoms(void) { CHECK(count == 0); }
 *     SUITE(omp, TEST(zero_signal_has_no_atoms))
 * The program runs the suites named in TEST_SUITES (runner.c), prints one line a suite and a failed check, and returns
 * the number of failed tests, at most 1 to a process. */
#ifndef EDGETWIN_TEST_RUNNER_H
#define EDGETWIN_TEST_RUNNER_H

#include <stddef.h>
#include <stdint.h>

typedef struct test {
    const char *name;
    void (*run)(void);
} test;

typedef struct test_suite {
    const char *name;
    const test *tests;
    unsigned count;
} test_suite;

#define TEST(function)                                                                                                 \
    {                                                                                                                  \
#function, function                                                                                            \
    }
#define SUITE(suite, ...)                                                                                              \
    static const test suite##_tests[] = {__VA_ARGS__};                                                                 \
    extern const test_suite suite_##suite;                                                                             \
    const test_suite suite_##suite = {#suite, suite##_tests, sizeof suite##_tests / sizeof *suite##_tests};

/* A failed check prints file, line and text; the test goes on, so that one run shows all that is wrong. */
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            test_failed(__FILE__, __LINE__, #condition);                                                               \
    } while (0)

/* Integers of any type; prints both. */
#define CHECK_EQUAL(actual, expected) test_equal(__FILE__, __LINE__, #actual, (int64_t)(actual), (int64_t)(expected))

#define CHECK_BYTES(actual, expected, size) test_equal_bytes(__FILE__, __LINE__, #actual, actual, expected, size)

/* Context of the checks that follow, printed when one fails: "atom type", 3. NULL: none. */
void test_note(const char *what, int64_t value);

void test_failed(const char *file, int line, const char *text);
void test_equal(const char *file, int line, const char *text, int64_t actual, int64_t expected);
void test_equal_bytes(const char *file, int line, const char *text, const void *actual, const void *expected,
                      size_t size);

/* Memory for a test, 16-byte aligned, freed when it ends; NULL if the board has too little (the runner then counts the
 * test as passed for want of memory and says so: `if ((block = test_take(n)) == NULL) return;`). The host gives each
 * block out of its own allocation, so that the address sanitizer guards both ends. */
void *test_take(size_t size);

/* Gives back the block taken last. */
void test_give(void *block);

/* xorshift32 (Marsaglia 2003): the same numbers on every target. */
uint32_t test_random(uint32_t *state);

/* A multiple of 2^-23 in [-1, 1). */
float test_random_float(uint32_t *state);

/* What the platform brings: platform_host.c or platform_board.c. */
void test_puts(const char *text);
void *platform_take(size_t size);
void platform_give(void *block);

int test_main(void);

#endif
