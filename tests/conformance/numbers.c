/*
 * tests/conformance/numbers.c - incr and take: a change and its answer in one
 * step.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"

static struct answer *numbers_incr(struct evkv_conformance *c,
    struct evkv_slice key, int64_t delta, int64_t initial, int64_t ttl_ms)
{
	struct answer *a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_INCR,
		.flags = EVKV_FLAG_SINGLE,
		.collection = L("c"),
		.keys = &key,
		.count = 1,
		.delta = delta,
		.initial = initial,
		.ttl_ms = ttl_ms });

	check_int(a->count, 1);
	check(!a->entries[0].has_value);
	must_affect(c, a, a->status == EVKV_OK);
	return a;
}

#define must_incr(c_, key_, delta_, expected_)                                 \
	do {                                                                   \
		struct answer *a_ = numbers_incr(c_, key_, delta_, 0, 0);      \
		check_status(a_->status, EVKV_OK);                             \
		check_int(a_->entries[0].number, expected_);                   \
	} while (0)

CASE(incr_makes_an_entry_and_adds_to_it)
{
	struct answer *a = numbers_incr(c, L("k"), -3, 10, 0);

	check_status(a->status, EVKV_OK);
	check_int(a->entries[0].number, 7);
	must_get(c, L("c"), L("k"), L("7"));
	must_have_ttl(c, L("c"), L("k"), EVKV_TTL_NONE);
	/* What it would begin with is not asked any more. */
	a = numbers_incr(c, L("k"), -8, 100, 0);
	check_status(a->status, EVKV_OK);
	check_int(a->entries[0].number, -1);
	must_get(c, L("c"), L("k"), L("-1"));
	must_incr(c, L("k"), 1, 0);
	must_get(c, L("c"), L("k"), L("0"));
	must_incr(c, L("k"), 0, 0);
	must_put(c, L("c"), L("k"), L("41"), 0);
	must_incr(c, L("k"), 1, 42);
}

CASE(incr_gives_a_ttl_to_what_it_makes_alone)
{
	struct answer *a = numbers_incr(c, L("k"), 1, 0, 500 * c->unit_ms);

	check_status(a->status, EVKV_OK);
	must_have_ttl(c, L("c"), L("k"), 500 * c->unit_ms);
	a = numbers_incr(c, L("k"), 1, 0, 900 * c->unit_ms);
	check_status(a->status, EVKV_OK);
	must_have_ttl(c, L("c"), L("k"), 500 * c->unit_ms);
	a = numbers_incr(c, L("k"), 1, 0, EVKV_TTL_NONE);
	check_status(a->status, EVKV_OK);
	must_have_ttl(c, L("c"), L("k"), 500 * c->unit_ms);
	must_put(c, L("c"), L("forever"), L("1"), 0);
	a = numbers_incr(c, L("forever"), 1, 0, 500 * c->unit_ms);
	check_status(a->status, EVKV_OK);
	must_have_ttl(c, L("c"), L("forever"), EVKV_TTL_NONE);
}

CASE(incr_many_counts_one_by_one)
{
	const struct evkv_slice keys[] = { L("a"), L("b"), L("a"), L("a") };
	const int64_t deltas[] = { 1, 10, 5, -20 };
	struct answer *a;

	must_put(c, L("c"), L("b"), L("-4"), 0);
	a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_INCR,
		.collection = L("c"),
		.keys = keys,
		.count = 4,
		.deltas = deltas,
		.delta = 1000,
		.initial = 100 });
	check_status(a->status, EVKV_OK);
	check_int(a->count, 4);
	check_int(a->entries[0].number, 101);
	check_int(a->entries[1].number, 6);
	check_int(a->entries[2].number, 106);
	check_int(a->entries[3].number, 86);
	must_affect(c, a, 4);
	must_get(c, L("c"), L("a"), L("86"));
	must_get(c, L("c"), L("b"), L("6"));
}

