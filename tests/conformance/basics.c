/*
 * tests/conformance/basics.c - what each kind of operation does.
 */
#include "cases.h"

/* ---- get, put --------------------------------------------------------- */

CASE(get_of_a_missing_key_is_not_found)
{
	struct answer *a = do_get(c, L("users"), L("nobody"));

	check_status(a->status, EVKV_NOT_FOUND);
	check_int(a->affected, 0);
	check_int(a->cursor.size, 0);
	check(!evkv_failed(a->status));
}

CASE(put_then_get)
{
	struct answer *a = do_put(c, L("users"), L("1"), L("Ada"), 0,
	    EVKV_IF_ANY);

	check_status(a->status, EVKV_OK);
	must_affect(c, a, 1);
	must_get(c, L("users"), L("1"), L("Ada"));
	must_miss(c, L("users"), L("2"));
	must_miss(c, L("user"), L("1"));
	must_miss(c, L(""), L("1"));
}

CASE(put_succeeds_though_nothing_is_kept)
{
	must_put(c, L("users"), L("1"), L("Ada"), 0);
	if (conformance_has(c, EVKV_CONFORMANCE_FORGETS))
		must_miss(c, L("users"), L("1"));
	else
		must_get(c, L("users"), L("1"), L("Ada"));
}

CASE(put_replaces_the_value)
{
	must_put(c, L("c"), L("k"), L("first"), 0);
	must_put(c, L("c"), L("k"), L("the second, longer"), 0);
	must_get(c, L("c"), L("k"), L("the second, longer"));
	must_put(c, L("c"), L("k"), L("3"), 0);
	must_get(c, L("c"), L("k"), L("3"));
}

CASE(an_empty_value_is_a_value)
{
	struct evkv_slice nothing = { NULL, 0 };
	struct answer *a;

	must_put(c, L("c"), L("k"), nothing, 0);
	a = do_get(c, L("c"), L("k"));
	check_status(a->status, EVKV_OK);
	check(a->entries[0].has_value);
	check_int(a->entries[0].bytes.size, 0);
	check_status(do_exists(c, L("c"), L("k"))->status, EVKV_OK);
	must_put(c, L("c"), L("k"), L("full"), 0);
	must_get(c, L("c"), L("k"), L("full"));
	must_put(c, L("c"), L("k"), L(""), 0);
	must_get(c, L("c"), L("k"), L(""));
}

CASE(get_many_answers_in_order_with_duplicates)
{
	const struct evkv_slice keys[] = { L("b"), L("none"), L("a"), L("b"),
		L("none") };
	struct answer *a;

	must_put(c, L("c"), L("a"), L("1"), 0);
	must_put(c, L("c"), L("b"), L("2"), 0);
	a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.collection = L("c"),
		.keys = keys,
		.count = 5 });
	check_status(a->status, EVKV_OK);
	check_int(a->count, 5);
	check_slice(a->entries[0].bytes, "2");
	check_status(a->entries[1].status, EVKV_NOT_FOUND);
	check_slice(a->entries[2].bytes, "1");
	check_slice(a->entries[3].bytes, "2");
	check_status(a->entries[4].status, EVKV_NOT_FOUND);
	check(!a->entries[4].has_value);
}

CASE(zero_keys_are_ok)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_GET, EVKV_OP_TTL,
		EVKV_OP_PUT, EVKV_OP_DELETE, EVKV_OP_EXISTS, EVKV_OP_TOUCH };
	struct answer *a;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!conformance_can(c, kinds[i]))
			continue;
		a = do_kind(c, kinds[i]);
		check_status(a->status, EVKV_OK);
		check_int(a->count, 0);
		check_int(a->affected, 0);
	}
}

CASE(a_batch_of_one_is_ok_where_a_single_is_not_found)
{
	struct evkv_slice key = L("none");
	struct answer *a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.collection = L("c"),
		.keys = &key,
		.count = 1 });

	check_status(a->status, EVKV_OK);
	check_status(a->entries[0].status, EVKV_NOT_FOUND);
	check_status(do_get(c, L("c"), key)->status, EVKV_NOT_FOUND);
}

