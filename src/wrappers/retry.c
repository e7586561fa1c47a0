/*
 * wrappers/retry.c - tries again what has failed and may be repeated.
 *
 * Happy path: the operation goes on as a child, which is answered, and that is
 * the answer. Otherwise, while tries, budget and time are left, what has failed
 * so that it may be repeated is asked again after a pause: of a batch those
 * entries alone, as the others have had their effect. A write is not repeated
 * behind a later one of the same batch and key.
 *
 * The core keeps the order of each key: what follows waits for the last try.
 *
 * Failures: with no try left the last failure is the answer. Without memory for
 * a child its entries are NOMEM. An operation that is detached in a pause ends
 * at once, and nothing more is sent for it.
 */
#include "evkv/wrappers/retry.h"

#include <stdlib.h>
#include <string.h>

#include "evkv/driver.h"
#include "support/options.h"
#include "support/pick.h"
#include "wrappers/types.h"

#define ATTEMPTS 3
#define BACKOFF_MS 20
#define MAX_BACKOFF_MS 2000
#define BUDGET_PERCENT 20
#define BUDGET_RESERVE 100
#define TOKEN 100 /* what a repetition costs; an operation earns a percentage */

struct retry {
	struct evkv_loop *loop;
	struct evkv_store *inner;
	struct evkv_retry_options options; /* no defaults left */
	uint64_t tokens, tokens_most;
	struct evkv_retry_counters counters;
	struct evkv_retry_options given; /* for describe */
};

/* An operation. */
struct call {
	struct retry *retry;
	struct evkv_op *op;
	struct evkv_timer timer;
	struct evkv_request request; /* of the next try */
	/* The entries that it asks for; NULL = all. */
	uint32_t *open;
	int64_t start_ms;
	unsigned tries;
	bool pausing;
	bool stopped; /* abandoned */
	bool unsure;  /* a try before may have had an effect */
};

/* ---- What may be repeated ----------------------------------------------- */

static bool is_keyed(const struct call *call)
{
	return (evkv_kind_classes(call->request.kind) & EVKV_CLASS_HAS_KEYS) !=
	    0;
}

/* The entry of the operation that entry i of a try is. */
static size_t entry_of(const struct call *call, size_t i)
{
	return call->open != NULL ? call->open[i] : i;
}

/*
 * Writes that are the same when they are done twice, unless others interfere.
 */
static bool is_plain_write(const struct evkv_request *request)
{
	switch (request->kind) {
	case EVKV_OP_PUT:
	case EVKV_OP_DELETE:
	case EVKV_OP_TOUCH: return request->condition == EVKV_IF_ANY;
	case EVKV_OP_CLEAR:
	case EVKV_OP_CLEAR_ALL: return true;
	default: return false;
	}
}

static bool had_no_effect(enum evkv_status status)
{
	const uint32_t no_effect = EVKV_STATUS_BIT(EVKV_BUSY) |
	    EVKV_STATUS_BIT(EVKV_TIMEOUT) | EVKV_STATUS_BIT(EVKV_UNAVAILABLE);

	return (no_effect & EVKV_STATUS_BIT(status)) != 0;
}

static bool is_repeatable(const struct call *call, enum evkv_status status)
{
	const struct evkv_retry_options *options = &call->retry->options;
	uint32_t classes = evkv_kind_classes(call->request.kind);

	if ((options->statuses & EVKV_STATUS_BIT(status)) == 0)
		return false;
	return had_no_effect(status) || (classes & EVKV_CLASS_WRITES) == 0 ||
	    (classes & EVKV_CLASS_REPEATABLE) != 0 ||
	    (options->repeat_writes && is_plain_write(&call->request));
}

/* How many entries of a try are to be repeated; of a kind without keys 1. */
static size_t count_repeatable(const struct call *call,
    const struct evkv_result *result)
{
	size_t count = 0, i;

	if (!is_keyed(call) || result->count < call->request.count)
		return is_repeatable(call, result->status)
		    ? call->request.count + !is_keyed(call)
		    : 0;
	for (i = 0; i < result->count; i++)
		count += is_repeatable(call,
		    evkv_result_entry(result, i)->status);
	return count;
}

/*
 * A write is asked again that may have had its effect: should the next tries
 * fail, even without effect, that one stays.
 */
