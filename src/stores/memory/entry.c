/*
 * stores/memory/entry.c - entries and those that are held after they left.
 */
#include "stores/memory/table.h"

#include "core/op.h"

/*
 * Retain a caller's counted value only where copying it would cost more than
 * the second allocation does.
 */
#define ENTRY_EXTERNAL_FROM 4096
/* Entries let go of elsewhere that are taken back with each, and in a step. */
#define COLLECT_SOME 4
#define COLLECT_STEP 64
/* Frees between two calls of settle_allocator(), and what it asks for. */
#define SETTLE_EVERY 16
#define SETTLE_SIZE 4096

/*
 * A large entry has memory of its own, and this before it. Its number is that
 * of a slab's item that points to it, so that it has one as short as others.
 */
struct large_head {
	struct large_item *item;
	uint64_t unused; /* an entry is aligned as malloc() aligns */
};

struct large_item {
	struct memory_entry *entry; /* first: what the number stands for */
	uint32_t hash32;            /* of the key, which may be long */
};

static struct memory_entry *entry_of(struct evkv_value *value)
{
	return (struct memory_entry *)(void *)((char *)value -
	    offsetof(struct memory_entry, value));
}

/* Entries of the same capacity can take each other's values. */
static size_t entry_capacity(size_t key_size, size_t value_size)
{
	size_t size = offsetof(struct memory_entry, bytes) + key_size +
	    value_size;

	return (size + SLAB_GRAIN - 1) & ~(size_t)(SLAB_GRAIN - 1);
}

static size_t entry_capacity_of(const struct memory_entry *entry)
{
	return entry_capacity(entry_key(entry).size, entry->value.size);
}

/*
 * Another memory store's entry is copied too: retained, it would go on counting
 * there after it was evicted, until it has gone from here.
 */
static bool put_is_external(const struct memory_put *put)
{
	return put->counted != NULL && put->value.size >= ENTRY_EXTERNAL_FROM &&
	    evkv__value_is_plain(put->counted);
}

static size_t capacity_cost(size_t capacity)
{
	if (capacity > SLAB_ITEM_MAX)
		capacity += sizeof(struct large_head) +
		    sizeof(struct large_item);
	return capacity + ENTRY_OVERHEAD;
}

size_t evkv__entry_cost_of(const struct memory_put *put)
{
	size_t key_size = put->key.size, size = put->value.size;

	if (put_is_external(put))
		return capacity_cost(entry_capacity(key_size, sizeof(void *))) +
		    size;
	return capacity_cost(entry_capacity(key_size, size));
}

size_t evkv__entry_cost(const struct memory_entry *entry)
{
	size_t cost = capacity_cost(entry_capacity_of(entry));

	if (entry_is_external(entry))
		cost += evkv__entry_external(entry)->size;
	return cost;
}

struct evkv_value *evkv__entry_external(const struct memory_entry *entry)
{
	struct evkv_value *value;

	memcpy(&value, evkv_value_bytes(&entry->value).data, sizeof(value));
	return value;
}

/* ---- Their memory -------------------------------------------------- */

/* Of a multiple of SLAB_GRAIN, at most SLAB_ITEM_MAX. */
static void *small_alloc(struct memory_heap *heap, size_t size)
{
	uint16_t slot;

	return evkv__slab_take(slab_class_of(&heap->slab, size), &slot);
}

static void small_free(struct memory_heap *heap, void *small, size_t size)
{
	struct slab_class *class = slab_class_of(&heap->slab, size);

	evkv__slab_give(class, small, evkv__slab_slot(class, small));
}

static struct large_head *large_head(const struct memory_entry *entry)
{
	return (struct large_head *)(uintptr_t)entry - 1;
}

static bool entry_is_large(const struct memory_entry *entry)
{
	return entry_capacity_of(entry) > SLAB_ITEM_MAX;
}

