/*
 * stores/disk/env.h - one LMDB environment and what is done in it. Knows
 * nothing of ops and loops; all but evkv__disk_view_try() may block.
 *
 * Calls return 0, an LMDB code (negative), an errno (positive) or one of
 * enum disk_code.
 *
 * The gate: whoever has a transaction, of either kind, holds it shared; whoever
 * remaps, closes or replaces the environment holds it alone. It is taken before
 * any lock of LMDB's and never by a holder a second time.
 */
#ifndef EVKV_STORES_DISK_ENV_H
#define EVKV_STORES_DISK_ENV_H

#include <errno.h>
#include <lmdb.h>
#include <pthread.h>

#include "engines/files/look.h"
#include "engines/files/name_page.h"
#include "evkv/driver.h"
#include "stores/disk/dir.h"
#include "stores/disk/format.h"

enum disk_code {
	DISK_DAMAGED = -1,  /* a row is not what was written */
	DISK_EXISTS = -2,   /* a condition */
	DISK_FULL = -3,     /* not even alone in a transaction */
	DISK_LATER = -4,    /* not in this transaction: try in a new one */
	DISK_LOST = -5,     /* the files are not those that were opened */
	DISK_LEFT = -6,     /* abandoned: touch no job */
	DISK_CONFLICT = -7, /* another version */
};

enum disk_durability {
	DISK_FULL_SYNC,
	DISK_OS_SYNC,
	DISK_NO_SYNC,
};

struct disk_config {
	char *path;
	enum disk_durability durability;
	size_t max_bytes;
	unsigned max_readers;
	bool lazy;      /* don't make the directory: NOT_FOUND instead */
	bool there;     /* never make a store: likewise */
	bool unpointed; /* CURRENT need not be there: to look at a generation */
	/* A file that must be in place and the one that is open here. */
	const char *guard; /* NULL = none; lives longer than this */
	int guard_fd;
};

/* Numbers of collections, as a transaction has seen them. */
#define DISK_NAMES 32
struct disk_names {
	size_t txnid; /* checked in this transaction */
	uint64_t epoch;
	struct disk_name {
		uint64_t id;
		uint16_t size;
		bool known;
		unsigned char name[EVKV_COLLECTION_MAX];
	} slots[DISK_NAMES];
};

/* A reader's place; one user at a time. */
struct disk_reader {
	MDB_txn *txn; /* reset between uses; NULL = none */
	struct disk_names names;
	bool looked; /* at the files, in this turn of the loop: `here` only */
	struct disk_reader *next;
};

/* How much puts may take; space.c. */
struct disk_space {
	size_t page_size;  /* atomic, as the loop looks too */
	size_t file_pages; /* that the file surely has room for */
	size_t used;       /* pages up to the last in use */
	size_t bound;      /* pages that puts may leave in use */
	size_t reserve;    /* pages behind it, for deletes */
	size_t taken;      /* by puts of this transaction, from above */
	bool sparse;       /* the file system can't reserve room */
	bool pinned;       /* a reader keeps freed pages */
	size_t advanced;   /* the last transaction made for its own sake */
	/* The last refusal; atomic, as the loop looks too. */
	size_t full_pages; /* puts of so many have no room; 0 = none */
	size_t full_txnid; /* while this is the last transaction */
	int64_t full_ms;   /* and this not long ago */
};

/* The files as they were opened; watch.c. */
enum disk_file {
	DISK_FILE_GUARD,
	DISK_FILE_DIR,
	DISK_FILE_LOCK,
	DISK_FILE_CURRENT,
	DISK_FILE_DATA,
	DISK_FILE_TABLE, /* lock.mdb */
	DISK_FILES
};

struct disk_watch {
	struct file_look files[DISK_FILES];
	int data_fd;  /* LMDB's */
	int table_fd; /* of lock.mdb: closed after LMDB has; -1 = not open */
	int lost; /* atomic: 0, or 1 + the file that is lost */
};

/* Waiting for LMDB's write lock, which can't be broken off; wait.c. */
enum disk_wait_state {
	DISK_WAIT_NONE,
	DISK_WAIT_ON,   /* the writer waits */
	DISK_WAIT_COPY, /* it copies, and may wait */
	DISK_WAIT_LEFT, /* it was left behind: its jobs may be gone */
};

