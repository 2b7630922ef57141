/* Netduino Plus 2: STM32F405RG, Cortex-M4F.
 *
 * RAM: 128 KB of SRAM at 0x20000000. The program takes the lower half; the upper half is
 *   on the real board   the arena's other 64 KB: the slots lie in flash, 128 KB each
 *   in QEMU             two slots of 32 KB, since the flash cannot be written
 * The flash controller tells them apart: QEMU does not model it, and its registers read 0. (QEMU 7.2 has 192 KB at that
 * address, later ones have the chip's 128 KB; nothing here lies above those.) */
#include "../bare_metal/jitter.h"
#include "../cortex_m/systick.h"
#include "drivers.h"
#include "stm32f405.h"

#define RAM_SLOT_COUNT 2u
#define RAM_SLOT_SIZE 0x8000u
#define RAM_SLOTS 0x20010000u /* where the RAM of board.toml ends */
#define SRAM_END 0x20020000u

#define RNG_LOOPS 10000u /* a word takes 40 cycles of 48 MHz */

extern uint8_t __arena_start[], __arena_end[];

static board_resources resources;
static uint8_t slots_in_flash;

static void tick_counter_start(void)
{
    RCC_APB1ENR |= RCC_APB1ENR_TIM2EN;
    (void)RCC_APB1ENR;
    TIM2_PSC = 0;
    TIM2_ARR = 0xFFFFFFFFu;
    TIM2_EGR = TIM2_EGR_UG; /* loads the prescaler */
    TIM2_CR1 = TIM2_CR1_CEN;
}

static uint8_t *ram_slot(unsigned slot) { return (uint8_t *)(RAM_SLOTS + slot * RAM_SLOT_SIZE); }

const board_resources *board_init(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    clocks running = clock_init();
    systick_start(running.core_hz);
    tick_counter_start();
    uart_init(running.apb2_hz);
    RCC_AHB2ENR |= RCC_AHB2ENR_RNGEN;
    RNG_CR = RNG_CR_RNGEN;

    slots_in_flash = flash_answers() != 0;
    uint8_t *arena_end = slots_in_flash ? (uint8_t *)SRAM_END : __arena_end;
    for (unsigned slot = 0; slot < (slots_in_flash ? ET_NODE_SLOTS : RAM_SLOT_COUNT); ++slot) {
        resources.slots[slot] = slots_in_flash ? flash_slot(slot) : (et_slot){ram_slot(slot), RAM_SLOT_SIZE};
    }
    resources.slot_memory = slots_in_flash ? "flash" : "ram";
    resources.arena = __arena_start;
    resources.arena_size = (size_t)(arena_end - __arena_start);
    return &resources;
}

/* An oscillator of its own clocks it: 32 kHz nominal, 17 to 47 kHz from chip to chip. With the reload value of reset
 * (4095) and the prescaler of 256 that is 33 s, at the fastest 22 s: far above an erase. */
void board_feed(void)
{
    static uint8_t runs;
    if (!runs) {
        runs = 1;
        IWDG_KR = IWDG_KR_START;
        IWDG_KR = IWDG_KR_UNLOCK;
        IWDG_PR = IWDG_PR_DIV256;
    }
    IWDG_KR = IWDG_KR_FEED;
}

/* 84 MHz on the real board; in QEMU nanoseconds, and with -icount shift=0 instructions. */
uint32_t board_ticks(void) { return TIM2_CNT; }

void board_entropy(uint8_t bytes[ET_NODE_NONCE])
{
    jitter_bytes(bytes, ET_NODE_NONCE);
    for (size_t i = 0; i < ET_NODE_NONCE; ++i) {
        for (uint32_t loops = 0; (RNG_SR & RNG_SR_DRDY) == 0; ++loops) {
            if (loops == RNG_LOOPS)
                return; /* QEMU has no generator */
        }
        if ((RNG_SR & RNG_SR_ERRORS) != 0)
            return;
        bytes[i] ^= (uint8_t)RNG_DR;
    }
}

et_status board_slot_erase(unsigned slot)
{
    if (slots_in_flash)
        return flash_slot_erase(slot);
    memset(ram_slot(slot), 0xFF, RAM_SLOT_SIZE);
    return ET_OK;
}

et_status board_slot_program(unsigned slot, size_t offset, const uint8_t *bytes, size_t size)
{
    if (slots_in_flash)
        return flash_slot_program(slot, offset, bytes, size);
    memcpy(ram_slot(slot) + offset, bytes, size);
    return ET_OK;
}
