/*
 * Status, cause and kind tables, errors, the allocator, options structs.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "lib/faults.h"
#include "lib/test.h"

EVKV_TEST(unit_basics, statuses_have_names_and_texts)
{
	int i;

	for (i = 0; i < EVKV_STATUS_COUNT; i++) {
		check(strlen(evkv_status_name((enum evkv_status)i)) > 1);
		check(strlen(evkv_status_text((enum evkv_status)i)) > 1);
	}
	check_str(evkv_status_name(EVKV_NOT_FOUND), "NOT_FOUND");
	check_str(evkv_status_text(EVKV_OK), "done");
	check_str(evkv_status_name((enum evkv_status)EVKV_STATUS_COUNT), "?");
	check_str(evkv_status_name((enum evkv_status) - 1), "?");
	check_str(evkv_status_text((enum evkv_status)1000), "?");
}

EVKV_TEST(unit_basics, causes_have_names_and_texts)
{
	int i;

	for (i = 0; i < EVKV_CAUSE_COUNT; i++) {
		check(strlen(evkv_cause_name((enum evkv_cause)i)) > 1);
		check(strlen(evkv_cause_text((enum evkv_cause)i)) > 1);
	}
	check_str(evkv_cause_name(EVKV_CAUSE_RESET), "RESET");
	check_str(evkv_cause_text((enum evkv_cause)EVKV_CAUSE_COUNT), "?");
}

EVKV_TEST(unit_basics, states_and_levels_have_names)
{
	check_str(evkv_state_name(EVKV_STATE_CONNECTING), "CONNECTING");
	check_str(evkv_state_name(EVKV_STATE_READY), "READY");
	check_str(evkv_state_name(EVKV_STATE_DOWN), "DOWN");
	check_str(evkv_state_name(EVKV_STATE_CLOSED), "CLOSED");
	check_str(evkv_state_name((enum evkv_state)4), "?");
	check_str(evkv_state_name((enum evkv_state) - 1), "?");
	check_str(evkv_log_level_name(EVKV_LOG_DEBUG), "DEBUG");
	check_str(evkv_log_level_name(EVKV_LOG_INFO), "INFO");
	check_str(evkv_log_level_name(EVKV_LOG_WARNING), "WARNING");
	check_str(evkv_log_level_name(EVKV_LOG_ERROR), "ERROR");
	check_str(evkv_log_level_name((enum evkv_log_level)4), "?");
}

EVKV_TEST(unit_basics, statuses_have_codes_elsewhere)
{
	int i, code;

	for (i = 0; i < EVKV_STATUS_COUNT; i++) {
		code = evkv_status_http((enum evkv_status)i);
		check_between(code, 200, 599);
		check_int(code == 200, i == EVKV_OK);
		check_int(evkv_status_errno((enum evkv_status)i) == 0,
		    i == EVKV_OK);
		/* What is no failure is no fault of a server. */
		check(evkv_failed((enum evkv_status)i) || code < 500);
	}
	check_int(evkv_status_http(EVKV_NOT_FOUND), 404);
	check_int(evkv_status_http(EVKV_NOSPACE), 507);
	check_int(evkv_status_errno(EVKV_NOT_FOUND), ENOENT);
	check_int(evkv_status_errno(EVKV_TIMEOUT), ETIMEDOUT);
	check_int(evkv_status_http((enum evkv_status) - 1), 500);
	check_int(evkv_status_errno((enum evkv_status)1000), EIO);
}