CASE(put_many_sets_each)
{
	const struct evkv_slice keys[] = { L("a"), L("b"), L("a") };
	const struct evkv_slice values[] = { L("1"), L("2"), L("3") };
	struct answer *a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = L("c"),
		.keys = keys,
		.values = values,
		.count = 3 });
	size_t i;

	check_status(a->status, EVKV_OK);
	check_int(a->count, 3);
	for (i = 0; i < 3; i++)
		check_status(a->entries[i].status, EVKV_OK);
	must_affect(c, a, 3);
	/* One by one in the request's order: the last of "a" stays. */
	must_get(c, L("c"), L("a"), L("3"));
	must_get(c, L("c"), L("b"), L("2"));
}

CASE(put_many_takes_a_ttl_for_each)
{
	const struct evkv_slice keys[] = { L("a"), L("b") };
	const struct evkv_slice values[] = { L("1"), L("2") };
	const int64_t ttls[] = { EVKV_TTL_NONE, 500 * c->unit_ms };
	struct answer *a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = L("c"),
		.keys = keys,
		.values = values,
		.count = 2,
		.ttls_ms = ttls,
		.ttl_ms = 900 * c->unit_ms });

	check_status(a->status, EVKV_OK);
	must_have_ttl(c, L("c"), L("a"), EVKV_TTL_NONE);
	must_have_ttl(c, L("c"), L("b"), 500 * c->unit_ms);
}

CASE(put_takes_counted_values)
{
	const struct evkv_slice keys[] = { L("a"), L("b") };
	struct evkv_value *values[2] = { NULL, NULL };
	struct answer *a;
	size_t i;

	for (i = 0; i < 2; i++) {
		values[i] = evkv_value_new(i == 0 ? L("first") : L(""));
		if (values[i] == NULL) {
			check(faults_fired() > 0);
			c->saw_nomem = true;
			fail_test("no value");
		}
		conformance_keep_value(c, values[i]);
	}
	a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = L("c"),
		.keys = keys,
		.counted_values = values,
		.count = 2 });
	check_status(a->status, EVKV_OK);
	/* The values are still the caller's too. */
	check_slice(evkv_value_bytes(values[0]), "first");
	if (conformance_has(c, EVKV_CONFORMANCE_FORGETS))
		return;
	must_get(c, L("c"), L("a"), L("first"));
	must_get(c, L("c"), L("b"), L(""));
}

CASE(put_if_absent)
{
	struct answer *a = do_put(c, L("c"), L("k"), L("1"), 0, EVKV_IF_ABSENT);

	check_status(a->status, EVKV_OK);
	must_affect(c, a, 1);
	a = do_put(c, L("c"), L("k"), L("2"), 5 * c->unit_ms, EVKV_IF_ABSENT);
	check_status(a->status, EVKV_EXISTS);
	must_affect(c, a, 0);
	must_get(c, L("c"), L("k"), L("1"));
	must_have_ttl(c, L("c"), L("k"), EVKV_TTL_NONE);
	check_status(do_delete(c, L("c"), L("k"))->status, EVKV_OK);
	check_status(do_put(c, L("c"), L("k"), L("3"), 0, EVKV_IF_ABSENT)
			 ->status,
	    EVKV_OK);
	must_get(c, L("c"), L("k"), L("3"));
}

CASE(put_if_present)
{
	struct answer *a = do_put(c, L("c"), L("k"), L("1"), 0,
	    EVKV_IF_PRESENT);

	check_status(a->status, EVKV_NOT_FOUND);
	must_affect(c, a, 0);
	must_miss(c, L("c"), L("k"));
	must_put(c, L("c"), L("k"), L("2"), 500 * c->unit_ms);
	a = do_put(c, L("c"), L("k"), L("3"), 0, EVKV_IF_PRESENT);
	check_status(a->status, EVKV_OK);
	must_affect(c, a, 1);
	must_get(c, L("c"), L("k"), L("3"));
	must_have_ttl(c, L("c"), L("k"), EVKV_TTL_NONE);
}

