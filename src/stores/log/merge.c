/*
 * stores/log/merge.c - the index in memory, made of the rows of all files.
 *
 * The rows of each file are sorted by hash, so they are merged, and come out
 * name by name, in the order in which the index has them: of each name the one
 * of the newest file counts. 128 bits of hash tell names apart here; memory is
 * written from one end to the other, once.
 */
#include "evkv/alloc.h"
#include "stores/log/env.h"

struct source {
	struct log_reader *reader;
	struct log_file *file;
	size_t age;        /* place in the order of files */
	uint32_t *numbers; /* of its collections, here */
	uint32_t count;
	struct log_row row;
};

struct merge {
	struct log_env *env;
	struct source *sources;
	struct source **heap;
	size_t count;
	int64_t now_ms;
	struct log_index_build build;
	size_t bad;
	bool damaged, no_memory;
};

/* ---- The heap ------------------------------------------------------------ */

/* By hash; of the same the newest file first. */
static bool source_before(const struct source *a, const struct source *b)
{
	if (a->row.hash.high != b->row.hash.high)
		return a->row.hash.high < b->row.hash.high;
	if (a->row.hash.low != b->row.hash.low)
		return a->row.hash.low < b->row.hash.low;
	return a->age > b->age;
}

static void heap_sink(struct merge *merge, size_t at)
{
	struct source *one = merge->heap[at];
	size_t child;

	while ((child = at * 2 + 1) < merge->count) {
		if (child + 1 < merge->count &&
		    source_before(merge->heap[child + 1], merge->heap[child]))
			child++;
		if (!source_before(merge->heap[child], one))
			break;
		merge->heap[at] = merge->heap[child];
		at = child;
	}
	merge->heap[at] = one;
}

/* The next row of the source on top, which sinks, or is at its end. */
static void heap_step(struct merge *merge)
{
	struct source *top = merge->heap[0];
	bool failed = false;

	if (!evkv__log_reader_next(top->reader, &top->row, &failed)) {
		if (failed) {
			merge->damaged = true;
			merge->bad = top->age;
		}
		merge->heap[0] = merge->heap[--merge->count];
	}
	if (merge->count > 0)
		heap_sink(merge, 0);
}

/* ---- Sources ------------------------------------------------------------- */

/* Numbers of its collections; false = damaged, or no memory. */
static bool source_names(struct merge *merge, struct source *source)
{
	struct evkv_slice names = evkv__log_reader_names(source->reader);
	const unsigned char *at = names.data, *end = at + names.size;
	uint32_t i;

	for (i = 0; at < end && at + 1 + at[0] <= end; at += 1 + at[0])
		i++;
	if (at != end)
		return false;
	source->numbers = evkv_calloc(i + 1, sizeof(*source->numbers));
	if (source->numbers == NULL) {
		merge->no_memory = true;
		return false;
	}
	for (i = 0, at = names.data; at < end; at += 1 + at[0], i++) {
		struct evkv_slice name = evkv_bytes(at + 1, at[0]);

		if (!evkv__log_collection_make(merge->env, name,
			evkv__log_collection_hash(&merge->env->key, name),
			&source->numbers[i])) {
			merge->no_memory = true;
			return false;
		}
	}
	source->count = i;
	return true;
}

static bool merge_sources(struct merge *merge, struct log_reader **readers)
{
	struct log_env *env = merge->env;
	bool failed = false;
	size_t i;

	for (i = 0; i < env->order_count; i++) {
		struct source *source = &merge->sources[i];

		source->reader = readers[i];
		source->file = env->order[i];
		source->age = i;
		merge->bad = i;
		if (!source_names(merge, source)) {
			merge->damaged = !merge->no_memory;
			return false;
		}
		if (evkv__log_reader_next(source->reader, &source->row,
			&failed))
			merge->heap[merge->count++] = source;
		merge->damaged = failed;
		if (failed)
			return false;
	}
	for (i = merge->count / 2; i-- > 0;)
		heap_sink(merge, i);
	return true;
}

/* ---- Rows ---------------------------------------------------------------- */

/* The newest one of a name. */
static bool merge_row(struct merge *merge, const struct source *source)
{
	const struct log_row *row = &source->row;
	uint32_t number = row->collection & ~LOG_ROW_TOMBSTONE;
	struct log_entry entry = { .hash = row->hash.high,
		.expiry = row->expiry };

	if ((row->collection & LOG_ROW_TOMBSTONE) != 0) {
		source->file->tombstone_bytes += (uint64_t)row->size * 8;
		return true;
	}
	if (number >= source->count) {
		merge->damaged = true;
		merge->bad = source->age;
		return false;
	}
	if (log_coarse_over(row->expiry, merge->now_ms))
		return true;
	entry.tag = log_tag(source->numbers[number], row->hash.low);
	entry.place = evkv__log_place(source->file->slot,
	    (uint64_t)row->offset * 8, (uint64_t)row->size * 8);
	if (!evkv__log_build_add(&merge->build, &entry)) {
		merge->no_memory = true;
		return false;
	}
	evkv__log_tally(merge->env, &entry, 1);
	return true;
}

static void merge_rows(struct merge *merge)
{
	struct log_hash last = { 0, 0 };
	struct source *top;
	bool any = false;

	while (merge->count > 0 && !merge->damaged) {
		top = merge->heap[0];
		if (!any || top->row.hash.high != last.high ||
		    top->row.hash.low != last.low) {
			any = true;
			last = top->row.hash;
			if (!merge_row(merge, top))
				return;
		} else if ((top->row.collection & LOG_ROW_TOMBSTONE) != 0) {
			top->file->tombstone_bytes += (uint64_t)top->row.size *
			    8;
		}
		heap_step(merge);
	}
}

bool evkv__log_merge(struct log_env *env, struct log_reader **readers,
    int64_t now_ms, size_t *bad, struct file_failure *failure)
{
	struct merge merge = { .env = env, .now_ms = now_ms };
	uint64_t rows = 0;
	size_t i;
	bool ok;

	*bad = SIZE_MAX;
	for (i = 0; i < env->order_count; i++)
		rows += evkv__log_reader_count(readers[i]);
	merge.sources = evkv_calloc(env->order_count + 1,
	    sizeof(*merge.sources));
	merge.heap = evkv_calloc(env->order_count + 1, sizeof(*merge.heap));
	ok = evkv__log_build_begin(&merge.build, &env->index, (size_t)rows) &&
	    merge.sources != NULL && merge.heap != NULL;
	merge.no_memory = !ok;
	if (ok && merge_sources(&merge, readers))
		merge_rows(&merge);
	ok = evkv__log_build_end(&merge.build) && !merge.no_memory;
	for (i = 0; merge.sources != NULL && i < env->order_count; i++)
		evkv_free(merge.sources[i].numbers);
	evkv_free(merge.sources);
	evkv_free(merge.heap);
	if (merge.damaged) {
		*bad = merge.bad;
		return false;
	}
	if (!ok)
		evkv__file_fail(failure, EVKV_NOMEM, 0, "out of memory");
	return ok;
}
