/*
 * tests/conformance/ttl.c - time to live: milliseconds in, milliseconds out.
 */
#include "cases.h"

CASE(an_expired_entry_is_absent_for_every_kind)
{
	static const char *const keys[] = { "get", "ttl", "exists", "touch",
		"delete", "absent", "present" };
	struct answer *a;
	size_t i;

	for (i = 0; i < 7; i++)
		must_put(c, L("gone"), evkv_str(keys[i]), L("v"), c->unit_ms);
	must_put(c, L("c"), L("stays"), L("v"), 0);
	conformance_advance(c, c->unit_ms);
	for (i = 0; i < 7; i++)
		must_expire(c, L("gone"), evkv_str(keys[i]));

	must_miss(c, L("gone"), L("get"));
	check_status(do_ttl(c, L("gone"), L("ttl"))->status, EVKV_NOT_FOUND);
	check_status(do_exists(c, L("gone"), L("exists"))->status,
	    EVKV_NOT_FOUND);
	check_status(do_touch(c, L("gone"), L("touch"), 0)->status,
	    EVKV_NOT_FOUND);
	must_miss(c, L("gone"), L("touch"));
	a = do_delete(c, L("gone"), L("delete"));
	check_status(a->status, EVKV_NOT_FOUND);
	must_affect(c, a, 0);
	must_list_nothing(c, EVKV_OP_KEYS, L("gone"), L(""), L(""));
	must_list(c, EVKV_OP_COLLECTIONS, L(""), L(""), L(""), 0, L("c"));
	check_status(do_put(c, L("gone"), L("present"), L("x"), 0,
			 EVKV_IF_PRESENT)
			 ->status,
	    EVKV_NOT_FOUND);
	check_status(do_put(c, L("gone"), L("absent"), L("new"), 0,
			 EVKV_IF_ABSENT)
			 ->status,
	    EVKV_OK);
	must_get(c, L("gone"), L("absent"), L("new"));
}

CASE(what_has_expired_is_not_counted)
{
	struct answer *a;

	must_put(c, L("c"), L("gone"), L("v"), c->unit_ms);
	must_put(c, L("c"), L("stays"), L("v"), 0);
	conformance_advance(c, c->unit_ms);
	must_expire(c, L("c"), L("gone"));
	a = do_clear(c, L("c"), L(""), L(""));
	check_status(a->status, EVKV_OK);
	must_affect(c, a, 1);
	must_put(c, L("c"), L("gone"), L("v"), c->unit_ms);
	must_put(c, L("c"), L("stays"), L("v"), 0);
	conformance_advance(c, c->unit_ms);
	must_expire(c, L("c"), L("gone"));
	a = do_kind(c, EVKV_OP_CLEAR_ALL);
	check_status(a->status, EVKV_OK);
	must_affect(c, a, 1);
}

CASE(an_entry_lives_until_its_ttl_has_passed)
{
	if (conformance_has(c, EVKV_CONFORMANCE_REAL_TIME)) {
		must_put(c, L("c"), L("k"), L("v"), 50 * c->unit_ms);
		conformance_advance(c, c->unit_ms);
		must_get(c, L("c"), L("k"), L("v"));
		return;
	}
	must_put(c, L("c"), L("k"), L("v"), 1500);
	must_have_ttl(c, L("c"), L("k"), 1500);
	conformance_advance(c, 1);
	must_have_ttl(c, L("c"), L("k"), 1499);
	conformance_advance(c, 1498);
	must_get(c, L("c"), L("k"), L("v"));
	must_have_ttl(c, L("c"), L("k"), 1);
	if (c->can->ttl_unit_ms > 1)
		conformance_advance(c, 2 * c->can->ttl_unit_ms);
	else
		conformance_advance(c, 1);
	must_miss(c, L("c"), L("k"));
}

CASE(the_shortest_ttl_is_neither_at_once_nor_forever)
{
	struct answer *a;

	if (conformance_has(c, EVKV_CONFORMANCE_REAL_TIME)) {
		must_put(c, L("c"), L("k"), L("v"), 1);
		must_expire(c, L("c"), L("k"));
		return;
	}
	must_put(c, L("c"), L("k"), L("v"), 1);
	a = do_ttl(c, L("c"), L("k"));
	check_status(a->status, EVKV_OK);
	check_between(a->entries[0].ttl_ms, 1, c->can->ttl_unit_ms);
	conformance_advance(c, a->entries[0].ttl_ms);
	must_miss(c, L("c"), L("k"));
}

