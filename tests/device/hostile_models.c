/* Runs the target of fuzz_model.c on each model named, with every word of its fields, tensors and records in turn replaced
 * by values that a check may have forgotten, its constants overwritten, and cut at every 16 bytes. The sanitizers watch. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 32u /* of the bundle */
#define FIELDS 32u /* of the model */
#define TENSOR 48u
#define MOST_BYTES 65536u
#define NEAR 128u /* about a record */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

/* Of libFuzzer, which is not here. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most)
{
    (void)data;
    (void)most;
    return size;
}

static uint8_t bytes[MOST_BYTES];
static unsigned long tried;

static uint32_t load(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void try_size(size_t size)
{
    LLVMFuzzerTestOneInput(bytes, size);
    ++tried;
}

static void try_word(size_t at, uint32_t value, size_t size)
{
    const uint32_t was = load(bytes + at);
    memcpy(bytes + at, &value, sizeof value);
    try_size(size);
    memcpy(bytes + at, &was, sizeof was);
}

static void try_words(size_t from, size_t to, size_t size)
{
    const uint32_t workspace = load(bytes + HEADER + 4), constants = load(bytes + HEADER + 24);
    for (size_t at = from; at < to; at += 4) {
        const uint32_t was = load(bytes + at);
        const uint32_t values[] = {was + 1, was - 1, was + 2,   was - 2,   was + 4,           was - 4,
                                   was * 2, was / 2, 0u - was,  was * 255, was ^ 0x80000000u, was ^ 0x7fffffffu,
                                   0,       3,       workspace, constants, workspace - 1,     constants | 0x80000000u};
        for (unsigned i = 0; i < sizeof values / sizeof *values; ++i)
            try_word(at, values[i], size);
        for (unsigned bit = 0; bit < 32; ++bit) {
            try_word(at, 1u << bit, size);
            try_word(at, (1u << bit) - 1, size);
            try_word(at, 0u - (1u << bit), size);
        }
        const size_t first = at > from + NEAR ? at - NEAR : from, last = at + NEAR < to ? at + NEAR : to;
        for (size_t other = first; other < last; other += 4) /* fields that are checked against each other */
            try_word(at, load(bytes + other), size);
    }
}

static void try_constants(size_t from, size_t size)
{
    static const uint8_t fills[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    static uint8_t whole[MOST_BYTES];
    memcpy(whole, bytes, size);
    for (unsigned i = 0; i < sizeof fills; ++i) {
        memset(bytes + from, fills[i], size - from);
        try_size(size);
        for (size_t at = from; at < size; ++at) {
            bytes[at] = whole[at];
            if (at % 4 == 3) {
                memset(bytes + at - 3, fills[i], 4);
                memcpy(bytes + from, whole + from, at - 3 - from);
                memcpy(bytes + at + 1, whole + at + 1, size - at - 1);
                try_size(size);
            }
        }
        memcpy(bytes, whole, size);
    }
}

static void try_model(const char *name)
{
    FILE *file = fopen(name, "rb");
    const size_t size = file != NULL ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file != NULL)
        fclose(file);
    const size_t tensors = (size_t)bytes[HEADER + 12] + bytes[HEADER + 14];
    const size_t records = HEADER + FIELDS + TENSOR * tensors, end = records + load(bytes + HEADER + 20);
    if (size < end || size == sizeof bytes) {
        fprintf(stderr, "%s: no model, or too large\n", name);
        exit(1);
    }
    try_size(size);
    try_words(HEADER, end, size);
    try_constants((end + 15) & ~(size_t)15, size);
    for (size_t cut = HEADER; cut < size; ++cut)
        try_size(cut);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; ++i)
        try_model(argv[i]);
    printf("%lu\n", tried);
    return 0;
}
