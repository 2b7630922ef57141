/* Registers of QEMU's generic RISC-V machine `virt`: SiFive's test finisher and CLINT, PLIC, UART 16550. */
#ifndef EDGETWIN_RISCV32_VIRT_H
#define EDGETWIN_RISCV32_VIRT_H

#include "../riscv/core.h"

#define FINISHER REGISTER(0x00100000u)
#define FINISHER_FAIL 0x3333u /* with a code in the upper half */
#define FINISHER_PASS 0x5555u
#define FINISHER_RESET 0x7777u

#define MTIMECMP_LOW REGISTER(0x02004000u)
#define MTIMECMP_HIGH REGISTER(0x02004004u)
#define MTIME_LOW REGISTER(0x0200BFF8u)
#define MTIME_HIGH REGISTER(0x0200BFFCu)
#define MTIME_HZ 10000000u

#define PLIC_PRIORITY(interrupt) REGISTER(0x0C000000u + 4u * (interrupt))
#define PLIC_ENABLE REGISTER(0x0C002000u) /* interrupts 0 to 31, for machine mode of hart 0 */
#define PLIC_THRESHOLD REGISTER(0x0C200000u)
#define PLIC_CLAIM REGISTER(0x0C200004u)

#define UART_BYTE(offset) (*(volatile uint8_t *)(0x10000000u + (offset)))
#define UART_DATA UART_BYTE(0u)
#define UART_IER UART_BYTE(1u)
#define UART_IER_RECEIVED (1u << 0)
#define UART_FCR UART_BYTE(2u)
#define UART_FCR_ENABLE_CLEAR 0x07u /* both FIFOs on and empty; an interrupt at each byte */
#define UART_LCR UART_BYTE(3u)
#define UART_LCR_8N1 0x03u
#define UART_LSR UART_BYTE(5u)
#define UART_LSR_RECEIVED (1u << 0)
#define UART_LSR_CAN_SEND (1u << 5)
#define UART_IRQ 10u

#endif
