/*
 * tests/conformance/claims.c - what is claimed is done, and what is not claimed
 * is UNSUPPORTED and does nothing.
 */
#include "cases.h"
#include "evkv/number.h"

static const struct evkv_slice claims_keys[2] = { { "k", 1 }, { "none", 4 } };
static const struct evkv_slice claims_values[2] = { { "1", 1 }, { "2", 1 } };

/* A well-formed request of each kind. */
struct evkv_request conformance_request(enum evkv_kind kind)
{
	uint32_t classes = evkv_kind_classes(kind);
	struct evkv_request request = { .kind = kind };

	if ((classes & EVKV_CLASS_COLLECTION) != 0)
		request.collection = L("c");
	if ((classes & EVKV_CLASS_HAS_KEYS) != 0) {
		request.keys = claims_keys;
		request.count = 2;
	}
	if ((classes & EVKV_CLASS_HAS_VALUES) != 0)
		request.values = claims_values;
	return request;
}

/* The whole and each entry of what the store does not take. */
static void claims_check_unsupported(const struct answer *a)
{
	size_t i;

	check_status(a->status, EVKV_UNSUPPORTED);
	check(a->message[0] != '\0');
	check_int(a->affected, 0);
	for (i = 0; i < a->count; i++)
		check_status(a->entries[i].status, EVKV_UNSUPPORTED);
}

CASE(each_kind_is_done_or_unsupported)
{
	struct evkv_request request;
	struct answer *a;
	int kind;

	check((c->can->kinds >> EVKV_KIND_COUNT) == 0);
	check_between(c->can->max_key, 1, EVKV_KEY_MAX);
	check_between(c->can->max_value, 1, EVKV_VALUE_MAX);
	check(c->can->ttl_unit_ms >= 1);
	check(c->can->ttl_excess_ms >= 0);
	for (kind = 0; kind < EVKV_KIND_COUNT; kind++) {
		request = conformance_request((enum evkv_kind)kind);
		a = conformance_do(c, &request);
		check_int(a->kind, kind);
		if (conformance_can(c, (enum evkv_kind)kind))
			check_status(a->status, EVKV_OK);
		else
			claims_check_unsupported(a);
		if ((c->can->flags & EVKV_STORE_EXACT_AFFECTED) != 0)
			check(a->affected >= 0);
	}
}

/* The conditions that the store claims for a kind. */
static uint32_t claims_conditions(const struct evkv_conformance *c,
    enum evkv_kind kind)
{
	switch (kind) {
	case EVKV_OP_PUT: return c->can->put_conditions;
	case EVKV_OP_DELETE: return c->can->delete_conditions;
	case EVKV_OP_TOUCH: return c->can->touch_conditions;
	default: return 0;
	}
}

/* What a claimed condition does to "k", which is there, and to "none". */
static void claims_check_condition(const struct answer *a,
    enum evkv_condition condition)
{
	static const enum evkv_status expected[][2] = {
		[EVKV_IF_ABSENT] = { EVKV_EXISTS, EVKV_OK },
		[EVKV_IF_PRESENT] = { EVKV_OK, EVKV_NOT_FOUND },
		[EVKV_IF_VERSION] = { EVKV_CONFLICT, EVKV_NOT_FOUND },
	};

	check_status(a->status, EVKV_OK);
	check_int(a->count, 2);
	check_status(a->entries[0].status, expected[condition][0]);
	check_status(a->entries[1].status, expected[condition][1]);
}

CASE(each_condition_is_kept_or_unsupported)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_PUT, EVKV_OP_DELETE,
		EVKV_OP_TOUCH };
	static const struct evkv_version versions[2];
	struct evkv_request request;
	struct answer *a;
	unsigned condition;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (condition = 1; condition < EVKV_IF_COUNT; condition++) {
			/* The others are for put, and INVALID elsewhere. */
			if (!conformance_can(c, kinds[i]) ||
			    (kinds[i] != EVKV_OP_PUT &&
				condition != EVKV_IF_VERSION))
				continue;
			must_put(c, L("c"), L("k"), L("before"), 0);
			(void)do_delete(c, L("c"), L("none"));
			request = conformance_request(kinds[i]);
			request.condition = (enum evkv_condition)condition;
			if (condition == EVKV_IF_VERSION)
				request.versions = versions;
			a = conformance_do(c, &request);
			if ((claims_conditions(c, kinds[i]) >> condition & 1) !=
			    0) {
				claims_check_condition(a, request.condition);
				continue;
			}
			claims_check_unsupported(a);
			must_get(c, L("c"), L("k"), L("before"));
			must_miss(c, L("c"), L("none"));
		}
	}
}

