/*
 * tests/core/stack_test.c - what a store of several stores can do, where it
 * stands and what it counts; vtables of other sizes; answers without an op.
 */
#include <string.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "scene.h"

#define CAN_ALL                                                                \
	(EVKV_KINDS_BASIC | EVKV_KIND_BIT(EVKV_OP_INCR) |                      \
	    EVKV_KIND_BIT(EVKV_OP_TAKE))
#define IF_ALL (EVKV_IF_BASIC | EVKV_IF_BIT(EVKV_IF_VERSION))

/* ---- A wrapper over two stores ---------------------------------------- */

struct pair {
	struct evkv_store *first;
	struct evkv_value *held; /* what peek() answers with */
	enum evkv_peek answer;
	unsigned peeks;
};

static enum evkv_verdict pair_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct pair *self = arg;

	return evkv_op_forward(op, self->first, request);
}

static enum evkv_peek pair_peek(void *arg, const struct evkv_request *request,
    struct evkv_value **value)
{
	struct pair *self = arg;

	check_slice(request->keys[0], "k");
	self->peeks++;
	*value = self->held;
	return self->answer;
}

static void pair_free(void *arg)
{
	(void)arg;
}

static void pair_counters(void *arg, struct evkv_counters *counters)
{
	(void)arg;
	counters->reconnects = 1;
	counters->entries = 10;
}

static const struct evkv_vtable pair_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "pair",
	.classes = UINT32_MAX,
	.request_flags = EVKV_FLAG_VERSIONS,
	.conditions = IF_ALL,
	.submit = pair_submit,
	.free = pair_free,
	.counters = pair_counters,
	.peek = pair_peek,
};

static const struct evkv_capabilities can_all = {
	.kinds = CAN_ALL,
	.flags = EVKV_STORE_KEY_ORDER | EVKV_STORE_ENUM_UNIQUE,
	.max_key = 100,
	.max_value = 1000,
	.ttl_unit_ms = 1,
	.request_flags = EVKV_FLAG_VERSIONS,
	.put_conditions = IF_ALL,
	.delete_conditions = IF_ALL,
	.touch_conditions = IF_ALL,
};

struct stack {
	struct rig rig;
	struct scripted *scripts[2];
	struct evkv_store *inner[2];
	struct pair pair;
	struct evkv_store *store;
};

/* Two stores, of which the second can what `second` says, under `vtable`. */
static void stack_open(struct stack *s, const struct evkv_vtable *vtable,
    const struct evkv_capabilities *second, uint32_t auxiliary)
{
	int i;

	memset(s, 0, sizeof(*s));
	rig_open(&s->rig);
	for (i = 0; i < 2; i++) {
		s->scripts[i] = scripted_new();
		s->scripts[i]->capabilities = i == 1 ? *second : can_all;
		s->inner[i] = scripted_store(s->scripts[i], s->rig.loop, NULL);
	}
	s->pair.first = s->inner[0];
	s->pair.answer = EVKV_PEEK_DECLINE;
	s->store = evkv_store_create(NULL, vtable, &s->pair,
	    &(struct evkv_store_config){
		.inner = s->inner, .inner_count = 2, .auxiliary = auxiliary },
	    NULL);
	check(s->store != NULL);
}

static void stack_close(struct stack *s)
{
	int i;

	evkv_store_unref(s->store);
	rig_close(&s->rig);
	for (i = 0; i < 2; i++)
		scripted_free(s->scripts[i]);
}

