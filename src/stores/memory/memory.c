/*
 * stores/memory/memory.c - the memory store: a driver on table.h.
 *
 * Ops with keys are answered inside submit, entry by entry. A get hands out the
 * entry itself, pinned until the op has ended; see read.c. Ops that are
 * about more than a few hundred entries are answered later, see span.c.
 *
 * All that takes long is done in steps by one task, a step a turn: jobs of
 * pending ops, freeing what was cleared, evicting what a large value displaced,
 * sweeping out what has expired. The sweep begins by a timer when something can
 * have expired, at most every SWEEP_EVERY_MS; it then takes some steps, and
 * goes on without a pause as long as it finds much. So about a quarter of the
 * entries with a TTL may be dead ones, and a sweep that finds little costs
 * about one hundredth of the time.
 *
 * What can fail: memory for an entry (NOMEM), an entry that is over
 * max_bytes by itself (TOO_LARGE), values of evicted entries that callers still
 * hold and that leave no room (NOSPACE). Either way the put has no effect.
 *
 * Teardown: close() clears everything and ends when the last step has freed it;
 * free() frees at once what is left. Values that callers hold live on: they
 * belong to the table's heap, which goes with the last of them.
 */
#include "evkv/stores/memory.h"

#include <stdio.h>

#include "core/quick.h"
#include "stores/memory/store.h"
#include "stores/types.h"

#define MAX_BYTES_DEFAULT ((size_t)64 << 20)
#define MAX_BYTES_LEAST 4096

#define SWEEP_EVERY_MS 100
#define SWEEP_STEPS 16
/* In armed_us: it can't come sooner, or is under way. */
#define MEMORY_AT_ONCE INT64_MIN

/* ---- Ops with keys ------------------------------------------------- */

static int64_t expiry_us(int64_t now_us, int64_t ttl_ms)
{
	return ttl_ms == EVKV_TTL_NONE ? MEMORY_NEVER : now_us + ttl_ms * 1000;
}

static int64_t request_expiry_us(const struct evkv_request *request, size_t i,
    int64_t now_us)
{
	return expiry_us(now_us,
	    request->ttls_ms != NULL ? request->ttls_ms[i] : request->ttl_ms);
}

static const struct evkv_version *request_version(
    const struct evkv_request *request, size_t i)
{
	return request->condition == EVKV_IF_VERSION ? &request->versions[i]
						     : NULL;
}

/* To put into; NULL: no memory, or there is none and the put needs one. */
static struct memory_collection *put_collection(struct memory *self,
    const struct evkv_request *request)
{
	if (request->condition == EVKV_IF_PRESENT ||
	    request->condition == EVKV_IF_VERSION)
		return evkv__table_collection(&self->table,
		    request->collection);
	return evkv__table_collection_make(&self->table, request->collection);
}

static enum evkv_status put_one(struct memory *self,
    const struct evkv_request *request, size_t i, int64_t now_us)
{
	struct memory_put put = {
		.key = request->keys[i],
		.condition = request->condition,
		.version = request_version(request, i),
		.expires_at_us = request_expiry_us(request, i, now_us),
	};
	struct memory_collection *collection;

	if (request->counted_values != NULL) {
		put.counted = request->counted_values[i];
		put.value = evkv_value_bytes(put.counted);
	} else {
		put.value = request->values[i];
	}
	collection = put_collection(self, request);
	if (collection == NULL)
		return request->condition == EVKV_IF_ANY ||
			request->condition == EVKV_IF_ABSENT
		    ? EVKV_NOMEM
		    : EVKV_NOT_FOUND;
	return evkv__table_put(&self->table, collection, &put, now_us);
}

