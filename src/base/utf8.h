/*
 * base/utf8.h - what is UTF-8.
 */
#ifndef EVKV_BASE_UTF8_H
#define EVKV_BASE_UTF8_H

#include <stddef.h>

/* How many bytes the UTF-8 sequence at `at` has; 0 = it is none. */
static inline size_t utf8_sequence(const unsigned char *at, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t size, i;

	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xc2 && at[0] <= 0xdf)
		size = 2;
	else if (at[0] >= 0xe0 && at[0] <= 0xef)
		size = 3;
	else if (at[0] >= 0xf0 && at[0] <= 0xf4)
		size = 4;
	else
		return 0;
	/* No overlong forms, no surrogates, nothing over U+10FFFF. */
	if (at[0] == 0xe0)
		low = 0xa0;
	else if (at[0] == 0xed)
		high = 0x9f;
	else if (at[0] == 0xf0)
		low = 0x90;
	else if (at[0] == 0xf4)
		high = 0x8f;
	if (left < size || at[1] < low || at[1] > high)
		return 0;
	for (i = 2; i < size; i++) {
		if (at[i] < 0x80 || at[i] > 0xbf)
			return 0;
	}
	return size;
}

#endif
