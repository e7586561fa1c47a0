/*
 * bench/log_bench.c - the log against raw LMDB, against RocksDB through its C
 * API where that is installed, and against one write and one fdatasync on a
 * preallocated file; each in a directory of its own with the same entries.
 *
 * 16-byte keys, 100-byte values, random keys among those that are there. The
 * raw libraries put in transactions, or batches with the log synced, of as many
 * as the store has outstanding. Of gets a batch is submitted by the last
 * callback of the one before; of puts one by each callback, so that there are
 * always as many outstanding.
 *
 *     log [repetitions [entries [directory [entries in memory]]]]
 */
#include <event2/event.h>
#include <fcntl.h>
#include <ftw.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_ROCKSDB
#include <rocksdb/c.h>
#endif

#include "bench.h"
#include "evkv/evkv.h"
#include "evkv/stores/log.h"
#include "stores/log/index.h"

#define KEY_SIZE 16
#define VALUE_SIZE 100
#define SEQUENCE (1u << 20)
#define GET_BATCH 64
#define MAP_SIZE ((size_t)8 << 30)
#define RECORD_SIZE 160
#define FLOOR_BYTES ((off_t)256 << 20)
#define WAKING_SYNCS 100

struct world {
	uint32_t entries;
	uint32_t *sequence;
	uint32_t at;
	char value[VALUE_SIZE];
	uintptr_t sum;

	MDB_env *raw;
	MDB_dbi dbi;
#ifdef HAVE_ROCKSDB
	rocksdb_t *rocks;
	rocksdb_writeoptions_t *synced;
#endif
	int floor; /* the preallocated file */
	off_t floor_at;

	struct event_base *base;
	struct evkv_loop *loop;
	struct evkv_store *stores[2]; /* inline, by worker */
};

/* One row: batches of one kind to one store. */
struct side {
	struct world *world;
	struct evkv_store *store;
	enum evkv_kind kind;
	size_t batch, left, waiting;
};

/* Raw puts, so many for each commit. */
struct raw_side {
	struct world *world;
	size_t batch;
};

static void make_key(char *key, uint32_t number)
{
	uint64_t words[2];

	words[0] = number * UINT64_C(0x9e3779b97f4a7c15);
	words[1] = ~words[0] ^ number;
	memcpy(key, words, sizeof(words));
}

static uint32_t next_number(struct world *w)
{
	return w->sequence[w->at++ % SEQUENCE];
}

/* ---- The floor ----------------------------------------------------------- */

/* One write of as many bytes as a group has, and one fdatasync. */
static void floor_write(void *arg, size_t ops)
{
	struct raw_side *side = arg;
	struct world *w = side->world;
	static char bytes[1024 * RECORD_SIZE];
	size_t size = side->batch * RECORD_SIZE, n;

	for (n = 0; n < ops; n += side->batch) {
		if (w->floor_at + (off_t)size > FLOOR_BYTES)
			w->floor_at = 0;
		memset(bytes, (int)n, size);
		bench_check(pwrite(w->floor, bytes, size, w->floor_at) ==
		    (ssize_t)size);
		bench_check(fdatasync(w->floor) == 0);
		w->floor_at += (off_t)size;
	}
}

static void floor_open(struct world *w, const char *path)
{
	w->floor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	bench_check(w->floor >= 0);
	bench_check(posix_fallocate(w->floor, 0, FLOOR_BYTES) == 0);
	bench_check(fsync(w->floor) == 0);
}

/*
 * A disk that has rested is slow for tens of syncs, which would be counted
 * mostly to the shortest row: so each row of puts begins after some.
 */
static void disk_wake(struct world *w)
{
	struct raw_side side = { .world = w, .batch = 512 };

	floor_write(&side, side.batch * WAKING_SYNCS);
}

static void raw_settle(void *arg)
{
	disk_wake(((struct raw_side *)arg)->world);
}

/* ---- Raw LMDB ------------------------------------------------------------ */

