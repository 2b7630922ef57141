/* What problem.c and simulated.c need of runner.h, for fuzz targets: a failed check is a finding. */
#include <stdio.h>
#include <stdlib.h>

#include "../runner.h"

void test_failed(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: %s is false\n", file, line, text);
    abort();
}

void test_equal(const char *file, int line, const char *text, int64_t actual, int64_t expected)
{
    if (actual != expected)
        test_failed(file, line, text);
}

void *test_take(size_t size) { return malloc(size > 0 ? size : 1); }

void test_give(void *block) { free(block); }

uint32_t test_random(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; } /* Numerical Recipes */

float test_random_float(uint32_t *state) { return (float)(test_random(state) >> 8) / 16777216.0f - 0.5f; }
