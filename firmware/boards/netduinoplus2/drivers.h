/* The parts that board.c puts together. */
#ifndef EDGETWIN_NETDUINOPLUS2_DRIVERS_H
#define EDGETWIN_NETDUINOPLUS2_DRIVERS_H

#include "board.h"

typedef struct clocks {
    uint32_t core_hz; /* SYSCLK = HCLK */
    uint32_t apb2_hz; /* PCLK2, which USART1 runs on */
} clocks;

/* Brings the core to 168 MHz and returns what runs in the end. Every wait in it ends. */
clocks clock_init(void);

void uart_init(uint32_t apb2_hz);

/* Nonzero if the flash controller is there and locked; leaves it locked. */
int flash_answers(void);
et_slot flash_slot(unsigned slot);
et_status flash_slot_erase(unsigned slot);
et_status flash_slot_program(unsigned slot, size_t offset, const uint8_t *bytes, size_t size);

#endif
