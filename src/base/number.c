/* base/number.c - the numbers that INCR reads and writes. */
#include "base/number.h"

#include <string.h>

bool evkv__number_add(int64_t a, int64_t b, int64_t *sum)
{
	if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b)
		return false;
	*sum = a + b;
	return true;
}

/* Counts downwards, as there is one number more below zero than above. */
bool evkv__number_read(struct evkv_slice text, int64_t *number)
{
	const char *at = text.data, *end;
	int64_t below = 0;
	bool negative;
	int digit;

	if (text.size == 0 || text.size > NUMBER_TEXT_MAX)
		return false;
	end = at + text.size;
	negative = *at == '-';
	at += negative;
	if (at == end || (*at == '0' && text.size > 1))
		return false;
	for (; at < end; at++) {
		digit = *at - '0';
		if (digit < 0 || digit > 9 || below < (INT64_MIN + digit) / 10)
			return false;
		below = below * 10 - digit;
	}
	if (!negative && below == INT64_MIN)
		return false;
	*number = negative ? below : -below;
	return true;
}

struct evkv_slice evkv__number_write(char buffer[NUMBER_TEXT_MAX],
    int64_t number)
{
	char *at = buffer + NUMBER_TEXT_MAX;
	int64_t below = number > 0 ? -number : number;
	size_t size;

	do {
		*--at = (char)('0' - below % 10);
		below /= 10;
	} while (below != 0);
	if (number < 0)
		*--at = '-';
	size = (size_t)(buffer + NUMBER_TEXT_MAX - at);
	memmove(buffer, at, size);
	return evkv_bytes(buffer, size);
}
