/* tests/wrappers/schedule.c - the stack of a schedule, and what it watches. */
#include "schedule.h"

#include <stdio.h>
#include <string.h>

#include "gate.h"

unsigned long schedule_seed;

#define C EVKV_LIT("c")

static struct evkv_slice name_of(unsigned key)
{
	static const char *const names[SCHEDULE_KEYS] = { "a", "bb",
		"a key of some length" };

	return evkv_str(names[key]);
}

static unsigned key_of(struct evkv_slice name)
{
	unsigned key;

	for (key = 0; key < SCHEDULE_KEYS; key++) {
		if (evkv_slice_equal(name, name_of(key)))
			break;
	}
	check(key < SCHEDULE_KEYS);
	return key;
}

int64_t schedule_now_us(const struct schedule *s)
{
	return s->rig.now_us;
}

/* ---- Watches ------------------------------------------------------------ */

struct watch {
	struct schedule *schedule;
	struct evkv_store *inner;
};

static void watch_free(void *self)
{
	evkv_free(self);
}

static struct evkv_store *watch_new(struct schedule *s,
    const struct evkv_vtable *vtable, struct evkv_store *inner)
{
	struct watch *watch = evkv_malloc(sizeof(*watch));

	watch->schedule = s;
	watch->inner = inner;
	return evkv_store_create(NULL, vtable, watch,
	    &(struct evkv_store_config){ .inner = &inner, .inner_count = 1 },
	    NULL);
}

static enum evkv_verdict watch_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	return evkv_op_forward(op, ((struct watch *)self)->inner, request);
}

static unsigned number_in(const struct evkv_request *request, size_t i)
{
	unsigned number;

	memcpy(&number, request->values[i].data, sizeof(number));
	return number;
}

/* In the order in which the primary has taken them. */
static void effect_complete(void *self, struct evkv_op *op)
{
	struct schedule *s = ((struct watch *)self)->schedule;
	const struct evkv_request *request = evkv_op_request(op);
	struct schedule_key *key;
	size_t i;

	if (request->kind != EVKV_OP_PUT && request->kind != EVKV_OP_DELETE)
		return;
	for (i = 0; i < request->count; i++) {
		key = &s->keys[key_of(request->keys[i])];
		check(key->count < SCHEDULE_VERSIONS);
		key->versions[key->count++] = (struct version){
			.number = request->kind == EVKV_OP_PUT
			    ? number_in(request, i)
			    : 0,
			.dies_us = request->ttl_ms > 0
			    ? s->rig.now_us + request->ttl_ms * 1000
			    : INT64_MAX,
		};
	}
}

static const struct evkv_vtable effect_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "effects",
	.flags = EVKV_VTABLE_TRANSPARENT | EVKV_VTABLE_KEEPS,
	.submit = watch_submit,
	.complete = effect_complete,
	.free = watch_free,
};

static bool is_load(const struct evkv_request *request)
{
	return request->kind == EVKV_OP_TTL || request->kind == EVKV_OP_GET;
}

static void load_begins(struct schedule *s, unsigned k, bool fresh,
    uint64_t begun)
{
	struct schedule_key *key = &s->keys[k];

	if (key->latest != 0 && !fresh && key->writing == 0 &&
	    key->latest_fences == key->fences)
		fail_test("seed %lu: two loads of key %u at a time",
		    schedule_seed, k);
	if (!fresh && s->place == SCHEDULE_SIMPLE &&
	    key->failed_fences == key->fences &&
	    s->rig.now_us <
		key->failed_us + s->options.error_backoff_ms * 1000 &&
	    schedule_serves(s, k))
		fail_test("seed %lu: a load of key %u in its backoff",
		    schedule_seed, k);
	key->latest = begun;
	key->latest_fences = key->fences;
}

static void load_ends(struct schedule *s, unsigned k, bool failed,
    uint64_t begun)
{
	struct schedule_key *key = &s->keys[k];

	if (key->latest == begun)
		key->latest = 0;
	if (!failed) {
		key->failed_us = INT64_MIN / 2;
		return;
	}
	if (begun > key->failed_begun)
		key->failed_begun = begun;
	key->failed_us = s->rig.now_us;
	key->failed_fences = key->fences;
}