static struct memory_entry *large_alloc(struct memory_heap *heap,
    size_t capacity, uint64_t hash)
{
	struct large_item *item = small_alloc(heap, SLAB_GRAIN);
	struct large_head *head;

	_Static_assert(sizeof(*item) <= SLAB_GRAIN, "an item of a slab");
	if (item == NULL)
		return NULL;
	head = evkv_malloc(sizeof(*head) + capacity);
	if (head == NULL) {
		small_free(heap, item, SLAB_GRAIN);
		return NULL;
	}
	head->item = item;
	item->entry = (struct memory_entry *)(head + 1);
	item->hash32 = (uint32_t)(hash >> 32);
	return item->entry;
}

/*
 * glibc's malloc keeps what is freed in one list and sorts it within some later
 * request, up to 10,000 blocks of it: over a millisecond, in the midst of a put
 * that follows many removals. A request that is too large for its caches makes
 * it do so at once, for a few. Elsewhere it does no harm.
 */
static void settle_allocator(struct memory_heap *heap)
{
	if (++heap->unsettled < SETTLE_EVERY)
		return;
	heap->unsettled = 0;
	evkv_free(evkv_malloc(SETTLE_SIZE));
}

static void entry_free(struct memory_heap *heap, struct memory_entry *entry)
{
	size_t capacity = entry_capacity_of(entry);

	if (capacity <= SLAB_ITEM_MAX) {
		small_free(heap, entry, capacity);
	} else {
		evkv_free(large_head(entry));
		settle_allocator(heap);
	}
}

uint32_t evkv__entry_number(const struct memory_entry *entry)
{
	if (entry_is_large(entry))
		return evkv__slab_number(large_head(entry)->item) | SLAB_FAR;
	return evkv__slab_number(entry);
}

static uint32_t number_hash32(const struct slab_regions *regions,
    uint32_t number)
{
	const struct memory_entry *entry;

	if ((number & SLAB_FAR) != 0)
		return ((const struct large_item *)slab_at(regions,
			    number & ~SLAB_FAR))
		    ->hash32;
	entry = slab_at(regions, number);
	return (uint32_t)(table_hash(entry_collection(entry),
			      entry_key(entry)) >>
	    32);
}

void evkv__entry_hashes(const struct slab_regions *regions,
    const uint32_t *numbers, size_t count, uint32_t *hashes)
{
	const char *item;
	size_t i;

	for (i = 0; i < count; i++) {
		item = slab_at(regions, numbers[i] & ~SLAB_FAR);
		__builtin_prefetch(item + 8);
		__builtin_prefetch(item + 59);
	}
	for (i = 0; i < count; i++)
		hashes[i] = number_hash32(regions, numbers[i]);
}

/* ---- Collections --------------------------------------------------- */

static size_t collection_capacity(size_t name_size)
{
	size_t size = sizeof(struct memory_collection) + name_size;

	return (size + SLAB_GRAIN - 1) & ~(size_t)(SLAB_GRAIN - 1);
}

struct memory_collection *evkv__collection_alloc(struct memory_heap *heap,
    size_t name_size)
{
	size_t size = collection_capacity(name_size);
	struct memory_collection *collection = small_alloc(heap, size);

	if (collection != NULL)
		memset(collection, 0, size);
	return collection;
}

void evkv__collection_free(struct memory_heap *heap,
    struct memory_collection *collection)
{
	small_free(heap, collection,
	    collection_capacity(collection->name_size));
}

/* ---- Let go of elsewhere ------------------------------------------- */

/* On any thread: the loop's is to put it back into its page. */
static void entry_return(struct memory_heap *heap, struct memory_entry *entry)
{
	if (entry_is_large(entry)) {
		evkv_free(large_head(entry));
		return;
	}
	entry->next = atomic_load_explicit(&heap->returned,
	    memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&heap->returned,
	    &entry->next, entry, memory_order_release, memory_order_relaxed))
		;
}

