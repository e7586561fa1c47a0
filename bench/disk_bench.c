/*
 * bench/disk_bench.c - the disk store against raw LMDB, each in a directory of
 * its own with the same entries.
 *
 * 16-byte keys, 100-byte values, random keys. Raw gets are made in one read
 * transaction that is held; raw durable puts in transactions of 1,024. The
 * store's operations are submitted in batches: the last callback of one submits
 * the next.
 *
 *     disk [repetitions [entries [directory]]]
 */
#include <event2/event.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "evkv/evkv.h"
#include "evkv/stores/disk.h"

#define KEY_SIZE 16
#define VALUE_SIZE 100
#define SEQUENCE (1u << 20)
#define GET_BATCH 64
#define PUT_BATCH 1024
#define MAP_SIZE ((size_t)8 << 30)

struct world {
	uint32_t entries;
	uint32_t *sequence;
	uint32_t at;
	char value[VALUE_SIZE];
	uintptr_t sum;
	size_t hits;

	MDB_env *raw;
	MDB_dbi dbi;

	struct event_base *base;
	struct evkv_loop *loop;
	struct evkv_store *stores[2]; /* by worker, inline */
};

/* One row: batches of one kind to one store. */
struct side {
	struct world *world;
	struct evkv_store *store;
	enum evkv_kind kind;
	size_t batch, left, waiting;
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
	struct world *w = arg;
	MDB_txn *txn;
	size_t n;

	while (ops > 0) {
		bench_check(mdb_txn_begin(w->raw, NULL, 0, &txn) == 0);
		for (n = 0; n < PUT_BATCH && ops > 0; n++, ops--)
			raw_put(w, next_number(w), txn);
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
	w->hits++;
	if (--side->waiting == 0 && side->left > 0)
		side_submit(side);
}

static void side_submit(struct side *side)
{
	struct world *w = side->world;
	size_t batch = side->left < side->batch ? side->left : side->batch;
	char bytes[KEY_SIZE];
	struct evkv_slice key = evkv_bytes(bytes, KEY_SIZE);
	struct evkv_slice value = evkv_bytes(w->value, VALUE_SIZE);

	side->waiting = batch;
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

static void on_put(const struct evkv_result *result, void *arg)
{
	(void)arg;
	bench_check(result->status == EVKV_OK);
}

static struct evkv_store *store_open(struct world *w, const char *path,
    bool inline_reads)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store = evkv_disk_new(w->loop,
	    &(struct evkv_disk_options){
		.path = path,
		.max_bytes = MAP_SIZE,
		.inline_reads = inline_reads,
	    },
	    &error);
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
	struct side worker = { .world = w,
		.store = w->stores[0],
		.kind = EVKV_OP_GET,
		.batch = GET_BATCH };
	struct side here = { .world = w,
		.store = w->stores[1],
		.kind = EVKV_OP_GET,
		.batch = GET_BATCH };
	struct bench_row rows[] = {
		{ .name = "raw LMDB, transaction held",
		    .run = raw_get,
		    .arg = w },
		{ .name = "64 outstanding",
		    .run = side_run,
		    .arg = &worker,
		    .promised = 3.0 },
		{ .name = "64 outstanding, inline_reads",
		    .run = side_run,
		    .arg = &here,
		    .promised = 1.5 },
	};

	bench_measure(rows, 3, 300000, repetitions);
	bench_print("get", rows, 3);
}

/* What waits for the disk is measured by the clock, not by the processor. */
static void print_throughput(const struct bench_row *rows)
{
	double ratios[BENCH_REPETITIONS_MAX];
	struct bench_spread spread;
	unsigned i;

	for (i = 0; i < rows[0].repetitions; i++)
		ratios[i] = rows[0].wall_ns[i] / rows[1].wall_ns[i];
	spread = bench_spread(ratios, rows[0].repetitions);
	printf("puts per second / first row: %.2f [%.2f-%.2f]   promised 0.80: "
	       "%s\n",
	    spread.median, spread.min, spread.max,
	    spread.median >= 0.8 ? "kept" : "MISSED");
}

static void puts_durable(struct world *w, unsigned repetitions)
{
	struct side side = { .world = w,
		.store = w->stores[0],
		.kind = EVKV_OP_PUT,
		.batch = PUT_BATCH };
	struct bench_row rows[] = {
		{ .name = "raw LMDB, 1024 per commit",
		    .run = raw_put_groups,
		    .arg = w },
		{ .name = "1024 outstanding", .run = side_run, .arg = &side },
	};

	bench_measure(rows, 2, PUT_BATCH * 40, repetitions);
	bench_print("durable put", rows, 2);
	print_throughput(rows);
}

static void clean(const char *root)
{
	static const char *const names[] = { "raw/data.mdb", "raw/lock.mdb",
		"raw", "a/g-1/data.mdb", "a/g-1/lock.mdb", "a/g-1", "a/CURRENT",
		"a/LOCK", "a", "b/g-1/data.mdb", "b/g-1/lock.mdb", "b/g-1",
		"b/CURRENT", "b/LOCK", "b" };
	char path[600];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, names[i]);
		remove(path);
	}
	remove(root);
}

int main(int argc, char **argv)
{
	unsigned repetitions = bench_number(argc, argv, 1, 5);
	static struct world world;
	struct world *w = &world;
	char root[512], path[600];

	w->entries = bench_number(argc, argv, 2, 1000000);
	snprintf(root, sizeof(root), "%s/evkv-disk-bench-XXXXXX",
	    argc > 3 ? argv[3] : "/tmp");
	bench_check(mkdtemp(root) != NULL);
	w->sequence = bench_malloc(SEQUENCE * sizeof(*w->sequence));
	bench_uniform(w->sequence, SEQUENCE, w->entries);
	memset(w->value, 'v', sizeof(w->value));
	w->base = event_base_new();
	w->loop = evkv_loop_new(w->base);
	snprintf(path, sizeof(path), "%s/raw", root);
	raw_open(w, path);
	snprintf(path, sizeof(path), "%s/a", root);
	w->stores[0] = store_open(w, path, false);
	snprintf(path, sizeof(path), "%s/b", root);
	w->stores[1] = store_open(w, path, true);

	bench_machine();
	printf("%u entries in %s\n", w->entries, root);
	gets(w, repetitions);
	puts_durable(w, repetitions);

	evkv_store_unref(w->stores[0]);
	evkv_store_unref(w->stores[1]);
	evkv_loop_free(w->loop);
	event_base_free(w->base);
	mdb_env_close(w->raw);
	free(w->sequence);
	clean(root);
	return 0;
}