static enum evkv_verdict load_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct watch *watch = self;
	struct schedule *s = watch->schedule;
	bool fresh = (request->flags & EVKV_FLAG_FRESH) != 0;
	uint64_t *begun = evkv_op_alloc(op, sizeof(*begun));
	size_t i;

	*begun = ++s->events;
	evkv_op_set_data(op, begun);
	for (i = 0; i < request->count; i++) {
		unsigned k = key_of(request->keys[i]);

		if (!is_load(request) || fresh)
			s->keys[k].fences += request->kind != EVKV_OP_EXISTS;
		if (is_load(request))
			load_begins(s, k, fresh, *begun);
	}
	return evkv_op_forward(op, watch->inner, request);
}

static void load_complete(void *self, struct evkv_op *op)
{
	struct schedule *s = ((struct watch *)self)->schedule;
	const struct evkv_request *request = evkv_op_request(op);
	const uint64_t *begun = evkv_op_data(op);
	size_t i;

	for (i = 0; i < request->count; i++) {
		unsigned k = key_of(request->keys[i]);

		if (is_load(request))
			load_ends(s, k,
			    evkv_failed(evkv_op_entry(op, i)->status), *begun);
		else
			s->keys[k].fences += request->kind != EVKV_OP_EXISTS;
	}
}

static const struct evkv_vtable load_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "loads",
	.flags = EVKV_VTABLE_TRANSPARENT | EVKV_VTABLE_KEEPS,
	.submit = load_submit,
	.complete = load_complete,
	.free = watch_free,
};

/* ---- The stack ---------------------------------------------------------- */

static struct evkv_store *open_cache(struct schedule *s, unsigned seed)
{
	struct gate *gate;

	if (s->place == SCHEDULE_MEMORY)
		return evkv_memory_new(s->rig.loop, NULL, NULL);
	s->tier = evkv_simple_new(s->rig.loop, NULL);
	if (s->place == SCHEDULE_SIMPLE)
		return evkv_store_ref(s->tier);
	s->cache_faults = evkv_fault_new(evkv_store_ref(s->tier),
	    &(struct evkv_fault_options){ .seed = seed }, NULL);
	return gate_remote_new(evkv_store_ref(s->cache_faults), &gate, NULL);
}

void schedule_open(struct schedule *s, unsigned seed)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store, *cache;
	unsigned k;

	rig_open(&s->rig);
	for (k = 0; k < SCHEDULE_KEYS; k++) {
		s->keys[k].count = 1;
		s->keys[k].failed_us = INT64_MIN / 2;
	}
	s->effects = watch_new(s, &effect_vtable,
	    evkv_simple_new(s->rig.loop, NULL));
	store = evkv_fault_new(evkv_store_ref(s->effects),
	    &(struct evkv_fault_options){ .seed = seed + 1 }, NULL);
	s->faults = evkv_store_ref(store);
	store = watch_new(s, &load_vtable, store);
	cache = open_cache(s, seed + 2);
	s->store = evkv_passthrough_cache_new(store, cache, &s->options,
	    &error);
	check_str(error.message, "");
}

/* ---- Operations --------------------------------------------------------- */

struct schedule_op *schedule_op(struct schedule *s, enum evkv_kind kind,
    uint32_t flags)
{
	struct schedule_op *op = &s->ops[s->op_count];

	if (s->op_count == SCHEDULE_OPS)
		return NULL;
	s->op_count++;
	op->schedule = s;
	op->kind = kind;
	op->flags = flags;
	op->number = ++s->numbers;
	return op;
}

/* A write has been submitted, or has called back. */
static void fence_all(struct schedule_op *op, unsigned more)
{
	size_t i;

	if ((evkv_kind_classes(op->kind) & EVKV_CLASS_WRITES) == 0)
		return;
	for (i = 0; i < op->count; i++) {
		op->schedule->keys[op->keys[i]].fences++;
		op->schedule->keys[op->keys[i]].writing += more;
	}
}

