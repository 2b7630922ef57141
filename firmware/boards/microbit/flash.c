/* Slots in the upper 96 KB of the flash, through the NVMC. The core stands still while a page is erased (22 ms) or a word
 * written (46 us): the UART's own six bytes bridge a word, and the host waits for the answer to an erase. */
#include "drivers.h"
#include "nrf51.h"

#define SLOTS 0x00028000u /* where the flash of board.toml ends */
#define SLOT_SIZE 0x8000u

#define WAIT_LOOPS 1000000u /* above 100 ms at 16 MHz */

static et_status set_mode(uint32_t mode)
{
    NVMC_CONFIG = mode;
    for (uint32_t loops = 0; loops < WAIT_LOOPS; ++loops) {
        if (NVMC_READY != 0)
            return ET_OK;
    }
    return ET_ERR_FLASH;
}

static volatile uint32_t *word_at(unsigned slot, size_t offset)
{
    return (volatile uint32_t *)(SLOTS + slot * SLOT_SIZE + offset);
}

et_slot flash_slot(unsigned slot) { return (et_slot){(const uint8_t *)(SLOTS + slot * SLOT_SIZE), SLOT_SIZE}; }

et_status board_slot_erase(unsigned slot)
{
    et_status status = set_mode(NVMC_CONFIG_ERASE);
    for (uint32_t page = 0; page < SLOT_SIZE && status == ET_OK; page += NVMC_PAGE_SIZE) {
        NVMC_ERASEPAGE = SLOTS + slot * SLOT_SIZE + page;
        status = set_mode(NVMC_CONFIG_ERASE);
        if (status == ET_OK && *word_at(slot, page) != 0xFFFFFFFFu)
            status = ET_ERR_FLASH;
    }
    (void)set_mode(NVMC_CONFIG_READ_ONLY);
    return status;
}

et_status board_slot_program(unsigned slot, size_t offset, const uint8_t *bytes, size_t size)
{
    et_status status = set_mode(NVMC_CONFIG_WRITE);
    for (size_t done = 0; done < size && status == ET_OK; done += sizeof(uint32_t)) {
        uint32_t word;
        memcpy(&word, bytes + done, sizeof word); /* bytes may lie anywhere in a frame, and Armv6-M faults on that */
        *word_at(slot, offset + done) = word;
        status = set_mode(NVMC_CONFIG_WRITE);
        if (status == ET_OK && *word_at(slot, offset + done) != word)
            status = ET_ERR_FLASH;
    }
    (void)set_mode(NVMC_CONFIG_READ_ONLY);
    return status;
}