EVKV_TEST(unit_basics, only_what_is_safe_is_worth_a_retry)
{
	const uint32_t harmless = EVKV_STATUS_BIT(EVKV_BUSY) |
	    EVKV_STATUS_BIT(EVKV_LOCKED) | EVKV_STATUS_BIT(EVKV_TIMEOUT) |
	    EVKV_STATUS_BIT(EVKV_UNAVAILABLE);
	const uint32_t of_reads = harmless | EVKV_STATUS_BIT(EVKV_SERVER) |
	    EVKV_STATUS_BIT(EVKV_IO) | EVKV_STATUS_BIT(EVKV_NOMEM);
	unsigned kind, status;
	uint32_t worth;

	for (kind = 0; kind < EVKV_KIND_COUNT; kind++) {
		worth = 0;
		for (status = 0; status < EVKV_STATUS_COUNT; status++) {
			if (evkv_worth_retry((enum evkv_status)status,
				(enum evkv_kind)kind))
				worth |= EVKV_STATUS_BIT(status);
		}
		check_int(worth,
		    (evkv_kind_classes((enum evkv_kind)kind) &
			EVKV_CLASS_WRITES) != 0
			? harmless
			: of_reads);
	}
	check(!evkv_worth_retry(EVKV_BUSY, EVKV_KIND_COUNT));
	check(!evkv_worth_retry((enum evkv_status)99, EVKV_OP_GET));
}

EVKV_TEST(unit_basics, answers_are_no_failures)
{
	check(!evkv_failed(EVKV_OK));
	check(!evkv_failed(EVKV_NOT_FOUND));
	check(!evkv_failed(EVKV_EXISTS));
	check(!evkv_failed(EVKV_CONFLICT));
	check(evkv_failed(EVKV_INVALID));
	check(evkv_failed(EVKV_MISSING));
}

EVKV_TEST(unit_basics, kinds)
{
	enum evkv_kind none = (enum evkv_kind)EVKV_KIND_COUNT;
	uint32_t classes;
	int i;

	for (i = 0; i < EVKV_KIND_COUNT; i++) {
		classes = evkv_kind_classes((enum evkv_kind)i);
		check(strlen(evkv_kind_name((enum evkv_kind)i)) > 1);
		/* What pages names entries that the request does not. */
		if ((classes & EVKV_CLASS_PAGES) != 0)
			check((classes & EVKV_CLASS_SPANS) != 0);
		if ((classes & EVKV_CLASS_HAS_KEYS) != 0)
			check((classes & EVKV_CLASS_COLLECTION) != 0);
		/* What both reads and writes must not be done twice. */
		if ((classes & EVKV_CLASS_READS) != 0 &&
		    (classes & EVKV_CLASS_WRITES) != 0)
			check((classes & EVKV_CLASS_REPEATABLE) == 0);
	}
	check_str(evkv_kind_name(EVKV_OP_EXISTS), "exists");
	check_str(evkv_kind_name(EVKV_OP_COMPACT), "compact");
	check_str(evkv_kind_name(none), "?");
	check_int(evkv_kind_classes(none), 0);
	check_int(EVKV_KINDS_BASIC, (1u << 14) - 1);
}

EVKV_TEST(unit_basics, version)
{
	char text[32];

	check_str(evkv_version(), EVKV_VERSION);
	check_int(evkv_version_num(), EVKV_VERSION_NUM);
	snprintf(text, sizeof(text), "%d.%d.%d", EVKV_VERSION_NUM >> 16,
	    EVKV_VERSION_NUM >> 8 & 255, EVKV_VERSION_NUM & 255);
	check_str(text, EVKV_VERSION);
}

EVKV_TEST(unit_basics, the_first_error_stays)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	evkv_error_set(&error, EVKV_IO, "first %d", 1);
	evkv_error_set(&error, EVKV_NOMEM, "second");
	check_int(error.status, EVKV_IO);
	check_str(error.message, "first 1");
	evkv_error_clear(&error);
	check_int(error.status, EVKV_OK);
	check_str(error.message, "");
	evkv_error_set(&error, EVKV_NOMEM, "third");
	check_str(error.message, "third");
	evkv_error_set(NULL, EVKV_IO, "nobody asks");
	evkv_error_clear(NULL);
}

EVKV_TEST(unit_basics, long_errors_are_cut)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	evkv_error_set(&error, EVKV_IO, "%0500d", 7);
	check_int(strlen(error.message), sizeof(error.message) - 1);
}

EVKV_TEST(unit_basics, errors_are_one_line)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	evkv_error_set(&error, EVKV_IO, "a%sb%s", "\r\n\t", "\x7f\xc3\xa4");
	check_str(error.message, "a???b?\xc3\xa4");
}

/* ---- The allocator ------------------------------------------------------ */