static void op_cb(const struct evkv_result *result, void *arg)
{
	struct schedule_op *op = arg;

	check_int(++op->calls, 1);
	op->schedule->over++;
	fence_all(op, -1u);
	schedule_judge(op, result);
}

void schedule_submit(struct schedule *s, struct schedule_op *op)
{
	struct evkv_slice names[SCHEDULE_BATCH], values[SCHEDULE_BATCH];
	struct evkv_request request = {
		.kind = op->kind,
		.flags = op->flags,
		.collection = C,
		.count = op->count,
		.keys = names,
		.timeout_ms = op->timeout_ms,
	};
	size_t i;

	for (i = 0; i < op->count; i++) {
		names[i] = name_of(op->keys[i]);
		values[i] = evkv_bytes(&op->number, sizeof(op->number));
	}
	if (op->kind == EVKV_OP_PUT) {
		request.values = values;
		request.ttl_ms = op->ttl_ms;
	}
	schedule_note(op);
	fence_all(op, 1);
	check(evkv_submit(s->store, &request, op_cb, op) != 0);
	rig_turn(&s->rig);
}

void schedule_put(struct schedule *s, unsigned key, int64_t ttl_ms)
{
	unsigned number = ++s->numbers;

	evkv_put(s->effects, C, name_of(key),
	    evkv_bytes(&number, sizeof(number)), ttl_ms, NULL, NULL);
	rig_turn(&s->rig);
}

void schedule_remove(struct schedule *s, unsigned key)
{
	evkv_delete(s->effects, C, name_of(key), NULL, NULL);
	rig_turn(&s->rig);
}

/* By milliseconds, so that whoever waits too long is found. */
void schedule_pass(struct schedule *s, int64_t ms)
{
	size_t i;

	while (ms-- > 0) {
		rig_advance(&s->rig, 1);
		rig_turn(&s->rig);
		for (i = 0; i < s->op_count; i++) {
			const struct schedule_op *op = &s->ops[i];

			if (op->calls == 0 && op->answer_by_us != 0 &&
			    s->rig.now_us >= op->answer_by_us)
				fail_test("seed %lu: a reader of key %u waits "
					  "too long",
				    schedule_seed, op->keys[0]);
		}
	}
}

/* ---- The end ------------------------------------------------------------ */

/* Nothing is under way, nor on its way into the cache. */
static void settle(struct schedule *s)
{
	unsigned i;

	evkv_fault_clear(s->faults);
	evkv_fault_release(s->faults);
	if (s->cache_faults != NULL) {
		evkv_fault_clear(s->cache_faults);
		evkv_fault_release(s->cache_faults);
	}
	rig_turn(&s->rig);
	for (i = 0; i < 100 && s->over < s->op_count; i++)
		schedule_pass(s, 1);
	check_int(s->over, s->op_count);
}

/* The cache, long after all that was, has what the primary has. */
static void check_truth(struct schedule *s)
{
	struct schedule_op *op;
	unsigned k, round;

	/* Longer than any entry of the cache, any backoff and any bypass. */
	rig_advance(&s->rig, 5000);
	rig_turn(&s->rig);
	for (k = 0; k < SCHEDULE_KEYS; k++) {
		s->keys[k].least = s->keys[k].count - 1;
		for (round = 0; round < 2; round++) {
			op = &s->ops[0];
			*op = (struct schedule_op){
				.schedule = s,
				.kind = EVKV_OP_GET,
				.count = 1,
				.keys = { k },
			};
			s->op_count = 1;
			s->over = 0;
			schedule_submit(s, op);
			settle(s);
		}
	}
}

void schedule_end(struct schedule *s)
{
	settle(s);
	check_truth(s);
	evkv_store_unref(s->store);
	evkv_store_unref(s->faults);
	evkv_store_unref(s->effects);
	evkv_store_unref(s->tier);
	evkv_store_unref(s->cache_faults);
	rig_close(&s->rig);
}
