/*
 * tests/conformance/invalid.c - what bad input gets: INVALID, a message that
 * names the argument, and nothing done, not even the good part of a batch.
 */
#include <string.h>

#include "cases.h"

static const char invalid_long[EVKV_PATTERN_MAX + 1] = { 'x' };
static const char invalid_key[EVKV_KEY_MAX + 1] = { 'x' };

static const struct evkv_slice invalid_good[2] = { { "good", 4 },
	{ "other", 5 } };
static const struct evkv_slice invalid_empty[2] = { { "good", 4 }, { "", 0 } };
static const struct evkv_slice invalid_null[2] = { { "good", 4 }, { NULL, 3 } };
static const struct evkv_slice invalid_huge[2] = { { "good", 4 },
	{ invalid_key, sizeof(invalid_key) } };
static const char invalid_cursor[EVKV_CURSOR_MAX + 1] = { 'x' };
static const struct evkv_slice invalid_value[2] = { { "good", 4 },
	{ "x", EVKV_VALUE_MAX + 1 } }; /* not looked at */
static const int64_t invalid_deltas[2] = { 0, 0 };
static const int64_t invalid_ttls[2] = { 1000, -1 };
static const int64_t invalid_long_ttls[2] = { 1000, EVKV_TTL_MAX + 1 };

#define VALUES_ .values = invalid_good
#define PUT_ .kind = EVKV_OP_PUT, .count = 2, .keys = invalid_good
#define GET_ .kind = EVKV_OP_GET, .count = 2, .keys = invalid_good
#define LONG_NAME_                                                             \
	{                                                                      \
		invalid_key, EVKV_COLLECTION_MAX + 1                           \
	}

