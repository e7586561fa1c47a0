/*
 * tests/core/wrapper_test.c - what authors of wrappers rely on: frames, child
 * ops, marks that go up, detaching, capabilities that only get narrower.
 */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "scene.h"

enum echo_mode {
	ECHO_FORWARD, /* the same op, with a derived request */
	ECHO_CHILD,   /* one child, with the request as it came */
	ECHO_PAIR,    /* two children, joined; both must be OK */
};

struct echo {
	enum echo_mode mode;
	uint32_t child_flags;
	int64_t child_timeout_ms;
	struct evkv_store *store;
	struct evkv_op *child; /* the last one, while it is under way */
	unsigned completes, detaches, frees, ends;
	unsigned complete_order;
	enum evkv_status detached, ended; /* what was told last */
	struct evkv_slice seen; /* collection at complete; in `name` */
	char name[32];
};

static unsigned echo_orders;

struct echo_join {
	struct echo *echo;
	struct evkv_op *op; /* NULL: nobody's */
	unsigned count;
	bool submitted; /* submit has returned */
	enum evkv_status status;
};

static void echo_join_done(struct echo_join *join)
{
	if (--join->count > 0 || join->op == NULL)
		return;
	if (evkv_failed(join->status))
		(void)evkv_op_cut(join->op, join->status,
		    EVKV_CAUSE_SERVER, "a child failed");
	if (join->submitted)
		evkv_op_complete(join->op);
}

static void echo_on_child(struct evkv_op *child, void *arg)
{
	struct echo_join *join = arg;
	const struct evkv_result *result = evkv_op_result(child);

	join->echo->ends++;
	join->echo->ended = result->status;
	join->echo->child = NULL;
	if (evkv_failed(result->status))
		join->status = result->status;
	else if (join->echo->mode == ECHO_CHILD && child != NULL)
		evkv_op_take_all(join->op, child);
	echo_join_done(join);
}

static enum evkv_verdict echo_children(struct echo *echo, struct evkv_op *op,
    const struct evkv_request *request)
{
	unsigned children = echo->mode == ECHO_PAIR ? 2 : 1, i;
	struct echo_join *join = evkv_op_alloc(op, sizeof(*join));
	struct evkv_request *derived;

	if (join == NULL || !evkv_op_keep(op))
		return evkv_op_nomem(op);
	derived = evkv_op_derive(op, evkv_op_request(op));
	if (derived == NULL)
		return evkv_op_nomem(op);
	(void)request;
	derived->timeout_ms = echo->child_timeout_ms;
	*join = (struct echo_join){ .echo = echo, .op = op, .count = 1 };
	for (i = 0; i < children; i++) {
		join->count++;
		echo->child = evkv_child_submit(op,
		    evkv_store_inner(echo->store, 0), derived,
		    echo->child_flags, echo_on_child, join);
	}
	if (join->count == 1) {
		echo_join_done(join);
		return EVKV_DONE;
	}
	join->submitted = true;
	echo_join_done(join);
	return EVKV_PENDING;
}

static enum evkv_verdict echo_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct echo *echo = self;
	struct evkv_request *derived;
	struct evkv_slice name;

	if (echo->mode != ECHO_FORWARD)
		return echo_children(echo, op, request);
	derived = evkv_op_derive(op, request);
	if (derived == NULL || !evkv_op_copy(op, EVKV_LIT("inner"), &name))
		return evkv_op_nomem(op);
	if ((evkv_kind_classes(request->kind) & EVKV_KIND_COLLECTION) != 0)
		derived->collection = name;
	evkv_op_set_data(op, echo);
	return evkv_op_forward(op, evkv_store_inner(echo->store, 0), derived);
}

