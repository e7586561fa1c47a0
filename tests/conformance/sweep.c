/*
 * tests/conformance/sweep.c - a case again and again with the 1st, 2nd, ...
 * allocation failing, alone and with all after it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

struct conformance_try {
	struct evkv_conformance c;
	const struct evkv_conformance_suite *suite;
	enum conformance_mode mode;
	const struct conformance_case *which;
	size_t n;
	bool from;
	bool unfit;
};

static struct evkv_conformance *conformance_swept;

/* A check may fail for want of memory, if somebody was told of the want. */
static bool conformance_pardon(void)
{
	return conformance_swept != NULL && conformance_swept->saw_nomem;
}

static void conformance_try_run(void *arg)
{
	struct conformance_try *try = arg;
	struct evkv_conformance *c = &try->c;

	if (try->from)
		faults_fail_from(try->n);
	else
		faults_fail_nth(try->n);
	conformance_open(c);
	try->unfit = conformance_unfit(c, try->which) != NULL;
	if (!try->unfit)
		try->which->run(c);
}

/* With memory again: all ops end, the store works, nothing is left over. */
static void conformance_try_after(void *arg)
{
	struct conformance_try *try = arg;
	struct evkv_conformance *c = &try->c;

	test_from(NULL, 0);
	if (c->rig.loop != NULL)
		conformance_wait_all(c);
	c->sweeping = false;
	if (c->store != NULL && !c->injured) {
		evkv_store_set_limits(c->store, 100000, (size_t)1 << 30);
		evkv_store_set_timeout(c->store, 0);
		must_put(c, L("after"), L("key"), L("value"), EVKV_TTL_NONE);
		if (!conformance_has(c, EVKV_CONFORMANCE_FORGETS)) {
			must_get(c, L("after"), L("key"), L("value"));
			check_status(do_delete(c, L("after"), L("key"))->status,
			    EVKV_OK);
		}
		must_miss(c, L("after"), L("key"));
	}
	conformance_end(c);
}

/* Whether the nth allocation was reached. */
static bool conformance_try_nth(struct conformance_try *try)
{
	char text[900];
	size_t before = faults_outstanding(), fired;
	bool ok;

	conformance_begin(&try->c, try->suite, try->mode);
	try->c.sweeping = true;
	conformance_swept = &try->c;
	test_set_pardon(conformance_pardon);
	ok = test_try(conformance_try_run, try);
	test_set_pardon(NULL);
	conformance_swept = NULL;
	fired = faults_fired();
	faults_off();
	if (ok)
		ok = test_try(conformance_try_after, try);
	test_from(NULL, 0);
	if (!ok) {
		(void)snprintf(text, sizeof(text), "%s", test_message());
		fail_test("%s allocation %zu: %s", try->from ? "from" : "only",
		    try->n, text);
	}
	if (faults_outstanding() != before)
		fail_test("%s allocation %zu: %zu blocks outstanding",
		    try->from ? "from" : "only", try->n,
		    faults_outstanding() - before);
	return fired > 0;
}

void conformance_sweep(const struct evkv_conformance_suite *suite,
    enum conformance_mode mode, const struct conformance_case *which)
{
	struct conformance_try try = {
		.suite = suite, .mode = mode, .which = which
	};
	bool from;

	if (conformance_exception(suite, which->name) != NULL)
		skip_test("the suite has an exception from this case");
	for (from = false;; from = true) {
		try.from = from;
		/* Every n at first, every 50th part of it far out. */
		for (try.n = 1; conformance_try_nth(&try);)
			try.n += 1 + try.n / 200 * 4;
		if (try.unfit)
			skip_test("does not apply");
		if (getenv("EVKV_TEST_VERBOSE") != NULL)
			(void)fprintf(stderr, "%s: %s allocation 1 to %zu\n",
			    which->name, from ? "from" : "only", try.n - 1);
		if (from)
			break;
	}
}
