/*
 * stores/log/compact.c - compaction, a piece at a time; and index files that
 * are missing. The keeper's.
 *
 * Files that lie side by side and whose live records fit into one segment are
 * replaced by one file with those, which has their range of versions. It is
 * written as N.copy; what was copied is made durable, then the index is moved
 * to it, entry by entry, where it still points to the record that was copied.
 * When all is copied the file is sealed, gets its name N.data, durably, and
 * only then are the old files removed, and whatever happens before loses
 * nothing: a .copy is removed at the next start, and the old files are there.
 *
 * A tombstone is kept while an older file may have what it removed. A record
 * that has expired stands for one, since an older value of its key may be
 * somewhere too.
 *
 * What fails is tried again: nothing is dropped before it is done. So a file
 * that is damaged ends compactions, as what is in the rest of it is not known.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "evkv/alloc.h"
#include "stores/log/env.h"

#define SOURCES_MAX 64
#define PIECE_BYTES ((uint64_t)1 << 20) /* that are copied */
#define PIECE_READ ((uint64_t)16 << 20) /* that are walked */
#define PIECE_MOVES 4096
#define MOVE_STEP 256 /* under one lock */
#define SMALL_PART 8  /* a file of less than that part of a segment is small */

struct log_move {
	uint64_t hash, from, to;
};

struct log_compaction {
	struct log_file *sources[SOURCES_MAX]; /* with references */
	size_t count, at; /* and where they are in the order */
	struct log_file *out;
	size_t source; /* that is walked */
	struct log_scan scan;
	bool scanning, copied, sealed, named;
	bool again;          /* the item that the scan has is not done yet */
	uint64_t size, puts; /* of `out`: written and in the buffer */
	/* Not written yet. */
	unsigned char *buffer;
	size_t used, room;
	struct log_move moves[PIECE_MOVES];
	size_t move_count;
};

/* ---- Choosing ------------------------------------------------------------ */

struct choice {
	const struct log_env *env;
	bool all;
	uint64_t up_to;
	double ratio;
};

/* With the lock held. */
static bool choice_wants(const struct choice *choice, size_t at)
{
	const struct log_file *file = choice->env->order[at];
	uint64_t dead;

	if (!file->sealed)
		return false;
	if (choice->all)
		return file->head.number <= choice->up_to &&
		    (file->puts != file->live ||
			(file->tombstone_bytes > 0 &&
			    !evkv__log_older_exists(choice->env, at,
				file->last)));
	dead = evkv__log_dead_bytes(choice->env, at);
	return dead > 0 && (double)dead >= choice->ratio * (double)file->size;
}

static uint64_t choice_bytes(const struct log_file *file)
{
	return file->live_bytes + file->tombstone_bytes;
}

static uint64_t choice_items(const struct log_file *file)
{
	return file->live + file->tombstone_bytes / LOG_ITEM_HEAD;
}

/* Whether a neighbour goes along: it is to go anyway, or is small. */
static bool choice_joins(const struct choice *choice, size_t at)
{
	const struct log_file *file = choice->env->order[at];

	return file->sealed &&
	    (choice_wants(choice, at) ||
		file->size < choice->env->config.segment_bytes / SMALL_PART);
}

/* Those from `first` on that go into one file. */
static size_t choice_run(const struct choice *choice, size_t first)
{
	const struct log_env *env = choice->env;
	uint64_t bytes = 0, items = 0;
	size_t at = first;

	for (; at < env->order_count && at - first < SOURCES_MAX; at++) {
		if (at > first && !choice_joins(choice, at))
			break;
		bytes += choice_bytes(env->order[at]);
		items += choice_items(env->order[at]);
		if (at > first &&
		    (bytes + LOG_FILE_HEAD + LOG_ITEM_HEAD >
			    env->config.segment_bytes ||
			items > LOG_FILE_ITEMS))
			break;
	}
	return at - first;
}

