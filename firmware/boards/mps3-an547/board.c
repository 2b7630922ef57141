/* Arm MPS3 with the AN547 image (Arm DAI0547): Cortex-M55 in the SSE-300 subsystem (Arm 101773), 2 MB of FPGA SRAM, 4 MB of
 * internal SRAM and 2 GB of DDR4. The program stays in the secure state, in which the core starts. The slots lie in the
 * DDR and outlive a restart, not a power cycle. */
#include "../bare_metal/jitter.h"
#include "../cortex_m/cmsdk.h"
#include "../cortex_m/core.h"
#include "../cortex_m/systick.h"
#include "board.h"

#define CORE_HZ 32000000u

#define SLOTS 0x60000000u
#define SLOT_SIZE 0x00400000u

/* System counter: 64 bits at CORE_HZ; it is stopped after a reset. */
#define COUNTER_CNTCR REGISTER(0x58100000u)
#define COUNTER_CNTCR_EN (1u << 0)
#define COUNTER_CNTCV_LOW REGISTER(0x58101000u)

#define UART0 0x59303000u
#define UART0_IRQ 43u /* all of the UART's interrupts in one */

#define WATCHDOG 0x5802E000u /* clocked by the slow oscillator */
#define WATCHDOG_HZ 32768u
#define WATCHDOG_SECONDS 30u

extern uint8_t __arena_start[], __arena_end[];

static board_resources resources;

static uint8_t *slot_bytes(unsigned slot) { return (uint8_t *)(SLOTS + slot * SLOT_SIZE); }

INTERRUPT_TABLE = {[UART0_IRQ] = cmsdk_uart_handler};

const board_resources *board_init(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    COUNTER_CNTCR |= COUNTER_CNTCR_EN;
    systick_start(CORE_HZ);
    cmsdk_uart_init(UART0, CORE_HZ, UART0_IRQ);
    for (unsigned slot = 0; slot < ET_NODE_SLOTS; ++slot)
        resources.slots[slot] = (et_slot){slot_bytes(slot), SLOT_SIZE};
    resources.slot_memory = "ram";
    resources.arena = __arena_start;
    resources.arena_size = (size_t)(__arena_end - __arena_start);
    return &resources;
}

void board_feed(void) { cmsdk_watchdog_feed(WATCHDOG, WATCHDOG_SECONDS * WATCHDOG_HZ); }

uint32_t board_ticks(void) { return COUNTER_CNTCV_LOW; }

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
