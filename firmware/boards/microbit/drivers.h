/* The parts that board.c puts together. */
#ifndef EDGETWIN_MICROBIT_DRIVERS_H
#define EDGETWIN_MICROBIT_DRIVERS_H

#include "board.h"

void uart_init(void);
void uart_handler(void);

et_slot flash_slot(unsigned slot);

#endif
