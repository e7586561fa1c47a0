/*
 * wrappers/statistics/series.c - where what is counted is kept, and the ways to
 * read it.
 *
 * Series are made when they are first used and live as long as the store, as
 * operations under way point to them. Names of collections come from outside,
 * so they are bounded in number and hashed with a key.
 */
#include "wrappers/statistics/statistics.h"

bool evkv__series_init(struct statistics *self, size_t max_collections)
{
	size_t size = 2;

	while (size < 2 * max_collections)
		size *= 2;
	self->table = evkv_calloc(size, sizeof(struct collection *));
	self->mask = size - 1;
	self->max_collections = max_collections;
	self->tail = &self->first;
	return self->table != NULL;
}

static void collection_free(struct collection *collection)
{
	size_t i;

	if (collection == NULL)
		return;
	for (i = 0; i < EVKV_KIND_COUNT; i++)
		evkv_free(collection->series[i]);
	evkv_free(collection);
}

void evkv__series_free(struct statistics *self)
{
	struct collection *collection;

	while ((collection = self->first) != NULL) {
		self->first = collection->next;
		collection_free(collection);
	}
	collection_free(self->rest);
	evkv_free(self->table);
}

/* Where a name is in the table, or where it belongs. */
static struct collection **table_place(const struct statistics *self,
    struct evkv_slice name, uint64_t hash)
{
	size_t i = (size_t)hash & self->mask;
	struct collection *there;

	while ((there = self->table[i]) != NULL) {
		if (there->hash == hash &&
		    evkv_slice_equal(evkv_bytes(there->name, there->size),
			name))
			break;
		i = (i + 1) & self->mask;
	}
	return &self->table[i];
}

struct collection *evkv__collection_find(const struct statistics *self,
    struct evkv_slice name)
{
	return *table_place(self, name,
	    siphash_1_3_from(&self->hash_seed, name));
}

static struct collection *collection_new(struct evkv_slice name, uint64_t hash)
{
	struct collection *collection = evkv_calloc(1,
	    sizeof(*collection) + name.size);

	if (collection == NULL)
		return NULL;
	collection->hash = hash;
	collection->size = name.size;
	if (name.size > 0)
		memcpy(collection->name, name.data, name.size);
	return collection;
}

/* The collection of a name, the common one where there are too many. */
struct collection *evkv__collection_make(struct statistics *self,
    struct evkv_slice name)
{
	uint64_t hash = siphash_1_3_from(&self->hash_seed, name);
	struct collection **place = table_place(self, name, hash);

	if (*place == NULL && self->count == self->max_collections) {
		if (self->rest == NULL)
			self->rest = collection_new(EVKV_LIT(""), 0);
		return self->rest;
	}
	if (*place == NULL) {
		*place = collection_new(name, hash);
		if (*place == NULL)
			return NULL;
		self->count++;
		*self->tail = *place;
		self->tail = &(*place)->next;
	}
	self->last = *place;
	return *place;
}

struct series *evkv__series_make(struct statistics *self,
    struct collection *collection, enum evkv_kind kind)
{
	struct series *series = NULL;

	if (collection != NULL)
		series = evkv_calloc(1, sizeof(*series));
	if (series == NULL)
		self->uncounted++;
	else
		collection->series[kind] = series;
	return series;
}

/* ---- Reading ------------------------------------------------------------ */

static void series_add(struct series *to, const struct series *from)
{
	size_t i;

	to->operations += from->operations;
	for (i = 0; i < EVKV_STATISTICS_STATUSES; i++)
		to->by_status[i] += from->by_status[i];
	to->keys += from->keys;
	to->hits += from->hits;
	to->misses += from->misses;
	to->bytes_in += from->bytes_in;
	to->bytes_out += from->bytes_out;
	evkv__histogram_add(&to->times, &from->times);
}

