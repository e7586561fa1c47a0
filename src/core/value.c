/* core/value.c - immutable, counted bytes. */
#include "core/value.h"

static void value_release(struct evkv_value *value)
{
	evkv_free(value);
}

static const struct evkv_value_owner value_plain = { value_release };

struct evkv_value *evkv_value_new_uninit(size_t size, void **data)
{
	struct evkv_value *value;

	if (size > EVKV_VALUE_MAX)
		return NULL;
	value = evkv_malloc(sizeof(*value) + size);
	if (value == NULL)
		return NULL;
	value->owner = &value_plain;
	value->size = (uint32_t)size;
	atomic_init(&value->refs, 1);
	value->offset = sizeof(*value);
	value->pins = 0;
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
	/* Who sees 1 is alone: nobody else is left to take a reference. */
	if (atomic_load_explicit(&value->refs, memory_order_acquire) == 1 ||
	    atomic_fetch_sub_explicit(&value->refs, 1,
		memory_order_acq_rel) == 1)
		value->owner->release(value);
}

struct evkv_slice evkv_value_bytes(const struct evkv_value *value)
{
	if (value == NULL)
		return evkv_bytes(NULL, 0);
	return evkv_bytes((const char *)value + value->offset, value->size);
}
