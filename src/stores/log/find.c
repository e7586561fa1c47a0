/*
 * stores/log/find.c - the entry that has a name.
 *
 * The index gives the places of those with its hash, nearly always one; the
 * record tells whether it is the one. The records are read without the lock,
 * with a reference on their files, so that nobody waits for the disk; what
 * moves or goes meanwhile is still in the file that is held.
 */
#include <errno.h>
#include <unistd.h>

#include "evkv/alloc.h"
#include "stores/log/env.h"

#define PLACES 8
#define NOW_MAX ((uint64_t)256 << 10) /* a record that the loop may copy */

bool evkv__log_buffer_room(struct log_buffer *buffer, size_t size)
{
	if (buffer->size >= size)
		return true;
	evkv_free(buffer->data);
	buffer->size = 0;
	buffer->data = evkv_malloc(size);
	if (buffer->data == NULL)
		return false;
	buffer->size = size;
	return true;
}

/* ---- One place ----------------------------------------------------------- */

/* How to read. */
struct look {
	const struct log_name *name;
	bool value, now;
	struct log_buffer *buffer;
};

static bool bytes_equal(struct evkv_slice a, struct evkv_slice b)
{
	return a.size == b.size &&
	    (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static enum log_find look_read(const struct look *look, struct log_file *file,
    uint64_t offset, size_t *size)
{
	ssize_t n;

	if (!evkv__log_buffer_room(look->buffer, *size))
		return LOG_NOMEM;
	if (!look->now) {
		n = pread(file->fd, look->buffer->data, *size, (off_t)offset);
		if (n < 0)
			return errno == EINTR
			    ? look_read(look, file, offset, size)
			    : LOG_IO;
	} else {
		n = evkv__log_pread_now(file->fd, look->buffer->data, *size,
		    offset);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? LOG_AGAIN
								 : LOG_IO;
	}
	*size = (size_t)n;
	return LOG_FOUND;
}

/* A part of a record was in the cache: not yet the whole of it. */
static enum log_find look_short(const struct look *look)
{
	return look->now ? LOG_AGAIN : LOG_DAMAGED;
}

/* What stands at a place: FOUND, ABSENT for another name, or why not. */
static enum log_find look_at(const struct look *look, struct log_file *file,
    const struct log_entry *entry, struct log_found *found)
{
	uint64_t offset = log_place_offset(entry->place);
	size_t size = LOG_ITEM_HEAD + look->name->collection.size +
	    look->name->key.size;
	size_t named = size, had;
	enum log_find result;
	const unsigned char *at;

	if (look->value)
		size = (size_t)evkv__log_place_size(entry->place);
	if (size < named)
		return LOG_ABSENT;
	found->entry = *entry;
	result = look_read(look, file, offset, &size);
	if (result != LOG_FOUND)
		return result;
	at = look->buffer->data;
	switch (evkv__log_item_parse(at, size,
	    evkv__log_seed(file->head.id, offset), &found->item)) {
	case LOG_PARSE_OK: break;
	case LOG_PARSE_SHORT:
		/* Longer names than ours are another's, if they are sound. */
		had = size;
		size = log_item_named(&found->item);
		if (had < LOG_ITEM_HEAD || size <= named)
			return look_short(look);
		result = look_read(look, file, offset, &size);
		if (result != LOG_FOUND)
			return result;
		return evkv__log_item_parse(look->buffer->data, size,
			   evkv__log_seed(file->head.id, offset),
			   &found->item) == LOG_PARSE_OK
		    ? LOG_ABSENT
		    : look_short(look);
	default: return LOG_DAMAGED;
	}
	if (found->item.kind != LOG_PUT ||
	    !bytes_equal(log_item_key(at, &found->item), look->name->key) ||
	    !bytes_equal(log_item_collection(at, &found->item),
		look->name->collection))
		return LOG_ABSENT;
	if (!look->value)
		return LOG_FOUND;
	if (size < named + found->item.value_size)
		return look_short(look);
	found->value = log_item_value(at, &found->item);
	return evkv__log_value_ok(&found->item, found->value) ? LOG_FOUND
							      : LOG_DAMAGED;
}

enum log_find evkv__log_read_head(struct log_file *file, uint64_t place,
    struct log_buffer *buffer, struct log_item *item)
{
	const struct look look = { .buffer = buffer };
	uint64_t offset = log_place_offset(place);
	size_t size = (size_t)evkv__log_place_size(place);
	enum log_find result;

	if (size > LOG_ITEM_HEAD + LOG_NAMES_MAX)
		size = LOG_ITEM_HEAD + LOG_NAMES_MAX;
	result = look_read(&look, file, offset, &size);
	if (result != LOG_FOUND)
		return result;
	return evkv__log_item_parse(buffer->data, size,
		   evkv__log_seed(file->head.id, offset), item) == LOG_PARSE_OK
	    ? LOG_FOUND
	    : LOG_DAMAGED;
}

bool evkv__log_name_known(const struct log_env *env, struct log_name *name)
{
	uint32_t number;

	if (!evkv__log_collection_find(env, name->collection,
		name->collection_hash, &number))
		return false;
	name->tag = log_tag(number, name->hash.low);
	return true;
}

/* ---- All places of a hash ------------------------------------------------ */

/* With the lock held. */
static enum log_find find_locked(struct log_env *env, const struct look *look,
    struct log_found *found)
{
	struct log_entry *entry = evkv__log_index_first(&env->index,
	    look->name->hash.high);
	struct log_file *file;
	enum log_find result = LOG_ABSENT, worst = LOG_ABSENT;

	for (; entry != NULL; entry = log_index_next(entry)) {
		if (entry->place == LOG_RESERVED ||
		    entry->tag != look->name->tag)
			continue;
		file = log_place_file(env, entry->place);
		if (look->now &&
		    (!file->nowait ||
			evkv__log_place_size(entry->place) > NOW_MAX))
			return LOG_AGAIN;
		result = look_at(look, file, entry, found);
		if (result == LOG_FOUND)
			return result;
		if (result != LOG_ABSENT)
			worst = result;
	}
	return worst;
}

enum log_find evkv__log_find_locked(struct log_env *env,
    const struct log_name *name, struct log_buffer *buffer,
    struct log_found *found)
{
	const struct look look = { .name = name, .buffer = buffer };

	return find_locked(env, &look, found);
}

enum log_find evkv__log_find_now(struct log_env *env, struct log_name *name,
    bool value, struct log_buffer *buffer, struct log_found *found)
{
	const struct look look = {
		.name = name, .value = value, .now = true, .buffer = buffer
	};
	enum log_find result = LOG_ABSENT;

	if (pthread_rwlock_tryrdlock(&env->lock) != 0)
		return LOG_AGAIN;
	if (env->index.directory == NULL)
		result = LOG_AGAIN;
	else if (evkv__log_name_known(env, name))
		result = find_locked(env, &look, found);
	pthread_rwlock_unlock(&env->lock);
	return result;
}

struct places {
	struct log_entry entries[PLACES];
	struct log_file *files[PLACES];
	size_t count;
	bool many; /* more than there is room for */
};

static void places_gather(struct log_env *env, const struct log_name *name,
    struct places *places)
{
	struct log_entry *entry = evkv__log_index_first(&env->index,
	    name->hash.high);

	for (; entry != NULL; entry = log_index_next(entry)) {
		if (entry->place == LOG_RESERVED || entry->tag != name->tag)
			continue;
		places->many = places->count == PLACES;
		if (places->many)
			break;
		places->entries[places->count] = *entry;
		places->files[places->count++] = log_place_file(env,
		    entry->place);
	}
}

enum log_find evkv__log_find(struct log_env *env, struct log_name *name,
    bool value, struct log_buffer *buffer, struct log_found *found)
{
	const struct look look = {
		.name = name, .value = value, .buffer = buffer
	};
	enum log_find result = LOG_ABSENT, worst = LOG_ABSENT;
	struct places places;
	size_t i;

	pthread_rwlock_rdlock(&env->lock);
	places.count = 0;
	places.many = false;
	if (evkv__log_name_known(env, name))
		places_gather(env, name, &places);
	if (places.many) {
		result = find_locked(env, &look, found);
		pthread_rwlock_unlock(&env->lock);
		return result;
	}
	for (i = 0; i < places.count; i++)
		evkv__log_file_ref(places.files[i]);
	pthread_rwlock_unlock(&env->lock);
	for (i = 0; i < places.count; i++) {
		if (result != LOG_FOUND)
			result = look_at(&look, places.files[i],
			    &places.entries[i], found);
		if (result != LOG_ABSENT)
			worst = result;
		evkv__log_file_unref(places.files[i]);
	}
	return result == LOG_FOUND ? result : worst;
}

/* ---- Cells --------------------------------------------------------------- */

static void cell_fill(const struct log_read *read, enum log_find result,
    const struct log_found *found, struct file_cell *cell)
{
	const char *path = read->env->config.path;

	*cell = (struct file_cell){ .status = EVKV_OK };
	switch (result) {
	case LOG_FOUND: break;
	case LOG_ABSENT: cell->status = EVKV_NOT_FOUND; return;
	case LOG_NOMEM: cell->status = EVKV_NOMEM; return;
	case LOG_IO:
		cell->status = EVKV_IO;
		evkv__file_fail(read->failure, EVKV_IO, errno,
		    "%s: can't read an entry", path);
		return;
	default:
		cell->status = EVKV_CORRUPT;
		evkv__file_fail(read->failure, EVKV_CORRUPT, 0,
		    "%s: can't read an entry: damaged", path);
		return;
	}
	if (!log_live(&found->item, read->now_ms)) {
		cell->status = EVKV_NOT_FOUND;
		return;
	}
	cell->expires_ms = (int64_t)found->item.expires;
	cell->version = evkv_version_counted(read->env->instance,
	    found->item.version);
	if (read->request->kind != EVKV_OP_EXISTS) {
		cell->value = evkv_value_new(found->value);
		if (cell->value == NULL)
			cell->status = EVKV_NOMEM;
	}
}

static void name_of(struct log_name *name, const struct log_read *read,
    size_t index)
{
	name->collection = read->request->collection;
	name->key = read->request->keys[index];
	log_name_hash(read->env, name);
}

void evkv__log_read_cell(const struct log_read *read, size_t index,
    struct file_cell *cell)
{
	const struct evkv_request *request = read->request;
	struct log_found found;
	struct log_name name;
	enum log_find result;

	evkv_value_unref(cell->value);
	name_of(&name, read, index);
	result = evkv__log_find(read->env, &name,
	    request->kind != EVKV_OP_EXISTS, read->buffer, &found);
	cell_fill(read, result, &found, cell);
}

bool evkv__log_read_cell_now(const struct log_read *read, size_t index,
    struct file_cell *cell)
{
	struct log_name name;
	struct log_found found;
	enum log_find result;

	name_of(&name, read, index);
	result = evkv__log_find_now(read->env, &name,
	    read->request->kind != EVKV_OP_EXISTS, read->buffer, &found);

	if (result == LOG_AGAIN)
		return false;
	cell_fill(read, result, &found, cell);
	return true;
}
