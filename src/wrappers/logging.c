/*
 * wrappers/logging.c - a line, or a record, for each operation worth one.
 *
 * Happy path: the operation is forwarded; on the way up it is decided whether
 * it is worth telling. Names are needed then, when the inputs may be gone:
 * those of an operation that is pending are copied before submit returns. An
 * inline get that is answered at once neither fails nor is slow, and passes by
 * peek, unless all are logged.
 *
 * Failures: without memory for what an operation carries it passes untold.
 */
#include "evkv/wrappers/logging.h"

#include <stdio.h>
#include <string.h>

#include "base/siphash.h"
#include "evkv/driver.h"
#include "support/options.h"
#include "wrappers/types.h"

#define KEY_MOST 64 /* bytes of a key that are logged */
#define DAY_MS INT64_C(86400000)

struct logging {
	struct evkv_loop *loop;
	struct evkv_store *inner;
	struct evkv_logging_options options;
	struct siphash hash_seed;
};

/* What an operation carries. */
struct call {
	int64_t start_us;
	bool named; /* what follows is filled in */
	struct evkv_slice collection, key;
	uint64_t key_hash;
	size_t count;
};

/* ---- Lines -------------------------------------------------------------- */

/* Bytes as a C string has them; what does not fit is left out. */
static void put_bytes(char *text, size_t size, struct evkv_slice bytes)
{
	const unsigned char *from = bytes.data;
	size_t at = strlen(text), i;

	for (i = 0; i < bytes.size && at + 5 < size; i++) {
		if (from[i] == '"' || from[i] == '\\')
			at += (size_t)sprintf(text + at, "\\%c", from[i]);
		else if (from[i] < 0x20 || from[i] >= 0x7f)
			at += (size_t)sprintf(text + at, "\\x%02x", from[i]);
		else
			text[at++] = (char)from[i];
	}
	text[at] = '\0';
}

/* "1" +2, or #0123456789abcdef +2; nothing where no key is named. */
static void put_keys(char *text, size_t size,
    const struct evkv_logging_record *record)
{
	if (record->count == 0)
		return;
	if (record->key.size > 0) {
		strcat(text, " \"");
		put_bytes(text, size, record->key);
		strcat(text, "\"");
	} else {
		snprintf(text + strlen(text), size - strlen(text), " #%016llx",
		    (unsigned long long)record->key_hash);
	}
	if (record->count > 1)
		snprintf(text + strlen(text), size - strlen(text), " +%zu",
		    record->count - 1);
}

static void write_line(struct evkv_loop *loop,
    const struct evkv_logging_record *record)
{
	/* Each byte of a name may take four. */
	char collection[4 * EVKV_COLLECTION_MAX + 8] = "";
	char keys[4 * KEY_MOST + 64] = "", cause[64] = "";
	bool failed = evkv_failed(record->status);

	put_bytes(collection, sizeof(collection), record->collection);
	put_keys(keys, sizeof(keys), record);
	if (failed)
		snprintf(cause, sizeof(cause), " (%s)",
		    evkv_cause_name(record->cause));
	evkv_loop_log(loop, record->level, "%s%s%s%s: %s%s in %lld.%03d ms%s%s",
	    collection, collection[0] != '\0' ? " " : "",
	    evkv_kind_name(record->kind), keys,
	    evkv_status_name(record->status), cause,
	    (long long)(record->took_us / 1000), (int)(record->took_us % 1000),
	    failed ? ": " : "", failed ? record->message : "");
}

/* ---- What is logged ----------------------------------------------------- */

static void call_name(const struct logging *self, struct call *call,
    const struct evkv_request *request)
{
	struct evkv_slice key;

	call->named = true;
	call->collection = request->collection;
	call->count = request->count;
	if (request->count == 0)
		return;
	key = request->keys[0];
	call->key_hash = siphash_1_3_from(&self->hash_seed, key);
	if (self->options.redact_keys)
		return;
	call->key = evkv_bytes(key.data,
	    key.size < KEY_MOST ? key.size : KEY_MOST);
}

/* The inputs are about to be the caller's again. */
static void call_keep(const struct logging *self, struct evkv_op *op,
    struct call *call, const struct evkv_request *request)
{
	call_name(self, call, request);
	if (!evkv_op_copy(op, call->collection, &call->collection))
		call->collection = evkv_bytes(NULL, 0);
	if (!evkv_op_copy(op, call->key, &call->key))
		call->key = evkv_bytes(NULL, 0);
}

static void tell(struct logging *self, const struct call *call,
    const struct evkv_result *result, enum evkv_status status)
{
	int64_t took_us = evkv_loop_now_us(self->loop) - call->start_us;
	bool slow = self->options.slow_ms > 0 &&
	    took_us >= 1000 * self->options.slow_ms;
	struct evkv_logging_record record = {
		.size = sizeof(record),
		.level = EVKV_LOG_DEBUG,
		.kind = result->kind,
		.collection = call->collection,
		.key = call->key,
		.key_hash = call->key_hash,
		.count = call->count,
		.status = status,
		.cause = result->cause,
		.message = result->message,
		.took_us = took_us,
	};

	if (evkv_failed(status))
		record.level = EVKV_LOG_WARNING;
	else if (slow)
		record.level = EVKV_LOG_INFO;
	else if (!self->options.all)
		return;
	if (self->options.cb != NULL)
		self->options.cb(&record, self->options.arg);
	else
		write_line(self->loop, &record);
}