static void echo_complete(void *self, struct evkv_op *op)
{
	struct echo *echo = self;
	struct evkv_slice collection = evkv_op_request(op)->collection;

	check(echo->mode == ECHO_FORWARD && evkv_op_data(op) == echo);
	echo->completes++;
	echo->complete_order = ++echo_orders;
	memcpy(echo->name, collection.data, collection.size);
	echo->seen = evkv_bytes(echo->name, collection.size);
}

static void echo_detached(void *self, struct evkv_op *op,
    enum evkv_status status)
{
	struct echo *echo = self;

	(void)op;
	echo->detaches++;
	echo->detached = status;
}

static void echo_free(void *self)
{
	((struct echo *)self)->frees++;
}

static const struct evkv_vtable echo_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "echo",
	.kinds = EVKV_KIND_BIT(EVKV_GET) | EVKV_KIND_BIT(EVKV_PUT) |
	    EVKV_KIND_BIT(EVKV_TTL) | EVKV_KIND_BIT(EVKV_KEYS),
	.submit = echo_submit,
	.complete = echo_complete,
	.detached = echo_detached,
	.free = echo_free,
};

static const struct evkv_vtable echo_vtable_transparent = {
	.size = sizeof(struct evkv_vtable),
	.name = "glass",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = echo_submit,
	.free = echo_free,
};

static struct evkv_store *echo_new(struct echo *echo,
    const struct evkv_vtable *vtable, struct evkv_store *inner)
{
	echo->store = evkv_store_create(NULL, vtable, echo,
	    &(struct evkv_store_config){ .inner = &inner, .inner_count = 1 },
	    NULL);
	return echo->store;
}

/* The scripted store below, one wrapper over it. */
static void echo_open(struct scene *s, struct echo *echo,
    enum scripted_stop stop)
{
	scene_open(s, stop, SCRIPTED_CLOSE_AT_ONCE);
	s->store = echo_new(echo, &echo_vtable, s->store);
	check(s->store != NULL);
}

/* ---- Frames ----------------------------------------------------------- */

EVKV_TEST(core_wrapper, each_level_sees_its_own_request)
{
	struct echo inner = { .frees = 0 }, outer = { .frees = 0 };
	struct answer a = ANSWER_INIT;
	struct scene s;

	echo_open(&s, &inner, SCRIPTED_STOP_HOLDS);
	s.store = echo_new(&outer, &echo_vtable, s.store);
	scene_get(&s, &a);
	check_slice(scripted_request(s.script, 0)->collection, "inner");
	check_slice(scripted_request(s.script, 0)->keys[0], "k");
	check_int(scene_counters(&s)->pending, 1);
	check_int(outer.completes, 0);
	scripted_complete_value(s.script, 0, EVKV_LIT("v"), 0);
	check_int(inner.completes, 1);
	check_int(outer.completes, 1);
	check(inner.complete_order < outer.complete_order);
	check_slice(outer.seen, "c");
	check_slice(inner.seen, "inner");
	check_int(a.calls, 0);
	rig_turn(&s.rig);
	check_slice(a.entries[0].bytes, "v");
	answer_free(&a);
	scene_close(&s);
	check_int(inner.frees, 1);
	check_int(outer.frees, 1);
}

EVKV_TEST(core_wrapper, more_levels_than_an_op_has_room_for)
{
	enum { LEVELS = 40 };
	struct echo echoes[LEVELS] = { { .frees = 0 } };
	struct answer a = ANSWER_INIT;
	struct scene s;
	unsigned i;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	for (i = 0; i < LEVELS; i++)
		s.store = echo_new(&echoes[i], &echo_vtable, s.store);
	scene_put(&s, &a);
	scripted_complete_all(s.script, EVKV_OK);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_OK);
	for (i = 0; i < LEVELS; i++)
		check_int(echoes[i].completes, 1);
	answer_free(&a);
	scene_close(&s);
	for (i = 0; i < LEVELS; i++)
		check_int(echoes[i].frees, 1);
}

