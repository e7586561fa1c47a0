/*
 * adapters/typed/typed.c - structs over a store: each call has a record of its
 * own, which lives until its callback has run.
 */
#include <stdio.h>

#include "adapters/typed/schema.h"
#include "evkv/adapters/require.h"
#include "evkv/driver.h"

static void *json_decode(const struct evkv_schema *schema,
    struct evkv_slice bytes, struct evkv_typed_error *error)
{
	return evkv_typed_decode(schema, bytes, error);
}

static const struct evkv_codec codec_json = {
	.size = sizeof(struct evkv_codec),
	.encode = evkv_typed_encode,
	.decode = json_decode,
};

struct call {
	struct evkv_typed *typed;
	evkv_typed_cb cb;
	void *arg;
	struct evkv_typed_entry one;
	struct call *next; /* of the reserve */
	bool reserved;     /* memory of the adapter's */
};

#define RESERVE 16 /* calls that can be made without memory */

struct evkv_typed {
	struct evkv_store *store;
	const struct evkv_schema *schema;
	const struct evkv_codec *codec;
	bool require;
	size_t refs; /* the user's, and one for each call under way */
	struct call *spare;
	struct call reserve[RESERVE];
};

static struct call *call_new(struct evkv_typed *typed)
{
	struct call *call = evkv_malloc(sizeof(*call));
	bool reserved = call == NULL;

	if (reserved) {
		call = typed->spare;
		if (call == NULL)
			return NULL;
		typed->spare = call->next;
	}
	*call = (struct call){ .typed = typed, .reserved = reserved };
	typed->refs++;
	return call;
}

static void call_free(struct call *call)
{
	struct evkv_typed *typed = call->typed;

	if (call->reserved) {
		call->next = typed->spare;
		typed->spare = call;
	} else {
		evkv_free(call);
	}
	evkv_typed_free(typed);
}

static void reserve_fill(struct evkv_typed *typed)
{
	size_t i;

	for (i = 0; i < RESERVE; i++) {
		typed->reserve[i].next = typed->spare;
		typed->spare = &typed->reserve[i];
	}
}

static bool options_ok(const struct evkv_schema *schema,
    const struct evkv_typed_options *options, struct evkv_error *error)
{
	char why[200] = "schema is NULL";

	if (schema == NULL ||
	    !evkv__typed_schema_ok(schema, 0, why, sizeof(why))) {
		evkv_error_set(error, EVKV_INVALID, "typed: %s", why);
		return false;
	}
	if (options->codec != NULL &&
	    (options->codec->size < sizeof(struct evkv_codec) ||
		options->codec->encode == NULL ||
		options->codec->decode == NULL)) {
		evkv_error_set(error, EVKV_INVALID,
		    "typed: a codec needs size, encode and decode");
		return false;
	}
	return true;
}

struct evkv_typed *evkv_typed_new_sized(struct evkv_store *store,
    const struct evkv_schema *schema, const struct evkv_typed_options *given,
    size_t size, struct evkv_error *error)
{
	struct evkv_typed_options options;
	struct evkv_typed *typed = NULL;

	if (store == NULL)
		evkv_error_set(error, EVKV_INVALID, "typed: store is NULL");
	else if (evkv_options_read(&options, sizeof(options), given, size,
		     error) &&
	    options_ok(schema, &options, error)) {
		typed = evkv_calloc(1, sizeof(*typed));
		if (typed == NULL)
			evkv_error_set(error, EVKV_NOMEM,
			    "typed: out of memory");
	}
	if (typed == NULL) {
		evkv_store_unref(store);
		return NULL;
	}
	typed->store = store;
	typed->schema = schema;
	typed->codec = options.codec != NULL ? options.codec : &codec_json;
	typed->require = options.require;
	typed->refs = 1;
	reserve_fill(typed);
	return typed;
}

void evkv_typed_free(struct evkv_typed *typed)
{
	if (typed == NULL || --typed->refs > 0)
		return;
	evkv_store_unref(typed->store);
	evkv_free(typed);
}

/* ---- What comes back ---------------------------------------------------- */

/* The status and message of the whole, where an entry turns out to be bad. */
struct verdict {
	struct evkv_typed_result *result;
	char message[320];
};

static void entry_bad(struct verdict *verdict, struct evkv_typed_entry *entry,
    const struct evkv_typed_error *error)
{
	entry->status = EVKV_CORRUPT;
	if (evkv_failed(verdict->result->status))
		return;
	snprintf(verdict->message, sizeof(verdict->message),
	    "the value does not fit its struct: %s", error->message);
	verdict->result->status = EVKV_CORRUPT;
	verdict->result->message = verdict->message;
}

static void entry_read(const struct evkv_typed *typed,
    const struct evkv_entry *from, struct evkv_typed_entry *to,
    struct verdict *verdict)
{
	struct evkv_typed_error error = { .message = "" };

