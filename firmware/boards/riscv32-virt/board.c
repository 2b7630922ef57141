/* QEMU's generic RISC-V machine with one rv32imac hart: no FPU, no vectors. Of its RAM 4 MB stand in for flash, 4 MB are
 * the program's, and the slots of 4 MB lie above those; they outlive a restart. It has no watchdog. */
#include "virt.h"

#include "../bare_metal/jitter.h"
#include "../bare_metal/receive.h"
#include "board.h"

#define SLOTS 0x80800000u /* where the RAM of board.toml ends */
#define SLOT_SIZE 0x00400000u

extern uint8_t __arena_start[], __arena_end[];

static board_resources resources;
static volatile uint32_t milliseconds;

static uint8_t *slot_bytes(unsigned slot) { return (uint8_t *)(SLOTS + slot * SLOT_SIZE); }

/* One millisecond behind the last one. The high half is out of reach while the low half changes, so that no value in
 * between lies in the past (privileged architecture, 3.2.1). */
static void timer_advance(void)
{
    const uint64_t next = ((uint64_t)MTIMECMP_HIGH << 32 | MTIMECMP_LOW) + MTIME_HZ / 1000u;
    MTIMECMP_HIGH = 0xFFFFFFFFu;
    MTIMECMP_LOW = (uint32_t)next;
    MTIMECMP_HIGH = (uint32_t)(next >> 32);
}

void timer_handler(void)
{
    timer_advance();
    milliseconds = milliseconds + 1u;
}

void external_handler(void)
{
    const uint32_t interrupt = PLIC_CLAIM;
    while ((UART_LSR & UART_LSR_RECEIVED) != 0)
        receive_byte(UART_DATA);
    PLIC_CLAIM = interrupt;
}

static void timer_start(void)
{
    MTIMECMP_HIGH = 0xFFFFFFFFu;
    MTIMECMP_LOW = MTIME_LOW;
    MTIMECMP_HIGH = MTIME_HIGH;
    timer_advance();
}

static void uart_init(void)
{
    UART_LCR = UART_LCR_8N1;
    UART_FCR = UART_FCR_ENABLE_CLEAR;
    UART_IER = UART_IER_RECEIVED;
    PLIC_PRIORITY(UART_IRQ) = 1;
    PLIC_THRESHOLD = 0;
    PLIC_ENABLE = 1u << UART_IRQ;
}

const board_resources *board_init(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    timer_start();
    uart_init();
    csr_write(mie, MIE_MTIE | MIE_MEIE);
    csr_set(mstatus, MSTATUS_MIE);
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
        while ((UART_LSR & UART_LSR_CAN_SEND) == 0) {
        }
        UART_DATA = bytes[i];
    }
}

void board_idle(void)
{
    /* With interrupts masked, a byte that arrives after the check still ends WFI (privileged architecture, 3.3.3). */
    csr_clear(mstatus, MSTATUS_MIE);
    if (receive_is_empty())
        __asm volatile("wfi" ::: "memory");
    csr_set(mstatus, MSTATUS_MIE);
}

void board_feed(void) {}

uint32_t board_clock_ms(void) { return milliseconds; }

uint32_t board_ticks(void) { return csr_read(minstret); }

/* No generator on this machine. */
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

/* Overridden by program/exit.c in programs that report to the emulator. */
__attribute__((weak)) void board_exit(int code)
{
    (void)code;
    FINISHER = FINISHER_RESET;
    for (;;) {
    }
}
