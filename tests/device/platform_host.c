/* The test program as a process of the host: stdio, and a heap allocation a block, for the address sanitizer. */
#include <stdio.h>
#include <stdlib.h>

#include "runner.h"

void test_puts(const char *text)
{
    fputs(text, stdout);
    fflush(stdout); /* a sanitizer ends the process without it */
}

/* malloc aligns to 16 bytes, and unlike aligned_alloc it takes any size: the byte after the last is out of bounds. */
void *platform_take(size_t size) { return malloc(size > 0 ? size : 1); }

void platform_give(void *block) { free(block); }

int main(void) { return test_main(); }
