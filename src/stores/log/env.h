/*
 * stores/log/env.h - a log on the disk and its index in memory. Knows nothing
 * of ops and loops; what may block says so.
 *
 * Who does what: the writer's lane alone appends, and enters and removes
 * entries of the index; the keeper's lane writes index files and compacts,
 * which moves entries; everybody reads.
 *
 * `lock` guards the index, the table of files, the collections and what is
 * counted for each file. It is held for as long as it takes to look at or
 * change some entries, never while the disk is waited for. The loop's thread
 * only tries it.
 */
#ifndef EVKV_STORES_LOG_ENV_H
#define EVKV_STORES_LOG_ENV_H

#include <pthread.h>
#include <sched.h>

#include "engines/files/cell.h"
#include "engines/files/name_page.h"
#include "stores/log/file.h"
#include "stores/log/index.h"

enum log_durability {
	LOG_SYNC_FULL,
	LOG_SYNC_OS,
	LOG_SYNC_NONE,
};

struct log_config {
	char *path;
	enum log_durability durability;
	uint64_t max_bytes;
	uint64_t segment_bytes;
	double compact_ratio;
	uint64_t hash_mask; /* for tests; ~0 */
};

/* A collection: its number is where it stands in the table. */
struct log_collection {
	uint64_t hash;
	uint8_t size;
	size_t entries;  /* that the index has */
	size_t forever;  /* of those: without a TTL */
	uint32_t latest; /* no coarse expiry is later */
	unsigned char name[];
};

struct log_collections {
	struct log_collection **all;
	uint32_t count, room;
	uint32_t *slots; /* 1 + number, by hash; a power of two of them */
	size_t size;
};

/* Counters; atomic, as the loop looks too. */
struct log_counts {
	uint64_t files, bytes, live_bytes, entries, expiring;
	uint64_t written, copied; /* bytes, since it was opened */
	uint64_t index_bytes;
	uint64_t compactions, scanned, to_scan;
};

/* Memory to read records into. */
struct log_buffer {
	unsigned char *data;
	size_t size;
};

struct log_group;
struct log_compaction;

struct log_env {
	struct log_config config;
	int folder, lock_file; /* -1 = not open */
	bool must_exist;       /* it was open before: never make it again */
	bool sparse;           /* the file system can't set room aside */
	bool nowait;           /* and it can read without waiting */
	bool stop;             /* atomic: it is closing */
	uint64_t instance;
	struct log_hash_key key;

	pthread_rwlock_t lock;
	struct log_index index;
	struct log_collections collections;
	struct log_file **table; /* by slot; NULL = free */
	uint32_t slots;
	struct log_file **order; /* by their ranges of versions */
	size_t order_count, order_room;
	uint64_t applied;  /* all versions up to it are in the index */
	size_t expiring;   /* entries with a TTL */
	uint64_t total;    /* bytes of all files but what is only set aside */
	uint64_t indexed;  /* the highest number of an index file, at opening */
	uint64_t numbered; /* the last number that a file was given */

	/* The writer's. */
	struct log_file *active; /* NULL: to be made by the next write */
	uint64_t version;        /* the last that was given */
	uint64_t ended;          /* where the last sealed file's range ends */
	uint64_t synced;         /* of the active file */
	uint64_t active_puts, active_items;
	uint64_t active_room;
	uint64_t
	    written_to;  /* its blocks up to here were written, with zeros */
	bool of_reserve; /* it is for deletes only */
	bool torn; /* a write has failed: the active file is to be cut first */
	bool reserved; /* room for deletes is set aside */
	struct log_group *group;

	/* The keeper's. */
	struct log_compaction *compaction;

	struct log_buffer here; /* the loop's, for inline reads */
	struct log_counts counts;
	char notes[512]; /* of the last opening, for the log */
};

/*
 * The keeper, with each of many items: now and then, some 50 us apart, whoever
 * waits for this processor has it. Else the writer, when its sync is done, would
 * wait for up to a time slice.
 */
#define LOG_MAKE_WAY 256

static inline void log_make_way(size_t items)
{
	if (items % LOG_MAKE_WAY == 0)
		sched_yield();
}

static inline void log_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, n, __ATOMIC_RELAXED);
}

static inline void log_count_add(uint64_t *counter, uint64_t n)
{
	__atomic_add_fetch(counter, n, __ATOMIC_RELAXED);
}

/* ---- env.c --------------------------------------------------------------- */

/* The path is copied. NULL = no memory. */
struct log_env *evkv__log_env_new(const struct log_config *config);
void evkv__log_env_free(struct log_env *env);

/* ---- load.c: opening and closing; may block ------------------------------ */

bool evkv__log_open(struct log_env *env, int64_t now_ms,
    struct file_failure *failure);
/* 0 or an errno; closed in any case. */
int evkv__log_close(struct log_env *env);

/* ---- folder.c ------------------------------------------------------------ */

/* Open and lock the directory, and read or make STORE. */
bool evkv__log_folder_open(struct log_env *env, struct file_failure *failure);
/*
 * For looking: whether the folder, which is open, has a STORE that is sound.
 * Nothing is written. CORRUPT: it is a log all the same; else it is none.
 */
