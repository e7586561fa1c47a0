/*
 * wrappers/statistics/statistics.c - counts and times what passes.
 *
 * Happy path: on the way down an operation is tied to its series and, where it
 * is to be measured, to the time; on the way up it is counted. An inline get
 * passes by peek, without an op.
 *
 * Reading the clock costs as much as a look-up in memory does, so it is read
 * only where the operation is measured. Whether it will be pending is not known
 * on the way down: while some are, each is clocked, and the first one after a
 * row of inline answers is clocked when its submit returns.
 *
 * Failures: an operation that fails is counted like the others; one that is
 * detached, by `detached`. Where there is no memory for a series the operation
 * passes uncounted, and that is counted.
 */
#include "wrappers/statistics/statistics.h"

#include <time.h>

#include "base/request.h"
#include "support/options.h"
#include "wrappers/types.h"

#define MAX_COLLECTIONS 100
#define MAX_COLLECTIONS_MOST 65536
#define SAMPLE_INLINE 32
#define SAMPLE_INLINE_MOST 65536
#define NAME_MOST 255
#define CLOCKED_AFTER_PENDING 32

/* What an operation carries. */
struct call {
	struct series *series;
	int64_t start_ns;
	uint64_t bytes_in;
	uint32_t keys;
	bool clocked; /* start_ns is set */
	bool sampled; /* to be measured also if answered at once */
	bool pending;
};

static int64_t system_clock_ns(void *arg)
{
	struct timespec now;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static inline int64_t statistics_now(const struct statistics *self)
{
	return self->clock_ns(self->clock_arg);
}

static uint64_t statistics_since(const struct statistics *self,
    int64_t start_ns)
{
	int64_t ns = statistics_now(self) - start_ns;

	return ns > 0 ? (uint64_t)ns : 0;
}

/* By chance, so that calls in a rhythm do not fall between fixed samples. */
static inline bool statistics_sample(struct statistics *self)
{
	if (--self->until > 0)
		return false;
	self->random ^= self->random << 13;
	self->random ^= self->random >> 7;
	self->random ^= self->random << 17;
	self->until = 1 + (uint32_t)(self->random % (2 * self->sample - 1));
	return true;
}

/* ---- Counting ------------------------------------------------------------ */

/* Whether it asks for keys that may be there or not. */
static bool tells_hits(enum evkv_kind kind)
{
	const uint32_t asks = EVKV_CLASS_READS | EVKV_CLASS_HAS_KEYS;
	uint32_t classes = evkv_kind_classes(kind);

	return (classes & asks) == asks &&
	    (classes & EVKV_CLASS_ANSWERS_NUMBERS) == 0;
}

static void count_entries(struct series *series,
    const struct evkv_result *result)
{
	bool tells = tells_hits(result->kind);
	const struct evkv_entry *entry;
	size_t i;

	for (i = 0; i < result->count; i++) {
		entry = evkv_result_entry(result, i);
		series->bytes_out += entry->bytes.size + entry->name.size;
		if (tells && entry->status == EVKV_OK)
			series->hits++;
		else if (tells && entry->status == EVKV_NOT_FOUND)
			series->misses++;
	}
}

static void count_call(struct statistics *self, const struct call *call,
    enum evkv_status status)
{
	struct series *series = call->series;

	series->operations++;
	series->by_status[status]++;
	series->keys += call->keys;
	series->bytes_in += call->bytes_in;
	if (call->clocked && (call->pending || call->sampled))
		evkv__histogram_record(&series->times,
		    statistics_since(self, call->start_ns),
		    call->pending ? 1 : self->sample);
}

/* ---- The slots ----------------------------------------------------------- */

static struct call *call_new(struct statistics *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct series *series = evkv__series_of(self, request);
	struct call *call;

	if (series == NULL)
		return NULL;
	call = evkv_op_alloc(op, sizeof(*call));
	if (call == NULL) {
		self->uncounted++;
		return NULL;
	}
	*call = (struct call){
		.series = series,
		.bytes_in = request_bytes(request),
		.keys = (uint32_t)request->count,
		.sampled = statistics_sample(self),
	};
	call->clocked = call->sampled || self->pending > 0;
	if (call->clocked)
		call->start_ns = statistics_now(self);
	return call;
}

static enum evkv_verdict statistics_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct statistics *self = arg;
	struct call *call = call_new(self, op, request);
	enum evkv_verdict verdict;

	evkv_op_set_data(op, call);
	verdict = evkv_op_forward(op, self->inner, request);
	if (verdict == EVKV_VERDICT_DONE) {
		self->pending -= self->pending > 0;
		return verdict;
	}
	/* What is in the op's memory lives until this returns, at least. */
	self->pending = CLOCKED_AFTER_PENDING;
	if (call != NULL) {
		call->pending = true;
		if (!call->clocked)
			call->start_ns = statistics_now(self);
		call->clocked = true;
	}
	return verdict;
}

static void statistics_complete(void *arg, struct evkv_op *op)
{
	const struct evkv_result *result = evkv_op_result(op);
	struct call *call = evkv_op_data(op);

	if (call == NULL)
		return;
	count_call(arg, call, result->status);
	count_entries(call->series, result);
}

static void statistics_detached(void *arg, struct evkv_op *op,
    enum evkv_status status)
{
	struct call *call = evkv_op_data(op);

