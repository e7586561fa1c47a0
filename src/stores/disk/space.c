/*
 * stores/disk/space.c - how much puts may take, so that deletes always can.
 *
 * A delete copies pages before it frees any: in a database without a free page
 * it fails. So puts may leave only so many pages in use that `reserve` others
 * are free or not yet part of the file. Pages in use are those of the tables,
 * by mdb_stat() inside the transaction: exact, whatever was freed before in it.
 * Of the free ones LMDB can't use at once what the last two transactions have
 * freed; so near the bound a transaction takes a part of the reserve at most.
 *
 * A reader of another process that goes on for long keeps what was freed since
 * it began. Then new pages are taken at the end of the file, and puts stop half
 * way into the reserve there.
 *
 * The file is kept longer than what is used, by fallocate(), before anything is
 * written: a full disk is noticed here and not in the middle of a commit, and
 * what is reserved is there when a delete needs it.
 *
 * LMDB has the last word: where it has no room after all (MAP_FULL), pages that
 * the last transaction has freed may help: one that changes nothing but a
 * number makes them usable (group.c). A value of more than a page needs pages
 * side by side, which there may be too few of at the bound. A refusal is
 * remembered with the number of the last transaction. As long as that is the
 * last, puts of as many pages are refused without a transaction; from time to
 * time one is tried all the same, since a reader may have ended or the disk may
 * have got room.
 */
#include "stores/disk/env.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESERVE_MIN 64 /* pages */
#define RESERVE_MAX 4096
#define RESERVE_PART 16 /* of what is in use */
#define GROW_MIN 256    /* pages by which the file is made longer */
#define GROW_MAX 8192
#define GROW_PART 8
#define PUT_PAGES 3  /* leaf, index, a page that splits */
#define TXN_PAGES 24 /* the paths to them, the tables' roots, free lists */
#define FULL_MS 100  /* for how long a refusal holds */

static size_t clamp(size_t n, size_t least, size_t most)
{
	return n < least ? least : n > most ? most : n;
}

/* ---- The file ------------------------------------------------------------ */

/* Make the file `pages` long, with room on the disk where that can be had. */
static int space_extend(struct disk_space *space, int fd, size_t pages)
{
	off_t from = (off_t)(space->file_pages * space->page_size);
	off_t to = (off_t)(pages * space->page_size);
	int code = evkv__file_extend(fd, from, to, &space->sparse);

	if (code != 0)
		return code;
	space->file_pages = pages;
	return 0;
}

/*
 * See to it that the file has `needed` pages, and some more where the disk has.
 * A failure to get them shows in file_pages.
 */
static int space_file(struct disk_env *env, size_t needed, size_t most)
{
	struct disk_space *space = &env->space;
	struct stat stat;
	size_t more;
	int fd = env->watch.data_fd, code;

	if (fstat(fd, &stat) != 0)
		return errno;
	space->file_pages = (size_t)stat.st_size / space->page_size;
	if (needed > most)
		needed = most;
	if (space->file_pages >= needed)
		return 0;
	more = clamp(space->used / GROW_PART, GROW_MIN, GROW_MAX);
	more = clamp(needed + more, needed, most);
	code = space_extend(space, fd, more);
	if (file_errno_is_full(code))
		code = space_extend(space, fd, needed);
	return file_errno_is_full(code) ? 0 : code;
}

/* ---- Readers ------------------------------------------------------------- */

/* The oldest transaction that a reader sees, from "pid thread txnid" lines. */
static int space_reader_line(const char *line, void *arg)
{
	size_t *oldest = arg, txnid;

	if (sscanf(line, "%*d %*x %zu", &txnid) == 1 && txnid < *oldest)
		*oldest = txnid;
	return 0;
}

static bool space_pinned(struct disk_env *env, size_t last)
{
	size_t oldest = last;

	mdb_reader_list(env->lmdb, space_reader_line, &oldest);
	return oldest + 2 < last;
}

/* ---- For the writer ------------------------------------------------------ */

/* With the gate held. */
static int space_begin(struct disk_env *env, size_t pages)
{
	struct disk_space *space = &env->space;
	size_t most = env->config.max_bytes / space->page_size, end;
	MDB_envinfo info;
	int code = evkv__disk_watch(env, true);

	if (code == 0)
		code = mdb_env_info(env->lmdb, &info);
	if (code != 0)
		return code;
	space->used = info.me_last_pgno + 1;
	space->reserve = clamp(space->used / RESERVE_PART, RESERVE_MIN,
	    RESERVE_MAX);
	if (space->reserve > most / 4)
		space->reserve = most / 4;
	code = space_file(env, space->used + space->reserve + TXN_PAGES + pages,
	    most);
	end = space->file_pages < most ? space->file_pages : most;
	space->bound = end > space->reserve ? end - space->reserve : 0;
	space->taken = 0;
	space->pinned = space->used + pages + TXN_PAGES > space->bound &&
	    space_pinned(env, info.me_last_txnid);
	return code;
}

