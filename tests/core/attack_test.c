/*
 * tests/core/attack_test.c - what a hostile reader of the core tried.
 */
#include <string.h>

#include "evkv/evkv.h"
#include "faults.h"
#include "gate.h"
#include "scene.h"

#define C EVKV_LIT("c")
#define K EVKV_LIT("k")

/* ---- Turns ---------------------------------------------------------- */

struct chain {
	struct evkv_store *store;
	bool over;
};

static void chain_cb(const struct evkv_result *result, void *arg)
{
	struct chain *chain = arg;

	(void)result;
	if (!chain->over)
		evkv_get(chain->store, C, K, chain_cb, chain);
}

EVKV_TEST(core_attack, chains_of_hits_do_not_starve_tasks)
{
	struct answer closed = ANSWER_INIT;
	struct chain chain = { NULL, false };
	struct evkv_store *other;
	struct rig rig;
	int i;

	rig_open(&rig);
	chain.store = evkv_simple_new(rig.loop, NULL);
	other = evkv_simple_new(rig.loop, NULL);
	for (i = 0; i < 1000; i++)
		evkv_get(chain.store, C, K, chain_cb, &chain);
	evkv_store_close(other, 0, answer_cb, &closed);
	for (i = 0; i < 50; i++)
		rig_single_turn(&rig);
	check_int(closed.calls, 1);
	chain.over = true;
	answer_free(&closed);
	evkv_store_unref(other);
	evkv_store_unref(chain.store);
	rig_close(&rig);
}

struct breaker {
	struct rig *rig;
	struct evkv_task task;
	unsigned runs;
};

static void breaker_run(void *arg)
{
	struct breaker *breaker = arg;

	breaker->runs++;
	event_base_loopbreak(breaker->rig->base);
}

EVKV_TEST(core_attack, a_break_in_a_task_stops_the_tasks)
{
	struct breaker one = { .runs = 0 }, two;
	struct rig rig;

	rig_open(&rig);
	one.rig = &rig;
	one.task.run = breaker_run;
	two = one;
	one.task.arg = &one;
	two.task.arg = &two;
	evkv_task_queue(rig.loop, &one.task);
	evkv_task_queue(rig.loop, &two.task);
	check(event_base_loop(rig.base, EVLOOP_ONCE) >= 0);
	check_int(one.runs, 1);
	check_int(two.runs, 0);
	check(event_base_loop(rig.base, EVLOOP_ONCE) >= 0);
	check_int(two.runs, 1);
	check_int(one.runs, 1);
	rig_close(&rig);
}

/* ---- Causes ---------------------------------------------------------- */

/* Also where the store that wants memory does not name it. */
EVKV_TEST(core_attack, a_want_of_memory_is_its_own_cause)
{
	struct answer get = ANSWER_INIT, keys = ANSWER_INIT;
	struct evkv_store *store;
	struct gate *gate;
	struct rig rig;

	rig_open(&rig);
	store = gate_new(evkv_simple_new(rig.loop, NULL), &gate, NULL);
	gate->fail = EVKV_NOMEM;
	evkv_get(store, C, K, answer_cb, &get);
	evkv_keys(store, C, EVKV_LIT(""), EVKV_LIT(""), 0, answer_cb, &keys);
	rig_turn(&rig);
	check_status(get.status, EVKV_NOMEM);
	check_int(get.cause, EVKV_CAUSE_NOMEM);
	check_status(keys.status, EVKV_NOMEM);
	check_int(keys.cause, EVKV_CAUSE_NOMEM);
	answer_free(&get);
	answer_free(&keys);
	evkv_store_unref(store);
	rig_close(&rig);
}

/* ---- Effects that are denied ---------------------------------------- */

EVKV_TEST(core_attack, what_a_child_has_done_is_not_denied)
{
	struct answer put = ANSWER_INIT, get = ANSWER_INIT;
	struct evkv_store *store, *below;
	struct gate *gate;
	evkv_ticket ticket;
	struct rig rig;

	rig_open(&rig);
	below = evkv_simple_new(rig.loop, NULL);
	store = gate_new(evkv_store_ref(below), &gate, NULL);
	gate->mode = GATE_AFTER;
	ticket = evkv_put(store, C, K, EVKV_LIT("v"), 0, answer_cb, &put);
	evkv_cancel(rig.loop, ticket);
	rig_wait(&rig, &put.calls);
	evkv_get(below, C, K, answer_cb, &get);
	rig_wait(&rig, &get.calls);
	check_status(get.status, EVKV_OK);
	check_status(put.status, EVKV_UNKNOWN_OUTCOME);
	check_int(put.cause, EVKV_CAUSE_CANCELED);
	answer_free(&put);
	answer_free(&get);
	evkv_store_unref(store);
	evkv_store_unref(below);
	rig_close(&rig);
}

