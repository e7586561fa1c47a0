/*
 * wrappers/circuit_breaker.c - stops asking a store that fails too often.
 *
 * Happy path, closed: the operation is forwarded, and how it ends is counted in
 * one of ten parts of the window. The header has the states; an operation that
 * began in an earlier state is not counted.
 *
 * Failures: without memory for its record an operation passes and is not
 * counted; where it was to be a probe it is NOMEM.
 */
#include "evkv/wrappers/circuit_breaker.h"

#include <string.h>

#include "evkv/driver.h"
#include "support/options.h"
#include "wrappers/types.h"

#define PARTS 10
#define WINDOW_MS 10000
#define MIN_OPERATIONS 20
#define PERCENT 50
#define OPEN_MS 5000
#define PROBES 3
#define DAY_MS INT64_C(86400000)

/* Of the window, or of all of it. */
struct part {
	uint32_t operations, failed, slow;
};

struct breaker {
	struct evkv_loop *loop;
	struct evkv_store *node, *inner;
	struct evkv_circuit_breaker_options options; /* no defaults left */
	enum evkv_circuit state;
	uint32_t epoch;   /* counts changes of the state */
	int64_t until_us; /* OPEN, HALF_OPEN: when to go on by itself */
	struct evkv_timer timer; /* OPEN: for who watches the state */
	unsigned probes, probes_good; /* HALF_OPEN: begun, gone well */
	enum evkv_cause cause;        /* of what opened it */
	int64_t part_us;              /* the length of a part */
	int64_t now_part; /* the number of the part that is being filled */
	int64_t part_end_us;
	struct part *part; /* that one */
	struct part parts[PARTS];
	uint64_t opened, refused;
	struct evkv_circuit_breaker_options given; /* for describe */
};

/* What an operation carries. */
struct call {
	int64_t start_us;
	uint32_t epoch;
};

/* ---- The window --------------------------------------------------------- */

/* Go on to the part that is now; those that are over are emptied. */
static void window_go_on(struct breaker *breaker, int64_t now_us)
{
	int64_t part = now_us / breaker->part_us, i = breaker->now_part + 1;

	if (part - i >= PARTS)
		i = part - PARTS + 1;
	for (; i <= part; i++)
		breaker->parts[i % PARTS] = (struct part){ .operations = 0 };
	breaker->now_part = part;
	breaker->part_end_us = (part + 1) * breaker->part_us;
	breaker->part = &breaker->parts[part % PARTS];
}

/* The part that is now. Inline gets come here: mostly it is the one before. */
static inline struct part *window_now(struct breaker *breaker, int64_t now_us)
{
	if (now_us >= breaker->part_end_us)
		window_go_on(breaker, now_us);
	return breaker->part;
}

static struct part window_sum(const struct breaker *breaker)
{
	struct part sum = { .operations = 0 };
	size_t i;

	for (i = 0; i < PARTS; i++) {
		sum.operations += breaker->parts[i].operations;
		sum.failed += breaker->parts[i].failed;
		sum.slow += breaker->parts[i].slow;
	}
	return sum;
}

static bool reaches(uint32_t count, unsigned percent, uint32_t of)
{
	return (uint64_t)count * 100 >= (uint64_t)percent * of;
}

/* ---- The states --------------------------------------------------------- */

static void enter(struct breaker *breaker, enum evkv_circuit state)
{
	breaker->state = state;
	breaker->epoch++;
	breaker->until_us = evkv_loop_now_us(breaker->loop) +
	    1000 * breaker->options.open_ms;
	breaker->probes = breaker->probes_good = 0;
}

static void become_open(struct breaker *breaker, enum evkv_cause cause,
    const char *why)
{
	breaker->cause = cause != EVKV_CAUSE_NONE ? cause : EVKV_CAUSE_OVERLOAD;
	breaker->opened++;
	enter(breaker, EVKV_CIRCUIT_OPEN);
	/* Without memory for it the next operation sees that it is time. */
	evkv_timer_set(breaker->loop, &breaker->timer,
	    breaker->options.open_ms);
	evkv_store_set_state(breaker->node, EVKV_STATE_DOWN, breaker->cause,
	    why);
}

