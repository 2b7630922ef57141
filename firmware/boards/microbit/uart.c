/* The UART towards the board's USB interface chip, at 115200 baud. */
#include "../bare_metal/receive.h"
#include "drivers.h"
#include "nrf51.h"

#define PIN_TXD 24u /* TGT_TX and TGT_RX of the micro:bit 1.5 schematic */
#define PIN_RXD 25u

/* One byte takes 87 us, 1,390 cycles. A UART that never gets ready must not hang the node for good. */
#define TRANSMIT_LOOPS 1000000u

void uart_init(void)
{
    GPIO_OUTSET = 1u << PIN_TXD; /* the line idles high before the UART takes the pin */
    GPIO_DIRSET = 1u << PIN_TXD;
    GPIO_PIN_CNF(PIN_RXD) = GPIO_PIN_CNF_INPUT;
    UART_PSELTXD = PIN_TXD;
    UART_PSELRXD = PIN_RXD;
    UART_BAUDRATE = UART_BAUDRATE_115200;
    UART_ENABLE = UART_ENABLE_ENABLED;
    UART_INTENSET = UART_INTEN_RXDRDY;
    UART_TASKS_STARTTX = 1;
    UART_TASKS_STARTRX = 1;
    interrupt_enable(UART_IRQ);
}

void uart_handler(void)
{
    /* The event first: a byte that arrives between the two lines raises it again. */
    while (UART_EVENTS_RXDRDY != 0) {
        UART_EVENTS_RXDRDY = 0;
        receive_byte((uint8_t)UART_RXD);
    }
}

void board_write(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; ++i) {
        UART_EVENTS_TXDRDY = 0;
        UART_TXD = bytes[i];
        for (uint32_t loops = 0; UART_EVENTS_TXDRDY == 0 && loops < TRANSMIT_LOOPS; ++loops) {
        }
    }
}
