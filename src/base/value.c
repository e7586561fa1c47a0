/* base/value.c - immutable, reference-counted bytes. */
#include "base/value.h"

static void value_release(struct evkv_value *value)
{
	evkv_free(value);
}

static const struct evkv_value_owner value_plain = { value_release };

static void value_init(struct evkv_value *value,
    const struct evkv_value_owner *owner, size_t size)
{
	value->owner = owner;
	value->size = (uint32_t)size;
	atomic_init(&value->refs, 1);
	value->offset = sizeof(*value);
	value->pins = 0;
}

struct evkv_value *evkv_value_new_uninit(size_t size, void **data)
{
	struct evkv_value *value;

	if (size > EVKV_VALUE_MAX)
		return NULL;
	value = evkv_malloc(sizeof(*value) + size);
	if (value == NULL)
		return NULL;
	value_init(value, &value_plain, size);
	*data = value + 1;
	return value;
}

struct evkv_value *evkv_value_new(struct evkv_slice bytes)
{
	struct evkv_value *value;
	void *data;

	value = evkv_value_new_uninit(bytes.size, &data);
	if (value != NULL && bytes.size > 0)
		memcpy(data, bytes.data, bytes.size);
	return value;
}

struct evkv_value *evkv_value_ref(const struct evkv_value *value)
{
	struct evkv_value *counted = (struct evkv_value *)(uintptr_t)value;

	if (counted != NULL)
		atomic_fetch_add_explicit(&counted->refs, 1,
		    memory_order_relaxed);
	return counted;
}

void evkv_value_unref(struct evkv_value *value)
{
	if (value == NULL)
		return;
	/* A count of 1 is ours: nobody else is left to take a reference. */
	if (atomic_load_explicit(&value->refs, memory_order_acquire) == 1 ||
	    atomic_fetch_sub_explicit(&value->refs, 1, memory_order_acq_rel) ==
		1)
		value->owner->release(value);
}

struct evkv_slice evkv_value_bytes(const struct evkv_value *value)
{
	if (value == NULL)
		return evkv_bytes(NULL, 0);
	return evkv_bytes(evkv__value_data(value), value->size);
}

/* ---- Parts of other values ----------------------------------------------- */

static void slice_release(struct evkv_value *value)
{
	evkv_value_unref(((struct value_slice *)value)->whole);
	evkv_free(value);
}

static const struct evkv_value_owner value_slice = { slice_release };

/* The slice of a slice holds what that one holds: no chain is built up. */
struct evkv_value *evkv_value_slice(const struct evkv_value *value,
    size_t offset, size_t size)
{
	const struct evkv_value *whole = value;
	struct value_slice *slice;

	if (value == NULL || offset > value->size ||
	    size > value->size - offset)
		return NULL;
	slice = evkv_malloc(sizeof(*slice));
	if (slice == NULL)
		return NULL;
	if (value->owner == &value_slice)
		whole = ((const struct value_slice *)value)->whole;
	value_init(&slice->value, &value_slice, size);
	slice->value.offset = 0;
	slice->data = evkv__value_data(value) + offset;
	slice->whole = evkv_value_ref(whole);
	return &slice->value;
}

/* ---- Blocks that are used again ---------------------------------------- */

struct value_spare {
	struct value_spare *next;
};

/* A record of its own, so that blocks differ from other values. */
static const struct evkv_value_owner value_block = { value_release };

/* Which size of blocks is for values of `size` bytes: VALUE_SIZES = none. */
static inline size_t value_block_index(size_t size)
{
	size_t index = (sizeof(struct evkv_value) + size + 7) / VALUE_STEP;

	return index < VALUE_SIZES ? index : VALUE_SIZES;
}

/* malloc() adds 8 bytes and rounds up to 16. */
static inline size_t value_block_size(size_t index)
{
	return index * VALUE_STEP + 8;
}

struct evkv_value *evkv__value_new_spare(struct value_spares *spares,
    struct evkv_slice bytes)
{
	size_t index = value_block_index(bytes.size);
	struct value_spare *spare;
	struct evkv_value *value;

	if (index == VALUE_SIZES)
		return evkv_value_new(bytes);
	spare = spares->first[index];
	if (spare != NULL) {
		spares->first[index] = spare->next;
		spares->bytes -= value_block_size(index);
		value = (struct evkv_value *)spare;
	} else {
		value = evkv_malloc(value_block_size(index));
		if (value == NULL)
			return NULL;
	}
	value_init(value, &value_block, bytes.size);
	if (bytes.size > 0)
		memcpy(value + 1, bytes.data, bytes.size);
	return value;
}

void evkv__value_unref_spare(struct value_spares *spares,
    struct evkv_value *value)
{
	size_t index = value_block_index(value->size);
	struct value_spare *spare = (struct value_spare *)value;

	/* The count of an entry may change meanwhile, on another thread. */
	if (!evkv__value_is_plain(value) || value->owner != &value_block ||
	    spares->bytes + value_block_size(index) > VALUE_SPARE_MAX ||
	    atomic_load_explicit(&value->refs, memory_order_acquire) != 1) {
		evkv_value_unref(value);
		return;
	}
	spare->next = spares->first[index];
	spares->first[index] = spare;
	spares->bytes += value_block_size(index);
}

void evkv__value_spares_free(struct value_spares *spares)
{
	struct value_spare *spare;
	size_t i;

	for (i = 0; i < VALUE_SIZES; i++) {
		while ((spare = spares->first[i]) != NULL) {
			spares->first[i] = spare->next;
			evkv_free(spare);
		}
	}
	spares->bytes = 0;
}
