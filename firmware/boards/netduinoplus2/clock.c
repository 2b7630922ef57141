/* The clock tree (RM0090, chapters 3.5.1 and 7.2): HSE 25 MHz crystal / 25 x 336 / 2 = 168 MHz, APB1 42 MHz, APB2 84 MHz,
 * and 48 MHz for the random number generator. */
#include "drivers.h"
#include "stm32f405.h"

#define PLL_M 25u
#define PLL_N 336u
#define PLL_P_DIV2 0u
#define PLL_Q 7u

#define HSI_HZ 16000000u
#define PLL_HZ 168000000u

#define WAIT_LOOPS 400000u /* above 100 ms at 16 MHz; a crystal needs 2 ms */
#define HSI_LOOPS 10000u   /* above 2 ms at 16 MHz; HSI needs 4 us, and runs after every reset */

static int wait_until(volatile uint32_t *reg, uint32_t mask, uint32_t value, uint32_t most_loops)
{
    for (uint32_t loops = 0; loops < most_loops; ++loops) {
        if ((*reg & mask) == value)
            return 1;
    }
    return 0;
}

/* A boot loader (DFU) may have left the PLL running, and it may be changed only while it is off. */
static int back_to_hsi(void)
{
    RCC_CR |= RCC_CR_HSION;
    if (!wait_until(&RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY, HSI_LOOPS))
        return 0;
    RCC_CFGR &= ~RCC_CFGR_SW_MASK;
    if (!wait_until(&RCC_CFGR, RCC_CFGR_SWS_MASK, 0, HSI_LOOPS))
        return 0;
    RCC_CFGR = 0;
    RCC_CR &= ~RCC_CR_PLLON;
    return wait_until(&RCC_CR, RCC_CR_PLLRDY, 0, HSI_LOOPS);
}

static int up_to_pll(void)
{
    RCC_CR |= RCC_CR_HSEON;
    if (!wait_until(&RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY, WAIT_LOOPS))
        return 0;
    RCC_PLLCFGR = PLL_M | PLL_N << 6 | PLL_P_DIV2 << 16 | RCC_PLLCFGR_SRC_HSE | PLL_Q << 24;
    RCC_CR |= RCC_CR_PLLON;
    if (!wait_until(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY, WAIT_LOOPS))
        return 0;
    FLASH_ACR =
        FLASH_ACR_LATENCY_5WS | FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN; /* 168 MHz at 3.3 V: table 10 */
    RCC_CFGR = RCC_CFGR_PPRE1_DIV4 | RCC_CFGR_PPRE2_DIV2;
    RCC_CFGR |= RCC_CFGR_SW_PLL;
    if (wait_until(&RCC_CFGR, RCC_CFGR_SWS_MASK, RCC_CFGR_SWS_PLL, WAIT_LOOPS))
        return 1;
    RCC_CFGR = 0;
    return 0;
}

clocks clock_init(void)
{
    if (back_to_hsi() && up_to_pll())
        return (clocks){.core_hz = PLL_HZ, .apb2_hz = PLL_HZ / 2u};
    /* Without its crystal the chip stays on HSI. An emulator that models this controller in part or not at all runs the
     * core at full speed whatever is set here, and its USART has no baud rate; no emulator has the flash controller. */
    if (flash_answers())
        return (clocks){.core_hz = HSI_HZ, .apb2_hz = HSI_HZ};
    return (clocks){.core_hz = PLL_HZ, .apb2_hz = PLL_HZ / 2u};
}
