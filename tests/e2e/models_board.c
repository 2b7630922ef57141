/* Runs models on given inputs and compares with given outputs. CASES_FILE holds, one after the other and each on a multiple
 * of 16 bytes: how many bytes of bundle, invocations, bytes of inputs and of outputs of one (uint32 each); the bundle; the
 * inputs; the outputs. Prints a line a case that differs, and the number of cases and of bytes compared.
 *
 * ON_HOST: the file is the argument, and each bundle and workspace an allocation of its own, for the sanitizers. */
#include "edgetwin/model.h"

#include <string.h>

#ifdef ON_HOST
#include <stdio.h>
#include <stdlib.h>
#define put_text(text) fputs(text, stdout)
#else
#include "board.h"
#define put_text(text) board_puts(text)
__asm__(".section .rodata\n.balign 16\n.global cases_file\ncases_file:\n.incbin \"" CASES_FILE "\"\n"
        ".global cases_file_end\ncases_file_end:\n.previous\n");
extern const uint8_t cases_file[], cases_file_end[];
#endif

typedef struct case_header {
    uint32_t bundle, invocations, inputs, outputs;
} case_header;

typedef struct workspace_memory {
    uint8_t *arena;
    size_t size;
} workspace_memory;

static void put_number(const char *before, uint32_t value, const char *after)
{
    char text[11];
    char *at = text + sizeof text - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put_text(before);
    put_text(at);
    put_text(after);
}

static const uint8_t *set_inputs(const et_model *model, uint8_t *workspace, const uint8_t *inputs)
{
    for (unsigned i = 0; i < model->inputs; ++i) {
        memcpy(et_model_input(model, workspace, i), inputs, model->tensors[i].size);
        inputs += model->tensors[i].size;
    }
    return inputs;
}

/* Bytes of the outputs that differ. */
static uint32_t compare_outputs(const et_model *model, const uint8_t *workspace, const uint8_t **expected)
{
    uint32_t differ = 0;
    for (unsigned i = 0; i < model->outputs; ++i) {
        const uint8_t *output = et_model_output(model, workspace, i);
        for (uint32_t k = 0; k < model->tensors[model->inputs + i].size; ++k)
            differ += output[k] != *(*expected)++;
    }
    return differ;
}

/* Bytes that differ; ~0 if the model cannot be opened or does not fit. */
static uint32_t run_case(const case_header *header, const uint8_t *bundle, const uint8_t *inputs,
                         workspace_memory memory)
{
    const uint8_t *expected = inputs + (size_t)header->invocations * header->inputs;
    uint32_t differ = 0;
    et_model model;
    if (et_model_open(bundle, header->bundle, et_kernels_all, &model) != ET_OK)
        return UINT32_MAX;
#ifdef ON_HOST
    memory.arena = malloc(memory.size = et_model_workspace_size(&model));
#endif
    if (et_model_reset(&model, memory.arena, memory.size) != ET_OK)
        return UINT32_MAX;
    for (uint32_t k = 0; k < header->invocations; ++k) {
        inputs = set_inputs(&model, memory.arena, inputs);
        et_model_invoke(&model, memory.arena, memory.size);
        differ += compare_outputs(&model, memory.arena, &expected);
    }
#ifdef ON_HOST
    free(memory.arena);
#endif
    return differ;
}

/* Nonzero if a case differs. */
static int run_cases(const uint8_t *at, const uint8_t *end, workspace_memory memory)
{
    uint32_t cases = 0, bytes = 0;
    int failed = 0;
    for (; at < end; ++cases) {
        case_header header;
        memcpy(&header, at, sizeof header);
        const uint8_t *bundle = at + sizeof header;
        const uint8_t *inputs = bundle + header.bundle;
#ifdef ON_HOST
        uint8_t *copy = malloc(header.bundle);
        memcpy(copy, bundle, header.bundle);
        bundle = copy;
#endif
        const uint32_t differ = run_case(&header, bundle, inputs, memory);
#ifdef ON_HOST
        free(copy);
#endif
        if (differ == UINT32_MAX)
            put_number("case ", cases, " cannot run\n");
        else if (differ > 0)
            put_number("case ", cases, " differs\n");
        failed |= differ > 0;
        bytes += header.invocations * header.outputs;
        at = inputs + (((size_t)header.invocations * (header.inputs + header.outputs) + 15) & ~(size_t)15);
    }
    put_number("", cases, " cases, ");
    put_number("", bytes, " bytes\n");
    return failed;
}

#ifdef ON_HOST
int main(int argc, char **argv)
{
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        return 2;
    const size_t size = (size_t)ftell(file);
    uint8_t *cases = malloc(size);
    rewind(file);
    if (fread(cases, 1, size, file) != size)
        return 2;
    fclose(file);
    const workspace_memory memory = {NULL, 0};
    const int failed = run_cases(cases, cases + size, memory);
    free(cases);
    return failed;
}
#else
int main(int argc, char **argv)
{
    const board_resources *board = board_init(argc, argv);
    uint8_t *arena = (uint8_t *)(((uintptr_t)board->arena + ET_MODEL_ALIGN - 1) & ~(uintptr_t)(ET_MODEL_ALIGN - 1));
    const workspace_memory memory = {arena, board->arena_size - (size_t)(arena - board->arena)};
    return run_cases(cases_file, cases_file_end, memory);
}
#endif
