/*
 * tests/lib/main.c - runs a program's tests: by Criterion, or with --plain as
 * the first argument in this process.
 *
 * After --plain, arguments are patterns as of the shell, for "suite/name" or
 * the name alone; none = all. -l lists. Exit status: 0 all passed, 77 all
 * skipped, else 1.
 */
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "test.h"

static bool main_wanted(const struct test_case *test, int argc, char **argv)
{
	char full[512];
	int i;

	if (argc < 2)
		return true;
	(void)snprintf(full, sizeof(full), "%s/%s", test->suite, test->name);
	for (i = 1; i < argc; i++) {
		if (fnmatch(argv[i], full, 0) == 0 ||
		    fnmatch(argv[i], test->name, 0) == 0)
			return true;
	}
	return false;
}

static enum test_outcome main_run(const struct test_case *test)
{
	enum test_outcome outcome = test_run(test);

	if (outcome != TEST_PASSED)
		(void)fprintf(stderr, "%s %s/%s: %s\n",
		    outcome == TEST_FAILED ? "FAILED" : "skipped", test->suite,
		    test->name, test_message());
	return outcome;
}

static int main_plain(int argc, char **argv)
{
	unsigned counts[3] = { 0, 0, 0 };
	const struct test_case *test;
	bool list = argc == 2 && strcmp(argv[1], "-l") == 0;

	for (test = test_first(); test != NULL; test = test->next) {
		if (list)
			(void)printf("%s/%s\n", test->suite, test->name);
		else if (main_wanted(test, argc, argv))
			counts[main_run(test)]++;
	}
	if (list)
		return 0;
	(void)printf("%u passed, %u failed, %u skipped\n", counts[TEST_PASSED],
	    counts[TEST_FAILED], counts[TEST_SKIPPED]);
	if (counts[TEST_FAILED] != 0)
		return 1;
	if (counts[TEST_PASSED] != 0)
		return 0;
	return counts[TEST_SKIPPED] != 0 ? 77 : 1;
}

#ifdef EVKV_TEST_CRITERION
static int main_criterion(int argc, char **argv)
{
	struct criterion_test_set *tests = criterion_initialize();
	int status = 0;

	if (criterion_handle_args(argc, argv, true))
		status = !criterion_run_all_tests(tests);
	criterion_finalize(tests);
	return status;
}
#endif

/* Criterion's children begin where they find the symbol. */
__attribute__((visibility("default"))) int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--plain") == 0)
		return main_plain(argc - 1, argv + 1);
#ifdef EVKV_TEST_CRITERION
	return main_criterion(argc, argv);
#else
	return main_plain(argc, argv);
#endif
}
