/* Arm MPS2 with the AN386 image: Cortex-M4F, 4 MB of code SSRAM and 4 MB of data SSRAM. It has no flash: the slots lie in
 * the upper half of the code memory and outlive a restart, not a power cycle. */
#include "an386.h"

#include "../cortex_m/jitter.h"
#include "../cortex_m/receive.h"
#include "../cortex_m/systick.h"
#include "board.h"

#define BAUD 115200u
#define SLOTS 0x00200000u /* where the code memory of board.toml ends */
#define SLOT_SIZE 0x00100000u

#define WATCHDOG_SECONDS 30u

/* One byte takes 87 us, 2,170 cycles. A UART that never gets ready must not hang the node for good. */
#define TRANSMIT_LOOPS 10000000u

extern uint8_t __arena_start[], __arena_end[];

static board_resources resources;

static uint8_t *slot_bytes(unsigned slot) { return (uint8_t *)(SLOTS + slot * SLOT_SIZE); }

static void uart_init(void)
{
    UART0_BAUDDIV = CORE_HZ / BAUD;
    UART0_CTRL = UART_CTRL_TXEN | UART_CTRL_RXEN | UART_CTRL_RXIRQEN;
    (void)UART0_DATA; /* clears what is left over; QEMU looks for waiting bytes only after a first read */
    interrupt_enable(UART0_RX_IRQ);
}

static void uart0_receive_handler(void)
{
    UART0_INTCLEAR = UART_INT_RX;
    if ((UART0_STATE & UART_STATE_RXFULL) != 0)
        receive_byte((uint8_t)UART0_DATA);
    UART0_STATE = UART_STATE_OVERRUNS;
}

INTERRUPT_TABLE = {[UART0_RX_IRQ] = uart0_receive_handler};

const board_resources *board_init(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    TIMER0_RELOAD = 0xFFFFFFFFu;
    TIMER0_VALUE = 0xFFFFFFFFu;
    TIMER0_CTRL = TIMER_CTRL_ENABLE;
    systick_start(CORE_HZ);
    uart_init();
    for (unsigned slot = 0; slot < ET_NODE_SLOTS; ++slot)
        resources.slots[slot] = (et_slot){slot_bytes(slot), SLOT_SIZE};
    resources.slot_memory = "ram";
    resources.arena = __arena_start;
    resources.arena_size = (size_t)(__arena_end - __arena_start);
    return &resources;
}

void board_write(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; ++i) {
        for (uint32_t loops = 0; (UART0_STATE & UART_STATE_TXFULL) != 0 && loops < TRANSMIT_LOOPS; ++loops) {
        }
        UART0_DATA = bytes[i];
    }
}

/* When it runs out it raises NMI, which restarts the node (startup.c); the second time it resets the board. */
void board_feed(void)
{
    static uint8_t runs;
    if (!runs) {
        runs = 1;
        WATCHDOG_LOCK = WATCHDOG_UNLOCK;
        WATCHDOG_LOAD = WATCHDOG_SECONDS * CORE_HZ;
        WATCHDOG_CONTROL = WATCHDOG_CONTROL_INTEN | WATCHDOG_CONTROL_RESEN;
    }
    WATCHDOG_INTCLR = 1; /* any value: loads the counter again */
}

uint32_t board_ticks(void) { return 0u - TIMER0_VALUE; }

/* No generator on this board. */
void board_entropy(uint8_t bytes[ET_NODE_NONCE]) { jitter_bytes(bytes, ET_NODE_NONCE); }

et_status board_slot_erase(unsigned slot)
{
    memset(slot_bytes(slot), 0xFF, SLOT_SIZE);
    return ET_OK;
}

et_status board_slot_program(unsigned slot, size_t offset, const uint8_t *bytes, size_t size)
{
    memcpy(slot_bytes(slot) + offset, bytes, size);
    return ET_OK;
}
