/* The numbers that INCR reads and writes. */
#include "base/number.h"

#include <stdio.h>

#include "lib/test.h"

static void check_number(const char *text, bool is, int64_t expected)
{
	char buffer[NUMBER_TEXT_MAX];
	int64_t number = 77;

	check_int(evkv__number_read(evkv_str(text), &number), is);
	check_int(number, is ? expected : 77);
	if (is)
		check_bytes(evkv__number_write(buffer, expected),
		    evkv_str(text));
}

EVKV_TEST(unit_number, reads_what_it_writes)
{
	char text[32];
	int64_t i;

	for (i = -1200; i <= 1200; i++) {
		snprintf(text, sizeof(text), "%lld", (long long)i);
		check_number(text, true, i);
	}
	check_number("9223372036854775807", true, INT64_MAX);
	check_number("-9223372036854775808", true, INT64_MIN);
	check_number("-9223372036854775807", true, INT64_MIN + 1);
	check_number("1000000000000000000", true, 1000000000000000000);
}

EVKV_TEST(unit_number, refuses_what_is_not_canonical)
{
	static const char *const texts[] = { "", "-", "+5", " 5", "5 ", "007",
		"-0", "00", "0x1", "1.0", "1e3", "-01", "--1", "a", "1a",
		"9223372036854775808", "-9223372036854775809",
		"10000000000000000000", "99999999999999999999",
		"-99999999999999999999", "123456789012345678901" };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_number(texts[i], false, 0);
}

EVKV_TEST(unit_number, adds_within_64_bits_only)
{
	int64_t sum = 0;

	check(evkv__number_add(INT64_MAX, INT64_MIN, &sum));
	check_int(sum, -1);
	check(evkv__number_add(INT64_MAX - 1, 1, &sum));
	check_int(sum, INT64_MAX);
	check(!evkv__number_add(INT64_MAX, 1, &sum));
	check(!evkv__number_add(INT64_MIN, -1, &sum));
	check(!evkv__number_add(-1, INT64_MIN, &sum));
	check(!evkv__number_add(INT64_MAX, INT64_MAX, &sum));
	check_int(sum, INT64_MAX);
}
