/*
 * collections and clear_all of prefix_keys.
 *
 * A page of the inner store's collections is asked for, and for each of them a
 * clear of the keys with the prefix (clear_all) or pages of one key with the
 * prefix, until there is one (collections). A few of these steps are under way
 * at a time, fewer where the inner store answers BUSY; clear_all goes on with the
 * next page. An inner store that answers at once takes no turn of the loop, so
 * after a number of steps the rest waits for a later turn.
 *
 * When a step fails, no more begin; those that are under way end, and then the
 * op does, with the first failure. A clear_all that was cut off after a clear had
 * removed something is UNKNOWN_OUTCOME. When the waiter is told early, the core
 * stops the steps that are under way and cancels those that would begin.
 */
#include "wrappers/prefix_keys/prefix_keys.h"

#include <string.h>

#define PREFIX_KEYS_STEPS 8   /* child ops under way at a time */
#define PREFIX_KEYS_BUDGET 64 /* child ops begun in one turn */
#define PREFIX_KEYS_PAGE 1000 /* collections looked at in one page */

/* The inner store's collections of one page, in one piece of memory. */
struct prefix_keys_page {
	size_t count;
	struct evkv_slice cursor; /* of the next page */
	struct prefix_keys_name {
		struct evkv_slice name;
		bool found; /* it has keys with the prefix */
	} names[];
};

struct prefix_keys_job;

enum prefix_keys_state {
	PREFIX_KEYS_FREE,
	PREFIX_KEYS_ASKED, /* its child is under way */
	PREFIX_KEYS_AGAIN, /* to be asked for its next page, or once more */
};

/* What is done for one collection of the page. */
struct prefix_keys_step {
	struct prefix_keys_job *job;
	enum prefix_keys_state state;
	size_t index;             /* of the collection */
	struct evkv_slice cursor; /* of the page of keys, allocated */
};

/* A collections or a clear_all under way; it lives in the op. */
struct prefix_keys_job {
	struct prefix_keys *self;
	struct evkv_op *op;
	struct prefix_keys_page *page; /* NULL until the first has come */
	size_t next;                   /* index of the collection to begin */
	unsigned under_way;            /* children */
	unsigned most;                 /* children at a time */
	bool failed;                   /* the answer is in the op */
	bool running;                  /* prefix_keys_run() is on the stack */
	int64_t affected;              /* clear_all; -1 = can't tell */
	struct evkv_task task;         /* goes on in a later turn */
	struct prefix_keys_step steps[PREFIX_KEYS_STEPS];
};

static void prefix_keys_run(struct prefix_keys_job *job);

/* Whether the op's steps remove, or only look. */
static bool prefix_keys_removes(const struct prefix_keys_job *job)
{
	return evkv_op_request(job->op)->kind == EVKV_OP_CLEAR_ALL;
}

/* The first failure of a step is that of the op. */
static void prefix_keys_fail(struct prefix_keys_job *job,
    const struct evkv_result *result)
{
	if (job->failed)
		return;
	job->failed = true;
	if (prefix_keys_removes(job))
		evkv_op_cut(job->op, result->status, result->cause,
		    result->message);
	else
		evkv_op_fail(job->op, result->status, result->cause,
		    result->message);
}

/* A page of the result's names, copied; NULL = no memory. */
static struct prefix_keys_page *prefix_keys_page_new(const struct evkv_result
	*result)
{
	size_t size = sizeof(struct prefix_keys_page) +
	    result->count * sizeof(struct prefix_keys_name);
	size_t bytes = result->cursor.size, i;
	struct prefix_keys_page *page;
	char *to;

	for (i = 0; i < result->count; i++)
		bytes += evkv_result_entry(result, i)->name.size;
	page = evkv_malloc(size + bytes);
	if (page == NULL)
		return NULL;

	to = (char *)page + size;
	page->count = result->count;
	for (i = 0; i < result->count; i++) {
		page->names[i].name = evkv_bytes(to,
		    evkv_result_entry(result, i)->name.size);
		page->names[i].found = false;
		if (page->names[i].name.size > 0)
			memcpy(to, evkv_result_entry(result, i)->name.data,
			    page->names[i].name.size);
		to += page->names[i].name.size;
	}
	page->cursor = evkv_bytes(to, result->cursor.size);
	if (result->cursor.size > 0)
		memcpy(to, result->cursor.data, result->cursor.size);
	return page;
}

