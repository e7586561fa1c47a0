/*
 * tests/conformance/ops.c - the short forms: do it, wait, check the answer.
 */
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

/* What holds for every answer with keys, whatever became of them. */
static void ops_check_entries(const struct answer *answer, size_t count)
{
	size_t i;

	if (answer->calls == 0)
		return; /* there was no memory to call back with */
	check_int(answer->count, count);
	for (i = 0; i < count; i++) {
		const struct answer_entry *entry = &answer->entries[i];
		bool reads = (evkv_kind_classes(answer->kind) &
				 EVKV_CLASS_ANSWERS_VALUES) != 0;

		check_int(entry->has_value, reads && entry->status == EVKV_OK);
		if (answer->kind != EVKV_OP_TTL)
			check_int(entry->ttl_ms, 0);
		check(entry->ttl_ms >= 0);
		check_int(entry->name.size, 0);
	}
}

static struct answer *ops_do_one(struct evkv_conformance *c,
    struct evkv_request *request)
{
	struct answer *answer;

	request->flags |= EVKV_FLAG_SINGLE;
	request->count = 1;
	answer = conformance_do(c, request);
	check_int(answer->kind, request->kind);
	ops_check_entries(answer, 1);
	if (answer->calls > 0)
		check_status(answer->status, answer->entries[0].status);
	if (!evkv_failed(answer->status))
		check_int(answer->cause, EVKV_CAUSE_NONE);
	return answer;
}

struct answer *conformance_do_keyed(struct evkv_conformance *c,
    enum evkv_kind kind, struct evkv_slice collection, struct evkv_slice key)
{
	struct evkv_request request = {
		.kind = kind,
		.collection = collection,
		.keys = &key,
	};

	return ops_do_one(c, &request);
}

struct answer *conformance_do_touch(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice key, int64_t ttl_ms)
{
	struct evkv_request request = {
		.kind = EVKV_OP_TOUCH,
		.collection = collection,
		.keys = &key,
		.ttl_ms = ttl_ms,
	};

	return ops_do_one(c, &request);
}

struct answer *conformance_do_put(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms, enum evkv_condition condition)
{
	struct evkv_request request = {
		.kind = EVKV_OP_PUT,
		.collection = collection,
		.keys = &key,
		.values = &value,
		.ttl_ms = ttl_ms,
		.condition = condition,
	};

	return ops_do_one(c, &request);
}

struct answer *conformance_do_kind(struct evkv_conformance *c,
    enum evkv_kind kind)
{
	struct answer *answer = conformance_do(c,
	    &(struct evkv_request){ .kind = kind });

	check_int(answer->kind, kind);
	return answer;
}

struct answer *conformance_do_clear(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice prefix,
    struct evkv_slice pattern)
{
	return conformance_do(c,
	    &(struct evkv_request){ .kind = EVKV_OP_CLEAR,
		.collection = collection,
		.match.prefix = prefix,
		.match.pattern = pattern });
}

void conformance_must_put(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms)
{
	struct answer *answer = conformance_do_put(c, collection, key, value,
	    ttl_ms, EVKV_IF_ANY);

	check_status(answer->status, EVKV_OK);
}

void conformance_must_get(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value)
{
	struct answer *answer = conformance_do_keyed(c, EVKV_OP_GET, collection,
	    key);

	check_status(answer->status, EVKV_OK);
	check_bytes(answer->entries[0].bytes, value);
}

void conformance_must_miss(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice key)
{
	struct answer *answer = conformance_do_keyed(c, EVKV_OP_GET, collection,
	    key);

	check_status(answer->status, EVKV_NOT_FOUND);
	check_int(answer->entries[0].bytes.size, 0);
}

/*
 * By how much a remaining TTL may be less than was asked for. On a machine that
 * is slow the case itself has taken longer than the suite says.
 */
static int64_t ttl_slack_ms(const struct evkv_conformance *c)
{
	int64_t slack = c->suite->slack_ms != 0 ? c->suite->slack_ms : 2000;
	int64_t taken = rig_deadline() - c->first_deadline;

	if (!conformance_has(c, EVKV_CONFORMANCE_REAL_TIME))
		return 0;
	return taken > slack ? taken : slack;
}

