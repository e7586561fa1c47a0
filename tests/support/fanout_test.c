/*
 * The fan-out engine over several stores: how many steps are under way, pages,
 * what is awaited, failures, BUSY, and being told early.
 * prefix_keys_walk_test.c has it over one store.
 */
#include <stdio.h>
#include <string.h>

#include "evkv/evkv.h"
#include "evkv/fanout.h"
#include "lib/faults.h"
#include "lib/gate.h"
#include "lib/rig.h"
#include "lib/test.h"

#define STORES 5

/* Asks all its stores the same, and puts their answers together. */
struct spread {
	struct evkv_store *stores[STORES];
	struct evkv_fanout *fanout;
	struct evkv_op *op;
	unsigned next, most;
	unsigned came, over, finished;
	unsigned wait_at; /* next() waits before this one, once */
	bool failed;
};

static enum evkv_fanout_next spread_next(void *arg, void **item)
{
	struct spread *self = arg;

	if (self->next == self->wait_at) {
		self->wait_at = STORES + 1;
		return EVKV_FANOUT_WAIT;
	}
	if (self->next == STORES)
		return EVKV_FANOUT_END;
	*item = self->stores[self->next++];
	return EVKV_FANOUT_STEP;
}

static void spread_ask(void *arg, void *item, struct evkv_fanout_ask *ask)
{
	struct spread *self = arg;
	struct evkv_slice cursor = ask->request.match.cursor;

	ask->store = item;
	ask->request = *evkv_op_request(self->op);
	ask->request.match.cursor = cursor;
	ask->flags = EVKV_CHILD_BORROWS;
}

static bool spread_came(void *arg, void *item, struct evkv_op *child)
{
	const struct evkv_result *result = evkv_op_result(child);
	struct spread *self = arg;
	size_t i;

	(void)item;
	self->came++;
	for (i = 0; i < result->count; i++)
		evkv_op_add_name(self->op, evkv_result_entry(result, i)->name);
	return true;
}

static void spread_over(void *arg, void *item)
{
	struct spread *self = arg;

	check(item != NULL);
	self->over++;
}

static void spread_finish(void *arg, struct evkv_op *op, bool failed)
{
	struct spread *self = arg;

	check(op == self->op);
	self->finished++;
	self->failed = failed;
}

static enum evkv_verdict spread_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct spread *self = arg;
	const struct evkv_fanout_hooks hooks = {
		.size = sizeof(hooks),
		.next = spread_next,
		.ask = spread_ask,
		.came = spread_came,
		.over = spread_over,
		.finish = spread_finish,
		.most = self->most,
		.budget = 3,
	};

	(void)request;
	self->op = op;
	self->next = self->came = self->over = 0;
	self->fanout = evkv_fanout_new(op, &hooks, self);
	return self->fanout != NULL ? evkv_fanout_go(self->fanout)
				    : evkv_op_nomem(op);
}

static void spread_free(void *self)
{
	(void)self;
}

static const struct evkv_vtable spread_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "spread",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = spread_submit,
	.free = spread_free,
};

struct scene {
	struct rig rig;
	struct spread spread;
	struct gate *gates[STORES];
	struct evkv_store *store;
	struct answer answer;
};

/* Store i has i + 1 entries in "c". */
static void open_scene(struct scene *s)
{
	char key[16];
	int i, j;

	memset(s, 0, sizeof(*s));
	rig_open(&s->rig);
	s->spread.wait_at = STORES + 1;
	for (i = 0; i < STORES; i++) {
		s->spread.stores[i] = gate_new(evkv_simple_new(s->rig.loop,
						   NULL),
		    &s->gates[i], NULL);
		for (j = 0; j <= i; j++) {
			snprintf(key, sizeof(key), "%d.%d", i, j);
			evkv_put(s->spread.stores[i], EVKV_LIT("c"),
			    evkv_str(key), EVKV_LIT("v"), 0, NULL, NULL);
		}
	}
	rig_settle(&s->rig);
	s->store = evkv_store_create(NULL, &spread_vtable, &s->spread,
	    &(struct evkv_store_config){
		.inner = s->spread.stores, .inner_count = STORES },
	    NULL);
}

static void close_scene(struct scene *s)
{
	answer_free(&s->answer);
	evkv_store_unref(s->store);
	rig_close(&s->rig);
}