CASE(versions_are_told_or_unsupported)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_GET, EVKV_OP_TTL,
		EVKV_OP_PUT, EVKV_OP_INCR };
	static const struct evkv_version none;
	struct evkv_request request;
	struct answer *a;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!conformance_can(c, kinds[i]))
			continue;
		must_put(c, L("c"), L("k"), L("5"), 0);
		request = conformance_request(kinds[i]);
		request.flags = EVKV_FLAG_VERSIONS;
		a = conformance_do(c, &request);
		if ((c->can->request_flags & EVKV_FLAG_VERSIONS) != 0) {
			check_status(a->status, EVKV_OK);
			check(!evkv_version_equal(&a->entries[0].version,
			    &none));
			continue;
		}
		claims_check_unsupported(a);
		must_get(c, L("c"), L("k"), L("5"));
	}
}

/* Every store takes FRESH. */
CASE(a_fresh_read_tells_what_was_put)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_GET, EVKV_OP_TTL,
		EVKV_OP_EXISTS };
	struct evkv_request request;
	struct answer *a;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!conformance_can(c, kinds[i]))
			continue;
		must_put(c, L("c"), L("k"), i == 0 ? L("v") : L("w"), 0);
		request = conformance_request(kinds[i]);
		request.flags = EVKV_FLAG_FRESH;
		a = conformance_do(c, &request);
		check_status(a->status, EVKV_OK);
		check_status(a->entries[0].status, EVKV_OK);
		if (kinds[i] != EVKV_OP_EXISTS)
			check_bytes(a->entries[0].bytes,
			    i == 0 ? L("v") : L("w"));
	}
}

/*
 * CACHED_ONLY tells the truth or nothing, and removes nothing but what a cache
 * has: whatever is between it and the user.
 */
CASE(what_is_for_caches_alone_leaves_the_store_alone)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_GET, EVKV_OP_EXISTS,
		EVKV_OP_DELETE };
	struct evkv_request request;
	struct answer *a;
	size_t i;

	must_put(c, L("c"), L("k"), L("v"), 0);
	for (i = 0; i < 2 * sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!conformance_can(c, kinds[i / 2]))
			continue;
		request = conformance_request(kinds[i / 2]);
		request.flags = EVKV_FLAG_CACHED_ONLY;
		a = conformance_do(c, &request);
		if ((c->can->request_flags & EVKV_FLAG_CACHED_ONLY) == 0) {
			claims_check_unsupported(a);
		} else {
			check_status(a->status, EVKV_OK);
			if (a->entries[0].status == EVKV_OK &&
			    kinds[i / 2] == EVKV_OP_GET)
				check_slice(a->entries[0].bytes, "v");
		}
		must_get(c, L("c"), L("k"), L("v"));
	}
}

/* INVALID and UNSUPPORTED among them: a callback may look at the first. */
CASE(a_single_call_has_one_entry_whatever_becomes_of_it)
{
	struct evkv_slice bad = L("");
	struct evkv_request request;
	struct answer *a;
	int kind;

	for (kind = 0; kind < EVKV_KIND_COUNT; kind++) {
		request = conformance_request((enum evkv_kind)kind);
		if ((evkv_kind_classes((enum evkv_kind)kind) &
			EVKV_CLASS_HAS_KEYS) == 0)
			continue;
		request.flags = EVKV_FLAG_SINGLE;
		request.count = 1;
		a = conformance_do(c, &request);
		check(a->status != EVKV_INVALID);
		if (a->calls > 0) {
			check_int(a->count, 1);
			check_status(a->entries[0].status, a->status);
		}
		request.keys = &bad;
		a = conformance_do(c, &request);
		check_status(a->status, EVKV_INVALID);
		check_int(a->count, 1);
		check_status(a->entries[0].status, EVKV_INVALID);
		check(!a->entries[0].has_value);
	}
}
