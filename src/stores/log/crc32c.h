/*
 * stores/log/crc32c.h - CRC-32C (Castagnoli), by the processor's instruction
 * where it has one. "123456789" gives e3069283.
 */
#ifndef EVKV_STORES_LOG_CRC32C_H
#define EVKV_STORES_LOG_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of bytes that follow those whose checksum is `before`; 0 = there are none. */
uint32_t evkv__crc32c(uint32_t before, const void *data, size_t size);
/* The same, without the instruction. */
uint32_t evkv__crc32c_table(uint32_t before, const void *data, size_t size);

#endif
