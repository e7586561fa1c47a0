/*
 * core/quick.h - inline gets and puts that need no op: what is checked of them,
 * and how they call back. Inline in the stores that answer them at once.
 */
#ifndef EVKV_CORE_QUICK_H
#define EVKV_CORE_QUICK_H

#include "base/value.h"
#include "core/core.h"
#include "core/store.h"

/* One key, and a valid one of at most `most` bytes. */
static inline bool quick_has_key(const struct evkv_request *request,
    size_t most)
{
	return request->count == 1 && request->keys != NULL &&
	    request->keys->data != NULL && request->keys->size - 1 < most;
}

/*
 * Whether a request's fields from an offset on, to its end, are all 0. A word
 * at a time costs a get or put more than it seems: a processor that waits for
 * memory can have only so many further loads under way.
 */
static inline bool quick_is_zero_from(const struct evkv_request *request,
    size_t offset)
{
	typedef uint64_t pair __attribute__((vector_size(16)));
	const char *at = (const char *)request;
	pair next, all;

	memcpy(&all, at + sizeof(*request) - sizeof(all), sizeof(all));
	for (; offset + sizeof(next) < sizeof(*request);
	     offset += sizeof(next)) {
		memcpy(&next, at + offset, sizeof(next));
		all |= next;
	}
	return (all[0] | all[1]) == 0;
}

static inline bool quick_is_plain_apart(const struct evkv_request *request)
{
	return (request->collection.data != NULL ||
		   request->collection.size == 0) &&
	    request->timeout_ms >= -1;
}

static inline bool quick_is_plain(const struct evkv_request *request)
{
	return request->condition == EVKV_IF_ANY &&
	    quick_is_zero_from(request,
		offsetof(struct evkv_request, values)) &&
	    quick_is_plain_apart(request);
}

/* A put of one value, not a counted one. */
static inline bool quick_is_plain_put(const struct evkv_request *request)
{
	const struct evkv_slice *value = request->values;

	return value != NULL && (value->data != NULL || value->size == 0) &&
	    value->size <= EVKV_VALUE_MAX &&
	    (uint64_t)request->ttl_ms <= EVKV_TTL_MAX &&
	    (unsigned)request->condition <= EVKV_IF_PRESENT &&
	    quick_is_zero_from(request,
		offsetof(struct evkv_request, counted_values)) &&
	    quick_is_plain_apart(request);
}

#define QUICK_FLAGS (EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE)

/*
 * An inline get of one key, of `key_most` bytes at most, with nothing wrong
 * about it unless the collection's name is too long.
 */
static inline bool quick_is_get(const struct evkv_request *request,
    size_t key_most)
{
	return request->flags == QUICK_FLAGS &&
	    quick_has_key(request, key_most) && quick_is_plain(request);
}

/* Likewise a put of one value. */
static inline bool quick_is_put(const struct evkv_request *request,
    size_t key_most)
{
	return request->flags == QUICK_FLAGS &&
	    quick_has_key(request, key_most) && quick_is_plain_put(request);
}

static inline evkv_ticket quick_tell(struct core *core,
    const struct evkv_result *result, evkv_cb cb, void *arg)
{
	core->peek++;
	if (cb != NULL)
		cb(result, arg);
	core->peek--;
	return TICKET_ENDED;
}

/* A get has found a value. */
static inline evkv_ticket quick_hit(struct core *core, struct evkv_value *value,
    evkv_cb cb, void *arg)
{
	struct core_peek *peek = core->peek;

	evkv__value_pin(value);
	peek->entry.bytes.data = evkv__value_data(value);
	peek->entry.bytes.size = value->size;
	peek->entry.value = value;
	core->peek = peek + 1;
	if (cb != NULL)
		cb(&peek->result, arg);
	core->peek = peek;
	evkv__value_unpin(value);
	return TICKET_ENDED;
}

/* A put is done. */
extern const struct evkv_result evkv__put_result;

#endif
