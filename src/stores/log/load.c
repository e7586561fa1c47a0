/*
 * stores/log/load.c - opening and closing a log.
 *
 * Each data file has a range of versions, and the ranges lie end to end: a gap
 * is a file that is missing. A compaction's file has the range of those that it
 * replaces; where these are still there, they are removed.
 *
 * Only the last file may lack its seal. Where its items end, it was torn by a
 * crash: it is sealed there, and never appended to. If a later group says that
 * what is damaged was durable, or if another file is damaged, nothing is
 * changed and the log is not opened.
 *
 * Data files without an index file, or with one that is not theirs, are walked,
 * and get one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evkv/alloc.h"
#include "stores/log/env.h"

/* Versions that were given and lost are not given again. */
#define VERSION_STEP ((uint64_t)1 << 24)

#define LOOK_HINT                                                              \
	"Nothing was changed; see what is sound, and save it, with: "          \
	"evkv_log_check --salvage"

static bool no_memory(struct file_failure *failure)
{
	return evkv__file_fail(failure, EVKV_NOMEM, 0, "out of memory");
}

static bool load_errno(const struct log_env *env, const struct log_file *file,
    const char *what, int code, struct file_failure *failure)
{
	return evkv__file_fail(failure, evkv__file_errno_status(code), code,
	    "%s/%04" PRIu64 ".data: can't %s", env->config.path,
	    file->head.number, what);
}

/* ---- Which files --------------------------------------------------------- */

static uint64_t range_end(const struct log_file *file)
{
	return file->sealed ? file->last : UINT64_MAX;
}

static bool load_file(struct log_env *env, uint64_t number,
    struct file_failure *failure)
{
	struct log_file *file = evkv__log_file_open(env->folder, number,
	    env->config.path, failure);
	size_t at = env->order_count;

	if (file == NULL)
		return false;
	if (file->head.instance != env->instance) {
		evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s/%04" PRIu64
		    ".data: belongs to another store. Nothing was changed",
		    env->config.path, number);
		evkv__log_file_unref(file);
		return false;
	}
	if (!evkv__log_table_add(env, file)) {
		evkv__log_file_unref(file);
		return no_memory(failure);
	}
	while (at > 0 && env->order[at - 1]->head.first > file->head.first)
		at--;
	if (!evkv__log_order_put(env, at, 0, file)) {
		evkv__log_table_drop(env, file);
		return no_memory(failure);
	}
	return true;
}

static void unlink_file(struct log_env *env, uint64_t number)
{
	char name[LOG_NAME_ROOM];

	evkv__log_file_name(name, number, ".index");
	unlinkat(env->folder, name, 0);
	evkv__log_file_name(name, number, ".data");
	unlinkat(env->folder, name, 0);
}

static void order_drop(struct log_env *env, size_t at)
{
	memmove(env->order + at, env->order + at + 1,
	    (env->order_count - at - 1) * sizeof(struct log_file *));
	env->order_count--;
}

/* Whether a later copy has all that is in a file. */
static bool superseded(const struct log_env *env, const struct log_file *file)
{
	size_t i;

	for (i = 0; i < env->order_count; i++) {
		const struct log_file *other = env->order[i];

		if (other->head.number > file->head.number && other->sealed &&
		    (other->head.flags & LOG_FLAG_COPY) != 0 &&
		    other->head.first <= file->head.first &&
		    other->last >= range_end(file))
			return true;
	}
	return false;
}

static void load_supersede(struct log_env *env)
{
	struct log_file *file;
	size_t i = 0;

	while (i < env->order_count) {
		file = env->order[i];
		if (!superseded(env, file)) {
			i++;
			continue;
		}
		unlink_file(env, file->head.number);
		order_drop(env, i);
		evkv__log_table_drop(env, file);
	}
}

/* Ranges lie end to end. */
static bool load_check(struct log_env *env, struct file_failure *failure)
{
	uint64_t next = 1;
	size_t i;

	for (i = 0; i < env->order_count; i++) {
		const struct log_file *file = env->order[i];

		if (file->head.first != next)
			return evkv__file_fail(failure, EVKV_CORRUPT, 0,
			    "%s: a data file is missing before %04" PRIu64
			    ".data, or is there twice (versions %" PRIu64
			    " to %" PRIu64 "). " LOOK_HINT,
			    env->config.path, file->head.number, next,
			    file->head.first - 1);
		if (!file->sealed && i + 1 < env->order_count)
			return evkv__file_fail(failure, EVKV_CORRUPT, 0,
			    "%s/%04" PRIu64
			    ".data: was cut off or damaged at its end, at "
			    "offset %" PRIu64 ". " LOOK_HINT,
			    env->config.path, file->head.number, file->size);
		next = file->last + 1;
	}
	return true;
}