EVKV_TEST(core_attack, a_child_without_effect_leaves_the_parent_without)
{
	struct answer put = ANSWER_INIT;
	const struct evkv_slice key = K, value = EVKV_LIT("v");
	struct evkv_store *store;
	struct gate *gate;
	evkv_ticket ticket;
	struct rig rig;

	rig_open(&rig);
	store = gate_new(evkv_simple_new(rig.loop, NULL), &gate, NULL);
	gate->mode = GATE_AFTER;
	ticket = evkv_submit(store,
	    &(struct evkv_request){
		.kind = EVKV_OP_PUT,
		.collection = C,
		.count = 1,
		.keys = &key,
		.values = &value,
		.condition = EVKV_IF_PRESENT,
	    },
	    answer_cb, &put);
	evkv_cancel(rig.loop, ticket);
	rig_wait(&rig, &put.calls);
	check_status(put.status, EVKV_CANCELED);
	answer_free(&put);
	evkv_store_unref(store);
	rig_close(&rig);
}

/* ---- Times beyond all bounds ---------------------------------------- */

static void ring(void *arg)
{
	++*(unsigned *)arg;
}

EVKV_TEST(core_attack, endless_timeouts_never_strike)
{
	const struct evkv_slice key = K;
	struct answer get = ANSWER_INIT;
	struct evkv_timer timer = { .run = ring };
	unsigned rings = 0;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	timer.arg = &rings;
	check(evkv_timer_set(s.rig.loop, &timer, INT64_MAX));
	evkv_submit(s.store,
	    &(struct evkv_request){
		.kind = EVKV_OP_GET,
		.collection = C,
		.count = 1,
		.keys = &key,
		.timeout_ms = INT64_MAX,
	    },
	    answer_cb, &get);
	rig_advance(&s.rig, INT64_C(1000) * 86400 * 365 * 100);
	rig_turn(&s.rig);
	check_int(rings, 0);
	check_int(get.calls, 0);
	scripted_complete(s.script, 0, EVKV_NOT_FOUND);
	rig_wait(&s.rig, &get.calls);
	check_status(get.status, EVKV_OK);
	evkv_timer_cancel(s.rig.loop, &timer);
	answer_free(&get);
	scene_close(&s);
}

EVKV_TEST(core_attack, endless_timeouts_on_the_systems_clock)
{
	struct evkv_timer timer = { .run = ring };
	unsigned rings = 0;
	struct rig rig;

	rig_open_real(&rig);
	timer.arg = &rings;
	check(evkv_timer_set(rig.loop, &timer, INT64_MAX));
	rig_turn(&rig);
	check(evkv_timer_set(rig.loop, &timer, -5));
	rig_wait(&rig, &rings);
	check_int(rings, 1);
	rig_close(&rig);
}

/* ---- A store of this test's own ------------------------------------- */

struct odd {
	struct scripted *script; /* below */
	struct evkv_store *store;
	struct evkv_timer timer; /* set in stop */
	struct evkv_op *held;
	bool sets;
	unsigned rings;
};

static enum evkv_verdict odd_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct odd *odd = self;

	if (odd->script != NULL)
		return evkv_op_forward(op, evkv_store_inner(odd->store, 0),
		    request);
	odd->held = op;
	return EVKV_VERDICT_PENDING;
}

static void odd_stop(void *self, struct evkv_op *op)
{
	struct odd *odd = self;

	(void)op;
	/* Takes the last place among the timers, if it can. */
	if (odd->sets)
		(void)evkv_timer_set(evkv_store_loop(odd->store), &odd->timer,
		    1000000);
	odd->sets = false;
}

/* The driver below has its answer at the worst of all times. */
static void odd_detached(void *self, struct evkv_op *op,
    enum evkv_status status)
{
	struct odd *odd = self;

	(void)op;
	(void)status;
	scripted_complete_all(odd->script, EVKV_OK);
}

static void odd_free(void *self)
{
	(void)self;
}

static const struct evkv_vtable odd_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "odd",
	.kinds = EVKV_KINDS_BASIC,
	.conditions = EVKV_IF_BASIC,
	.submit = odd_submit,
	.stop = odd_stop,
	.detached = odd_detached,
	.free = odd_free,
};

