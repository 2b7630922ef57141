/* Registers of the STM32F405 that the drivers use (ST RM0090 rev 19; chapters named at each block). */
#ifndef EDGETWIN_STM32F405_H
#define EDGETWIN_STM32F405_H

#include "../cortex_m/core.h"

/* Embedded flash, chapter 3.9 */
#define FLASH_ACR REGISTER(0x40023C00u)
#define FLASH_ACR_LATENCY_5WS (5u << 0)
#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_ICEN (1u << 9)
#define FLASH_ACR_DCEN (1u << 10)
#define FLASH_ACR_DCRST (1u << 12)
#define FLASH_KEYR REGISTER(0x40023C04u)
#define FLASH_KEY1 0x45670123u
#define FLASH_KEY2 0xCDEF89ABu
#define FLASH_SR REGISTER(0x40023C0Cu)
#define FLASH_SR_ERRORS 0xF2u /* OPERR, WRPERR, PGAERR, PGPERR, PGSERR; cleared by writing 1 */
#define FLASH_SR_BSY (1u << 16)
#define FLASH_CR REGISTER(0x40023C10u)
#define FLASH_CR_PG (1u << 0)
#define FLASH_CR_SER (1u << 1)
#define FLASH_CR_SNB(sector) ((uint32_t)(sector) << 3)
#define FLASH_CR_PSIZE_X32 (2u << 8)
#define FLASH_CR_STRT (1u << 16)
#define FLASH_CR_LOCK (1u << 31)

/* Reset and clock control, chapter 7.3 */
#define RCC_CR REGISTER(0x40023800u)
#define RCC_CR_HSION (1u << 0)
#define RCC_CR_HSIRDY (1u << 1)
#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_PLLCFGR REGISTER(0x40023804u)
#define RCC_PLLCFGR_SRC_HSE (1u << 22)
#define RCC_CFGR REGISTER(0x40023808u)
#define RCC_CFGR_SW_MASK (3u << 0)
#define RCC_CFGR_SW_PLL (2u << 0)
#define RCC_CFGR_SWS_MASK (3u << 2)
#define RCC_CFGR_SWS_PLL (2u << 2)
#define RCC_CFGR_PPRE1_DIV4 (5u << 10)
#define RCC_CFGR_PPRE2_DIV2 (4u << 13)
#define RCC_AHB1ENR REGISTER(0x40023830u)
#define RCC_AHB1ENR_GPIOBEN (1u << 1)
#define RCC_AHB2ENR REGISTER(0x40023834u)
#define RCC_AHB2ENR_RNGEN (1u << 6)
#define RCC_APB1ENR REGISTER(0x40023840u)
#define RCC_APB1ENR_TIM2EN (1u << 0)
#define RCC_APB2ENR REGISTER(0x40023844u)
#define RCC_APB2ENR_USART1EN (1u << 4)

/* GPIO port B, chapter 8.4 */
#define GPIOB_MODER REGISTER(0x40020400u)
#define GPIOB_PUPDR REGISTER(0x4002040Cu)
#define GPIOB_AFRL REGISTER(0x40020420u)

/* TIM2, 32 bits, chapter 18.4 */
#define TIM2_CR1 REGISTER(0x40000000u)
#define TIM2_CR1_CEN (1u << 0)
#define TIM2_EGR REGISTER(0x40000014u)
#define TIM2_EGR_UG (1u << 0)
#define TIM2_CNT REGISTER(0x40000024u)
#define TIM2_PSC REGISTER(0x40000028u)
#define TIM2_ARR REGISTER(0x4000002Cu)

/* USART1, chapter 30.6 */
#define USART1_SR REGISTER(0x40011000u)
#define USART_SR_ORE (1u << 3)
#define USART_SR_RXNE (1u << 5)
#define USART_SR_TC (1u << 6)
#define USART_SR_TXE (1u << 7)
#define USART1_DR REGISTER(0x40011004u)
#define USART1_BRR REGISTER(0x40011008u)
#define USART1_CR1 REGISTER(0x4001100Cu)
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_RXNEIE (1u << 5)
#define USART_CR1_UE (1u << 13)
#define USART1_IRQ 37u

/* Independent watchdog, chapter 21.4 */
#define IWDG_KR REGISTER(0x40003000u)
#define IWDG_KR_FEED 0xAAAAu
#define IWDG_KR_UNLOCK 0x5555u
#define IWDG_KR_START 0xCCCCu
#define IWDG_PR REGISTER(0x40003004u)
#define IWDG_PR_DIV256 6u

/* Random number generator, chapter 24.4 */
#define RNG_CR REGISTER(0x50060800u)
#define RNG_CR_RNGEN (1u << 2)
#define RNG_SR REGISTER(0x50060804u)
#define RNG_SR_DRDY (1u << 0)
#define RNG_SR_ERRORS 0x66u /* CECS, SECS, CEIS, SEIS */
#define RNG_DR REGISTER(0x50060808u)

#endif