CASE(conditions_hold_for_each_of_a_batch)
{
	const struct evkv_slice keys[] = { L("new"), L("old"), L("new") };
	const struct evkv_slice values[] = { L("1"), L("2"), L("3") };
	struct answer *a;

	must_put(c, L("c"), L("old"), L("0"), 0);
	a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = L("c"),
		.keys = keys,
		.values = values,
		.count = 3,
		.condition = EVKV_IF_ABSENT });
	check_status(a->status, EVKV_OK);
	check_status(a->entries[0].status, EVKV_OK);
	check_status(a->entries[1].status, EVKV_EXISTS);
	check_status(a->entries[2].status, EVKV_EXISTS);
	must_affect(c, a, 1);
	must_get(c, L("c"), L("new"), L("1"));
	must_get(c, L("c"), L("old"), L("0"));

	a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = L("d"),
		.keys = keys,
		.values = values,
		.count = 3,
		.condition = EVKV_IF_PRESENT });
	check_status(a->status, EVKV_OK);
	check_status(a->entries[0].status, EVKV_NOT_FOUND);
	check_status(a->entries[2].status, EVKV_NOT_FOUND);
	must_affect(c, a, 0);
	must_miss(c, L("d"), L("new"));
}

/* ---- delete, exists, touch, ttl --------------------------------------- */

CASE(delete_removes)
{
	struct answer *a;

	must_put(c, L("c"), L("k"), L("v"), 0);
	must_put(c, L("c"), L("other"), L("v"), 0);
	a = do_delete(c, L("c"), L("k"));
	check_status(a->status, EVKV_OK);
	must_affect(c, a, 1);
	must_miss(c, L("c"), L("k"));
	must_get(c, L("c"), L("other"), L("v"));
	a = do_delete(c, L("c"), L("k"));
	check_status(a->status, EVKV_NOT_FOUND);
	must_affect(c, a, 0);
}

CASE(delete_many_counts_what_existed)
{
	const struct evkv_slice keys[] = { L("a"), L("none"), L("b"), L("a") };
	struct answer *a;

	must_put(c, L("c"), L("a"), L("1"), 0);
	must_put(c, L("c"), L("b"), L("2"), 0);
	must_put(c, L("c"), L("stays"), L("3"), 0);
	a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_DELETE,
		.collection = L("c"),
		.keys = keys,
		.count = 4 });
	check_status(a->status, EVKV_OK);
	check_status(a->entries[0].status, EVKV_OK);
	check_status(a->entries[1].status, EVKV_NOT_FOUND);
	check_status(a->entries[2].status, EVKV_OK);
	check_status(a->entries[3].status, EVKV_NOT_FOUND);
	must_affect(c, a, 2);
	must_miss(c, L("c"), L("a"));
	must_get(c, L("c"), L("stays"), L("3"));
}

CASE(exists_tells_without_the_value)
{
	const struct evkv_slice keys[] = { L("k"), L("none"), L("k") };
	struct answer *a;

	must_put(c, L("c"), L("k"), L("v"), 0);
	check_status(do_exists(c, L("c"), L("k"))->status, EVKV_OK);
	check_status(do_exists(c, L("c"), L("none"))->status, EVKV_NOT_FOUND);
	a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_EXISTS,
		.collection = L("c"),
		.keys = keys,
		.count = 3 });
	check_status(a->status, EVKV_OK);
	check_status(a->entries[0].status, EVKV_OK);
	check_status(a->entries[1].status, EVKV_NOT_FOUND);
	check_status(a->entries[2].status, EVKV_OK);
	check(!a->entries[0].has_value);
	check_int(a->affected, 0);
}

CASE(touch_sets_and_removes_a_ttl)
{
	struct answer *a;

	must_put(c, L("c"), L("k"), L("v"), 0);
	a = do_touch(c, L("c"), L("k"), 500 * c->unit_ms);
	check_status(a->status, EVKV_OK);
	must_affect(c, a, 1);
	must_have_ttl(c, L("c"), L("k"), 500 * c->unit_ms);
	must_get(c, L("c"), L("k"), L("v"));
	check_status(do_touch(c, L("c"), L("k"), 900 * c->unit_ms)->status,
	    EVKV_OK);
	must_have_ttl(c, L("c"), L("k"), 900 * c->unit_ms);
	check_status(do_touch(c, L("c"), L("k"), EVKV_TTL_NONE)->status,
	    EVKV_OK);
	must_have_ttl(c, L("c"), L("k"), EVKV_TTL_NONE);
	/* Removing what is not there is no miss. */
	check_status(do_touch(c, L("c"), L("k"), EVKV_TTL_NONE)->status,
	    EVKV_OK);
	must_get(c, L("c"), L("k"), L("v"));
}