/* Under the pressure of max_bytes whatever is dead is worth the work. */
static bool choose(struct log_env *env, bool all, uint64_t up_to, size_t *first,
    size_t *count)
{
	struct choice choice = { .env = env,
		.all = all,
		.up_to = up_to,
		.ratio = env->config.compact_ratio };
	size_t i;

	if (!evkv__log_room(env, env->config.segment_bytes / SMALL_PART) &&
	    choice.ratio > 0.05)
		choice.ratio = 0.05;
	for (i = 0; i < env->order_count; i++) {
		if (!choice_wants(&choice, i))
			continue;
		*first = i;
		*count = choice_run(&choice, i);
		return true;
	}
	return false;
}

/* ---- Beginning ----------------------------------------------------------- */

static void compaction_free(struct log_env *env)
{
	struct log_compaction *c = env->compaction;
	size_t i;

	if (c == NULL)
		return;
	if (c->scanning)
		evkv__log_scan_end(&c->scan);
	for (i = 0; i < c->count; i++)
		evkv__log_file_unref(c->sources[i]);
	evkv_free(c->buffer);
	evkv_free(c);
	env->compaction = NULL;
}

/* The file is in the table, so that the index may point to it. */
static int begin_out(struct log_env *env, struct log_compaction *c,
    uint64_t created)
{
	struct file_failure failure = { .status = EVKV_OK };
	struct log_file_head head = { .flags = LOG_FLAG_COPY,
		.number = __atomic_add_fetch(&env->numbered, 1,
		    __ATOMIC_RELAXED),
		.instance = env->instance,
		.first = c->sources[0]->head.first,
		.extent = c->sources[c->count - 1]->last,
		.created = created };
	bool sparse = true, ok;

	if (getrandom(&head.id, sizeof(head.id), 0) != (ssize_t)sizeof(head.id))
		return EIO;
	c->out = evkv__log_file_make(env->folder, &head, ".copy", LOG_FILE_HEAD,
	    &sparse, &failure);
	if (c->out == NULL)
		return failure.sys_error != 0 ? failure.sys_error : ENOMEM;
	c->size = LOG_FILE_HEAD;
	pthread_rwlock_wrlock(&env->lock);
	ok = evkv__log_table_add(env, c->out);
	pthread_rwlock_unlock(&env->lock);
	if (!ok)
		evkv__log_file_unref(c->out);
	return ok ? 0 : ENOMEM;
}

/* 0, an errno, or -1 where there is nothing to do. */
static int begin(struct log_env *env, bool all, uint64_t up_to)
{
	struct log_compaction *c = evkv_calloc(1, sizeof(*c));
	uint64_t created;
	bool chosen;
	size_t i;
	int code;

	if (c == NULL)
		return ENOMEM;
	pthread_rwlock_rdlock(&env->lock);
	chosen = choose(env, all, up_to, &c->at, &c->count);
	if (!chosen)
		c->count = 0;
	for (i = 0; i < c->count; i++)
		c->sources[i] = evkv__log_file_ref(env->order[c->at + i]);
	created = env->applied;
	pthread_rwlock_unlock(&env->lock);
	env->compaction = c;
	code = chosen ? begin_out(env, c, created) : -1;
	if (code != 0)
		compaction_free(env);
	return code;
}

/* ---- Copying ------------------------------------------------------------- */

static bool copy_room(struct log_compaction *c, uint64_t more)
{
	size_t wanted = c->room > 0 ? c->room : (size_t)PIECE_BYTES * 2;
	unsigned char *larger;

	if (c->used + more <= c->room)
		return true;
	while (wanted < c->used + more)
		wanted *= 2;
	larger = evkv_malloc(wanted);
	if (larger == NULL)
		return false;
	if (c->used > 0)
		memcpy(larger, c->buffer, c->used);
	evkv_free(c->buffer);
	c->buffer = larger;
	c->room = wanted;
	return true;
}