static void note_effect(struct call *call, const struct evkv_result *result)
{
	enum evkv_status status = result->status;
	size_t i;

	if ((evkv_kind_classes(call->request.kind) & EVKV_CLASS_WRITES) == 0)
		return;
	if (!had_no_effect(status) && is_repeatable(call, status))
		call->unsure = true;
	for (i = 0; is_keyed(call) && i < result->count; i++) {
		status = evkv_result_entry(result, i)->status;
		if (!had_no_effect(status) && is_repeatable(call, status))
			call->unsure = true;
	}
}

/* An entry that fails, after tries of which it is not known what they did. */
static void fix_entry(struct call *call, size_t i)
{
	struct evkv_entry *entry = evkv_op_entry(call->op, entry_of(call, i));

	if (call->unsure && evkv_failed(entry->status))
		entry->status = EVKV_UNKNOWN_OUTCOME;
}

/* ---- Budget and time ---------------------------------------------------- */

static void budget_earn(struct retry *retry)
{
	retry->tokens += retry->options.budget_percent;
	if (retry->tokens > retry->tokens_most)
		retry->tokens = retry->tokens_most;
}

/* Anything from nothing to twice the pause before, as many wait alike. */
static int64_t draw_pause(const struct call *call)
{
	const struct evkv_retry_options *options = &call->retry->options;
	int64_t most = options->backoff_ms;
	unsigned i;

	for (i = 1; i < call->tries && most < options->max_backoff_ms; i++)
		most *= 2;
	if (most > options->max_backoff_ms)
		most = options->max_backoff_ms;
	return (int64_t)(evkv_loop_random(call->retry->loop) %
	    (uint64_t)(most + 1));
}

/* What is left for all tries, in milliseconds; INT64_MAX = no bound. */
static int64_t time_left(const struct call *call)
{
	int64_t deadline_ms = call->retry->options.deadline_ms;

	if (deadline_ms == 0)
		return INT64_MAX;
	return deadline_ms -
	    (evkv_loop_now_ms(call->retry->loop) - call->start_ms);
}

/* Whether there is to be one more try, after a pause. */
static bool may_go_on(struct call *call, int64_t *pause_ms)
{
	struct retry *retry = call->retry;

	*pause_ms = draw_pause(call);
	if (call->stopped) {
		return false;
	} else if (call->tries >= retry->options.attempts) {
		retry->counters.exhausted++;
		return false;
	} else if (*pause_ms >= time_left(call)) {
		retry->counters.late++;
		return false;
	} else if (retry->tokens < TOKEN) {
		retry->counters.over_budget++;
		return false;
	}
	retry->tokens -= TOKEN;
	retry->counters.repeated++;
	return true;
}

/* ---- The next try ------------------------------------------------------- */

/* An entry of a try, to bring those of one key together. */
struct named {
	struct evkv_slice key;
	size_t entry;
};

static int compare_named(const void *left, const void *right)
{
	const struct named *a = left, *b = right;
	size_t size = a->key.size < b->key.size ? a->key.size : b->key.size;
	int order = size > 0 ? memcmp(a->key.data, b->key.data, size) : 0;

	if (order != 0)
		return order;
	if (a->key.size != b->key.size)
		return a->key.size < b->key.size ? -1 : 1;
	return (a->entry > b->entry) - (a->entry < b->entry);
}

/*
 * Repeated behind a later entry of its key that is not, a write would undo that
 * one: it keeps its failure. false: no memory.
 */
static bool leave_overtaken(struct call *call, bool *again)
{
	size_t count = call->request.count, i;
	struct named *named = evkv_op_alloc(call->op, count * sizeof(*named));
	bool overtaken = false;

	if (named == NULL)
		return false;
	for (i = 0; i < count; i++)
		named[i] = (struct named){ call->request.keys[i], i };
	qsort(named, count, sizeof(*named), compare_named);
	for (i = count; i-- > 0;) {
		if (i + 1 == count ||
		    !evkv_slice_equal(named[i].key, named[i + 1].key))
			overtaken = false;
		if (overtaken)
			again[named[i].entry] = false;
		else
			overtaken = !again[named[i].entry];
	}
	return true;
}

/*
 * Which entries of a try to repeat, in *again, and how many; of a kind without
 * keys 1. *again is NULL where it is all. Without memory it is none.
 */
