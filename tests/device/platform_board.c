/* The test program on a board: output by its link, memory from its arena, the result as the emulator's exit code. */
#include "board.h"
#include "runner.h"

static struct {
    uint8_t *next;
    size_t left;
} arena;

void test_puts(const char *text) { board_puts(text); }

void *platform_take(size_t size)
{
    const size_t step = (size + 15) & ~(size_t)15;
    if (step > arena.left)
        return NULL;
    void *block = arena.next;
    arena.next += step;
    arena.left -= step;
    return block;
}

/* Blocks come back in the reverse order. */
void platform_give(void *block)
{
    arena.left += (size_t)(arena.next - (uint8_t *)block);
    arena.next = block;
}

int main(int argc, char **argv)
{
    const board_resources *board = board_init(argc, argv);
    const size_t skip = (16 - (uintptr_t)board->arena % 16) % 16;
    arena.next = board->arena + skip;
    arena.left = board->arena_size - skip;
    board_exit(test_main());
}
