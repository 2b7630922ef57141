/* One producer (the UART's interrupt) and one consumer (the program) on one core: each owns one index, and an aligned
 * word is read and written whole, so no lock is needed. Indices run freely and wrap; the ring uses all its bytes. */
#include "receive.h"

#include "board.h"

#define MASK (BOARD_RECEIVE_BUFFER - 1u)

#if (BOARD_RECEIVE_BUFFER & (BOARD_RECEIVE_BUFFER - 1)) != 0
#error "the receive buffer must be a power of two"
#endif

static volatile uint8_t ring[BOARD_RECEIVE_BUFFER];
static volatile uint32_t written; /* the interrupt's */
static volatile uint32_t taken;   /* the program's */

void receive_byte(uint8_t byte)
{
    uint32_t index = written;
    if (index - taken == BOARD_RECEIVE_BUFFER)
        return;
    ring[index & MASK] = byte;
    written = index + 1u;
}

int receive_is_empty(void) { return written == taken; }

size_t board_read(uint8_t *bytes, size_t capacity)
{
    uint32_t index = taken;
    size_t size = written - index;
    if (size > capacity)
        size = capacity;
    for (size_t i = 0; i < size; ++i)
        bytes[i] = ring[(index + i) & MASK];
    taken = index + (uint32_t)size;
    return size;
}

int board_hung_up(void) { return 0; } /* a UART does not notice */
