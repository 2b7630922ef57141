/* Exit codes for the emulator's process. Linked into programs of tests and benchmarks only: a node restarts. */
#include "../virt.h"

#include "board.h"

void board_exit(int code)
{
    FINISHER = code == 0 ? FINISHER_PASS : (uint32_t)code << 16 | FINISHER_FAIL;
    for (;;) {
    }
}