static bool load_files(struct log_env *env, struct file_failure *failure)
{
	uint64_t *numbers;
	size_t count, i;
	bool ok = evkv__log_folder_list(env, &numbers, &count, failure);

	if (ok && log_last_is_lost(env, numbers, count))
		ok = evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s/%04" PRIu64 ".data is missing: its index file is "
		    "there. " LOOK_HINT,
		    env->config.path, env->indexed);
	for (i = 0; ok && i < count; i++)
		ok = load_file(env, numbers[i], failure);
	if (ok) {
		load_supersede(env);
		ok = load_check(env, failure);
	}
	evkv_free(numbers);
	return ok;
}

/* ---- The end of the last file -------------------------------------------- */

static bool load_torn(struct log_env *env, struct log_file *file,
    const struct log_walk_end *end, struct file_failure *failure)
{
	struct stat stat;

	if (end->damage)
		return evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s/%04" PRIu64 ".data: damaged at offset %" PRIu64
		    ", before what was durable at %" PRIu64 ". " LOOK_HINT,
		    env->config.path, file->head.number, end->offset,
		    end->evidence);
	if (end->step == LOG_STEP_BAD && fstat(file->fd, &stat) == 0 &&
	    (uint64_t)stat.st_size < file->head.extent)
		return evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s/%04" PRIu64 ".data: was cut off at offset %" PRIu64
		    ". " LOOK_HINT,
		    env->config.path, file->head.number,
		    (uint64_t)stat.st_size);
	if (!evkv__log_file_seal(file, end->offset, end->last, end->puts))
		return load_errno(env, file, "seal it", errno, failure);
	evkv__log_file_sealed(file, end->offset, end->last, end->puts);
	if (end->step == LOG_STEP_BAD)
		snprintf(env->notes, sizeof(env->notes),
		    "%s: %04" PRIu64 ".data: cut at offset %" PRIu64
		    " after a crash",
		    env->config.path, file->head.number, end->offset);
	return true;
}

/* Walk one and give it an index file; its rows, in memory where that fails. */
static struct log_reader *load_walk(struct log_env *env, struct log_file *file,
    struct file_failure *failure)
{
	struct log_walk_end end;
	struct log_rows rows;
	struct log_reader *reader = NULL;
	bool sealed = file->sealed;

	evkv__log_rows_gather(env, file, &rows, &end);
	if (end.step == LOG_STEP_IO)
		load_errno(env, file, "read it", end.sys_error, failure);
	else if (end.step == LOG_STEP_NOMEM)
		no_memory(failure);
	else if (sealed && end.step != LOG_STEP_SEAL)
		evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s/%04" PRIu64 ".data: damaged at offset %" PRIu64
		    ". " LOOK_HINT,
		    env->config.path, file->head.number, end.offset);
	else if (sealed || load_torn(env, file, &end, failure)) {
		if (evkv__log_rows_write(env, file, &rows))
			reader = evkv__log_reader_open(env, file);
		file->indexed = reader != NULL;
		if (reader == NULL)
			reader = evkv__log_reader_of_rows(&rows);
		if (reader == NULL)
			no_memory(failure);
	}
	evkv__log_rows_free(&rows);
	return reader;
}

/* ---- The index ----------------------------------------------------------- */

static void load_note_walks(struct log_env *env, size_t walked)
{
	size_t used = strlen(env->notes);

	if (walked > 0)
		snprintf(env->notes + used, sizeof(env->notes) - used,
		    "%s%s: %zu data files had no index file and were read",
		    used > 0 ? "; " : "", env->config.path, walked);
}

static bool load_readers(struct log_env *env, struct log_reader **readers,
    struct file_failure *failure)
{
	size_t i, walked = 0;

	for (i = 0; i < env->order_count; i++) {
		struct log_file *file = env->order[i];

		if (file->sealed)
			readers[i] = evkv__log_reader_open(env, file);
		file->indexed = readers[i] != NULL;
		if (readers[i] == NULL) {
			log_count_add(&env->counts.to_scan, file->size);
			readers[i] = load_walk(env, file, failure);
			walked++;
		}
		if (readers[i] == NULL)
			return false;
	}
	load_note_walks(env, walked);
	return true;
}