	if (call != NULL)
		count_call(arg, call, status);
}

static enum evkv_peek statistics_peek(void *arg,
    const struct evkv_request *request, struct evkv_value **value)
{
	struct statistics *self = arg;
	bool sampled = statistics_sample(self);
	int64_t start_ns = sampled ? statistics_now(self) : 0;
	enum evkv_peek answer = evkv_store_peek(self->inner, request, value);
	bool hit = answer == EVKV_PEEK_HIT;
	struct series *series;

	if (answer == EVKV_PEEK_DECLINE)
		return answer;
	series = evkv__series_of(self, request);
	if (series == NULL)
		return answer;
	series->operations++;
	series->by_status[hit ? EVKV_OK : EVKV_NOT_FOUND]++;
	series->keys++;
	series->hits += hit;
	series->misses += !hit;
	series->bytes_in += request->keys->size;
	if (hit)
		series->bytes_out += evkv_value_bytes(*value).size;
	if (sampled)
		evkv__histogram_record(&series->times,
		    statistics_since(self, start_ns), self->sample);
	return answer;
}

static void statistics_free(void *arg)
{
	struct statistics *self = arg;

	evkv__series_free(self);
	evkv_free(self->name);
	evkv_free(self);
}

/* ---- By text ------------------------------------------------------------ */

#define ROW(...) OPTION_ROW(struct evkv_statistics_options, __VA_ARGS__)

static const struct evkv_url_option statistics_options[] = {
	ROW("name", name, EVKV_URL_STRING, 0, 0,
	    "the label of the store in the text for Prometheus",
	    "the store below"),
	ROW("max_collections", max_collections, EVKV_URL_SIZE, 1,
	    MAX_COLLECTIONS_MOST, "collections that are counted separately",
	    "100"),
	ROW("sample_inline", sample_inline, EVKV_URL_INT, 1, SAMPLE_INLINE_MOST,
	    "one in this many inline answers is timed", "32"),
};

static struct evkv_store *statistics_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	(void)type;
	return evkv_statistics_new(making->inner[0], making->options, error);
}

const struct evkv_type evkv__statistics_type = {
	.size = sizeof(struct evkv_type),
	.name = "statistics",
	.summary = "counts and times what passes, by collection and kind",
	.options = statistics_options,
	.option_count = sizeof(statistics_options) /
	    sizeof(statistics_options[0]),
	.options_size = sizeof(struct evkv_statistics_options),
	.argument = "name",
	.inner_min = 1,
	.inner_max = 1,
	.make = statistics_make,
};

static void statistics_describe(void *arg, struct evkv_text *text)
{
	struct statistics *self = arg;

	evkv_text_options(text, &evkv__statistics_type, &self->given);
}

static const struct evkv_vtable statistics_vtable = {
	.size = sizeof(statistics_vtable),
	.name = "statistics",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = statistics_submit,
	.complete = statistics_complete,
	.detached = statistics_detached,
	.free = statistics_free,
	.peek = statistics_peek,
	.describe = statistics_describe,
};

struct statistics *evkv__statistics_self(const struct evkv_store *store)
{
	return evkv_store_self(store, &statistics_vtable);
}

/* ---- Making -------------------------------------------------------------- */

static bool name_ok(const char *name, struct evkv_error *error)
{
	if (name == NULL || strlen(name) <= NAME_MOST)
		return true;
	evkv_error_set(error, EVKV_INVALID,
	    "statistics: the name is over 255 bytes");
	return false;
}

static struct statistics *statistics_self_new(struct evkv_store *inner,
    const struct evkv_statistics_options *options)
{
	struct statistics *self = evkv_calloc(1, sizeof(*self));
	struct evkv_loop *loop = evkv_store_loop(inner);

	if (self == NULL)
		return NULL;
	self->inner = inner;
	self->clock_ns = options->clock_ns != NULL ? options->clock_ns
						   : system_clock_ns;
	self->clock_arg = options->clock_arg;
	self->sample = options->sample_inline != 0 ? options->sample_inline
						   : SAMPLE_INLINE;
	self->until = 1;
	self->random = evkv_loop_random(loop) | 1;
	self->hash_seed = siphash_seed(evkv_loop_random(loop),
	    evkv_loop_random(loop));
	self->name = evkv_strdup(options->name);
	self->given = *options;
	self->given.name = self->name;
	if ((options->name != NULL && self->name == NULL) ||
	    !evkv__series_init(self,
		options->max_collections != 0 ? options->max_collections
					      : MAX_COLLECTIONS)) {
		statistics_free(self);
		return NULL;
	}
	return self;
}

struct evkv_store *evkv_statistics_new_sized(struct evkv_store *inner,
    const struct evkv_statistics_options *given, size_t size,
    struct evkv_error *error)
{
	const struct evkv_store_config config = {
		.inner = &inner,
		.inner_count = 1,
		.max_pending = SIZE_MAX,
		.max_pending_bytes = SIZE_MAX,
	};
	struct evkv_statistics_options options;

	if (!evkv__wrapper_options(&evkv__statistics_type, inner, &options,
		given, size, error))
		return NULL;
	if (inner != NULL && !name_ok(options.name, error)) {
		evkv_store_unref(inner);
		return NULL;
	}
	return evkv_store_create(NULL, &statistics_vtable,
	    inner != NULL ? statistics_self_new(inner, &options) : NULL,
	    &config, error);
}