/* The item that the scan has, as it is or as a tombstone. */
static bool copy_item(struct log_compaction *c, enum log_kind kind)
{
	const struct log_scan *scan = &c->scan;
	struct log_item item = scan->item;
	struct evkv_slice value = evkv_bytes(NULL, 0);
	unsigned char *at;
	uint64_t size;

	if (kind == LOG_PUT)
		value = log_item_value(scan->at, &item);
	else
		item.expires = item.value_size = 0;
	item.kind = kind;
	size = log_item_size(&item);
	if (!copy_room(c, size))
		return false;
	at = c->buffer + c->used;
	memset(at, 0, (size_t)size);
	evkv__log_item_write(at, evkv__log_seed(c->out->head.id, c->size),
	    &item, log_item_collection(scan->at, &scan->item),
	    log_item_key(scan->at, &scan->item), value);
	if (value.size > 0)
		memcpy(at + log_item_named(&item), value.data, value.size);
	c->used += (size_t)size;
	c->size += size;
	c->puts += kind == LOG_PUT;
	return true;
}

/* A record that the index points to. */
static bool copy_live(struct log_compaction *c, uint64_t hash, uint64_t from)
{
	uint64_t offset = c->size;

	if (!copy_item(c, LOG_PUT))
		return false;
	c->moves[c->move_count++] = (struct log_move){ .hash = hash,
		.from = from,
		.to = evkv__log_place(c->out->slot, offset, c->size - offset) };
	return true;
}

/* false = no memory. */
static bool copy_decide(struct log_env *env, struct log_compaction *c,
    int64_t now_ms)
{
	const struct log_scan *scan = &c->scan;
	const struct log_item *item = &scan->item;
	struct log_hash hash = evkv__log_hash(&env->key,
	    log_item_collection(scan->at, item), log_item_key(scan->at, item));
	uint64_t place = evkv__log_place(c->sources[c->source]->slot,
	    scan->item_offset, log_item_size(item));
	bool live, older;

	pthread_rwlock_rdlock(&env->lock);
	live = item->kind == LOG_PUT &&
	    evkv__log_index_at(&env->index, hash.high, place) != NULL;
	older = evkv__log_older_exists(env, c->at, item->version);
	pthread_rwlock_unlock(&env->lock);
	if (live)
		return copy_live(c, hash.high, place);
	if (!older || (item->kind == LOG_PUT && log_live(item, now_ms)))
		return true;
	return copy_item(c, LOG_TOMBSTONE);
}

/* Fill the buffer. 0 or an errno. */
static int copy_some(struct log_env *env, struct log_compaction *c,
    int64_t now_ms)
{
	uint64_t walked = 0, before;
	size_t items = 0;
	int code = 0;

	while (code == 0 && !c->copied && c->used < PIECE_BYTES &&
	    c->move_count < PIECE_MOVES && walked < PIECE_READ) {
		if (!c->scanning &&
		    !evkv__log_scan_begin(&c->scan, c->sources[c->source]))
			return ENOMEM;
		c->scanning = true;
		log_make_way(++items);
		before = c->scan.offset;
		switch (c->again ? LOG_STEP_ITEM
				 : evkv__log_scan_next(&c->scan, true)) {
		case LOG_STEP_ITEM:
			c->again = !copy_decide(env, c, now_ms);
			if (c->again)
				code = ENOMEM;
			break;
		case LOG_STEP_SEAL:
			evkv__log_scan_end(&c->scan);
			c->scanning = false;
			c->copied = ++c->source == c->count;
			break;
		case LOG_STEP_NOMEM: code = ENOMEM; break;
		case LOG_STEP_IO: code = errno; break;
		default: code = EBADMSG; break;
		}
		walked += c->scan.offset - before;
	}
	return code;
}

/* ---- Moving -------------------------------------------------------------- */

static void moves_apply(struct log_env *env, struct log_compaction *c)
{
	struct log_entry *entry;
	size_t i = 0, end;

	while (i < c->move_count) {
		end = i + MOVE_STEP < c->move_count ? i + MOVE_STEP
						    : c->move_count;
		pthread_rwlock_wrlock(&env->lock);
		for (; i < end; i++) {
			entry = evkv__log_index_at(&env->index,
			    c->moves[i].hash, c->moves[i].from);
			if (entry == NULL)
				continue;
			evkv__log_tally(env, entry, -1);
			entry->place = c->moves[i].to;
			evkv__log_tally(env, entry, 1);
		}
		pthread_rwlock_unlock(&env->lock);
	}
	c->move_count = 0;
}

