/* BBC micro:bit 1: nRF51822, Cortex-M0 without FPU and without SysTick, 256 KB flash, 16 KB RAM. */
#include "../bare_metal/jitter.h"
#include "drivers.h"
#include "nrf51.h"

#define WAIT_LOOPS 1000000u /* above 100 ms at 16 MHz; the crystal takes 1 ms, a random byte 0.2 ms */
#define WATCHDOG_SECONDS 30u

extern uint8_t __arena_start[], __arena_end[];

static board_resources resources;
static volatile uint32_t milliseconds;

/* The crystal: the internal oscillator is off by up to 5 %, too much for a UART. */
static void crystal_start(void)
{
    CLOCK_EVENTS_HFCLKSTARTED = 0;
    CLOCK_TASKS_HFCLKSTART = 1;
    for (uint32_t loops = 0; CLOCK_EVENTS_HFCLKSTARTED == 0 && loops < WAIT_LOOPS; ++loops) {
    }
}

/* TIMER0 counts 16 MHz; TIMER1 counts microseconds and starts over at each millisecond. */
static void timers_start(void)
{
    TIMER_BITMODE(TIMER0) = TIMER_BITMODE_32;
    TIMER_PRESCALER(TIMER0) = 0;
    TIMER_TASKS_START(TIMER0) = 1;

    TIMER_BITMODE(TIMER1) = TIMER_BITMODE_16;
    TIMER_PRESCALER(TIMER1) = 4;
    TIMER_CC0(TIMER1) = 1000;
    TIMER_SHORTS(TIMER1) = TIMER_SHORTS_COMPARE0_CLEAR;
    TIMER_INTENSET(TIMER1) = TIMER_INTEN_COMPARE0;
    interrupt_enable(TIMER1_IRQ);
    TIMER_TASKS_START(TIMER1) = 1;
}

static void timer1_handler(void)
{
    TIMER_EVENTS_COMPARE0(TIMER1) = 0;
    milliseconds = milliseconds + 1u;
}

INTERRUPT_TABLE = {[UART_IRQ] = uart_handler, [TIMER1_IRQ] = timer1_handler};

const board_resources *board_init(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    crystal_start();
    timers_start();
    uart_init();
    for (unsigned slot = 0; slot < ET_NODE_SLOTS; ++slot)
        resources.slots[slot] = flash_slot(slot);
    resources.slot_memory = "flash";
    resources.arena = __arena_start;
    resources.arena_size = (size_t)(__arena_end - __arena_start);
    return &resources;
}

/* While it runs, its settings are locked and START does nothing; a reset by software does not stop it. */
void board_feed(void)
{
    static uint8_t runs;
    if (!runs) {
        runs = 1;
        WDT_CRV = WATCHDOG_SECONDS * WDT_HZ - 1u;
        WDT_CONFIG = WDT_CONFIG_SLEEP_RUN; /* and not while a debugger halts the core */
        WDT_TASKS_START = 1;
    }
    WDT_RR0 = WDT_RR_RELOAD;
}

uint32_t board_clock_ms(void) { return milliseconds; }

uint32_t board_ticks(void)
{
    TIMER_TASKS_CAPTURE0(TIMER0) = 1;
    return TIMER_CC0(TIMER0);
}

void board_entropy(uint8_t bytes[ET_NODE_NONCE])
{
    jitter_bytes(bytes, ET_NODE_NONCE);
    RNG_CONFIG = 0; /* no bias correction: four times as fast, and the node hashes the bytes */
    RNG_EVENTS_VALRDY = 0;
    RNG_TASKS_START = 1;
    for (size_t i = 0; i < ET_NODE_NONCE; ++i) {
        for (uint32_t loops = 0; RNG_EVENTS_VALRDY == 0 && loops < WAIT_LOOPS; ++loops) {
        }
        RNG_EVENTS_VALRDY = 0;
        bytes[i] ^= (uint8_t)RNG_VALUE;
    }
    RNG_TASKS_STOP = 1;
}
