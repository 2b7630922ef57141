/* Bytes from a UART interrupt to the program: a ring of BOARD_RECEIVE_BUFFER bytes. */
#ifndef EDGETWIN_BARE_METAL_RECEIVE_H
#define EDGETWIN_BARE_METAL_RECEIVE_H

#include <stdint.h>

/* Called by the interrupt. A byte that finds the ring full is dropped: the host sent more than the credit allows, and the
 * CRC of its frame will say so. */
void receive_byte(uint8_t byte);

int receive_is_empty(void);

#endif