EVKV_TEST(core_stack, can_do_what_all_its_stores_can)
{
	struct evkv_capabilities second = can_all;
	const struct evkv_capabilities *can;
	struct stack s;

	second.kinds &= ~EVKV_KIND_BIT(EVKV_OP_INCR);
	second.flags = EVKV_STORE_KEY_ORDER | EVKV_STORE_VERSION_BY_CONTENT;
	second.max_key = 50;
	second.max_value = 2000;
	second.ttl_unit_ms = 1000;
	second.ttl_excess_ms = 900;
	second.touch_conditions = 0;
	stack_open(&s, &pair_vtable, &second, 0);
	can = evkv_store_capabilities(s.store);
	check_int(can->size, sizeof(*can));
	check_int(can->kinds, CAN_ALL & ~EVKV_KIND_BIT(EVKV_OP_INCR));
	check_int(can->flags,
	    EVKV_STORE_KEY_ORDER | EVKV_STORE_VERSION_BY_CONTENT);
	check_int(can->max_key, 50);
	check_int(can->max_value, 1000);
	check_int(can->ttl_unit_ms, 1000);
	check_int(can->ttl_excess_ms, 900);
	check_int(can->request_flags, EVKV_FLAG_VERSIONS);
	check(evkv_store_can(s.store, EVKV_OP_PUT, EVKV_IF_VERSION));
	check(evkv_store_can(s.store, EVKV_OP_TOUCH, EVKV_IF_ANY));
	check(!evkv_store_can(s.store, EVKV_OP_TOUCH, EVKV_IF_VERSION));
	check(!evkv_store_can(s.store, EVKV_OP_INCR, EVKV_IF_ANY));
	check(!evkv_store_can(s.store, EVKV_OP_GET, EVKV_IF_VERSION));
	check(!evkv_store_can(s.store, EVKV_KIND_COUNT, EVKV_IF_ANY));
	stack_close(&s);
}

EVKV_TEST(core_stack, what_only_helps_narrows_nothing)
{
	const struct evkv_capabilities little = {
		.kinds = EVKV_KIND_BIT(EVKV_OP_GET), .max_key = 1
	};
	struct evkv_counters counters;
	struct stack s;

	stack_open(&s, &pair_vtable, &little, 1 << 1);
	check_int(evkv_store_capabilities(s.store)->kinds, CAN_ALL);
	check_int(evkv_store_capabilities(s.store)->max_key, 100);
	evkv_store_set_state(s.inner[1], EVKV_STATE_DOWN, EVKV_CAUSE_RESET, "");
	check_int(evkv_store_state(s.store), EVKV_STATE_READY);
	evkv_store_counters(s.store, &counters);
	check_int(counters.entries, 10);
	stack_close(&s);
}

/* ---- State and counters ------------------------------------------------ */

struct seen {
	unsigned calls;
	enum evkv_state state;
	enum evkv_cause cause;
	char message[40];
};

static void on_state(enum evkv_state state, enum evkv_cause cause,
    const char *message, void *arg)
{
	struct seen *seen = arg;

	seen->calls++;
	seen->state = state;
	seen->cause = cause;
	snprintf(seen->message, sizeof(seen->message), "%s", message);
}

EVKV_TEST(core_stack, shows_the_worst_state_of_its_stores)
{
	struct seen seen = { .calls = 0 };
	struct stack s;

	stack_open(&s, &pair_vtable, &can_all, 0);
	evkv_store_set_state_cb(s.store, on_state, &seen);
	check_int(evkv_store_state(s.store), EVKV_STATE_READY);
	evkv_store_set_state(s.inner[1], EVKV_STATE_DOWN, EVKV_CAUSE_RESET,
	    "second");
	check_int(evkv_store_state(s.store), EVKV_STATE_DOWN);
	rig_turn(&s.rig);
	check_int(seen.calls, 1);
	check_int(seen.state, EVKV_STATE_DOWN);
	check_int(seen.cause, EVKV_CAUSE_RESET);
	check_str(seen.message, "second");

	/* No better while one of them is down, and nothing new to tell. */
	evkv_store_set_state(s.inner[0], EVKV_STATE_CONNECTING, EVKV_CAUSE_NONE,
	    "first");
	rig_turn(&s.rig);
	check_int(seen.calls, 1);
	evkv_store_set_state(s.inner[1], EVKV_STATE_READY, EVKV_CAUSE_NONE, "");
	rig_turn(&s.rig);
	check_int(seen.calls, 2);
	check_int(seen.state, EVKV_STATE_CONNECTING);
	check_str(seen.message, "first");
	evkv_store_set_state(s.inner[0], EVKV_STATE_READY, EVKV_CAUSE_NONE, "");
	rig_turn(&s.rig);
	check_int(seen.state, EVKV_STATE_READY);
	stack_close(&s);
}