/* Make durable what is in the buffer, then let the index point to it. */
static int copy_flush(struct log_env *env, struct log_compaction *c)
{
	if (c->used > 0 &&
	    (!evkv__log_pwrite(c->out->fd, c->buffer, c->used,
		 c->size - c->used) ||
		fdatasync(c->out->fd) != 0))
		return errno;
	log_count_add(&env->counts.copied, c->used);
	log_count_add(&env->counts.written, c->used);
	c->used = 0;
	moves_apply(env, c);
	return 0;
}

/* ---- The end ------------------------------------------------------------- */

static void remove_sources(struct log_env *env, struct log_compaction *c)
{
	char name[LOG_NAME_ROOM];
	size_t i;

	for (i = 0; i < c->count; i++) {
		evkv__log_file_name(name, c->sources[i]->head.number, ".index");
		unlinkat(env->folder, name, 0);
		evkv__log_file_name(name, c->sources[i]->head.number, ".data");
		unlinkat(env->folder, name, 0);
	}
	evkv__folder_sync(env->folder);
}

/* Nothing of the index points to the old files any more. */
static void replace(struct log_env *env, struct log_compaction *c)
{
	size_t i;

	pthread_rwlock_wrlock(&env->lock);
	evkv__log_file_sealed(c->out, c->size, c->out->head.extent, c->puts);
	evkv__log_order_put(env, c->at, c->count, c->out);
	for (i = 0; i < c->count; i++) {
		assert(c->sources[i]->live == 0);
		evkv__log_table_drop(env, c->sources[i]);
	}
	evkv__log_show(env);
	pthread_rwlock_unlock(&env->lock);
}

static int finish(struct log_env *env, struct log_compaction *c)
{
	if (!c->sealed &&
	    !evkv__log_file_seal(c->out, c->size, c->out->head.extent, c->puts))
		return errno;
	c->sealed = true;
	if (!c->named && !evkv__log_file_rename(env->folder, c->out, ".copy"))
		return errno;
	c->named = true;
	if (!evkv__folder_sync(env->folder))
		return errno;
	replace(env, c);
	remove_sources(env, c);
	log_count_add(&env->counts.compactions, 1);
	compaction_free(env);
	return 0;
}

int evkv__log_compact_piece(struct log_env *env, bool all, uint64_t all_up_to,
    int64_t now_ms, uint64_t *copied, bool *finished)
{
	struct log_compaction *c;
	int code = 0;

	*copied = 0;
	*finished = false;
	if (env->compaction == NULL)
		code = begin(env, all, all_up_to);
	if (code != 0) {
		*finished = true;
		return code < 0 ? 0 : code;
	}
	c = env->compaction;
	if (c->used == 0 && c->move_count == 0)
		code = copy_some(env, c, now_ms);
	*copied = c->used;
	if (code == 0)
		code = copy_flush(env, c);
	if (code == 0 && c->copied)
		code = finish(env, c);
	*finished = code != 0;
	return code;
}

/* Everything is still in the old files. */
void evkv__log_compact_stop(struct log_env *env)
{
	struct log_compaction *c = env->compaction;
	char name[LOG_NAME_ROOM];

	if (c == NULL)
		return;
	evkv__log_file_name(name, c->out->head.number,
	    c->named ? ".data" : ".copy");
	unlinkat(env->folder, name, 0);
	compaction_free(env);
}

/* ---- Index files --------------------------------------------------------- */

static struct log_file *keep_next(struct log_env *env)
{
	struct log_file *file = NULL;
	size_t i;

	pthread_rwlock_rdlock(&env->lock);
	for (i = 0; i < env->order_count && file == NULL; i++) {
		if (env->order[i]->sealed && !env->order[i]->indexed)
			file = evkv__log_file_ref(env->order[i]);
	}
	pthread_rwlock_unlock(&env->lock);
	return file;
}

/* One that can't be made is left to the next start. */
bool evkv__log_keep(struct log_env *env)
{
	struct log_file *file = keep_next(env);

	if (file == NULL)
		return false;
	evkv__log_index_file_make(env, file);
	pthread_rwlock_wrlock(&env->lock);
	file->indexed = true;
	pthread_rwlock_unlock(&env->lock);
	evkv__log_file_unref(file);
	return true;
}
