/*
 * disk/env.c - opening, closing and using the LMDB environment of a store.
 *
 * The map has its full size from the start, so nothing grows while it is used;
 * only another process with a larger bound can change it (MDB_MAP_RESIZED), and
 * then everybody here leaves for a moment. Readers keep their transaction
 * objects and reset them, so that beginning to read costs no lock and no page
 * is pinned between jobs.
 *
 * An error of the file system at a commit leaves LMDB's idea of the file in
 * doubt: evkv__disk_env_reopen() reads it anew. If that fails, too, the
 * environment stays closed (`lmdb` NULL), what comes is answered with EIO, and
 * each write tries again.
 *
 * Teardown order: transactions of readers, LMDB, the directory with its locks.
 */
#include "stores/disk/env.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TABLES 4
#define MAP_SPARE ((size_t)1 << 20)
#define FILE_MODE 0660
#define LOCK_FILE_HEAD 4096 /* no less than LMDB's own */
#define LOCK_FILE_READER 64

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
	default: return code > 0 ? evkv__disk_errno_status(code) : EVKV_IO;
	}
}

bool evkv__disk_code_fail(const struct disk_env *env, int code,
    const char *what, struct disk_failure *failure)
{
	const char *text = code == DISK_DAMAGED ? "damaged"
	    : code == DISK_FULL                 ? "no room below max_bytes"
						: mdb_strerror(code);

	evkv__disk_fail(failure, evkv__disk_code_status(code), 0, "%s: %s: %s",
	    env->config.path, what, text);
	failure->sys_error = code > 0 ? code : 0;
	return false;
}

/* ---- Life ---------------------------------------------------------------- */

bool evkv__disk_env_init(struct disk_env *env, const struct disk_config *config)
{
	pthread_rwlockattr_t attributes;

	memset(env, 0, sizeof(*env));
	env->config = *config;
	env->config.path = evkv_strdup(config->path);
	if (env->config.path == NULL)
		return false;
	env->dir = (struct disk_dir){
		.path = env->config.path, .fd = -1, .lock_fd = -1
	};
	/* Else readers that never pause would keep a resize waiting. */
	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setkind_np(&attributes,
	    PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&env->gate, &attributes);
	pthread_rwlockattr_destroy(&attributes);
	return true;
}

void evkv__disk_env_release(struct disk_env *env)
{
	pthread_rwlock_destroy(&env->gate);
	evkv_free(env->config.path);
	env->config.path = NULL;
}

/* Open the tables, made by whoever made the store. */
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