static void prefix_keys_page_came(struct evkv_op *child, void *arg)
{
	const struct evkv_result *result = evkv_op_result(child);
	struct prefix_keys_job *job = arg;

	job->under_way--;
	if (evkv_failed(result->status)) {
		prefix_keys_fail(job, result);
	} else {
		job->next = 0;
		job->page = prefix_keys_page_new(result);
		if (job->page == NULL)
			prefix_keys_fail(job, evkv_op_result(NULL));
	}
	prefix_keys_run(job);
}

/* Ask for the page at `cursor`, which need not live longer than this call. */
static void prefix_keys_page_ask(struct prefix_keys_job *job,
    struct evkv_slice cursor)
{
	const struct evkv_request *request = evkv_op_request(job->op);
	size_t limit = request->match.limit;

	if (limit == 0 || limit > PREFIX_KEYS_PAGE)
		limit = PREFIX_KEYS_PAGE;
	job->under_way++;
	evkv_child_submit(job->op, job->self->inner,
	    &(struct evkv_request){
		.kind = EVKV_OP_COLLECTIONS,
		.match.prefix = request->match.prefix,
		.match.pattern = request->match.pattern,
		.match.cursor = cursor,
		.match.limit = limit,
	    },
	    0, prefix_keys_page_came, job);
}

static void prefix_keys_drop_cursor(struct prefix_keys_step *step)
{
	evkv_free((void *)(uintptr_t)step->cursor.data);
	step->cursor = evkv_bytes(NULL, 0);
}

/* Remember where the search for keys of ours goes on. */
static void prefix_keys_step_again(struct prefix_keys_step *step,
    struct evkv_slice cursor)
{
	char *copy = evkv_malloc(cursor.size);

	if (copy == NULL) {
		prefix_keys_fail(step->job, evkv_op_result(NULL));
		return;
	}
	memcpy(copy, cursor.data, cursor.size);
	step->cursor = evkv_bytes(copy, cursor.size);
	step->state = PREFIX_KEYS_AGAIN;
}

static void prefix_keys_cleared(struct prefix_keys_job *job, int64_t affected)
{
	const struct evkv_result *result = evkv_op_result(job->op);

	/*
	 * From here on being cut off can't be without effect; nor was it, where
	 * another step had failed while this one was under way.
	 */
	if (affected != 0) {
		evkv_op_mark_sent(job->op);
		if (job->failed && result->status != EVKV_UNKNOWN_OUTCOME)
			evkv_op_cut(job->op, result->status, result->cause,
			    result->message);
	}
	if (affected < 0)
		job->affected = -1;
	else if (job->affected >= 0)
		job->affected += affected;
}

static void prefix_keys_step_ended(struct prefix_keys_step *step,
    const struct evkv_result *result)
{
	struct prefix_keys_job *job = step->job;

	step->state = PREFIX_KEYS_FREE;
	prefix_keys_drop_cursor(step);
	if (evkv_failed(result->status))
		prefix_keys_fail(job, result);
	else if (prefix_keys_removes(job))
		prefix_keys_cleared(job, result->affected);
	else if (result->count > 0)
		job->page->names[step->index].found = true;
	else if (result->cursor.size > 0)
		prefix_keys_step_again(step, result->cursor);
}

static void prefix_keys_step_came(struct evkv_op *child, void *arg)
{
	const struct evkv_result *result = evkv_op_result(child);
	struct prefix_keys_step *step = arg;
	struct prefix_keys_job *job = step->job;

	job->under_way--;
	if (result->status == EVKV_BUSY && job->under_way > 0) {
		/* There is room for fewer: once more when one has ended. */
		job->most = job->under_way;
		step->state = PREFIX_KEYS_AGAIN;
	} else {
		prefix_keys_step_ended(step, result);
	}
	prefix_keys_run(job);
}

static void prefix_keys_step_ask(struct prefix_keys_step *step)
{
	struct prefix_keys_job *job = step->job;
	struct prefix_keys *self = job->self;
	char pattern[2 * PREFIX_KEYS_MAX + 2];
	bool removes = prefix_keys_removes(job);
	size_t size = self->escaped.size;

	memcpy(pattern, self->escaped.data, size);
	memcpy(pattern + size, "?*", 2);
	step->state = PREFIX_KEYS_ASKED;
	job->under_way++;
	evkv_child_submit(job->op, self->inner,
	    &(struct evkv_request){
		.kind = removes ? EVKV_OP_CLEAR : EVKV_OP_KEYS,
		.collection = job->page->names[step->index].name,
		.match.prefix = self->prefix,
		.match.pattern = evkv_bytes(pattern, size + 2),
		.match.cursor = step->cursor,
		.match.limit = removes ? 0 : 1,
	    },
	    0, prefix_keys_step_came, step);
}