EVKV_TEST(core_wrapper, a_detached_level_is_told_and_not_completed)
{
	struct echo inner = { .frees = 0 }, outer = { .frees = 0 };
	struct answer a = ANSWER_INIT;
	struct scene s;
	evkv_ticket ticket;

	echo_open(&s, &inner, SCRIPTED_STOP_HOLDS);
	s.store = echo_new(&outer, &echo_vtable, s.store);
	ticket = scene_put(&s, &a);
	scripted_mark_sent(s.script, 0);
	evkv_cancel(s.rig.loop, ticket);
	check_int(inner.detaches, 1);
	check_int(outer.detaches, 1);
	check_status(outer.detached, EVKV_UNKNOWN_OUTCOME);
	check_int(scene_counters(&s)->abandoned, 1);
	scripted_complete_all(s.script, EVKV_OK);
	check_int(inner.completes, 0);
	check_int(outer.completes, 0);
	check_int(inner.detaches, 1);
	check_int(scene_counters(&s)->pending, 0);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_wrapper, limits_hold_at_every_level)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT;
	struct echo echo = { .frees = 0 };
	struct scene s;
	struct evkv_store *inner;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	inner = evkv_store_ref(s.store);
	s.store = echo_new(&echo, &echo_vtable, s.store);
	evkv_store_set_limits(inner, 1, 0);
	scene_put(&s, &a);
	scene_put(&s, &b);
	rig_turn(&s.rig);
	check_int(a.calls, 0);
	check_status(b.status, EVKV_BUSY);
	check_contains(b.message, "scripted");
	scripted_complete_all(s.script, EVKV_OK);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_OK);
	evkv_store_unref(inner);
	answer_free(&a);
	answer_free(&b);
	scene_close(&s);
}

EVKV_TEST(core_wrapper, a_closed_inner_store_answers_closed)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT;
	struct echo echo = { .frees = 0 };
	struct scene s;
	struct evkv_store *inner;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	inner = evkv_store_ref(s.store);
	s.store = echo_new(&echo, &echo_vtable, s.store);
	evkv_store_close(inner, -1, NULL, NULL);
	scene_get(&s, &a);
	rig_settle(&s.rig);
	check_status(a.status, EVKV_CLOSED);
	/* Closing the wrapper leaves an inner one alone that others hold. */
	answer_reset(&a);
	evkv_store_close(s.store, -1, answer_cb, &a);
	rig_settle(&s.rig);
	check_status(a.status, EVKV_OK);
	check_int(s.script->frees, 0);
	evkv_get(inner, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &b);
	rig_settle(&s.rig);
	check_status(b.status, EVKV_CLOSED);
	evkv_store_unref(inner);
	rig_settle(&s.rig);
	check_int(s.script->frees, 1);
	answer_free(&a);
	answer_free(&b);
	scene_close(&s);
}

/* ---- Capabilities ----------------------------------------------------- */

