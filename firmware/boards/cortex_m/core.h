/* Registers that every Cortex-M has (Armv6-M and Armv7-M Architecture Reference Manuals, chapter B3). */
#ifndef EDGETWIN_CORTEX_M_CORE_H
#define EDGETWIN_CORTEX_M_CORE_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define SYST_CSR REGISTER(0xE000E010u) /* SysTick control and status */
#define SYST_CSR_ENABLE (1u << 0)
#define SYST_CSR_TICKINT (1u << 1)
#define SYST_CSR_CLKSOURCE (1u << 2)   /* the processor clock */
#define SYST_RVR REGISTER(0xE000E014u) /* reload value, 24 bits */
#define SYST_CVR REGISTER(0xE000E018u) /* current value; a write clears it */

#define NVIC_ISER(n) REGISTER(0xE000E100u + 4u * (n))

#define SCB_VTOR REGISTER(0xE000ED08u)
#define SCB_AIRCR REGISTER(0xE000ED0Cu)
#define SCB_AIRCR_VECTKEY (0x05FAu << 16)
#define SCB_AIRCR_SYSRESETREQ (1u << 2)
#define SCB_CPACR REGISTER(0xE000ED88u)
#define SCB_CPACR_CP10_CP11 (0xFu << 20) /* full access to the FPU */

typedef void (*interrupt_handler)(void);

/* The board's interrupts, by number, right behind the core's own 16 vectors. */
#define INTERRUPT_TABLE __attribute__((section(".vectors.interrupts"), used)) const interrupt_handler interrupts[]

static inline void interrupt_enable(unsigned number) { NVIC_ISER(number / 32u) = 1u << (number % 32u); }

#endif