struct disk_wait {
	int state;        /* atomic */
	int64_t since_ms; /* atomic; of CLOCK_MONOTONIC */
};

struct disk_worker;

/* Lives on the heap: a writer that is left behind takes it along. */
struct disk_env {
	struct disk_config config;
	struct disk_dir dir;
	bool stop;       /* atomic: give up waiting for locks */
	bool must_exist; /* it was open before: never make it again */
	MDB_env *lmdb;   /* NULL = not open */
	MDB_dbi meta, collections, entries, expiry;
	pthread_rwlock_t gate;
	struct disk_reader *readers;
	struct disk_reader here; /* for inline reads */
	struct disk_names names; /* the writer's */
	struct disk_space space; /* the writer's */
	struct disk_watch watch;
	struct disk_wait wait;
	struct disk_worker *workers; /* the first one writes */
	uint64_t instance;           /* of its versions */
	bool versions_begun;         /* the writer's: in this opening */
	/* Files that are being copied to; -1 = none. */
	pthread_mutex_t copy_mutex;
	int copy_fds[2];
	size_t count, bytes; /* atomic: rows, and bytes in use */
};

/* A transaction and what goes with it. */
struct disk_view {
	struct disk_env *env;
	MDB_txn *txn;
	struct disk_names *names;
	/* Writers only. */
	MDB_cursor *entries; /* opened when needed */
	uint64_t version;    /* the last that was given; 0 = none */
	bool versions_began; /* the first in this opening */
};

static inline struct evkv_slice disk_slice(const MDB_val *val)
{
	return evkv_bytes(val->mv_data, val->mv_size);
}

/* A row key of "entries" without its number. */
static inline struct evkv_slice disk_row_key_rest(const MDB_val *row_key)
{
	return evkv_bytes((const char *)row_key->mv_data + DISK_ID_SIZE,
	    row_key->mv_size - DISK_ID_SIZE);
}

/* ---- env.c --------------------------------------------------------------- */

/* The config's path is copied so. NULL = no memory. */
struct disk_env *evkv__disk_env_new(const struct disk_config *config);
void evkv__disk_env_free(struct disk_env *env);

bool evkv__disk_env_open(struct disk_env *env, struct file_failure *failure);
void evkv__disk_env_close(struct disk_env *env);
/* Close and reopen LMDB, after an error that leaves it in doubt. */
bool evkv__disk_env_reopen(struct disk_env *env, struct file_failure *failure);
/*
 * Give an unfinished generation an instance of its own; the directory is open.
 */
bool evkv__disk_env_renew(struct disk_env *env, uint64_t generation,
    struct file_failure *failure);
/* compact.c */
bool evkv__disk_env_compact(struct disk_env *env, struct file_failure *failure);
/*
 * copy.c: copy into the directory of a generation; 0, a code, or ECANCELED
 * where evkv__disk_copy_cancel() has broken it off.
 */
int evkv__disk_copy(struct disk_env *env, const char *path, bool compact);
void evkv__disk_copy_cancel(struct disk_env *env);
/* Copy into a directory that becomes a store: it is empty, or not there. */
bool evkv__disk_env_backup(struct disk_env *env, const char *path, bool compact,
    struct file_failure *failure);

/* With the gate held alone. `alone`: no other process has the store open. */
bool evkv__disk_lmdb_open(struct disk_env *env, bool alone,
    struct file_failure *failure);
void evkv__disk_lmdb_close(struct disk_env *env);

/* Make a reader known to the environment, before anything uses it. */
void evkv__disk_reader_add(struct disk_env *env, struct disk_reader *reader);

/* ---- view.c -------------------------------------------------------------- */

/* Show what is there: rows, and bytes of the file in use. */
void evkv__disk_env_count(struct disk_env *env, size_t count);

/*
 * Begin to read, and end; `try` does not wait for the gate and answers EBUSY
 * where it would have to.
 */
int evkv__disk_view_begin(struct disk_env *env, struct disk_reader *reader,
    struct disk_view *view);
int evkv__disk_view_try(struct disk_env *env, struct disk_reader *reader,
    struct disk_view *view);
void evkv__disk_view_end(struct disk_view *view);

