/*
 * tests/core/slots_test.c - wrappers that do what the header allows, in an
 * order in which no wrapper of ours does it.
 */
#include "scene.h"

struct slots {
	struct evkv_store *inner;
	struct evkv_op *held; /* answered in the complete slot of another */
	bool holds;           /* the next one */
	unsigned stops, completes;
};

static void slots_free(void *self)
{
	(void)self;
}

static struct evkv_store *slots_new(struct slots *slots,
    const struct evkv_vtable *vtable, struct evkv_store *inner)
{
	slots->inner = inner;
	return evkv_store_create(NULL, vtable, slots,
	    &(struct evkv_store_config){
		.inner = &inner,
		.inner_count = 1,
	    },
	    NULL);
}

/* ---- Kept, then forwarded as it was given ------------------------------- */

static enum evkv_verdict keep_forward(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct slots *slots = self;

	if (!evkv_op_keep(op))
		return evkv_op_nomem(op);
	return evkv_op_forward(op, slots->inner, request);
}

static enum evkv_verdict keep_derive(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct slots *slots = self;
	struct evkv_request *derived;

	if (!evkv_op_keep(op))
		return evkv_op_nomem(op);
	derived = evkv_op_derive(op, request);
	if (derived == NULL)
		return evkv_op_nomem(op);
	derived->ttl_ms = 7;
	return evkv_op_forward(op, slots->inner, derived);
}

static void check_kept(enum evkv_verdict (*submit)(void *self,
    struct evkv_op *op, const struct evkv_request *request))
{
	const struct evkv_vtable vtable = {
		.size = sizeof(struct evkv_vtable),
		.name = "keeps",
		.kinds = EVKV_KINDS_BASIC,
		.conditions = EVKV_IF_BASIC,
		.submit = submit,
		.free = slots_free,
	};
	struct slots inner = { .holds = false }, outer = { .holds = false };
	const struct evkv_request *request;
	struct answer a = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	s.store = slots_new(&inner, &vtable, s.store);
	s.store = slots_new(&outer, &vtable, s.store);
	scene_put(&s, &a);
	request = scripted_request(s.script, 0);
	check_slice(request->collection, "c");
	check_slice(request->keys[0], "k");
	check_slice(request->values[0], "v");
	scene_answer(&s, EVKV_OK);
	check_status(a.status, EVKV_OK);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_slots, what_was_given_may_be_forwarded_when_it_was_kept)
{
	check_kept(keep_forward);
}

EVKV_TEST(core_slots, what_was_given_may_be_derived_from_when_it_was_kept)
{
	check_kept(keep_derive);
}

/* ---- Names that come from other inputs ---------------------------------- */

/* "c" + "users/ann" becomes the key "ann" of "users". */
static enum evkv_verdict split_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct slots *slots = self;
	struct evkv_request *derived = evkv_op_derive(op, request);
	struct evkv_slice *keys = evkv_op_alloc(op,
	    request->count * sizeof(*keys));
	const char *key = request->keys[0].data;

	if (derived == NULL || keys == NULL)
		return evkv_op_nomem(op);
	keys[0] = evkv_bytes(key + 6, request->keys[0].size - 6);
	derived->collection = evkv_bytes(key, 5);
	derived->keys = keys;
	return evkv_op_forward(op, slots->inner, derived);
}

EVKV_TEST(core_slots, a_collection_may_be_a_part_of_the_key)
{
	static const struct evkv_vtable vtable = {
		.size = sizeof(struct evkv_vtable),
		.name = "splits",
		.kinds = EVKV_KINDS_BASIC,
		.conditions = EVKV_IF_BASIC,
		.submit = split_submit,
		.free = slots_free,
	};
	struct slots slots = { .holds = false };
	struct answer a = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	s.store = slots_new(&slots, &vtable, s.store);
	evkv_get(s.store, EVKV_LIT("c"), EVKV_LIT("users/ann"), answer_cb, &a);
	check_slice(scripted_request(s.script, 0)->keys[0], "ann");
	check_slice(scripted_request(s.script, 0)->collection, "users");
	scene_answer(&s, EVKV_OK);
	answer_free(&a);
	scene_close(&s);
}

/* ---- A failure as a whole is made good on the way up --------------------- */

static enum evkv_verdict plain_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct slots *slots = self;

	return evkv_op_forward(op, slots->inner, request);
}

static void mild_complete(void *self, struct evkv_op *op)
{
	const struct evkv_result *result = evkv_op_result(op);
	size_t i;

	(void)self;
	for (i = 0; i < result->count; i++) {
		if (evkv_result_entry(result, i)->status == EVKV_BUSY)
			evkv_op_entry(op, i)->status = EVKV_NOT_FOUND;
	}
	evkv_op_settle(op);
}

