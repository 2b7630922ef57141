/* Counts the work of a model on a board. MODEL_FILE is its bundle, INPUT_FILE what its inputs get, one after the other,
 * MODEL_KERNELS the kernels that it needs, each with a comma. Prints a line a figure: ticks of an invocation (the counter's own cost taken off), of each layer, bytes of
 * stack below the invocation, and the CRC-32 of each output. */
#include "board.h"
#include "kernels/kernels.h"

#define STACK_LOOKED_AT 1024u
#define PAINT 0xA5u

#define INCLUDE_FILE(name, file)                                                                                       \
    __asm__(".section .rodata\n.balign 16\n.global " #name "\n" #name ":\n.incbin \"" file "\"\n"                        \
            ".global " #name "_end\n" #name "_end:\n.previous\n");                                                     \
    extern const uint8_t name[], name##_end[]

INCLUDE_FILE(model_file, MODEL_FILE);
INCLUDE_FILE(input_file, INPUT_FILE);

static const et_kernel *const kernels[] = {MODEL_KERNELS NULL};
static et_model model;
static uint8_t *workspace;

static void put_number(uint32_t value)
{
    char text[11];
    char *at = text + sizeof text - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    board_puts(at);
}

static void put_line(const char *name, uint32_t value)
{
    board_puts(name);
    board_puts(" ");
    put_number(value);
    board_puts("\n");
}

static void set_inputs(void)
{
    const uint8_t *input = input_file;
    for (unsigned i = 0; i < model.inputs; ++i) {
        memcpy(et_model_input(&model, workspace, i), input, model.tensors[i].size);
        input += model.tensors[i].size;
    }
}

static uint32_t idle_ticks(void)
{
    const uint32_t start = board_ticks();
    return board_ticks() - start;
}

static __attribute__((noinline)) void invoke(void) { (void)et_model_invoke(&model, workspace, model.workspace_size); }

/* Below this function's frame nothing lives: it is painted, and what an invocation leaves painted was not used. */
static __attribute__((noinline)) uint32_t measure_stack(void)
{
    volatile uint8_t *const frame = (volatile uint8_t *)((uintptr_t)__builtin_frame_address(0) - 128u);
    for (uint32_t i = 1; i <= STACK_LOOKED_AT; ++i)
        frame[0u - i] = PAINT;
    invoke();
    uint32_t used = STACK_LOOKED_AT;
    while (used > 0 && frame[0u - used] == PAINT)
        --used;
    return used + 128u;
}

int main(int argc, char **argv)
{
    const board_resources *board = board_init(argc, argv);
    const et_status status = et_model_open(model_file, (size_t)(model_file_end - model_file), kernels, &model);
    if (status != ET_OK)
        board_exit((int)status);
    workspace = (uint8_t *)(((uintptr_t)board->arena + 15u) & ~(uintptr_t)15u);
    if (et_model_reset(&model, workspace, board->arena_size - (size_t)(workspace - board->arena)) != ET_OK) {
        put_line("arena", (uint32_t)board->arena_size);
        board_exit((int)ET_ERR_WORKSPACE);
    }
    const uint32_t idle = idle_ticks();
    set_inputs();
    uint32_t start = board_ticks();
    invoke();
    put_line("ticks", board_ticks() - start - idle);
    for (unsigned i = 0; i < model.outputs; ++i)
        put_line("output", et_crc32(0, et_model_output(&model, workspace, i), model.tensors[model.inputs + i].size));
    (void)et_model_reset(&model, workspace, model.workspace_size);
    set_inputs();
    const uint32_t *record = model.records;
    for (unsigned layer = 0; layer < model.layers; ++layer) {
        start = board_ticks();
        et_model_step(&model, workspace, &record);
        put_line("layer", board_ticks() - start - idle);
    }
    set_inputs();
    put_line("stack", measure_stack());
    board_exit(0);
}