CASE(incr_of_what_is_no_number_is_invalid)
{
	static const char *const texts[] = { "", "007", "00", "+5", "-0", "-",
		" 5", "5 ", "5\n", "1.0", "1e3", "0x10", "five",
		"9223372036854775808", "-9223372036854775809",
		"18446744073709551616", "100000000000000000000" };
	struct answer *a;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		must_put(c, L("c"), L("k"), evkv_str(texts[i]),
		    500 * c->unit_ms);
		a = numbers_incr(c, L("k"), 0, 0, 0);
		if (a->status != EVKV_INVALID && a->status != EVKV_NOMEM)
			fail_test("\"%s\": %s", texts[i],
			    evkv_status_name(a->status));
		check_status(a->status, EVKV_INVALID);
		if (!c->sweeping)
			check(strcmp(a->message,
				  evkv_status_text(EVKV_INVALID)) != 0);
		must_get(c, L("c"), L("k"), evkv_str(texts[i]));
		must_have_ttl(c, L("c"), L("k"), 500 * c->unit_ms);
		if (c->sweeping && i == 1)
			break;
	}
	must_put(c, L("c"), L("k"), L("5\0"), 0);
	check_status(numbers_incr(c, L("k"), 1, 0, 0)->status, EVKV_INVALID);
	must_put(c, L("c"), L("k"), conformance_bytes(c, 100, 1), 0);
	check_status(numbers_incr(c, L("k"), 1, 0, 0)->status, EVKV_INVALID);
}

CASE(incr_over_either_end_is_invalid)
{
	must_put(c, L("c"), L("k"), L("9223372036854775806"), 0);
	must_incr(c, L("k"), 1, INT64_MAX);
	check_status(numbers_incr(c, L("k"), 1, 0, 0)->status, EVKV_INVALID);
	must_get(c, L("c"), L("k"), L("9223372036854775807"));
	must_incr(c, L("k"), INT64_MIN, -1);
	must_put(c, L("c"), L("k"), L("-9223372036854775807"), 0);
	must_incr(c, L("k"), -1, INT64_MIN);
	check_status(numbers_incr(c, L("k"), -1, 0, 0)->status, EVKV_INVALID);
	must_get(c, L("c"), L("k"), L("-9223372036854775808"));
	must_incr(c, L("k"), INT64_MAX, -1);
	/* Nothing is made either. */
	check_status(numbers_incr(c, L("none"), 1, INT64_MAX, 0)->status,
	    EVKV_INVALID);
	must_miss(c, L("c"), L("none"));
	check_status(numbers_incr(c, L("none"), INT64_MIN, -1, 0)->status,
	    EVKV_INVALID);
	must_miss(c, L("c"), L("none"));
}

CASE(one_bad_number_of_a_batch_fails_alone)
{
	const struct evkv_slice keys[] = { L("a"), L("bad"), L("b") };
	struct answer *a;

	must_put(c, L("c"), L("bad"), L("x"), 0);
	a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_INCR,
		.collection = L("c"),
		.keys = keys,
		.count = 3,
		.delta = 2 });
	check_status(a->status, EVKV_INVALID);
	check_int(a->count, 3);
	check_status(a->entries[0].status, EVKV_OK);
	check_status(a->entries[1].status, EVKV_INVALID);
	check_status(a->entries[2].status, EVKV_OK);
	check_int(a->entries[2].number, 2);
	must_affect(c, a, 2);
	must_get(c, L("c"), L("a"), L("2"));
	must_get(c, L("c"), L("bad"), L("x"));
	must_get(c, L("c"), L("b"), L("2"));
}

CASE(incr_counts_everything_that_is_under_way)
{
	size_t count = conformance_size(c, 100), i;
	struct answer **answers = conformance_alloc(c,
	    count * sizeof(struct answer *));
	struct evkv_slice key = L("k");
	char text[24];

	for (i = 0; i < count; i++)
		answers[i] = conformance_submit(c, NULL,
		    &(struct evkv_request){ .kind = EVKV_OP_INCR,
			.flags = EVKV_FLAG_SINGLE,
			.collection = L("c"),
			.keys = &key,
			.count = 1,
			.delta = 1 });
	conformance_wait_all(c);
	for (i = 0; i < count; i++) {
		check_status(answers[i]->status, EVKV_OK);
		check_int(answers[i]->entries[0].number, i + 1);
	}
	(void)snprintf(text, sizeof(text), "%zu", count);
	must_get(c, L("c"), L("k"), evkv_str(text));
}

