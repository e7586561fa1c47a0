/*
 * multi_disk: a disk store for each collection, in one directory.
 *
 * The happy path: an operation on one collection becomes a child operation on
 * that collection's part, which is opened when it is first used. What is about
 * all collections lists the directory on a worker and goes through the parts
 * one after the other. A look-up never makes a part: where the directory is not
 * there, neither is the entry.
 *
 * Failure modes: those of the parts. A part that can't be opened fails what is
 * asked of its collection, and what goes through all; the others are not
 * touched. A foreign directory is refused, as in disk.
 *
 * Closing: the parts, then the lane that lists. What comes back meanwhile, from
 * a worker or from a part, opens no other part: it ends with CLOSED.
 */
#include "stores/disk/multi.h"

#include <stdio.h>
#include <unistd.h>

#define RETRY_MS 1000
#define WALK_PARTS 64 /* parts that a page of collections looks at */

static const struct evkv_vtable multi_disk_vtable;

static bool kind_is_of_one(enum evkv_kind kind)
{
	return (evkv_kind_classes(kind) & EVKV_CLASS_COLLECTION) != 0;
}

static void look_drop(struct multi_op *mop)
{
	if (mop->look == NULL)
		return;
	evkv__multi_look_free(mop->look);
	evkv_free(mop->look);
	mop->look = NULL;
}

/* The answer is in the op. */
void evkv__multi_end(struct multi_op *mop)
{
	look_drop(mop);
	evkv_op_complete(mop->op);
}

static void root_submit(struct multi_store *multi, enum multi_task task)
{
	memset(&multi->root, 0, sizeof(multi->root));
	multi->root.task = task;
	multi->root_out = true;
	multi->jobs++;
	evkv_lane_submit(multi->lane, &multi->root.job);
}

/* A part failed with IO: was the whole directory lost? */
static void root_suspect(struct multi_store *multi, enum evkv_status status)
{
	if (status == EVKV_IO && multi->state == DISK_READY && !multi->root_out)
		root_submit(multi, MULTI_CHECK);
}

static void op_fail_by(struct multi_op *mop, const struct file_failure *failure)
{
	evkv__disk_op_fail(mop->op, failure);
	evkv__multi_end(mop);
}

/* ---- One collection ------------------------------------------------------ */

static void one_done(struct evkv_op *child, void *arg)
{
	struct multi_op *mop = arg;
	struct multi_part *part = mop->part;

	if (child == NULL) {
		evkv_op_nomem(mop->op);
	} else {
		root_suspect(mop->multi, evkv_op_result(child)->status);
		evkv_op_take_all(mop->op, child);
	}
	part->pending--;
	evkv__multi_part_idle(part);
	evkv__multi_end(mop);
}

/* ---- All collections ----------------------------------------------------- */

/* Whether a page of collections is complete; then it gets a cursor. */
static bool walk_page_full(const struct multi_op *mop)
{
	const struct evkv_request *request = evkv_op_request(mop->op);
	const struct evkv_result *result = evkv_op_result(mop->op);
	size_t limit = request->match.limit != 0 ? request->match.limit : 1000;

	return request->kind == EVKV_OP_COLLECTIONS &&
	    (mop->looked >= WALK_PARTS || result->count >= limit);
}

/* One part after the other: where the last one ended the next page begins. */
static enum evkv_fanout_next walk_next(void *arg, void **item)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct multi_op *mop = arg;
	struct multi_part *part;

	if (mop->at == mop->look->count || walk_page_full(mop))
		return EVKV_FANOUT_END;
	part = evkv__multi_part(mop->multi, mop->look->files[mop->at], &error);
	if (part == NULL) {
		evkv_fanout_fail(mop->fanout, error.status, EVKV_CAUSE_NONE,
		    error.message);
		return EVKV_FANOUT_END;
	}
	if (part->state == PART_CLOSING) {
		multi_ops_append(&part->waiting, mop);
		return EVKV_FANOUT_WAIT;
	}
	evkv__multi_part_used(part);
	mop->at++;
	*item = part;
	return EVKV_FANOUT_STEP;
}

static void walk_ask(void *arg, void *item, struct evkv_fanout_ask *ask)
{
	const struct multi_op *mop = arg;

	ask->store = ((struct multi_part *)item)->store;
	ask->request = mop->request;
	ask->flags = EVKV_CHILD_BORROWS;
}