EVKV_TEST(core_wrapper, a_kind_that_a_wrapper_does_not_know_stops_there)
{
	struct echo echo = { .frees = 0 }, glass = { .frees = 0 };
	struct answer a = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	s.store = echo_new(&glass, &echo_vtable_transparent, s.store);
	check_int(evkv_store_capabilities(s.store)->kinds, EVKV_KINDS_ALL);
	evkv_destroy(s.store, answer_cb, &a);
	check_int(scripted_count(s.script), 1);
	scripted_complete_all(s.script, EVKV_OK);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_OK);

	s.store = echo_new(&echo, &echo_vtable, s.store);
	check_int(evkv_store_capabilities(s.store)->kinds, echo_vtable.kinds);
	answer_reset(&a);
	evkv_destroy(s.store, answer_cb, &a);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_UNSUPPORTED);
	check_contains(a.message, "echo");
	check_contains(a.message, "destroy");
	check_int(s.script->submits, 1);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_wrapper, capabilities_only_get_narrower)
{
	const struct evkv_capabilities wide = { .kinds = EVKV_KINDS_ALL,
		.flags = UINT32_MAX, .max_key = EVKV_KEY_MAX,
		.max_value = EVKV_VALUE_MAX, .ttl_unit_ms = 1 };
	const struct evkv_capabilities *can;
	struct evkv_store *inner;
	struct echo echo = { .frees = 0 };
	struct answer a = ANSWER_INIT;
	struct scene s;

	rig_open(&s.rig);
	s.script = scripted_new();
	s.script->capabilities = (struct evkv_capabilities){
		.kinds = EVKV_KIND_BIT(EVKV_GET) | EVKV_KIND_BIT(EVKV_PUT),
		.flags = EVKV_STORE_KEY_ORDER, .max_key = 4, .max_value = 8,
		.ttl_unit_ms = 1000 };
	inner = scripted_store(s.script, s.rig.loop, NULL);
	s.store = evkv_store_create(NULL, &echo_vtable, &echo,
	    &(struct evkv_store_config){ .capabilities = &wide,
		.inner = &inner, .inner_count = 1 }, NULL);
	echo.store = s.store;
	can = evkv_store_capabilities(s.store);
	check_int(can->kinds, EVKV_KIND_BIT(EVKV_GET) |
	    EVKV_KIND_BIT(EVKV_PUT));
	check_int(can->flags, EVKV_STORE_KEY_ORDER);
	check_int(can->max_key, 4);
	check_int(can->max_value, 8);
	check_int(can->ttl_unit_ms, 1000);

	evkv_get(s.store, EVKV_LIT("c"), EVKV_LIT("12345"), answer_cb, &a);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_INVALID);
	check_contains(a.message, "at most 4");
	evkv_put(s.store, EVKV_LIT("c"), EVKV_LIT("1234"),
	    EVKV_LIT("123456789"), 0, answer_cb, &a);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_TOO_LARGE);
	check_contains(a.message, "at most 8");
	check_int(s.script->submits, 0);
	evkv_put(s.store, EVKV_LIT("c"), EVKV_LIT("1234"),
	    EVKV_LIT("12345678"), 0, answer_cb, &a);
	check_int(s.script->submits, 1);
	scripted_complete_all(s.script, EVKV_OK);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_OK);
	answer_free(&a);
	scene_close(&s);
}

/* ---- Child ops -------------------------------------------------------- */

EVKV_TEST(core_wrapper, a_childs_result_becomes_the_parents)
{
	struct echo echo = { .mode = ECHO_CHILD };
	struct answer a = ANSWER_INIT;
	struct scene s;

	echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
	evkv_ttl(s.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &a);
	scripted_complete_value(s.script, 0, EVKV_LIT("v"), 77);
	check_int(a.calls, 0);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_OK);
	check_slice(a.entries[0].bytes, "v");
	check_int(a.entries[0].ttl_ms, 77);
	check_int(echo.ends, 1);
	/* Answered at once. */
	s.script->immediate = true;
	s.script->status = EVKV_NOT_FOUND;
	answer_reset(&a);
	scene_get(&s, &a);
	check_int(echo.ends, 2);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_NOT_FOUND);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_wrapper, a_childs_failure_tells_why)
{
	struct echo echo = { .mode = ECHO_CHILD };
	struct answer a = ANSWER_INIT;
	struct scene s;

	echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
	evkv_keys(s.store, EVKV_LIT("c"), EVKV_LIT(""), EVKV_LIT(""), 0,
	    answer_cb, &a);
	scripted_complete_all(s.script, EVKV_SERVER);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_SERVER);
	check_str(a.message, "a child failed");
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_wrapper, a_join_ends_with_its_last_child)
{
	struct echo echo = { .mode = ECHO_PAIR };
	struct answer a = ANSWER_INIT;
	struct scene s;

	echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
	scene_put(&s, &a);
	check_int(scripted_count(s.script), 2);
	check_int(scene_counters(&s)->pending, 1);
	scripted_complete(s.script, 1, EVKV_OK);
	rig_turn(&s.rig);
	check_int(a.calls, 0);
	scripted_complete(s.script, 0, EVKV_IO);
	rig_turn(&s.rig);
	/* One of them has had its effect: that it failed is not all. */
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	check_int(a.affected, -1);
	check_int(echo.ends, 2);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_wrapper, a_mark_goes_up_unless_the_child_is_auxiliary)
{
	struct echo echo = { .mode = ECHO_CHILD };
	struct answer a = ANSWER_INIT;
	struct scene s;
	evkv_ticket ticket;
	unsigned auxiliary;

	for (auxiliary = 0; auxiliary < 2; auxiliary++) {
		echo = (struct echo){ .mode = ECHO_CHILD,
			.child_flags = auxiliary ? EVKV_CHILD_AUXILIARY : 0 };
		echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
		ticket = scene_put(&s, &a);
		check(scripted_mark_sent(s.script, 0));
		evkv_cancel(s.rig.loop, ticket);
		rig_turn(&s.rig);
		check_status(a.status, auxiliary ? EVKV_CANCELED :
		    EVKV_UNKNOWN_OUTCOME);
		/* What only tidies up is not stopped with its parent. */
		check_int(s.script->stops, auxiliary ? 0 : 1);
		scripted_complete_all(s.script, EVKV_OK);
		rig_turn(&s.rig);
		check_int(a.calls, 1);
		answer_reset(&a);
		scene_close(&s);
	}
	answer_free(&a);
}

