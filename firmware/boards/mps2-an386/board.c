/* Arm MPS2 with the AN386 image (Arm DAI0386): Cortex-M4F, 4 MB of code SSRAM and 4 MB of data SSRAM. It has no flash: the
 * slots lie in the upper half of the code memory and outlive a restart, not a power cycle. */
#include "../bare_metal/jitter.h"
#include "../cortex_m/cmsdk.h"
#include "../cortex_m/core.h"
#include "../cortex_m/systick.h"
#include "board.h"

#define CORE_HZ 25000000u

#define SLOTS 0x00200000u /* where the code memory of board.toml ends */
#define SLOT_SIZE 0x000A0000u

#define TIMER0_CTRL REGISTER(0x40000000u)
#define TIMER_CTRL_ENABLE (1u << 0)
#define TIMER0_VALUE REGISTER(0x40000004u) /* counts down */
#define TIMER0_RELOAD REGISTER(0x40000008u)

#define UART0 0x40004000u
#define UART0_RX_IRQ 0u

#define WATCHDOG 0x40008000u
#define WATCHDOG_SECONDS 30u

extern uint8_t __arena_start[], __arena_end[];

static board_resources resources;

static uint8_t *slot_bytes(unsigned slot) { return (uint8_t *)(SLOTS + slot * SLOT_SIZE); }

INTERRUPT_TABLE = {[UART0_RX_IRQ] = cmsdk_uart_handler};

const board_resources *board_init(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    TIMER0_RELOAD = 0xFFFFFFFFu;
    TIMER0_VALUE = 0xFFFFFFFFu;
    TIMER0_CTRL = TIMER_CTRL_ENABLE;
    systick_start(CORE_HZ);
    cmsdk_uart_init(UART0, CORE_HZ, UART0_RX_IRQ);
    for (unsigned slot = 0; slot < ET_NODE_SLOTS; ++slot)
        resources.slots[slot] = (et_slot){slot_bytes(slot), SLOT_SIZE};
    resources.slot_memory = "ram";
    resources.arena = __arena_start;
    resources.arena_size = (size_t)(__arena_end - __arena_start);
    return &resources;
}

void board_feed(void) { cmsdk_watchdog_feed(WATCHDOG, WATCHDOG_SECONDS * CORE_HZ); }

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