	to->status = from->status;
	to->ttl_ms = from->ttl_ms;
	to->version = from->version;
	to->object = NULL;
	if (from->status != EVKV_OK || from->value == NULL)
		return;
	to->object = typed->codec->decode(typed->schema, from->bytes, &error);
	if (to->object == NULL)
		entry_bad(verdict, to, &error);
}

static void entries_free(struct evkv_typed_entry *entries, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		evkv_typed_free_object((void *)(uintptr_t)entries[i].object);
}

static void call_report(struct call *call, const struct evkv_result *from,
    struct evkv_typed_entry *entries)
{
	struct evkv_typed_result result = {
		.status = from->status,
		.cause = from->cause,
		.kind = from->kind,
		.message = from->message,
		.count = from->count,
		.entries = entries,
		.entry_size = sizeof(*entries),
		.affected = from->affected,
	};
	struct verdict verdict = { .result = &result };
	size_t i;

	for (i = 0; i < result.count; i++)
		entry_read(call->typed, evkv_result_entry(from, i), &entries[i],
		    &verdict);
	if (call->cb != NULL)
		call->cb(&result, call->arg);
	entries_free(entries, result.count);
}

static void on_result(const struct evkv_result *result, void *arg)
{
	struct call *call = arg;
	struct evkv_typed_entry *entries = &call->one;
	struct evkv_result failed = *result;

	if (result->count > 1)
		entries = evkv_malloc(result->count * sizeof(*entries));
	if (entries == NULL) {
		failed.status = EVKV_NOMEM;
		failed.cause = EVKV_CAUSE_NOMEM;
		failed.message = evkv_status_text(EVKV_NOMEM);
		failed.count = 0;
	}
	call_report(call, &failed, entries);
	if (entries != &call->one)
		evkv_free(entries);
	call_free(call);
}

void *evkv_typed_take_over(const struct evkv_typed_entry *entry)
{
	struct evkv_typed_entry *ours = (struct evkv_typed_entry *)(uintptr_t)
	    entry;
	void *object = (void *)(uintptr_t)ours->object;

	ours->object = NULL;
	return object;
}

/* ---- What is asked ------------------------------------------------------ */

static void values_free(struct evkv_json_writer *writers, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		evkv_json_writer_clear(&writers[i]);
	evkv_free(writers);
}

static evkv_ticket put_encoded(struct evkv_typed *typed,
    const struct evkv_request *request, const void *const *objects,
    struct evkv_json_writer *writers, struct call *call)
{
	struct evkv_slice *values = (struct evkv_slice *)(void *)(writers +
	    request->count);
	struct evkv_typed_error error = { .message = "" };
	struct evkv_request put = *request;
	char message[320];
	size_t i;

	for (i = 0; i < request->count; i++) {
		if (objects[i] == NULL)
			evkv__typed_fail(&error, NULL, UINT64_MAX,
			    "objects[%zu] is NULL", i);
		if (objects[i] == NULL ||
		    !typed->codec->encode(typed->schema, objects[i],
			&writers[i], &error)) {
			snprintf(message, sizeof(message),
			    "the struct can't be stored: %s", error.message);
			return evkv_submit_refused(typed->store, request,
			    message, on_result, call);
		}
		values[i] = evkv_bytes(writers[i].data, writers[i].size);
	}
	put.values = values;
	return evkv_submit(typed->store, &put, on_result, call);
}

/* The values live as long as the submitting call. */
static evkv_ticket submit_put(struct evkv_typed *typed,
    const struct evkv_request *request, const void *const *objects,
    struct call *call)
{
	struct evkv_json_writer *writers;
	evkv_ticket ticket = 0;

	if (objects == NULL || request->count == 0 ||
	    request->count > INT32_MAX)
		return evkv_submit_refused(typed->store, request,
		    "objects is NULL, or count is not in bounds", on_result,
		    call);
	writers = evkv_calloc(request->count,
	    sizeof(*writers) + sizeof(struct evkv_slice));
	if (writers == NULL)
		return evkv_submit_nomem(typed->store, request, on_result,
		    call);
	ticket = put_encoded(typed, request, objects, writers, call);
	values_free(writers, request->count);
	return ticket;
}

evkv_ticket evkv_typed_submit(struct evkv_typed *typed,
    const struct evkv_request *request, const void *const *objects,
    evkv_typed_cb cb, void *arg)
{
	struct call *call;
	evkv_ticket ticket;

	if (typed == NULL || request == NULL)
		return 0;
	call = call_new(typed);
	if (call == NULL)
		return 0;
	call->cb = cb;
	call->arg = arg;
	if (request->kind == EVKV_OP_PUT)
		ticket = submit_put(typed, request, objects, call);
	else if (typed->require)
		ticket = evkv_require(typed->store, request, on_result, call);
	else
		ticket = evkv_submit(typed->store, request, on_result, call);
	if (ticket == 0)
		call_free(call);
	return ticket;
}