static enum evkv_status incr_one(struct memory *self,
    const struct evkv_request *request, size_t i, int64_t now_us,
    int64_t *number)
{
	struct memory_collection *collection = put_collection(self, request);
	struct memory_incr incr = {
		.request = request,
		.i = i,
		.expires_at_us = request_expiry_us(request, i, now_us),
	};
	enum evkv_status status;

	if (collection == NULL)
		return EVKV_NOMEM;
	status = evkv__table_incr(&self->table, collection, &incr, now_us);
	*number = incr.number;
	return status;
}

/* The process may have no more memory long before max_bytes is reached. */
static void explain_nomem(const struct memory *self, struct evkv_op *op)
{
	size_t max_bytes = self->table.max_bytes;
	char text[160];

	if (max_bytes == SIZE_MAX)
		snprintf(text, sizeof(text),
		    "out of memory; the memory store holds %zu bytes and has "
		    "no max_bytes",
		    evkv__table_bytes(&self->table));
	else
		snprintf(text, sizeof(text),
		    "out of memory; the memory store holds %zu bytes of its "
		    "max_bytes of %zu",
		    evkv__table_bytes(&self->table), max_bytes);
	evkv_op_explain(op, EVKV_CAUSE_NOMEM, 0, text);
}

static void put_explain(const struct memory *self, struct evkv_op *op,
    enum evkv_status status)
{
	switch (status) {
	case EVKV_NOMEM: explain_nomem(self, op); break;
	case EVKV_TOO_LARGE:
		evkv_op_explain(op, EVKV_CAUSE_NONE, 0,
		    "an entry is larger than max_bytes");
		break;
	case EVKV_NOSPACE:
		evkv_op_explain(op, EVKV_CAUSE_NONE, 0,
		    "values that are still held leave no room");
		break;
	case EVKV_INVALID:
		evkv_op_explain(op, EVKV_CAUSE_NONE, 0, EVKV_INCR_REFUSED);
		break;
	default: break;
	}
}

/* One value, inline; by an op where it is not put. */
static OP_NOINLINE evkv_ticket put_any(struct evkv_store *store,
    const struct evkv_request *request, evkv_cb cb, void *arg)
{
	struct memory *self = store->self;
	struct core *core = evkv__core(store->loop);

	if (!quick_is_put(request, EVKV_KEY_MAX) ||
	    request->collection.size > EVKV_COLLECTION_MAX ||
	    !evkv__core_may_nest(core) ||
	    !evkv__store_has_room(store, 1,
		request->keys->size + request->values->size))
		return evkv__submit_op(store, request, cb, arg);
	if (request->ttl_ms != 0)
		evkv__loop_catch_up(&core->loop);
	if (self->late_count > 0)
		evkv__memory_resolve(self);
	if (put_one(self, request, 0, evkv__loop_now_us(&core->loop)) !=
	    EVKV_OK)
		return evkv__submit_op(store, request, cb, arg);
	evkv__memory_follow_up(self);
	return quick_tell(core, &evkv__put_result, cb, arg);
}

/* Kept short where it overwrites an entry, as evkv__memory_get() is. */
static evkv_ticket memory_put_now(struct evkv_store *store,
    const struct evkv_request *request, evkv_cb cb, void *arg)
{
	struct memory *self = store->self;
	struct memory_table *table = &self->table;
	struct memory_collection *collection = table->last;
	struct core *core = evkv__core(store->loop);
	struct memory_entry *entry;
	struct evkv_slice key;
	int64_t now_us;

	if (!quick_is_put(request, 16) || !evkv__store_is_quick(store) ||
	    !evkv__core_may_nest(core) || self->late_count > 0 ||
	    request->condition == EVKV_IF_ABSENT ||
	    !evkv__table_is_last(table, request->collection))
		return put_any(store, request, cb, arg);
	key = *request->keys;
	if (request->ttl_ms != 0)
		evkv__loop_catch_up(&core->loop);
	entry = evkv__table_find_at_home(table, collection, key,
	    table_hash(collection, key));
	now_us = evkv__loop_now_us(&core->loop);
	if (entry == NULL ||
	    !evkv__table_put_over(table, collection, entry, *request->values,
		expiry_us(now_us, request->ttl_ms), now_us))
		return put_any(store, request, cb, arg);
	return quick_tell(core, &evkv__put_result, cb, arg);
}