CASE(the_longest_ttl_works)
{
	struct answer *a;

	must_put(c, L("c"), L("k"), L("v"), EVKV_TTL_MAX);
	must_get(c, L("c"), L("k"), L("v"));
	must_have_ttl(c, L("c"), L("k"), EVKV_TTL_MAX);
	check_status(do_touch(c, L("c"), L("k"), EVKV_TTL_MAX)->status,
	    EVKV_OK);
	must_have_ttl(c, L("c"), L("k"), EVKV_TTL_MAX);
	a = do_put(c, L("c"), L("k"), L("x"), EVKV_TTL_MAX + 1, EVKV_IF_ANY);
	check_status(a->status, EVKV_INVALID);
	must_get(c, L("c"), L("k"), L("v"));
}

CASE(a_put_without_ttl_removes_the_old_one)
{
	must_put(c, L("c"), L("k"), L("1"), c->unit_ms);
	must_put(c, L("c"), L("k"), L("2"), EVKV_TTL_NONE);
	must_have_ttl(c, L("c"), L("k"), EVKV_TTL_NONE);
	conformance_advance(c, 3 * c->unit_ms);
	must_get(c, L("c"), L("k"), L("2"));
}

CASE(a_put_with_ttl_replaces_the_old_one)
{
	must_put(c, L("c"), L("longer"), L("1"), c->unit_ms);
	must_put(c, L("c"), L("longer"), L("2"), 500 * c->unit_ms);
	must_put(c, L("c"), L("shorter"), L("1"), 500 * c->unit_ms);
	must_put(c, L("c"), L("shorter"), L("2"), c->unit_ms);
	must_put(c, L("c"), L("from none"), L("1"), 0);
	must_put(c, L("c"), L("from none"), L("2"), c->unit_ms);
	conformance_advance(c, c->unit_ms);
	must_expire(c, L("c"), L("shorter"));
	must_expire(c, L("c"), L("from none"));
	must_get(c, L("c"), L("longer"), L("2"));
}

CASE(touch_prolongs_and_shortens)
{
	must_put(c, L("c"), L("longer"), L("v"), 2 * c->unit_ms);
	must_put(c, L("c"), L("shorter"), L("v"), 500 * c->unit_ms);
	must_put(c, L("c"), L("freed"), L("v"), 2 * c->unit_ms);
	check_status(do_touch(c, L("c"), L("longer"), 500 * c->unit_ms)->status,
	    EVKV_OK);
	check_status(do_touch(c, L("c"), L("shorter"), 2 * c->unit_ms)->status,
	    EVKV_OK);
	check_status(do_touch(c, L("c"), L("freed"), 0)->status, EVKV_OK);
	conformance_advance(c, 2 * c->unit_ms);
	must_expire(c, L("c"), L("shorter"));
	must_get(c, L("c"), L("longer"), L("v"));
	must_get(c, L("c"), L("freed"), L("v"));
	must_have_ttl(c, L("c"), L("freed"), EVKV_TTL_NONE);
}

CASE(a_conditional_put_that_does_nothing_leaves_the_ttl)
{
	must_put(c, L("c"), L("k"), L("v"), 500 * c->unit_ms);
	check_status(do_put(c, L("c"), L("k"), L("x"), 0, EVKV_IF_ABSENT)
			 ->status,
	    EVKV_EXISTS);
	must_have_ttl(c, L("c"), L("k"), 500 * c->unit_ms);
}

CASE(a_ttl_is_never_given_as_zero_for_what_expires)
{
	int64_t remaining;
	struct answer *a;
	int i;

	for (i = 0; i < 20; i++) {
		must_put(c, L("c"), L("k"), L("v"), 1 + i % 3);
		if (!conformance_has(c, EVKV_CONFORMANCE_REAL_TIME))
			c->rig.now_us += 7 * i, c->rig.wall_us += 7 * i;
		a = do_ttl(c, L("c"), L("k"));
		if (a->status == EVKV_NOT_FOUND)
			continue;
		check_status(a->status, EVKV_OK);
		remaining = a->entries[0].ttl_ms;
		check(remaining >= 1);
	}
}
