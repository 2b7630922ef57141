/* Milliseconds from SysTick. */
#ifndef EDGETWIN_CORTEX_M_SYSTICK_H
#define EDGETWIN_CORTEX_M_SYSTICK_H

#include <stdint.h>

/* Starts the millisecond interrupt, which also wakes the core from board_idle. */
void systick_start(uint32_t core_hz);

#endif
