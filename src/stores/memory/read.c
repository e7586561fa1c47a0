/*
 * stores/memory/read.c - ops of the memory store that look entries up.
 *
 * Most of a look-up is waiting for memory, twice. So a single get only asks for
 * the index's line and is put on a list; the whole list is looked up together
 * when the first of its callbacks is due. What could change an answer, every
 * other kind of op and every step, has the list looked up first, so that nobody
 * can tell.
 *
 * An inline get can't wait; evkv__memory_get() answers it without an op, and
 * evkv__memory_peek() that of a wrapper.
 */
#include "core/quick.h"
#include "stores/memory/store.h"

/* Keys of a batch that are looked up together. */
#define GET_AHEAD 16

/* Rounded down, so that a copy is not kept the entry for longer. */
static int64_t remaining_ms(const struct memory_entry *entry, int64_t now_us)
{
	int64_t ms;

	if (entry_expires_us(entry) == MEMORY_NEVER)
		return EVKV_TTL_NONE;
	ms = (entry_expires_us(entry) - now_us) / 1000;
	return ms > 0 ? ms : 1;
}

static inline void answer_hit(struct evkv_op *op, size_t i,
    struct memory_entry *entry)
{
	if (entry_is_external(entry))
		evkv_op_give_value(op, i,
		    evkv_value_ref(evkv__entry_external(entry)));
	else
		evkv__op_pin_value(op, i, &entry->value);
}

static inline void read_one(struct memory *self, struct evkv_op *op, size_t i,
    const struct evkv_request *request, struct memory_entry *entry,
    int64_t now_us)
{
	struct evkv_entry *answer = evkv_op_entry(op, i);

	if (entry == NULL) {
		answer->status = EVKV_NOT_FOUND;
		return;
	}
	if (request->kind == EVKV_OP_EXISTS)
		return;
	answer_hit(op, i, entry);
	if (request->kind == EVKV_OP_TTL)
		answer->ttl_ms = remaining_ms(entry, now_us);
	if ((request->flags & EVKV_FLAG_VERSIONS) != 0)
		answer->version = evkv_version_counted(self->table.instance,
		    entry_version(entry));
}

void evkv__memory_take(struct memory *self, struct evkv_op *op, size_t i,
    const struct memory_collection *collection, struct evkv_slice key)
{
	struct memory_entry *entry;

	entry = evkv__table_get(&self->table, collection, key,
	    table_hash(collection, key), evkv__loop_now_us(self->loop));
	if (entry != NULL)
		answer_hit(op, i, entry);
}

/*
 * A batch costs less than its parts: each look-up waits for memory twice, so
 * first all are asked for, then used.
 */
static void read_some(struct memory *self, struct evkv_op *op,
    struct memory_collection *collection, size_t first, size_t count,
    int64_t now_us)
{
	const struct evkv_request *request = evkv_op_request(op);
	struct memory_table *table = &self->table;
	uint64_t hashes[GET_AHEAD];
	size_t i;

	for (i = 0; i < count; i++) {
		hashes[i] = table_hash(collection, request->keys[first + i]);
		index_prefetch(&table->space.entries, hashes[i]);
	}
	for (i = 0; i < count; i++)
		index_prefetch_item(&table->space.entries, hashes[i]);
	for (i = 0; i < count; i++)
		read_one(self, op, first + i, request,
		    evkv__table_get(table, collection, request->keys[first + i],
			hashes[i], now_us),
		    now_us);
}

/* Look up all that was put off. */
void evkv__memory_resolve(void *arg)
{
	struct memory *self = arg;
	struct memory_table *table = &self->table;
	struct memory_entry *entry;
	struct memory_late *late;
	int64_t now_us = evkv__loop_now_us(self->loop);

	for (late = self->late; late < &self->late[self->late_count]; late++)
		index_prefetch_item(&table->space.entries, late->hash);
	for (late = self->late; late < &self->late[self->late_count]; late++) {
		entry = evkv__table_get(table, table->last,
		    evkv_bytes(late->key, late->key_size), late->hash, now_us);
		if (entry != NULL)
			answer_hit(late->op, 0, entry);
		else
			evkv_op_entry(late->op, 0)->status = EVKV_NOT_FOUND;
		late->op->flags &= ~(uint32_t)OP_LATE;
		evkv__op_settle(late->op);
	}
	self->late_count = 0;
}

/* Put a get off; false: this one can't be. */
static bool read_late(struct memory *self, struct evkv_op *op,
    struct evkv_slice key)
{
	struct memory_late *late;

	if (key.size > LATE_KEY_MAX || !evkv__op_may_be_late(op))
		return false;
	if (self->late_count == LATE_MAX)
		evkv__memory_resolve(self);
	late = &self->late[self->late_count++];
	late->op = op;
	late->hash = table_hash(self->table.last, key);
	late->key_size = key.size;
	memcpy(late->key, key.data, key.size);
	index_prefetch(&self->table.space.entries, late->hash);
	op->flags |= OP_LATE;
	return true;
}

/* To look up another collection may end the last one, if it is empty. */
static OP_NOINLINE struct memory_collection *read_other(struct memory *self,
    struct evkv_slice name)
{
	if (self->late_count > 0)
		evkv__memory_resolve(self);
	return evkv__table_collection_slow(&self->table, name);
}

