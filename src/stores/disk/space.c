/*
 * disk/space.c - how much puts may take, so that deletes always can.
 *
 * A delete copies pages before it frees any: in a database without a free page
 * it fails. So puts stop `reserve` pages before the end of the map, and the
 * file is kept that much longer than what is used, by fallocate(), before
 * anything is written: a full disk is noticed here and not in the middle of a
 * commit, and what is reserved is there when a delete needs it.
 *
 * What puts may take in a transaction (room) is first what lies between the
 * last page in use and that bound. Only when this is too little are the free
 * pages counted: those of transactions that no reader can see any more. Pages
 * freed by the last transaction but one are not usable yet; where they would
 * do, `recent` is set and the writer commits twice for nothing but that.
 *
 * All of it estimates from above. LMDB has the last word: a MAP_FULL leads to
 * the same answer, by halving the group.
 */
#include "stores/disk/env.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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

static size_t clamp(size_t n, size_t least, size_t most)
{
	return n < least ? least : n > most ? most : n;
}

static size_t space_reserve(const struct disk_space *space, size_t used)
{
	size_t reserve = clamp(used / RESERVE_PART, RESERVE_MIN, RESERVE_MAX);

	return reserve < space->map_pages / 4 ? reserve : space->map_pages / 4;
}

/* ---- The file ------------------------------------------------------------ */

/* Make the file `pages` long, with room on the disk where that can be had. */
static int space_extend(struct disk_space *space, int fd, size_t pages)
{
	off_t from = (off_t)(space->file_pages * space->page_size);
	off_t to = (off_t)(pages * space->page_size);

	if (!space->sparse && fallocate(fd, 0, from, to - from) != 0) {
		if (errno != EOPNOTSUPP && errno != ENOSYS)
			return errno;
		space->sparse = true;
	}
	if (space->sparse && ftruncate(fd, to) != 0)
		return errno;
	space->file_pages = pages;
	return 0;
}

/*
 * See to it that the file has `needed` pages, and some more where the disk has.
 * A failure to get them shows in file_pages.
 */
static int space_file(struct disk_env *env, size_t used, size_t needed)
{
	struct disk_space *space = &env->space;
	size_t most = space->map_pages, more;
	mdb_filehandle_t fd;
	struct stat stat;
	int code = mdb_env_get_fd(env->lmdb, &fd);

	if (code != 0)
		return code;
	if (fstat(fd, &stat) != 0)
		return errno;
	space->file_pages = (size_t)stat.st_size / space->page_size;
	if (needed > most)
		needed = most;
	if (space->file_pages >= needed)
		return 0;
	more = clamp(used / GROW_PART, GROW_MIN, GROW_MAX);
	more = clamp(needed + more, needed, most);
	code = space_extend(space, fd, more);
	if (disk_errno_is_full(code))
		code = space_extend(space, fd, needed);
	return disk_errno_is_full(code) ? 0 : code;
}

/* ---- Free pages ---------------------------------------------------------- */

/* The oldest transaction that a reader sees, from "pid thread txnid" lines. */
static int space_reader_line(const char *line, void *arg)
{
	size_t *oldest = arg, txnid;

	if (sscanf(line, "%*d %*x %zu", &txnid) == 1 && txnid < *oldest)
		*oldest = txnid;
	return 0;
}

/* One record of the free list: its length, then pages in falling order. */
static size_t space_run(const size_t *pages, size_t count)
{
	size_t i, run = 1, longest = count > 0 ? 1 : 0;

	for (i = 1; i < count; i++) {
		run = pages[i] + 1 == pages[i - 1] ? run + 1 : 1;
		if (run > longest)
			longest = run;
	}
	return longest;
}

static int space_count(struct disk_env *env, MDB_txn *txn, size_t *usable)
{
	struct disk_space *space = &env->space;
	size_t last = mdb_txn_id(txn), oldest = last, run, recent = 0;
	MDB_val key, data;
	MDB_cursor *cursor;
	int code;

	mdb_reader_list(env->lmdb, space_reader_line, &oldest);
	code = mdb_cursor_open(txn, 0, &cursor);
	if (code != 0)
		return code;
	while ((code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0) {
		const size_t *record = data.mv_data;
		size_t id;

		memcpy(&id, key.mv_data, sizeof(id));
		if (id >= oldest) {
			recent += record[0];
			continue;
		}
		*usable += record[0];
		run = space_run(record + 1, record[0]);
		if (run > space->longest_run)
			space->longest_run = run;
	}
	mdb_cursor_close(cursor);
	/* A reader that holds them won't go by our committing. */
	space->recent = recent > 0 && oldest == last;
	return code == MDB_NOTFOUND ? 0 : code;
}

/* LMDB shows its free list to read transactions only. */
static int space_measure(struct disk_env *env)
{
	MDB_txn *txn;
	size_t usable = 0;
	int code = mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, &txn);

	if (code != 0)
		return code;
	env->space.measured = true;
	code = space_count(env, txn, &usable);
	env->space.room += (int64_t)usable;
	mdb_txn_abort(txn);
	return code;
}

/* ---- For the writer ------------------------------------------------------ */

/* With the gate held. */
static int space_begin(struct disk_env *env, size_t pages)
{
	struct disk_space *space = &env->space;
	size_t used, reserve, end;
	MDB_envinfo info;
	int code = mdb_env_info(env->lmdb, &info);

	if (code != 0)
		return code;
	space->map_pages = env->config.max_bytes / space->page_size;
	used = info.me_last_pgno + 1;
	reserve = space_reserve(space, used);
	code = space_file(env, used, used + reserve + TXN_PAGES + pages);
	if (code != 0)
		return code;
	end = space->file_pages < space->map_pages ? space->file_pages
						   : space->map_pages;
	space->room = (int64_t)end - (int64_t)reserve - (int64_t)used -
	    TXN_PAGES;
	space->longest_run = space->room > 0 ? (size_t)space->room : 0;
	space->overshoot = (int64_t)reserve / 2;
	space->first = true;
	space->measured = space->recent = false;
	if (space->room < (int64_t)pages)
		code = space_measure(env);
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

size_t evkv__disk_space_pages(const struct disk_env *env, size_t size)
{
	size_t page = env->space.page_size;

	/* LMDB gives a row of up to half a page a place in a leaf. */
	return PUT_PAGES + (size > page / 2 - 64 ? (size + 16) / page + 1 : 0);
}

int evkv__disk_space_take(struct disk_env *env, size_t pages)
{
	struct disk_space *space = &env->space;
	/* All but PUT_PAGES must lie side by side. */
	size_t run = pages - PUT_PAGES;
	bool fits = space->room >= (int64_t)pages &&
	    (run <= space->longest_run || run <= 1 ||
		(int64_t)run <= space->overshoot);

	if (fits) {
		space->room -= (int64_t)pages;
		space->first = false;
		return 0;
	}
	/* A new transaction may find more, this one having used its part. */
	if (!space->first || space->recent)
		return DISK_LATER;
	return DISK_FULL;
}