void conformance_must_have_ttl(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice key, int64_t ttl_ms)
{
	struct answer *answer = conformance_do_keyed(c, EVKV_OP_TTL, collection,
	    key);
	int64_t unit = c->can->ttl_unit_ms > 0 ? c->can->ttl_unit_ms : 1;
	int64_t slack = ttl_slack_ms(c);

	check_status(answer->status, EVKV_OK);
	if (ttl_ms == EVKV_TTL_NONE) {
		check_int(answer->entries[0].ttl_ms, EVKV_TTL_NONE);
		return;
	}
	/* At least what was asked, at most one unit of the store's more. */
	check_between(answer->entries[0].ttl_ms,
	    ttl_ms > slack ? ttl_ms - slack : 1, ttl_ms + 2 * (unit - 1));
}

void conformance_must_expire(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice key)
{
	int64_t deadline = rig_deadline();
	struct answer *answer;

	for (;;) {
		answer = conformance_do_keyed(c, EVKV_OP_EXISTS, collection,
		    key);
		if (answer->status == EVKV_NOT_FOUND)
			return;
		/* On an injected clock it is gone at the millisecond. */
		check(conformance_has(c, EVKV_CONFORMANCE_REAL_TIME));
		check_status(answer->status, EVKV_OK);
		rig_turn_until(&c->rig, deadline, __FILE__, __LINE__,
		    "an entry to expire");
	}
}

void conformance_must_affect(struct evkv_conformance *c,
    const struct answer *answer, int64_t count)
{
	if (answer->affected == -1)
		check((c->can->flags & EVKV_STORE_EXACT_AFFECTED) == 0);
	else
		check_int(answer->affected, count);
}

/* ---- Enumeration ------------------------------------------------------ */

struct names conformance_list(struct evkv_conformance *c,
    const struct evkv_request *request)
{
	struct names names = { NULL, 0, 0 };
	struct evkv_request page = *request;
	struct answer *answer;
	struct evkv_slice *items;
	size_t i;

	do {
		answer = conformance_do(c, &page);
		check_status(answer->status, EVKV_OK);
		check(answer->cursor.size <= EVKV_CURSOR_MAX);
		items = conformance_alloc(c,
		    (names.count + answer->count) * sizeof(*items));
		if (names.count > 0)
			memcpy(items, names.items,
			    names.count * sizeof(*items));
		for (i = 0; i < answer->count; i++) {
			check_status(answer->entries[i].status, EVKV_OK);
			check(!answer->entries[i].has_value);
			items[names.count++] = answer->entries[i].name;
		}
		names.items = items;
		page.match.cursor = answer->cursor;
		check(++names.pages < 100000);
	} while (page.match.cursor.size > 0);
	return names;
}

size_t names_count(const struct names *names, struct evkv_slice name)
{
	size_t count = 0, i;

	for (i = 0; i < names->count; i++) {
		if (evkv_slice_equal(names->items[i], name))
			count++;
	}
	return count;
}

static int ops_compare(struct evkv_slice a, struct evkv_slice b)
{
	size_t size = a.size < b.size ? a.size : b.size;
	int order = size > 0 ? memcmp(a.data, b.data, size) : 0;

	if (order != 0)
		return order;
	return a.size < b.size ? -1 : a.size > b.size;
}

void conformance_must_list(struct evkv_conformance *c,
    const struct evkv_request *request, const struct evkv_slice *expected,
    size_t count)
{
	struct names names = conformance_list(c, request);
	size_t i, times;

	for (i = 0; i < count; i++) {
		times = names_count(&names, expected[i]);
		if (times == 0)
			fail_test("%s: \"%.*s\" is missing from the page(s)",
			    evkv_kind_name(request->kind),
			    (int)expected[i].size,
			    (const char *)expected[i].data);
		if ((c->can->flags & EVKV_STORE_ENUM_UNIQUE) != 0)
			check_int(times, 1);
	}
	for (i = 0; i < names.count; i++) {
		struct names one = { (struct evkv_slice *)(uintptr_t)expected,
			count, 0 };

		if (names_count(&one, names.items[i]) == 0)
			fail_test("%s: \"%.*s\" should not be there",
			    evkv_kind_name(request->kind),
			    (int)names.items[i].size,
			    (const char *)names.items[i].data);
		if ((c->can->flags & EVKV_STORE_KEY_ORDER) != 0 && i > 0 &&
		    request->kind == EVKV_OP_KEYS)
			check(ops_compare(names.items[i - 1], names.items[i]) <
			    0);
	}
}
