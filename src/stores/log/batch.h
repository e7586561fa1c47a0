/*
 * stores/log/batch.h - items that are written at once: one group of the active
 * file. The writer's.
 */
#ifndef EVKV_STORES_LOG_BATCH_H
#define EVKV_STORES_LOG_BATCH_H

#include "stores/log/env.h"

#define LOG_BATCH_PARTS 64
#define LOG_BATCH_BYTES (32u << 20) /* unless one item is larger */

/* A part of a group: of the buffer, or a large value where it is. */
struct log_part {
	const void *data; /* NULL: in the buffer */
	size_t at, size;
};

struct log_batch {
	unsigned char *buffer;
	size_t used, room;
	struct log_part parts[LOG_BATCH_PARTS];
	size_t part_count;
	uint64_t size;        /* of the group, with its head; 0 = not begun */
	uint64_t first, last; /* versions */
	uint64_t puts, items, tombstone_bytes;
};

struct log_batch_item {
	enum log_kind kind;
	uint64_t expires;
	struct evkv_slice collection, key, value;
	bool lasting; /* `value` stays where it is until the group is written */
	/* Filled in. */
	uint64_t version, offset, size;
	size_t value_at; /* in the buffer; SIZE_MAX = it was not copied */
};

/* The bytes that an item takes. */
static inline uint64_t log_batch_item_size(const struct log_batch_item *item)
{
	return log_align(LOG_ITEM_HEAD + item->collection.size +
	    item->key.size + item->value.size);
}

void evkv__log_batch_free(struct log_batch *batch);
/* Whether one item more should wait for the next group. */
bool evkv__log_batch_full(const struct log_batch *batch, uint64_t size);
/* The active file has room for it. false = no memory. */
bool evkv__log_batch_add(struct log_env *env, struct log_batch *batch,
    struct log_batch_item *item);
/*
 * Write the group, durably where that is asked for. 0 or an errno: then the
 * file is cut before it, or is to be. Either way the batch is empty after
 * evkv__log_batch_done() or evkv__log_batch_drop().
 */
int evkv__log_batch_write(struct log_env *env, struct log_batch *batch);
/* It was written: count it. With the lock held. */
void evkv__log_batch_done(struct log_env *env, struct log_batch *batch);
void evkv__log_batch_drop(struct log_batch *batch);

#endif