static void hold(struct scene *s)
{
	int i;

	for (i = 0; i < STORES; i++)
		s->gates[i]->mode = GATE_BEFORE;
}

static unsigned held(const struct scene *s)
{
	unsigned count = 0;
	int i;

	for (i = 0; i < STORES; i++)
		count += (unsigned)s->gates[i]->held_count;
	return count;
}

static void release_one(struct scene *s)
{
	int i;

	for (i = 0; i < STORES; i++) {
		if (s->gates[i]->held_count > 0) {
			gate_release(s->gates[i], 0);
			break;
		}
	}
	rig_turn(&s->rig);
}

static void start(struct scene *s, const struct evkv_request *request)
{
	answer_reset(&s->answer);
	evkv_submit(s->store, request, answer_cb, &s->answer);
}

static const struct evkv_request clear = { .kind = EVKV_OP_CLEAR,
	.collection = { "c", 1 } };
static const struct evkv_request keys = { .kind = EVKV_OP_KEYS,
	.collection = { "c", 1 } };

EVKV_TEST(unit_fanout, all_stores_are_asked_and_added_up)
{
	struct evkv_request pages = keys;
	struct scene s;

	open_scene(&s);
	start(&s, &keys);
	rig_wait(&s.rig, &s.answer.calls);
	check_status(s.answer.status, EVKV_OK);
	check_int(s.answer.count, 15);
	check_int(s.spread.came, 5);

	/* Each step goes on over the pages of its store. */
	pages.match.limit = 2;
	start(&s, &pages);
	rig_wait(&s.rig, &s.answer.calls);
	check_int(s.answer.count, 15);
	check_int(s.spread.came, 1 + 1 + 2 + 2 + 3);
	check_int(s.spread.over, 5);

	start(&s, &clear);
	rig_wait(&s.rig, &s.answer.calls);
	check_status(s.answer.status, EVKV_OK);
	check_int(s.answer.affected, 15);
	check_int(s.spread.finished, 3);
	check(!s.spread.failed);
	close_scene(&s);
}

EVKV_TEST(unit_fanout, a_bounded_number_is_under_way)
{
	static const unsigned most[] = { 1, 3, 0 };
	struct scene s;
	size_t i;

	for (i = 0; i < 3; i++) {
		open_scene(&s);
		s.spread.most = most[i];
		hold(&s);
		start(&s, &clear);
		rig_turn(&s.rig);
		check_int(held(&s), most[i] == 0 ? 5 : most[i]);
		while (s.answer.calls == 0) {
			check(held(&s) <= 5);
			release_one(&s);
		}
		check_int(s.answer.affected, 15);
		check_int(s.spread.over, 5);
		close_scene(&s);
	}
}

/* The steps come in order where one is under way at a time. */
EVKV_TEST(unit_fanout, one_at_a_time_keeps_the_order)
{
	struct scene s;
	char name[8];
	size_t i, j, at = 0;

	open_scene(&s);
	s.spread.most = 1;
	start(&s, &keys);
	rig_wait(&s.rig, &s.answer.calls);
	for (i = 0; i < STORES; i++) {
		for (j = 0; j <= i; j++) {
			snprintf(name, sizeof(name), "%zu.%zu", i, j);
			check_bytes(s.answer.entries[at++].name,
			    evkv_str(name));
		}
	}
	close_scene(&s);
}

EVKV_TEST(unit_fanout, what_has_to_wait_is_gone_on_with)
{
	struct scene s;

	open_scene(&s);
	s.spread.most = 1;
	s.spread.wait_at = 2;
	start(&s, &clear);
	rig_turn(&s.rig);
	check_int(s.answer.calls, 0);
	check_int(s.spread.over, 2);
	evkv_fanout_go(s.spread.fanout);
	rig_wait(&s.rig, &s.answer.calls);
	check_int(s.answer.affected, 15);
	close_scene(&s);
}