static void collection_add(struct series *to,
    const struct collection *collection)
{
	size_t i;

	for (i = 0; collection != NULL && i < EVKV_KIND_COUNT; i++) {
		if (collection->series[i] != NULL)
			series_add(to, collection->series[i]);
	}
}

static void series_read(const struct series *series,
    struct evkv_statistics *statistics)
{
	const struct histogram *times = &series->times;
	size_t i;

	*statistics = (struct evkv_statistics){
		.operations = series->operations,
		.keys = series->keys,
		.hits = series->hits,
		.misses = series->misses,
		.bytes_in = series->bytes_in,
		.bytes_out = series->bytes_out,
		.timed = times->count,
		.time_sum_ns = times->sum_ns,
		.p50_ns = evkv__histogram_quantile(times, 500),
		.p90_ns = evkv__histogram_quantile(times, 900),
		.p99_ns = evkv__histogram_quantile(times, 990),
		.p999_ns = evkv__histogram_quantile(times, 999),
		.max_ns = times->max_ns,
	};
	memcpy(statistics->by_status, series->by_status,
	    sizeof(statistics->by_status));
	for (i = 0; i < EVKV_STATUS_COUNT; i++) {
		if (evkv_failed((enum evkv_status)i))
			statistics->failures += series->by_status[i];
	}
}

bool evkv_statistics_snapshot_sized(const struct evkv_store *store,
    const struct evkv_slice *name, struct evkv_statistics *statistics,
    size_t size)
{
	const struct statistics *self = evkv__statistics_self(store);
	const struct collection *collection = NULL;
	struct series sum = { .operations = 0 };
	struct evkv_statistics ours;

	memset(statistics, 0, size);
	if (self == NULL)
		return false;
	if (name != NULL) {
		collection = evkv__collection_find(self, *name);
		if (collection == NULL)
			return false;
		collection_add(&sum, collection);
	} else {
		for (collection = self->first; collection != NULL;
		     collection = collection->next)
			collection_add(&sum, collection);
		collection_add(&sum, self->rest);
	}
	series_read(&sum, &ours);
	if (name == NULL)
		ours.uncounted = self->uncounted;
	memcpy(statistics, &ours, size < sizeof(ours) ? size : sizeof(ours));
	return true;
}

/* false: the visitor has had enough. */
static bool collection_each(const struct statistics *self,
    const struct collection *collection, evkv_statistics_cb visit, void *arg)
{
	struct evkv_statistics_label label = { .size = sizeof(label) };
	struct evkv_statistics statistics;
	unsigned kind;

	label.collection = evkv_bytes(collection->name, collection->size);
	label.rest = collection == self->rest;
	for (kind = 0; kind < EVKV_KIND_COUNT; kind++) {
		if (collection->series[kind] == NULL)
			continue;
		label.kind = (enum evkv_kind)kind;
		series_read(collection->series[kind], &statistics);
		if (!visit(&label, &statistics, arg))
			return false;
	}
	return true;
}

bool evkv_statistics_each(const struct evkv_store *store,
    evkv_statistics_cb visit, void *arg)
{
	const struct statistics *self = evkv__statistics_self(store);
	const struct collection *collection;

	if (self == NULL)
		return false;
	for (collection = self->first; collection != NULL;
	     collection = collection->next) {
		if (!collection_each(self, collection, visit, arg))
			return true;
	}
	if (self->rest != NULL)
		collection_each(self, self->rest, visit, arg);
	return true;
}

static void collection_reset(struct collection *collection)
{
	size_t i;

	for (i = 0; collection != NULL && i < EVKV_KIND_COUNT; i++) {
		if (collection->series[i] != NULL)
			memset(collection->series[i], 0, sizeof(struct series));
	}
}

void evkv_statistics_reset(struct evkv_store *store)
{
	struct statistics *self = evkv__statistics_self(store);
	struct collection *collection;

	if (self == NULL)
		return;
	for (collection = self->first; collection != NULL;
	     collection = collection->next)
		collection_reset(collection);
	collection_reset(self->rest);
	self->uncounted = 0;
}
