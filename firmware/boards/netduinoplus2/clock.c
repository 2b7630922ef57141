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

static int wait_until(volatile uint32_t *reg, uint32_t mask, uint32_t value) {
    for (uint32_t loops = 0; loops < WAIT_LOOPS; loops++) {
        if ((*reg & mask) == value) return 1;
    }
    return 0;
}

/* A boot loader (DFU) may have left the PLL running, and it may be changed only while it is off. */
static void back_to_hsi(void) {
    RCC_CR |= RCC_CR_HSION;
    (void)wait_until(&RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY);
    RCC_CFGR &= ~RCC_CFGR_SW_MASK;
    (void)wait_until(&RCC_CFGR, RCC_CFGR_SWS_MASK, 0);
    RCC_CFGR = 0;
    RCC_CR &= ~RCC_CR_PLLON;
    (void)wait_until(&RCC_CR, RCC_CR_PLLRDY, 0);
}

clocks clock_init(void) {
    /* HSI is on after every reset, so a zero means that there is no clock controller: QEMU 7.2, whose core runs at the
     * real board's full speed whatever is set here. Its USART has no baud rate. */
    if (RCC_CR == 0) return (clocks){.core_hz = PLL_HZ, .apb2_hz = PLL_HZ / 2u};

    back_to_hsi();
    RCC_CR |= RCC_CR_HSEON;
    if (!wait_until(&RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY)) return (clocks){.core_hz = HSI_HZ, .apb2_hz = HSI_HZ};

    RCC_PLLCFGR = PLL_M | PLL_N << 6 | PLL_P_DIV2 << 16 | RCC_PLLCFGR_SRC_HSE | PLL_Q << 24;
    RCC_CR |= RCC_CR_PLLON;
    if (!wait_until(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY)) return (clocks){.core_hz = HSI_HZ, .apb2_hz = HSI_HZ};

    FLASH_ACR = FLASH_ACR_LATENCY_5WS | FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN; /* 168 MHz at 3.3 V: table 10 */
    RCC_CFGR = RCC_CFGR_PPRE1_DIV4 | RCC_CFGR_PPRE2_DIV2;
    RCC_CFGR |= RCC_CFGR_SW_PLL;
    if (!wait_until(&RCC_CFGR, RCC_CFGR_SWS_MASK, RCC_CFGR_SWS_PLL)) {
        return (clocks){.core_hz = HSI_HZ, .apb2_hz = HSI_HZ / 2u};
    }
    return (clocks){.core_hz = PLL_HZ, .apb2_hz = PLL_HZ / 2u};
}