CASE(touch_of_a_missing_key_makes_nothing)
{
	struct answer *a = do_touch(c, L("c"), L("none"), 1000);

	check_status(a->status, EVKV_NOT_FOUND);
	must_affect(c, a, 0);
	check_status(do_touch(c, L("c"), L("none"), EVKV_TTL_NONE)->status,
	    EVKV_NOT_FOUND);
	must_miss(c, L("c"), L("none"));
}

CASE(touch_many_takes_a_ttl_for_each)
{
	const struct evkv_slice keys[] = { L("a"), L("none"), L("b") };
	const int64_t ttls[] = { 500 * c->unit_ms, 1000, EVKV_TTL_NONE };
	struct answer *a;

	must_put(c, L("c"), L("a"), L("1"), 0);
	must_put(c, L("c"), L("b"), L("2"), 700 * c->unit_ms);
	a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_TOUCH,
		.collection = L("c"),
		.keys = keys,
		.count = 3,
		.ttls_ms = ttls });
	check_status(a->status, EVKV_OK);
	check_status(a->entries[0].status, EVKV_OK);
	check_status(a->entries[1].status, EVKV_NOT_FOUND);
	check_status(a->entries[2].status, EVKV_OK);
	must_affect(c, a, 2);
	must_have_ttl(c, L("c"), L("a"), 500 * c->unit_ms);
	must_have_ttl(c, L("c"), L("b"), EVKV_TTL_NONE);
}

CASE(ttl_gives_value_and_what_remains)
{
	const struct evkv_slice keys[] = { L("timed"), L("none"),
		L("forever") };
	struct answer *a;

	must_put(c, L("c"), L("timed"), L("1"), 500 * c->unit_ms);
	must_put(c, L("c"), L("forever"), L("2"), 0);
	a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_TTL,
		.collection = L("c"),
		.keys = keys,
		.count = 3 });
	check_status(a->status, EVKV_OK);
	check_slice(a->entries[0].bytes, "1");
	check(a->entries[0].ttl_ms >= 1);
	check_status(a->entries[1].status, EVKV_NOT_FOUND);
	check_int(a->entries[1].ttl_ms, 0);
	check_slice(a->entries[2].bytes, "2");
	check_int(a->entries[2].ttl_ms, EVKV_TTL_NONE);
	must_have_ttl(c, L("c"), L("timed"), 500 * c->unit_ms);
	check_status(do_ttl(c, L("c"), L("none"))->status, EVKV_NOT_FOUND);
}

/* ---- What removes much ------------------------------------------------ */

CASE(clear_empties_one_collection)
{
	struct answer *a;

	must_put(c, L("c"), L("1"), L("v"), 0);
	must_put(c, L("c"), L("2"), L("v"), 0);
	must_put(c, L("d"), L("1"), L("v"), 0);
	must_put(c, L("cc"), L("1"), L("v"), 0);
	must_put(c, L(""), L("1"), L("v"), 0);
	a = do_clear(c, L("c"), L(""), L(""));
	check_status(a->status, EVKV_OK);
	must_affect(c, a, 2);
	must_miss(c, L("c"), L("1"));
	must_miss(c, L("c"), L("2"));
	must_get(c, L("d"), L("1"), L("v"));
	must_get(c, L("cc"), L("1"), L("v"));
	must_get(c, L(""), L("1"), L("v"));
	a = do_clear(c, L("c"), L(""), L(""));
	check_status(a->status, EVKV_OK);
	must_affect(c, a, 0);
	/* And the collection is as good as new. */
	must_put(c, L("c"), L("1"), L("again"), 0);
	must_get(c, L("c"), L("1"), L("again"));
}

CASE(clear_by_prefix_and_pattern)
{
	struct answer *a;

	must_put(c, L("c"), L("user:1"), L("v"), 0);
	must_put(c, L("c"), L("user:22"), L("v"), 0);
	must_put(c, L("c"), L("user*3"), L("v"), 0);
	must_put(c, L("c"), L("item:1"), L("v"), 0);
	a = do_clear(c, L("c"), L(""), L("user:?"));
	check_status(a->status, EVKV_OK);
	must_affect(c, a, 1);
	must_miss(c, L("c"), L("user:1"));
	must_get(c, L("c"), L("user:22"), L("v"));
	/* A prefix is literal: its star is a star. */
	a = do_clear(c, L("c"), L("user*"), L(""));
	must_affect(c, a, 1);
	must_get(c, L("c"), L("user:22"), L("v"));
	must_get(c, L("c"), L("item:1"), L("v"));
	a = do_clear(c, L("c"), L("user"), L("*2"));
	must_affect(c, a, 1);
	must_list(c, EVKV_OP_KEYS, L("c"), L(""), L(""), 0, L("item:1"));
}

