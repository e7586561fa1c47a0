/*
 * stores/memory/span.c - ops of the memory store on entries they do not name.
 *
 * KEYS and COLLECTIONS answer a page: names in the order of their hashes. The
 * position in a cursor is the 32-bit hash of the first name of the next page;
 * names of the same hash are never torn apart, so none comes twice. A page
 * looks at a bounded number of entries and may therefore be empty.
 *
 * CLEAR and CLEAR_ALL without a pattern take effect at once, whatever there is.
 * They are answered at once too, where no entry can have expired, since then
 * the count is known; else when the cleared entries have been freed and
 * counted.
 *
 * Everything else is a job that walks over the table, by a segment at a time:
 * PURGE_EXPIRED, CLEAR and CLEAR_ALL of what matches a pattern, and COLLECTIONS
 * where it is in doubt whether a collection has an entry left that has not
 * expired.
 */
#include "core/op.h"
#include "stores/memory/store.h"

#define PAGE_LIMIT 1000
/* What a page looks at, as match_work() counts it. */
#define PAGE_WORK 1024

/* What it takes to match a name: one, and one for each 64 bytes. */
static size_t match_work(const struct evkv_request *request,
    struct evkv_slice name)
{
	return 1 + name.size * (1 + request->match.pattern.size / 64) / 64;
}

/* ---- Pages --------------------------------------------------------- */

struct memory_page {
	const struct memory *self;
	struct evkv_op *op;
	const struct evkv_request *request;
	const struct memory_collection *collection; /* for KEYS */
	int64_t now_us;
	size_t limit;
	size_t names; /* so far */
	size_t work;
	bool sure;  /* of collections: take those in doubt as alive */
	bool doubt; /* there was one */
};

static bool page_has_key(struct memory_page *page,
    const struct memory_entry *entry, struct evkv_slice *name)
{
	*name = entry_key(entry);
	return entry->value.owner == &page->collection->owner &&
	    page->now_us < entry_expires_us(entry);
}

static bool page_has_collection(struct memory_page *page,
    const struct memory_collection *collection, struct evkv_slice *name)
{
	*name = evkv_bytes(collection->name, collection->name_size);
	switch (evkv__collection_alive(collection, page->now_us)) {
	case ALIVE_YES: return true;
	case ALIVE_UNKNOWN:
		if (!page->sure)
			page->doubt = true;
		return true;
	default: return false;
	}
}

/* false: the op has failed. */
static bool page_add(struct memory_page *page, const void *item)
{
	struct evkv_slice name;
	bool has;

	has = page->request->kind == EVKV_OP_KEYS
	    ? page_has_key(page, item, &name)
	    : page_has_collection(page, item, &name);
	page->work += has ? match_work(page->request, name) : 1;
	if (!has ||
	    !evkv_match(page->request->match.prefix,
		page->request->match.pattern, name)) {
		page->doubt = false;
		return true;
	}
	/* Then this page is not the answer, nor has it to fail. */
	if (page->doubt)
		return true;
	page->names++;
	return evkv_op_add_name(page->op, name);
}

static bool page_is_full(const struct memory_page *page)
{
	return page->names >= page->limit || page->work >= PAGE_WORK;
}

/*
 * A position is a part of a hash, and cursors may be seen by those who choose
 * keys. So it is hidden by four rounds of a Feistel network under the store's
 * random key; the same in reverse
 * order, with the halves exchanged, shows it again.
 */
static uint32_t position_round(const struct memory_table *table,
    uint32_t halves, unsigned char round)
{
	const unsigned char input[3] = { round, (unsigned char)(halves >> 8),
		(unsigned char)halves };
	uint32_t mask = (uint32_t)siphash_1_3(table->key0, table->key1,
	    evkv_bytes(input, sizeof(input)));

	return halves << 16 | ((halves >> 16 ^ mask) & 0xffff);
}

static uint32_t position_hide(const struct memory_table *table, uint32_t hash32)
{
	unsigned char round;

	for (round = 0; round < 4; round++)
		hash32 = position_round(table, hash32, round);
	return hash32;
}

static uint32_t position_show(const struct memory_table *table, uint32_t hidden)
{
	unsigned char round;

	hidden = hidden << 16 | hidden >> 16;
	for (round = 4; round-- > 0;)
		hidden = position_round(table, hidden, round);
	return hidden << 16 | hidden >> 16;
}

static void page_set_position(struct memory_page *page, uint32_t hash32)
{
	uint32_t hidden = position_hide(&page->self->table, hash32);
	unsigned char position[4] = {
		(unsigned char)(hidden >> 24),
		(unsigned char)(hidden >> 16),
		(unsigned char)(hidden >> 8),
		(unsigned char)hidden,
	};

	evkv_op_set_position(page->op, "memory",
	    evkv_bytes(position, sizeof(position)));
}

