/*
 * tests/conformance/versions.c - versions: told where they are asked for, and
 * what IF_VERSION does and leaves alone.
 */
#include <string.h>

#include "cases.h"
#include "evkv/number.h"

static const struct evkv_version versions_none; /* no entry has it */

/* Whether versions tell of every change, or of the value alone. */
static bool versions_count(const struct evkv_conformance *c)
{
	return (c->can->flags & EVKV_STORE_VERSION_BY_CONTENT) == 0;
}

/* A look-up or a put of the key "k" that asks for the version. */
static struct answer *versions_ask(struct evkv_conformance *c,
    enum evkv_kind kind, const char *value)
{
	struct evkv_slice key = L("k"), bytes = evkv_str(value);
	struct evkv_request request = { .kind = kind,
		.flags = EVKV_FLAG_SINGLE | EVKV_FLAG_VERSIONS,
		.collection = L("c"),
		.keys = &key,
		.count = 1 };
	struct answer *a;

	if (kind == EVKV_OP_PUT)
		request.values = &bytes;
	if (kind == EVKV_OP_INCR)
		request.delta = 1;
	a = conformance_do(c, &request);
	check_status(a->status, EVKV_OK);
	check_int(a->count, 1);
	check(!evkv_version_equal(&a->entries[0].version, &versions_none));
	return a;
}

static struct evkv_version versions_of(struct evkv_conformance *c)
{
	return versions_ask(c, EVKV_OP_GET, "")->entries[0].version;
}

/* The key "k", if it has the version: put "new", delete, or touch. */
static struct answer *versions_change(struct evkv_conformance *c,
    enum evkv_kind kind, const struct evkv_version *version, int64_t ttl_ms)
{
	struct evkv_slice key = L("k"), value = L("new");
	struct answer *a;

	a = conformance_do(c,
	    &(struct evkv_request){ .kind = kind,
		.flags = EVKV_FLAG_SINGLE,
		.collection = L("c"),
		.keys = &key,
		.values = kind == EVKV_OP_PUT ? &value : NULL,
		.count = 1,
		.ttl_ms = ttl_ms,
		.condition = EVKV_IF_VERSION,
		.versions = version });
	check_int(a->count, 1);
	must_affect(c, a, a->status == EVKV_OK);
	return a;
}

CASE(a_version_comes_where_it_is_asked_for)
{
	struct evkv_version first, second;
	struct answer *a;

	must_put(c, L("c"), L("k"), L("v"), 0);
	a = do_get(c, L("c"), L("k"));
	check(evkv_version_equal(&a->entries[0].version, &versions_none));
	first = versions_of(c);
	second = versions_of(c);
	check(evkv_version_equal(&first, &second));
	a = versions_ask(c, EVKV_OP_TTL, "");
	check(evkv_version_equal(&a->entries[0].version, &first));
	check_slice(a->entries[0].bytes, "v");
	/* A put tells the version that the entry has then. */
	a = versions_ask(c, EVKV_OP_PUT, "w");
	first = a->entries[0].version;
	second = versions_of(c);
	check(evkv_version_equal(&first, &second));
}

CASE(a_version_of_what_is_missing_is_none)
{
	const struct evkv_slice keys[] = { L("none"), L("k") };
	struct answer *a;

	must_put(c, L("c"), L("k"), L("v"), 0);
	a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_VERSIONS,
		.collection = L("c"),
		.keys = keys,
		.count = 2 });
	check_status(a->status, EVKV_OK);
	check_status(a->entries[0].status, EVKV_NOT_FOUND);
	check(evkv_version_equal(&a->entries[0].version, &versions_none));
	check(!evkv_version_equal(&a->entries[1].version, &versions_none));
}

CASE(a_version_changes_with_the_entry)
{
	struct evkv_version first, second;

	first = versions_ask(c, EVKV_OP_PUT, "1")->entries[0].version;
	second = versions_ask(c, EVKV_OP_PUT, "2")->entries[0].version;
	check(!evkv_version_equal(&first, &second));
	must_put(c, L("c"), L("other"), L("v"), 0);
	first = versions_of(c);
	check(evkv_version_equal(&first, &second));
	/* The same value again: a change, where changes are counted. */
	first = versions_ask(c, EVKV_OP_PUT, "2")->entries[0].version;
	check_int(evkv_version_equal(&first, &second), !versions_count(c));
	check_status(do_delete(c, L("c"), L("k"))->status, EVKV_OK);
	second = versions_ask(c, EVKV_OP_PUT, "2")->entries[0].version;
	check_int(evkv_version_equal(&first, &second), !versions_count(c));
}

CASE(a_touch_changes_a_version_that_counts)
{
	struct evkv_version first, second;

	first = versions_ask(c, EVKV_OP_PUT, "1")->entries[0].version;
	check_status(do_touch(c, L("c"), L("k"), 500 * c->unit_ms)->status,
	    EVKV_OK);
	second = versions_of(c);
	check_int(evkv_version_equal(&first, &second),
	    !versions_count(c) ||
		(c->can->flags & EVKV_STORE_TOUCH_KEEPS_VERSION) != 0);
}

CASE(an_incr_tells_the_new_version)
{
	struct evkv_version first, second;

	first = versions_ask(c, EVKV_OP_INCR, "")->entries[0].version;
	second = versions_of(c);
	check(evkv_version_equal(&first, &second));
	second = versions_ask(c, EVKV_OP_INCR, "")->entries[0].version;
	check(!evkv_version_equal(&first, &second));
}