/* PUT and INCR. */
static enum evkv_verdict memory_put(struct memory *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	int64_t now_us = evkv_loop_now_us(self->loop);
	struct evkv_entry *answer;
	size_t i;

	for (i = 0; i < request->count; i++) {
		answer = evkv_op_entry(op, i);
		answer->status = request->kind == EVKV_OP_PUT
		    ? put_one(self, request, i, now_us)
		    : incr_one(self, request, i, now_us, &answer->number);
		if (answer->status != EVKV_OK)
			put_explain(self, op, answer->status);
		else if ((request->flags & EVKV_FLAG_VERSIONS) != 0)
			answer->version = evkv_version_counted(
			    self->table.instance, self->table.version);
	}
	evkv__memory_follow_up(self);
	return EVKV_VERDICT_DONE;
}

static enum evkv_status change_one(struct memory *self, struct evkv_op *op,
    const struct evkv_request *request, size_t i, int64_t now_us)
{
	struct memory_table *table = &self->table;
	struct memory_collection *collection;
	struct evkv_slice key = request->keys[i];
	const struct evkv_version *version = request_version(request, i);

	collection = evkv__table_collection(table, request->collection);
	if (collection == NULL)
		return EVKV_NOT_FOUND;
	if (request->kind == EVKV_OP_TOUCH)
		return evkv__table_touch(table, collection, key, version,
		    request_expiry_us(request, i, now_us), now_us);
	if (request->kind == EVKV_OP_TAKE)
		evkv__memory_take(self, op, i, collection, key);
	return evkv__table_delete(table, collection, key, version, now_us);
}

/* DELETE, TAKE and TOUCH. */
static enum evkv_verdict memory_change(struct memory *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	int64_t now_us = evkv_loop_now_us(self->loop);
	size_t i;

	for (i = 0; i < request->count; i++)
		evkv_op_entry(op, i)->status = change_one(self, op, request, i,
		    now_us);
	evkv__memory_follow_up(self);
	return EVKV_VERDICT_DONE;
}

static enum evkv_verdict memory_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct memory *self = arg;

	switch (request->kind) {
	case EVKV_OP_GET:
	case EVKV_OP_TTL:
	case EVKV_OP_EXISTS: return evkv__memory_read(self, op, request);
	default: break;
	}
	if (self->late_count > 0)
		evkv__memory_resolve(self);
	switch (request->kind) {
	case EVKV_OP_PUT:
	case EVKV_OP_INCR: return memory_put(self, op, request);
	case EVKV_OP_DELETE:
	case EVKV_OP_TAKE:
	case EVKV_OP_TOUCH: return memory_change(self, op, request);
	case EVKV_OP_PING:
	case EVKV_OP_SYNC:
	case EVKV_OP_COMPACT:
		/* Nothing to wait for, nothing kept back. */
		return EVKV_VERDICT_DONE;
	default: return evkv__memory_span(self, op, request);
	}
}

/* ---- Steps --------------------------------------------------------- */

static bool is_garbage(const struct memory *self)
{
	return self->table.retired != NULL || self->table.space.dead > 0 ||
	    heap_is_untidy(self->table.heap);
}

/* The next sweep, if there is anything that it could find. */
static void sweep_arm(struct memory *self)
{
	int64_t due_us = table_next_due(&self->table), delay_ms;

	delay_ms = (due_us - evkv_loop_now_us(self->loop) + 999) / 1000;
	if (delay_ms < SWEEP_EVERY_MS)
		delay_ms = SWEEP_EVERY_MS;
	/* Without memory for it, the next write tries again. */
	if (evkv_timer_set(self->loop, &self->timer, delay_ms))
		self->armed_us = delay_ms > SWEEP_EVERY_MS ? due_us
							   : MEMORY_AT_ONCE;
}

