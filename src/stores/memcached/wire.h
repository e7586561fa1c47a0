/*
 * stores/memcached/wire.h - writing requests. The writer puts bytes where it is
 * told to; whoever calls it has reserved room for them.
 */
#ifndef EVKV_SRC_STORES_MEMCACHED_WIRE_H
#define EVKV_SRC_STORES_MEMCACHED_WIRE_H

#include <string.h>

#include "base/decimal.h"
#include "store.h"

/* The most bytes of a request's line: command, name, size and all flags. */
#define WIRE_LINE_MAX (MEMCACHED_NAME_MAX + 200)

static inline char *wire_raw(char *at, const void *data, size_t size)
{
	if (size != 0)
		memcpy(at, data, size);
	return at + size;
}

/* A blank, a letter, a number. */
static inline char *wire_flag(char *at, char flag, uint64_t number)
{
	*at++ = ' ';
	*at++ = flag;
	return decimal_write(at, number);
}

/* The opaque, in hexadecimal digits, and the end of the line. */
static inline char *wire_end(char *at, uint32_t opaque)
{
	static const char hex[] = "0123456789abcdef";
	unsigned shift = 28;

	at = wire_raw(at, " O", 2);
	while (shift > 0 && opaque >> shift == 0)
		shift -= 4;
	for (;; shift -= 4) {
		*at++ = hex[opaque >> shift & 15];
		if (shift == 0)
			break;
	}
	return wire_raw(at, "\r\n", 2);
}

#endif
