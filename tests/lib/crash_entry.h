/*
 * tests/lib/crash_entry.h - entries that follow from their number, for
 * the process that writes them and the one that looks for them.
 */
#ifndef TESTS_LIB_CRASH_ENTRY_H
#define TESTS_LIB_CRASH_ENTRY_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "evkv/slice.h"

#define CRASH_COLLECTION EVKV_LIT("numbers")
#define CRASH_TTL_MS 86400000 /* longer than any run */
#define CRASH_KEY_MAX 700
#define CRASH_VALUE_MAX 20000
#define CRASH_COUNTER 0x80000000u /* in a report: the counter stands there */
#define CRASH_COMPACTED 0xffffffffu

static inline struct evkv_slice crash_key(uint32_t n, char *buffer)
{
	int size = 0;

	if (n % 7 == 0) {
		memset(buffer, 'k', 600);
		size = 600;
	}
	size += snprintf(buffer + size, 20, "n%u", n);
	return evkv_bytes(buffer, (size_t)size);
}

static inline struct evkv_slice crash_value(uint32_t n, char *buffer)
{
	uint64_t state = n * UINT64_C(0x9e3779b97f4a7c15) + 1;
	size_t size = n % 50 == 0 ? CRASH_VALUE_MAX : state >> 32 & 0x1ff, i;

	for (i = 0; i < size; i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695;
		buffer[i] = (char)(state >> 56);
	}
	return evkv_bytes(buffer, size);
}

static inline int64_t crash_ttl_ms(uint32_t n)
{
	return n % 3 == 0 ? CRASH_TTL_MS : 0;
}

#endif