/* Some of them only: any number may have been let go of at once. */
static void heap_collect(struct memory_heap *heap, size_t most)
{
	struct memory_entry *entry;

	if (heap->collected == NULL) {
		if (atomic_load_explicit(&heap->returned,
			memory_order_relaxed) == NULL)
			return;
		heap->collected = atomic_exchange_explicit(&heap->returned,
		    NULL, memory_order_acquire);
	}
	for (; most > 0 && heap->collected != NULL; most--) {
		entry = heap->collected;
		heap->collected = entry->next;
		entry_free(heap, entry);
	}
}

struct memory_entry *evkv__entry_new(struct memory_heap *heap,
    const struct memory_put *put, struct memory_collection *collection,
    uint64_t hash)
{
	bool external = put_is_external(put);
	size_t size = external ? sizeof(void *) : put->value.size, capacity;
	struct memory_entry *entry;

	heap_collect(heap, COLLECT_SOME);
	capacity = entry_capacity(put->key.size, size);
	entry = capacity <= SLAB_ITEM_MAX ? small_alloc(heap, capacity)
					  : large_alloc(heap, capacity, hash);
	if (entry == NULL)
		return NULL;
	entry->value.owner = &collection->owner;
	entry->value.size = (uint32_t)size;
	atomic_init(&entry->value.refs, 1);
	entry->value.offset = (uint32_t)(ENTRY_KEY_OFFSET + put->key.size);
	entry->value.pins = 0;
	entry->life = external ? ENTRY_EXTERNAL : 0;
	entry_set_expiry(entry, put->expires_at_us);
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

bool evkv__entry_overwrite(struct memory_entry *entry,
    const struct memory_put *put)
{
	size_t key_size = put->key.size;

	if (entry_is_external(entry) || put_is_external(put) ||
	    !entry_is_ours(entry) ||
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
	entry_return(heap, entry);
	evkv__heap_unref(heap);
}

struct memory_heap *evkv__heap_new(void)
{
	struct memory_heap *heap = evkv_calloc(1, sizeof(*heap));

	if (heap == NULL)
		return NULL;
	heap->owner.release = heap_release;
	evkv__slab_init(&heap->slab);
	evkv__slab_class_init(&heap->segments, NULL,
	    sizeof(struct index_segment));
	heap->slab.pages.ahead = heap->segments.ahead = &heap->ahead;
	atomic_init(&heap->returned, NULL);
	atomic_init(&heap->refs, 1);
	atomic_init(&heap->held, 0);
	return heap;
}

bool evkv__heap_tidy(struct memory_heap *heap)
{
	/* Beside, as there may be more of them in each turn. */
	heap_collect(heap, COLLECT_STEP);
	return evkv__slab_tidy(&heap->slab.pages) ||
	    evkv__slab_tidy(&heap->segments);
}

void evkv__heap_unref(struct memory_heap *heap)
{
	if (atomic_fetch_sub_explicit(&heap->refs, 1, memory_order_acq_rel) !=
	    1)
		return;
	heap_collect(heap, SIZE_MAX); /* what is left of the last time */
	heap_collect(heap, SIZE_MAX);
	evkv__slab_end(&heap->slab);
	evkv__slab_class_end(&heap->segments);
	evkv__ahead_end(&heap->ahead);
	evkv_free(heap);
}

void evkv__entry_release(struct memory_entry *entry, struct memory_heap *heap)
{
	struct evkv_value *value = &entry->value;

	heap_collect(heap, COLLECT_SOME);
	if (entry_is_large(entry))
		small_free(heap, large_head(entry)->item, SLAB_GRAIN);
	if (entry_is_external(entry)) {
		/* Such an entry is never handed out itself. */
		evkv_value_unref(evkv__entry_external(entry));
		entry_free(heap, entry);
		return;
	}
	if (entry_is_ours(entry)) {
		entry_free(heap, entry);
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
