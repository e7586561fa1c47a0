/*
 * base/decimal.h - writing a number as digits.
 */
#ifndef EVKV_BASE_DECIMAL_H
#define EVKV_BASE_DECIMAL_H

#include <stdint.h>

#define DECIMAL_MAX 20 /* digits of any */

/* Digits of a number, without a sign; returns the end. */
static inline char *decimal_write(char *at, uint64_t number)
{
	uint64_t rest;
	char *end;

	for (rest = number; rest >= 10; rest /= 10)
		at++;
	end = at + 1;
	do {
		*at-- = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	return end;
}

#endif