EVKV_TEST(core_stack, adds_up_what_its_stores_count)
{
	struct evkv_store *inner[2];
	struct evkv_counters counters;
	struct pair outer = { .peeks = 0 };
	struct evkv_store *store;
	struct stack s;

	stack_open(&s, &pair_vtable, &can_all, 0);
	inner[0] = s.store;
	inner[1] = evkv_simple_new(s.rig.loop, NULL);
	evkv_put(inner[1], EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0, NULL,
	    NULL);
	rig_turn(&s.rig);
	outer.first = s.store;
	store = evkv_store_create(NULL, &pair_vtable, &outer,
	    &(struct evkv_store_config){ .inner = inner, .inner_count = 2 },
	    NULL);
	evkv_store_counters(store, &counters);
	check_int(counters.entries, 10 + 10 + 1);
	check_int(counters.reconnects, 2);
	s.store = store;
	stack_close(&s);
}

/* ---- Vtables ------------------------------------------------------------ */

/* Of a wrapper that was compiled before peek() was there. */
EVKV_TEST(core_stack, what_an_older_vtable_lacks_is_not_called)
{
	struct evkv_vtable older = pair_vtable;
	struct answer a = ANSWER_INIT;
	struct evkv_slice key = EVKV_LIT("k");
	struct stack s;

	older.size = offsetof(struct evkv_vtable, peek);
	stack_open(&s, &older, &can_all, 0);
	evkv_submit(s.store,
	    &(struct evkv_request){
		.kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE,
		.count = 1,
		.keys = &key,
	    },
	    answer_cb, &a);
	check_int(s.pair.peeks, 0);
	check_int(s.scripts[0]->submits, 1);
	check(evkv_store_self(s.store, &older) == &s.pair);
	check(evkv_store_self(s.store, &pair_vtable) == NULL);
	scripted_complete_all(s.scripts[0], EVKV_NOT_FOUND);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_NOT_FOUND);
	answer_free(&a);
	stack_close(&s);
}

/*
 * A kind is handled by its classes, all of them: TAKE answers values and
 * writes, INCR adds, which this wrapper does not say it knows.
 */
EVKV_TEST(core_stack, kinds_are_handled_by_their_classes)
{
	struct evkv_vtable vtable = pair_vtable;
	struct answer a = ANSWER_INIT;
	struct stack s;

	vtable.classes &= ~(uint32_t)EVKV_CLASS_HAS_DELTA;
	vtable.conditions = EVKV_IF_BASIC;
	vtable.request_flags = 0;
	stack_open(&s, &vtable, &can_all, 0);
	check(evkv_store_can(s.store, EVKV_OP_TAKE, EVKV_IF_ANY));
	check(!evkv_store_can(s.store, EVKV_OP_INCR, EVKV_IF_ANY));
	evkv_incr(s.store, EVKV_LIT("c"), EVKV_LIT("k"), 1, answer_cb, &a);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_UNSUPPORTED);
	check_contains(a.message, "pair");
	check_contains(a.message, "incr");
	evkv_get_version(s.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &a);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_UNSUPPORTED);
	check_contains(a.message, "version");
	evkv_delete_if_version(s.store, EVKV_LIT("c"), EVKV_LIT("k"),
	    &(struct evkv_version){ { 0 } }, answer_cb, &a);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_UNSUPPORTED);
	check_contains(a.message, "IF_VERSION");
	check_int(s.scripts[0]->submits, 0);
	answer_free(&a);
	stack_close(&s);
}

/* ---- Answers without an op ---------------------------------------------- */

static void inline_get(struct stack *s, uint32_t flags, struct answer *a)
{
	struct evkv_slice key = EVKV_LIT("k");

	evkv_submit(s->store,
	    &(struct evkv_request){
		.kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_SINGLE | flags,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
	    },
	    answer_cb, a);
}