CASE(put_if_version)
{
	struct evkv_version version;

	must_put(c, L("c"), L("k"), L("old"), 500 * c->unit_ms);
	version = versions_of(c);
	check_status(versions_change(c, EVKV_OP_PUT, &versions_none, 0)->status,
	    EVKV_CONFLICT);
	must_get(c, L("c"), L("k"), L("old"));
	must_have_ttl(c, L("c"), L("k"), 500 * c->unit_ms);
	check_status(versions_change(c, EVKV_OP_PUT, &version, 0)->status,
	    EVKV_OK);
	must_get(c, L("c"), L("k"), L("new"));
	must_have_ttl(c, L("c"), L("k"), EVKV_TTL_NONE);
	check_status(versions_change(c, EVKV_OP_PUT, &version, 0)->status,
	    EVKV_CONFLICT);
	check_status(do_delete(c, L("c"), L("k"))->status, EVKV_OK);
	check_status(versions_change(c, EVKV_OP_PUT, &version, 0)->status,
	    EVKV_NOT_FOUND);
	must_miss(c, L("c"), L("k"));
}

CASE(delete_if_version)
{
	struct evkv_version version;

	must_put(c, L("c"), L("k"), L("1"), 0);
	version = versions_of(c);
	must_put(c, L("c"), L("k"), L("2"), 0);
	check_status(versions_change(c, EVKV_OP_DELETE, &version, 0)->status,
	    EVKV_CONFLICT);
	must_get(c, L("c"), L("k"), L("2"));
	version = versions_of(c);
	check_status(versions_change(c, EVKV_OP_DELETE, &version, 0)->status,
	    EVKV_OK);
	must_miss(c, L("c"), L("k"));
	check_status(versions_change(c, EVKV_OP_DELETE, &version, 0)->status,
	    EVKV_NOT_FOUND);
}

CASE(touch_if_version)
{
	struct evkv_version version;

	must_put(c, L("c"), L("k"), L("1"), 0);
	version = versions_of(c);
	must_put(c, L("c"), L("k"), L("2"), 0);
	check_status(versions_change(c, EVKV_OP_TOUCH, &version,
			 500 * c->unit_ms)
			 ->status,
	    EVKV_CONFLICT);
	must_have_ttl(c, L("c"), L("k"), EVKV_TTL_NONE);
	version = versions_of(c);
	check_status(versions_change(c, EVKV_OP_TOUCH, &version,
			 500 * c->unit_ms)
			 ->status,
	    EVKV_OK);
	must_have_ttl(c, L("c"), L("k"), 500 * c->unit_ms);
	must_get(c, L("c"), L("k"), L("2"));
	check_status(do_delete(c, L("c"), L("k"))->status, EVKV_OK);
	check_status(versions_change(c, EVKV_OP_TOUCH, &version, 0)->status,
	    EVKV_NOT_FOUND);
}

CASE(versions_hold_for_each_of_a_batch)
{
	const struct evkv_slice keys[] = { L("k"), L("other"), L("none"),
		L("k") };
	const struct evkv_slice values[] = { L("1"), L("2"), L("3"), L("4") };
	struct evkv_version versions[4];
	struct answer *a;

	must_put(c, L("c"), L("k"), L("old"), 0);
	must_put(c, L("c"), L("other"), L("old"), 0);
	memset(versions, 0, sizeof(versions));
	versions[0] = versions[2] = versions[3] = versions_of(c);
	a = conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = L("c"),
		.keys = keys,
		.values = values,
		.count = 4,
		.condition = EVKV_IF_VERSION,
		.versions = versions });
	check_status(a->status, EVKV_OK);
	check_status(a->entries[0].status, EVKV_OK);
	check_status(a->entries[1].status, EVKV_CONFLICT);
	check_status(a->entries[2].status, EVKV_NOT_FOUND);
	/* One by one: the first has changed it. */
	check_status(a->entries[3].status, EVKV_CONFLICT);
	must_affect(c, a, 1);
	must_get(c, L("c"), L("k"), L("1"));
	must_get(c, L("c"), L("other"), L("old"));
	must_miss(c, L("c"), L("none"));
}

CASE(of_two_changes_of_one_version_one_is_done)
{
	struct evkv_slice key = L("k");
	const struct evkv_slice values[] = { L("first"), L("second") };
	struct evkv_version version;
	struct answer *a[2];
	size_t i;

	must_put(c, L("c"), L("k"), L("old"), 0);
	version = versions_of(c);
	for (i = 0; i < 2; i++)
		a[i] = conformance_submit(c, NULL,
		    &(struct evkv_request){ .kind = EVKV_OP_PUT,
			.flags = EVKV_FLAG_SINGLE,
			.collection = L("c"),
			.keys = &key,
			.values = &values[i],
			.count = 1,
			.condition = EVKV_IF_VERSION,
			.versions = &version });
	conformance_wait_all(c);
	check_status(a[0]->status, EVKV_OK);
	check_status(a[1]->status, EVKV_CONFLICT);
	must_get(c, L("c"), L("k"), L("first"));
}

CASE(what_has_expired_has_no_version)
{
	struct evkv_version version;

	must_put(c, L("c"), L("k"), L("v"), c->unit_ms);
	version = versions_of(c);
	conformance_advance(c, c->unit_ms);
	must_expire(c, L("c"), L("k"));
	check_status(versions_change(c, EVKV_OP_PUT, &version, 0)->status,
	    EVKV_NOT_FOUND);
	must_miss(c, L("c"), L("k"));
}
