/* Vector table and reset, for every Cortex-M board. */
#include "board.h"
#include "core.h"

extern uint32_t __stack_top[], __data_load[], __data_start[], __data_end[], __bss_start[], __bss_end[];

int main(int argc, char **argv);
void reset_handler(void);
void start(void);
void fault_handler(void);
void systick_handler(void);

typedef union vector {
    uint32_t *stack;
    interrupt_handler handler;
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    [0] = {.stack = __stack_top},        [1] = {.handler = reset_handler}, [2] = {.handler = fault_handler}, /* NMI */
    [3] = {.handler = fault_handler},  /* HardFault */
    [4] = {.handler = fault_handler},  /* MemManage */
    [5] = {.handler = fault_handler},  /* BusFault */
    [6] = {.handler = fault_handler},  /* UsageFault */
    [11] = {.handler = fault_handler}, /* SVCall */
    [12] = {.handler = fault_handler}, /* DebugMonitor */
    [14] = {.handler = fault_handler}, /* PendSV */
    [15] = {.handler = systick_handler},
};

/* Naked: a loader that jumps here, instead of having the core read the table, has set no stack. */
__attribute__((naked)) void reset_handler(void)
{
    __asm volatile("ldr r0, =__stack_top\n\t"
                   "msr msp, r0\n\t"
                   "bl start\n\t"
                   ".ltorg");
}

__attribute__((used)) void start(void)
{
#if defined __ARM_FP || defined __ARM_FEATURE_MVE
    SCB_CPACR |= SCB_CPACR_CP10_CP11; /* before the first instruction of the FPU or of Helium, which would fault */
    __asm volatile("dsb\n\tisb" ::: "memory");
#endif
#if __ARM_ARCH >= 7
    SCB_VTOR = (uint32_t)vectors; /* a boot loader may have left its own */
#endif
    const uint32_t *load = __data_load;
    for (volatile uint32_t *word = __data_start; word < __data_end; ++word)
        *word = *load++;
    for (volatile uint32_t *word = __bss_start; word < __bss_end; ++word)
        *word = 0;
    board_exit(main(0, NULL));
}

/* A node in the field restarts: its slots hold what was committed, and the host says hello again. */
__attribute__((noreturn, used)) static void leave_fault(void) { board_exit(BOARD_EXIT_FAULT); }

/* Naked: the stack may be what overflowed, so nothing is pushed before it starts afresh. Handlers run on MSP. */
__attribute__((naked)) void fault_handler(void)
{
    __asm volatile("ldr r0, =__stack_top\n\t"
                   "msr msp, r0\n\t"
                   "bl leave_fault\n\t"
                   ".ltorg");
}

/* Overridden by systick.c on boards that use it. */
__attribute__((weak)) void systick_handler(void) { fault_handler(); }

/* Overridden by semihosting.c in programs that report to an emulator. */
__attribute__((weak)) void board_exit(int code)
{
    (void)code;
    SCB_AIRCR = SCB_AIRCR_VECTKEY | SCB_AIRCR_SYSRESETREQ;
    for (;;) {
    }
}
