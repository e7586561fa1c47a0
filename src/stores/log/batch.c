#include "stores/log/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "evkv/alloc.h"

#define LARGE ((size_t)128 << 10) /* a value that is written from its place */
#define BUFFER_FIRST ((size_t)64 << 10)
#define BUFFER_KEPT ((size_t)4 << 20)
#define ZEROS ((size_t)64 << 10)
#define BLOCK 4096
#define AHEAD (16 * ZEROS) /* zeros that are written at once */
#define AHEAD_LEAST                                                            \
	(AHEAD / 2) /* when fewer are left; larger groups need none */

void evkv__log_batch_free(struct log_batch *batch)
{
	evkv_free(batch->buffer);
	memset(batch, 0, sizeof(*batch));
}

void evkv__log_batch_drop(struct log_batch *batch)
{
	unsigned char *buffer = batch->buffer;
	size_t room = batch->room;

	if (room > BUFFER_KEPT) {
		evkv_free(buffer);
		buffer = NULL;
		room = 0;
	}
	memset(batch, 0, sizeof(*batch));
	batch->buffer = buffer;
	batch->room = room;
}

bool evkv__log_batch_full(const struct log_batch *batch, uint64_t size)
{
	return batch->size > 0 &&
	    (batch->size + size > LOG_BATCH_BYTES ||
		batch->part_count + 3 > LOG_BATCH_PARTS);
}

static bool batch_room(struct log_batch *batch, size_t more)
{
	size_t wanted = batch->room > 0 ? batch->room : BUFFER_FIRST;
	unsigned char *larger;

	if (batch->buffer != NULL && batch->used + more <= batch->room)
		return true;
	while (wanted < batch->used + more)
		wanted *= 2;
	larger = evkv_malloc(wanted);
	if (larger == NULL)
		return false;
	if (batch->used > 0)
		memcpy(larger, batch->buffer, batch->used);
	evkv_free(batch->buffer);
	batch->buffer = larger;
	batch->room = wanted;
	return true;
}

/* The value may be in the buffer, of an item before, and moves with it. */
static bool batch_room_for(struct log_batch *batch, struct log_batch_item *item,
    size_t more)
{
	const unsigned char *value = item->value.data;
	bool inside = batch->buffer != NULL && value != NULL &&
	    value >= batch->buffer && value < batch->buffer + batch->used;
	size_t at = inside ? (size_t)(value - batch->buffer) : 0;

	if (!batch_room(batch, more))
		return false;
	if (inside)
		item->value.data = batch->buffer + at;
	return true;
}

/* The last part ends with the buffer as it is now. */
static void batch_extend(struct log_batch *batch, size_t size)
{
	struct log_part *last = batch->part_count > 0
	    ? &batch->parts[batch->part_count - 1]
	    : NULL;

	if (last == NULL || last->data != NULL) {
		last = &batch->parts[batch->part_count++];
		*last = (struct log_part){ .at = batch->used };
	}
	last->size += size;
	batch->used += size;
	batch->size += size;
}

static void batch_begin(struct log_env *env, struct log_batch *batch)
{
	memset(batch->buffer, 0, LOG_ITEM_HEAD);
	batch_extend(batch, LOG_ITEM_HEAD);
	batch->first = env->version + 1;
}

/* A value that is written from its place, and what it is rounded up by. */
static void batch_large(struct log_batch *batch,
    const struct log_batch_item *item)
{
	size_t pad = (size_t)(item->size - LOG_ITEM_HEAD -
	    item->collection.size - item->key.size - item->value.size);

	batch->parts[batch->part_count++] = (struct log_part){
		.data = item->value.data, .size = item->value.size
	};
	batch->size += item->value.size;
	if (pad == 0)
		return;
	memset(batch->buffer + batch->used, 0, pad);
	batch_extend(batch, pad);
}

bool evkv__log_batch_add(struct log_env *env, struct log_batch *batch,
    struct log_batch_item *item)
{
	struct log_file *file = env->active;
	struct log_item head = { .kind = item->kind, .expires = item->expires };
	bool large = item->lasting && item->value.size >= LARGE;
	size_t named = LOG_ITEM_HEAD + item->collection.size + item->key.size;
	size_t size = large ? named : (size_t)log_batch_item_size(item);
	unsigned char *at;

