/*
 * stores/memory_entry.c - entries and those that are held after they left.
 */
#include "stores/memory_table.h"

#include "core/op.h"

/*
 * Retain a caller's counted value only where copying it would cost more than
 * the second allocation does.
 */
#define ENTRY_EXTERNAL_FROM 4096

static struct memory_entry *entry_of(struct evkv_value *value)
{
	return (struct memory_entry *)(void *)((char *)value -
	    offsetof(struct memory_entry, value));
}

/*
 * Rounded up to 8 more than a multiple of 16: malloc's chunks are multiples of
 * 16, 8 bytes of which are its own. Entries of the same capacity can take each
 * other's values.
 */
static size_t entry_capacity(size_t key_size, size_t value_size)
{
	size_t size = offsetof(struct memory_entry, bytes) + key_size +
	    value_size;

	return ((size + 7) & ~(size_t)15) + 8;
}

static bool put_is_external(const struct memory_put *put)
{
	return put->counted != NULL && put->value.size >= ENTRY_EXTERNAL_FROM;
}

size_t evkv__entry_cost_of(const struct memory_put *put)
{
	if (put_is_external(put))
		return entry_capacity(put->key.size, sizeof(void *)) +
		    put->value.size + ENTRY_OVERHEAD;
	return entry_capacity(put->key.size, put->value.size) + ENTRY_OVERHEAD;
}

size_t evkv__entry_cost(const struct memory_entry *entry)
{
	size_t cost = entry_capacity(entry_key(entry).size, entry->value.size) +
	    ENTRY_OVERHEAD;

	if (entry->external)
		cost += evkv__entry_external(entry)->size;
	return cost;
}

struct evkv_value *evkv__entry_external(const struct memory_entry *entry)
{
	struct evkv_value *value;

	memcpy(&value, evkv_value_bytes(&entry->value).data, sizeof(value));
	return value;
}

struct memory_entry *evkv__entry_new(const struct memory_put *put,
    struct memory_collection *collection)
{
	bool external = put_is_external(put);
	size_t size = external ? sizeof(void *) : put->value.size;
	struct memory_entry *entry;

	entry = evkv_malloc(entry_capacity(put->key.size, size));
	if (entry == NULL)
		return NULL;
	entry->value.owner = &collection->owner;
	entry->value.size = (uint32_t)size;
	atomic_init(&entry->value.refs, 1);
	entry->value.offset = (uint32_t)(ENTRY_KEY_OFFSET + put->key.size);
	entry->value.pins = 0;
	entry->expires_at_us = put->expires_at_us;
	entry->visited = 0;
	entry->external = external;
	memcpy(entry->bytes, put->key.data, put->key.size);
	if (external) {
		evkv_value_ref(put->counted);
		memcpy(entry->bytes + put->key.size, &put->counted,
		    sizeof(void *));
	} else if (size > 0) {
		memcpy(entry->bytes + put->key.size, put->value.data, size);
	}
	return entry;
}

/* The table's own reference is the only one, and no operation looks at it. */
static bool entry_is_ours(const struct memory_entry *entry)
{
	return entry->value.pins == 0 &&
	    atomic_load_explicit(&entry->value.refs, memory_order_acquire) == 1;
}

bool evkv__entry_overwrite(struct memory_entry *entry,
    const struct memory_put *put)
{
	size_t key_size = put->key.size;

	if (entry->external || put_is_external(put) || !entry_is_ours(entry) ||
	    entry_capacity(key_size, entry->value.size) !=
		entry_capacity(key_size, put->value.size))
		return false;
	entry->value.size = (uint32_t)put->value.size;
	if (put->value.size > 0)
		memmove(entry->bytes + key_size, put->value.data,
		    put->value.size);
	return true;
}

/* ---- The heap ------------------------------------------------------ */

static struct memory_heap *heap_of(const struct evkv_value_owner *owner)
{
	return (struct memory_heap *)(uintptr_t)owner;
}

/* The last holder lets go, on whatever thread. */
static void heap_release(struct evkv_value *value)
{
	struct memory_heap *heap = heap_of(value->owner);
	struct memory_entry *entry = entry_of(value);

	atomic_fetch_sub_explicit(&heap->held, evkv__entry_cost(entry),
	    memory_order_relaxed);
	evkv_free(entry);
	evkv__heap_unref(heap);
}

struct memory_heap *evkv__heap_new(void)
{
	struct memory_heap *heap = evkv_malloc(sizeof(*heap));

	if (heap == NULL)
		return NULL;
	heap->owner.release = heap_release;
	atomic_init(&heap->refs, 1);
	atomic_init(&heap->held, 0);
	return heap;
}

void evkv__heap_unref(struct memory_heap *heap)
{
	if (atomic_fetch_sub_explicit(&heap->refs, 1, memory_order_acq_rel) ==
	    1)
		evkv_free(heap);
}

void evkv__entry_release(struct memory_entry *entry, struct memory_heap *heap)
{
	struct evkv_value *value = &entry->value;

	if (entry->external) {
		/* Such an entry is never handed out itself. */
		evkv_value_unref(evkv__entry_external(entry));
		evkv_free(entry);
		return;
	}
	if (entry_is_ours(entry)) {
		evkv_free(entry);
		return;
	}
	atomic_fetch_add_explicit(&heap->refs, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&heap->held, evkv__entry_cost(entry),
	    memory_order_relaxed);
	/* Others read the owner only after the table's reference is gone. */
	value->owner = &heap->owner;
	if (value->pins > 0)
		value->pins |= VALUE_DETACHED;
	else
		evkv_value_unref(value);
}
