#include "jitter.h"

#include "board.h"

__attribute__((section(".noinit"))) static uint32_t boots; /* and calls: never starts over while powered */

void jitter_bytes(uint8_t *bytes, size_t size)
{
    uint32_t state = ++boots ^ (board_clock_ms() << 16);
    for (size_t i = 0; i < size; ++i) {
        state = (state ^ board_ticks()) * 2654435761u; /* Knuth's multiplicative hash spreads the low bits upward */
        bytes[i] = (uint8_t)(state >> 24);
        state += boots;
    }
}
