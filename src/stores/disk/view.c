/*
 * stores/disk/view.c - transactions: reading, writing, committing.
 *
 * Readers keep their transaction objects and reset them, so that beginning to
 * read costs no lock and no page is pinned between jobs. Only another process
 * with a larger bound can change the map (MDB_MAP_RESIZED); then everybody here
 * leaves for a moment.
 */
#include <time.h>

#include "stores/disk/env.h"

#define GATE_WAIT_MS 1000

/*
 * Another process has a larger map: take its size. A writer that waits for that
 * process's lock may hold the gate for long.
 */
static int env_adopt_size(struct disk_env *env)
{
	struct timespec until;
	int code = EIO;

	evkv__disk_copy_cancel(env);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += GATE_WAIT_MS / 1000;
	if (pthread_rwlock_timedwrlock(&env->gate, &until) != 0)
		return MDB_MAP_RESIZED;
	if (env->lmdb != NULL)
		code = mdb_env_set_mapsize(env->lmdb, 0);
	pthread_rwlock_unlock(&env->gate);
	return code;
}

/* ---- Counters ------------------------------------------------------------ */

void evkv__disk_env_count(struct disk_env *env, size_t count)
{
	MDB_envinfo info;

	__atomic_store_n(&env->count, count, __ATOMIC_RELAXED);
	if (mdb_env_info(env->lmdb, &info) == 0)
		__atomic_store_n(&env->bytes,
		    (info.me_last_pgno + 1) * env->space.page_size,
		    __ATOMIC_RELAXED);
}

/* ---- Reading ------------------------------------------------------------- */

static int reader_begin(struct disk_env *env, struct disk_reader *reader)
{
	int dead, code;

	if (env->lmdb == NULL)
		return EIO;
	code = reader->looked ? disk_watch_found(env)
			      : evkv__disk_watch(env, reader == &env->here);
	if (code != 0)
		return code;
	if (reader->txn != NULL)
		return mdb_txn_renew(reader->txn);
	code = mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, &reader->txn);
	/* Where it frees none, another reader may just have done so. */
	if (code == MDB_READERS_FULL && mdb_reader_check(env->lmdb, &dead) == 0)
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
	int code;

	*view = (struct disk_view){ .env = env, .names = &env->names };
	if (evkv__disk_wait_left(env))
		return DISK_LEFT;
	if (env->lmdb == NULL)
		return evkv__disk_watch_lost(env, &(struct file_failure){ 0 })
		    ? DISK_LOST
		    : EIO;
	code = evkv__disk_watch(env, false);
	return code != 0 ? code : evkv__disk_wait_begin(env, &view->txn);
}

int evkv__disk_write_begin(struct disk_env *env, struct disk_view *view)
{
	struct file_failure ignored;
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

/*
 * Entries are counted before, and reported when the commit has gone well. What
 * went into files that are not the store's any more was not stored.
 */
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
		code = evkv__disk_watch(env, false);
	if (code == 0) {
		evkv__disk_env_count(env, stat.ms_entries);
		env->versions_begun |= view->versions_began;
	} else {
		view->names->txnid = 0;
	}
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

	if (code == 0 || code == DISK_LEFT)
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