static bool walk_came(void *arg, void *item, struct evkv_op *child)
{
	const struct evkv_result *result = evkv_op_result(child);
	struct multi_op *mop = arg;
	size_t i;

	(void)item;
	mop->looked++;
	for (i = 0; i < result->count; i++) {
		if (!evkv_op_add_name(mop->op,
			evkv_result_entry(result, i)->name)) {
			evkv_fanout_fail(mop->fanout, EVKV_NOMEM,
			    EVKV_CAUSE_NOMEM, NULL);
			break;
		}
	}
	return false;
}

static void walk_over(void *arg, void *item)
{
	struct multi_part *part = item;

	(void)arg;
	part->pending--;
	evkv__multi_part_idle(part);
}

static void walk_finish(void *arg, struct evkv_op *op, bool failed)
{
	struct multi_op *mop = arg;

	if (failed)
		root_suspect(mop->multi, evkv_op_result(op)->status);
	else if (mop->at < mop->look->count)
		evkv_op_set_position(op, multi_disk_vtable.name,
		    evkv_str(mop->look->files[mop->at - 1]));
	look_drop(mop);
}

static const struct evkv_fanout_hooks walk_hooks = {
	.size = sizeof(struct evkv_fanout_hooks),
	.next = walk_next,
	.ask = walk_ask,
	.came = walk_came,
	.over = walk_over,
	.finish = walk_finish,
	.most = 1,
};

/* Begin behind the cursor. */
static void walk_begin(struct multi_op *mop)
{
	const struct evkv_request *request = evkv_op_request(mop->op);
	struct multi_look *look = mop->look;
	struct evkv_slice position = EVKV_LIT("");
	char file[EVKV_FILE_NAME_MAX + 1] = "";

	mop->fanout = evkv_fanout_new(mop->op, &walk_hooks, mop);
	if (mop->fanout == NULL) {
		evkv_op_nomem(mop->op);
		evkv__multi_end(mop);
		return;
	}
	if (request->match.cursor.size > 0)
		evkv_cursor_open(request, multi_disk_vtable.name, &position);
	if (position.size > 0 && position.size < sizeof(file))
		memcpy(file, position.data, position.size);
	while (position.size > 0 && mop->at < look->count &&
	    strcmp(look->files[mop->at], file) <= 0)
		mop->at++;
	evkv_fanout_go(mop->fanout);
}

static void walk_list(struct multi_op *mop)
{
	struct multi_look *look = evkv_calloc(1, sizeof(*look));

	if (look == NULL) {
		evkv_op_nomem(mop->op);
		evkv__multi_end(mop);
		return;
	}
	look->task = MULTI_LIST;
	look->mop = mop;
	mop->look = look;
	mop->multi->jobs++;
	evkv_lane_submit(mop->multi->lane, &look->job);
}

/* ---- On the way ---------------------------------------------------------- */

/* Ask the part that the op wants, or wait for it; or go on with a walk. */
void evkv__multi_go(struct multi_op *mop)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct multi_part *part;

	if (mop->fanout != NULL) {
		evkv_fanout_go(mop->fanout);
		return;
	}
	part = evkv__multi_part(mop->multi, mop->own_file, &error);
	if (part == NULL) {
		evkv_op_fail(mop->op, error.status, EVKV_CAUSE_NONE,
		    error.message);
		evkv__multi_end(mop);
		return;
	}
	if (part->state == PART_CLOSING) {
		multi_ops_append(&part->waiting, mop);
		return;
	}
	evkv__multi_part_used(part);
	mop->part = part;
	evkv_child_submit(mop->op, part->store, &mop->request,
	    EVKV_CHILD_BORROWS, one_done, mop);
}

/* The directory is open: begin. */
static void op_begin(struct multi_op *mop)
{
	if (mop->request.kind == EVKV_OP_PING)
		evkv__multi_end(mop);
	else if (kind_is_of_one(mop->request.kind))
		evkv__multi_go(mop);
	else
		walk_list(mop);
}

static void root_down(struct multi_store *multi)
{
	multi->failure = multi->root.failure;
	multi->state = DISK_FAILED;
	multi->failed_ms = evkv_loop_now_ms(multi->loop);
	evkv_loop_log(multi->loop, EVKV_LOG_ERROR, "multi_disk: %s",
	    multi->failure.message);
	evkv_store_set_state(multi->store, EVKV_STATE_DOWN,
	    file_cause(&multi->failure), multi->failure.message);
}

