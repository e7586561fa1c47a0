/*
 * tests/core/repeat_test.c - answers that come at once: completing inside
 * submit, repeating a child, and how deep the stack gets.
 */
#include "faults.h"
#include "scene.h"

#define REPEATS 100000
#define STACK_MOST 16384 /* bytes between the shallowest and the deepest call */

/* A wrapper that makes children, and completes wherever they end. */
struct again {
	struct evkv_store *inner;
	unsigned repeats; /* so many are left */
	unsigned calls, nulls;
	bool siblings;  /* asks again by a new child instead */
	uint32_t flags; /* of its children, besides those of all */
	unsigned inside, inside_most;
	uintptr_t low, high; /* of the stack in the callback */
	enum evkv_status seen;
	struct evkv_op *op;
};

static void again_look(struct again *again)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	if (again->low == 0 || here < again->low)
		again->low = here;
	if (here > again->high)
		again->high = here;
}

static void again_told(struct evkv_op *child, void *arg);

static void again_ask(struct again *again, struct evkv_op *op)
{
	evkv_child_submit(op, again->inner, evkv_op_request(op),
	    EVKV_CHILD_BORROWS | again->flags, again_told, again);
}

static void again_on(struct again *again, struct evkv_op *child)
{
	struct evkv_op *op = again->op;

	if (child != NULL && again->repeats > 0) {
		again->repeats--;
		if (again->siblings)
			again_ask(again, op);
		else
			evkv_child_repeat(child, evkv_op_request(op));
		return;
	}
	again->seen = evkv_op_result(child)->status;
	evkv_op_take_all(op, child);
	evkv_op_complete(op);
}

static void again_told(struct evkv_op *child, void *arg)
{
	struct again *again = arg;

	again_look(again);
	again->calls++;
	again->nulls += child == NULL;
	if (++again->inside > again->inside_most)
		again->inside_most = again->inside;
	again_on(again, child);
	again->inside--;
}

static enum evkv_verdict again_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct again *again = self;

	(void)request;
	again->op = op;
	again_ask(again, op);
	return EVKV_VERDICT_PENDING;
}

static void again_free(void *self)
{
	(void)self;
}

static const struct evkv_vtable again_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "again",
	.flags = EVKV_VTABLE_KEEPS,
	.kinds = EVKV_KINDS_BASIC,
	.submit = again_submit,
	.free = again_free,
};

static struct evkv_store *again_new(struct again *again,
    struct evkv_store *inner)
{
	again->inner = inner;
	return evkv_store_create(NULL, &again_vtable, again,
	    &(struct evkv_store_config){ .inner = &inner, .inner_count = 1 },
	    NULL);
}

static void again_open(struct scene *s, struct again *again)
{
	scene_open(s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	s->script->immediate = true;
	s->script->status = EVKV_NOT_FOUND;
	s->store = again_new(again, s->store);
	check(s->store != NULL);
}

EVKV_TEST(core_repeat, completing_inside_submit_is_an_answer_at_once)
{
	struct again inner = { .calls = 0 }, outer = { .calls = 0 };
	struct evkv_slice key = EVKV_LIT("k");
	struct answer a = ANSWER_INIT;
	struct scene s;

	again_open(&s, &inner);
	s.store = again_new(&outer, s.store);
	evkv_submit(s.store,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE,
		.count = 1,
		.keys = &key },
	    answer_cb, &a);
	/* Nothing was ever pending, so it could be told inside the call. */
	check_int(a.calls, 1);
	check_status(a.status, EVKV_NOT_FOUND);
	check_int(inner.calls, 1);
	check_int(outer.calls, 1);
	check_int(scene_counters(&s)->pending, 0);
	answer_free(&a);
	scene_close(&s);
}

static void check_many(bool siblings, bool pending_first)
{
	struct again again = { .repeats = REPEATS, .siblings = siblings };
	struct answer a = ANSWER_INIT;
	struct scene s;

	again_open(&s, &again);
	s.script->immediate = !pending_first;
	scene_get(&s, &a);
	if (pending_first) {
		s.script->immediate = true;
		scripted_complete_all(s.script, EVKV_NOT_FOUND);
	}
	check_int(again.calls, REPEATS + 1);
	check_int(again.inside_most, 1);
	check(again.high - again.low < STACK_MOST);
	rig_turn(&s.rig);
	check_int(a.calls, 1);
	check_status(a.status, EVKV_NOT_FOUND);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_repeat, many_repeats_answered_at_once_stay_on_one_level)
{
	check_many(false, false);
}

EVKV_TEST(core_repeat, and_after_an_answer_that_came_later)
{
	check_many(false, true);
}

EVKV_TEST(core_repeat, siblings_are_told_one_after_the_other)
{
	check_many(true, false);
	check_many(true, true);
}

/* ---- A child of nobody --------------------------------------------------- */

struct lonely {
	unsigned left, calls, inside;
	uintptr_t low, high;
	struct evkv_request request;
	struct evkv_slice key;
};

