#include "fake_pipeline.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_MAX 65536

/* ---- A pipeline without a socket ------------------------------------- */

struct evkv_pipeline {
	const struct evkv_protocol *protocol;
	void *self;
	struct evkv_loop *loop;
	struct evkv_slot *first, **last;
	char output[OUTPUT_MAX]; /* written and never read */
	bool failed, closed;
	struct evkv_slot_end failure;
};

static struct evkv_pipeline *the_pipeline;

struct evkv_pipeline *evkv_pipeline_new_sized(struct evkv_loop *loop,
    const struct evkv_protocol *protocol, void *self,
    const struct evkv_pipeline_options *options, size_t size,
    struct evkv_error *error)
{
	struct evkv_pipeline *p = calloc(1, sizeof(*p));

	(void)options;
	(void)size;
	(void)error;
	p->protocol = protocol;
	p->self = self;
	p->loop = loop;
	p->last = &p->first;
	the_pipeline = p;
	return p;
}

/* The oldest slot ends. */
static void pipeline_end(struct evkv_pipeline *p,
    const struct evkv_slot_end *end)
{
	struct evkv_slot *slot = p->first;

	p->first = slot->next;
	if (p->first == NULL)
		p->last = &p->first;
	p->protocol->end(p->self, slot, end);
}

void evkv_pipeline_close(struct evkv_pipeline *p)
{
	const struct evkv_slot_end closed = {
		.fate = EVKV_SLOT_SENT,
		.status = EVKV_CLOSED,
		.cause = EVKV_CAUSE_CLOSED,
		.message = "closed",
	};

	p->closed = true;
	while (p->first != NULL)
		pipeline_end(p, p->failed ? &p->failure : &closed);
}

void evkv_pipeline_free(struct evkv_pipeline *p)
{
	evkv_pipeline_close(p);
	if (the_pipeline == p)
		the_pipeline = NULL;
	free(p);
}

const struct evkv_slot_end *evkv_pipeline_submit(struct evkv_pipeline *p,
    struct evkv_slot *slot)
{
	if (p->closed)
		return &p->failure;
	if (!p->protocol->encode(p->self, slot))
		abort();
	if (slot->op != NULL && !evkv_op_mark_sent(slot->op))
		abort();
	slot->next = NULL;
	*p->last = slot;
	p->last = &slot->next;
	return NULL;
}

bool evkv_pipeline_stop(struct evkv_pipeline *p, struct evkv_slot *slot)
{
	(void)p;
	(void)slot;
	return false;
}

char *evkv_pipeline_reserve(struct evkv_pipeline *p, size_t size)
{
	return size <= sizeof(p->output) ? p->output : NULL;
}

void evkv_pipeline_commit(struct evkv_pipeline *p, size_t size)
{
	(void)p;
	(void)size;
}

bool evkv_pipeline_append(struct evkv_pipeline *p, const void *data,
    size_t size)
{
	(void)p;
	(void)data;
	(void)size;
	return true;
}

void evkv_pipeline_effect(struct evkv_pipeline *p)
{
	(void)p;
}

void evkv_pipeline_ready(struct evkv_pipeline *p)
{
	(void)p;
}

void evkv_pipeline_fail(struct evkv_pipeline *p, enum evkv_status status,
    enum evkv_cause cause, int sys_error, const char *message)
{
	(void)message;
	p->failed = true;
	p->failure = (struct evkv_slot_end){ .fate = EVKV_SLOT_SENT,
		.status = status,
		.cause = cause,
		.sys_error = sys_error,
		.message = "failed" };
}

void evkv_pipeline_try_now(struct evkv_pipeline *p)
{
	(void)p;
}

enum evkv_state evkv_pipeline_state(const struct evkv_pipeline *p)
{
	return p->closed ? EVKV_STATE_CLOSED : EVKV_STATE_CONNECTING;
}

const char *evkv_pipeline_name(const struct evkv_pipeline *p)
{
	(void)p;
	return "fuzz";
}

void evkv_pipeline_counters(const struct evkv_pipeline *p,
    struct evkv_pipeline_counters *counters)
{
	(void)p;
	memset(counters, 0, sizeof(*counters));
}

void evkv_pipeline_metrics(const struct evkv_pipeline *p,
    struct evkv_metrics *metrics)
{
	(void)p;
	(void)metrics;
}

enum evkv_verdict evkv_slot_fail(struct evkv_op *op,
    const struct evkv_slot_end *end)
{
	return evkv_op_cut(op, end->status, end->cause, end->message);
}