	if (!batch_room_for(batch, item, LOG_ITEM_HEAD + size + 8))
		return false;
	if (batch->size == 0)
		batch_begin(env, batch);
	item->size = log_batch_item_size(item);
	item->offset = file->size + batch->size;
	item->version = head.version = ++env->version;
	at = batch->buffer + batch->used;
	memset(at + size - 8, 0, 8); /* what is rounded up */
	evkv__log_item_write(at, evkv__log_seed(file->head.id, item->offset),
	    &head, item->collection, item->key, item->value);
	item->value_at = SIZE_MAX;
	if (!large && item->value.size > 0) {
		item->value_at = batch->used + named;
		memcpy(at + named, item->value.data, item->value.size);
	}
	batch_extend(batch, size);
	if (large)
		batch_large(batch, item);
	batch->last = item->version;
	batch->items++;
	batch->puts += item->kind == LOG_PUT;
	if (item->kind == LOG_TOMBSTONE)
		batch->tombstone_bytes += item->size;
	return true;
}

/* ---- Writing ------------------------------------------------------------- */

/* All of the parts, however few bytes a call takes. */
static int parts_write(int fd, struct iovec *parts, size_t count, off_t offset)
{
	ssize_t n;

	while (count > 0) {
		n = pwritev(fd, parts, (int)count, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		offset += n;
		while (count > 0 && (size_t)n >= parts->iov_len) {
			n -= (ssize_t)parts->iov_len;
			parts++;
			count--;
		}
		if (count > 0) {
			parts->iov_base = (char *)parts->iov_base + n;
			parts->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static void batch_head(struct log_env *env, struct log_batch *batch)
{
	const struct log_file *file = env->active;
	const struct evkv_slice none = { NULL, 0 };
	struct log_item head = {
		.kind = LOG_GROUP,
		.value_size = (uint32_t)(batch->size - LOG_ITEM_HEAD),
		.expires = env->config.durability == LOG_SYNC_FULL
		    ? file->size
		    : env->synced,
		.version = batch->first,
	};

	evkv__log_item_write(batch->buffer,
	    evkv__log_seed(file->head.id, file->size), &head, none, none, none);
}

/*
 * Room that is set aside but was never written costs each sync that comes upon
 * it a change of the file system's metadata. So zeros are written ahead of
 * small groups. They are sent to the disk behind a group's sync, when nobody
 * waits for it; should that fail, the next sync tells.
 */
static void batch_ahead(struct log_env *env, const struct log_batch *batch)
{
	static unsigned char zeros[ZEROS]; /* never written to */
	uint64_t end = env->active->size + batch->size, from = env->written_to;
	struct iovec parts[AHEAD / ZEROS];
	int fd = env->active->fd, count = 0;
	size_t size = 0;

	if (env->config.durability != LOG_SYNC_FULL || env->sparse ||
	    batch->size > AHEAD_LEAST || from >= end + AHEAD_LEAST)
		return;
	if (from < end)
		from = (end + BLOCK - 1) & ~(uint64_t)(BLOCK - 1);
	for (; size < AHEAD && from + size + ZEROS <= env->active_room;
	     size += ZEROS)
		parts[count++] = (struct iovec){ .iov_base = zeros,
			.iov_len = ZEROS };
	env->written_to = from + size;
	if (size > 0 && pwritev(fd, parts, count, (off_t)from) > 0)
		sync_file_range(fd, (off_t)from, (off_t)size,
		    SYNC_FILE_RANGE_WRITE);
}

int evkv__log_batch_write(struct log_env *env, struct log_batch *batch)
{
	struct iovec parts[LOG_BATCH_PARTS];
	size_t i;
	int code;

	batch_head(env, batch);
	for (i = 0; i < batch->part_count; i++) {
		const struct log_part *part = &batch->parts[i];
		const void *data = part->data != NULL
		    ? part->data
		    : batch->buffer + part->at;

		parts[i] = (struct iovec){ .iov_base = (void *)(uintptr_t)data,
			.iov_len = part->size };
	}
	code = parts_write(env->active->fd, parts, i, (off_t)env->active->size);
	if (code == 0 && env->config.durability == LOG_SYNC_FULL &&
	    fdatasync(env->active->fd) != 0)
		code = errno;
	if (code == 0 && evkv__log_lost(env))
		code = ESTALE;
	env->torn = code != 0;
	if (code == 0)
		batch_ahead(env, batch);
	return code;
}

void evkv__log_batch_done(struct log_env *env, struct log_batch *batch)
{
	struct log_file *file = env->active;

	file->size += batch->size;
	file->tombstone_bytes += batch->tombstone_bytes;
	file->puts += batch->puts;
	env->active_puts += batch->puts;
	env->active_items += batch->items;
	env->applied = batch->last;
	if (env->config.durability == LOG_SYNC_FULL)
		env->synced = file->size;
	log_count_add(&env->counts.written, batch->size);
	evkv__log_batch_drop(batch);
}
