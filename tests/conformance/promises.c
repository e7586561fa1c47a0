/*
 * tests/conformance/promises.c - exactly one callback, never inside the call,
 * in order, with the inputs given back and the results kept: whatever happens.
 */
#include <stdlib.h>
#include <string.h>

#include "cases.h"

static struct evkv_request promise_get(const struct evkv_slice *key)
{
	return (struct evkv_request){ .kind = EVKV_OP_GET,
		.collection = L("c"),
		.keys = key,
		.count = 1,
		.flags = EVKV_FLAG_SINGLE };
}

static struct evkv_request promise_put(const struct evkv_slice *key,
    const struct evkv_slice *value)
{
	return (struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = L("c"),
		.keys = key,
		.values = value,
		.count = 1,
		.flags = EVKV_FLAG_SINGLE };
}

static struct answer *promise_submit_get(struct evkv_conformance *c,
    struct evkv_slice key)
{
	struct evkv_request request = promise_get(&key);

	return conformance_submit(c, NULL, &request);
}

static struct answer *promise_submit_put(struct evkv_conformance *c,
    struct evkv_slice key, struct evkv_slice value)
{
	struct evkv_request request = promise_put(&key, &value);

	return conformance_submit(c, NULL, &request);
}

/* ---- Callbacks -------------------------------------------------------- */

CASE(no_callback_inside_the_call)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_PING, EVKV_OP_SYNC,
		EVKV_OP_KEYS, EVKV_OP_COLLECTIONS, EVKV_OP_CLEAR,
		EVKV_OP_CLEAR_ALL, EVKV_OP_PURGE_EXPIRED, EVKV_OP_COMPACT,
		EVKV_OP_GET };
	struct answer *answers[9];
	size_t i;

	/* conformance_submit() looks whether it ran inside. */
	for (i = 0; i < 9; i++) {
		answers[i] = conformance_submit(c, NULL,
		    &(struct evkv_request){ .kind = kinds[i] });
		check_int(answers[i]->calls, 0);
	}
	for (i = 0; i < 9; i++)
		check_int(conformance_wait(c, answers[i])->kind, kinds[i]);
}

CASE(an_inline_callback_comes_once)
{
	struct evkv_slice key = L("k"), value = L("v");
	struct evkv_request request = promise_put(&key, &value);
	struct answer *a;

	request.flags |= EVKV_FLAG_INLINE;
	a = conformance_do(c, &request);
	check_status(a->status, EVKV_OK);
	request = promise_get(&key);
	request.flags |= EVKV_FLAG_INLINE;
	a = conformance_do(c, &request);
	if (conformance_has(c, EVKV_CONFORMANCE_FORGETS)) {
		check_status(a->status, EVKV_NOT_FOUND);
	} else {
		check_status(a->status, EVKV_OK);
		check_slice(a->entries[0].bytes, "v");
	}
	rig_turn(&c->rig);
	rig_turn(&c->rig);
	check_int(a->calls, 1);
}

CASE(every_call_is_answered_once)
{
	struct evkv_slice nothing = { NULL, 0 };
	size_t i;

	/* Good and bad ones mixed; conformance_end() counts the callbacks. */
	for (i = 0; i < 5; i++) {
		(void)promise_submit_put(c, L("k"), L("v"));
		(void)promise_submit_put(c, nothing, L("v"));
		(void)promise_submit_get(c, L("k"));
		(void)promise_submit_get(c, nothing);
		(void)conformance_submit(c, NULL,
		    &(struct evkv_request){ .kind = (enum evkv_kind)99 });
	}
	conformance_wait_all(c);
}

CASE(the_callback_may_be_null)
{
	evkv_ticket ticket;

	ticket = evkv_put(c->store, L("c"), L("k"), L("v"), 0, NULL, NULL);
	if (ticket == 0) {
		check(c->sweeping && faults_fired() > 0);
		c->saw_nomem = true;
		fail_test("no ticket");
	}
	(void)evkv_get(c->store, L("c"), L(""), NULL, NULL);
	/* Behind it in the order of this key: then it has ended as well. */
	(void)do_get(c, L("c"), L("k"));
	/* What is not told to anybody may fail for want of memory unheard. */
	if (faults_fired() > 0)
		c->saw_nomem = true;
	must_get(c, L("c"), L("k"), L("v"));
}

