/*
 * tests/conformance/kit/fixtures.c - wrappers made of hooks, and a chain by
 * text.
 */
#include "suites.h"

#define OPEN_(name_)                                                           \
	static struct evkv_store *open_##name_(struct evkv_conformance *run,   \
	    struct evkv_loop *loop, struct evkv_error *error)

/* Below the wrapper: what keeps, and the delaying store. */
static struct evkv_store *below(struct evkv_conformance *run,
    struct evkv_loop *loop, const char *url, struct evkv_error *error)
{
	return evkv_conformance_delay(run, evkv_open(loop, url, error), error);
}

/* Bounds that no case reaches: all that is asked goes through the hook. */
OPEN_(clamp_ttl)
{
	return evkv_clamp_ttl_new(below(run, loop, "simple:", error),
	    &(struct evkv_clamp_ttl_options){
		.min_ms = 1, .max_ms = EVKV_TTL_MAX },
	    error);
}

OPEN_(read_only)
{
	return evkv_read_only_new(below(run, loop, "null:", error), error);
}

OPEN_(chain)
{
	(void)run;
	return evkv_open(loop,
	    "simple: | clamp_ttl(min=1ms) | prefix_keys(\"a \\x00*:\")"
	    " | passthrough_cache(memory:?max_bytes=1g | prefix_keys(c:))"
	    " | prefix_keys(b:)",
	    error);
}

#define REFUSED_(name_, kind_)                                                 \
	{                                                                      \
		.name = #name_, .reason = "the store is read only",            \
		.kind = EVKV_OP_##kind_, .status = EVKV_REFUSED                \
	}

static const struct evkv_conformance_exception read_only_exceptions[] = {
	REFUSED_(put_succeeds_though_nothing_is_kept, PUT),
	REFUSED_(put_takes_counted_values, PUT),
	REFUSED_(touch_of_a_missing_key_makes_nothing, TOUCH),
	REFUSED_(what_an_empty_store_answers_to_kinds_that_remove, CLEAR),
	REFUSED_(ping_sync_and_compact_are_ok, PUT),
	REFUSED_(the_longest_key_works_and_a_longer_one_fails, PUT),
	REFUSED_(each_kind_is_done_or_unsupported, PUT),
	REFUSED_(an_inline_callback_comes_once, PUT),
	REFUSED_(cancel_ends_an_operation_once, PUT),
	REFUSED_(cancel_from_a_callback, PUT),
	REFUSED_(a_deadline_ends_an_operation_once, PUT),
	REFUSED_(too_much_pending_is_busy, PUT),
	REFUSED_(too_many_bytes_pending_are_busy, PUT),
	REFUSED_(many_at_once, PUT),
	REFUSED_(close_drains_then_tells, PUT),
	REFUSED_(close_without_draining, PUT),
	REFUSED_(close_and_unref_from_a_callback, PUT),
	REFUSED_(unref_ends_what_is_pending, PUT),
	REFUSED_(a_second_reference_keeps_the_store, PUT),
	REFUSED_(freeing_the_loop_ends_everything, PUT),
	REFUSED_(freeing_the_loop_with_a_closing_store, PUT),
	{ .name = NULL },
};

const struct evkv_conformance_suite conformance_suites[] = {
	{ .size = sizeof(struct evkv_conformance_suite),
	    .name = "clamp_ttl",
	    .open = open_clamp_ttl },
	{ .size = sizeof(struct evkv_conformance_suite),
	    .name = "read_only",
	    .open = open_read_only,
	    .quirks = EVKV_CONFORMANCE_FORGETS,
	    .exceptions = read_only_exceptions },
	{ .size = sizeof(struct evkv_conformance_suite),
	    .name = "chain",
	    .open = open_chain },
	{ .name = NULL },
};