static void become_half_open(struct breaker *breaker)
{
	enter(breaker, EVKV_CIRCUIT_HALF_OPEN);
	evkv_store_set_state(breaker->node, EVKV_STATE_CONNECTING,
	    breaker->cause, "circuit_breaker: half open");
}

static void become_closed(struct breaker *breaker)
{
	memset(breaker->parts, 0, sizeof(breaker->parts));
	enter(breaker, EVKV_CIRCUIT_CLOSED);
	evkv_store_set_state(breaker->node, EVKV_STATE_READY, EVKV_CAUSE_NONE,
	    NULL);
}

/* What time alone does. */
static void let_time_pass(struct breaker *breaker)
{
	if (breaker->state != EVKV_CIRCUIT_CLOSED &&
	    evkv_loop_now_us(breaker->loop) >= breaker->until_us)
		become_half_open(breaker);
}

static void timer_due(void *arg)
{
	struct breaker *breaker = arg;

	if (breaker->state == EVKV_CIRCUIT_OPEN)
		let_time_pass(breaker);
}

static void count_closed(struct breaker *breaker, bool failed, bool slow,
    enum evkv_cause cause)
{
	const struct evkv_circuit_breaker_options *options = &breaker->options;
	struct part *part = window_now(breaker,
	    evkv_loop_now_us(breaker->loop));
	struct part sum;

	part->operations++;
	part->failed += failed;
	part->slow += slow;
	if (!failed && !slow)
		return;
	sum = window_sum(breaker);
	if (sum.operations < options->min_operations)
		return;
	if (reaches(sum.failed, options->failure_percent, sum.operations))
		become_open(breaker, cause,
		    "circuit_breaker: too many operations failed");
	else if (reaches(sum.slow, options->slow_percent, sum.operations))
		become_open(breaker, EVKV_CAUSE_OVERLOAD,
		    "circuit_breaker: too many operations were slow");
}

static void count_probe(struct breaker *breaker, bool failed, bool slow,
    enum evkv_cause cause)
{
	if (failed || slow)
		become_open(breaker, cause, "circuit_breaker: a probe failed");
	else if (++breaker->probes_good >= breaker->options.probes)
		become_closed(breaker);
}

/* An operation has ended. */
static void count_end(struct breaker *breaker, const struct call *call,
    enum evkv_status status, enum evkv_cause cause)
{
	int64_t took_us = evkv_loop_now_us(breaker->loop) - call->start_us;
	int64_t slow_us = 1000 * breaker->options.slow_ms;
	bool failed = (breaker->options.statuses & EVKV_STATUS_BIT(status)) !=
	    0;
	bool slow = slow_us != 0 && took_us >= slow_us;
	bool given_up = status == EVKV_CANCELED || status == EVKV_CLOSED;

	if (call->epoch != breaker->epoch)
		return;
	if (breaker->state == EVKV_CIRCUIT_CLOSED && !given_up)
		count_closed(breaker, failed, slow, cause);
	else if (breaker->state == EVKV_CIRCUIT_HALF_OPEN && given_up)
		breaker->probes--; /* another may try */
	else if (breaker->state == EVKV_CIRCUIT_HALF_OPEN)
		count_probe(breaker, failed, slow, cause);
}

/* ---- The slots ---------------------------------------------------------- */

static enum evkv_verdict refuse(struct breaker *breaker, struct evkv_op *op)
{
	int64_t left_us = breaker->until_us - evkv_loop_now_us(breaker->loop);

	breaker->refused++;
	if (breaker->state == EVKV_CIRCUIT_HALF_OPEN)
		return evkv_op_fail(op, EVKV_UNAVAILABLE, breaker->cause,
		    "circuit_breaker: half open, and its probes are under "
		    "way");
	return evkv_op_failf(op, EVKV_UNAVAILABLE, breaker->cause,
	    "circuit_breaker: open for %lld ms more",
	    (long long)((left_us + 999) / 1000));
}