CASE(inputs_are_the_callers_again)
{
	struct evkv_slice *keys = malloc(2 * sizeof(*keys));
	struct evkv_slice *values = malloc(2 * sizeof(*values));
	char *bytes = malloc(64);
	struct evkv_request request;
	struct answer *a;

	check(keys != NULL && values != NULL && bytes != NULL);
	memcpy(bytes, "collectionkey1key2value1value2", 30);
	keys[0] = evkv_bytes(bytes + 10, 4);
	keys[1] = evkv_bytes(bytes + 14, 4);
	values[0] = evkv_bytes(bytes + 18, 6);
	values[1] = evkv_bytes(bytes + 24, 6);
	request = (struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = evkv_bytes(bytes, 10),
		.keys = keys,
		.values = values,
		.count = 2 };
	a = conformance_submit(c, NULL, &request);
	memset(bytes, '#', 64);
	memset(keys, 0, 2 * sizeof(*keys));
	memset(values, 0, 2 * sizeof(*values));
	memset(&request, 0, sizeof(request));
	free(keys);
	free(values);
	free(bytes);
	check_status(conformance_wait(c, a)->status, EVKV_OK);
	must_get(c, L("collection"), L("key1"), L("value1"));
	must_get(c, L("collection"), L("key2"), L("value2"));
}

/* ---- Values ----------------------------------------------------------- */

struct promise_kept {
	struct evkv_value *value;
};

static void promise_keep(struct answer *answer,
    const struct evkv_result *result, void *arg)
{
	(void)answer;
	if (result->count == 1)
		((struct promise_kept *)arg)->value = evkv_value_ref(
		    evkv_result_entry(result, 0)->value);
}

static struct evkv_value *promise_get_kept(struct evkv_conformance *c,
    struct evkv_slice key)
{
	struct promise_kept kept = { NULL };
	struct evkv_request request = promise_get(&key);
	struct answer *a = conformance_submit_then(c, NULL, &request,
	    promise_keep, &kept);

	conformance_wait(c, a);
	if (kept.value != NULL)
		conformance_keep_value(c, kept.value);
	check_status(a->status, EVKV_OK);
	check(kept.value != NULL);
	return kept.value;
}

CASE(a_kept_value_survives_its_entry)
{
	struct evkv_value *first, *second;

	must_put(c, L("c"), L("k"), L("the first"), 0);
	first = promise_get_kept(c, L("k"));
	must_put(c, L("c"), L("k"), L("another"), 0);
	check_slice(evkv_value_bytes(first), "the first");
	second = promise_get_kept(c, L("k"));
	check_slice(evkv_value_bytes(second), "another");
	check_status(do_delete(c, L("c"), L("k"))->status, EVKV_OK);
	check_slice(evkv_value_bytes(first), "the first");
	check_slice(evkv_value_bytes(second), "another");
	must_miss(c, L("c"), L("k"));
}

CASE(a_kept_value_survives_the_store)
{
	struct evkv_value *kept;

	must_put(c, L("c"), L("k"), L("stays"), 0);
	kept = promise_get_kept(c, L("k"));
	c->injured = true;
	evkv_store_unref(c->store);
	c->store = NULL;
	rig_turn(&c->rig);
	rig_turn(&c->rig);
	check_slice(evkv_value_bytes(kept), "stays");
	rig_close(&c->rig);
	check_slice(evkv_value_bytes(kept), "stays");
}

/* ---- Order ------------------------------------------------------------ */

CASE(operations_on_one_key_take_effect_in_order)
{
	struct evkv_slice key = L("k"), value = L("3");
	struct evkv_request absent = promise_put(&key, &value), del;
	struct answer *a[9];
	size_t i;

	absent.condition = EVKV_IF_ABSENT;
	del = promise_get(&key);
	del.kind = EVKV_OP_DELETE;
	a[0] = promise_submit_put(c, key, L("1"));
	a[1] = promise_submit_get(c, key);
	a[2] = promise_submit_put(c, key, L("2"));
	a[3] = conformance_submit(c, NULL, &absent);
	a[4] = promise_submit_get(c, key);
	a[5] = conformance_submit(c, NULL, &del);
	a[6] = promise_submit_get(c, key);
	a[7] = conformance_submit(c, NULL, &absent);
	a[8] = promise_submit_get(c, key);
	conformance_wait_all(c);
	check_status(a[0]->status, EVKV_OK);
	check_status(a[1]->status, EVKV_OK);
	check_slice(a[1]->entries[0].bytes, "1");
	check_status(a[2]->status, EVKV_OK);
	check_status(a[3]->status, EVKV_EXISTS);
	check_status(a[4]->status, EVKV_OK);
	check_slice(a[4]->entries[0].bytes, "2");
	check_status(a[5]->status, EVKV_OK);
	check_status(a[6]->status, EVKV_NOT_FOUND);
	check_status(a[7]->status, EVKV_OK);
	check_status(a[8]->status, EVKV_OK);
	check_slice(a[8]->entries[0].bytes, "3");
	for (i = 1; i < 9; i++)
		check(a[i - 1]->order < a[i]->order);
}