/* Each is wrong in one way; `part` is what the message must name. */
static const struct {
	const char *part;
	struct evkv_request request;
} invalid_rows[] = {
	{ "kind", { .kind = EVKV_KIND_COUNT } },
	{ "kind", { .kind = (enum evkv_kind)1000 } },
	{ "keys[1]",
	    { .kind = EVKV_OP_GET, .count = 2, .keys = invalid_empty } },
	{ "keys[1]",
	    { .kind = EVKV_OP_GET, .count = 2, .keys = invalid_null } },
	{ "keys[1]",
	    { .kind = EVKV_OP_GET, .count = 2, .keys = invalid_huge } },
	{ "keys[1]",
	    { .kind = EVKV_OP_DELETE, .count = 2, .keys = invalid_empty } },
	{ "keys[1]",
	    { .kind = EVKV_OP_PUT,
		.count = 2,
		.keys = invalid_huge,
		VALUES_ } },
	{ "keys", { .kind = EVKV_OP_GET, .count = 1 } },
	{ "keys", { .kind = EVKV_OP_DELETE, .count = 1 } },
	{ "values", { PUT_ } },
	{ "values[1]", { PUT_, .values = invalid_null } },
	{ "values[1] is over 4294967295 bytes",
	    { PUT_, .values = invalid_value } },
	{ "ttl_ms", { PUT_, VALUES_, .ttl_ms = -1 } },
	{ "ttl_ms", { PUT_, VALUES_, .ttl_ms = INT64_MIN } },
	{ "ttl_ms", { PUT_, VALUES_, .ttl_ms = EVKV_TTL_MAX + 1 } },
	{ "ttl_ms", { PUT_, VALUES_, .ttl_ms = INT64_MAX } },
	{ "ttls_ms[1]", { PUT_, VALUES_, .ttls_ms = invalid_ttls } },
	{ "ttls_ms[1]", { PUT_, VALUES_, .ttls_ms = invalid_long_ttls } },
	{ "ttl_ms",
	    { .kind = EVKV_OP_TOUCH,
		.count = 2,
		.keys = invalid_good,
		.ttl_ms = -1 } },
	{ "ttls_ms[1]",
	    { .kind = EVKV_OP_TOUCH,
		.count = 2,
		.keys = invalid_good,
		.ttls_ms = invalid_ttls } },
	{ "put, touch and incr",
	    { .kind = EVKV_OP_GET,
		.count = 2,
		.keys = invalid_good,
		.ttl_ms = 1 } },
	{ "condition", { PUT_, VALUES_, .condition = (enum evkv_condition)3 } },
	{ "condition is not one of",
	    { PUT_, VALUES_, .condition = EVKV_IF_COUNT } },
	{ "condition is for put, delete and touch",
	    { GET_, .condition = EVKV_IF_PRESENT } },
	{ "are for incr", { GET_, .delta = 1 } },
	{ "are for incr", { GET_, .deltas = invalid_deltas } },
	{ "are for incr", { GET_, .initial = 1 } },
	{ "condition",
	    { .kind = EVKV_OP_DELETE,
		.count = 2,
		.keys = invalid_good,
		.condition = EVKV_IF_PRESENT } },
	{ "values",
	    { .kind = EVKV_OP_GET,
		.count = 2,
		.keys = invalid_good,
		VALUES_ } },
	{ "collection", { PUT_, VALUES_, .collection = LONG_NAME_ } },
	{ "collection", { .kind = EVKV_OP_KEYS, .collection = LONG_NAME_ } },
	{ "collection", { .kind = EVKV_OP_CLEAR, .collection = LONG_NAME_ } },
	{ "collection",
	    { .kind = EVKV_OP_GET,
		.count = 2,
		.keys = invalid_good,
		.collection = { NULL, 1 } } },
	{ "collection",
	    { .kind = EVKV_OP_CLEAR_ALL, .collection = { "c", 1 } } },
	{ "collection",
	    { .kind = EVKV_OP_COLLECTIONS, .collection = { "c", 1 } } },
	{ "collection", { .kind = EVKV_OP_PING, .collection = { "c", 1 } } },
	{ "count", { .kind = EVKV_OP_KEYS, .count = 2, .keys = invalid_good } },
	{ "count",
	    { .kind = EVKV_OP_CLEAR_ALL, .count = 2, .keys = invalid_good } },
	{ "count",
	    { .kind = EVKV_OP_GET,
		.count = 2,
		.keys = invalid_good,
		.flags = EVKV_FLAG_SINGLE } },
	{ "count", { .kind = EVKV_OP_CLEAR, .flags = EVKV_FLAG_SINGLE } },
	{ "flags",
	    { .kind = EVKV_OP_GET,
		.count = 2,
		.keys = invalid_good,
		.flags = 1u << 31 } },
	{ "0x80000000",
	    { .kind = EVKV_OP_GET,
		.count = 2,
		.keys = invalid_good,
		.flags = 1u << 31 } },
	{ "count is 2147483648",
	    { .kind = EVKV_OP_GET,
		.count = (size_t)INT32_MAX + 1,
		.keys = invalid_good } },
	{ "WAIT_READY",
	    { .kind = EVKV_OP_GET,
		.count = 2,
		.keys = invalid_good,
		.flags = EVKV_FLAG_WAIT_READY } },
	{ "pattern", { .kind = EVKV_OP_KEYS, .match.pattern = { "[a", 2 } } },
	{ "pattern", { .kind = EVKV_OP_KEYS, .match.pattern = { "a\\", 2 } } },
	{ "pattern",
	    { .kind = EVKV_OP_KEYS, .match.pattern = { "[z-a]", 5 } } },
	{ "pattern", { .kind = EVKV_OP_KEYS, .match.pattern = { NULL, 1 } } },
	{ "pattern",
	    { .kind = EVKV_OP_KEYS,
		.match.pattern = { invalid_long, sizeof(invalid_long) } } },
	{ "pattern",
	    { .kind = EVKV_OP_COLLECTIONS, .match.pattern = { "[", 1 } } },
	{ "pattern", { .kind = EVKV_OP_CLEAR, .match.pattern = { "[!", 2 } } },
	{ "pattern",
	    { .kind = EVKV_OP_CLEAR_ALL, .match.pattern = { "[", 1 } } },
	{ "pattern",
	    { .kind = EVKV_OP_GET,
		.count = 2,
		.keys = invalid_good,
		.match.pattern = { "*", 1 } } },
	{ "pattern",
	    { .kind = EVKV_OP_PURGE_EXPIRED, .match.pattern = { "*", 1 } } },
	{ "match.prefix is NULL",
	    { .kind = EVKV_OP_KEYS, .match.prefix = { NULL, 1 } } },
	{ "match.prefix is over 65535 bytes",
	    { .kind = EVKV_OP_KEYS,
		.match.prefix = { invalid_key, sizeof(invalid_key) } } },
	{ "cursor is longer",
	    { .kind = EVKV_OP_KEYS,
		.match.cursor = { invalid_cursor, sizeof(invalid_cursor) } } },
	{ "match.prefix",
	    { .kind = EVKV_OP_PING, .match.prefix = { "a", 1 } } },
	{ "cursor is NULL",
	    { .kind = EVKV_OP_KEYS, .match.cursor = { NULL, 9 } } },
	{ "cursor", { .kind = EVKV_OP_CLEAR, .match.cursor = { "x", 1 } } },
	{ "limit", { .kind = EVKV_OP_CLEAR_ALL, .match.limit = 1 } },
	{ "timeout_ms is -2",
	    { .kind = EVKV_OP_GET,
		.count = 2,
		.keys = invalid_good,
		.timeout_ms = -2 } },
};

CASE(bad_input_is_invalid_and_names_the_argument)
{
	const struct evkv_request *request;
	struct answer *a;
	size_t i, j;

	for (i = 0; i < sizeof(invalid_rows) / sizeof(invalid_rows[0]); i++) {
		request = &invalid_rows[i].request;
		test_from("invalid_rows", (int)i);
		a = conformance_do(c, request);
		check_status(a->status, EVKV_INVALID);
		check_int(a->affected, 0);
		for (j = 0; j < a->count; j++)
			check_status(a->entries[j].status, EVKV_INVALID);
		if (faults_fired() == 0)
			check_contains(a->message, invalid_rows[i].part);
	}
	test_from(NULL, 0);
}

