#include "systick.h"

#include "board.h"
#include "core.h"

static volatile uint32_t milliseconds;

void systick_handler(void);

void systick_handler(void) { milliseconds = milliseconds + 1u; }

void systick_start(uint32_t core_hz)
{
    SYST_RVR = core_hz / 1000u - 1u;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_CLKSOURCE | SYST_CSR_TICKINT | SYST_CSR_ENABLE;
}

uint32_t board_clock_ms(void) { return milliseconds; }