static void lonely_told(struct evkv_op *child, void *arg)
{
	struct lonely *lonely = arg;
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	check_int(lonely->inside, 0);
	if (lonely->low == 0)
		lonely->low = lonely->high = here;
	check(here + STACK_MOST > lonely->high);
	lonely->calls++;
	if (child == NULL || lonely->left == 0)
		return;
	lonely->left--;
	lonely->inside++;
	evkv_child_repeat(child, &lonely->request);
	lonely->inside--;
}

EVKV_TEST(core_repeat, a_child_of_nobody_is_repeated_likewise)
{
	struct lonely lonely = { .left = REPEATS, .key = EVKV_LIT("k") };
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	s.script->immediate = true;
	lonely.request = (struct evkv_request){
		.kind = EVKV_OP_GET, .count = 1, .keys = &lonely.key
	};
	check(evkv_child_submit(NULL, s.store, &lonely.request, 0, lonely_told,
		  &lonely) == NULL);
	check_int(lonely.calls, REPEATS + 1);
	/* And where every second one is answered later. */
	lonely.left = 3;
	s.script->immediate = false;
	check(evkv_child_submit(NULL, s.store, &lonely.request, 0, lonely_told,
		  &lonely) != NULL);
	scripted_complete(s.script, 0, EVKV_OK);
	check_int(scripted_count(s.script), 1);
	s.script->immediate = true;
	scripted_complete(s.script, 0, EVKV_OK);
	check_int(lonely.left, 0);
	check_int(lonely.calls, REPEATS + 5);
	scene_close(&s);
}

/* ---- What may go wrong --------------------------------------------------- */

EVKV_TEST(core_repeat, a_repeat_of_a_stopped_parent_ends_at_once)
{
	struct again again = { .repeats = 1 };
	struct answer a = ANSWER_INIT;
	struct scene s;
	evkv_ticket ticket;

	again_open(&s, &again);
	s.script->immediate = false;
	ticket = scene_put(&s, &a);
	evkv_cancel(s.rig.loop, ticket);
	check_int(again.calls, 0);
	scripted_complete_all(s.script, EVKV_BUSY);
	check_int(again.calls, 2);
	check_status(again.seen, EVKV_CANCELED);
	check_int(scripted_count(s.script), 0);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_CANCELED);
	answer_free(&a);
	scene_close(&s);
}

/* What only tidies up goes on, whether it was begun before that or after. */
EVKV_TEST(core_repeat, a_stopped_parent_may_have_auxiliary_children)
{
	struct answer a = ANSWER_INIT;
	struct scene s;
	unsigned siblings;
	evkv_ticket ticket;

	for (siblings = 0; siblings < 2; siblings++) {
		struct again again = { .repeats = 1,
			.siblings = siblings != 0,
			.flags = EVKV_CHILD_AUXILIARY };

		again_open(&s, &again);
		s.script->immediate = false;
		ticket = scene_put(&s, &a);
		evkv_cancel(s.rig.loop, ticket);
		check_int(scripted_count(s.script), 1);
		scripted_complete(s.script, 0, EVKV_BUSY);
		check_int(again.calls, 1);
		check_int(scripted_count(s.script), 1);
		scripted_complete(s.script, 0, EVKV_OK);
		check_int(again.calls, 2);
		check_status(again.seen, EVKV_OK);
		rig_turn(&s.rig);
		check_status(a.status, EVKV_CANCELED);
		answer_reset(&a);
		scene_close(&s);
	}
	answer_free(&a);
}

/* Its time is over, and the store still has it. */
EVKV_TEST(core_repeat, a_child_that_was_given_up_is_repeated)
{
	struct lonely lonely = { .left = 1, .key = EVKV_LIT("k") };
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	lonely.request = (struct evkv_request){
		.kind = EVKV_OP_GET,
		.count = 1,
		.keys = &lonely.key,
		.timeout_ms = 50,
	};
	check(evkv_child_submit(NULL, s.store, &lonely.request, 0, lonely_told,
		  &lonely) != NULL);
	rig_advance(&s.rig, 50);
	check_int(lonely.calls, 1);
	check_int(scripted_count(s.script), 2);
	scripted_complete(s.script, 0, EVKV_OK);
	check_int(lonely.calls, 1);
	scripted_complete(s.script, 0, EVKV_OK);
	check_int(lonely.calls, 2);
	check_int(lonely.left, 0);
	scene_close(&s);
}

EVKV_TEST(core_repeat, without_memory_it_is_told_with_null)
{
	struct lonely lonely = { .left = 1, .key = EVKV_LIT("k") };
	struct scene s;
	unsigned i;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	lonely.request = (struct evkv_request){
		.kind = EVKV_OP_GET, .count = 1, .keys = &lonely.key
	};
	/* As many as a loop makes ops at a time: the next one needs memory. */
	for (i = 0; i < 64; i++)
		check(evkv_child_submit(NULL, s.store, &lonely.request, 0,
			  lonely_told, &lonely) != NULL);
	faults_fail_from(1);
	scripted_complete(s.script, 0, EVKV_OK);
	faults_off();
	/* Of its answer, and of the want. */
	check_int(lonely.calls, 2);
	check_int(lonely.left, 0);
	scripted_complete_all(s.script, EVKV_OK);
	check_int(lonely.calls, 65);
	scene_close(&s);
}
