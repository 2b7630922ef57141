/* Slots in sectors 9 to 11, the last three of 128 KB (RM0090, chapter 3.6). The core stands still while it fetches from a
 * flash that is being written: an erase takes 1 to 2 s, in which no byte is received; the host waits for its answer. */
#include "drivers.h"
#include "stm32f405.h"

#define SECTOR_SIZE 0x20000u
#define FIRST_SECTOR 9u
#define FIRST_ADDRESS 0x080A0000u

/* Far above the slowest erase (4 s with x8 parallelism), far below for ever. */
#define WAIT_LOOPS 200000000u

static et_status wait_ready(void)
{
    for (uint32_t loops = 0; loops < WAIT_LOOPS; ++loops) {
        uint32_t status = FLASH_SR;
        if ((status & FLASH_SR_BSY) == 0)
            return (status & FLASH_SR_ERRORS) == 0 ? ET_OK : ET_ERR_FLASH;
    }
    return ET_ERR_FLASH;
}

static et_status unlock(void)
{
    if (wait_ready() != ET_OK)
        FLASH_SR = FLASH_SR_ERRORS; /* an error of before, which would block this operation */
    if ((FLASH_CR & FLASH_CR_LOCK) != 0) {
        FLASH_KEYR = FLASH_KEY1;
        FLASH_KEYR = FLASH_KEY2;
    }
    return (FLASH_CR & FLASH_CR_LOCK) == 0 ? ET_OK : ET_ERR_FLASH;
}

static void lock(void) { FLASH_CR = FLASH_CR_LOCK; }

/* The data cache does not see the flash change (chapter 3.5.2). */
static void drop_data_cache(void)
{
    uint32_t acr = FLASH_ACR;
    FLASH_ACR = acr & ~FLASH_ACR_DCEN;
    FLASH_ACR = (acr & ~FLASH_ACR_DCEN) | FLASH_ACR_DCRST;
    FLASH_ACR = acr;
}

int flash_answers(void)
{
    lock(); /* a boot loader may have left it open */
    return (FLASH_CR & FLASH_CR_LOCK) != 0;
}

et_slot flash_slot(unsigned slot)
{
    return (et_slot){.bytes = (const uint8_t *)(FIRST_ADDRESS + slot * SECTOR_SIZE), .size = SECTOR_SIZE};
}

et_status flash_slot_erase(unsigned slot)
{
    et_status status = unlock();
    if (status == ET_OK) {
        FLASH_CR = FLASH_CR_PSIZE_X32 | FLASH_CR_SER | FLASH_CR_SNB(FIRST_SECTOR + slot);
        FLASH_CR |= FLASH_CR_STRT;
        status = wait_ready();
    }
    lock();
    drop_data_cache();
    return status;
}

et_status flash_slot_program(unsigned slot, size_t offset, const uint8_t *bytes, size_t size)
{
    et_status status = unlock();
    volatile uint32_t *target = (volatile uint32_t *)(FIRST_ADDRESS + slot * SECTOR_SIZE + offset);
    FLASH_CR = FLASH_CR_PSIZE_X32 | FLASH_CR_PG;
    for (size_t done = 0; done < size && status == ET_OK; done += sizeof(uint32_t)) {
        uint32_t word;
        memcpy(&word, bytes + done, sizeof word); /* bytes may lie anywhere in a frame */
        *target = word;
        status = wait_ready();
        if (status == ET_OK && *target != word)
            status = ET_ERR_FLASH;
        ++target;
    }
    lock();
    drop_data_cache();
    return status;
}