struct evkv_tls *evkv_tls_new_sized(const struct evkv_tls_options *options,
    size_t size, struct evkv_error *error)
{
	(void)options;
	(void)size;
	(void)error;
	return NULL;
}

void evkv_tls_unref(struct evkv_tls *tls)
{
	(void)tls;
}

/* Give the driver all that it can use of the bytes up to `size`. */
static void pipeline_feed(struct evkv_pipeline *p, const uint8_t *data,
    size_t size, size_t *used)
{
	const struct evkv_slot_end answered = { .fate = EVKV_SLOT_ANSWERED,
		.message = "" };

	while (!p->failed) {
		size_t more = 0;
		/* Memory of just that size, so that a step outside is seen. */
		char *copy = malloc(size - *used);
		enum evkv_parse verdict;

		if (size > *used)
			memcpy(copy, data + *used, size - *used);
		verdict = p->protocol->parse(p->self, p->first, copy,
		    size - *used, &more);
		free(copy);
		if (more > size - *used)
			abort();
		*used += more;
		if (verdict == EVKV_PARSE_MORE)
			return;
		if (verdict == EVKV_PARSE_FAILED) {
			if (!p->failed)
				abort();
			return;
		}
		if (p->first == NULL)
			abort();
		pipeline_end(p, &answered);
	}
}

/* ---- The operations -------------------------------------------------- */

static void digest(uint64_t *sum, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < size; i++)
		*sum = (*sum ^ at[i]) * UINT64_C(0x100000001b3);
}

void fuzz_result(const struct evkv_result *result, void *arg)
{
	struct fuzz_call *call = arg;
	uint64_t *sum = &call->outcome->digest[call->i];

	call->outcome->calls[call->i]++;
	digest(sum, &result->status, sizeof(result->status));
	digest(sum, &result->cause, sizeof(result->cause));
	digest(sum, &result->affected, sizeof(result->affected));
	digest(sum, result->message, strlen(result->message));
	digest(sum, result->cursor.data, result->cursor.size);
	for (size_t i = 0; i < result->count; i++) {
		const struct evkv_entry *entry = evkv_result_entry(result, i);

		digest(sum, &entry->status, sizeof(entry->status));
		digest(sum, &entry->ttl_ms, sizeof(entry->ttl_ms));
		digest(sum, entry->bytes.data, entry->bytes.size);
		digest(sum, entry->name.data, entry->name.size);
		digest(sum, &entry->number, sizeof(entry->number));
		digest(sum, &entry->version, sizeof(entry->version));
	}
}

static struct event_base *base;
static struct evkv_loop *loop;

/* All the replies, in pieces of `piece` bytes. */
static void run(const struct fuzz_driver *driver, const uint8_t *data,
    size_t size, size_t piece, struct fuzz_outcome *outcome)
{
	const uint8_t *greeting = (const uint8_t *)driver->greeting;
	struct fuzz_call calls[FUZZ_OPS];
	struct evkv_store *store = driver->open(loop);
	struct evkv_pipeline *p = the_pipeline;
	size_t used = 0, given = 0;

	memset(outcome, 0, sizeof(*outcome));
	for (size_t i = 0; i < FUZZ_OPS; i++)
		calls[i] = (struct fuzz_call){ outcome, i };
	p->protocol->connected(p->self);
	pipeline_feed(p, greeting, strlen(driver->greeting), &used);
	driver->submit(store, calls);
	used = 0;
	while (given < size && !p->failed) {
		given = size - given < piece ? size : given + piece;
		pipeline_feed(p, data, given, &used);
	}
	evkv_store_unref(store);
	for (int turns = 0; the_pipeline != NULL; turns++) {
		if (turns > 1000)
			abort();
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
}

void fuzz_replies(const struct fuzz_driver *driver, const uint8_t *data,
    size_t size)
{
	struct fuzz_outcome whole, pieces;

	if (loop == NULL) {
		base = event_base_new();
		loop = evkv_loop_new(base);
	}
	if (size == 0)
		return;
	run(driver, data + 1, size - 1, size, &whole);
	run(driver, data + 1, size - 1, 1 + data[0] % 64, &pieces);
	for (size_t i = 0; i < FUZZ_OPS; i++) {
		if (whole.calls[i] != 1 || pieces.calls[i] != 1 ||
		    whole.digest[i] != pieces.digest[i])
			abort();
	}
}