static void page_fill(struct memory_page *page, const struct index *index,
    uint32_t hash32)
{
	struct index_item items[INDEX_SLOTS];
	size_t count, i;

	do {
		count = evkv__index_sorted(index, hash32, items);
		for (i = 0; i < count; i++) {
			/* Names of one hash stay together. */
			if (page_is_full(page) &&
			    (i == 0 ||
				items[i].hash32 != items[i - 1].hash32)) {
				page_set_position(page, items[i].hash32);
				return;
			}
			if (!page_add(page,
				slab_at(index->regions, items[i].item)) ||
			    page->doubt)
				return;
		}
		hash32 = (uint32_t)(index_after(index,
					(uint64_t)hash32 << 32) >>
		    32);
	} while (hash32 != 0 && !page_is_full(page));
	if (hash32 != 0)
		page_set_position(page, hash32);
}

static bool page_begin(struct memory_page *page, struct memory *self,
    struct evkv_op *op, const struct evkv_request *request, uint32_t *hash32)
{
	struct evkv_slice position;
	const unsigned char *bytes;

	memset(page, 0, sizeof(*page));
	page->self = self;
	page->op = op;
	page->request = request;
	page->now_us = evkv_loop_now_us(self->loop);
	page->limit = request->match.limit > 0 ? request->match.limit
					       : PAGE_LIMIT;
	*hash32 = 0;
	if (!evkv_cursor_open(request, "memory", &position) ||
	    (position.size != 0 && position.size != 4)) {
		evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "cursor is not one of this query");
		return false;
	}
	bytes = position.data;
	if (position.size == 4)
		*hash32 = position_show(&self->table,
		    (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
			(uint32_t)bytes[2] << 8 | bytes[3]);
	return true;
}

static enum evkv_verdict span_keys(struct memory *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct memory_page page;
	uint32_t hash32;

	if (!page_begin(&page, self, op, request, &hash32))
		return EVKV_VERDICT_DONE;
	page.collection = evkv__table_collection(&self->table,
	    request->collection);
	if (page.collection != NULL)
		page_fill(&page, &self->table.space.entries, hash32);
	return EVKV_VERDICT_DONE;
}

/* false: there is a collection in doubt, and nothing has been answered. */
static bool span_collections(struct memory *self, struct evkv_op *op,
    const struct evkv_request *request, bool sure)
{
	struct memory_page page;
	uint32_t hash32;

	if (!page_begin(&page, self, op, request, &hash32))
		return true;
	page.sure = sure;
	page_fill(&page, &self->table.space.collections, hash32);
	if (!page.doubt)
		return true;
	evkv_op_keep_names(op, 0);
	return false;
}

/* ---- Jobs ---------------------------------------------------------- */

static bool job_wants_entry(struct memory_entry *entry, void *arg)
{
	struct memory_job *job = arg;
	const struct evkv_request *request = evkv_op_request(job->op);
	const struct memory_collection *collection = entry_collection(entry);

	/* By name: the record may be freed and made again between two steps. */
	if (!evkv_slice_equal(request->collection,
		evkv_bytes(collection->name, collection->name_size)))
		return false;
	job->walk.work += match_work(request, entry_key(entry));
	return evkv_match(request->match.prefix, request->match.pattern,
	    entry_key(entry));
}

/* Whether the number of live entries is certain; then it is *count. */
static bool is_exact(size_t expiring, int64_t earliest_us, int64_t now_us)
{
	return expiring == 0 || now_us < earliest_us;
}

static void job_clear(struct memory_job *job, struct memory *self,
    struct memory_collection *collection)
{
	if (is_exact(collection->expiring, collection->earliest_us,
		job->walk.now_us)) {
		job->affected += (int64_t)collection->count;
		evkv__table_clear(&self->table, collection, NULL);
	} else {
		evkv__table_clear(&self->table, collection, &job->tally);
	}
}

/* One segment of the index of collections. */
static bool job_walk_records(struct memory_job *job, struct memory *self)
{
	const struct evkv_request *request = evkv_op_request(job->op);
	struct index *records = &self->table.space.collections;
	struct index_item items[INDEX_SLOTS];
	struct memory_collection *collection;
	size_t count, i;

	count = evkv__index_sorted(records, (uint32_t)(job->at >> 32), items);
	/* Before any is taken out: then segments may be joined. */
	job->at = index_after(records, job->at);
	for (i = 0; i < count; i++) {
		collection = slab_at(records->regions, items[i].item);
		if (evkv_match(request->match.prefix, request->match.pattern,
			evkv_bytes(collection->name, collection->name_size)))
			job_clear(job, self, collection);
	}
	return job->at != 0;
}

static void job_walk(struct memory_job *job, struct memory *self)
{
	job->walking = job->by_records
	    ? job_walk_records(job, self)
	    : evkv__table_walk(&self->table, &job->walk);
}

