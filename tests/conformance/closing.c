/*
 * tests/conformance/closing.c - the ways out: close, unref, freeing the loop,
 * from outside and from callbacks, with work pending.
 */
#include "cases.h"

static struct answer *closing_close(struct evkv_conformance *c,
    int64_t drain_ms)
{
	struct answer *a = conformance_answer(c);

	c->injured = true;
	conformance_answer_submitted(a,
	    evkv_store_close(c->store, drain_ms, answer_cb, a));
	check_int(a->calls, 0);
	return a;
}

static struct answer *closing_submit(struct evkv_conformance *c,
    enum evkv_kind kind, struct evkv_slice key)
{
	return conformance_submit(c, NULL,
	    &(struct evkv_request){ .kind = kind,
		.collection = L("c"),
		.keys = &key,
		.count = 1,
		.values = kind == EVKV_OP_PUT ? &key : NULL,
		.flags = EVKV_FLAG_SINGLE });
}

/* Ended by itself, or ended by the close and saying so. */
static void closing_check(const struct answer *a)
{
	check_int(a->calls, 1);
	if (a->status == EVKV_CLOSED || a->status == EVKV_UNKNOWN_OUTCOME)
		check_int(a->cause, EVKV_CAUSE_CLOSED);
	else
		check(!evkv_failed(a->status));
	if (a->kind != EVKV_OP_PUT)
		check(a->status != EVKV_UNKNOWN_OUTCOME);
}

CASE(close_drains_then_tells)
{
	struct answer *put = closing_submit(c, EVKV_OP_PUT, L("k"));
	struct answer *get = closing_submit(c, EVKV_OP_GET, L("k"));
	struct answer *closed = closing_close(c, -1);
	struct answer *late = closing_submit(c, EVKV_OP_GET, L("k"));

	conformance_wait(c, closed);
	check_status(closed->status, EVKV_OK);
	check_status(put->status, EVKV_OK);
	check(!evkv_failed(get->status));
	check_int(put->calls, 1);
	check_int(get->calls, 1);
	check(put->order < closed->order);
	check(get->order < closed->order);
	check_status(conformance_wait(c, late)->status, EVKV_CLOSED);
	check_int(late->cause, EVKV_CAUSE_CLOSED);
}

CASE(close_without_draining)
{
	struct answer *a[6], *closed;
	size_t i;

	for (i = 0; i < 6; i++)
		a[i] = closing_submit(c, i % 2 == 0 ? EVKV_OP_PUT : EVKV_OP_GET,
		    L("k"));
	closed = conformance_wait(c, closing_close(c, 0));
	if (closed->status != EVKV_TIMEOUT)
		check_status(closed->status, EVKV_OK);
	for (i = 0; i < 6; i++) {
		closing_check(a[i]);
		check(a[i]->order < closed->order);
	}
}

CASE(a_closed_store_answers_closed)
{
	struct answer *a;
	int kind;

	check_status(conformance_wait(c, closing_close(c, -1))->status,
	    EVKV_OK);
	check_int(evkv_store_state(c->store), EVKV_STATE_CLOSED);
	for (kind = 0; kind < EVKV_KIND_COUNT; kind++) {
		a = conformance_do(c,
		    &(struct evkv_request){ .kind = (enum evkv_kind)kind });
		check_status(a->status, EVKV_CLOSED);
	}
	check_status(do_get(c, L("c"), L("k"))->status, EVKV_CLOSED);
	a = conformance_answer(c);
	conformance_answer_submitted(a,
	    evkv_store_wait_ready(c->store, -1, answer_cb, a));
	check_status(conformance_wait(c, a)->status, EVKV_CLOSED);
	check(evkv_store_name(c->store) != NULL);
}

CASE(close_twice)
{
	struct answer *first, *second, *third;

	(void)closing_submit(c, EVKV_OP_PUT, L("k"));
	first = closing_close(c, -1);
	second = closing_close(c, 0);
	conformance_wait(c, first);
	conformance_wait(c, second);
	check_status(first->status, EVKV_OK);
	check_status(second->status, EVKV_OK);
	check(first->order < second->order);
	third = conformance_wait(c, closing_close(c, -1));
	check_status(third->status, EVKV_OK);
}

struct closing_act {
	struct evkv_conformance *c;
	struct answer *closed, *late;
	bool close;
};