CASE(incr_begins_anew_after_the_expiry)
{
	must_put(c, L("c"), L("k"), L("5"), c->unit_ms);
	conformance_advance(c, c->unit_ms);
	must_expire(c, L("c"), L("k"));
	must_incr(c, L("k"), 1, 1);
	must_have_ttl(c, L("c"), L("k"), EVKV_TTL_NONE);
}

/* ---- take ------------------------------------------------------------- */

#define do_take(c_, collection_, key_)                                         \
	FROM_(conformance_do_keyed(c_, EVKV_OP_TAKE, collection_, key_))

CASE(take_gets_and_deletes)
{
	struct answer *a;

	must_put(c, L("c"), L("k"), L("v"), 500 * c->unit_ms);
	must_put(c, L("c"), L("other"), L("w"), 0);
	a = do_take(c, L("c"), L("k"));
	check_status(a->status, EVKV_OK);
	check_slice(a->entries[0].bytes, "v");
	must_affect(c, a, 1);
	must_miss(c, L("c"), L("k"));
	must_get(c, L("c"), L("other"), L("w"));
	a = do_take(c, L("c"), L("k"));
	check_status(a->status, EVKV_NOT_FOUND);
	must_affect(c, a, 0);
	must_put(c, L("c"), L("k"), L(""), 0);
	a = do_take(c, L("c"), L("k"));
	check_status(a->status, EVKV_OK);
	check_int(a->entries[0].bytes.size, 0);
	must_miss(c, L("c"), L("k"));
}

CASE(take_many_takes_each_once)
{
	const struct evkv_slice keys[] = { L("a"), L("none"), L("b"), L("a") };
	struct answer *a;

	must_put(c, L("c"), L("a"), L("1"), 0);
	must_put(c, L("c"), L("b"), L("2"), 0);
	must_put(c, L("c"), L("stays"), L("3"), 0);
	a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_TAKE,
		.collection = L("c"),
		.keys = keys,
		.count = 4 });
	check_status(a->status, EVKV_OK);
	check_int(a->count, 4);
	check_slice(a->entries[0].bytes, "1");
	check_status(a->entries[1].status, EVKV_NOT_FOUND);
	check_slice(a->entries[2].bytes, "2");
	check_status(a->entries[3].status, EVKV_NOT_FOUND);
	check(!a->entries[3].has_value);
	must_affect(c, a, 2);
	must_miss(c, L("c"), L("a"));
	must_get(c, L("c"), L("stays"), L("3"));
}

CASE(of_two_takes_one_gets_it)
{
	struct evkv_slice key = L("k");
	struct answer *a[3];
	size_t i;

	must_put(c, L("c"), L("k"), L("v"), 0);
	for (i = 0; i < 3; i++)
		a[i] = conformance_submit(c, NULL,
		    &(struct evkv_request){ .kind = EVKV_OP_TAKE,
			.flags = EVKV_FLAG_SINGLE,
			.collection = L("c"),
			.keys = &key,
			.count = 1 });
	conformance_wait_all(c);
	check_status(a[0]->status, EVKV_OK);
	check_slice(a[0]->entries[0].bytes, "v");
	check_status(a[1]->status, EVKV_NOT_FOUND);
	check_status(a[2]->status, EVKV_NOT_FOUND);
}

CASE(take_of_what_has_expired_is_not_found)
{
	struct answer *a;

	must_put(c, L("c"), L("k"), L("v"), c->unit_ms);
	conformance_advance(c, c->unit_ms);
	must_expire(c, L("c"), L("k"));
	a = do_take(c, L("c"), L("k"));
	check_status(a->status, EVKV_NOT_FOUND);
	must_affect(c, a, 0);
}