EVKV_TEST(core_stack, peek_answers_an_inline_get)
{
	struct answer a = ANSWER_INIT;
	struct stack s;

	stack_open(&s, &pair_vtable, &can_all, 0);
	s.pair.held = evkv_value_new(EVKV_LIT("v"));
	s.pair.answer = EVKV_PEEK_HIT;
	inline_get(&s, EVKV_FLAG_INLINE, &a);
	check_int(a.calls, 1);
	check_status(a.status, EVKV_OK);
	check_slice(a.entries[0].bytes, "v");
	s.pair.answer = EVKV_PEEK_MISS;
	inline_get(&s, EVKV_FLAG_INLINE, &a);
	check_int(a.calls, 2);
	check_status(a.status, EVKV_NOT_FOUND);
	check_int(s.scripts[0]->submits, 0);

	/* What is declined, or not to be answered inside, goes down. */
	s.pair.answer = EVKV_PEEK_DECLINE;
	inline_get(&s, EVKV_FLAG_INLINE, &a);
	check_int(a.calls, 2);
	check_int(s.scripts[0]->submits, 1);
	s.pair.answer = EVKV_PEEK_HIT;
	s.pair.peeks = 0;
	inline_get(&s, 0, &a);
	inline_get(&s, EVKV_FLAG_INLINE | EVKV_FLAG_VERSIONS, &a);
	check_int(s.pair.peeks, 0);
	check_int(s.scripts[0]->submits, 3);
	scripted_complete_all(s.scripts[0], EVKV_NOT_FOUND);
	rig_turn(&s.rig);
	check_int(a.calls, 5);

	/* A store that is on its way out has nothing to say. */
	evkv_store_close(s.store, 0, NULL, NULL);
	inline_get(&s, EVKV_FLAG_INLINE, &a);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_CLOSED);
	evkv_value_unref(s.pair.held);
	answer_free(&a);
	stack_close(&s);
}

/* ---- One key, one entry ------------------------------------------------- */

EVKV_TEST(core_stack, a_single_call_has_one_entry_whatever_is_wrong)
{
	struct answer a = ANSWER_INIT;
	struct stack s;

	stack_open(&s, &pair_vtable, &can_all, 0);
	evkv_get(s.store, EVKV_LIT("c"), EVKV_LIT(""), answer_cb, &a);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_INVALID);
	check_int(a.count, 1);
	check_status(a.entries[0].status, EVKV_INVALID);
	evkv_put_if_version(s.store, EVKV_LIT("c"), EVKV_LIT("k"),
	    EVKV_LIT("v"), NULL, 0, answer_cb, &a);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_INVALID);
	check_contains(a.message, "versions");
	check_int(a.count, 1);
	evkv_store_close(s.store, 0, NULL, NULL);
	evkv_delete(s.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &a);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_CLOSED);
	check_int(a.count, 1);
	answer_free(&a);
	stack_close(&s);
}

/* ---- One of a stack ------------------------------------------------------ */

EVKV_TEST(core_stack, a_store_is_found_by_its_name)
{
	struct evkv_store *store, *cache;
	struct rig rig;

	rig_open(&rig);
	store = evkv_open(rig.loop,
	    "simple: | statistics(name=inner) | "
	    "passthrough_cache(memory: | statistics(name=second)) | "
	    "statistics(name=outer)",
	    NULL);
	check(store != NULL);
	check(evkv_store_find(store, "statistics", 0) == store);
	cache = evkv_store_find(store, "passthrough_cache", 0);
	check(cache == evkv_store_inner(store, 0));
	/* The primary with all below it, then the cache. */
	check(evkv_store_find(store, "statistics", 1) ==
	    evkv_store_inner(cache, 0));
	check(evkv_store_find(store, "statistics", 2) ==
	    evkv_store_inner(cache, 1));
	check(evkv_store_find(store, "statistics", 3) == NULL);
	check(evkv_store_find(cache, "statistics", 1) ==
	    evkv_store_inner(cache, 1));
	check(evkv_store_find(store, "memory", 0) != NULL);
	check(evkv_store_find(store, "memory", 1) == NULL);
	check(evkv_store_find(store, "mem", 0) == NULL);
	check(evkv_store_find(NULL, "memory", 0) == NULL);
	evkv_store_unref(store);
	rig_close(&rig);
}
