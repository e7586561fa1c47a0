/*
 * bench/hit_ratio.c - how often the memory store has what it is asked for,
 * beside other policies with room for as many entries.
 *
 *     hit_ratio                     workloads of its own
 *     hit_ratio FILE...             traces, a request a line:
 *                                   id [size [time in ms [TTL in ms]]]
 *
 * Each is replayed with room for 0.1, 1 and 10 % of its different ids, and, if
 * it has sizes, evkv alone with room for as much of their bytes, with evict=use
 * and evict=size. What is not there is put, as a cache is used. An expired entry is a miss for all;
 * only evkv knows that it is not worth its place.
 */
#include "hit_policies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "stores/memory/table.h"

/* ---- Traces --------------------------------------------------------- */

/* The ids met so far, by open addressing: id + 1 in the file, number here. */
struct names {
	uint64_t *ids;
	uint32_t *numbers;
	size_t room;
};

static void names_grow(struct names *names)
{
	struct names old = *names;
	size_t i, at;

	names->room = old.room > 0 ? 2 * old.room : 1 << 16;
	names->ids = bench_malloc(names->room * sizeof(*names->ids));
	names->numbers = bench_malloc(names->room * sizeof(*names->numbers));
	memset(names->numbers, 0, names->room * sizeof(*names->numbers));
	for (i = 0; i < old.room; i++) {
		if (old.numbers[i] == 0)
			continue;
		at = old.ids[i] * UINT64_C(0x9e3779b97f4a7c15) % names->room;
		while (names->numbers[at] != 0)
			at = (at + 1) % names->room;
		names->ids[at] = old.ids[i];
		names->numbers[at] = old.numbers[i];
	}
	free(old.ids);
	free(old.numbers);
}

static uint32_t names_number(struct names *names, struct trace *trace,
    uint64_t id)
{
	size_t at;

	if (trace->ids >= names->room / 2)
		names_grow(names);
	at = id * UINT64_C(0x9e3779b97f4a7c15) % names->room;
	while (names->numbers[at] != 0 && names->ids[at] != id)
		at = (at + 1) % names->room;
	if (names->numbers[at] == 0) {
		names->ids[at] = id;
		names->numbers[at] = ++trace->ids;
	}
	return names->numbers[at] - 1;
}

static void *grow(void *array, size_t count, size_t size)
{
	void *grown = realloc(array, count * size);

	bench_check(grown != NULL);
	return grown;
}

static void trace_add(struct trace *trace, struct names *names, uint64_t id,
    uint32_t size, int64_t time, int64_t ttl)
{
	if (trace->count == trace->room) {
		trace->room = trace->room > 0 ? 2 * trace->room : 1 << 16;
		trace->id = grow(trace->id, trace->room, sizeof(*trace->id));
		trace->size = grow(trace->size, trace->room,
		    sizeof(*trace->size));
		trace->time = grow(trace->time, trace->room,
		    sizeof(*trace->time));
		trace->ttl = grow(trace->ttl, trace->room, sizeof(*trace->ttl));
	}
	trace->id[trace->count] = names_number(names, trace, id);
	trace->size[trace->count] = size;
	trace->time[trace->count] = time;
	trace->ttl[trace->count++] = ttl;
}

static void trace_free(struct trace *trace, struct names *names)
{
	free(trace->id);
	free(trace->size);
	free(trace->time);
	free(trace->ttl);
	free(names->ids);
	free(names->numbers);
}

static void trace_read(struct trace *trace, struct names *names, FILE *file)
{
	unsigned long long id, size;
	long long time, ttl;
	char line[256];
	int fields;

	while (fgets(line, sizeof(line), file) != NULL) {
		size = 1;
		time = ttl = 0;
		fields = sscanf(line,
		    "%llu%*[ ,\t]%llu%*[ ,\t]%lld%*[ ,\t]%lld", &id, &size,
		    &time, &ttl);
		if (fields > 0)
			trace_add(trace, names, id, (uint32_t)size, time, ttl);
	}
}

/* ---- Workloads ------------------------------------------------------ */

#define REQUESTS 2000000u
#define POPULAR 100000u

static uint64_t state;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint32_t *popular; /* numbers, Zipf-distributed */

static uint64_t popular_id(size_t i)
{
	return popular[i % REQUESTS];
}

static uint64_t once = UINT64_C(1) << 40; /* ids that come once only */

