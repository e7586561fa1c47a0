/*
 * stores/log/names.c - enumeration, in the order of hashes: names are in the
 * records.
 *
 * A position is the hash to go on with. Entries with one hash come on one page,
 * so that a page ends between two hashes.
 */
#include <errno.h>

#include "stores/log/env.h"

#define STEP 256
#define LOOK_MAX 200000 /* entries that a page looks at */
#define READ_MAX 20000  /* records that it reads */

struct keys {
	struct log_env *env;
	const struct evkv_request *request;
	int64_t now_ms;
	struct log_buffer *buffer;
	struct name_page *page;
	uint64_t hash;
	uint32_t number;
	size_t looked, read;
	struct log_entry entries[STEP];
	struct log_file *files[STEP];
};

/* The entries of the collection from keys->hash on. */
static size_t keys_gather(struct keys *keys, bool *more, uint64_t *next)
{
	struct log_env *env = keys->env;
	struct log_entry entries[STEP];
	size_t count, picked = 0, i;

	pthread_rwlock_rdlock(&env->lock);
	count = evkv__log_index_walk(&env->index, keys->hash, entries, STEP,
	    more);
	for (i = 0; i < count; i++) {
		if (entries[i].place == LOG_RESERVED ||
		    log_tag_collection(entries[i].tag) != keys->number)
			continue;
		keys->entries[picked] = entries[i];
		keys->files[picked++] = evkv__log_file_ref(log_place_file(env,
		    entries[i].place));
	}
	pthread_rwlock_unlock(&env->lock);
	keys->looked += count;
	*next = count > 0 ? entries[count - 1].hash + 1 : 0;
	*more = *more && *next != 0;
	return picked;
}

/* One that is damaged can't be named. */
static int keys_look(struct keys *keys, size_t i)
{
	const struct evkv_request *request = keys->request;
	struct evkv_slice key;
	struct log_item item;

	keys->read++;
	switch (evkv__log_read_head(keys->files[i], keys->entries[i].place,
	    keys->buffer, &item)) {
	case LOG_FOUND: break;
	case LOG_DAMAGED: return 0;
	case LOG_NOMEM: return ENOMEM;
	default: return EIO;
	}
	key = log_item_key(keys->buffer->data, &item);
	if (!log_live(&item, keys->now_ms) ||
	    !evkv_match(request->match.prefix, request->match.pattern, key))
		return 0;
	return evkv__name_page_add(keys->page, key);
}

static bool keys_full(const struct keys *keys)
{
	return evkv__name_page_full(keys->page, keys->request) ||
	    keys->looked >= LOOK_MAX || keys->read >= READ_MAX;
}

/* What was gathered, up to where the page is full; moves keys->hash on. */
static int keys_names(struct keys *keys, size_t count, uint64_t next,
    bool *full)
{
	size_t i;
	int code = 0;

	*full = false;
	for (i = 0; i < count; i++) {
		bool begins = i == 0 ||
		    keys->entries[i].hash != keys->entries[i - 1].hash;

		if (code == 0 && begins && !*full && i > 0 && keys_full(keys)) {
			*full = true;
			next = keys->entries[i].hash;
		}
		if (code == 0 && !*full)
			code = keys_look(keys, i);
		evkv__log_file_unref(keys->files[i]);
	}
	keys->hash = next;
	return code;
}

static void position_put(struct name_page *page, uint64_t n, size_t size)
{
	unsigned char bytes[8];

	log_put_le(bytes, n, size);
	evkv__name_page_position(page, bytes, size);
}

static int keys_page(struct keys *keys)
{
	bool more = true, full = false;
	uint64_t next;
	size_t count;
	int code = 0;

	while (code == 0 && more && !full) {
		count = keys_gather(keys, &more, &next);
		code = keys_names(keys, count, next, &full);
		full = full || keys_full(keys);
	}
	keys->page->more = code == 0 && (more || full) && keys->hash != 0;
	position_put(keys->page, keys->hash, 8);
	return code;
}

int evkv__log_keys(struct log_env *env, const struct evkv_request *request,
    struct evkv_slice position, int64_t now_ms, struct log_buffer *buffer,
    struct name_page *page)
{
	struct keys keys = { .env = env,
		.request = request,
		.now_ms = now_ms,
		.buffer = buffer,
		.page = page };
	bool known;

	pthread_rwlock_rdlock(&env->lock);
	known = evkv__log_collection_find(env, request->collection,
	    evkv__log_collection_hash(&env->key, request->collection),
	    &keys.number);
	pthread_rwlock_unlock(&env->lock);
	if (!known)
		return 0;
	if (position.size == 8)
		keys.hash = log_get_le(position.data, 8);
	return keys_page(&keys);
}

/* ---- Collections --------------------------------------------------------- */

/* Whether one of its entries has not expired; all have a TTL. */
static int collection_lives(struct keys *keys, bool *lives)
{
	enum log_find result;
	struct log_item item;
	bool more = true;
	size_t count, i;
	int code = 0;

	*lives = false;
	for (keys->hash = 0; more && !*lives && code == 0;) {
		count = keys_gather(keys, &more, &keys->hash);
		for (i = 0; i < count; i++) {
			if (!*lives && code == 0) {
				result = evkv__log_read_head(keys->files[i],
				    keys->entries[i].place, keys->buffer,
				    &item);
				if (result == LOG_NOMEM)
					code = ENOMEM;
				*lives = result != LOG_FOUND ||
				    log_live(&item, keys->now_ms);
			}
			evkv__log_file_unref(keys->files[i]);
		}
		/* Rather one too many than a page that takes for ever. */
		if (keys->looked >= LOOK_MAX)
			*lives = true;
	}
	return code;
}

struct collection_look {
	bool there, sure;
	uint8_t size;
	unsigned char name[EVKV_COLLECTION_MAX];
};

/* false: there is no such number. */
static bool collection_at(struct keys *keys, struct collection_look *look)
{
	struct log_env *env = keys->env;
	const struct log_collection *one;
	bool found;

	pthread_rwlock_rdlock(&env->lock);
	found = keys->number < env->collections.count;
	if (found) {
		one = env->collections.all[keys->number];
		look->there = one->entries > 0;
		look->sure = one->forever > 0;
		look->size = one->size;
		memcpy(look->name, one->name, one->size);
		if (!look->sure && log_coarse_over(one->latest, keys->now_ms))
			look->there = false;
	}
	pthread_rwlock_unlock(&env->lock);
	return found;
}

int evkv__log_collections(struct log_env *env,
    const struct evkv_request *request, struct evkv_slice position,
    int64_t now_ms, struct log_buffer *buffer, struct name_page *page)
{
	struct keys keys = { .env = env,
		.request = request,
		.now_ms = now_ms,
		.buffer = buffer,
		.page = page };
	struct collection_look look;
	struct evkv_slice name;
	bool lives;
	int code = 0;

	if (position.size == 4)
		keys.number = (uint32_t)log_get_le(position.data, 4);
	for (; code == 0 && collection_at(&keys, &look); keys.number++) {
		page->more = evkv__name_page_full(page, request) ||
		    keys.looked >= LOOK_MAX;
		if (page->more)
			break;
		name = evkv_bytes(look.name, look.size);
		if (!look.there ||
		    !evkv_match(request->match.prefix, request->match.pattern,
			name))
			continue;
		lives = look.sure;
		if (!lives)
			code = collection_lives(&keys, &lives);
		if (code == 0 && lives)
			code = evkv__name_page_add(page, name);
	}
	position_put(page, keys.number, 4);
	return code;
}
