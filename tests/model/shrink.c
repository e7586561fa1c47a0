/*
 * tests/model/shrink.c - makes a failing history short, and shows it.
 */
#include <stdlib.h>
#include <string.h>

#include "model.h"

#define SHRINK_SHOWN 60 /* operations that are printed */
/* Operations that shortening may cost in all. */
#define SHRINK_BUDGET ((size_t)1000000)

/* What was under way beside the failing operation stays. */
static void shrink_cut(struct model_run *run, size_t at)
{
	if (at + MODEL_GROUP < run->count)
		run->count = at + MODEL_GROUP;
}

/* Without the operations [at, at + size): does it still fail? */
static bool shrink_without(struct model_run *run, struct model_op *ops,
    struct model_op *scratch, size_t at, size_t size)
{
	struct model_run shorter = *run;

	memcpy(scratch, ops, at * sizeof(*ops));
	memcpy(scratch + at, ops + at + size,
	    (run->count - at - size) * sizeof(*ops));
	shorter.ops = scratch;
	shorter.count = run->count - size;
	if (model_run(&shorter)) {
		run->worked = shorter.worked;
		return false;
	}
	run->worked = shorter.worked;
	run->count = shorter.count;
	shrink_cut(run, shorter.at);
	memcpy(ops, scratch, run->count * sizeof(*ops));
	return true;
}

static void shrink(struct model_run *run, struct model_op *ops)
{
	struct model_op *scratch = calloc(run->count, sizeof(*scratch));
	size_t size, at;

	if (scratch == NULL)
		abort();
	for (size = run->count / 2; size > 0; size /= 2) {
		for (at = 0; at + size <= run->count;) {
			if (run->worked > SHRINK_BUDGET)
				break;
			if (!shrink_without(run, ops, scratch, at, size))
				at += size;
		}
	}
	free(scratch);
}

void model_check(const struct evkv_conformance_suite *suite,
    enum conformance_mode mode, uint64_t seed, size_t count)
{
	static struct model_op *ops; /* a setup may skip and leave them */
	struct model_run run = { .suite = suite, .mode = mode, .count = count };
	bool real = (suite->quirks & EVKV_CONFORMANCE_REAL_TIME) != 0;
	char text[900];
	size_t from = 0, i;

	free(ops);
	run.ops = ops = calloc(count, sizeof(*ops));
	if (ops == NULL)
		abort();
	model_generate(ops, count, seed, real);
	if (model_run(&run)) {
		free(ops);
		ops = NULL;
		return;
	}
	shrink_cut(&run, run.at);
	shrink(&run, ops);
	if (model_run(&run))
		fail_test("seed %llu: fails now and then",
		    (unsigned long long)seed);
	(void)snprintf(text, sizeof(text), "%s", test_message());
	(void)fprintf(stderr, "%s, seed %llu, shortened to %zu operations:\n",
	    suite->name, (unsigned long long)seed, run.count);
	if (run.count > SHRINK_SHOWN && getenv("EVKV_TEST_VERBOSE") == NULL) {
		from = run.count - SHRINK_SHOWN;
		(void)fprintf(stderr, "  (%zu more, by --verbose)\n", from);
	}
	for (i = from; i < run.count; i++)
		model_print(&ops[i], stderr);
	free(ops);
	ops = NULL;
	fail_test("seed %llu, operation %zu of %zu: %s",
	    (unsigned long long)seed, run.at + 1, run.count, text);
}