static void raw_get(void *arg, size_t ops)
{
	struct world *w = arg;
	char bytes[KEY_SIZE];
	MDB_val key = { KEY_SIZE, bytes }, value;
	MDB_txn *txn;

	bench_check(mdb_txn_begin(w->raw, NULL, MDB_RDONLY, &txn) == 0);
	for (; ops > 0; ops--) {
		make_key(bytes, next_number(w));
		bench_check(mdb_get(txn, w->dbi, &key, &value) == 0);
		w->sum += *(unsigned char *)value.mv_data + value.mv_size;
	}
	mdb_txn_abort(txn);
}

static void raw_put(struct world *w, uint32_t number, MDB_txn *txn)
{
	char bytes[KEY_SIZE];
	MDB_val key = { KEY_SIZE, bytes };
	MDB_val value = { VALUE_SIZE, w->value };

	make_key(bytes, number);
	bench_check(mdb_put(txn, w->dbi, &key, &value, 0) == 0);
}

static void raw_put_groups(void *arg, size_t ops)
{
	struct raw_side *side = arg;
	MDB_txn *txn;
	size_t n;

	while (ops > 0) {
		bench_check(mdb_txn_begin(side->world->raw, NULL, 0, &txn) ==
		    0);
		for (n = 0; n < side->batch && ops > 0; n++, ops--)
			raw_put(side->world, next_number(side->world), txn);
		bench_check(mdb_txn_commit(txn) == 0);
	}
}

static void raw_open(struct world *w, const char *path)
{
	MDB_txn *txn;
	uint32_t i;

	mkdir(path, 0700);
	bench_check(mdb_env_create(&w->raw) == 0);
	mdb_env_set_mapsize(w->raw, MAP_SIZE);
	bench_check(mdb_env_open(w->raw, path, MDB_NOTLS, 0600) == 0);
	bench_check(mdb_txn_begin(w->raw, NULL, 0, &txn) == 0);
	bench_check(mdb_dbi_open(txn, NULL, 0, &w->dbi) == 0);
	for (i = 0; i < w->entries; i++)
		raw_put(w, i, txn);
	bench_check(mdb_txn_commit(txn) == 0);
}

/* ---- RocksDB ------------------------------------------------------------- */

#ifdef HAVE_ROCKSDB

static void rocks_put_groups(void *arg, size_t ops)
{
	struct raw_side *side = arg;
	struct world *w = side->world;
	char bytes[KEY_SIZE], *error = NULL;
	size_t n;

	while (ops > 0) {
		rocksdb_writebatch_t *batch = rocksdb_writebatch_create();

		for (n = 0; n < side->batch && ops > 0; n++, ops--) {
			make_key(bytes, next_number(w));
			rocksdb_writebatch_put(batch, bytes, KEY_SIZE, w->value,
			    VALUE_SIZE);
		}
		rocksdb_write(w->rocks, w->synced, batch, &error);
		bench_check(error == NULL);
		rocksdb_writebatch_destroy(batch);
	}
}

/* It writes tables and merges them behind the puts. */
static void rocks_settle(void *arg)
{
	static const char *const at_work[] = { "rocksdb.num-running-flushes",
		"rocksdb.num-running-compactions",
		"rocksdb.mem-table-flush-pending",
		"rocksdb.compaction-pending" };
	const struct timespec step = { 0, 1000000 };
	struct raw_side *side = arg;
	uint64_t some = 1, number;
	size_t i;

	while (some > 0) {
		nanosleep(&step, NULL);
		for (i = 0, some = 0; i < 4; i++) {
			bench_check(rocksdb_property_int(side->world->rocks,
					at_work[i], &number) == 0);
			some += number;
		}
	}
	disk_wake(side->world);
}