static void make(struct trace *trace, struct names *names, const char *name)
{
	bool scans = strcmp(name, "scan floods") == 0;
	bool loops = strcmp(name, "loop and zipf") == 0;
	bool wonders = strcmp(name, "one-hit wonders") == 0;
	bool shifts = strcmp(name, "shifting popularity") == 0;
	bool ttls = strcmp(name, "mixed TTLs") == 0;
	uint64_t id;
	size_t i;

	for (i = 0; i < REQUESTS; i++) {
		id = popular_id(i);
		if ((scans && i % 200000 >= 150000) ||
		    (wonders && next_random() % 2 == 0))
			id = once++;
		else if (loops && next_random() % 2 == 0)
			id = (UINT64_C(1) << 41) + i / 2 % 12000;
		else if (shifts)
			id = (id * 7919 + i / 20000 * 1000) % POPULAR;
		trace_add(trace, names, id, 100 + (uint32_t)(id % 900),
		    (int64_t)(i / 20), ttls ? (int64_t)(100 << (id % 8)) : 0);
	}
}

static const char *const workloads[] = { "zipf", "scan floods", "loop and zipf",
	"one-hit wonders", "shifting popularity", "mixed TTLs" };

/* ---- Replays -------------------------------------------------------- */

struct score {
	const struct trace *trace;
	int64_t *expires; /* of each id, as it was put last */
	uint64_t hits, bytes;
	size_t next; /* request that is not yet accounted for */
};

static void score_miss(struct score *score, size_t at)
{
	const struct trace *trace = score->trace;

	score->expires[trace->id[at]] = trace->ttl[at] > 0
	    ? trace->time[at] + trace->ttl[at]
	    : INT64_MAX;
}

static void score_hit(void *arg, size_t at)
{
	struct score *score = arg;
	const struct trace *trace = score->trace;

	for (; score->next < at; score->next++)
		score_miss(score, score->next);
	score->next = at + 1;
	if (trace->time[at] >= score->expires[trace->id[at]]) {
		score_miss(score, at);
		return;
	}
	score->hits++;
	score->bytes += trace->size[at];
}

/* A table as the store uses it; values have their sizes if there are any. */
static void use_table(struct memory_table *table, const struct trace *trace,
    const char *values, void (*hit)(void *arg, size_t at), void *arg)
{
	struct memory_put put = { .value = EVKV_LIT("") };
	struct memory_collection *collection;
	enum evkv_status status;
	int64_t now_us;
	uint64_t hash;
	size_t i;

	collection = evkv__table_collection_make(table, EVKV_LIT("bench"));
	for (i = 0; i < trace->count; i++) {
		if (values != NULL)
			put.value = evkv_bytes(values, trace->size[i]);
		put.key = evkv_bytes(&trace->id[i], sizeof(trace->id[i]));
		now_us = trace->time[i] * 1000;
		hash = table_hash(collection, put.key);
		if (evkv__table_get(table, collection, put.key, hash, now_us) !=
		    NULL) {
			hit(arg, i);
			continue;
		}
		put.expires_at_us = trace->ttl[i] > 0
		    ? now_us + trace->ttl[i] * 1000
		    : MEMORY_NEVER;
		status = evkv__table_put(table, collection, &put, now_us);
		bench_check(status == EVKV_OK || status == EVKV_TOO_LARGE);
	}
	evkv__table_end(table);
}

static void policy_evkv(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg)
{
	struct memory_table table;

	bench_check(evkv__table_init(&table, capacity, 0, 1, 2));
	use_table(&table, trace, NULL, hit, arg);
}

static const struct {
	const char *name;
	policy_run run;
} policies[] = {
	{ "evkv", policy_evkv },
	{ "FIFO", policy_fifo },
	{ "LRU", policy_lru },
	{ "SIEVE", policy_sieve },
	{ "S3-FIFO", policy_s3fifo },
	{ "ARC", policy_arc },
	{ "W-TinyLFU", policy_wtinylfu },
	{ "Belady", policy_belady },
};
#define POLICIES (sizeof(policies) / sizeof(policies[0]))

static double sums[POLICIES];
static unsigned runs;