static void root_opened(struct multi_store *multi)
{
	struct multi_op *mop;

	if (multi->root.failure.status == EVKV_OK) {
		multi->state = DISK_READY;
		evkv_store_set_state(multi->store, EVKV_STATE_READY,
		    EVKV_CAUSE_NONE, NULL);
	} else {
		root_down(multi);
	}
	while ((mop = multi->waiting.first) != NULL) {
		multi_ops_remove(mop);
		if (multi->state == DISK_READY)
			op_begin(mop);
		else
			op_fail_by(mop, &multi->failure);
	}
}

/* The store's own look has come back. */
static void root_done(struct multi_store *multi)
{
	multi->root_out = false;
	if (multi->root.task == MULTI_CLOSE)
		multi->state = DISK_ENDED;
	else if (multi->state >= DISK_ENDING)
		return;
	else if (multi->root.task == MULTI_OPEN)
		root_opened(multi);
	else if (multi->root.failure.status != EVKV_OK)
		root_down(multi);
}

static void multi_maybe_end(struct multi_store *multi)
{
	if (multi->jobs > 0 || multi->parts > 0 || multi->lane == NULL)
		return;
	if (multi->state == DISK_ENDING) {
		root_submit(multi, MULTI_CLOSE);
	} else if (multi->state == DISK_ENDED) {
		evkv_lane_free(multi->lane);
		multi->lane = NULL;
		evkv_store_closed(multi->store);
	}
}

static void look_done(struct multi_store *multi, struct multi_look *look)
{
	struct multi_op *mop = look->mop;

	multi->jobs--;
	if (mop == NULL)
		root_done(multi);
	else if (look->failure.status != EVKV_OK)
		op_fail_by(mop, &look->failure);
	else
		walk_begin(mop);
}

static void multi_done(struct evkv_job *jobs, void *arg)
{
	struct multi_store *multi = arg;
	struct evkv_job *next;

	for (; jobs != NULL; jobs = next) {
		next = evkv_job_next(jobs);
		look_done(multi, (struct multi_look *)jobs);
	}
	multi_maybe_end(multi);
}

/* ---- The slots ----------------------------------------------------------- */

static struct multi_op *make_mop(struct multi_store *multi, struct evkv_op *op)
{
	struct multi_op *mop;
	const struct evkv_request *request;

	mop = evkv_op_keep(op) ? evkv_op_alloc(op, sizeof(*mop)) : NULL;
	if (mop == NULL) {
		evkv_op_nomem(op);
		return NULL;
	}
	memset(mop, 0, sizeof(*mop));
	mop->op = op;
	mop->multi = multi;
	request = evkv_op_request(op);
	mop->request = *request;
	mop->request.timeout_ms = -1;
	if (kind_is_of_one(request->kind)) {
		evkv_file_name_encode(request->collection, mop->own_file);
	} else {
		mop->request.match.cursor = EVKV_LIT("");
	}
	evkv_op_set_data(op, mop);
	return mop;
}

static enum evkv_verdict multi_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct multi_store *multi = self;
	struct evkv_slice position;
	struct multi_op *mop;

	if (request->kind == EVKV_OP_COLLECTIONS &&
	    request->match.cursor.size > 0 &&
	    !evkv_cursor_open(request, multi_disk_vtable.name, &position))
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "the cursor is not of this store and query");
	if (multi->state == DISK_FAILED &&
	    evkv_loop_now_ms(multi->loop) - multi->failed_ms < RETRY_MS)
		return evkv__disk_op_fail(op, &multi->failure);
	mop = make_mop(multi, op);
	if (mop == NULL)
		return EVKV_VERDICT_DONE;
	if (multi->state == DISK_FAILED) {
		multi->state = DISK_OPENING;
		root_submit(multi, MULTI_OPEN);
	}
	/* Also while those that waited go, one by one: behind them. */
	if (multi->state != DISK_READY || multi->waiting.first != NULL) {
		multi_ops_append(&multi->waiting, mop);
		return EVKV_VERDICT_PENDING;
	}
	op_begin(mop);
	return EVKV_VERDICT_PENDING;
}

/*
 * Children are stopped by themselves. Of what goes through all parts some are
 * done already.
 */