CASE(batches_keep_the_order_of_each_key)
{
	const struct evkv_slice keys[] = { L("a"), L("b") };
	const struct evkv_slice values[] = { L("2"), L("2") };
	struct evkv_request get = { .kind = EVKV_OP_GET,
		.collection = L("c"),
		.keys = keys,
		.count = 2 };
	struct evkv_request put = { .kind = EVKV_OP_PUT,
		.collection = L("c"),
		.keys = keys,
		.values = values,
		.count = 2 };
	struct answer *a[5];
	size_t i;

	a[0] = promise_submit_put(c, L("a"), L("1"));
	a[1] = conformance_submit(c, NULL, &put);
	a[2] = conformance_submit(c, NULL, &get);
	a[3] = promise_submit_put(c, L("b"), L("3"));
	a[4] = conformance_submit(c, NULL, &get);
	conformance_wait_all(c);
	for (i = 0; i < 5; i++)
		check_status(a[i]->status, EVKV_OK);
	check_slice(a[2]->entries[0].bytes, "2");
	check_slice(a[2]->entries[1].bytes, "2");
	check_slice(a[4]->entries[0].bytes, "2");
	check_slice(a[4]->entries[1].bytes, "3");
}

/* What had been told before is removed, what comes after it is told stays. */
static void promise_check_span(struct evkv_conformance *c, enum evkv_kind kind)
{
	struct answer *a[3], *between;
	size_t i;

	must_put(c, L("c"), L("before"), L("v"), 0);
	a[0] = promise_submit_put(c, L("just before"), L("v"));
	a[1] = conformance_submit(c, NULL,
	    &(struct evkv_request){ .kind = kind,
		.collection = kind == EVKV_OP_CLEAR ? L("c") : L("") });
	a[2] = promise_submit_put(c, L("just after"), L("v"));
	conformance_wait_all(c);
	for (i = 0; i < 3; i++)
		check_status(a[i]->status, EVKV_OK);
	must_miss(c, L("c"), L("before"));
	must_put(c, L("c"), L("after"), L("v"), 0);
	must_get(c, L("c"), L("after"), L("v"));
	/* In between, either. */
	between = do_get(c, L("c"), L("just before"));
	check(!evkv_failed(between->status));
	between = do_get(c, L("c"), L("just after"));
	check(!evkv_failed(between->status));
}

CASE(clear_and_clear_all_cover_what_was_told)
{
	promise_check_span(c, EVKV_OP_CLEAR);
	promise_check_span(c, EVKV_OP_CLEAR_ALL);
}

/* ---- Cancel, deadline, overload --------------------------------------- */

/*
 * An op that was cut off, or was not: what it says must be so. After it the
 * key holds `value`, or nothing.
 */
static void promise_check_cut(struct evkv_conformance *c,
    const struct answer *a, enum evkv_status reason, enum evkv_cause cause,
    struct evkv_slice key, struct evkv_slice value)
{
	check_int(a->calls, 1);
	if (a->kind == EVKV_OP_GET) {
		if (a->status == reason)
			check_int(a->cause, cause);
		else
			check(!evkv_failed(a->status));
		return;
	}
	if (a->status == reason) {
		check_int(a->cause, cause);
		must_miss(c, L("c"), key);
	} else if (a->status == EVKV_UNKNOWN_OUTCOME) {
		check_int(a->cause, cause);
	} else {
		check_status(a->status, EVKV_OK);
		if (!conformance_has(c, EVKV_CONFORMANCE_FORGETS))
			must_get(c, L("c"), key, value);
	}
}

