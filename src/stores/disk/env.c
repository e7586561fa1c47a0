/*
 * stores/disk/env.c - opening and closing the LMDB environment of a store.
 *
 * The map has its full size from the start, so nothing grows while it is used.
 *
 * An error of the file system at a commit leaves LMDB's idea of the file in
 * doubt: evkv__disk_env_reopen() reads it again. If that fails, too, the
 * environment stays closed (`lmdb` NULL), what comes is answered with EIO, and
 * each write tries again.
 *
 * Teardown order: transactions of readers, LMDB, the directory with its locks.
 */
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stores/disk/work.h"

#define TABLES 4
#define MAP_SPARE ((size_t)1 << 20)

static const char format_key[] = "format";

/* ---- Codes --------------------------------------------------------------- */

enum evkv_status evkv__disk_code_status(int code)
{
	if (disk_code_is_full(code))
		return EVKV_NOSPACE;
	switch (code) {
	case DISK_DAMAGED:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID: return EVKV_CORRUPT;
	case MDB_VERSION_MISMATCH: return EVKV_UNSUPPORTED;
	case MDB_READERS_FULL: return EVKV_BUSY;
	case MDB_MAP_RESIZED: return EVKV_LOCKED;
	default: return code > 0 ? evkv__file_errno_status(code) : EVKV_IO;
	}
}

bool evkv__disk_code_fail(const struct disk_env *env, int code,
    const char *what, struct file_failure *failure)
{
	const char *text = code == DISK_DAMAGED ? "damaged"
	    : code == DISK_FULL ? "no room below max_bytes, or on the disk"
				: mdb_strerror(code);

	if (code == DISK_LOST && evkv__disk_watch_lost(env, failure))
		return false;
	evkv__file_fail(failure, evkv__disk_code_status(code), 0, "%s: %s: %s",
	    env->config.path, what, text);
	failure->sys_error = code > 0 ? code : 0;
	return false;
}

/* ---- Life ---------------------------------------------------------------- */

struct disk_env *evkv__disk_env_new(const struct disk_config *config)
{
	struct disk_env *env = evkv_calloc(1, sizeof(*env));
	pthread_rwlockattr_t attributes;

	if (env == NULL)
		return NULL;
	env->config = *config;
	env->config.path = evkv__folder_path(config->path);
	if (env->config.path == NULL) {
		evkv_free(env);
		return NULL;
	}
	env->watch.table_fd = -1;
	env->copy_fds[0] = env->copy_fds[1] = -1;
	pthread_mutex_init(&env->copy_mutex, NULL);
	env->dir = (struct disk_dir){
		.path = env->config.path,
		.there = config->there,
		.fd = -1,
		.lock_fd = -1,
	};
	/* Else readers that never pause would keep a resize waiting. */
	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setkind_np(&attributes,
	    PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&env->gate, &attributes);
	pthread_rwlockattr_destroy(&attributes);
	return env;
}

void evkv__disk_env_free(struct disk_env *env)
{
	pthread_rwlock_destroy(&env->gate);
	pthread_mutex_destroy(&env->copy_mutex);
	if (env->workers != NULL)
		evkv_free(env->workers[0].units);
	evkv_free(env->workers);
	evkv_free(env->config.path);
	evkv_free(env);
}

/* Open the tables, made with the store. */
static int env_open_tables(struct disk_env *env, MDB_txn *txn, unsigned flags)
{
	int code = mdb_dbi_open(txn, "meta", flags, &env->meta);

	if (code == 0)
		code = mdb_dbi_open(txn, "collections", flags,
		    &env->collections);
	if (code == 0)
		code = mdb_dbi_open(txn, "entries", flags, &env->entries);
	if (code == 0)
		code = mdb_dbi_open(txn, "expiry", flags, &env->expiry);
	return code;
}

static int env_check_format(struct disk_env *env, MDB_txn *txn)
{
	MDB_val key = { sizeof(format_key) - 1, (void *)(uintptr_t)format_key };
	MDB_val value;
	int code = mdb_get(txn, env->meta, &key, &value);

	if (code == 0 &&
	    (value.mv_size != 4 ||
		disk_get_le(value.mv_data, 4) != DISK_FORMAT))
		return MDB_VERSION_MISMATCH;
	return code == MDB_NOTFOUND ? DISK_DAMAGED : code;
}

static int env_write_format(struct disk_env *env, MDB_txn *txn)
{
	unsigned char bytes[4];
	MDB_val key = { sizeof(format_key) - 1, (void *)(uintptr_t)format_key };
	MDB_val value = { sizeof(bytes), bytes };

	disk_put_le(bytes, DISK_FORMAT, 4);
	return mdb_put(txn, env->meta, &key, &value, 0);
}