EVKV_TEST(core_attack, ended_below_while_the_wrappers_are_told)
{
	struct odd one = { 0 }, two = { 0 };
	struct answer put = ANSWER_INIT;
	struct evkv_counters counters;
	evkv_ticket ticket;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_MARKS, SCRIPTED_CLOSE_AT_ONCE);
	one.script = two.script = s.script;
	one.store = evkv_store_create(NULL, &odd_vtable, &one,
	    &(struct evkv_store_config){ .inner = &s.store, .inner_count = 1 },
	    NULL);
	two.store = evkv_store_create(NULL, &odd_vtable, &two,
	    &(struct evkv_store_config){
		.inner = &one.store, .inner_count = 1 },
	    NULL);
	s.store = two.store;
	ticket = scene_put(&s, &put);
	evkv_cancel(s.rig.loop, ticket);
	rig_wait(&s.rig, &put.calls);
	check_status(put.status, EVKV_UNKNOWN_OUTCOME);
	evkv_store_counters(one.store, &counters);
	check_int(counters.pending, 0);
	check_int(counters.abandoned, 0);
	check_int(scene_counters(&s)->pending, 0);
	check_int(scene_counters(&s)->abandoned, 0);
	answer_free(&put);
	scene_close(&s);
}

static evkv_ticket odd_get(struct odd *odd, int64_t timeout_ms,
    struct answer *a)
{
	const struct evkv_slice key = K;

	return evkv_submit(odd->store,
	    &(struct evkv_request){
		.kind = EVKV_OP_GET,
		.collection = C,
		.count = 1,
		.keys = &key,
		.timeout_ms = timeout_ms,
	    },
	    answer_cb, a);
}

static void odd_end(struct odd *odd, struct evkv_op *op)
{
	(void)odd;
	evkv_op_fail(op, EVKV_SERVER, EVKV_CAUSE_NONE, NULL);
	evkv_op_complete(op);
}

/* The timers' heap is full when the list of deadlines sets its own again. */
EVKV_TEST(core_attack, want_of_memory_does_not_stop_deadlines)
{
	enum { FILL = 14 };
	struct evkv_timer timers[FILL];
	const struct evkv_capabilities can = {
		.kinds = EVKV_KINDS_BASIC,
		.put_conditions = EVKV_IF_BASIC,
		.max_key = EVKV_KEY_MAX,
		.max_value = EVKV_VALUE_MAX,
		.ttl_unit_ms = 1,
	};
	struct odd odd = { .sets = true };
	struct answer a = ANSWER_INIT, b = ANSWER_INIT;
	struct evkv_op *first;
	struct rig rig;
	size_t i;

	rig_open(&rig);
	odd.timer.run = ring;
	odd.timer.arg = &odd.rings;
	odd.store = evkv_store_create(rig.loop, &odd_vtable, &odd,
	    &(struct evkv_store_config){ .capabilities = &can }, NULL);
	odd_get(&odd, 100, &a);
	first = odd.held;
	rig_advance(&rig, 50);
	odd_get(&odd, 100, &b);
	memset(timers, 0, sizeof(timers));
	for (i = 0; i < FILL; i++) {
		timers[i].run = ring;
		timers[i].arg = &odd.rings;
		check(evkv_timer_set(rig.loop, &timers[i], 1000000));
	}
	faults_fail_from(1);
	rig_advance(&rig, 50);
	faults_off();
	rig_wait(&rig, &a.calls);
	check_status(a.status, EVKV_TIMEOUT);
	rig_advance(&rig, 50);
	rig_turn(&rig);
	check_int(b.calls, 1);
	check_status(b.status, EVKV_TIMEOUT);
	odd_end(&odd, first);
	odd_end(&odd, odd.held);
	answer_free(&a);
	answer_free(&b);
	evkv_store_unref(odd.store);
	rig_close(&rig);
}

/* ---- Deadlines through wrappers ------------------------------------- */

EVKV_TEST(core_attack, a_wrapper_takes_over_the_default_deadline)
{
	struct answer get = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	evkv_store_set_timeout(s.store, 200);
	s.store = evkv_prefix_keys_new(s.store, EVKV_LIT("p:"), NULL);
	scene_get(&s, &get);
	rig_advance(&s.rig, 200);
	rig_turn(&s.rig);
	check_int(get.calls, 1);
	check_status(get.status, EVKV_TIMEOUT);
	scripted_complete_all(s.script, EVKV_NOT_FOUND);
	answer_free(&get);
	scene_close(&s);
}

/* ---- The end of a loop ---------------------------------------------- */

struct poster {
	struct evkv_loop *loop;
	unsigned left, runs;
};

static void poster_run(void *arg)
{
	struct poster *poster = arg;

	poster->runs++;
	if (poster->left-- > 1)
		check(evkv_loop_post(poster->loop, poster_run, poster));
}

static void poster_release(void *arg)
{
	struct poster *poster = arg;

	check(evkv_loop_post(poster->loop, poster_run, poster));
}

EVKV_TEST(core_attack, posts_of_posts_run_before_the_loop_is_gone)
{
	struct poster poster = { .left = 3 };
	struct rig rig;

	rig_open(&rig);
	poster.loop = rig.loop;
	check(evkv_loop_attach(rig.loop, &poster, &poster, poster_release));
	rig_close(&rig);
	check_int(poster.runs, 3);
}
