/*
 * tests/lib/test.c - runs a test's body and judges how it left the process.
 *
 * A body passes when no check failed, evkv's allocator has nothing outstanding
 * and, in builds with LeakSanitizer, no leak is found. Every outcome is also
 * appended to the file that EVKV_TEST_OUTCOMES names, by which run-checked
 * knows that tests did run, and that none was skipped unseen.
 */
#include "test.h"

#include <ctype.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evkv/status.h"
#include "faults.h"

/* Present only in builds with AddressSanitizer or LeakSanitizer. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

struct test_catcher {
	jmp_buf jump;
	struct test_catcher *outer;
};

static struct test_case *test_cases, **test_tail = &test_cases;
static const struct test_case *test_current;
static struct test_catcher *test_catchers;
static bool (*test_pardon)(void);
static bool test_asks_at_end;
static char test_text[1024];
static const char *test_from_file;
static int test_from_line;

enum { TEST_JUMP_FAILED = 1, TEST_JUMP_SKIPPED, TEST_JUMP_PARDONED };

void test_register(struct test_case *test)
{
	*test_tail = test;
	test_tail = &test->next;
}

const struct test_case *test_first(void)
{
	return test_cases;
}

const char *test_message(void)
{
	return test_text;
}

const char *test_suite(void)
{
	return test_current != NULL ? test_current->suite : "";
}

const char *test_name(void)
{
	return test_current != NULL ? test_current->name : "";
}

void test_from(const char *file, int line)
{
	test_from_file = file;
	test_from_line = line;
}

void test_set_pardon(bool (*pardon)(void))
{
	test_pardon = pardon;
}

/* ---- Running ---------------------------------------------------------- */

static void test_log_outcome(const struct test_case *test,
    enum test_outcome outcome)
{
	static const char *const words[] = { "passed", "FAILED", "skipped" };
	const char *path = getenv("EVKV_TEST_OUTCOMES");
	char line[1400];
	ssize_t ignored;
	int fd;

	(void)snprintf(line, sizeof(line), "%s %s/%s%s%s\n", words[outcome],
	    test->suite, test->name, outcome != TEST_PASSED ? ": " : "",
	    outcome != TEST_PASSED ? test_text : "");
	if (path == NULL)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	ignored = write(fd, line, strlen(line));
	(void)ignored;
	(void)close(fd);
}

bool test_leaked(void)
{
	return __lsan_do_recoverable_leak_check != NULL &&
	    __lsan_do_recoverable_leak_check() != 0;
}

void test_leaks_at_end(void)
{
	test_asks_at_end = true;
}

/*
 * What the body left behind. LeakSanitizer prints its report to the log path
 * of its options, or to stderr.
 */
static bool test_left_clean(size_t before)
{
	size_t blocks = faults_outstanding() - before;

	if (blocks != 0) {
		(void)snprintf(test_text, sizeof(test_text),
		    "%zu allocation(s) of evkv outstanding at the end", blocks);
		return false;
	}
	if (!test_asks_at_end && test_leaked()) {
		(void)snprintf(test_text, sizeof(test_text),
		    "LeakSanitizer found a leak");
		return false;
	}
	return true;
}

static enum test_outcome test_run_body(const struct test_case *test)
{
	struct test_catcher catcher = { .outer = NULL };
	enum test_outcome outcome;

	test_catchers = &catcher;
	switch (setjmp(catcher.jump)) {
	case 0:
		test->body();
		outcome = TEST_PASSED;
		break;
	case TEST_JUMP_SKIPPED: outcome = TEST_SKIPPED; break;
	default: outcome = TEST_FAILED; break;
	}
	test_catchers = NULL;
	return outcome;
}

enum test_outcome test_run(const struct test_case *test)
{
	static bool installed;
	enum test_outcome outcome;
	size_t before; /* what a failed test has left is not this one's */

	if (!installed) {
		installed = true;
		faults_install();
	}
	faults_reset();
	test_pardon = NULL;
	test_from_file = NULL;
	test_text[0] = '\0';
	test_current = test;
	before = faults_outstanding();
	outcome = test_run_body(test);
	faults_off();
	if (outcome == TEST_PASSED && !test_left_clean(before))
		outcome = TEST_FAILED;
	test_current = NULL;
	test_log_outcome(test, outcome);
	return outcome;
}

bool test_try_undoing(void (*run)(void *arg), void (*undo)(void *arg),
    void *arg)
{
	struct test_catcher catcher = { .outer = test_catchers };
	bool ok = false;

	test_catchers = &catcher;
	switch (setjmp(catcher.jump)) {
	case 0:
		run(arg);
		ok = true;
		break;
	case TEST_JUMP_PARDONED: ok = true; break;
	case TEST_JUMP_SKIPPED:
		test_catchers = catcher.outer;
		if (undo != NULL)
			undo(arg);
		longjmp(test_catchers->jump, TEST_JUMP_SKIPPED);
	default: break;
	}
	test_catchers = catcher.outer;
	return ok;
}