static void multi_stop(void *self, struct evkv_op *op)
{
	struct multi_op *mop = evkv_op_data(op);

	(void)self;
	if (mop->look != NULL && mop->looked > 0)
		evkv_op_mark_sent(op);
	if (mop->list == NULL)
		return;
	multi_ops_remove(mop);
	if (mop->fanout != NULL) {
		evkv_fanout_fail(mop->fanout, EVKV_CANCELED,
		    EVKV_CAUSE_CANCELED, NULL);
		evkv_fanout_go(mop->fanout);
		return;
	}
	evkv_op_cut(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
	evkv__multi_end(mop);
}

void evkv__multi_parts_gone(struct multi_store *multi)
{
	if (multi->state >= DISK_ENDING)
		multi_maybe_end(multi);
}

static void multi_close(void *self)
{
	struct multi_store *multi = self;

	multi->state = DISK_ENDING;
	evkv__multi_parts_close(multi);
}

static void multi_free(void *self)
{
	struct multi_store *multi = self;

	evkv_lane_free(multi->lane);
	evkv_executor_unref(multi->executor);
	evkv_free(multi->marker);
	evkv_free(multi->path);
	evkv_free(multi);
}

static void multi_counters(void *self, struct evkv_counters *counters)
{
	struct multi_store *multi = self;
	struct multi_part *part;
	struct evkv_counters one;

	for (part = multi->newest; part != NULL; part = part->older) {
		if (part->store == NULL)
			continue;
		evkv_store_counters(part->store, &one);
		counters->entries += one.entries;
		counters->bytes += one.bytes;
	}
}

static const struct evkv_vtable multi_disk_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "multi_disk",
	.submit = multi_submit,
	.stop = multi_stop,
	.close = multi_close,
	.free = multi_free,
	.counters = multi_counters,
};

static char *multi_marker(const char *path)
{
	size_t size = strlen(path) + sizeof("/" MULTI_MARKER);
	char *marker = evkv_malloc(size);

	if (marker != NULL)
		snprintf(marker, size, "%s/" MULTI_MARKER, path);
	return marker;
}

static bool multi_init(struct multi_store *multi,
    const struct evkv_disk_options *options, struct evkv_error *error)
{
	multi->options = *options;
	multi->marker_fd = -1;
	multi_ops_init(&multi->waiting);
	multi->path = evkv__folder_path(options->path);
	multi->options.path = multi->path;
	if (multi->path != NULL)
		multi->marker = multi_marker(multi->path);
	multi->executor = evkv_executor_ref(options->executor != NULL
		? options->executor
		: evkv_loop_executor(multi->loop, error));
	if (multi->path == NULL || multi->marker == NULL ||
	    multi->executor == NULL)
		return false;
	multi->lane = evkv_lane_new(multi->loop, multi->executor,
	    &(struct evkv_lane_config){
		.run = evkv__multi_run,
		.done = multi_done,
		.arg = multi,
		.max_jobs = SIZE_MAX,
	    },
	    error);
	return multi->lane != NULL;
}

struct evkv_store *evkv_multi_disk_new_sized(struct evkv_loop *loop,
    const struct evkv_disk_options *given, size_t size,
    struct evkv_error *error)
{
	struct evkv_store_config config = {
		.capabilities = &evkv__disk_capabilities
	};
	struct evkv_disk_options options;
	struct multi_store *multi;
	struct evkv_store *store;

	if (!evkv__disk_options_read(loop, &options, given, size, error))
		return NULL;
	multi = evkv_calloc(1, sizeof(*multi));
	if (multi != NULL)
		multi->loop = loop;
	if (multi == NULL || !multi_init(multi, &options, error)) {
		evkv_error_set(error, EVKV_NOMEM, "multi_disk: out of memory");
		if (multi != NULL)
			multi_free(multi);
		return NULL;
	}
	config.max_pending = options.max_pending;
	config.max_pending_bytes = options.max_pending_bytes;
	config.timeout_ms = options.timeout_ms;
	/* The bounds are here, not at the parts. */
	multi->options.max_pending = SIZE_MAX;
	multi->options.max_pending_bytes = SIZE_MAX;
	multi->options.timeout_ms = 0;
	store = evkv_store_create(loop, &multi_disk_vtable, multi, &config,
	    error);
	if (store == NULL)
		return NULL;
	multi->store = store;
	root_submit(multi, MULTI_OPEN);
	return store;
}
