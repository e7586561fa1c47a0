/*
 * The wrappers by text: what is built from it is described as it.
 */
#include <string.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "lib/rig.h"
#include "lib/test.h"

EVKV_TEST(unit_wrapper_chains, each_by_text)
{
	static const char *const texts[] = {
		"simple: | statistics",
		"simple: | statistics(front, max_collections=7, "
		"sample_inline=1)",
		"simple: | fault(seed=7, fail=1, lose=2, drop=3, reorder=4, "
		"delay=5, delay_time=20ms)",
		"simple: | timeout(250ms, span_timeout=5s)",
		"simple: | retry(attempts=5, backoff=10ms, max_backoff=1s, "
		"attempt_timeout=100ms, deadline=2s, budget_percent=10, "
		"budget_reserve=50, repeat_writes=yes)",
		"simple: | fallback(memory:, on_miss=yes, writes=yes, "
		"timeout=50ms)",
		"simple: | circuit_breaker(window=20s, min_operations=5, "
		"failure_percent=40, slow=500ms, slow_percent=60, open=1s, "
		"probes=2)",
		"simple: | concurrency_limit(8, max_queue=100, "
		"max_wait=200ms)",
		"simple: | single_collection(all, separator=:, "
		"default_collection=d)",
		"simple: | prefix_collections(app-)",
		"simple: | limit_size(1m, max_key=100, max_keys=50, "
		"max_bytes=2m)",
		"simple: | trace(low)",
		"simple: | logging(all=yes, redact_keys=yes, slow=100ms)",
		"simple: | default_value(none, collections=counts*)",
		"simple: | routing(memory:, routes=sessions*)",
		"simple: | routing(simple: | read_only, memory:, "
		"routes=\"sessions* a\\\\ b\")",
		"simple: | concurrency_limit | circuit_breaker | retry | "
		"fallback(simple: | statistics(second)) | statistics",
	};
	struct rig rig;
	size_t i;

	rig_open(&rig);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		rig_check_described(&rig, texts[i], texts[i]);
	rig_close(&rig);
}

EVKV_TEST(unit_wrapper_chains, bounds_are_told)
{
	static const struct {
		const char *text, *word;
	} rows[] = {
		{ "simple: | timeout", "timeout" },
		{ "simple: | timeout(0ms)", "timeout" },
		{ "simple: | retry(attempts=1001)", "attempts" },
		{ "simple: | circuit_breaker(probes=1001)", "probes" },
		{ "simple: | circuit_breaker(failure_percent=101)",
		    "failure_percent" },
		{ "simple: | concurrency_limit(0)", "max_running" },
		{ "simple: | fault(fail=1001)", "fail" },
		{ "simple: | statistics(sample_inline=65537)",
		    "sample_inline" },
		{ "simple: | fallback", "fallback" },
		{ "simple: | fallback(simple:, timeout=-1ms)", "timeout" },
		{ "simple: | single_collection(separator=%)", "separator" },
		{ "simple: | prefix_collections", "prefix" },
		{ "simple: | routing", "routing" },
		{ "simple: | routing(simple:)", "routes" },
		{ "simple: | routing(simple:, routes=\"a b\")",
		    "2 patterns for 1 stores" },
		{ "simple: | routing(simple:, simple:, routes=a)",
		    "1 patterns for 2 stores" },
		{ "simple: | routing(simple:, routes=[a)", "route 1" },
	};
	struct evkv_error error = EVKV_ERROR_INIT;
	struct rig rig;
	size_t i;

	rig_open(&rig);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (evkv_open(rig.loop, rows[i].text, &error) != NULL)
			fail_test("%s was opened", rows[i].text);
		check_int(error.status, EVKV_INVALID);
		check_invalid(error, rows[i].word);
		evkv_error_clear(&error);
	}
	rig_close(&rig);
}

/* One on top of all others does what each of them promises. */
EVKV_TEST(unit_wrapper_chains, a_deep_stack_works)
{
	struct answer answer = ANSWER_INIT;
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_statistics s;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_open(rig.loop,
	    "memory: | fault(seed=3, fail=200, reorder=300) | "
	    "timeout(1s) | retry(attempts=50, backoff=-1ms, "
	    "budget_reserve=10000) | circuit_breaker | "
	    "concurrency_limit(4) | single_collection(all) | "
	    "prefix_collections(app-) | statistics(top)",
	    &error);
	if (store == NULL)
		fail_test("%s", error.message);
	evkv_put(store, EVKV_LIT("users"), EVKV_LIT("1"), EVKV_LIT("Ada"), 0,
	    answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	answer_reset(&answer);
	evkv_get(store, EVKV_LIT("users"), EVKV_LIT("1"), answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check_slice(answer.entries[0].bytes, "Ada");
	answer_reset(&answer);
	evkv_collections(store, EVKV_LIT(""), EVKV_LIT(""), 0, answer_cb,
	    &answer);
	rig_wait(&rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	check_int(answer.count, 1);
	check_slice(answer.entries[0].name, "users");
	check(evkv_statistics_snapshot(store, NULL, &s));
	check_int(s.operations, 3);
	check_int(s.failures, 0);
	answer_free(&answer);
	evkv_store_unref(store);
	rig_close(&rig);
}

/* A handle that outlived its loop. */
static struct evkv_store *dead_store(void)
{
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_memory_new(rig.loop, NULL, NULL);
	rig_close(&rig);
	return store;
}

static void check_refused(struct evkv_store *store, struct evkv_error *error)
{
	check(store == NULL);
	check_status(error->status, EVKV_INVALID);
	check_invalid(*error, "closed");
	evkv_error_clear(error);
}

EVKV_TEST(unit_wrapper_chains, none_over_a_store_whose_loop_was_freed)
{
	struct evkv_error e = EVKV_ERROR_INIT;

	check_refused(evkv_statistics_new(dead_store(), NULL, &e), &e);
	check_refused(evkv_fault_new(dead_store(), NULL, &e), &e);
	check_refused(evkv_retry_new(dead_store(), NULL, &e), &e);
	check_refused(evkv_logging_new(dead_store(), NULL, &e), &e);
	check_refused(evkv_trace_new(dead_store(), NULL, &e), &e);
	check_refused(evkv_circuit_breaker_new(dead_store(), NULL, &e), &e);
	check_refused(evkv_concurrency_limit_new(dead_store(), NULL, &e), &e);
	check_refused(evkv_single_collection_new(dead_store(), NULL, &e), &e);
	check_refused(evkv_read_only_new(dead_store(), &e), &e);
	check_refused(evkv_prefix_keys_new(dead_store(), EVKV_LIT("p"), &e),
	    &e);
	check_refused(evkv_fallback_new(dead_store(), dead_store(), NULL, &e),
	    &e);
	check_refused(evkv_passthrough_cache_new(dead_store(), dead_store(),
			  NULL, &e),
	    &e);
}