CASE(clear_all_empties_everything)
{
	struct answer *a;

	must_put(c, L("c"), L("1"), L("v"), 0);
	must_put(c, L("d"), L("1"), L("v"), 0);
	must_put(c, L(""), L("1"), L("v"), 0);
	a = do_kind(c, EVKV_OP_CLEAR_ALL);
	check_status(a->status, EVKV_OK);
	must_affect(c, a, 3);
	must_miss(c, L("c"), L("1"));
	must_miss(c, L("d"), L("1"));
	must_miss(c, L(""), L("1"));
	must_list_nothing(c, EVKV_OP_COLLECTIONS, L(""), L(""), L(""));
	must_put(c, L("c"), L("1"), L("again"), 0);
	must_get(c, L("c"), L("1"), L("again"));
}

CASE(clear_all_by_prefix_and_pattern_of_collections)
{
	struct answer *a;

	must_put(c, L("user-a"), L("1"), L("v"), 0);
	must_put(c, L("user-b"), L("1"), L("v"), 0);
	must_put(c, L("items"), L("1"), L("v"), 0);
	a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL,
		.match.prefix = L("user-"),
		.match.pattern = L("*b") });
	check_status(a->status, EVKV_OK);
	must_affect(c, a, 1);
	must_miss(c, L("user-b"), L("1"));
	must_get(c, L("user-a"), L("1"), L("v"));
	a = conformance_do(c,
	    &(struct evkv_request){
		.kind = EVKV_OP_CLEAR_ALL, .match.prefix = L("user-") });
	check_status(a->status, EVKV_OK);
	must_affect(c, a, 1);
	must_list(c, EVKV_OP_COLLECTIONS, L(""), L(""), L(""), 0, L("items"));
}

CASE(purge_removes_only_what_has_expired)
{
	struct answer *a;

	must_put(c, L("c"), L("short"), L("v"), c->unit_ms);
	must_put(c, L("c"), L("long"), L("v"), 500 * c->unit_ms);
	must_put(c, L("c"), L("forever"), L("v"), 0);
	conformance_advance(c, c->unit_ms);
	must_expire(c, L("c"), L("short"));
	a = do_kind(c, EVKV_OP_PURGE_EXPIRED);
	check_status(a->status, EVKV_OK);
	/*
	 * A sweep of the store's own, or the look above, may have come first.
	 */
	check_between(a->affected, -1, 1);
	must_get(c, L("c"), L("long"), L("v"));
	must_get(c, L("c"), L("forever"), L("v"));
	a = do_kind(c, EVKV_OP_PURGE_EXPIRED);
	check_status(a->status, EVKV_OK);
	check_between(a->affected, -1, 0);
}

CASE(what_an_empty_store_answers_to_kinds_that_remove)
{
	struct answer *a = do_clear(c, L("none"), L(""), L(""));

	check_status(a->status, EVKV_OK);
	must_affect(c, a, 0);
	a = do_kind(c, EVKV_OP_CLEAR_ALL);
	check_status(a->status, EVKV_OK);
	must_affect(c, a, 0);
	a = do_kind(c, EVKV_OP_PURGE_EXPIRED);
	check_status(a->status, EVKV_OK);
	must_affect(c, a, 0);
}

CASE(ping_sync_and_compact_are_ok)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_PING, EVKV_OP_SYNC,
		EVKV_OP_COMPACT };
	struct answer *a;
	size_t i;

	must_put(c, L("c"), L("k"), L("v"), 0);
	for (i = 0; i < 3; i++) {
		a = do_kind(c, kinds[i]);
		if (!conformance_can(c, kinds[i])) {
			check_status(a->status, EVKV_UNSUPPORTED);
			continue;
		}
		check_status(a->status, EVKV_OK);
		check_int(a->count, 0);
		check_int(a->affected, 0);
	}
	if (!conformance_has(c, EVKV_CONFORMANCE_FORGETS))
		must_get(c, L("c"), L("k"), L("v"));
}