bool evkv__log_folder_check(struct log_env *env, struct file_failure *failure);
/* LOCKED: a store, or the tool, has it open. */
bool evkv__log_folder_lock(struct log_env *env, struct file_failure *failure);
void evkv__log_folder_close(struct log_env *env);
/* The numbers of the data files, sorted; other files of ours are removed. */
bool evkv__log_folder_list(struct log_env *env, uint64_t **numbers,
    size_t *count, struct file_failure *failure);
/*
 * Whether the last data file was removed: nothing tells but its index file,
 * which goes before it, or together with it.
 */
static inline bool log_last_is_lost(const struct log_env *env,
    const uint64_t *numbers, size_t count)
{
	return env->indexed > (count > 0 ? numbers[count - 1] : 0);
}

/* ---- table.c: files and collections; with the lock held ------------------ */

/* Give it a slot. false = no memory. */
bool evkv__log_table_add(struct log_env *env, struct log_file *file);
void evkv__log_table_drop(struct log_env *env, struct log_file *file);
/* Into the order, in place of `count` files from `at` on. false = no memory. */
bool evkv__log_order_put(struct log_env *env, size_t at, size_t count,
    struct log_file *file);
static inline struct log_file *log_place_file(const struct log_env *env,
    uint64_t place)
{
	return env->table[log_place_slot(place)];
}
/* Whether a tombstone may still be needed that has this version. */
bool evkv__log_older_exists(const struct log_env *env, size_t at,
    uint64_t version);
/* What counts as dead in a file. */
uint64_t evkv__log_dead_bytes(const struct log_env *env, size_t at);

/* The number of a collection; false = there is none, or no memory for it. */
bool evkv__log_collection_find(const struct log_env *env,
    struct evkv_slice name, uint64_t hash, uint32_t *number);
bool evkv__log_collection_make(struct log_env *env, struct evkv_slice name,
    uint64_t hash, uint32_t *number);
void evkv__log_collections_free(struct log_collections *collections);

/*
 * Count an entry that the index has got (1) or lost (-1). Its place says how
 * large it is, an eighth more at most.
 */
void evkv__log_tally(struct log_env *env, const struct log_entry *entry,
    int sign);
/* Show what is there. */
void evkv__log_show(struct log_env *env);

/* ---- index_file.c, merge.c ----------------------------------------------- */

struct log_row {
	struct log_hash hash;
	uint32_t offset; /* in units of 8 */
	uint32_t size;   /* likewise */
	uint32_t expiry;
	uint32_t collection; /* number in the file; LOG_ROW_TOMBSTONE */
};
#define LOG_ROW_SIZE 32
#define LOG_ROW_TOMBSTONE UINT32_C(0x80000000)

/* Rows of one file, the newest of each name, sorted by hash. */
struct log_rows {
	struct log_row *rows;
	size_t count, room;
	unsigned char *names; /* collections: size, bytes */
	size_t names_size, names_room;
	uint32_t names_count;
};

/*
 * Walk a data file and gather its rows. BAD, with the offset, where it is
 * damaged or, if it is not sealed, ends: `end` tells how it was left. May
 * block.
 */
struct log_walk_end {
	enum log_step step;
	int sys_error;
	uint64_t offset, last, puts;
	bool damage;       /* a bad item that was durable */
	uint64_t evidence; /* the group that says so */
};
void evkv__log_rows_gather(struct log_env *env, struct log_file *file,
    struct log_rows *rows, struct log_walk_end *end);
void evkv__log_rows_free(struct log_rows *rows);
/* Write an index file. false = errno tells why. */
bool evkv__log_rows_write(struct log_env *env, const struct log_file *file,
    const struct log_rows *rows);
/* Gather and write, for a sealed file. false = it stays without one. */
bool evkv__log_index_file_make(struct log_env *env, struct log_file *file);

/* Reads an index file row by row. */
struct log_reader;
/* NULL: it is not there, or not of this file as it is. */
struct log_reader *evkv__log_reader_open(struct log_env *env,
    const struct log_file *file);
struct log_reader *evkv__log_reader_of_rows(struct log_rows *rows);
void evkv__log_reader_free(struct log_reader *reader);
uint64_t evkv__log_reader_count(const struct log_reader *reader);
struct evkv_slice evkv__log_reader_names(const struct log_reader *reader);
/* false: that was the last, or `failed` is set. */
bool evkv__log_reader_next(struct log_reader *reader, struct log_row *row,
    bool *failed);

/*
 * Make the index of the readers' rows; readers[i] is of order[i]. *bad = one
 * whose rows are damaged. Rows that have expired are left out.
 */
bool evkv__log_merge(struct log_env *env, struct log_reader **readers,
    int64_t now_ms, size_t *bad, struct file_failure *failure);

/* ---- find.c -------------------------------------------------------------- */

/* Who is looked for. */
struct log_name {
	struct evkv_slice collection, key;
	uint64_t collection_hash;
	struct log_hash hash;
	uint32_t tag; /* of the index, once the collection was looked up */
};

