/*
 * base/value.h - the layout of a counted value, for the stores that hand out
 * entries of their own.
 *
 * A store that keeps entries embeds the header first in each of them. All that
 * the loop's thread holds (the store's own hold and the pins of operations)
 * counts as one reference; every evkv_value_ref() is another. So a get needs no
 * atomic operation: it pins. An entry that is removed from the store while it
 * is pinned is marked as detached, and the last unpin releases the one
 * reference; otherwise the remover releases it.
 */
#ifndef EVKV_BASE_VALUE_H
#define EVKV_BASE_VALUE_H

#include <stdatomic.h>
#include <stdint.h>

#include "evkv/driver.h"
#include "evkv/value.h"

/* What frees a value whose last reference is gone; runs on any thread. */
struct evkv_value_owner {
	void (*release)(struct evkv_value *value);
};

struct evkv_value {
	const struct evkv_value_owner *owner;
	uint32_t size; /* of the bytes */
	_Atomic uint32_t refs;
	uint32_t
	    offset; /* of the bytes, from this header; 0: see value_slice */
	/* Pins of operations, and VALUE_DETACHED; the loop's thread only. */
	uint32_t pins;
};

/* A part of another value, which it holds; its offset is 0. */
struct value_slice {
	struct evkv_value value; /* first */
	const char *data;
	struct evkv_value *whole; /* no slice itself */
};

static inline const char *evkv__value_data(const struct evkv_value *value)
{
	if (__builtin_expect(value->offset != 0, 1))
		return (const char *)value + value->offset;
	return ((const struct value_slice *)value)->data;
}

/* In `pins`: out of its store; the last unpin drops a reference. */
#define VALUE_DETACHED (UINT32_C(1) << 31)

/* A value of its own, and not a part of a store's entry. Any thread. */
static inline bool evkv__value_is_plain(const struct evkv_value *value)
{
	return value->offset == sizeof(*value);
}

static inline void evkv__value_pin(struct evkv_value *value)
{
	value->pins++;
}

static inline void evkv__value_unpin(struct evkv_value *value)
{
	if (--value->pins == VALUE_DETACHED)
		evkv_value_unref(value);
}

/*
 * Blocks that held values of a loop's answers and are free again, newest first,
 * by size: a burst of answers needs more of them at once than malloc() keeps in
 * its own cache. Each is as large as what malloc() would have given for the
 * value. The loop's thread only.
 */
#define VALUE_STEP 16 /* from one size of blocks to the next */
#define VALUE_SIZES 32
#define VALUE_SPARE_MAX 65536 /* bytes that are kept */

struct value_spares {
	struct value_spare *first[VALUE_SIZES];
	size_t bytes;
};

/* As evkv_value_new(), in such a block. */
struct evkv_value *evkv__value_new_spare(struct value_spares *spares,
    struct evkv_slice bytes);
/* As evkv_value_unref(), but a block is kept. */
void evkv__value_unref_spare(struct value_spares *spares,
    struct evkv_value *value);
void evkv__value_spares_free(struct value_spares *spares);

/* Entry i of the op's answer is `value`, pinned until the op has ended. */
void evkv__op_pin_value(struct evkv_op *op, size_t i, struct evkv_value *value);

#endif