static int env_tables(struct disk_env *env, bool make)
{
	MDB_txn *txn;
	int code = mdb_txn_begin(env->lmdb, NULL, make ? 0 : MDB_RDONLY, &txn);

	if (code != 0)
		return code;
	code = env_open_tables(env, txn, make ? MDB_CREATE : 0);
	if (code == MDB_NOTFOUND)
		code = DISK_DAMAGED;
	if (code == 0)
		code = make ? env_write_format(env, txn)
			    : env_check_format(env, txn);
	if (code == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return code;
}

static void env_note(struct disk_env *env)
{
	struct disk_space *space = &env->space;
	MDB_stat stat;

	mdb_env_stat(env->lmdb, &stat);
	*space = (struct disk_space){ .page_size = stat.ms_psize };
}

/*
 * The bound is that of the map, unless the file is beyond it already: then
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

/*
 * LMDB writes to its lock file by a map, and a map of a file without room on
 * the disk ends the process by SIGBUS. So the room is taken before.
 */
static int env_lock_file(const char *path, unsigned readers)
{
	off_t size = LOCK_FILE_HEAD + (off_t)readers * LOCK_FILE_READER;
	char file[PATH_MAX + 16];
	int fd, code = 0;

	snprintf(file, sizeof(file), "%s/lock.mdb", path);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		return errno;
	if (fallocate(fd, 0, 0, size) != 0 && errno != EOPNOTSUPP &&
	    errno != ENOSYS)
		code = errno;
	close(fd);
	return code;
}

/* Create and open LMDB's handle on one generation, without the tables. */
static int env_lmdb(struct disk_env *env)
{
	const struct disk_config *config = &env->config;
	unsigned flags = MDB_NOTLS;
	char path[PATH_MAX];
	int code = mdb_env_create(&env->lmdb);

	if (code != 0) {
		env->lmdb = NULL;
		return code;
	}
	if (config->durability != DISK_FULL_SYNC)
		flags |= MDB_NOSYNC;
	evkv__disk_dir_generation(&env->dir, env->dir.generation, path);
	code = mdb_env_set_mapsize(env->lmdb, env_map_size(env, path));
	if (code == 0)
		code = mdb_env_set_maxreaders(env->lmdb, config->max_readers);
	if (code == 0)
		code = mdb_env_set_maxdbs(env->lmdb, TABLES);
	if (code == 0)
		code = env_lock_file(path, config->max_readers);
	if (code == 0)
		code = mdb_env_open(env->lmdb, path, flags, FILE_MODE);
	return code;
}

/*
 * Take the readers their places in LMDB's table, which is under a lock that
 * other processes use too: the loop's thread must not wait for it. Who gets
 * none here asks again.
 */
static void env_seat_readers(struct disk_env *env)
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

bool evkv__disk_lmdb_open(struct disk_env *env, struct disk_failure *failure)
{
	bool make = env->dir.generation == 0;
	int code, dead;

	if (make) {
		if (!evkv__disk_dir_make(&env->dir, 1, failure))
			return false;
		env->dir.generation = 1;
	} else if (!evkv__disk_dir_inspect(&env->dir, failure)) {
		return false;
	}
	code = env_lmdb(env);
	if (code == 0) {
		env_note(env);
		mdb_reader_check(env->lmdb, &dead);
		code = env_tables(env, make);
	}
	if (code != 0) {
		evkv__disk_code_fail(env, code, "can't open", failure);
		evkv__disk_lmdb_close(env);
		if (make)
			env->dir.generation = 0;
		return false;
	}
	if (make && !evkv__disk_dir_switch(&env->dir, 1, failure)) {
		evkv__disk_lmdb_close(env);
		return false;
	}
	env_seat_readers(env);
	return true;
}

void evkv__disk_lmdb_close(struct disk_env *env)
{
	struct disk_reader *reader;

	for (reader = env->readers; reader != NULL; reader = reader->next) {
		if (reader->txn != NULL)
			mdb_txn_abort(reader->txn);
		reader->txn = NULL;
		reader->names.txnid = 0;
	}
	env->names.txnid = 0;
	if (env->lmdb == NULL)
		return;
	if (env->config.durability == DISK_OS_SYNC)
		mdb_env_sync(env->lmdb, 1);
	mdb_env_close(env->lmdb);
	env->lmdb = NULL;
}

bool evkv__disk_env_open(struct disk_env *env, struct disk_failure *failure)
{
	struct disk_failure ignored;
	bool opened;

	if (!evkv__disk_dir_open(&env->dir, !env->config.lazy, &env->stop,
		failure))
		return false;
	pthread_rwlock_wrlock(&env->gate);
	opened = evkv__disk_lmdb_open(env, failure);
	pthread_rwlock_unlock(&env->gate);
	/* What a compaction or a creation that was cut short has left. */
	if (opened && evkv__disk_dir_exclude(&env->dir, &ignored)) {
		evkv__disk_dir_sweep(&env->dir);
		evkv__disk_dir_share(&env->dir);
	}
	evkv__disk_dir_unlock(&env->dir);
	if (!opened)
		evkv__disk_dir_close(&env->dir);
	return opened;
}

void evkv__disk_env_close(struct disk_env *env)
{
	pthread_rwlock_wrlock(&env->gate);
	evkv__disk_lmdb_close(env);
	pthread_rwlock_unlock(&env->gate);
	evkv__disk_dir_close(&env->dir);
}

bool evkv__disk_env_reopen(struct disk_env *env, struct disk_failure *failure)
{
	bool opened;

	pthread_rwlock_wrlock(&env->gate);
	evkv__disk_lmdb_close(env);
	opened = evkv__disk_lmdb_open(env, failure);
	pthread_rwlock_unlock(&env->gate);
	return opened;
}

void evkv__disk_reader_add(struct disk_env *env, struct disk_reader *reader)
{
	reader->next = env->readers;
	env->readers = reader;
}

/* Another process has a larger map: take its size. */
static int env_adopt_size(struct disk_env *env)
{
	int code = EIO;

	pthread_rwlock_wrlock(&env->gate);
	if (env->lmdb != NULL)
		code = mdb_env_set_mapsize(env->lmdb, 0);
	pthread_rwlock_unlock(&env->gate);
	return code;
}

/* ---- Reading ------------------------------------------------------------- */

static int reader_begin(struct disk_env *env, struct disk_reader *reader)
{
	int dead;
	int code;

	if (env->lmdb == NULL)
		return EIO;
	if (reader->txn != NULL)
		return mdb_txn_renew(reader->txn);
	code = mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, &reader->txn);
	if (code == MDB_READERS_FULL &&
	    mdb_reader_check(env->lmdb, &dead) == 0 && dead > 0)
		code = mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, &reader->txn);
	if (code != 0)
		reader->txn = NULL;
	return code;
}

/* With the gate held, which is let go of where it fails. */
static int view_begin(struct disk_env *env, struct disk_reader *reader,
    struct disk_view *view)
{
	int code = reader_begin(env, reader);