static enum evkv_verdict breaker_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct breaker *breaker = self;
	struct call *call;

	/* A ping that waits for the first connection asks the store itself. */
	if ((request->flags & EVKV_FLAG_WAIT_READY) != 0)
		return evkv_op_forward(op, breaker->inner, request);
	let_time_pass(breaker);
	if (breaker->state == EVKV_CIRCUIT_OPEN ||
	    (breaker->state == EVKV_CIRCUIT_HALF_OPEN &&
		breaker->probes >= breaker->options.probes))
		return refuse(breaker, op);
	call = evkv_op_alloc(op, sizeof(*call));
	if (call == NULL && breaker->state == EVKV_CIRCUIT_HALF_OPEN)
		return evkv_op_nomem(op);
	if (call != NULL) {
		call->start_us = evkv_loop_now_us(breaker->loop);
		call->epoch = breaker->epoch;
		breaker->probes += breaker->state == EVKV_CIRCUIT_HALF_OPEN;
	}
	evkv_op_set_data(op, call);
	return evkv_op_forward(op, breaker->inner, request);
}

static void breaker_complete(void *self, struct evkv_op *op)
{
	const struct evkv_result *result = evkv_op_result(op);
	struct call *call = evkv_op_data(op);

	if (call != NULL)
		count_end(self, call, result->status, result->cause);
}

static void breaker_detached(void *self, struct evkv_op *op,
    enum evkv_status status)
{
	struct call *call = evkv_op_data(op);

	if (call != NULL)
		count_end(self, call, status, evkv_op_report(op)->cause);
}

static void breaker_free(void *self)
{
	struct breaker *breaker = self;

	evkv_timer_cancel(breaker->loop, &breaker->timer);
	evkv_free(breaker);
}

static enum evkv_peek breaker_peek(void *self,
    const struct evkv_request *request, struct evkv_value **value)
{
	struct breaker *breaker = self;
	enum evkv_peek answer;

	if (breaker->state != EVKV_CIRCUIT_CLOSED)
		return EVKV_PEEK_DECLINE;
	answer = evkv_store_peek(breaker->inner, request, value);
	if (answer != EVKV_PEEK_DECLINE)
		window_now(breaker, evkv_loop_now_us(breaker->loop))
		    ->operations++;
	return answer;
}

/* ---- By text ------------------------------------------------------------ */

#define ROW(...) OPTION_ROW(struct evkv_circuit_breaker_options, __VA_ARGS__)

static const struct evkv_url_option circuit_breaker_options[] = {
	ROW("window", window_ms, EVKV_URL_DURATION, PARTS, DAY_MS,
	    "the length of the window", "10s"),
	ROW("min_operations", min_operations, EVKV_URL_INT, 1, 1000000,
	    "with fewer in the window it stays closed", "20"),
	ROW("failure_percent", failure_percent, EVKV_URL_INT, 1, 100,
	    "the percentage of failures that opens it", "50"),
	ROW("slow", slow_ms, EVKV_URL_DURATION, 1, DAY_MS,
	    "an operation that takes this long is slow", NULL),
	ROW("slow_percent", slow_percent, EVKV_URL_INT, 1, 100,
	    "the percentage of slow operations that opens it", "50"),
	ROW("open", open_ms, EVKV_URL_DURATION, 1, DAY_MS,
	    "how long it stays open", "5s"),
	ROW("probes", probes, EVKV_URL_INT, 1, 1000,
	    "operations that must succeed to close it", "3"),
};

static struct evkv_store *circuit_breaker_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	(void)type;
	return evkv_circuit_breaker_new(making->inner[0], making->options,
	    error);
}

const struct evkv_type evkv__circuit_breaker_type = {
	.size = sizeof(struct evkv_type),
	.name = "circuit_breaker",
	.summary = "stops asking a store that fails too often, for a while",
	.options = circuit_breaker_options,
	.option_count = sizeof(circuit_breaker_options) /
	    sizeof(circuit_breaker_options[0]),
	.options_size = sizeof(struct evkv_circuit_breaker_options),
	.inner_min = 1,
	.inner_max = 1,
	.make = circuit_breaker_make,
};