static void rocks_open(struct world *w, const char *path)
{
	rocksdb_options_t *options = rocksdb_options_create();
	rocksdb_writeoptions_t *quick = rocksdb_writeoptions_create();
	char bytes[KEY_SIZE], *error = NULL;
	uint32_t i;

	rocksdb_options_set_create_if_missing(options, 1);
	w->rocks = rocksdb_open(options, path, &error);
	bench_check(error == NULL);
	w->synced = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(w->synced, 1);
	for (i = 0; i < w->entries; i++) {
		make_key(bytes, i);
		rocksdb_put(w->rocks, quick, bytes, KEY_SIZE, w->value,
		    VALUE_SIZE, &error);
		bench_check(error == NULL);
	}
	rocksdb_writeoptions_destroy(quick);
	rocksdb_options_destroy(options);
}

static void rocks_close(struct world *w)
{
	rocksdb_writeoptions_destroy(w->synced);
	rocksdb_close(w->rocks);
}

#endif

/* ---- The store ----------------------------------------------------------- */

static void side_submit(struct side *side);

static void on_result(const struct evkv_result *result, void *arg)
{
	struct side *side = arg;
	struct world *w = side->world;

	bench_check(result->status == EVKV_OK);
	if (evkv_result_entry(result, 0)->bytes.size > 0)
		w->sum += *(const unsigned char *)evkv_result_entry(result, 0)
			       ->bytes.data;
	side->waiting--;
	if (side->waiting == 0 && side->left == 0)
		event_base_loopbreak(w->base);
	else if (side->left > 0 &&
	    (side->kind == EVKV_OP_PUT || side->waiting == 0))
		side_submit(side);
}

static void side_submit(struct side *side)
{
	struct world *w = side->world;
	size_t batch = side->batch - side->waiting;
	char bytes[KEY_SIZE];
	struct evkv_slice key = evkv_bytes(bytes, KEY_SIZE);
	struct evkv_slice value = evkv_bytes(w->value, VALUE_SIZE);

	if (batch > side->left)
		batch = side->left;
	side->waiting += batch;
	side->left -= batch;
	for (; batch > 0; batch--) {
		make_key(bytes, next_number(w));
		evkv_submit(side->store,
		    &(struct evkv_request){
			.kind = side->kind,
			.flags = EVKV_FLAG_SINGLE,
			.collection = EVKV_LIT("bench"),
			.count = 1,
			.keys = &key,
			.values = side->kind == EVKV_OP_PUT ? &value : NULL,
		    },
		    on_result, side);
	}
}

static void side_run(void *arg, size_t ops)
{
	struct side *side = arg;

	side->left = ops;
	side_submit(side);
	event_base_dispatch(side->world->base);
	bench_check(side->left == 0 && side->waiting == 0);
}

/* Dispatch returns when nothing is written behind the puts either. */
static void side_settle(void *arg)
{
	struct side *side = arg;

	event_base_dispatch(side->world->base);
	disk_wake(side->world);
}

static void on_put(const struct evkv_result *result, void *arg)
{
	(void)arg;
	bench_check(result->status == EVKV_OK);
}

static struct evkv_store *store_open(struct world *w, const char *path,
    enum evkv_log_reads reads)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store = evkv_log_new(w->loop,
	    &(struct evkv_log_options){ .path = path, .reads = reads }, &error);
	struct evkv_slice value = evkv_bytes(w->value, VALUE_SIZE);
	char bytes[KEY_SIZE];
	struct evkv_slice key = evkv_bytes(bytes, KEY_SIZE);
	uint32_t i;

	bench_check(store != NULL);
	for (i = 0; i < w->entries; i++) {
		make_key(bytes, i);
		evkv_put(store, EVKV_LIT("bench"), key, value, EVKV_TTL_NONE,
		    on_put, NULL);
		if (i % 50000 == 0 || i + 1 == w->entries)
			event_base_dispatch(w->base);
	}
	return store;
}

/* ---- The whole ----------------------------------------------------------- */