void evkv__memory_follow_up(struct memory *self)
{
	if (self->jobs != NULL || self->sweeping || is_garbage(self) ||
	    evkv__table_is_over(&self->table))
		evkv_task_queue(self->loop, &self->task);
	if (self->table.space.expiring > 0 &&
	    table_next_due(&self->table) < self->armed_us)
		sweep_arm(self);
}

static void sweep_begin(void *arg)
{
	struct memory *self = arg;

	self->armed_us = MEMORY_AT_ONCE;
	self->sweeping = true;
	self->sweep_steps = SWEEP_STEPS;
	evkv__memory_follow_up(self);
}

static void sweep_step(struct memory *self)
{
	enum memory_sweep found;

	found = evkv__table_sweep(&self->table, evkv_loop_now_us(self->loop));
	if (self->sweep_steps > 0)
		self->sweep_steps--;
	if (found == SWEEP_ENDED ||
	    (found == SWEEP_POOR && self->sweep_steps == 0)) {
		self->sweeping = false;
		self->armed_us = MEMORY_NEVER;
	}
}

/* What was removed goes first; but by turns, if there is more of it in each. */
static void upkeep_step(struct memory *self)
{
	bool over = evkv__table_is_over(&self->table);

	self->reclaim_turn = !self->reclaim_turn || !(over || self->sweeping);
	if (self->reclaim_turn &&
	    (evkv__heap_tidy(self->table.heap) ||
		evkv__table_reclaim(&self->table, RECLAIM_STEP)))
		return;
	if (over)
		evkv__table_make_room(&self->table, NULL,
		    evkv_loop_now_us(self->loop));
	else if (self->sweeping)
		sweep_step(self);
}

/* Large pages are asked about once, as a thread may end in between. */
static void close_step(struct memory *self)
{
	struct memory_heap *heap = self->table.heap;
	bool left = evkv__ahead_leave(&heap->ahead);

	/* What is kept for entries to come would go at once, when all ends. */
	if (!is_garbage(self)) {
		evkv__slab_trim(&heap->slab);
		evkv__slab_class_trim(&heap->segments);
	}
	if (!left || is_garbage(self) || self->jobs != NULL)
		evkv_task_queue(self->loop, &self->task);
	else
		evkv_store_closed(self->store);
}

static void memory_step(void *arg)
{
	struct memory *self = arg;

	evkv__memory_resolve(self);
	self->jobs_turn = !self->jobs_turn;
	if (self->jobs != NULL && self->jobs_turn)
		evkv__memory_job_step(self);
	else
		upkeep_step(self);
	if (self->closing)
		close_step(self);
	else
		evkv__memory_follow_up(self);
}

/* ---- Life ---------------------------------------------------------- */

/* Without memory for a retired all is left to free(). */
static void memory_close(void *arg)
{
	struct memory *self = arg;

	evkv__memory_resolve(self);
	self->closing = true;
	evkv_timer_cancel(self->loop, &self->timer);
	evkv_task_cancel(self->loop, &self->task);
	evkv__table_clear_all(&self->table, NULL);
	close_step(self);
}

static void memory_free(void *arg)
{
	struct memory *self = arg;

	evkv_timer_cancel(self->loop, &self->timer);
	evkv_task_cancel(self->loop, &self->task);
	evkv__table_end(&self->table);
	evkv_free(self);
}

static void memory_counters(void *arg, struct evkv_counters *counters)
{
	const struct memory *self = arg;

	counters->entries += evkv__table_count(&self->table);
	counters->bytes += evkv__table_bytes(&self->table);
	counters->evictions += self->table.evictions;
}

static void memory_describe(void *arg, struct evkv_text *text)
{
	const struct memory *self = arg;

	evkv_text_options(text, &evkv__memory_type, &self->options);
}