EVKV_TEST(core_slots, a_failure_may_be_made_a_miss)
{
	static const struct evkv_vtable vtable = {
		.size = sizeof(struct evkv_vtable),
		.name = "mild",
		.kinds = EVKV_KINDS_BASIC,
		.conditions = EVKV_IF_BASIC,
		.submit = plain_submit,
		.complete = mild_complete,
		.free = slots_free,
	};
	const struct evkv_slice keys[] = { EVKV_LIT("k"), EVKV_LIT("l") };
	struct slots slots = { .holds = false };
	struct answer held = ANSWER_INIT, one = ANSWER_INIT, two = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	evkv_store_set_limits(s.store, 1, 0);
	s.store = slots_new(&slots, &vtable, s.store);
	scene_get(&s, &held);
	scene_get(&s, &one);
	evkv_get_many(s.store, EVKV_LIT("c"), keys, 2, answer_cb, &two);
	rig_turn(&s.rig);
	check_status(one.status, EVKV_NOT_FOUND);
	check_int(one.cause, EVKV_CAUSE_NONE);
	check_str(one.message, "");
	check_status(two.status, EVKV_OK);
	check_status(two.entries[1].status, EVKV_NOT_FOUND);
	scene_answer(&s, EVKV_OK);
	answer_free(&held);
	answer_free(&one);
	answer_free(&two);
	scene_close(&s);
}

/* ---- Detached on its way up --------------------------------------------- */

/* The first is passed on, the second waits for the first's answer. */
static enum evkv_verdict join_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct slots *slots = self;

	if (slots->holds) {
		slots->held = op;
		return EVKV_VERDICT_PENDING;
	}
	slots->holds = true;
	return evkv_op_forward(op, slots->inner, request);
}

static void join_complete(void *self, struct evkv_op *op)
{
	struct slots *slots = self;
	struct evkv_op *held = slots->held;

	(void)op;
	slots->completes++;
	slots->held = NULL;
	if (held != NULL)
		evkv_op_complete(held);
}

static void join_stop(void *self, struct evkv_op *op)
{
	struct slots *slots = self;

	slots->stops++;
	check(op == slots->held);
}

static const struct evkv_vtable join_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "joins",
	.kinds = EVKV_KINDS_BASIC,
	.conditions = EVKV_IF_BASIC,
	.submit = join_submit,
	.complete = join_complete,
	.stop = join_stop,
	.free = slots_free,
};

/* Counts what is told of each op: an answer or that it was detached. */
static void told_complete(void *self, struct evkv_op *op)
{
	struct slots *slots = self;

	(void)op;
	slots->completes++;
}

static void told_detached(void *self, struct evkv_op *op,
    enum evkv_status status)
{
	(void)op;
	(void)status;
	told_complete(self, op);
}

static const struct evkv_vtable told_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "told",
	.kinds = EVKV_KINDS_BASIC,
	.conditions = EVKV_IF_BASIC,
	.submit = plain_submit,
	.complete = told_complete,
	.detached = told_detached,
	.free = slots_free,
};

struct race {
	struct evkv_op *children[2];
	unsigned ends;
};

struct racer {
	struct race *race;
	unsigned i;
};

/* The first answer wins: the other child is not waited for. */
static void race_ended(struct evkv_op *child, void *arg)
{
	struct racer *racer = arg;
	struct race *race = racer->race;
	struct evkv_op *other = race->children[!racer->i];

	check(child == race->children[racer->i]);
	check_status(evkv_op_result(child)->status, EVKV_OK);
	race->children[racer->i] = NULL;
	if (race->ends++ == 0)
		evkv_child_detach(other, EVKV_CANCELED, EVKV_CAUSE_CANCELED);
}

EVKV_TEST(core_slots, what_has_its_answer_is_not_stopped_any_more)
{
	const struct evkv_slice key = EVKV_LIT("k");
	const struct evkv_request request = {
		.kind = EVKV_OP_GET,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
	};
	struct slots join = { .holds = false }, told = { .holds = false };
	struct race race = { .ends = 0 };
	struct racer racers[] = { { &race, 0 }, { &race, 1 } };
	struct scene s;
	unsigned i;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	s.store = slots_new(&join, &join_vtable, s.store);
	s.store = slots_new(&told, &told_vtable, s.store);
	for (i = 0; i < 2; i++)
		race.children[i] = evkv_child_submit(NULL, s.store, &request, 0,
		    race_ended, &racers[i]);
	scripted_complete(s.script, 0, EVKV_OK);
	check_int(race.ends, 2);
	check_int(join.stops, 0);
	check_int(join.completes, 1);
	check_int(told.completes, 2);
	check_int(scene_counters(&s)->pending, 0);
	scene_close(&s);
}
