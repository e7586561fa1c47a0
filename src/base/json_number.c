/*
 * base/json_number.c - what the text of a number of JSON stands for.
 */
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/alloc.h"
#include "evkv/json.h"

bool evkv_json_uint(struct evkv_slice text, uint64_t *number)
{
	const char *at = text.data;
	uint64_t sum = 0;
	size_t i;

	if (text.size == 0 || (at[0] == '0' && text.size > 1))
		return false;
	for (i = 0; i < text.size; i++) {
		if (at[i] < '0' || at[i] > '9' ||
		    __builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(at[i] - '0'), &sum))
			return false;
	}
	*number = sum;
	return true;
}

bool evkv_json_int(struct evkv_slice text, int64_t *number)
{
	const char *at = text.data;
	bool negative = text.size > 0 && at[0] == '-';
	uint64_t size;

	if (!evkv_json_uint(evkv_bytes(at + negative, text.size - negative),
		&size) ||
	    size > (uint64_t)INT64_MAX + negative)
		return false;
	*number = negative ? (int64_t)(~size + 1) : (int64_t)size;
	return true;
}

static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void c_locale_make(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* In the "C" locale, whatever the program's is: strtod() reads its commas. */
bool evkv_json_double(struct evkv_slice text, double *number)
{
	char small[64], *copy = small;
	bool good = false;

	pthread_once(&c_locale_once, c_locale_make);
	if (text.size >= sizeof(small))
		copy = evkv_malloc(text.size + 1);
	if (copy != NULL && c_locale != (locale_t)0) {
		memcpy(copy, text.data, text.size);
		copy[text.size] = '\0';
		*number = strtod_l(copy, NULL, c_locale);
		good = *number - *number == 0; /* neither infinite nor NaN */
	}
	if (copy != small)
		evkv_free(copy);
	return good;
}