CASE(cancel_ends_an_operation_once)
{
	struct answer *put = promise_submit_put(c, L("k"), L("v"));
	struct answer *get;

	evkv_cancel(c->rig.loop, conformance_ticket(put));
	check_int(put->calls, 0); /* never inside a call */
	evkv_cancel(c->rig.loop, conformance_ticket(put));
	conformance_wait(c, put);
	evkv_cancel(c->rig.loop, conformance_ticket(put));
	promise_check_cut(c, put, EVKV_CANCELED, EVKV_CAUSE_CANCELED, L("k"),
	    L("v"));
	get = promise_submit_get(c, L("k"));
	evkv_cancel(c->rig.loop, conformance_ticket(get));
	conformance_wait(c, get);
	promise_check_cut(c, get, EVKV_CANCELED, EVKV_CAUSE_CANCELED, L("k"),
	    L("v"));
	/* The store is none the worse for it. */
	must_put(c, L("c"), L("k2"), L("v2"), 0);
}

struct promise_cancel {
	struct evkv_conformance *c;
	struct answer *other;
};

static void promise_on_cancel(struct answer *answer,
    const struct evkv_result *result, void *arg)
{
	struct promise_cancel *cancel = arg;

	(void)answer;
	(void)result;
	if (cancel->other != NULL)
		evkv_cancel(cancel->c->rig.loop,
		    conformance_ticket(cancel->other));
}

CASE(cancel_from_a_callback)
{
	struct evkv_slice key = L("first");
	struct evkv_request request = promise_get(&key);
	struct promise_cancel cancel = { c, NULL };
	struct answer *first;

	first = conformance_submit_then(c, NULL, &request, promise_on_cancel,
	    &cancel);
	cancel.other = promise_submit_put(c, L("k"), L("v"));
	conformance_wait(c, first);
	conformance_wait(c, cancel.other);
	promise_check_cut(c, cancel.other, EVKV_CANCELED, EVKV_CAUSE_CANCELED,
	    L("k"), L("v"));
	/* And itself: it has ended. */
	cancel.other = NULL;
	first = conformance_submit_then(c, NULL, &request, promise_on_cancel,
	    &cancel);
	cancel.other = first;
	check(!evkv_failed(conformance_wait(c, first)->status));
}

CASE(cancel_of_what_has_ended_is_harmless)
{
	evkv_ticket old;
	struct answer *a;
	size_t i;

	evkv_cancel(c->rig.loop, 0);
	evkv_cancel(c->rig.loop, UINT64_MAX);
	evkv_cancel(c->rig.loop, 1);
	for (i = 0; i < 100; i++) {
		a = do_get(c, L("c"), L("k"));
		check(!evkv_failed(a->status));
		old = conformance_ticket(a);
		/* What comes now may sit where the old one sat. */
		a = promise_submit_get(c, L("k"));
		check(conformance_ticket(a) != old);
		evkv_cancel(c->rig.loop, old);
		check_status(conformance_wait(c, a)->status, EVKV_NOT_FOUND);
		if (c->sweeping && i == 3)
			break;
	}
}

CASE(a_deadline_ends_an_operation_once)
{
	struct evkv_slice key = L("k"), value = L("v");
	struct evkv_request request = promise_put(&key, &value);
	struct answer *put, *get;

	request.timeout_ms = 1;
	put = conformance_submit(c, NULL, &request);
	conformance_advance(c, 5);
	conformance_wait(c, put);
	promise_check_cut(c, put, EVKV_TIMEOUT, EVKV_CAUSE_TIMEOUT, key, value);
	/* The same by the store's default. */
	evkv_store_set_timeout(c->store, 1);
	request = promise_get(&key);
	get = conformance_submit(c, NULL, &request);
	conformance_advance(c, 5);
	conformance_wait(c, get);
	promise_check_cut(c, get, EVKV_TIMEOUT, EVKV_CAUSE_TIMEOUT, key, value);
	/* -1: none, in spite of the default. */
	request.timeout_ms = -1;
	get = conformance_submit(c, NULL, &request);
	conformance_advance(c, 5);
	check(!evkv_failed(conformance_wait(c, get)->status));
	evkv_store_set_timeout(c->store, 0);
}