struct log_found {
	struct log_entry entry;
	struct log_item item;
	struct evkv_slice value; /* in the buffer; if it was asked for */
};

/* Hash a name that has collection and key. */
static inline void log_name_hash(const struct log_env *env,
    struct log_name *name)
{
	name->collection_hash = evkv__log_collection_hash(&env->key,
	    name->collection);
	name->hash = evkv__log_hash_in(&env->key, name->collection_hash,
	    name->key);
}

/* Fill in its tag; false: there is no such collection. With the lock held. */
bool evkv__log_name_known(const struct log_env *env, struct log_name *name);

enum log_find {
	LOG_FOUND,
	LOG_ABSENT,
	LOG_DAMAGED,
	LOG_IO,    /* errno tells why */
	LOG_AGAIN, /* it can't be told without waiting */
	LOG_NOMEM,
};

/*
 * The entry with a name, expired or not. `value`: its value, too. Of the name
 * its tag is filled in. May block.
 */
enum log_find evkv__log_find(struct log_env *env, struct log_name *name,
    bool value, struct log_buffer *buffer, struct log_found *found);
/* Likewise without waiting; AGAIN where it would have to. */
enum log_find evkv__log_find_now(struct log_env *env, struct log_name *name,
    bool value, struct log_buffer *buffer, struct log_found *found);
/* Likewise with the lock held; may block. For the rare cases. */
enum log_find evkv__log_find_locked(struct log_env *env,
    const struct log_name *name, struct log_buffer *buffer,
    struct log_found *found);
/* The head and the names of what is at a place of a file. May block. */
enum log_find evkv__log_read_head(struct log_file *file, uint64_t place,
    struct log_buffer *buffer, struct log_item *item);
bool evkv__log_buffer_room(struct log_buffer *buffer, size_t size);

static inline bool log_live(const struct log_item *item, int64_t now_ms)
{
	return item->expires == 0 || (int64_t)item->expires > now_ms;
}

/* What is read, and where to. */
struct log_read {
	struct log_env *env;
	const struct evkv_request *request;
	int64_t now_ms;
	struct log_buffer *buffer;
	struct file_failure *failure;
};

/* Read key `index` of the request into a cell. */
void evkv__log_read_cell(const struct log_read *read, size_t index,
    struct file_cell *cell);
/* Likewise without waiting; false: it has to. */
bool evkv__log_read_cell_now(const struct log_read *read, size_t index,
    struct file_cell *cell);

/* ---- append.c: the active file; the writer's ----------------------------- */

/*
 * Have an active file with `size` bytes of room, and the old one sealed.
 * `deletes`: room that was kept back may be used. 0 or an errno; ENOSPC also
 * where max_bytes is reached.
 */
int evkv__log_active(struct log_env *env, uint64_t size, bool deletes);
/* Seal the active file. 0 or an errno. */
int evkv__log_roll(struct log_env *env);
/* Cut the active file where it is sound, after a write that failed. */
int evkv__log_cut(struct log_env *env);
/* Have the room that is kept back for deletes. */
void evkv__log_reserve(struct log_env *env);
/* Bring to the disk what was written. 0 or an errno. */
int evkv__log_sync(struct log_env *env);
/* Whether puts of so many bytes are within max_bytes. */
bool evkv__log_room(const struct log_env *env, uint64_t size);

/* ---- lost.c -------------------------------------------------------------- */

/*
 * Whether the path no longer leads to the file that is written or, where there
 * is none, to the directory.
 */
bool evkv__log_lost(const struct log_env *env);
#define LOG_LOST                                                               \
	"the directory was moved or replaced, or the file that is written "    \
	"was removed, moved or cut, while it is open"
/* Whether the file that is written was removed or cut, wherever it is. */
bool evkv__log_spoilt(const struct log_env *env);

/* ---- names.c, sweep.c: what spans keys ----------------------------------- */

int evkv__log_keys(struct log_env *env, const struct evkv_request *request,
    struct evkv_slice position, int64_t now_ms, struct log_buffer *buffer,
    struct name_page *page);
int evkv__log_collections(struct log_env *env,
    const struct evkv_request *request, struct evkv_slice position,
    int64_t now_ms, struct log_buffer *buffer, struct name_page *page);

/* Where a piecewise removal stands; zero it at first. */
struct log_removal {
	uint64_t hash; /* up to here all was looked at */
	bool begun, finished;
	int64_t removed;
};

/* ---- compact.c: the keeper's --------------------------------------------- */

/* Index files that are missing. true: there was something to do. */
bool evkv__log_keep(struct log_env *env);
/*
 * A piece of compaction; *copied = its bytes. `all`: whatever has dead bytes,
 * up to the file with number `all_up_to`; else what has passed the ratio.
 * *finished: there is nothing to do. 0 or an errno.
 */
int evkv__log_compact_piece(struct log_env *env, bool all, uint64_t all_up_to,
    int64_t now_ms, uint64_t *copied, bool *finished);
/* Give up what is under way; nothing is lost. */
void evkv__log_compact_stop(struct log_env *env);

#endif