EVKV_TEST(unit_basics, allocating)
{
	unsigned char *memory = evkv_calloc(10, 10);
	char *copy = evkv_strdup("text");
	size_t i;

	for (i = 0; i < 100; i++)
		check(memory[i] == 0);
	check_str(copy, "text");
	evkv_free(copy);
	evkv_free(memory);
	evkv_free(NULL);
	check(evkv_strdup(NULL) == NULL);
}

EVKV_TEST(unit_basics, size_0_is_not_want_of_memory)
{
	void *a = evkv_malloc(0), *b = evkv_calloc(0, 8),
	     *c = evkv_calloc(8, 0);

	check(a != NULL && b != NULL && c != NULL);
	evkv_free(a);
	evkv_free(b);
	evkv_free(c);
}

EVKV_TEST(unit_basics, products_are_checked)
{
	check(evkv_calloc(SIZE_MAX / 2, 3) == NULL);
	check(evkv_calloc(3, SIZE_MAX / 2) == NULL);
	check(evkv_calloc(SIZE_MAX, SIZE_MAX) == NULL);
}

EVKV_TEST(unit_basics, want_of_memory_is_null)
{
	faults_fail_from(1);
	check(evkv_malloc(1) == NULL);
	check(evkv_calloc(1, 1) == NULL);
	check(evkv_strdup("") == NULL);
	check_int(faults_fired(), 3);
	faults_off();
}

static void *hook_allocate(size_t size, void *arg)
{
	++*(int *)arg;
	return malloc(size);
}

static void hook_release(void *memory, void *arg)
{
	--*(int *)arg;
	free(memory);
}

EVKV_TEST(unit_basics, an_allocator_gets_its_own_back)
{
	int held = 0;
	struct evkv_allocator allocator = { hook_allocate, hook_release,
		&held };
	void *memory;

	evkv_set_allocator(&allocator);
	memory = evkv_malloc(10);
	check_int(held, 1);
	evkv_free(memory);
	memory = evkv_calloc(2, 2);
	check_int(held, 1);
	evkv_free(memory);
	check_int(held, 0);
	/* Without one: malloc and free. */
	evkv_set_allocator(NULL);
	memory = evkv_malloc(10);
	check(memory != NULL);
	evkv_free(memory);
	memory = evkv_calloc(10, 1);
	check(memory != NULL && *(char *)memory == 0);
	evkv_free(memory);
	check_int(held, 0);
	faults_install();
}

/* ---- Options structs ---------------------------------------------------- */

struct new_options {
	int first;
	int second;
	int third;
};

EVKV_TEST(unit_basics, options_of_our_size)
{
	struct new_options given = { 1, 2, 3 }, read;
	struct evkv_error error = EVKV_ERROR_INIT;

	check(evkv_options_read(&read, sizeof(read), &given, sizeof(given),
	    &error));
	check_int(read.first, 1);
	check_int(read.third, 3);
}

EVKV_TEST(unit_basics, options_of_an_older_caller)
{
	struct new_options given = { 1, 2, 3 }, read = { 7, 7, 7 };

	check(evkv_options_read(&read, sizeof(read), &given,
	    offsetof(struct new_options, second), NULL));
	check_int(read.first, 1);
	check_int(read.second, 0);
	check_int(read.third, 0);
}

EVKV_TEST(unit_basics, options_of_a_newer_caller)
{
	struct new_options given = { 1, 2, 0 }, read = { 7, 7, 7 };
	struct evkv_error error = EVKV_ERROR_INIT;
	size_t size = offsetof(struct new_options, third);

	check(evkv_options_read(&read, size, &given, sizeof(given), &error));
	check_int(read.first, 1);
	check_int(read.second, 2);
	check_int(read.third, 7);
	given.third = 3;
	check(!evkv_options_read(&read, size, &given, sizeof(given), &error));
	check_int(error.status, EVKV_INVALID);
	check_invalid(error, "byte 8");
}

EVKV_TEST(unit_basics, no_options_are_all_zero)
{
	struct new_options read = { 7, 7, 7 };

	check(evkv_options_read(&read, sizeof(read), NULL, sizeof(read), NULL));
	check_int(read.first, 0);
	check_int(read.third, 0);
}