EVKV_TEST(core_wrapper, children_are_stopped_with_their_parent)
{
	struct echo echo = { .mode = ECHO_PAIR };
	struct answer a = ANSWER_INIT;
	struct scene s;
	evkv_ticket ticket;

	echo_open(&s, &echo, SCRIPTED_STOP_COMPLETES);
	ticket = scene_put(&s, &a);
	evkv_cancel(s.rig.loop, ticket);
	/* Both ended by being stopped, and the join with them. */
	check_int(echo.ends, 2);
	check_int(scene_counters(&s)->pending, 0);
	rig_turn(&s.rig);
	check_int(a.calls, 1);
	check_status(a.status, EVKV_CANCELED);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_wrapper, one_sent_child_makes_the_outcome_unknown)
{
	struct echo echo = { .mode = ECHO_PAIR };
	struct answer a = ANSWER_INIT;
	struct scene s;
	evkv_ticket ticket;

	echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
	ticket = scene_put(&s, &a);
	check(scripted_mark_sent(s.script, 1));
	evkv_cancel(s.rig.loop, ticket);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	check_int(a.cause, EVKV_CAUSE_CANCELED);
	check_int(s.script->stops, 2);
	scripted_complete_all(s.script, EVKV_OK);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_wrapper, a_child_may_have_a_deadline)
{
	struct echo echo = { .mode = ECHO_CHILD, .child_timeout_ms = 50 };
	struct answer a = ANSWER_INIT;
	struct scene s;

	echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
	scene_put(&s, &a);
	rig_advance(&s.rig, 50);
	rig_turn(&s.rig);
	check_status(echo.ended, EVKV_TIMEOUT);
	check_status(a.status, EVKV_TIMEOUT);
	/* The parent's answer came; the child runs out below. */
	check_int(scripted_count(s.script), 1);
	scripted_complete_all(s.script, EVKV_OK);
	check_int(echo.ends, 1);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_wrapper, a_wrapper_may_detach_its_child)
{
	struct echo echo = { .mode = ECHO_CHILD };
	struct answer a = ANSWER_INIT;
	struct scene s;

	echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
	scene_put(&s, &a);
	scripted_mark_sent(s.script, 0);
	check(echo.child != NULL);
	evkv_child_detach(echo.child, EVKV_TIMEOUT, EVKV_CAUSE_TIMEOUT);
	check_int(echo.ends, 1);
	check_status(echo.ended, EVKV_UNKNOWN_OUTCOME);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	scripted_complete_all(s.script, EVKV_OK);
	check_int(echo.ends, 1);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_wrapper, a_child_of_nobody)
{
	struct echo echo = { .mode = ECHO_CHILD };
	struct echo_join join = { .echo = &echo, .count = 2 };
	struct evkv_slice key = EVKV_LIT("k");
	struct evkv_op *child;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	echo.mode = ECHO_PAIR; /* takes nothing over */
	child = evkv_child_submit(NULL, s.store, &(struct evkv_request){
	    .kind = EVKV_GET, .keys = &key, .count = 1 }, 0, echo_on_child,
	    &join);
	check(child != NULL);
	check(event_base_loop(s.rig.base, EVLOOP_NONBLOCK) == 0);
	scripted_complete_all(s.script, EVKV_NOT_FOUND);
	check_int(echo.ends, 1);
	check_status(echo.ended, EVKV_OK);
	/* Without memory the callback says so, inside the call. */
	faults_fail_from(1);
	join.count = 2;
	while (evkv_child_submit(NULL, s.store, &(struct evkv_request){
	    .kind = EVKV_GET, .keys = &key, .count = 1 }, 0, echo_on_child,
	    &join) != NULL)
		join.count = 2;
	faults_off();
	check_status(echo.ended, EVKV_NOMEM);
	scripted_complete_all(s.script, EVKV_OK);
	scene_close(&s);
}

