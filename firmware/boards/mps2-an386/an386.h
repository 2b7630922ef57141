/* Registers of the Arm MPS2 with FPGA image AN386 (Arm DAI0386, CMSDK technical reference DDI0479, chapters 4.2, 4.3). */
#ifndef EDGETWIN_AN386_H
#define EDGETWIN_AN386_H

#include "../cortex_m/core.h"

#define CORE_HZ 25000000u

#define TIMER0_CTRL REGISTER(0x40000000u)
#define TIMER_CTRL_ENABLE (1u << 0)
#define TIMER0_VALUE REGISTER(0x40000004u) /* counts down */
#define TIMER0_RELOAD REGISTER(0x40000008u)

#define UART0_DATA REGISTER(0x40004000u)
#define UART0_STATE REGISTER(0x40004004u)
#define UART_STATE_TXFULL (1u << 0)
#define UART_STATE_RXFULL (1u << 1)
#define UART_STATE_OVERRUNS (3u << 2) /* cleared by writing 1 */
#define UART0_CTRL REGISTER(0x40004008u)
#define UART_CTRL_TXEN (1u << 0)
#define UART_CTRL_RXEN (1u << 1)
#define UART_CTRL_RXIRQEN (1u << 3)
#define UART0_INTCLEAR REGISTER(0x4000400Cu)
#define UART_INT_RX (1u << 1)
#define UART0_BAUDDIV REGISTER(0x40004010u)
#define UART0_RX_IRQ 0u

/* Watchdog (chapter 4.5 of DDI0479): counts CORE_HZ down */
#define WATCHDOG_LOAD REGISTER(0x40008000u)
#define WATCHDOG_CONTROL REGISTER(0x40008008u)
#define WATCHDOG_CONTROL_INTEN (1u << 0)
#define WATCHDOG_CONTROL_RESEN (1u << 1)
#define WATCHDOG_INTCLR REGISTER(0x4000800Cu)
#define WATCHDOG_LOCK REGISTER(0x40008C00u)
#define WATCHDOG_UNLOCK 0x1ACCE551u

#endif
