/* Reset and traps, for every RISC-V board. */
#include "board.h"
#include "core.h"

extern uint32_t __data_load[], __data_start[], __data_end[], __bss_start[], __bss_end[];
extern uint8_t __flash_start[], __flash_size[]; /* the latter a number: sections.ld */

/* Physical memory protection: one range of a power of two, read and run only, also in machine mode. */
#define PMP_NAPOT_LOCKED_RX 0x9Du

int main(int argc, char **argv);
void reset_handler(void);
void start(void);
void trap_handler(void);

/* The core starts at the first address of the image. */
__attribute__((naked, section(".vectors"), used)) void reset_handler(void)
{
    __asm volatile("la sp, __stack_top\n\t"
                   "j start");
}

/* Naked: of a fault the stack may be the reason, so nothing is pushed before it starts afresh. */
__attribute__((naked, aligned(4))) void trap_handler(void)
{
    __asm volatile("csrw mscratch, t0\n\t"
                   "csrr t0, mcause\n\t"
                   "bltz t0, 1f\n\t"
                   "la sp, __stack_top\n\t"
                   "j leave_fault\n"
                   "1:\n\t"
                   "csrr t0, mscratch\n\t"
                   "j interrupt_handler");
}

__attribute__((interrupt("machine"), used)) static void interrupt_handler(void)
{
    if (csr_read(mcause) == MCAUSE_TIMER)
        timer_handler();
    else
        external_handler();
}

/* A node in the field restarts: its slots hold what was committed, and the host says hello again. */
__attribute__((noreturn, used)) static void leave_fault(void) { board_exit(BOARD_EXIT_FAULT); }

__attribute__((used)) void start(void)
{
    csr_write(mtvec, (uintptr_t)trap_handler);
    /* A stack that overflows, at the low end of the RAM, would run into the program below it. */
    csr_write(pmpaddr0, ((uintptr_t)__flash_start | ((uintptr_t)__flash_size / 2u - 1u)) >> 2);
    csr_write(pmpcfg0, PMP_NAPOT_LOCKED_RX);
    const uint32_t *load = __data_load;
    for (volatile uint32_t *word = __data_start; word < __data_end; ++word)
        *word = *load++;
    for (volatile uint32_t *word = __bss_start; word < __bss_end; ++word)
        *word = 0;
    board_exit(main(0, NULL));
}