	if (code == 0) {
		*view = (struct disk_view){
			.env = env, .txn = reader->txn, .names = &reader->names
		};
		code = evkv__disk_names_check(view);
		if (code == 0)
			return 0;
		mdb_txn_reset(reader->txn);
	}
	pthread_rwlock_unlock(&env->gate);
	return code;
}

int evkv__disk_view_begin(struct disk_env *env, struct disk_reader *reader,
    struct disk_view *view)
{
	int code, tries;

	for (tries = 0; tries < 10; tries++) {
		pthread_rwlock_rdlock(&env->gate);
		code = view_begin(env, reader, view);
		if (code != MDB_MAP_RESIZED)
			return code;
		code = env_adopt_size(env);
		if (code != 0)
			return code;
	}
	return MDB_MAP_RESIZED;
}

int evkv__disk_view_try(struct disk_env *env, struct disk_reader *reader,
    struct disk_view *view)
{
	if (pthread_rwlock_tryrdlock(&env->gate) != 0)
		return EBUSY;
	if (reader->txn == NULL) {
		pthread_rwlock_unlock(&env->gate);
		return EBUSY;
	}
	return view_begin(env, reader, view);
}

void evkv__disk_view_end(struct disk_view *view)
{
	mdb_txn_reset(view->txn);
	pthread_rwlock_unlock(&view->env->gate);
}

/* ---- Writing ------------------------------------------------------------- */

static int write_begin(struct disk_env *env, struct disk_view *view)
{
	*view = (struct disk_view){ .env = env, .names = &env->names };
	if (env->lmdb == NULL)
		return EIO;
	return mdb_txn_begin(env->lmdb, NULL, 0, &view->txn);
}

int evkv__disk_write_begin(struct disk_env *env, struct disk_view *view)
{
	struct disk_failure ignored;
	int code = EIO, tries;

	for (tries = 0; tries < 10; tries++) {
		pthread_rwlock_rdlock(&env->gate);
		code = write_begin(env, view);
		if (code == 0) {
			code = evkv__disk_names_check(view);
			if (code == 0)
				return 0;
			mdb_txn_abort(view->txn);
		}
		pthread_rwlock_unlock(&env->gate);
		if (code == MDB_MAP_RESIZED)
			code = env_adopt_size(env);
		else if (code == EIO || code == MDB_PANIC)
			code = evkv__disk_env_reopen(env, &ignored) ? 0 : EIO;
		if (code != 0)
			break;
	}
	return code;
}

static void write_note(struct disk_env *env, size_t count)
{
	MDB_envinfo info;

	__atomic_store_n(&env->count, count, __ATOMIC_RELAXED);
	if (mdb_env_info(env->lmdb, &info) == 0)
		__atomic_store_n(&env->bytes,
		    (info.me_last_pgno + 1) * env->space.page_size,
		    __ATOMIC_RELAXED);
}

/* Entries are counted before, and told when the commit has gone well. */
int evkv__disk_write_commit(struct disk_view *view)
{
	struct disk_env *env = view->env;
	MDB_stat stat = { .ms_entries = env->count };
	int code;

	if (view->entries != NULL)
		mdb_cursor_close(view->entries);
	(void)mdb_stat(view->txn, env->entries, &stat);
	code = mdb_txn_commit(view->txn);
	if (code == 0)
		write_note(env, stat.ms_entries);
	else
		view->names->txnid = 0;
	pthread_rwlock_unlock(&view->env->gate);
	return code;
}

void evkv__disk_write_abort(struct disk_view *view)
{
	if (view->entries != NULL)
		mdb_cursor_close(view->entries);
	mdb_txn_abort(view->txn);
	/* Names that were made in it are none. */
	memset(view->names, 0, sizeof(*view->names));
	pthread_rwlock_unlock(&view->env->gate);
}

int evkv__disk_env_sync(struct disk_env *env)
{
	int code = EIO;

	pthread_rwlock_rdlock(&env->gate);
	if (env->lmdb != NULL)
		code = mdb_env_sync(env->lmdb, 1);
	pthread_rwlock_unlock(&env->gate);
	return code;
}

bool evkv__disk_env_in_doubt(struct disk_env *env, int code)
{
	MDB_txn *txn;
	int probe = 0;

	if (code == 0)
		return false;
	if (!disk_code_is_full(code) && code != ENOMEM)
		return true;
	pthread_rwlock_rdlock(&env->gate);
	if (env->lmdb != NULL) {
		probe = mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, &txn);
		if (probe == 0)
			mdb_txn_abort(txn);
	}
	pthread_rwlock_unlock(&env->gate);
	return probe == MDB_PANIC;
}