/* Begin to write; commit or abort ends it either way. */
int evkv__disk_write_begin(struct disk_env *env, struct disk_view *view);
int evkv__disk_write_commit(struct disk_view *view);
void evkv__disk_write_abort(struct disk_view *view);

int evkv__disk_env_sync(struct disk_env *env);

/*
 * Whether after a commit that failed with `code` it is not known what is on the
 * disk. After running out of space it is, unless the head page failed.
 */
bool evkv__disk_env_in_doubt(struct disk_env *env, int code);

/* Whether a code means that there was no room. */
static inline bool disk_code_is_full(int code)
{
	return code == MDB_MAP_FULL || code == MDB_TXN_FULL ||
	    code == DISK_FULL || file_errno_is_full(code);
}

/* ---- watch.c ------------------------------------------------------------- */

/*
 * Open and size lock.mdb of a generation, before LMDB opens it. `alone`: nobody
 * else can have it open.
 */
bool evkv__disk_watch_table(struct disk_env *env, const char *path, bool alone,
    struct file_failure *failure);
/* Whether the guard is in place. */
bool evkv__disk_watch_guard(const struct disk_env *env,
    struct file_failure *failure);
/* Remember the files; LMDB is open. */
bool evkv__disk_watch_begin(struct disk_env *env, struct file_failure *failure);
/* Before LMDB closes: a file that was cut must not end the process. */
void evkv__disk_watch_mend(struct disk_env *env);
void evkv__disk_watch_end(struct disk_env *env);
/*
 * Whether the files are still those that were opened, and as long: 0 or
 * DISK_LOST, which stays until the next opening. `quick` only looks at what is
 * open: whether it was cut or removed.
 */
int evkv__disk_watch(struct disk_env *env, bool quick);
/* As it was found last. */
static inline int disk_watch_found(const struct disk_env *env)
{
	return __atomic_load_n(&env->watch.lost, __ATOMIC_ACQUIRE) != 0
	    ? DISK_LOST
	    : 0;
}
/* Whether they were lost, and how to say it. Any thread. */
bool evkv__disk_watch_lost(const struct disk_env *env,
    struct file_failure *failure);

/* ---- wait.c -------------------------------------------------------------- */

int64_t evkv__disk_clock_ms(void);
/*
 * mdb_txn_begin() of a write transaction. DISK_LEFT: it was given up meanwhile,
 * and there is no transaction.
 */
int evkv__disk_wait_begin(struct disk_env *env, MDB_txn **txn);
/* Likewise, a copy of all pages, which waits for the lock, too. */
int evkv__disk_wait_copy(struct disk_env *env, int fd);
/*
 * For how long the writer has waited, in milliseconds; -1 = it does not.
 * `copies`: to copy counts, too.
 */
int64_t evkv__disk_wait_ms(const struct disk_env *env, bool copies);
/* Leave it behind. false: it does not wait. */
bool evkv__disk_wait_leave(struct disk_env *env);
bool evkv__disk_wait_left(const struct disk_env *env);
/* The other processes that have lock.mdb open: "process 12" or so. */
void evkv__disk_wait_holder(const struct disk_env *env, char *text,
    size_t size);

/* ---- Codes --------------------------------------------------------------- */

/* The status that fits a code that is a failure, and its text. */
enum evkv_status evkv__disk_code_status(int code);
bool evkv__disk_code_fail(const struct disk_env *env, int code,
    const char *what, struct file_failure *failure);

/* ---- collections.c ------------------------------------------------------- */

/* Begin with what is known of names: forget it if another has removed some. */
int evkv__disk_names_check(struct disk_view *view);
/* The number of a collection; MDB_NOTFOUND where there is none. */
int evkv__disk_collection(struct disk_view *view, struct evkv_slice name,
    uint64_t *id);
/* Likewise, giving it one. Writers only. */
int evkv__disk_collection_make(struct disk_view *view, struct evkv_slice name,
    uint64_t *id);
/* Forget the number of an empty collection. Writers only. */
int evkv__disk_collection_drop(struct disk_view *view, struct evkv_slice name);
/* A version that nothing has had. Writers only. */
int evkv__disk_version_next(struct disk_view *view, uint64_t *version);
/* What a copy without its transactions' numbers must know. Writers only. */
int evkv__disk_versions_rebase(struct disk_view *view);
/* The instance of versions: read, or chosen by a writer. */
int evkv__disk_instance_read(struct disk_view *view, uint64_t *instance);
int evkv__disk_instance_write(struct disk_view *view, uint64_t instance);
/* Change something, for the sake of a commit. Writers only. */
int evkv__disk_advance(struct disk_view *view);
/* The first collection from `name` on: its name, in LMDB's memory. */
int evkv__disk_collection_next(struct disk_view *view, struct evkv_slice from,
    bool past, struct evkv_slice *name, uint64_t *id);