static void replay(const struct trace *trace, size_t capacity)
{
	struct score score = { .trace = trace };
	uint64_t bytes = 0;
	size_t i;

	if (capacity < 10)
		return;
	for (i = 0; i < trace->count; i++)
		bytes += trace->size[i];
	printf("%-20s %8zu", trace->name, capacity);
	for (i = 0; i < POLICIES; i++) {
		score.expires = bench_malloc(trace->ids * sizeof(int64_t));
		memset(score.expires, 0, trace->ids * sizeof(int64_t));
		score.hits = score.bytes = score.next = 0;
		policies[i].run(trace, capacity, score_hit, &score);
		free(score.expires);
		sums[i] += (double)score.hits / (double)trace->count;
		printf(" %6.2f/%5.2f",
		    100 * (double)score.hits / (double)trace->count,
		    100 * (double)score.bytes / (double)bytes);
		fflush(stdout);
	}
	runs++;
	printf("\n");
}

/* The bytes of all different ids; *largest is the largest size. */
static uint64_t bytes_of(const struct trace *trace, uint32_t *largest)
{
	uint32_t *sizes = bench_malloc(trace->ids * sizeof(*sizes));
	uint64_t sum = 0;
	size_t i;

	*largest = 0;
	memset(sizes, 0, trace->ids * sizeof(*sizes));
	for (i = 0; i < trace->count; i++) {
		if (trace->size[i] > *largest)
			*largest = trace->size[i];
		sum += trace->size[i] > sizes[trace->id[i]]
		    ? trace->size[i] - sizes[trace->id[i]]
		    : 0;
		if (trace->size[i] > sizes[trace->id[i]])
			sizes[trace->id[i]] = trace->size[i];
	}
	free(sizes);
	return sum;
}

static void replay_sizes(const struct trace *trace, size_t max_bytes,
    const char *values)
{
	struct memory_table table;
	struct score score = { .trace = trace };
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < trace->count; i++)
		bytes += trace->size[i];
	printf("%-20s %7zuk", trace->name, max_bytes / 1000);
	for (i = 0; i < 2; i++) {
		score.expires = bench_malloc(trace->ids * sizeof(int64_t));
		memset(score.expires, 0, trace->ids * sizeof(int64_t));
		score.hits = score.bytes = score.next = 0;
		bench_check(evkv__table_init(&table, 0, max_bytes, 1, 2));
		table.by_size = i == 1;
		use_table(&table, trace, values, score_hit, &score);
		free(score.expires);
		printf(" evict=%s %6.2f/%5.2f", i == 1 ? "size" : "use",
		    100 * (double)score.hits / (double)trace->count,
		    100 * (double)score.bytes / (double)bytes);
	}
	printf("\n");
}

static void replay_all(struct trace *trace, struct names *names)
{
	uint32_t largest;
	uint64_t bytes = bytes_of(trace, &largest);
	char *values = bench_malloc(largest + 1);
	size_t part;

	memset(values, 0, largest + 1);
	for (part = 1000; part >= 10; part /= 10)
		replay(trace, trace->ids / part);
	for (part = 1000; part >= 10 && largest > 1; part /= 10)
		replay_sizes(trace, bytes / part, values);
	free(values);
	trace_free(trace, names);
}

static void replay_file(const char *path)
{
	struct trace trace = { .name = path };
	struct names names = { .room = 0 };
	FILE *file = fopen(path, "r");

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	if (strrchr(path, '/') != NULL)
		trace.name = strrchr(path, '/') + 1;
	trace_read(&trace, &names, file);
	fclose(file);
	replay_all(&trace, &names);
}

static void replay_workload(const char *name)
{
	struct trace trace = { .name = name };
	struct names names = { .room = 0 };

	state = 88172645463325252u;
	make(&trace, &names, name);
	replay_all(&trace, &names);
}

int main(int argc, char **argv)
{
	size_t i;
	int j;

	printf("hit ratio in %%, of requests/of bytes\n%-20s %8s", "trace",
	    "entries");
	for (i = 0; i < POLICIES; i++)
		printf(" %12s", policies[i].name);
	printf("\n");
	for (j = 1; j < argc; j++)
		replay_file(argv[j]);
	if (argc <= 1) {
		popular = bench_malloc(REQUESTS * sizeof(*popular));
		bench_zipf(popular, REQUESTS, POPULAR);
		for (i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++)
			replay_workload(workloads[i]);
		free(popular);
	}
	printf("%-29s", "mean of requests");
	for (i = 0; i < POLICIES; i++)
		printf(" %12.2f", 100 * sums[i] / runs);
	printf("\n");
	return 0;
}
