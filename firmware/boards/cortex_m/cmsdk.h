/* Peripherals of Arm's Cortex-M System Design Kit (technical reference DDI0479), which the MPS boards are built with. */
#ifndef EDGETWIN_CORTEX_M_CMSDK_H
#define EDGETWIN_CORTEX_M_CMSDK_H

#include <stdint.h>

/* Starts the UART at address `base`, at 115200 baud; it serves board_write. `clock_hz` is its clock and `interrupt` the
 * number of the one that it raises when a byte arrives: the board's table names cmsdk_uart_handler there. */
void cmsdk_uart_init(uint32_t base, uint32_t clock_hz, unsigned interrupt);
void cmsdk_uart_handler(void);

/* Feeds the watchdog at address `base`; the first call starts it. When it has counted `ticks` down it raises NMI, which
 * restarts the node (startup.c); the second time it resets the board. */
void cmsdk_watchdog_feed(uint32_t base, uint32_t ticks);

#endif
