#include "../bare_metal/receive.h"
#include "board.h"

void board_idle(void)
{
    /* With interrupts masked, a byte that arrives after the check still ends WFI (Armv7-M ARM, B1.5.19), so none waits
     * for the next millisecond. */
    __asm volatile("cpsid i" ::: "memory");
    if (receive_is_empty())
        __asm volatile("dsb\n\twfi" ::: "memory");
    __asm volatile("cpsie i" ::: "memory");
}