static void job_finish(struct memory_job *job, struct memory *self)
{
	struct evkv_op *op = job->op;
	int64_t affected = job->affected + job->tally.removed;

	switch (evkv_op_request(op)->kind) {
	case EVKV_OP_COLLECTIONS:
		span_collections(self, op, evkv_op_request(op), true);
		break;
	case EVKV_OP_PURGE_EXPIRED:
		evkv_op_set_affected(op, job->walk.expired);
		break;
	default: evkv_op_set_affected(op, affected + job->walk.removed); break;
	}
	evkv_op_complete(op);
}

static bool job_is_over(const struct memory_job *job)
{
	/* Nobody waits for the rest; but what was cleared points to the job. */
	bool walking = job->walking && !evkv_op_detached(job->op);

	return !walking && job->tally.left == 0;
}

void evkv__memory_job_step(struct memory *self)
{
	struct memory_job *job = self->jobs;

	self->jobs = job->next;
	if (self->jobs == NULL)
		self->jobs_tail = &self->jobs;
	if (job->walking && !evkv_op_detached(job->op))
		job_walk(job, self);
	else
		evkv__table_reclaim(&self->table, RECLAIM_STEP);
	if (job_is_over(job)) {
		job_finish(job, self);
		return;
	}
	job->next = NULL;
	*self->jobs_tail = job;
	self->jobs_tail = &job->next;
}

/* NULL: no memory, and the op has failed. */
static struct memory_job *job_new(struct memory *self, struct evkv_op *op)
{
	struct memory_job *job;

	job = evkv_op_alloc(op, sizeof(*job));
	if (job == NULL || !evkv_op_keep(op)) {
		evkv_op_nomem(op);
		return NULL;
	}
	memset(job, 0, sizeof(*job));
	job->op = op;
	job->walk.arg = job;
	job->walk.now_us = evkv_loop_now_us(self->loop);
	job->tally.now_us = job->walk.now_us;
	return job;
}

/* Queue it, or be done with it. */
static enum evkv_verdict job_start(struct memory *self, struct memory_job *job)
{
	evkv__memory_follow_up(self);
	if (!job->walking && job->tally.left == 0) {
		evkv_op_set_affected(job->op, job->affected);
		return EVKV_VERDICT_DONE;
	}
	*self->jobs_tail = job;
	self->jobs_tail = &job->next;
	evkv__memory_follow_up(self);
	return EVKV_VERDICT_PENDING;
}

/* ---- Submit -------------------------------------------------------- */

static bool is_for_all(const struct evkv_request *request)
{
	return request->match.prefix.size == 0 &&
	    request->match.pattern.size == 0;
}

static enum evkv_verdict span_clear(struct memory *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct memory_collection *collection;
	struct memory_job *job;

	collection = evkv__table_collection(&self->table, request->collection);
	if (collection == NULL)
		return EVKV_VERDICT_DONE;
	job = job_new(self, op);
	if (job == NULL)
		return EVKV_VERDICT_DONE;
	if (is_for_all(request)) {
		job_clear(job, self, collection);
	} else {
		job->walking = true;
		job->walk.visit = job_wants_entry;
	}
	return job_start(self, job);
}

static enum evkv_verdict span_clear_all(struct memory *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct memory_table *table = &self->table;
	struct memory_job *job = job_new(self, op);
	struct memory_tally *tally;

	if (job == NULL)
		return EVKV_VERDICT_DONE;
	if (!is_for_all(request)) {
		job->walking = true;
		job->by_records = true;
		return job_start(self, job);
	}
	tally = &job->tally;
	if (is_exact(table->space.expiring, table_next_due(table),
		job->walk.now_us)) {
		job->affected = (int64_t)evkv__table_count(table);
		tally = NULL;
	}
	if (!evkv__table_clear_all(table, tally))
		return evkv_op_nomem(op);
	return job_start(self, job);
}

static enum evkv_verdict span_walk(struct memory *self, struct evkv_op *op)
{
	struct memory_job *job = job_new(self, op);

	if (job == NULL)
		return EVKV_VERDICT_DONE;
	job->walking = true;
	return job_start(self, job);
}

enum evkv_verdict evkv__memory_span(struct memory *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	switch (request->kind) {
	case EVKV_OP_KEYS: return span_keys(self, op, request);
	case EVKV_OP_COLLECTIONS:
		if (span_collections(self, op, request, false))
			return EVKV_VERDICT_DONE;
		return span_walk(self, op);
	case EVKV_OP_CLEAR: return span_clear(self, op, request);
	case EVKV_OP_CLEAR_ALL: return span_clear_all(self, op, request);
	case EVKV_OP_PURGE_EXPIRED: return span_walk(self, op);
	default: return evkv_op_unsupported(op);
	}
}