static void closing_on_answer(struct answer *answer,
    const struct evkv_result *result, void *arg)
{
	struct closing_act *act = arg;
	struct evkv_conformance *c = act->c;
	struct evkv_slice key = L("k");
	struct evkv_store *store = c->store;

	(void)answer;
	(void)result;
	if (store == NULL)
		return;
	if (act->close) {
		conformance_answer_submitted(act->closed,
		    evkv_store_close(store, -1, answer_cb, act->closed));
		conformance_answer_submitted(act->late,
		    evkv_get(store, L("c"), key, answer_cb, act->late));
	}
	c->store = NULL;
	evkv_store_unref(store);
}

CASE(close_and_unref_from_a_callback)
{
	struct closing_act act = { .c = c, .close = true };
	struct evkv_slice key = L("k");
	struct answer *a, *beside;

	c->injured = true;
	act.closed = conformance_answer(c);
	act.late = conformance_answer(c);
	a = conformance_submit_then(c, NULL,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.collection = L("c"),
		.keys = &key,
		.count = 1 },
	    closing_on_answer, &act);
	beside = closing_submit(c, EVKV_OP_PUT, L("beside"));
	conformance_wait(c, a);
	conformance_wait(c, act.closed);
	conformance_wait(c, act.late);
	conformance_wait(c, beside);
	check_status(act.closed->status, EVKV_OK);
	check_status(act.late->status, EVKV_CLOSED);
	check_status(beside->status, EVKV_OK);
}

CASE(unref_ends_what_is_pending)
{
	struct closing_act act = { .c = c };
	struct evkv_slice key = L("k");
	struct answer *a[4];
	size_t i;

	c->injured = true;
	a[0] = conformance_submit_then(c, NULL,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.collection = L("c"),
		.keys = &key,
		.count = 1 },
	    closing_on_answer, &act);
	for (i = 1; i < 4; i++)
		a[i] = closing_submit(c, i % 2 == 0 ? EVKV_OP_PUT : EVKV_OP_GET,
		    key);
	for (i = 0; i < 4; i++) {
		conformance_wait(c, a[i]);
		closing_check(a[i]);
	}
	check(c->store == NULL);
}

CASE(a_second_reference_keeps_the_store)
{
	struct evkv_store *again = evkv_store_ref(c->store);

	check(again == c->store);
	evkv_store_unref(again);
	rig_turn(&c->rig);
	must_put(c, L("c"), L("k"), L("v"), 0);
	/* The last one, with nothing pending. */
	evkv_store_unref(c->store);
	c->store = NULL;
	rig_turn(&c->rig);
	rig_turn(&c->rig);
}

CASE(freeing_the_loop_ends_everything)
{
	struct evkv_store *store = c->store;
	struct answer *a[10];
	size_t i;

	for (i = 0; i < 10; i++)
		a[i] = closing_submit(c, i % 2 == 0 ? EVKV_OP_PUT : EVKV_OP_GET,
		    L("k"));
	/* The reference is still ours: a dead handle from now on. */
	c->store = NULL;
	rig_close(&c->rig);
	check_int(evkv_ping(store, NULL, NULL), 0);
	evkv_store_unref(store);
	for (i = 0; i < 10; i++) {
		if (conformance_ticket(a[i]) != 0)
			closing_check(a[i]);
	}
}

CASE(freeing_the_loop_with_a_closing_store)
{
	struct answer *put = closing_submit(c, EVKV_OP_PUT, L("k"));
	struct answer *closed = closing_close(c, -1);
	struct evkv_store *store = c->store;

	c->store = NULL;
	rig_close(&c->rig);
	evkv_store_unref(store);
	closing_check(put);
	check_int(closed->calls, 1);
	check(put->order < closed->order);
}

CASE(what_persists_is_there_when_opened_again)
{
	must_put(c, L("c"), L("k"), L("v"), 0);
	must_put(c, L("c"), L("timed"), L("v"), 500 * c->unit_ms);
	must_put(c, L("c\0"), L("k\0"), L(""), 0);
	check_status(conformance_wait(c, closing_close(c, -1))->status,
	    EVKV_OK);
	evkv_store_unref(c->store);
	c->store = NULL;
	rig_turn(&c->rig);
	conformance_open(c);
	c->injured = false;
	if (!conformance_has(c, EVKV_CONFORMANCE_PERSISTS)) {
		must_miss(c, L("c"), L("k"));
		return;
	}
	must_get(c, L("c"), L("k"), L("v"));
	must_get(c, L("c\0"), L("k\0"), L(""));
	must_have_ttl(c, L("c"), L("k"), EVKV_TTL_NONE);
	must_have_ttl(c, L("c"), L("timed"), 500 * c->unit_ms);
}