static void echo_on_ended(struct evkv_op *child, void *arg)
{
	check(evkv_op_request(child) == NULL);
	check(evkv_op_data(child) == NULL);
	(*(unsigned *)arg)++;
}

static void echo_ask_an_ended_child(struct evkv_store *store, unsigned *ends)
{
	struct evkv_slice key = EVKV_LIT("k");

	check(evkv_child_submit(NULL, store, &(struct evkv_request){
	    .kind = EVKV_GET, .keys = &key, .count = 1 }, 0, echo_on_ended,
	    ends) == NULL);
}

/* An assertion in debug builds, NULL in others. */
EVKV_TEST(core_wrapper, a_child_that_has_ended_is_at_no_level)
{
	struct scene s;
	unsigned ends = 0;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	s.script->immediate = true;
	s.script->status = EVKV_NOT_FOUND;
#ifdef EVKV_DEBUG
	int how = 0;
	pid_t pid = fork();

	check(pid >= 0);
	if (pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		(void)signal(SIGABRT, SIG_DFL);
		(void)close(STDERR_FILENO);
		echo_ask_an_ended_child(s.store, &ends);
		_exit(0);
	}
	check(waitpid(pid, &how, 0) == pid);
	check(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
#else
	echo_ask_an_ended_child(s.store, &ends);
	check_int(ends, 1);
#endif
	scene_close(&s);
}

EVKV_TEST(core_wrapper, wanting_memory_a_child_still_ends_once)
{
	struct echo echo = { .mode = ECHO_CHILD, .child_timeout_ms = 50 };
	struct answer a = ANSWER_INIT;
	struct scene s;
	size_t n;

	/* Each allocation on the way fails once: always one answer. */
	for (n = 1; n < 12; n++) {
		echo = (struct echo){ .mode = ECHO_CHILD,
			.child_timeout_ms = 50 };
		echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
		faults_fail_nth(n);
		if (scene_put(&s, &a) != 0) {
			rig_turn(&s.rig);
			if (a.calls == 0) {
				scripted_complete_all(s.script, EVKV_OK);
				rig_turn(&s.rig);
			}
			check_int(a.calls, 1);
			check(a.status == EVKV_OK || a.status == EVKV_NOMEM);
		}
		faults_off();
		scripted_complete_all(s.script, EVKV_OK);
		answer_reset(&a);
		scene_close(&s);
	}
	answer_free(&a);
}