static size_t choose(struct call *call, const struct evkv_result *result,
    bool **again)
{
	size_t asked = call->request.count, i;
	size_t count = count_repeatable(call, result);

	*again = NULL;
	if (!is_keyed(call) || count == 0 || count == asked)
		return count;
	*again = evkv_op_alloc(call->op, asked * sizeof(**again));
	if (*again == NULL)
		return 0;
	for (i = 0; i < asked; i++)
		(*again)[i] = is_repeatable(call,
		    evkv_result_entry(result, i)->status);
	if ((evkv_kind_classes(call->request.kind) & EVKV_CLASS_WRITES) != 0 &&
	    !leave_overtaken(call, *again))
		return 0;
	for (i = 0, count = 0; i < asked; i++)
		count += (*again)[i];
	return count;
}

/*
 * Take what has its answer and ask for the `count` entries `again` next; false:
 * no memory, and nothing was changed.
 */
static bool narrow(struct call *call, struct evkv_op *child, const bool *again,
    size_t count)
{
	const struct evkv_result *result = evkv_op_result(child);
	struct evkv_request picked = call->request;
	size_t asked = picked.count, left = 0, i;
	uint32_t *from, *open;

	from = evkv_op_alloc(call->op, 2 * count * sizeof(*from));
	if (from == NULL)
		return false;
	open = from + count;
	for (i = 0; i < asked; i++) {
		if (!again[i])
			continue;
		from[left] = (uint32_t)i;
		open[left++] = (uint32_t)entry_of(call, i);
	}
	if (!evkv__request_pick(call->op, &picked, from, count))
		return false;
	for (i = 0; i < asked; i++) {
		if (again[i])
			continue;
		if (evkv_failed(evkv_result_entry(result, i)->status))
			evkv_op_explain(call->op, result->cause,
			    result->sys_error, result->message);
		evkv_op_take(call->op, entry_of(call, i), child, i);
		fix_entry(call, i);
	}
	call->request = picked;
	call->open = open;
	return true;
}

static void set_timeout(struct call *call)
{
	int64_t timeout_ms = call->retry->options.attempt_timeout_ms;
	int64_t left_ms = time_left(call);

	if (left_ms < 1)
		left_ms = 1;
	if (left_ms != INT64_MAX && (timeout_ms == 0 || left_ms < timeout_ms))
		timeout_ms = left_ms;
	call->request.timeout_ms = timeout_ms;
}

/* ---- Ends --------------------------------------------------------------- */

/* Its last try does not count what one before it has removed. */
static bool counts_what_is_gone(enum evkv_kind kind)
{
	return kind == EVKV_OP_DELETE ||
	    (evkv_kind_classes(kind) & EVKV_CLASS_SPANS) != 0;
}

/* What was found out about the effects of the tries before the last one. */
static void fix_answer(struct call *call, const struct evkv_result *result)
{
	struct evkv_op *op = call->op;
	size_t i;

	if (!is_keyed(call)) {
		if (evkv_failed(result->status))
			evkv_op_cut(op, EVKV_UNKNOWN_OUTCOME, result->cause,
			    result->message);
		return;
	}
	for (i = 0; i < call->request.count; i++)
		fix_entry(call, i);
	evkv_op_settle(op);
}

/* The last try's answers are the operation's. */
static void call_end(struct call *call, struct evkv_op *child)
{
	const struct evkv_result *result = evkv_op_result(child);
	struct evkv_op *op = call->op;
	size_t i;

	if (call->tries > 1 && !evkv_failed(result->status))
		call->retry->counters.recovered++;
	if (child != NULL && call->open == NULL) {
		evkv_op_take_all(op, child);
	} else if (!is_keyed(call)) {
		evkv_op_nomem(op);
	} else {
		for (i = 0; i < call->request.count; i++)
			evkv_op_take(op, entry_of(call, i), child, i);
		if (evkv_failed(result->status))
			evkv_op_explain(op, result->cause, result->sys_error,
			    result->message);
	}
	if (call->unsure)
		fix_answer(call, result);
	if (call->unsure && counts_what_is_gone(call->request.kind))
		evkv_op_set_affected(op, -1);
	evkv_op_complete(op);
}