EVKV_TEST(unit_fanout, the_first_failure_is_that_of_the_whole)
{
	struct scene s;

	open_scene(&s);
	hold(&s);
	start(&s, &clear);
	rig_turn(&s.rig);
	gate_fail(s.gates[1], 0, EVKV_REFUSED, EVKV_CAUSE_AUTH);
	gate_fail(s.gates[2], 0, EVKV_IO, EVKV_CAUSE_IO);
	check_int(s.answer.calls, 0);
	gate_fail(s.gates[0], 0, EVKV_IO, EVKV_CAUSE_IO);
	gate_fail(s.gates[3], 0, EVKV_IO, EVKV_CAUSE_IO);
	gate_fail(s.gates[4], 0, EVKV_IO, EVKV_CAUSE_IO);
	rig_turn(&s.rig);
	check_int(s.answer.calls, 1);
	check_status(s.answer.status, EVKV_REFUSED);
	check_int(s.answer.cause, EVKV_CAUSE_AUTH);
	check_int(s.spread.over, 5);
	check(s.spread.failed);
	close_scene(&s);
}

/* Also where the effect comes after the failure. */
EVKV_TEST(unit_fanout, half_done_is_of_unknown_outcome)
{
	struct scene s;
	int later;

	for (later = 0; later < 3; later++) {
		open_scene(&s);
		s.spread.most = 2;
		hold(&s);
		start(&s, &clear);
		rig_turn(&s.rig);
		if (later == 0) {
			gate_release(s.gates[0], 0);
			gate_fail(s.gates[1], 0, EVKV_IO, EVKV_CAUSE_IO);
			gate_fail(s.gates[2], 0, EVKV_IO, EVKV_CAUSE_IO);
		} else {
			gate_fail(s.gates[1], 0, EVKV_IO, EVKV_CAUSE_IO);
			if (later == 1)
				gate_release(s.gates[0], 0);
			else
				gate_fail(s.gates[0], 0, EVKV_UNKNOWN_OUTCOME,
				    EVKV_CAUSE_RESET);
		}
		rig_turn(&s.rig);
		check_int(s.answer.calls, 1);
		check_status(s.answer.status, EVKV_UNKNOWN_OUTCOME);
		check_int(s.answer.cause, EVKV_CAUSE_IO);
		check_int(s.answer.affected, -1);
		close_scene(&s);
	}
}

EVKV_TEST(unit_fanout, busy_is_tried_again_behind_another)
{
	struct scene s;

	open_scene(&s);
	hold(&s);
	start(&s, &clear);
	rig_turn(&s.rig);
	gate_fail(s.gates[1], 0, EVKV_BUSY, EVKV_CAUSE_OVERLOAD);
	check_int(held(&s), 4);
	while (s.answer.calls == 0)
		release_one(&s);
	check_status(s.answer.status, EVKV_OK);
	check_int(s.answer.affected, 15);
	close_scene(&s);

	/* With nobody to wait for it is a failure. */
	open_scene(&s);
	s.spread.most = 1;
	hold(&s);
	start(&s, &clear);
	rig_turn(&s.rig);
	gate_fail(s.gates[0], 0, EVKV_BUSY, EVKV_CAUSE_OVERLOAD);
	rig_turn(&s.rig);
	check_status(s.answer.status, EVKV_BUSY);
	close_scene(&s);
}

EVKV_TEST(unit_fanout, nothing_begins_once_the_waiter_was_told)
{
	evkv_ticket ticket;
	struct scene s;

	open_scene(&s);
	s.spread.most = 2;
	hold(&s);
	ticket = evkv_submit(s.store, &clear, answer_cb, &s.answer);
	rig_turn(&s.rig);
	check_int(held(&s), 2);
	evkv_cancel(s.rig.loop, ticket);
	rig_turn(&s.rig);
	check_int(s.answer.calls, 1);
	check_status(s.answer.status, EVKV_CANCELED);
	while (held(&s) > 0)
		release_one(&s);
	check_int(s.spread.next, 2);
	check_int(s.spread.over, 2);
	check_int(s.spread.finished, 1);
	close_scene(&s);
}

EVKV_TEST(unit_fanout, without_memory)
{
	unsigned failed = 0;
	struct scene s;
	size_t n;

	for (n = 1; n < 40; n++) {
		open_scene(&s);
		faults_fail_nth(n);
		start(&s, &keys);
		rig_settle(&s.rig);
		faults_off();
		check(s.answer.calls <= 1);
		if (s.answer.calls == 0 || s.answer.status != EVKV_OK) {
			failed++;
			check(s.answer.calls == 0 ||
			    s.answer.status == EVKV_NOMEM);
		}
		close_scene(&s);
	}
	check(failed > 0);
}
