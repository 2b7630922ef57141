/* Little-endian fields in byte buffers of any alignment. */
#ifndef EDGETWIN_BYTES_H
#define EDGETWIN_BYTES_H

#include <stdint.h>

static inline uint16_t et_load_u16(const uint8_t *bytes) { return (uint16_t)(bytes[0] | (unsigned)bytes[1] << 8); }

static inline uint32_t et_load_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline uint64_t et_load_u64(const uint8_t *bytes)
{
    return (uint64_t)et_load_u32(bytes) | (uint64_t)et_load_u32(bytes + 4) << 32;
}

static inline void et_store_u16(uint8_t *bytes, unsigned value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static inline void et_store_u32(uint8_t *bytes, uint32_t value)
{
    et_store_u16(bytes, (uint16_t)value);
    et_store_u16(bytes + 2, (uint16_t)(value >> 16));
}

static inline void et_store_u64(uint8_t *bytes, uint64_t value)
{
    et_store_u32(bytes, (uint32_t)value);
    et_store_u32(bytes + 4, (uint32_t)(value >> 32));
}

#endif