static void index_forget(struct log_env *env)
{
	size_t i;

	evkv__log_index_free(&env->index);
	evkv__log_collections_free(&env->collections);
	env->expiring = 0;
	for (i = 0; i < env->order_count; i++) {
		env->order[i]->live = env->order[i]->live_bytes = 0;
		env->order[i]->tombstone_bytes = 0;
	}
}

/* One try; *again: an index file was damaged, and is removed. */
static bool load_index(struct log_env *env, int64_t now_ms, bool *again,
    struct file_failure *failure)
{
	struct log_reader **readers = evkv_calloc(env->order_count + 1,
	    sizeof(struct log_reader *));
	char name[LOG_NAME_ROOM];
	size_t bad = SIZE_MAX, i;
	bool ok;

	*again = false;
	if (readers == NULL)
		return no_memory(failure);
	ok = load_readers(env, readers, failure) &&
	    evkv__log_merge(env, readers, now_ms, &bad, failure);
	for (i = 0; i < env->order_count; i++)
		evkv__log_reader_free(readers[i]);
	evkv_free(readers);
	if (bad != SIZE_MAX) {
		evkv__log_file_name(name, env->order[bad]->head.number,
		    ".index");
		*again = unlinkat(env->folder, name, 0) == 0;
		if (!*again)
			load_errno(env, env->order[bad],
			    "replace its index file", errno, failure);
	}
	if (!ok)
		index_forget(env);
	return ok;
}

/* ---- Opening ------------------------------------------------------------- */

static void load_versions(struct log_env *env)
{
	struct log_file *last = env->order_count > 0
	    ? env->order[env->order_count - 1]
	    : NULL;

	/* Ranges lie end to end, so the jump is in that of the next file. */
	env->ended = last != NULL ? last->last : 0;
	env->version = env->ended + (last != NULL ? VERSION_STEP : 0);
	env->applied = env->version;
}

static void env_reset(struct log_env *env)
{
	memset(&env->counts, 0, sizeof(env->counts));
	env->active = NULL;
	env->torn = env->reserved = env->of_reserve = false;
	env->sparse = false;
	env->indexed = env->numbered = 0;
	env->notes[0] = '\0';
}

/* Whether this file system can read without waiting. */
static void load_probe(struct log_env *env)
{
	int fd = openat(env->folder, "STORE", O_RDONLY | O_CLOEXEC);
	char byte;

	env->nowait = fd >= 0 &&
	    (evkv__log_pread_now(fd, &byte, 1, 0) >= 0 || errno == EAGAIN);
	if (fd >= 0)
		close(fd);
}

/* With the lock held alone: nobody uses a log that is not open. */
static bool load(struct log_env *env, int64_t now_ms,
    struct file_failure *failure)
{
	bool again = true, ok = false;
	size_t tries;

	if (!load_files(env, failure))
		return false;
	for (tries = 0; again && tries <= env->order_count; tries++)
		ok = load_index(env, now_ms, &again, failure);
	if (!ok)
		return false;
	load_versions(env);
	load_probe(env);
	evkv__log_reserve(env);
	evkv__log_show(env);
	return true;
}

bool evkv__log_open(struct log_env *env, int64_t now_ms,
    struct file_failure *failure)
{
	bool ok;

	env_reset(env);
	if (!evkv__log_folder_open(env, failure))
		return false;
	pthread_rwlock_wrlock(&env->lock);
	ok = load(env, now_ms, failure);
	pthread_rwlock_unlock(&env->lock);
	if (!ok)
		evkv__log_close(env);
	return ok;
}

int evkv__log_close(struct log_env *env)
{
	int code = 0;
	uint32_t i;

	if (env->folder < 0)
		return 0;
	evkv__log_compact_stop(env);
	if (env->active != NULL)
		code = evkv__log_roll(env);
	while (evkv__log_keep(env))
		;
	pthread_rwlock_wrlock(&env->lock);
	index_forget(env);
	for (i = 0; i < env->slots; i++)
		evkv__log_file_unref(env->table[i]);
	evkv_free(env->table);
	evkv_free(env->order);
	env->table = env->order = NULL;
	env->slots = 0;
	env->order_count = env->order_room = 0;
	env->active = NULL;
	pthread_rwlock_unlock(&env->lock);
	evkv__log_folder_close(env);
	return code;
}