CASE(bad_input_changes_nothing)
{
	size_t i;

	must_put(c, L(""), L("good"), L("old"), 500 * c->unit_ms);
	must_put(c, L("c"), L("good"), L("old"), 0);
	for (i = 0; i < sizeof(invalid_rows) / sizeof(invalid_rows[0]); i++)
		check_status(conformance_do(c, &invalid_rows[i].request)
				 ->status,
		    EVKV_INVALID);
	must_get(c, L(""), L("good"), L("old"));
	must_have_ttl(c, L(""), L("good"), 500 * c->unit_ms);
	must_get(c, L("c"), L("good"), L("old"));
	must_miss(c, L(""), L("other"));
}

CASE(bad_counted_values_are_invalid)
{
	const struct evkv_slice values[] = { L("1"), L("2") };
	struct evkv_value *counted[2] = { NULL, NULL };
	struct answer *a;

	a = conformance_do(c,
	    &(struct evkv_request){ PUT_, .counted_values = counted });
	check_status(a->status, EVKV_INVALID);
	if (faults_fired() == 0)
		check_contains(a->message, "counted_values[0]");
	a = conformance_do(c,
	    &(struct evkv_request){
		PUT_, .values = values, .counted_values = counted });
	check_status(a->status, EVKV_INVALID);
	if (faults_fired() == 0)
		check_contains(a->message, "counted_values");
	must_miss(c, L(""), L("good"));
}

CASE(a_null_request_is_invalid)
{
	struct answer *a = conformance_answer(c);

	conformance_answer_submitted(a,
	    evkv_submit_sized(c->store, NULL, sizeof(struct evkv_request),
		answer_cb, a));
	check_int(a->calls, 0);
	conformance_wait(c, a);
	check_status(a->status, EVKV_INVALID);
	if (faults_fired() == 0)
		check_contains(a->message, "request");
}

CASE(a_null_store_gives_no_ticket)
{
	struct evkv_slice key = L("k");

	check_int(evkv_submit(NULL,
		      &(struct evkv_request){
			  .kind = EVKV_OP_GET, .keys = &key, .count = 1 },
		      answer_cb, NULL),
	    0);
	check_int(evkv_get(NULL, L("c"), key, answer_cb, NULL), 0);
	check_int(evkv_store_close(NULL, 0, answer_cb, NULL), 0);
	evkv_store_unref(NULL);
	check(evkv_store_ref(NULL) == NULL);
	evkv_cancel(c->rig.loop, 0);
}

/* As from a caller compiled with older or newer headers. */
CASE(requests_of_other_sizes)
{
	struct {
		struct evkv_request request;
		char more[32];
	} newer = { .request = { .kind = EVKV_OP_PING } };
	struct evkv_slice key = L("k");
	struct evkv_request older = {
		.kind = EVKV_OP_EXISTS, .keys = &key, .count = 1
	};
	struct answer *a = conformance_answer(c);

	memset(newer.more, 0, sizeof(newer.more));
	conformance_answer_submitted(a,
	    evkv_submit_sized(c->store, &newer.request, sizeof(newer),
		answer_cb, a));
	check_status(conformance_wait(c, a)->status, EVKV_OK);

	newer.more[7] = 1;
	a = conformance_answer(c);
	conformance_answer_submitted(a,
	    evkv_submit_sized(c->store, &newer.request, sizeof(newer),
		answer_cb, a));
	check_status(conformance_wait(c, a)->status, EVKV_INVALID);

	older.timeout_ms = -7; /* beyond what the older struct has */
	a = conformance_answer(c);
	conformance_answer_submitted(a,
	    evkv_submit_sized(c->store, &older,
		offsetof(struct evkv_request, timeout_ms), answer_cb, a));
	check_status(conformance_wait(c, a)->status, EVKV_OK);
}

/* ---- What is told without asking ---------------------------------------- */

CASE(the_store_tells_of_itself)
{
	struct evkv_counters counters;
	struct answer *a;

	check(evkv_store_name(c->store) != NULL);
	check(evkv_store_name(c->store)[0] != '\0');
	check(evkv_store_loop(c->store) == c->rig.loop);
	a = conformance_answer(c);
	conformance_answer_submitted(a,
	    evkv_store_wait_ready(c->store, -1, answer_cb, a));
	check_int(a->calls, 0);
	check_status(conformance_wait(c, a)->status, EVKV_OK);
	check_int(evkv_store_state(c->store), EVKV_STATE_READY);
	evkv_store_counters(c->store, &counters);
	check_int(counters.pending, 0);
	check_int(counters.pending_bytes, 0);
	check_int(counters.abandoned, 0);
}
