/*
 * stores/redis/resp.h - writing commands in RESP2, the protocol's request form:
 * an array of bulk strings. The writer puts bytes where it is told to; whoever
 * calls it has reserved room for them, by the bounds below.
 */
#ifndef EVKV_SRC_STORES_REDIS_RESP_H
#define EVKV_SRC_STORES_REDIS_RESP_H

#include <string.h>

#include "base/decimal.h"
#include "evkv/slice.h"

/* The most bytes that a count or a length takes, with its mark and line end. */
#define RESP_HEAD_MAX ((size_t)24)

/* The most that one word of `size` bytes takes. */
static inline size_t resp_word_max(size_t size)
{
	return RESP_HEAD_MAX + size + 2;
}

static inline char *resp_head(char *at, char mark, size_t number)
{
	*at++ = mark;
	if (number < 10) {
		*at++ = (char)('0' + number);
	} else if (number < 100) {
		*at++ = (char)('0' + number / 10);
		*at++ = (char)('0' + number % 10);
	} else if (number < 1000) {
		*at++ = (char)('0' + number / 100);
		*at++ = (char)('0' + number / 10 % 10);
		*at++ = (char)('0' + number % 10);
	} else {
		at = decimal_write(at, number);
	}
	*at++ = '\r';
	*at++ = '\n';
	return at;
}

/* The start of a command of `words` words. */
static inline char *resp_command(char *at, size_t words)
{
	return resp_head(at, '*', words);
}

static inline char *resp_raw(char *at, const void *data, size_t size)
{
	if (size != 0)
		memcpy(at, data, size);
	return at + size;
}

static inline char *resp_word(char *at, struct evkv_slice word)
{
	at = resp_head(at, '$', word.size);
	at = resp_raw(at, word.data, word.size);
	*at++ = '\r';
	*at++ = '\n';
	return at;
}

static inline char *resp_number(char *at, uint64_t number)
{
	char digits[20];

	return resp_word(at,
	    evkv_bytes(digits,
		(size_t)(decimal_write(digits, number) - digits)));
}

#endif