/* A store's own, so that no other's versions are taken for its own. */
static uint64_t env_random(void)
{
	uint64_t n = 0;

	if (getrandom(&n, sizeof(n), 0) != (ssize_t)sizeof(n))
		n = (uint64_t)evkv__disk_clock_ms() << 32 ^ (uint64_t)getpid();
	return n;
}

enum env_how {
	ENV_OPEN,
	ENV_MAKE,  /* an unfinished generation, empty */
	ENV_RENEW, /* likewise, a copy: of another instance from now on */
};

static int env_tables(struct disk_env *env, enum env_how how)
{
	struct disk_view view = { .env = env };
	MDB_stat stat;
	bool make = how == ENV_MAKE;
	int code = mdb_txn_begin(env->lmdb, NULL,
	    how == ENV_OPEN ? MDB_RDONLY : 0, &view.txn);

	if (code != 0)
		return code;
	code = env_open_tables(env, view.txn, make ? MDB_CREATE : 0);
	if (code == MDB_NOTFOUND)
		code = DISK_DAMAGED;
	if (code == 0)
		code = make ? env_write_format(env, view.txn)
			    : env_check_format(env, view.txn);
	if (code == 0 && how != ENV_OPEN)
		code = evkv__disk_instance_write(&view, env_random());
	if (code == 0)
		code = evkv__disk_instance_read(&view, &env->instance);
	if (code == 0)
		code = mdb_stat(view.txn, env->entries, &stat);
	if (code == 0)
		evkv__disk_env_count(env, stat.ms_entries);
	if (code == 0)
		return mdb_txn_commit(view.txn);
	mdb_txn_abort(view.txn);
	return code;
}

/*
 * The map is as long as the bound, unless the file is beyond it already: then
 * there must be room for deletes.
 */
static size_t env_map_size(const struct disk_env *env, const char *path)
{
	char file[PATH_MAX + 16];
	struct stat stat_;
	size_t least;

	snprintf(file, sizeof(file), "%s/data.mdb", path);
	if (stat(file, &stat_) != 0)
		return env->config.max_bytes;
	least = (size_t)stat_.st_size + MAP_SPARE;
	return least > env->config.max_bytes ? least : env->config.max_bytes;
}

static bool env_lmdb_fail(const struct disk_env *env, int code,
    struct file_failure *failure)
{
	if (code != ENOMEM)
		return evkv__disk_code_fail(env, code, "can't open", failure);
	return evkv__file_fail(failure, EVKV_NOMEM, ENOMEM,
	    "%s: can't map max_bytes=%zu; it takes so much address space: "
	    "lower "
	    "it or raise the limit (ulimit -v)",
	    env->config.path, env->config.max_bytes);
}

/* Create and open LMDB's handle on one generation, without the tables. */
static int env_lmdb(struct disk_env *env, const char *path)
{
	const struct disk_config *config = &env->config;
	unsigned flags = MDB_NOTLS;
	MDB_stat stat;
	int code = mdb_env_create(&env->lmdb);

	if (code != 0) {
		env->lmdb = NULL;
		return code;
	}
	if (config->durability != DISK_FULL_SYNC)
		flags |= MDB_NOSYNC;
	code = mdb_env_set_mapsize(env->lmdb, env_map_size(env, path));
	if (code == 0)
		code = mdb_env_set_maxreaders(env->lmdb, config->max_readers);
	if (code == 0)
		code = mdb_env_set_maxdbs(env->lmdb, TABLES);
	if (code == 0)
		code = mdb_env_open(env->lmdb, path, flags, FOLDER_FILE_MODE);
	if (code != 0)
		return code;
	mdb_env_stat(env->lmdb, &stat);
	evkv__disk_space_reset(env, stat.ms_psize);
	env->versions_begun = false;
	return 0;
}

/*
 * Register the readers in LMDB's table, which is under a lock that other
 * processes use too: the loop's thread must not wait for it. A reader that gets
 * no slot here tries again when it begins to read.
 */
static void env_register_readers(struct disk_env *env)
{
	struct disk_reader *reader;

	for (reader = env->readers; reader != NULL; reader = reader->next) {
		if (mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, &reader->txn) ==
		    0)
			mdb_txn_reset(reader->txn);
		else
			reader->txn = NULL;
	}
}

/* Open LMDB and the tables of a generation, which it may have to make. */
static bool env_generation(struct disk_env *env, enum env_how how, bool alone,
    struct file_failure *failure)
{
	char path[PATH_MAX];
	int code, dead;