CASE(too_much_pending_is_busy)
{
	const struct evkv_slice keys[5] = { L("1"), L("2"), L("3"), L("4"),
		L("5") };
	struct evkv_request put = { .kind = EVKV_OP_PUT,
		.collection = L("c"),
		.keys = keys,
		.values = keys,
		.count = 5 };
	struct evkv_counters counters;
	struct answer *a;
	size_t i;

	evkv_store_set_limits(c->store, 4, 0);
	a = conformance_do(c, &put);
	check_status(a->status, EVKV_BUSY);
	check_int(a->cause, EVKV_CAUSE_OVERLOAD);
	for (i = 0; i < 5; i++) {
		check_status(a->entries[i].status, EVKV_BUSY);
		must_miss(c, L("c"), keys[i]);
	}
	put.count = 4;
	check_status(conformance_do(c, &put)->status, EVKV_OK);
	/* Where they stay pending the fifth is too much. */
	for (i = 0; i < 4; i++)
		(void)promise_submit_get(c, keys[i]);
	evkv_store_counters(c->store, &counters);
	check(counters.pending <= 4);
	a = promise_submit_get(c, keys[4]);
	if (counters.pending == 4)
		check_status(conformance_wait(c, a)->status, EVKV_BUSY);
	conformance_wait_all(c);
	check_status(do_get(c, L("c"), keys[4])->status, EVKV_NOT_FOUND);
	evkv_store_counters(c->store, &counters);
	check_int(counters.pending, 0);
}

CASE(too_many_bytes_pending_are_busy)
{
	struct evkv_slice big = conformance_bytes(c, 1000, 1);
	struct evkv_counters counters;
	struct answer *a, *b;

	evkv_store_set_limits(c->store, 0, 1500);
	a = promise_submit_put(c, L("a"), big);
	evkv_store_counters(c->store, &counters);
	b = promise_submit_put(c, L("b"), big);
	check_status(conformance_wait(c, a)->status, EVKV_OK);
	conformance_wait(c, b);
	if (counters.pending_bytes > 0)
		check_status(b->status, EVKV_BUSY);
	else
		check_status(b->status, EVKV_OK);
	must_put(c, L("c"), L("b"), big, 0);
	evkv_store_counters(c->store, &counters);
	check_int(counters.pending_bytes, 0);
}

/* ---- From callbacks, and many ----------------------------------------- */

struct promise_chain {
	struct evkv_conformance *c;
	size_t left;
	struct answer *last;
};

static void promise_on_chain(struct answer *answer,
    const struct evkv_result *result, void *arg)
{
	struct promise_chain *chain = arg;
	struct evkv_slice key = L("k"), value = L("v");
	struct evkv_request request;

	(void)answer;
	(void)result;
	if (chain->left-- == 0)
		return;
	request = chain->left % 2 == 0 ? promise_get(&key)
				       : promise_put(&key, &value);
	/* Not conformance_submit_then(): it checks. */
	chain->last = conformance_answer(chain->c);
	chain->last->then = promise_on_chain;
	chain->last->arg = chain;
	conformance_answer_submitted(chain->last,
	    evkv_submit(chain->c->store, &request, answer_cb, chain->last));
}

CASE(submitting_from_callbacks)
{
	struct promise_chain chain = { c, 0, NULL };
	struct evkv_slice key = L("k");
	struct evkv_request request = promise_get(&key);
	struct answer *a;

	if (c->sweeping) /* a ticket of 0 can't be checked in a callback */
		return;
	chain.left = conformance_size(c, 600);
	a = conformance_submit_then(c, NULL, &request, promise_on_chain,
	    &chain);
	conformance_wait(c, a);
	rig_until(&c->rig, chain.left == SIZE_MAX);
	check_int(chain.last->calls, 1);
	check(!evkv_failed(chain.last->status));
}

CASE(many_at_once)
{
	size_t count = conformance_size(c, 2000), i;
	struct answer **answers = conformance_alloc(c,
	    2 * count * sizeof(struct answer *));
	uint32_t *names = conformance_alloc(c, count * sizeof(*names));
	struct evkv_slice key;

	for (i = 0; i < count; i++) {
		names[i] = (uint32_t)i;
		key = evkv_bytes(&names[i], sizeof(names[i]));
		answers[2 * i] = promise_submit_put(c, key, key);
		answers[2 * i + 1] = promise_submit_get(c, key);
	}
	conformance_wait_all(c);
	for (i = 0; i < count; i++) {
		check_status(answers[2 * i]->status, EVKV_OK);
		if (conformance_has(c, EVKV_CONFORMANCE_FORGETS))
			continue;
		check_status(answers[2 * i + 1]->status, EVKV_OK);
		check_bytes(answers[2 * i + 1]->entries[0].bytes,
		    evkv_bytes(&names[i], sizeof(names[i])));
	}
}