static void breaker_describe(void *arg, struct evkv_text *text)
{
	struct breaker *self = arg;

	evkv_text_options(text, &evkv__circuit_breaker_type, &self->given);
}

static const struct evkv_vtable breaker_vtable = {
	.size = sizeof(breaker_vtable),
	.name = "circuit_breaker",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = breaker_submit,
	.complete = breaker_complete,
	.detached = breaker_detached,
	.free = breaker_free,
	.peek = breaker_peek,
	.describe = breaker_describe,
};

bool evkv_circuit_breaker_read_sized(struct evkv_store *store,
    struct evkv_circuit_breaker_counters *counters, size_t size)
{
	struct breaker *breaker = evkv_store_self(store, &breaker_vtable);
	struct evkv_circuit_breaker_counters ours;
	struct part sum;

	memset(counters, 0, size);
	if (breaker == NULL)
		return false;
	let_time_pass(breaker);
	window_now(breaker, evkv_loop_now_us(breaker->loop));
	sum = window_sum(breaker);
	ours = (struct evkv_circuit_breaker_counters){
		.state = breaker->state,
		.operations = sum.operations,
		.failed = sum.failed,
		.slow = sum.slow,
		.opened = breaker->opened,
		.refused = breaker->refused,
	};
	memcpy(counters, &ours, size < sizeof(ours) ? size : sizeof(ours));
	return true;
}

/* ---- Making ------------------------------------------------------------- */

static void fill_defaults(struct evkv_circuit_breaker_options *options)
{
	if (options->window_ms == 0)
		options->window_ms = WINDOW_MS;
	if (options->min_operations == 0)
		options->min_operations = MIN_OPERATIONS;
	if (options->failure_percent == 0)
		options->failure_percent = PERCENT;
	if (options->slow_percent == 0)
		options->slow_percent = PERCENT;
	if (options->open_ms == 0)
		options->open_ms = OPEN_MS;
	if (options->probes == 0)
		options->probes = PROBES;
	if (options->statuses == 0)
		options->statuses = EVKV_STATUS_BIT(EVKV_BUSY) |
		    EVKV_STATUS_BIT(EVKV_TIMEOUT) |
		    EVKV_STATUS_BIT(EVKV_UNAVAILABLE) |
		    EVKV_STATUS_BIT(EVKV_UNKNOWN_OUTCOME) |
		    EVKV_STATUS_BIT(EVKV_SERVER) | EVKV_STATUS_BIT(EVKV_IO);
}

static struct breaker *breaker_self(struct evkv_store *inner,
    const struct evkv_circuit_breaker_options *options)
{
	struct breaker *breaker = evkv_calloc(1, sizeof(*breaker));

	if (breaker == NULL)
		return NULL;
	breaker->loop = evkv_store_loop(inner);
	breaker->inner = inner;
	breaker->timer.run = timer_due;
	breaker->timer.arg = breaker;
	breaker->given = breaker->options = *options;
	fill_defaults(&breaker->options);
	breaker->part_us = 1000 * breaker->options.window_ms / PARTS;
	window_go_on(breaker, evkv_loop_now_us(breaker->loop));
	return breaker;
}

struct evkv_store *evkv_circuit_breaker_new_sized(struct evkv_store *inner,
    const struct evkv_circuit_breaker_options *given, size_t size,
    struct evkv_error *error)
{
	const struct evkv_store_config config = {
		.inner = &inner,
		.inner_count = 1,
	};
	struct evkv_circuit_breaker_options options;
	struct breaker *breaker = NULL;
	struct evkv_store *node;

	if (!evkv__wrapper_options(&evkv__circuit_breaker_type, inner, &options,
		given, size, error))
		return NULL;
	if (inner != NULL &&
	    !evkv__option_statuses(&evkv__circuit_breaker_type,
		options.statuses, error)) {
		evkv_store_unref(inner);
		return NULL;
	}
	if (inner != NULL)
		breaker = breaker_self(inner, &options);
	node = evkv_store_create(NULL, &breaker_vtable, breaker, &config,
	    error);
	if (node != NULL)
		breaker->node = node;
	return node;
}
