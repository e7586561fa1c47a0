/*
 * tests/conformance/main.c - evkv_conformance_main(): options, the plan of what
 * is to be run, and TAP.
 *
 * Everything runs in this process, one after the other. What a case that failed
 * leaves behind is ended before the next one begins. Each has to leave evkv's
 * allocator as it was; LeakSanitizer, which takes longer than a case, is asked
 * at the end.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "model/model.h"

enum {
	MAIN_CASES = 1 << 0,
	MAIN_SWEEP = 1 << 1,
	MAIN_MODEL = 1 << 2,
	MAIN_DELAYED = 1 << 3,
	MAIN_LIST = 1 << 4,
};

struct main_options {
	const struct evkv_conformance_suite *suite;
	uint32_t what; /* MAIN_* */
	uint64_t seed;
	size_t ops;
	char **patterns;
	int pattern_count;
};

static const struct {
	const char *name;
	void (*run)(const struct model_options *options);
} main_histories[] = {
	{ "many_short_histories", model_many_short_histories },
	{ "a_long_history", model_a_long_history },
};

#define MAIN_HISTORIES (sizeof(main_histories) / sizeof(main_histories[0]))

static const struct {
	const char *option;
	uint32_t bit;
} main_flags[] = {
	{ "--cases", MAIN_CASES },
	{ "--sweep", MAIN_SWEEP },
	{ "--model", MAIN_MODEL },
	{ "--delayed", MAIN_DELAYED },
	{ "--list", MAIN_LIST },
};

/* ---- Options ---------------------------------------------------------- */

static bool main_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *text != '-';
}

static bool main_option(struct main_options *options, const char *option)
{
	uint64_t number;
	size_t i;

	for (i = 0; i < sizeof(main_flags) / sizeof(main_flags[0]); i++) {
		if (strcmp(option, main_flags[i].option) == 0) {
			options->what |= main_flags[i].bit;
			return true;
		}
	}
	if (strcmp(option, "--verbose") == 0)
		return setenv("EVKV_TEST_VERBOSE", "1", 1) == 0;
	if (strncmp(option, "--seed=", 7) == 0)
		return main_number(option + 7, &options->seed);
	if (strncmp(option, "--ops=", 6) == 0 &&
	    main_number(option + 6, &number)) {
		options->ops = (size_t)number;
		return true;
	}
	return false;
}

/* From the environment too, for a whole run of tests. */
static void main_environment(struct main_options *options)
{
	const char *seed = getenv("EVKV_TEST_SEED");
	const char *ops = getenv("EVKV_TEST_OPS");
	uint64_t number;

	if (seed != NULL && main_number(seed, &number))
		options->seed = number;
	if (ops != NULL && main_number(ops, &number))
		options->ops = (size_t)number;
}

static bool main_read(struct main_options *options, int argc, char **argv)
{
	int i;

	main_environment(options);
	for (i = 1; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (!main_option(options, argv[i])) {
			(void)fprintf(stderr, "%s: no such option: %s\n",
			    options->suite->name, argv[i]);
			return false;
		}
	}
	options->patterns = argv + i;
	options->pattern_count = argc - i;
	if ((options->what & (MAIN_CASES | MAIN_SWEEP | MAIN_MODEL)) == 0)
		options->what |= MAIN_CASES | MAIN_SWEEP | MAIN_MODEL;
	return true;
}

static bool main_wanted(const struct main_options *options, const char *name)
{
	int i;

	for (i = 0; i < options->pattern_count; i++) {
		if (fnmatch(options->patterns[i], name, 0) == 0)
			return true;
	}
	return options->pattern_count == 0;
}

/* ---- Running ---------------------------------------------------------- */

/* What the body of the test that is running is about. */
static struct {
	const struct main_options *options;
	const struct conformance_case *which;
	enum conformance_mode mode;
	size_t history;
	unsigned done, failed, passed;
} main_now;

static void main_case(void)
{
	conformance_run(main_now.options->suite, main_now.mode, main_now.which);
}

static void main_sweep(void)
{
	conformance_sweep(main_now.options->suite, main_now.mode,
	    main_now.which);
}

static void main_history(void)
{
	const struct main_options *options = main_now.options;
	const char *name = main_histories[main_now.history].name;

	if (conformance_exception(options->suite, name) != NULL)
		skip_test("the suite has an exception from it");
	if ((options->suite->quirks & EVKV_CONFORMANCE_FORGETS) != 0)
		skip_test("the store keeps nothing");
	main_histories[main_now.history].run(&(struct model_options){
	    .suite = options->suite,
	    .mode = main_now.mode,
	    .seed = options->seed,
	    .ops = options->ops,
	});
}

/* TAP's comments are lines of their own. */
static void main_explain(const char *text)
{
	(void)printf("  ---\n  message: \"");
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			(void)putchar('\\');
		(void)putchar(*text == '\n' ? ' ' : *text);
	}
	(void)printf("\"\n  ...\n");
}