static const struct evkv_vtable memory_vtable = {
	.size = sizeof(memory_vtable),
	.name = "memory",
	.submit = memory_submit,
	.close = memory_close,
	.free = memory_free,
	.counters = memory_counters,
	.peek = evkv__memory_peek,
	.describe = memory_describe,
};

static const struct evkv_capabilities memory_capabilities = {
	.kinds = EVKV_KINDS_BASIC | EVKV_KIND_BIT(EVKV_OP_INCR) |
	    EVKV_KIND_BIT(EVKV_OP_TAKE),
	.request_flags = EVKV_FLAG_VERSIONS,
	.put_conditions = EVKV_IF_BASIC | EVKV_IF_BIT(EVKV_IF_VERSION),
	.delete_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.touch_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.flags = EVKV_STORE_ATOMIC_CONDITION | EVKV_STORE_ENUM_UNIQUE |
	    EVKV_STORE_EXACT_AFFECTED | EVKV_STORE_IN_PROCESS,
	.max_key = EVKV_KEY_MAX,
	.max_value = EVKV_VALUE_MAX,
	.ttl_unit_ms = 1,
};

static int64_t read_clock(void *loop)
{
	return evkv__loop_read_clock(loop);
}

static struct memory *memory_make(struct evkv_loop *loop,
    const struct evkv_memory_options *options)
{
	struct memory *self = evkv_calloc(1, sizeof(*self));
	size_t max_bytes = options->max_bytes;

	if (self == NULL)
		return NULL;
	if (max_bytes == 0)
		max_bytes = options->max_entries > 0 ? SIZE_MAX
						     : MAX_BYTES_DEFAULT;
	if (!evkv__table_init(&self->table, options->max_entries, max_bytes,
		evkv_loop_random(loop), evkv_loop_random(loop))) {
		evkv_free(self);
		return NULL;
	}
	self->table.instance = evkv_loop_random(loop);
	self->table.by_size = options->evict == EVKV_MEMORY_EVICT_BY_SIZE;
	self->table.heap->ahead.off = options->small_pages;
	self->table.clock_us = read_clock;
	self->table.clock_arg = loop;
	self->options = *options;
	self->loop = loop;
	self->task.run = memory_step;
	self->task.arg = self;
	self->timer.run = sweep_begin;
	self->timer.arg = self;
	self->armed_us = MEMORY_NEVER;
	self->jobs_tail = &self->jobs;
	return self;
}

struct evkv_store *evkv_memory_new_sized(struct evkv_loop *loop,
    const struct evkv_memory_options *given, size_t size,
    struct evkv_error *error)
{
	struct evkv_memory_options options;
	struct evkv_store *store;
	struct memory *self;

	if (!evkv_options_read(&options, sizeof(options), given, size, error))
		return NULL;
	if (options.max_bytes > 0 && options.max_bytes < MAX_BYTES_LEAST) {
		evkv_error_set(error, EVKV_INVALID,
		    "memory: max_bytes is %zu; it must be 0 or at least %d",
		    options.max_bytes, MAX_BYTES_LEAST);
		return NULL;
	}
	if ((unsigned)options.evict > EVKV_MEMORY_EVICT_BY_SIZE) {
		evkv_error_set(error, EVKV_INVALID,
		    "memory: there is no evict %d", (int)options.evict);
		return NULL;
	}
	self = loop != NULL ? memory_make(loop, &options) : NULL;
	store = evkv_store_create(loop, &memory_vtable, self,
	    &(struct evkv_store_config){
		.capabilities = &memory_capabilities,
		.state = EVKV_STATE_READY,
	    },
	    error);
	if (store == NULL)
		return NULL;
	self->store = store;
	store->resolve = evkv__memory_resolve;
	if (!loop->scramble) {
		store->put = memory_put_now;
		store->get = evkv__memory_get;
	}
	return store;
}