static void call_answered(struct evkv_op *child, void *arg)
{
	struct call *call = arg;
	bool *again = NULL;
	size_t count = 0;
	int64_t pause_ms;

	call->tries++;
	if (child != NULL)
		count = choose(call, evkv_op_result(child), &again);
	if (count == 0 || !may_go_on(call, &pause_ms)) {
		call_end(call, child);
		return;
	}
	if (again != NULL && !narrow(call, child, again, count)) {
		call_end(call, child);
		return;
	}
	note_effect(call, evkv_op_result(child));
	/* Without memory for a timer there is no pause. */
	if (pause_ms > 0 &&
	    evkv_timer_set(call->retry->loop, &call->timer, pause_ms)) {
		call->pausing = true;
		return;
	}
	set_timeout(call);
	evkv_child_repeat(child, &call->request);
}

static void call_try(struct call *call)
{
	set_timeout(call);
	evkv_child_submit(call->op, call->retry->inner, &call->request,
	    EVKV_CHILD_BORROWS, call_answered, call);
}

static void call_due(void *arg)
{
	struct call *call = arg;

	call->pausing = false;
	call_try(call);
}

/* ---- The slots ---------------------------------------------------------- */

static enum evkv_verdict retry_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	const uint32_t flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE;
	struct retry *retry = arg;
	struct call *call;

	/* A ping that waits for the first connection reports how it went. */
	if ((request->flags & EVKV_FLAG_WAIT_READY) != 0)
		return evkv_op_forward(op, retry->inner, request);
	call = evkv_op_alloc(op, sizeof(*call));
	if (call == NULL)
		return evkv_op_nomem(op);
	*call = (struct call){
		.retry = retry,
		.op = op,
		.timer = { .run = call_due, .arg = call },
		.request = *request,
		.start_ms = evkv_loop_now_ms(retry->loop),
	};
	call->request.flags &= ~flags;
	evkv_op_set_data(op, call);
	budget_earn(retry);
	call_try(call);
	return EVKV_VERDICT_PENDING;
}

/* A try that is under way ends by its own stop. */
static void retry_stop(void *arg, struct evkv_op *op)
{
	struct call *call = evkv_op_data(op);

	(void)arg;
	call->stopped = true;
	if (!call->pausing)
		return;
	evkv_timer_cancel(call->retry->loop, &call->timer);
	evkv_op_cut(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
	evkv_op_complete(op);
}

static void retry_free(void *self)
{
	evkv_free(self);
}

static enum evkv_peek retry_peek(void *arg, const struct evkv_request *request,
    struct evkv_value **value)
{
	struct retry *retry = arg;

	return evkv_store_peek(retry->inner, request, value);
}

static void retry_metrics(void *self, struct evkv_metrics *metrics)
{
	static const struct evkv_metric repeated = {
		.name = "retry_repeated_total",
		.help = "Tries beyond the first of an operation.",
	};
	static const struct evkv_metric ended = {
		.name = "retry_operations_total",
		.help = "Operations that succeeded by a repetition, or were "
			"not repeated again.",
		.label = "result",
	};
	const struct evkv_retry_counters
	    *counters = &((const struct retry *)self)->counters;

	evkv_metrics_add(metrics, &repeated, NULL, counters->repeated);
	evkv_metrics_add(metrics, &ended, "recovered", counters->recovered);
	evkv_metrics_add(metrics, &ended, "exhausted", counters->exhausted);
	evkv_metrics_add(metrics, &ended, "over_budget", counters->over_budget);
	evkv_metrics_add(metrics, &ended, "late", counters->late);
}

/* ---- By text ------------------------------------------------------------ */

#define ROW(...) OPTION_ROW(struct evkv_retry_options, __VA_ARGS__)

static const struct evkv_url_option retry_options[] = {
	ROW("attempts", attempts, EVKV_URL_INT, 1, 1000,
	    "how often an operation is tried at most", "3"),
	ROW("backoff", backoff_ms, EVKV_URL_DURATION, -1, 3600000,
	    "the longest first pause; -1 = no pauses", "20ms"),
	ROW("max_backoff", max_backoff_ms, EVKV_URL_DURATION, 1, 3600000,
	    "the longest pause", "2s"),
	ROW("attempt_timeout", attempt_timeout_ms, EVKV_URL_DURATION, 1,
	    EVKV_TTL_MAX, "the deadline of each try", NULL),
	ROW("deadline", deadline_ms, EVKV_URL_DURATION, 1, EVKV_TTL_MAX,
	    "the time for all tries and pauses together", NULL),
	ROW("budget_percent", budget_percent, EVKV_URL_INT, 1, 1000,
	    "repetitions per 100 operations, in the long run", "20"),
	ROW("budget_reserve", budget_reserve, EVKV_URL_INT, 1, 1000000,
	    "repetitions that may be saved up", "100"),
	ROW("repeat_writes", repeat_writes, EVKV_URL_BOOL, 0, 0,
	    "also repeat plain writes of unknown outcome", NULL),
};

static struct evkv_store *retry_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	(void)type;
	return evkv_retry_new(making->inner[0], making->options, error);
}