/* ---- The slots ---------------------------------------------------------- */

static enum evkv_verdict logging_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct logging *self = arg;
	struct call *call = evkv_op_alloc(op, sizeof(*call));
	enum evkv_verdict verdict;

	if (call != NULL) {
		memset(call, 0, sizeof(*call));
		call->start_us = evkv_loop_now_us(self->loop);
	}
	evkv_op_set_data(op, call);
	verdict = evkv_op_forward(op, self->inner, request);
	/* What is in the op's memory lives until this returns, at least. */
	if (verdict == EVKV_VERDICT_PENDING && call != NULL)
		call_keep(self, op, call, request);
	return verdict;
}

static void logging_complete(void *arg, struct evkv_op *op)
{
	const struct evkv_result *result = evkv_op_result(op);
	struct logging *self = arg;
	struct call *call = evkv_op_data(op);

	if (call == NULL ||
	    (!self->options.all && self->options.slow_ms == 0 &&
		!evkv_failed(result->status)))
		return;
	if (!call->named)
		call_name(self, call, evkv_op_request(op));
	tell(self, call, result, result->status);
}

static void logging_detached(void *arg, struct evkv_op *op,
    enum evkv_status status)
{
	struct call *call = evkv_op_data(op);

	if (call != NULL)
		tell(arg, call, evkv_op_result(op), status);
}

static void logging_free(void *self)
{
	evkv_free(self);
}

static enum evkv_peek logging_peek(void *arg,
    const struct evkv_request *request, struct evkv_value **value)
{
	struct logging *self = arg;

	if (self->options.all)
		return EVKV_PEEK_DECLINE;
	return evkv_store_peek(self->inner, request, value);
}

/* ---- By text ------------------------------------------------------------ */

#define ROW(name_, field_, type_, max_, summary_)                              \
	{                                                                      \
		.name = (name_), .field = #field_, .type = (type_),            \
		.offset = offsetof(struct evkv_logging_options, field_),       \
		.max = (max_), .summary = (summary_)                           \
	}

static const struct evkv_url_option logging_options[] = {
	ROW("all", all, EVKV_URL_BOOL, 0,
	    "log everything, not only what fails or is slow"),
	ROW("redact_keys", redact_keys, EVKV_URL_BOOL, 0,
	    "log a hash of each key instead of the key"),
	ROW("slow", slow_ms, EVKV_URL_DURATION, DAY_MS,
	    "log what takes at least this long"),
};

static struct evkv_store *logging_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	(void)type;
	return evkv_logging_new(making->inner[0], making->options, error);
}

const struct evkv_type evkv__logging_type = {
	.size = sizeof(struct evkv_type),
	.name = "logging",
	.summary = "logs what fails or is slow, without values",
	.options = logging_options,
	.option_count = sizeof(logging_options) / sizeof(logging_options[0]),
	.options_size = sizeof(struct evkv_logging_options),
	.inner_min = 1,
	.inner_max = 1,
	.make = logging_make,
};

static void logging_describe(void *arg, struct evkv_text *text)
{
	struct logging *self = arg;

	evkv_text_options(text, &evkv__logging_type, &self->options);
}

static const struct evkv_vtable logging_vtable = {
	.size = sizeof(logging_vtable),
	.name = "logging",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = logging_submit,
	.complete = logging_complete,
	.detached = logging_detached,
	.free = logging_free,
	.peek = logging_peek,
	.describe = logging_describe,
};

/* ---- Making ------------------------------------------------------------- */

static struct logging *logging_self(struct evkv_store *inner,
    const struct evkv_logging_options *options)
{
	struct logging *self = evkv_calloc(1, sizeof(*self));

	if (self == NULL)
		return NULL;
	self->loop = evkv_store_loop(inner);
	self->inner = inner;
	self->options = *options;
	self->hash_seed = siphash_seed(evkv_loop_random(self->loop),
	    evkv_loop_random(self->loop));
	return self;
}

struct evkv_store *evkv_logging_new_sized(struct evkv_store *inner,
    const struct evkv_logging_options *given, size_t size,
    struct evkv_error *error)
{
	const struct evkv_store_config config = {
		.inner = &inner,
		.inner_count = 1,
	};
	struct evkv_logging_options options;

	if (!evkv__wrapper_options(&evkv__logging_type, inner, &options, given,
		size, error))
		return NULL;
	return evkv_store_create(NULL, &logging_vtable,
	    inner != NULL ? logging_self(inner, &options) : NULL, &config,
	    error);
}