/* ---- rows.c -------------------------------------------------------------- */

/* The live row of a key, in LMDB's memory; verified, its value too if asked. */
int evkv__disk_get(struct disk_view *view, struct evkv_slice collection,
    struct evkv_slice key, int64_t now_ms, bool whole, struct disk_row *row);

struct disk_put {
	struct evkv_slice collection, key, value;
	int64_t expires_ms; /* 0 = never */
	/* Whose condition counts; NULL = none. */
	const struct evkv_request *request;
	size_t index;
	bool taken;       /* there is room for it */
	uint64_t version; /* filled in: the entry's new one */
};
int evkv__disk_put(struct disk_view *view, struct disk_put *put,
    int64_t now_ms);
/* Of `put` all but value and version is given. */
int evkv__disk_touch(struct disk_view *view, struct disk_put *put,
    int64_t now_ms);
/*
 * 0 or MDB_NOTFOUND, which is also the answer for an expired one it removed, or
 * DISK_CONFLICT. Of `put` the key and the condition are given.
 */
int evkv__disk_delete(struct disk_view *view, const struct disk_put *put,
    int64_t now_ms);
/* The row at the cursor, and its row of "expiry". */
int evkv__disk_delete_at(struct disk_view *view, MDB_cursor *cursor,
    const MDB_val *row_key, const struct disk_row *row);

/* ---- space.c ------------------------------------------------------------- */

/* Before a transaction that will put about `pages` pages. */
int evkv__disk_space_begin(struct disk_env *env, size_t pages);
/* The pages that a row of `size` bytes takes at most. */
void evkv__disk_space_reset(struct disk_env *env, size_t page_size);
size_t evkv__disk_space_pages(const struct disk_env *env, size_t size);
/* Whether there is room for a put of that many: 0, DISK_LATER or DISK_FULL. */
int evkv__disk_space_take(struct disk_view *view, size_t pages);
/*
 * A put of so many pages found no room, and why that holds until another
 * transaction; and whether it still does: then it need not be tried. Any
 * thread that holds the gate.
 */
void evkv__disk_space_refused(struct disk_env *env, size_t pages);
bool evkv__disk_space_full(struct disk_env *env, size_t pages);
/* Likewise, without waiting for the gate. */
bool evkv__disk_space_full_try(struct disk_env *env, size_t pages);
/* Whether pages were freed since one last advanced for their sake. */
bool evkv__disk_space_stale(struct disk_env *env);

/* ---- names.c, sweep.c: what spans keys ----------------------------------- */

int evkv__disk_keys(struct disk_view *view, const struct evkv_request *request,
    struct evkv_slice position, int64_t now_ms, struct name_page *page);
int evkv__disk_collections(struct disk_view *view,
    const struct evkv_request *request, struct evkv_slice position,
    int64_t now_ms, struct name_page *page);

/* Where a piecewise removal stands; zero it at first, and copy it to retry. */
struct disk_removal {
	unsigned char name[EVKV_COLLECTION_MAX]; /* the last collection */
	size_t name_size;
	bool past; /* nothing of `name` is left to be done */
	unsigned char
	    position[DISK_ROW_KEY_MAX]; /* in it: the last row looked at */
	size_t position_size;
	int64_t removed; /* live ones */
	bool finished;
	int64_t
	    next_ms; /* PURGE_EXPIRED: when the next one expires; 0 = never */
};

/* CLEAR, CLEAR_ALL or PURGE_EXPIRED, looking at `rows` rows at most. */
int evkv__disk_remove_some(struct disk_view *view,
    const struct evkv_request *request, int64_t now_ms, size_t rows,
    struct disk_removal *removal);
/* Whether anything has expired, and when the next will. */
int evkv__disk_expiry_peek(struct disk_view *view, int64_t now_ms, bool *due,
    int64_t *next_ms);

#endif