/* All is done, or has failed: the answer, and the end of the job. */
static void prefix_keys_finish(struct prefix_keys_job *job)
{
	struct prefix_keys_page *page = job->page;
	struct evkv_op *op = job->op;
	size_t i;

	if (!job->failed && prefix_keys_removes(job)) {
		evkv_op_set_affected(op, job->affected);
	} else if (!job->failed) {
		for (i = 0; i < page->count; i++) {
			if (page->names[i].found &&
			    !evkv_op_add_name(op, page->names[i].name))
				break;
		}
		if (i == page->count && page->cursor.size > 0)
			evkv_op_set_position(op, "prefix_keys", page->cursor);
	}
	for (i = 0; i < PREFIX_KEYS_STEPS; i++)
		prefix_keys_drop_cursor(&job->steps[i]);
	evkv_free(page);
	evkv_task_cancel(evkv_op_loop(op), &job->task);
	evkv_op_complete(op);
}

/* A step to be asked now; NULL: none, or too many are under way. */
static struct prefix_keys_step *prefix_keys_pick(struct prefix_keys_job *job)
{
	struct prefix_keys_step *step, *end = job->steps + PREFIX_KEYS_STEPS;

	if (job->under_way >= job->most)
		return NULL;
	for (step = job->steps; step < end; step++) {
		if (step->state == PREFIX_KEYS_AGAIN)
			return step;
	}
	if (job->next == job->page->count)
		return NULL;
	for (step = job->steps; step < end; step++) {
		if (step->state == PREFIX_KEYS_FREE) {
			step->index = job->next++;
			return step;
		}
	}
	return NULL;
}

/* Begin what may begin now; false when nothing is left to begin. */
static bool prefix_keys_begin(struct prefix_keys_job *job)
{
	unsigned budget = PREFIX_KEYS_BUDGET;
	struct prefix_keys_page *page;
	struct prefix_keys_step *step;

	while (!job->failed) {
		if (evkv_op_detached(job->op)) {
			/* The waiter was told: nothing more is wanted. */
			evkv_op_cut(job->op, EVKV_CANCELED, EVKV_CAUSE_CANCELED,
			    NULL);
			job->failed = true;
			break;
		}
		if (job->page == NULL)
			return true;
		if (budget-- == 0) {
			evkv_task_queue(evkv_op_loop(job->op), &job->task);
			return true;
		}
		page = job->page;
		step = prefix_keys_pick(job);
		if (step != NULL) {
			prefix_keys_step_ask(step);
		} else if (job->under_way > 0) {
			return true;
		} else if (!prefix_keys_removes(job) ||
		    page->cursor.size == 0) {
			return false;
		} else {
			job->page = NULL;
			prefix_keys_page_ask(job, page->cursor);
			evkv_free(page);
		}
	}
	return false;
}

/*
 * Go on; called whenever a child has ended. Where that was inside a call that
 * began it, the loop further up the stack goes on.
 */
static void prefix_keys_run(struct prefix_keys_job *job)
{
	bool more;

	if (job->running)
		return;
	job->running = true;
	more = prefix_keys_begin(job);
	job->running = false;
	if (!more && job->under_way == 0)
		prefix_keys_finish(job);
}

static void prefix_keys_run_later(void *arg)
{
	prefix_keys_run(arg);
}

enum evkv_verdict evkv__prefix_keys_walk(struct prefix_keys *self,
    struct evkv_op *op)
{
	struct prefix_keys_job *job;
	struct evkv_slice cursor;
	size_t i;

	job = evkv_op_alloc(op, sizeof(*job));
	if (job == NULL || !evkv_op_keep(op))
		return evkv_op_nomem(op);
	if (!evkv_cursor_open(evkv_op_request(op), "prefix_keys", &cursor))
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "cursor: not one of this query");

	*job = (struct prefix_keys_job){
		.self = self,
		.op = op,
		.most = PREFIX_KEYS_STEPS,
		.running = true,
		.task = { .run = prefix_keys_run_later, .arg = job },
	};
	for (i = 0; i < PREFIX_KEYS_STEPS; i++)
		job->steps[i].job = job;
	prefix_keys_page_ask(job, cursor);
	job->running = false;
	prefix_keys_run(job);
	return EVKV_VERDICT_PENDING;
}