const struct evkv_type evkv__retry_type = {
	.size = sizeof(struct evkv_type),
	.name = "retry",
	.summary = "tries again what has failed and may be repeated",
	.options = retry_options,
	.option_count = sizeof(retry_options) / sizeof(retry_options[0]),
	.options_size = sizeof(struct evkv_retry_options),
	.inner_min = 1,
	.inner_max = 1,
	.make = retry_make,
};

static void retry_describe(void *arg, struct evkv_text *text)
{
	struct retry *self = arg;

	evkv_text_options(text, &evkv__retry_type, &self->given);
}

static const struct evkv_vtable retry_vtable = {
	.size = sizeof(retry_vtable),
	.name = "retry",
	.flags = EVKV_VTABLE_TRANSPARENT | EVKV_VTABLE_KEEPS |
	    EVKV_VTABLE_ORDERED,
	.submit = retry_submit,
	.stop = retry_stop,
	.free = retry_free,
	.peek = retry_peek,
	.metrics = retry_metrics,
	.describe = retry_describe,
};

bool evkv_retry_read_counters_sized(const struct evkv_store *store,
    struct evkv_retry_counters *counters, size_t size)
{
	const struct retry *retry = evkv_store_self(store, &retry_vtable);

	memset(counters, 0, size);
	if (retry == NULL)
		return false;
	memcpy(counters, &retry->counters,
	    size < sizeof(*counters) ? size : sizeof(*counters));
	return true;
}

/* ---- Making ------------------------------------------------------------- */

static void fill_defaults(struct evkv_retry_options *options)
{
	if (options->attempts == 0)
		options->attempts = ATTEMPTS;
	if (options->backoff_ms == 0)
		options->backoff_ms = BACKOFF_MS;
	else if (options->backoff_ms < 0)
		options->backoff_ms = 0;
	if (options->max_backoff_ms == 0)
		options->max_backoff_ms = MAX_BACKOFF_MS;
	if (options->budget_percent == 0)
		options->budget_percent = BUDGET_PERCENT;
	if (options->budget_reserve == 0)
		options->budget_reserve = BUDGET_RESERVE;
	if (options->statuses == 0)
		options->statuses = EVKV_STATUS_BIT(EVKV_BUSY) |
		    EVKV_STATUS_BIT(EVKV_TIMEOUT) |
		    EVKV_STATUS_BIT(EVKV_UNAVAILABLE);
	if (options->repeat_writes)
		options->statuses |= EVKV_STATUS_BIT(EVKV_UNKNOWN_OUTCOME);
}

static struct retry *retry_self(struct evkv_store *inner,
    const struct evkv_retry_options *options)
{
	struct retry *retry = evkv_calloc(1, sizeof(*retry));

	if (retry == NULL)
		return NULL;
	retry->loop = evkv_store_loop(inner);
	retry->inner = inner;
	retry->given = retry->options = *options;
	fill_defaults(&retry->options);
	retry->tokens_most = TOKEN * (uint64_t)retry->options.budget_reserve;
	retry->tokens = retry->tokens_most;
	return retry;
}

struct evkv_store *evkv_retry_new_sized(struct evkv_store *inner,
    const struct evkv_retry_options *given, size_t size,
    struct evkv_error *error)
{
	struct evkv_store_config config = { .inner = &inner, .inner_count = 1 };
	struct evkv_retry_options options;
	struct evkv_capabilities can;

	if (!evkv__wrapper_options(&evkv__retry_type, inner, &options, given,
		size, error))
		return NULL;
	if (inner != NULL &&
	    !evkv__option_statuses(&evkv__retry_type, options.statuses,
		error)) {
		evkv_store_unref(inner);
		return NULL;
	}
	if (inner != NULL && options.repeat_writes) {
		can = *evkv_store_capabilities(inner);
		can.flags &= ~(uint32_t)EVKV_STORE_EXACT_AFFECTED;
		config.capabilities = &can;
	}
	return evkv_store_create(NULL, &retry_vtable,
	    inner != NULL ? retry_self(inner, &options) : NULL, &config, error);
}