static void gets(struct world *w, unsigned repetitions)
{
	struct side here = { .world = w,
		.store = w->stores[0],
		.kind = EVKV_OP_GET,
		.batch = GET_BATCH };
	struct side worker = { .world = w,
		.store = w->stores[1],
		.kind = EVKV_OP_GET,
		.batch = GET_BATCH };
	struct bench_row rows[] = {
		{ .name = "raw LMDB, transaction held",
		    .run = raw_get,
		    .arg = w },
		{ .name = "64 outstanding, inline",
		    .run = side_run,
		    .arg = &here,
		    .promised = 1.5 },
		{ .name = "64 outstanding, by a worker",
		    .run = side_run,
		    .arg = &worker },
	};

	bench_measure(rows, 3, 300000, repetitions);
	bench_print("get from the page cache", rows, 3);
}

/* What waits for the disk is measured by the clock, not by the processor. */
static void print_times(const struct bench_row *other,
    const struct bench_row *ours, double promised)
{
	double ratios[BENCH_REPETITIONS_MAX];
	struct bench_spread spread;
	unsigned i;

	for (i = 0; i < other->repetitions; i++)
		ratios[i] = other->wall_ns[i] / ours->wall_ns[i];
	spread = bench_spread(ratios, other->repetitions);
	printf("puts per second / %s: %.2f [%.2f-%.2f]", other->name,
	    spread.median, spread.min, spread.max);
	if (promised > 0)
		printf("   promised %.2f: %s", promised,
		    spread.median >= promised ? "kept" : "MISSED");
	printf("\n");
}

static void puts_durable(struct world *w, size_t batch, size_t ops,
    unsigned repetitions, const double promised[3])
{
	struct raw_side raw = { .world = w, .batch = batch };
	struct side side = { .world = w,
		.store = w->stores[0],
		.kind = EVKV_OP_PUT,
		.batch = batch };
	struct bench_row rows[] = {
		{ .name = "write and fdatasync",
		    .run = floor_write,
		    .arg = &raw,
		    .settle = raw_settle },
		{ .name = "LMDB",
		    .run = raw_put_groups,
		    .arg = &raw,
		    .settle = raw_settle },
#ifdef HAVE_ROCKSDB
		{ .name = "RocksDB",
		    .run = rocks_put_groups,
		    .arg = &raw,
		    .settle = rocks_settle },
#endif
		{ .name = "log",
		    .run = side_run,
		    .arg = &side,
		    .settle = side_settle },
	};
	size_t count = sizeof(rows) / sizeof(rows[0]), i;
	char title[60];

	bench_measure(rows, count, ops, repetitions);
	snprintf(title, sizeof(title), "durable put, %zu outstanding", batch);
	bench_print(title, rows, count);
	for (i = 0; i + 1 < count; i++)
		print_times(&rows[i], &rows[count - 1], promised[i]);
}

/* Half of what is there was overwritten: what compaction adds to the writes. */
static void amplification(struct world *w)
{
	struct evkv_log_counters before, after;
	struct evkv_store *store = w->stores[1];
	struct side side = {
		.world = w, .store = store, .kind = EVKV_OP_PUT, .batch = 1024
	};

	evkv_log_read_counters(store, &before);
	side_run(&side, w->entries);
	side_settle(&side);
	evkv_submit(store, &(struct evkv_request){ .kind = EVKV_OP_COMPACT },
	    on_put, NULL);
	event_base_dispatch(w->base);
	evkv_log_read_counters(store, &after);
	printf("write amplification, as many puts as entries, then compact: "
	       "%.2f; bytes %.0f -> %.0f MB\n",
	    (double)(after.written_bytes - before.written_bytes) /
		(double)(after.written_bytes - before.written_bytes -
		    (after.copied_bytes - before.copied_bytes)),
	    (double)before.bytes / 1e6, (double)after.bytes / 1e6);
}

