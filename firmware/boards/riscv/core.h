/* What every RISC-V core in machine mode has (privileged architecture 1.12, chapter 3). */
#ifndef EDGETWIN_RISCV_CORE_H
#define EDGETWIN_RISCV_CORE_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define MSTATUS_MIE 8u /* interrupts are on */
#define MIE_MTIE (1u << 7)
#define MIE_MEIE (1u << 11)
#define MCAUSE_TIMER 0x80000007u

#define csr_read(name)                                                                                                 \
    __extension__({                                                                                                    \
        uint32_t value_;                                                                                               \
        __asm volatile("csrr %0, " #name : "=r"(value_));                                                              \
        value_;                                                                                                        \
    })
#define csr_write(name, value) __asm volatile("csrw " #name ", %0" ::"r"((uint32_t)(value)) : "memory")
#define csr_set(name, bits) __asm volatile("csrs " #name ", %0" ::"r"((uint32_t)(bits)) : "memory")
#define csr_clear(name, bits) __asm volatile("csrc " #name ", %0" ::"r"((uint32_t)(bits)) : "memory")

/* The board's: called by startup.c with interrupts off. */
void timer_handler(void);
void external_handler(void);

#endif
