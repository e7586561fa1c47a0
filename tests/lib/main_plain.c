/*
 * tests/lib/main_plain.c - runs a program's tests in this process.
 *
 * Arguments are patterns as of the shell, for "suite/name" or the name alone;
 * none = all. -l lists. Exit status: 0 all passed, 77 all skipped, else 1.
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

int main(int argc, char **argv)
{
	unsigned counts[3] = { 0, 0, 0 };
	const struct test_case *test;
	bool list = argc == 2 && strcmp(argv[1], "-l") == 0;

	for (test = test_first(); test != NULL; test = test->next) {
		if (list)
			(void)printf("%s/%s\n", test->suite, test->name);
		else if (main_wanted(test, argc, argv))
			counts[test_run(test)]++;
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
