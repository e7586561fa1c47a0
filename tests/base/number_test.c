/*
 * tests/base/number_test.c - numbers as text, sums and conditions.
 */
#include "evkv/number.h"
#include "test.h"

static void reads_as(const char *text, int64_t expected)
{
	char buffer[EVKV_NUMBER_MAX];
	int64_t number = 1;

	check(evkv_number_read(evkv_str(text), &number));
	check_int(number, expected);
	check_bytes(evkv_number_write(number, buffer), evkv_str(text));
}

EVKV_TEST(base_number, reads_and_writes_what_redis_does)
{
	reads_as("0", 0);
	reads_as("7", 7);
	reads_as("-7", -7);
	reads_as("10", 10);
	reads_as("-1000", -1000);
	reads_as("9223372036854775807", INT64_MAX);
	reads_as("-9223372036854775808", INT64_MIN);
}

EVKV_TEST(base_number, refuses_all_other_texts)
{
	static const char *const texts[] = { "", "-", "007", "+5", "-0", " 5",
		"5 ", "5a", "a", "1.0", "00", "--1", "9223372036854775808",
		"-9223372036854775809", "18446744073709551616",
		"99999999999999999999", "100000000000000000000", "0x10" };
	int64_t number = 1;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check(!evkv_number_read(evkv_str(texts[i]), &number));
	check(!evkv_number_read(evkv_bytes("1\0", 2), &number));
	check(!evkv_number_read(evkv_bytes(NULL, 0), &number));
	check_int(number, 1);
}

EVKV_TEST(base_number, adds_to_what_is_there_or_to_the_initial_number)
{
	const int64_t deltas[] = { 5, INT64_MAX, INT64_MIN };
	struct evkv_slice old = EVKV_LIT("-3"), bad = EVKV_LIT("x");
	struct evkv_request request = {
		.kind = EVKV_OP_INCR, .delta = 4, .initial = 100
	};
	int64_t number = 0;

	check_status(evkv_incr_apply(&request, 0, &old, &number), EVKV_OK);
	check_int(number, 1);
	check_status(evkv_incr_apply(&request, 0, NULL, &number), EVKV_OK);
	check_int(number, 104);
	check_status(evkv_incr_apply(&request, 0, &bad, &number), EVKV_INVALID);
	request.deltas = deltas;
	check_status(evkv_incr_apply(&request, 0, &old, &number), EVKV_OK);
	check_int(number, 2);
	check_status(evkv_incr_apply(&request, 1, NULL, &number), EVKV_INVALID);
	check_status(evkv_incr_apply(&request, 2, &old, &number), EVKV_INVALID);
}

EVKV_TEST(base_number, conditions)
{
	const struct evkv_version a = evkv_version_counted(1, 2);
	const struct evkv_version b = evkv_version_counted(1, 3);
	struct evkv_request request = { .kind = EVKV_OP_PUT };

	check(!evkv_version_equal(&a, &b));
	check_status(evkv_condition_check(&request, 0, NULL), EVKV_OK);
	check_status(evkv_condition_check(&request, 0, &a), EVKV_OK);
	request.condition = EVKV_IF_ABSENT;
	check_status(evkv_condition_check(&request, 0, NULL), EVKV_OK);
	check_status(evkv_condition_check(&request, 0, &a), EVKV_EXISTS);
	request.condition = EVKV_IF_PRESENT;
	check_status(evkv_condition_check(&request, 0, NULL), EVKV_NOT_FOUND);
	check_status(evkv_condition_check(&request, 0, &a), EVKV_OK);
	request.condition = EVKV_IF_VERSION;
	request.versions = &a;
	check_status(evkv_condition_check(&request, 0, NULL), EVKV_NOT_FOUND);
	check_status(evkv_condition_check(&request, 0, &a), EVKV_OK);
	check_status(evkv_condition_check(&request, 0, &b), EVKV_CONFLICT);
	request.kind = EVKV_OP_DELETE;
	check_status(evkv_condition_check(&request, 0, &b), EVKV_CONFLICT);
	request.condition = EVKV_IF_ANY;
	check_status(evkv_condition_check(&request, 0, NULL), EVKV_NOT_FOUND);
}