int evkv__disk_space_begin(struct disk_env *env, size_t pages)
{
	int code = EIO;

	pthread_rwlock_rdlock(&env->gate);
	if (env->lmdb != NULL)
		code = space_begin(env, pages);
	pthread_rwlock_unlock(&env->gate);
	return code;
}

/* In a new opening; the loop's thread may look at what is atomic meanwhile. */
void evkv__disk_space_reset(struct disk_env *env, size_t page_size)
{
	struct disk_space *space = &env->space;

	space->file_pages = space->used = space->bound = 0;
	space->reserve = space->taken = space->advanced = 0;
	space->sparse = space->pinned = false;
	__atomic_store_n(&space->full_pages, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&space->full_txnid, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&space->full_ms, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&space->page_size, page_size, __ATOMIC_RELAXED);
}

size_t evkv__disk_space_pages(const struct disk_env *env, size_t size)
{
	size_t page = __atomic_load_n(&env->space.page_size, __ATOMIC_RELAXED);

	/* LMDB gives a row of up to half a page a place in a leaf. */
	return PUT_PAGES + (size > page / 2 - 64 ? (size + 16) / page + 1 : 0);
}

/* Pages in use as this transaction would leave them. */
static size_t space_live(const struct disk_view *view)
{
	const MDB_dbi tables[] = { view->env->meta, view->env->collections,
		view->env->entries, view->env->expiry };
	size_t live = 2, i;
	MDB_stat stat;

	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (mdb_stat(view->txn, tables[i], &stat) == 0)
			live += stat.ms_branch_pages + stat.ms_leaf_pages +
			    stat.ms_overflow_pages;
	}
	return live;
}

int evkv__disk_space_take(struct disk_view *view, size_t pages)
{
	struct disk_env *env = view->env;
	struct disk_space *space = &env->space;
	bool first = space->taken == 0;

	space->taken += pages;
	if (space->used + space->taken + TXN_PAGES <= space->bound)
		return 0;
	if (space_live(view) + pages + TXN_PAGES > space->bound ||
	    (space->pinned &&
		space->used + space->taken >
		    space->bound + space->reserve / 2)) {
		evkv__disk_space_refused(env, pages);
		return DISK_FULL;
	}
	return first || space->taken <= space->reserve / 4 ? 0 : DISK_LATER;
}

/* ---- Refusals ------------------------------------------------------------ */

static size_t space_last_txnid(const struct disk_env *env)
{
	MDB_envinfo info;

	mdb_env_info(env->lmdb, &info);
	return info.me_last_txnid;
}

/* Written by the writer alone; the pages last, so that the others fit them. */
void evkv__disk_space_refused(struct disk_env *env, size_t pages)
{
	struct disk_space *space = &env->space;
	size_t txnid = space_last_txnid(env);
	size_t before = space->full_txnid == txnid ? space->full_pages : 0;

	__atomic_store_n(&space->full_pages, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&space->full_txnid, txnid, __ATOMIC_RELEASE);
	__atomic_store_n(&space->full_ms, evkv__disk_clock_ms(),
	    __ATOMIC_RELEASE);
	__atomic_store_n(&space->full_pages,
	    before != 0 && before < pages ? before : pages, __ATOMIC_RELEASE);
}

bool evkv__disk_space_full(struct disk_env *env, size_t pages)
{
	struct disk_space *space = &env->space;
	size_t full = __atomic_load_n(&space->full_pages, __ATOMIC_ACQUIRE);

	return full != 0 && pages >= full && env->lmdb != NULL &&
	    space_last_txnid(env) ==
	    __atomic_load_n(&space->full_txnid, __ATOMIC_ACQUIRE) &&
	    evkv__disk_clock_ms() -
		__atomic_load_n(&space->full_ms, __ATOMIC_ACQUIRE) <
	    FULL_MS;
}

bool evkv__disk_space_full_try(struct disk_env *env, size_t pages)
{
	bool full;

	if (__atomic_load_n(&env->space.full_pages, __ATOMIC_RELAXED) == 0 ||
	    pthread_rwlock_tryrdlock(&env->gate) != 0)
		return false;
	full = env->lmdb != NULL && evkv__disk_watch(env, true) == 0 &&
	    evkv__disk_space_full(env, pages);
	pthread_rwlock_unlock(&env->gate);
	return full;
}

bool evkv__disk_space_stale(struct disk_env *env)
{
	struct disk_space *space = &env->space;
	size_t last = 0;
	bool stale;

	pthread_rwlock_rdlock(&env->gate);
	if (env->lmdb != NULL)
		last = space_last_txnid(env);
	pthread_rwlock_unlock(&env->gate);
	stale = last != space->advanced;
	/* As it will be after one more. */
	space->advanced = last + 1;
	return stale;
}
