/*
 * tests/conformance/suites.c - main() of the programs of our own stores.
 */
#include "suites.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	const struct evkv_conformance_suite *suite;

	for (suite = conformance_suites; suite->name != NULL; suite++) {
		if (argc > 1 && strcmp(argv[1], suite->name) == 0)
			return evkv_conformance_main(argc - 1, argv + 1, suite);
	}
	(void)fprintf(stderr, "usage: %s <suite> [options]; suites:\n",
	    argv[0]);
	for (suite = conformance_suites; suite->name != NULL; suite++)
		(void)fprintf(stderr, "  %s\n", suite->name);
	return 2;
}
