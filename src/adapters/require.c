/*
 * adapters/require.c - calls for which a miss is an error.
 *
 * A result is read-only, so what the callback gets is a copy with other
 * statuses. The names that a message needs are copied when the call is made.
 */
#include "evkv/adapters/require.h"

#include <stdio.h>
#include <string.h>

#include "evkv/alloc.h"
#include "evkv/driver.h"

#define NAME_SHOWN 40 /* bytes of a key in a message */

struct requirement {
	evkv_cb cb;
	void *arg;
	struct evkv_slice collection;
	size_t count;
	struct evkv_slice keys[];
};

static struct requirement *requirement_new(const struct evkv_request *request,
    evkv_cb cb, void *arg)
{
	size_t size = sizeof(struct requirement), i;
	struct requirement *self;
	char *at;

	for (i = 0; i < request->count; i++)
		size += sizeof(struct evkv_slice) + request->keys[i].size;
	self = evkv_malloc(size + request->collection.size);
	if (self == NULL)
		return NULL;
	*self = (struct requirement){
		.cb = cb, .arg = arg, .count = request->count
	};
	at = (char *)&self->keys[request->count];
	for (i = 0; i <= request->count; i++) {
		struct evkv_slice from = i < request->count
		    ? request->keys[i]
		    : request->collection;
		struct evkv_slice *to = i < request->count ? &self->keys[i]
							   : &self->collection;

		if (from.size > 0)
			memcpy(at, from.data, from.size);
		*to = evkv_bytes(at, from.size);
		at += from.size;
	}
	return self;
}

/* A name that may hold anything, for a message. */
static int shown(char *out, size_t room, struct evkv_slice name)
{
	const unsigned char *bytes = name.data;
	size_t i, size = 0;

	for (i = 0; i < name.size && i < NAME_SHOWN; i++)
		size += (size_t)snprintf(out + size, room - size,
		    bytes[i] >= 0x20 && bytes[i] < 0x7f ? "%c" : "\\x%02x",
		    bytes[i]);
	if (i < name.size)
		size += (size_t)snprintf(out + size, room - size, "...");
	return (int)size;
}

static void tell_missing(const struct requirement *self,
    const struct evkv_result *result, struct evkv_entry *entries)
{
	char collection[NAME_SHOWN * 4 + 4], key[NAME_SHOWN * 4 + 4];
	char message[sizeof(collection) + sizeof(key) + 64];
	struct evkv_result missing = *result;
	size_t i, first = result->count;

	for (i = result->count; i-- > 0;) {
		if (entries[i].status == EVKV_NOT_FOUND) {
			entries[i].status = EVKV_MISSING;
			first = i;
		}
	}
	collection[0] = '\0';
	shown(collection, sizeof(collection), self->collection);
	shown(key, sizeof(key), self->keys[first]);
	snprintf(message, sizeof(message), "%s: %s has no entry for the key %s",
	    evkv_kind_name(result->kind), collection, key);
	if (!evkv_failed(result->status)) {
		missing.status = EVKV_MISSING;
		missing.message = message;
	}
	missing.entries = entries;
	missing.entry_size = sizeof(*entries);
	self->cb(&missing, self->arg);
}

static bool has_miss(const struct evkv_result *result)
{
	size_t i;

	for (i = 0; i < result->count; i++) {
		if (evkv_result_entry(result, i)->status == EVKV_NOT_FOUND)
			return true;
	}
	return false;
}

static void nomem(const struct requirement *self,
    const struct evkv_result *result)
{
	struct evkv_result failed = *result;

	failed.status = EVKV_NOMEM;
	failed.cause = EVKV_CAUSE_NOMEM;
	failed.message = evkv_status_text(EVKV_NOMEM);
	self->cb(&failed, self->arg);
}

static void on_result(const struct evkv_result *result, void *arg)
{
	struct requirement *self = arg;
	struct evkv_entry one, *entries = &one;
	size_t i;

	if (!has_miss(result) || result->count != self->count) {
		self->cb(result, self->arg);
		evkv_free(self);
		return;
	}
	if (result->count > 1)
		entries = evkv_malloc(result->count * sizeof(*entries));
	for (i = 0; i < result->count && entries != NULL; i++)
		entries[i] = *evkv_result_entry(result, i);
	if (entries != NULL)
		tell_missing(self, result, entries);
	else
		nomem(self, result);
	if (entries != &one)
		evkv_free(entries);
	evkv_free(self);
}

static void ignore(const struct evkv_result *result, void *arg)
{
	(void)result;
	(void)arg;
}

evkv_ticket evkv_require(struct evkv_store *store,
    const struct evkv_request *request, evkv_cb cb, void *arg)
{
	struct requirement *self;
	evkv_ticket ticket;

	/* What is wrong with a request is the core's to say. */
	if (store == NULL || request == NULL || request->keys == NULL ||
	    request->count == 0 || request->count > INT32_MAX)
		return evkv_submit(store, request, cb, arg);
	self = requirement_new(request, cb != NULL ? cb : ignore, arg);
	if (self == NULL)
		return evkv_submit_nomem(store, request, cb, arg);
	ticket = evkv_submit(store, request, on_result, self);
	if (ticket == 0)
		evkv_free(self);
	return ticket;
}

static evkv_ticket one(struct evkv_store *store, enum evkv_kind kind,
    struct evkv_slice collection, const struct evkv_slice *key, evkv_cb cb,
    void *arg)
{
	return evkv_require(store,
	    &(struct evkv_request){ .kind = kind,
		.flags = EVKV_FLAG_SINGLE,
		.collection = collection,
		.count = 1,
		.keys = key },
	    cb, arg);
}

evkv_ticket evkv_require_get(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg)
{
	return one(store, EVKV_OP_GET, collection, &key, cb, arg);
}

evkv_ticket evkv_require_ttl(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg)
{
	return one(store, EVKV_OP_TTL, collection, &key, cb, arg);
}

evkv_ticket evkv_require_take(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg)
{
	return one(store, EVKV_OP_TAKE, collection, &key, cb, arg);
}

evkv_ticket evkv_require_get_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg)
{
	return evkv_require(store,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.collection = collection,
		.count = count,
		.keys = keys },
	    cb, arg);
}

evkv_ticket evkv_require_ttl_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg)
{
	return evkv_require(store,
	    &(struct evkv_request){ .kind = EVKV_OP_TTL,
		.collection = collection,
		.count = count,
		.keys = keys },
	    cb, arg);
}
