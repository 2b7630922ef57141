/* USART1 (RM0090, chapter 30) on PB6 (TX) and PB7 (RX), the SCL and SDA pins of the header: the first serial port of
 * QEMU's model, and free of the USB pins that PA9 and PA10 are here. 8 data bits, no parity, 1 stop bit. */
#include "../bare_metal/receive.h"
#include "drivers.h"
#include "stm32f405.h"

#define BAUD 115200u

#define PIN_TX 6u
#define PIN_RX 7u
#define MODE_ALTERNATE 2u
#define PULL_UP 1u
#define AF7_USART1 7u

/* One byte takes 10 bits: 87 us, under 15,000 cycles at 168 MHz. A USART that never gets ready must not hang the node. */
#define TRANSMIT_LOOPS 100000u

void uart_init(uint32_t apb2_hz)
{
    RCC_AHB1ENR |= RCC_AHB1ENR_GPIOBEN;
    RCC_APB2ENR |= RCC_APB2ENR_USART1EN;
    (void)RCC_APB2ENR; /* the clock is on two cycles after the write (errata ES0182, 2.1.13) */

    GPIOB_PUPDR = (GPIOB_PUPDR & ~(3u << 2u * PIN_RX)) | PULL_UP << 2u * PIN_RX;
    GPIOB_AFRL = (GPIOB_AFRL & ~(0xFFu << 4u * PIN_TX)) | AF7_USART1 << 4u * PIN_TX | AF7_USART1 << 4u * PIN_RX;
    GPIOB_MODER =
        (GPIOB_MODER & ~(0xFu << 2u * PIN_TX)) | MODE_ALTERNATE << 2u * PIN_TX | MODE_ALTERNATE << 2u * PIN_RX;

    USART1_BRR = (apb2_hz + BAUD / 2u) / BAUD; /* oversampling by 16: the divider in sixteenths */
    USART1_CR1 = USART_CR1_UE | USART_CR1_TE | USART_CR1_RE | USART_CR1_RXNEIE;
    (void)USART1_DR; /* clears what is left over; QEMU looks for waiting bytes only after a first read */
    interrupt_enable(USART1_IRQ);
}

static void usart1_handler(void)
{
    /* Reading SR, then DR clears RXNE and an overrun alike. */
    if ((USART1_SR & (USART_SR_RXNE | USART_SR_ORE)) != 0)
        receive_byte((uint8_t)USART1_DR);
}

INTERRUPT_TABLE = {[USART1_IRQ] = usart1_handler};

void board_write(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; ++i) {
        for (uint32_t loops = 0; (USART1_SR & USART_SR_TXE) == 0 && loops < TRANSMIT_LOOPS; ++loops) {
        }
        USART1_DR = bytes[i];
    }
}