/* The index alone: what it takes does not depend on the keys' length. */
static void memory(uint32_t most)
{
	static const unsigned fills[] = { 60, 75, 90, 100 };
	struct log_index index;
	uint64_t state = 1, i = 0, wanted;
	double mean = 0, worst = 0, per;
	size_t samples = 0, f;

	bench_check(evkv__log_index_init(&index));
	printf("\nmemory of the index, up to %u entries (keys of 16 or 200 "
	       "bytes alike)\n",
	    most);
	for (f = 0; f < sizeof(fills) / sizeof(fills[0]); f++) {
		wanted = (uint64_t)most * fills[f] / 100;
		for (; i < wanted; i++) {
			const struct log_entry entry = {
				.hash = bench_random(&state),
				.place = evkv__log_place(1, i * 8, RECORD_SIZE)
			};

			bench_check(evkv__log_index_insert(&index, &entry));
			if (i < 100000 || i % 4096 != 0)
				continue;
			per = (double)index.bytes / (double)(i + 1);
			mean += per;
			samples++;
			worst = per > worst ? per : worst;
		}
		printf("  at %3u %%: %.2f bytes an entry\n", fills[f],
		    (double)index.bytes / (double)wanted);
	}
	printf("  mean %.2f, worst %.2f   promised 28 and 32: %s\n",
	    mean / (double)samples, worst,
	    mean / (double)samples <= 28 && worst <= 32 ? "kept" : "MISSED");
	evkv__log_index_free(&index);
}

static int remove_one(const char *path, const struct stat *stat, int kind,
    struct FTW *place)
{
	(void)stat;
	(void)kind;
	(void)place;
	return remove(path);
}

static void open_all(struct world *w, const char *root)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/raw", root);
	raw_open(w, path);
#ifdef HAVE_ROCKSDB
	snprintf(path, sizeof(path), "%s/rocks", root);
	rocks_open(w, path);
#endif
	snprintf(path, sizeof(path), "%s/floor", root);
	floor_open(w, path);
	snprintf(path, sizeof(path), "%s/a", root);
	w->stores[0] = store_open(w, path, EVKV_LOG_READS_AUTO);
	snprintf(path, sizeof(path), "%s/b", root);
	w->stores[1] = store_open(w, path, EVKV_LOG_READS_LANE);
}

static void close_all(struct world *w)
{
	evkv_store_unref(w->stores[0]);
	evkv_store_unref(w->stores[1]);
	evkv_loop_free(w->loop);
	event_base_free(w->base);
	mdb_env_close(w->raw);
#ifdef HAVE_ROCKSDB
	rocks_close(w);
#endif
	close(w->floor);
	free(w->sequence);
}

/* To one fdatasync, to LMDB, to RocksDB; 0 = nothing is promised. */
static const double promised_1024[3] = { 0, 10, 5 };
static const double promised_64[3] = { 0, 0, 2 };
static const double promised_1[3] = { 0.7, 0, 0 };

int main(int argc, char **argv)
{
	unsigned repetitions = bench_number(argc, argv, 1, 5);
	static struct world world;
	struct world *w = &world;
	char root[512];

	w->entries = bench_number(argc, argv, 2, 1000000);
	snprintf(root, sizeof(root), "%s/evkv-log-bench-XXXXXX",
	    argc > 3 ? argv[3] : "/tmp");
	bench_check(mkdtemp(root) != NULL);
	w->sequence = bench_malloc(SEQUENCE * sizeof(*w->sequence));
	bench_uniform(w->sequence, SEQUENCE, w->entries);
	memset(w->value, 'v', sizeof(w->value));
	w->base = event_base_new();
	w->loop = evkv_loop_new(w->base);
	open_all(w, root);
	bench_machine();
	printf("%u entries in %s\n", w->entries, root);
	gets(w, repetitions);
	puts_durable(w, 1, 1000, repetitions, promised_1);
	puts_durable(w, 64, 64 * 200, repetitions, promised_64);
	/* Enough for a compaction, which goes on behind the last ones. */
	puts_durable(w, 1024, 1024 * 240, repetitions, promised_1024);
	amplification(w);
	close_all(w);
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	memory(bench_number(argc, argv, 4, 10000000));
	return 0;
}