static inline struct memory_collection *read_collection(struct memory *self,
    struct evkv_slice name)
{
	return evkv__table_is_last(&self->table, name) ? self->table.last
						       : read_other(self, name);
}

/* ---- Without an op ----------------------------------------------------- */

static OP_NOINLINE enum evkv_peek peek_any(struct memory *self,
    const struct evkv_request *request, struct evkv_value **value)
{
	const struct evkv_slice key = *request->keys;
	struct memory_collection *collection;
	struct memory_entry *entry;
	struct index_place place;

	collection = read_collection(self, request->collection);
	if (collection == NULL)
		return EVKV_PEEK_MISS;
	entry = evkv__table_find(&self->table, collection, key,
	    table_hash(collection, key), &place);
	if (entry == NULL ||
	    entry_expires_us(entry) <= evkv__loop_now_us(self->loop))
		return EVKV_PEEK_MISS;
	entry_set_visited(entry, true);
	*value = &entry->value;
	/* Others may have that value too, and count pins of their own. */
	return entry_is_external(entry) ? EVKV_PEEK_DECLINE : EVKV_PEEK_HIT;
}

enum evkv_peek evkv__memory_peek(void *arg, const struct evkv_request *request,
    struct evkv_value **value)
{
	struct memory *self = arg;
	const struct memory_collection *collection = self->table.last;
	struct evkv_slice key = *request->keys, name = request->collection;
	struct memory_entry *entry;

	if (!evkv__table_is_last(&self->table, name))
		return peek_any(self, request, value);
	entry = evkv__table_find_at_home(&self->table, collection, key,
	    table_hash(collection, key));
	if (entry == NULL || !entry_outlives(entry, self->loop->turn_us) ||
	    entry_is_external(entry))
		return peek_any(self, request, value);
	entry_set_visited(entry, true);
	*value = &entry->value;
	return EVKV_PEEK_HIT;
}

static OP_NOINLINE evkv_ticket get_by_clock(struct evkv_store *store,
    const struct evkv_request *request, struct memory_entry *entry, evkv_cb cb,
    void *arg)
{
	struct core *core = evkv__core(store->loop);

	if (!evkv__core_may_nest(core) ||
	    entry_expires_us(entry) <= evkv__loop_now_us(&core->loop))
		return evkv__submit_get(store, request, cb, arg);
	entry_set_visited(entry, true);
	return quick_hit(core, &entry->value, cb, arg);
}

/*
 * Most inline gets: of the collection asked for last, with a short key, whose
 * entry is where it is looked for first. What they execute, and above all what
 * they read, is kept short: the processor waits for the memory of this key and
 * of the next ones at once if it comes from one to the other before it has as
 * many loads under way as it can (two hundred, say). So all else is left to
 * functions that are called last, and the clock is looked at only where the
 * loop does not know that the time is still the same.
 */
evkv_ticket evkv__memory_get(struct evkv_store *store,
    const struct evkv_request *request, evkv_cb cb, void *arg)
{
	const struct memory *self = store->self;
	struct memory_entry *entry;
	struct evkv_slice key;
	struct core *core;

	if (!quick_is_get(request, 16) || !evkv__store_is_quick(store) ||
	    !evkv__table_is_last(&self->table, request->collection))
		return evkv__submit_get(store, request, cb, arg);
	key = *request->keys;
	entry = evkv__table_find_at_home(&self->table, self->table.last, key,
	    table_hash(self->table.last, key));
	if (entry == NULL || entry_is_external(entry))
		return evkv__submit_get(store, request, cb, arg);
	core = evkv__core(store->loop);
	if (!evkv__core_may_nest(core) ||
	    !entry_outlives(entry, core->loop.turn_us))
		return get_by_clock(store, request, entry, cb, arg);
	entry_set_visited(entry, true);
	return quick_hit(core, &entry->value, cb, arg);
}

/* ---- Submit ------------------------------------------------------------ */

enum evkv_verdict evkv__memory_read(struct memory *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct memory_table *table = &self->table;
	struct memory_collection *collection;
	size_t i, count;
	int64_t now_us;

	collection = read_collection(self, request->collection);
	if (collection != NULL && request->count == 1 &&
	    request->kind == EVKV_OP_GET &&
	    (request->flags & EVKV_FLAG_VERSIONS) == 0 &&
	    read_late(self, op, request->keys[0]))
		return EVKV_VERDICT_DONE;
	now_us = evkv__loop_now_us(self->loop);
	if (collection == NULL) {
		for (i = 0; i < request->count; i++)
			read_one(self, op, i, request, NULL, now_us);
		return EVKV_VERDICT_DONE;
	}
	if (request->count == 1) {
		read_one(self, op, 0, request,
		    evkv__table_get(table, collection, request->keys[0],
			table_hash(collection, request->keys[0]), now_us),
		    now_us);
		return EVKV_VERDICT_DONE;
	}
	for (i = 0; i < request->count; i += count) {
		count = request->count - i;
		if (count > GET_AHEAD)
			count = GET_AHEAD;
		read_some(self, op, collection, i, count, now_us);
	}
	return EVKV_VERDICT_DONE;
}