static void main_one(const char *group, const char *name, void (*body)(void))
{
	struct test_case test = { .suite = group, .name = name, .body = body };
	unsigned number = ++main_now.done;

	switch (test_run(&test)) {
	case TEST_PASSED:
		main_now.passed++;
		(void)printf("ok %u - %s/%s\n", number, group, name);
		break;
	case TEST_SKIPPED:
		(void)printf("ok %u - %s/%s # SKIP %s\n", number, group, name,
		    test_message());
		break;
	case TEST_FAILED:
		main_now.failed++;
		(void)printf("not ok %u - %s/%s\n", number, group, name);
		main_explain(test_message());
		break;
	}
	(void)fflush(stdout);
}

/* Run, or with `run` false only count, what was asked for. */
static unsigned main_cases(const char *group, enum conformance_mode mode,
    void (*body)(void), bool run)
{
	const struct conformance_case *which;
	unsigned count = 0;

	main_now.mode = mode;
	for (which = conformance_cases; which->name != NULL; which++) {
		if (!main_wanted(main_now.options, which->name))
			continue;
		count++;
		main_now.which = which;
		if (run)
			main_one(group, which->name, body);
	}
	return count;
}

static unsigned main_models(const char *group, enum conformance_mode mode,
    bool run)
{
	unsigned count = 0;
	size_t i;

	main_now.mode = mode;
	for (i = 0; i < MAIN_HISTORIES; i++) {
		if (!main_wanted(main_now.options, main_histories[i].name))
			continue;
		count++;
		main_now.history = i;
		if (run)
			main_one(group, main_histories[i].name, main_history);
	}
	return count;
}

static unsigned main_all(bool run)
{
	uint32_t what = main_now.options->what;
	unsigned count = 0;

	if ((what & MAIN_DELAYED) == 0) {
		if ((what & MAIN_CASES) != 0)
			count += main_cases("cases", CONFORMANCE_PLAIN,
			    main_case, run);
		if ((what & MAIN_MODEL) != 0)
			count += main_models("model", CONFORMANCE_PLAIN, run);
		if ((what & MAIN_SWEEP) != 0)
			count += main_cases("sweep", CONFORMANCE_PLAIN,
			    main_sweep, run);
		return count;
	}
	if ((what & MAIN_CASES) != 0) {
		count += main_cases("delayed", CONFORMANCE_DELAYED, main_case,
		    run);
		count += main_cases("repeated", CONFORMANCE_REPEATED, main_case,
		    run);
	}
	if ((what & MAIN_MODEL) != 0) {
		count += main_models("delayed_model", CONFORMANCE_DELAYED, run);
		count += main_models("refused_model", CONFORMANCE_REFUSED, run);
	}
	if ((what & MAIN_SWEEP) != 0)
		count += main_cases("delayed_sweep", CONFORMANCE_DELAYED,
		    main_sweep, run);
	return count;
}

static int main_list(void)
{
	const struct conformance_case *which;
	size_t i;

	for (which = conformance_cases; which->name != NULL; which++)
		(void)printf("%s\n", which->name);
	for (i = 0; i < MAIN_HISTORIES; i++)
		(void)printf("%s\n", main_histories[i].name);
	return 0;
}

/* An exception from a case that does not exist is a mistake. */
static bool main_check_exceptions(const struct evkv_conformance_suite *suite)
{
	const struct evkv_conformance_exception *row = suite->exceptions;
	const struct conformance_case *which;
	size_t i;

	for (; row != NULL && row->name != NULL; row++) {
		for (which = conformance_cases; which->name != NULL; which++) {
			if (strcmp(which->name, row->name) == 0)
				break;
		}
		for (i = 0; i < MAIN_HISTORIES; i++) {
			if (strcmp(main_histories[i].name, row->name) == 0)
				break;
		}
		if (which->name == NULL && i == MAIN_HISTORIES) {
			(void)fprintf(stderr, "%s: there is no case %s\n",
			    suite->name, row->name);
			return false;
		}
	}
	return true;
}

int evkv_conformance_main(int argc, char **argv,
    const struct evkv_conformance_suite *suite)
{
	struct main_options options = { .suite = suite };

	if (suite == NULL || suite->size != sizeof(*suite) ||
	    suite->name == NULL || suite->open == NULL) {
		(void)fprintf(stderr,
		    "a suite needs its size, a name and open()\n");
		return 2;
	}
	if (!main_read(&options, argc, argv) || !main_check_exceptions(suite))
		return 2;
	if ((options.what & MAIN_LIST) != 0)
		return main_list();
	memset(&main_now, 0, sizeof(main_now));
	main_now.options = &options;
	(void)printf("TAP version 13\n1..%u\n", main_all(false));
	(void)fflush(stdout);
	test_leaks_at_end();
	(void)main_all(true);
	if (test_leaked()) {
		(void)printf("Bail out! LeakSanitizer found a leak\n");
		return 1;
	}
	if (main_now.failed != 0 || main_now.done == 0)
		return 1;
	return main_now.passed != 0 ? 0 : 77;
}
