/*
 * tests/lib/test.h - one way to write a test, two ways to run it.
 *
 *     EVKV_TEST(unit_glob, star_matches_nothing)
 *     {
 *         check(evkv_match(EVKV_LIT(""), EVKV_LIT("a*"), EVKV_LIT("a")));
 *     }
 *
 * One program has two runners: Criterion's, and with --plain one that runs the
 * tests in its own process, for the sanitizers, valgrind and gdb:
 *
 *     unit.glob --filter 'unit_glob/star*'
 *     unit.glob --plain                    all of them
 *     unit.glob --plain 'star*'            by name
 *     unit.glob --plain unit_glob/star_matches_nothing
 *
 * Without EVKV_TEST_CRITERION there is the plain one alone.
 *
 * Criterion forks, and what a forked child leaks or reports is lost. So every
 * body runs under test_run(), which fails the test when evkv's allocator has
 * something outstanding at the end, or when LeakSanitizer finds a leak.
 *
 * A failed check leaves the body by longjmp(), so nothing that follows it runs.
 */
#ifndef TESTS_LIB_TEST_H
#define TESTS_LIB_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "evkv/slice.h"

struct test_case {
	const char *suite;
	const char *name;
	void (*body)(void);
	struct test_case *next; /* in order of definition */
};

enum test_outcome {
	TEST_PASSED,
	TEST_FAILED,
	TEST_SKIPPED,
};

/* Run one case, with all checks around it. */
enum test_outcome test_run(const struct test_case *test);

/*
 * Whether LeakSanitizer, where it is there, found a leak; for the end of many
 * tests that do not ask it one by one, after test_leaks_at_end().
 */
bool test_leaked(void);
void test_leaks_at_end(void);

/* What the last failed check or skip_test() said: "file:line: text". */
const char *test_message(void);

/* For the plain main: the cases of this program. */
void test_register(struct test_case *test);
const struct test_case *test_first(void);

/* Keep a text as the message; fail with that of a check that failed before. */
void test_set_message(const char *text);
__attribute__((noreturn)) void test_fail_again(const char *text);

/*
 * Run `run(arg)` and come back also when a check in it fails: false then, and
 * test_message() says why. For tests that try something many times.
 */
bool test_try(void (*run)(void *arg), void *arg);

/* The same of what may skip the test: then undo() comes first. */
bool test_try_undoing(void (*run)(void *arg), void (*undo)(void *arg),
    void *arg);

/*
 * Called on a failed check before the body is left; may return true to have
 * test_try() answer true all the same. NULL removes it.
 */
void test_set_pardon(bool (*pardon)(void));

/* The running case; both "" outside of one. */
const char *test_suite(void);
const char *test_name(void);

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TEST_SANITIZED 1
#endif
#endif

#ifdef EVKV_TEST_CRITERION
#include <criterion/criterion.h>

#define TEST_FOR_CRITERION_(suite_, name_)                                     \
	Test(suite_, name_)                                                    \
	{                                                                      \
		switch (test_run(&suite_##_##name_##_case)) {                  \
		case TEST_PASSED: break;                                       \
		case TEST_FAILED: cr_assert_fail("%s", test_message()); break; \
		case TEST_SKIPPED: cr_skip_test("%s", test_message()); break;  \
		}                                                              \
	}
#else
#define TEST_FOR_CRITERION_(suite_, name_)
#endif

#define EVKV_TEST(suite_, name_)                                               \
	static void suite_##_##name_##_body(void);                             \
	static struct test_case suite_##_##name_##_case = {                    \
		.suite = #suite_,                                              \
		.name = #name_,                                                \
		.body = suite_##_##name_##_body,                               \
	};                                                                     \
	__attribute__((constructor)) static void suite_##_##name_##_add(void)  \
	{                                                                      \
		test_register(&suite_##_##name_##_case);                       \
	}                                                                      \
	TEST_FOR_CRITERION_(suite_, name_)                                     \
	static void suite_##_##name_##_body(void)

/* ---- Checks: each evaluates its arguments once ------------------------ */

/* The condition holds. */
#define check(condition_)                                                      \
	do {                                                                   \
		if (!(condition_))                                             \
			test_fail(__FILE__, __LINE__, "not so: %s",            \
			    #condition_);                                      \
	} while (0)

/* Two whole numbers (statuses, sizes, times) are equal. */
#define check_int(actual_, expected_)                                          \
	test_check_int(__FILE__, __LINE__, #actual_, (intmax_t)(actual_),      \
	    (intmax_t)(expected_))

/* A number is within [low, high]. */
#define check_between(actual_, low_, high_)                                    \
	test_check_between(__FILE__, __LINE__, #actual_, (intmax_t)(actual_),  \
	    (intmax_t)(low_), (intmax_t)(high_))

/* Two NUL-terminated strings are equal; NULL equals only NULL. */
#define check_str(actual_, expected_)                                          \
	test_check_str(__FILE__, __LINE__, #actual_, (actual_), (expected_))

/* A string contains another. */
#define check_contains(actual_, part_)                                         \
	test_check_contains(__FILE__, __LINE__, #actual_, (actual_), (part_))

/* A slice holds exactly the bytes of a string literal. */
#define check_slice(actual_, literal_)                                         \
	test_check_bytes(__FILE__, __LINE__, #actual_, (actual_),              \
	    EVKV_LIT(literal_))

/* Two slices hold the same bytes. */
#define check_bytes(actual_, expected_)                                        \
	test_check_bytes(__FILE__, __LINE__, #actual_, (actual_), (expected_))

/* Two evkv_status values are equal; failures show their names. */
#define check_status(actual_, expected_)                                       \
	test_check_status(__FILE__, __LINE__, #actual_, (int)(actual_),        \
	    (int)(expected_))

/* What a struct evkv_error says of input that is refused. */
#define check_invalid(error_, part_)                                           \
	do {                                                                   \
		check_status((error_).status, EVKV_INVALID);                   \
		check_contains((error_).message, (part_));                     \
	} while (0)

/*
 * Whence a helper with checks of its own was called: added to the text of a
 * check that fails in it. NULL: nowhere.
 */
void test_from(const char *file, int line);

/* End the test as failed, or as skipped with the reason. */
#define fail_test(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define skip_test(...) test_skip(__FILE__, __LINE__, __VA_ARGS__)

#if defined(__GNUC__)
#define TEST_PRINTF __attribute__((noreturn, format(printf, 3, 4)))
#else
#define TEST_PRINTF
#endif

void test_fail(const char *file, int line, const char *format, ...) TEST_PRINTF;
void test_skip(const char *file, int line, const char *format, ...) TEST_PRINTF;
void test_check_int(const char *file, int line, const char *what,
    intmax_t actual, intmax_t expected);
void test_check_between(const char *file, int line, const char *what,
    intmax_t actual, intmax_t low, intmax_t high);
void test_check_str(const char *file, int line, const char *what,
    const char *actual, const char *expected);
void test_check_contains(const char *file, int line, const char *what,
    const char *actual, const char *part);
void test_check_bytes(const char *file, int line, const char *what,
    struct evkv_slice actual, struct evkv_slice expected);
void test_check_status(const char *file, int line, const char *what, int actual,
    int expected);

#endif
