/*
 * stores/log/append.c - the file that is written: made, rolled, brought to the
 * disk, and cut after a write that has failed.
 *
 * Order of what is made durable: a new file with its name, before anything is
 * in it that counts; the old one with its seal, before the new one is made. So
 * of two records the later one never survives alone, across files either.
 *
 * After a failed write or fsync the file has, behind what is known to be
 * durable, nobody knows what. It is sealed there, which takes back all of it,
 * and nothing is ever appended behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "stores/log/env.h"

#define RESERVE_NAME "RESERVE"
#define RESERVE_LEAST ((uint64_t)64 << 10)
#define RESERVE_MOST ((uint64_t)16 << 20)

/* ---- Room ---------------------------------------------------------------- */

static uint64_t reserve_size(const struct log_env *env)
{
	uint64_t size = env->config.segment_bytes / 16;

	return size < RESERVE_LEAST ? RESERVE_LEAST
	    : size > RESERVE_MOST   ? RESERVE_MOST
				    : size;
}

/* A segment more than this is left to compactions. */
bool evkv__log_room(const struct log_env *env, uint64_t size)
{
	uint64_t kept = env->config.segment_bytes + reserve_size(env);
	uint64_t used = __atomic_load_n(&env->counts.bytes, __ATOMIC_RELAXED);

	return used + size + kept <= env->config.max_bytes;
}

static bool room_on_disk(const struct log_env *env, uint64_t size)
{
	struct statvfs found;

	return fstatvfs(env->folder, &found) != 0 ||
	    (uint64_t)found.f_bavail * found.f_frsize >= size;
}

void evkv__log_reserve(struct log_env *env)
{
	bool sparse = false;
	int fd;

	if (env->reserved)
		return;
	fd = openat(env->folder, RESERVE_NAME, O_RDWR | O_CREAT | O_CLOEXEC,
	    FOLDER_FILE_MODE);
	if (fd < 0)
		return;
	env->reserved = evkv__file_extend(fd, 0, (off_t)reserve_size(env),
			    &sparse) == 0;
	close(fd);
}

/* ---- A new file ---------------------------------------------------------- */

static uint64_t next_number(struct log_env *env)
{
	return __atomic_add_fetch(&env->numbered, 1, __ATOMIC_RELAXED);
}

static int active_enter(struct log_env *env, struct log_file *file)
{
	bool ok;

	pthread_rwlock_wrlock(&env->lock);
	ok = evkv__log_table_add(env, file);
	if (ok && !evkv__log_order_put(env, env->order_count, 0, file)) {
		env->table[file->slot] = NULL;
		ok = false;
	}
	pthread_rwlock_unlock(&env->lock);
	return ok ? 0 : ENOMEM;
}

/* What is in doubt may have its name: it is empty, and no harm. */
static int active_make(struct log_env *env, uint64_t number, uint64_t room)
{
	struct file_failure failure = { .status = EVKV_OK };
	struct log_file_head head = { .number = number,
		.instance = env->instance,
		.first = env->ended + 1,
		.extent = room,
		.created = env->version };
	struct log_file *file;
	int code = 0;

	if (getrandom(&head.id, sizeof(head.id), 0) != (ssize_t)sizeof(head.id))
		return EIO;
	file = evkv__log_file_make(env->folder, &head, ".new", room,
	    &env->sparse, &failure);
	if (file == NULL)
		return failure.sys_error != 0 ? failure.sys_error : ENOMEM;
	if (!evkv__log_file_rename(env->folder, file, ".new") ||
	    !evkv__folder_sync(env->folder))
		code = errno;
	if (code == 0)
		code = active_enter(env, file);
	if (code != 0) {
		char name[LOG_NAME_ROOM];

		evkv__log_file_name(name, number, ".data");
		unlinkat(env->folder, name, 0);
		evkv__log_file_unref(file);
		return code;
	}
	env->active = file;
	env->active_room = room;
	env->written_to = 0;
	env->active_items = env->active_puts = 0;
	env->synced = file->size;
	return 0;
}

/* Out of what was kept back for deletes. */
static int active_of_reserve(struct log_env *env, uint64_t size)
{
	uint64_t number = next_number(env), room = reserve_size(env);
	char name[LOG_NAME_ROOM];

	if (!env->reserved || size > room)
		return ENOSPC;
	evkv__log_file_name(name, number, ".new");
	env->reserved = false;
	env->of_reserve = true;
	if (renameat(env->folder, RESERVE_NAME, env->folder, name) != 0)
		return errno;
	return active_make(env, number, room);
}

/* In any case with room for a seal. */
static int active_new(struct log_env *env, uint64_t size, bool deletes)
{
	uint64_t room = env->config.segment_bytes;
	uint64_t needed = LOG_FILE_HEAD + size + LOG_ITEM_HEAD;
	int code = ENOSPC;

	if (room < needed)
		room = log_align(needed);
	env->of_reserve = false;
	if (room_on_disk(env, room + (deletes ? 0 : room)))
		code = active_make(env, next_number(env), room);
	if (file_errno_is_full(code) && deletes)
		code = active_of_reserve(env, needed);
	else if (code == 0)
		evkv__log_reserve(env);
	return code;
}

static bool active_fits(const struct log_env *env, uint64_t size)
{
	return env->active->size + size + LOG_ITEM_HEAD <= env->active_room &&
	    env->active_items < LOG_FILE_ITEMS;
}

int evkv__log_active(struct log_env *env, uint64_t size, bool deletes)
{
	int code = 0;

	if (evkv__log_lost(env))
		return ESTALE;
	if (env->torn)
		code = evkv__log_cut(env);
	if (code == 0 && env->active != NULL && env->of_reserve && !deletes) {
		if (!room_on_disk(env, 2 * env->config.segment_bytes))
			return ENOSPC;
		code = evkv__log_roll(env);
	}
	if (code == 0 && env->active != NULL && !active_fits(env, size))
		code = evkv__log_roll(env);
	if (code == 0 && env->active == NULL)
		code = active_new(env, size, deletes);
	return code;
}

/* ---- The end of a file --------------------------------------------------- */

static int active_seal(struct log_env *env, uint64_t size)
{
	struct log_file *file = env->active;

	if (evkv__log_spoilt(env))
		return ESTALE;
	/* Nothing else goes into it from here on, and it may be cut. */
	env->active_room = size + LOG_ITEM_HEAD;
	if (!evkv__log_file_seal(file, size, env->version, env->active_puts))
		return errno;
	pthread_rwlock_wrlock(&env->lock);
	evkv__log_file_sealed(file, size, env->version, env->active_puts);
	evkv__log_show(env);
	pthread_rwlock_unlock(&env->lock);
	env->ended = env->version;
	env->active = NULL;
	env->torn = false;
	return 0;
}

int evkv__log_roll(struct log_env *env)
{
	int code;

	if (env->active == NULL)
		return 0;
	if (env->torn)
		return evkv__log_cut(env);
	code = active_seal(env, env->active->size);
	env->torn = code != 0;
	return code;
}

/* active->size is the end of the last write that went well. */
int evkv__log_cut(struct log_env *env)
{
	return env->active == NULL ? 0 : active_seal(env, env->active->size);
}

int evkv__log_sync(struct log_env *env)
{
	uint64_t size;

	if (env->active == NULL || env->synced == env->active->size)
		return 0;
	size = env->active->size;
	if (fdatasync(env->active->fd) != 0) {
		int code = errno;

		/* What the system has forgotten is not asked for again. */
		env->torn = true;
		return code;
	}
	env->synced = size;
	return evkv__log_lost(env) ? ESTALE : 0;
}
