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
		.kinds = EVKV_KINDS_ALL,
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
		.kinds = EVKV_KINDS_ALL,
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
		if (result->entries[i].status == EVKV_BUSY)
			evkv_op_entries(op)[i].status = EVKV_NOT_FOUND;
	}
	evkv_op_settle(op);
}

EVKV_TEST(core_slots, a_failure_may_be_made_a_miss)
{
	static const struct evkv_vtable vtable = {
		.size = sizeof(struct evkv_vtable),
		.name = "mild",
		.kinds = EVKV_KINDS_ALL,
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
