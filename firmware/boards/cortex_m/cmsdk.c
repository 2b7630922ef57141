#include "cmsdk.h"

#include "../bare_metal/receive.h"
#include "board.h"
#include "core.h"

#define BAUD 115200u

/* One byte takes 87 us, some 2,500 cycles. A UART that never gets ready must not hang the node for good. */
#define TRANSMIT_LOOPS 10000000u

/* UART (chapter 4.3) */
#define UART_DATA(base) REGISTER((base) + 0x00u)
#define UART_STATE(base) REGISTER((base) + 0x04u)
#define UART_STATE_TXFULL (1u << 0)
#define UART_STATE_RXFULL (1u << 1)
#define UART_STATE_OVERRUNS (3u << 2) /* cleared by writing 1 */
#define UART_CTRL(base) REGISTER((base) + 0x08u)
#define UART_CTRL_TXEN (1u << 0)
#define UART_CTRL_RXEN (1u << 1)
#define UART_CTRL_RXIRQEN (1u << 3)
#define UART_INTCLEAR(base) REGISTER((base) + 0x0Cu)
#define UART_INT_RX (1u << 1)
#define UART_BAUDDIV(base) REGISTER((base) + 0x10u)

/* Watchdog (chapter 4.5) */
#define WATCHDOG_LOAD(base) REGISTER((base) + 0x000u)
#define WATCHDOG_CONTROL(base) REGISTER((base) + 0x008u)
#define WATCHDOG_CONTROL_INTEN (1u << 0)
#define WATCHDOG_CONTROL_RESEN (1u << 1)
#define WATCHDOG_INTCLR(base) REGISTER((base) + 0x00Cu)
#define WATCHDOG_LOCK(base) REGISTER((base) + 0xC00u)
#define WATCHDOG_UNLOCK 0x1ACCE551u

static uint32_t uart;

void cmsdk_uart_init(uint32_t base, uint32_t clock_hz, unsigned interrupt)
{
    uart = base;
    UART_BAUDDIV(uart) = clock_hz / BAUD;
    UART_CTRL(uart) = UART_CTRL_TXEN | UART_CTRL_RXEN | UART_CTRL_RXIRQEN;
    (void)UART_DATA(uart); /* clears what is left over; QEMU looks for waiting bytes only after a first read */
    interrupt_enable(interrupt);
}

void cmsdk_uart_handler(void)
{
    UART_INTCLEAR(uart) = UART_INT_RX;
    if ((UART_STATE(uart) & UART_STATE_RXFULL) != 0)
        receive_byte((uint8_t)UART_DATA(uart));
    UART_STATE(uart) = UART_STATE_OVERRUNS;
}

void board_write(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; ++i) {
        for (uint32_t loops = 0; (UART_STATE(uart) & UART_STATE_TXFULL) != 0 && loops < TRANSMIT_LOOPS; ++loops) {
        }
        UART_DATA(uart) = bytes[i];
    }
}

void cmsdk_watchdog_feed(uint32_t base, uint32_t ticks)
{
    static uint8_t runs;
    if (!runs) {
        runs = 1;
        WATCHDOG_LOCK(base) = WATCHDOG_UNLOCK;
        WATCHDOG_LOAD(base) = ticks;
        WATCHDOG_CONTROL(base) = WATCHDOG_CONTROL_INTEN | WATCHDOG_CONTROL_RESEN;
    }
    WATCHDOG_INTCLR(base) = 1; /* any value: loads the counter again */
}