	evkv__disk_dir_generation(&env->dir, env->dir.generation,
	    how != ENV_OPEN, path);
	if (!evkv__disk_watch_table(env, path, alone, failure))
		return false;
	code = env_lmdb(env, path);
	if (code == 0) {
		mdb_reader_check(env->lmdb, &dead);
		code = env_tables(env, how);
	}
	return code == 0 || env_lmdb_fail(env, code, failure);
}

static bool env_gone(const struct disk_env *env, struct file_failure *failure)
{
	return evkv__file_fail(failure, EVKV_IO, 0,
	    "%s: was removed or replaced while the store was open; put it "
	    "back, "
	    "or open another store",
	    env->config.path);
}

static bool env_make(struct disk_env *env, struct file_failure *failure)
{
	uint64_t generation = env->dir.highest + 1;

	if (env->must_exist)
		return env_gone(env, failure);
	if (!evkv__disk_dir_make(&env->dir, generation, failure))
		return false;
	env->dir.generation = generation;
	if (env_generation(env, ENV_MAKE, true, failure) &&
	    evkv__disk_dir_switch(&env->dir, generation, failure))
		return true;
	env->dir.generation = 0;
	return false;
}

bool evkv__disk_env_renew(struct disk_env *env, uint64_t generation,
    struct file_failure *failure)
{
	bool opened;

	env->dir.generation = generation;
	opened = env_generation(env, ENV_RENEW, true, failure);
	evkv__disk_lmdb_close(env);
	env->dir.generation = 0;
	return opened;
}

bool evkv__disk_lmdb_open(struct disk_env *env, bool alone,
    struct file_failure *failure)
{
	bool opened = env->dir.generation == 0
	    ? env_make(env, failure)
	    : evkv__disk_dir_inspect(&env->dir, env->dir.generation, failure) &&
		env_generation(env, ENV_OPEN, alone, failure);

	if (opened && evkv__disk_watch_begin(env, failure)) {
		env_register_readers(env);
		env->must_exist = true;
		return true;
	}
	evkv__disk_lmdb_close(env);
	return false;
}

void evkv__disk_lmdb_close(struct disk_env *env)
{
	struct disk_reader *reader;

	evkv__disk_watch_mend(env);
	for (reader = env->readers; reader != NULL; reader = reader->next) {
		if (reader->txn != NULL)
			mdb_txn_abort(reader->txn);
		reader->txn = NULL;
		reader->names.txnid = 0;
	}
	env->names.txnid = 0;
	if (env->lmdb != NULL) {
		if (env->config.durability == DISK_OS_SYNC)
			mdb_env_sync(env->lmdb, 1);
		mdb_env_close(env->lmdb);
	}
	env->lmdb = NULL;
	evkv__disk_watch_end(env);
}

bool evkv__disk_env_open(struct disk_env *env, struct file_failure *failure)
{
	struct file_failure ignored;
	bool opened, alone;

	if (env->dir.fd >= 0) /* it was lost */
		evkv__disk_env_close(env);
	if (!evkv__disk_watch_guard(env, failure))
		return false;
	if (!evkv__disk_dir_open(&env->dir,
		!env->config.lazy && !env->must_exist, &env->stop, failure)) {
		if (env->must_exist && failure->status == EVKV_NOT_FOUND)
			env_gone(env, failure);
		return false;
	}
	alone = evkv__disk_dir_exclude(&env->dir, &ignored);
	pthread_rwlock_wrlock(&env->gate);
	opened = evkv__disk_lmdb_open(env, alone, failure);
	pthread_rwlock_unlock(&env->gate);
	/* What a compaction or a creation that was cut short has left. */
	if (opened && alone)
		evkv__disk_dir_sweep(&env->dir);
	if (alone)
		evkv__disk_dir_share(&env->dir);
	evkv__disk_dir_unlock(&env->dir);
	if (!opened)
		evkv__disk_dir_close(&env->dir);
	return opened;
}

void evkv__disk_env_close(struct disk_env *env)
{
	evkv__disk_copy_cancel(env);
	pthread_rwlock_wrlock(&env->gate);
	evkv__disk_lmdb_close(env);
	pthread_rwlock_unlock(&env->gate);
	evkv__disk_dir_close(&env->dir);
}

bool evkv__disk_env_reopen(struct disk_env *env, struct file_failure *failure)
{
	bool opened;

	if (evkv__disk_watch_lost(env, failure))
		return false;
	evkv__disk_copy_cancel(env);
	pthread_rwlock_wrlock(&env->gate);
	evkv__disk_lmdb_close(env);
	opened = evkv__disk_lmdb_open(env, false, failure);
	pthread_rwlock_unlock(&env->gate);
	return opened;
}

void evkv__disk_reader_add(struct disk_env *env, struct disk_reader *reader)
{
	reader->next = env->readers;
	env->readers = reader;
}