bool test_try(void (*run)(void *arg), void *arg)
{
	return test_try_undoing(run, NULL, arg);
}

/* ---- Checks ----------------------------------------------------------- */

static const char *test_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

__attribute__((noreturn)) static void test_leave(int how, const char *file,
    int line, const char *format, va_list args)
{
	int at;

	if (test_from_file != NULL)
		at = snprintf(test_text, sizeof(test_text),
		    "%s:%d (%s:%d): ", test_base(test_from_file),
		    test_from_line, test_base(file), line);
	else
		at = snprintf(test_text, sizeof(test_text),
		    "%s:%d: ", test_base(file), line);
	if (at > 0 && (size_t)at < sizeof(test_text))
		(void)vsnprintf(test_text + at, sizeof(test_text) - (size_t)at,
		    format, args);
	if (test_catchers == NULL) {
		(void)fprintf(stderr, "outside of a test: %s\n", test_text);
		abort();
	}
	if (how == TEST_JUMP_FAILED && test_catchers->outer != NULL &&
	    test_pardon != NULL && test_pardon())
		how = TEST_JUMP_PARDONED;
	longjmp(test_catchers->jump, how);
}

void test_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	test_leave(TEST_JUMP_FAILED, file, line, format, args);
}

void test_set_message(const char *text)
{
	char copy[sizeof(test_text)]; /* it may be the message itself */

	(void)snprintf(copy, sizeof(copy), "%s", text);
	(void)snprintf(test_text, sizeof(test_text), "%s", copy);
}

void test_fail_again(const char *text)
{
	test_set_message(text);
	if (test_catchers == NULL)
		abort();
	longjmp(test_catchers->jump, TEST_JUMP_FAILED);
}

void test_skip(const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	test_leave(TEST_JUMP_SKIPPED, file, line, format, args);
}

void test_check_int(const char *file, int line, const char *what,
    intmax_t actual, intmax_t expected)
{
	if (actual != expected)
		test_fail(file, line, "%s is %jd, expected %jd", what, actual,
		    expected);
}

void test_check_between(const char *file, int line, const char *what,
    intmax_t actual, intmax_t low, intmax_t high)
{
	if (actual < low || actual > high)
		test_fail(file, line, "%s is %jd, expected %jd to %jd", what,
		    actual, low, high);
}

void test_check_str(const char *file, int line, const char *what,
    const char *actual, const char *expected)
{
	if (actual == NULL || expected == NULL ? actual != expected
					       : strcmp(actual, expected) != 0)
		test_fail(file, line, "%s is \"%s\", expected \"%s\"", what,
		    actual != NULL ? actual : "(NULL)",
		    expected != NULL ? expected : "(NULL)");
}

void test_check_contains(const char *file, int line, const char *what,
    const char *actual, const char *part)
{
	if (actual == NULL || strstr(actual, part) == NULL)
		test_fail(file, line,
		    "%s is \"%s\", expected it to contain "
		    "\"%s\"",
		    what, actual != NULL ? actual : "(NULL)", part);
}

/* At most 32 bytes of a slice as text; for failures alone. */
static const char *test_show(struct evkv_slice slice, char *buffer, size_t size)
{
	const unsigned char *bytes = slice.data;
	size_t at = 0, i;

	for (i = 0; i < slice.size && i < 32 && at + 5 < size; i++) {
		if (isprint(bytes[i]) && bytes[i] != '\\')
			buffer[at++] = (char)bytes[i];
		else
			at += (size_t)snprintf(buffer + at, size - at,
			    "\\x%02x", bytes[i]);
	}
	buffer[at] = '\0';
	return buffer;
}

void test_check_bytes(const char *file, int line, const char *what,
    struct evkv_slice actual, struct evkv_slice expected)
{
	char left[160], right[160];

	if (!evkv_slice_equal(actual, expected))
		test_fail(file, line,
		    "%s is %zu bytes \"%s\", expected %zu bytes \"%s\"", what,
		    actual.size, test_show(actual, left, sizeof(left)),
		    expected.size, test_show(expected, right, sizeof(right)));
}

void test_check_status(const char *file, int line, const char *what, int actual,
    int expected)
{
	if (actual != expected)
		test_fail(file, line, "%s is %s, expected %s", what,
		    evkv_status_name((enum evkv_status)actual),
		    evkv_status_name((enum evkv_status)expected));
}
