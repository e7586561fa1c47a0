#include "kit.h"

#include <stdio.h>
#include <stdlib.h>

void kit_begin(struct kit *kit)
{
	memset(kit, 0, sizeof(*kit));
	folder_make(kit->folder, sizeof(kit->folder));
	snprintf(kit->path, sizeof(kit->path), "%s/log", kit->folder);
	rig_open(&kit->rig);
}

void kit_close(struct kit *kit)
{
	struct answer answer = ANSWER_INIT;

	if (kit->store == NULL)
		return;
	evkv_store_close(kit->store, -1, answer_cb, &answer);
	rig_wait(&kit->rig, &answer.calls);
	answer_free(&answer);
	evkv_store_unref(kit->store);
	kit->store = NULL;
	rig_turn(&kit->rig);
}

void kit_end(struct kit *kit)
{
	kit_close(kit);
	rig_close(&kit->rig);
	folder_remove(kit->folder);
}

enum evkv_status kit_open(struct kit *kit, const struct evkv_log_options *given)
{
	struct evkv_log_options options = *given;
	struct evkv_error error = EVKV_ERROR_INIT;
	struct answer answer = ANSWER_INIT;
	enum evkv_status status;

	options.path = kit->path;
	kit->store = evkv_log_new(kit->rig.loop, &options, &error);
	check_str(error.message, "");
	evkv_store_wait_ready(kit->store, -1, answer_cb, &answer);
	rig_wait(&kit->rig, &answer.calls);
	status = answer.status;
	answer_free(&answer);
	return status;
}

static enum evkv_status kit_one(struct kit *kit,
    const struct evkv_request *request, const char *expected)
{
	struct answer answer = ANSWER_INIT;
	enum evkv_status status;

	check(evkv_submit(kit->store, request, answer_cb, &answer) != 0);
	rig_wait(&kit->rig, &answer.calls);
	status = answer.status;
	if (status == EVKV_OK && expected != NULL)
		check_bytes(answer.entries[0].bytes, evkv_str(expected));
	answer_free(&answer);
	return status;
}

static enum evkv_status kit_keyed(struct kit *kit, enum evkv_kind kind,
    const char *collection, unsigned key, const char *value, int64_t ttl_ms)
{
	struct evkv_slice name = evkv_bytes(&key, sizeof(key));
	struct evkv_slice bytes = evkv_str(value);

	return kit_one(kit,
	    &(struct evkv_request){ .kind = kind,
		.flags = EVKV_FLAG_SINGLE,
		.collection = evkv_str(collection),
		.count = 1,
		.keys = &name,
		.values = kind == EVKV_OP_PUT ? &bytes : NULL,
		.ttl_ms = ttl_ms },
	    kind == EVKV_OP_GET ? value : NULL);
}

enum evkv_status kit_put(struct kit *kit, unsigned key, const char *value,
    int64_t ttl_ms)
{
	return kit_keyed(kit, EVKV_OP_PUT, "c", key, value, ttl_ms);
}

enum evkv_status kit_delete(struct kit *kit, unsigned key)
{
	return kit_keyed(kit, EVKV_OP_DELETE, "c", key, "", 0);
}

enum evkv_status kit_get(struct kit *kit, unsigned key, const char *expected)
{
	return kit_keyed(kit, EVKV_OP_GET, "c", key, expected, 0);
}

enum evkv_status kit_put_in(struct kit *kit, const char *collection,
    unsigned key, const char *value)
{
	return kit_keyed(kit, EVKV_OP_PUT, collection, key, value,
	    EVKV_TTL_NONE);
}

enum evkv_status kit_get_in(struct kit *kit, const char *collection,
    unsigned key, const char *expected)
{
	return kit_keyed(kit, EVKV_OP_GET, collection, key, expected, 0);
}

enum evkv_status kit_span(struct kit *kit, enum evkv_kind kind)
{
	return kit_one(kit,
	    &(struct evkv_request){ .kind = kind,
		.collection = evkv_str(kind == EVKV_OP_CLEAR ? "c" : "") },
	    NULL);
}

void kit_put_many(struct kit *kit, unsigned from, unsigned to,
    const char *value, enum evkv_status status)
{
	unsigned count = to - from, *keys = calloc(count, sizeof(*keys)), i;
	struct evkv_slice *names = calloc(count, sizeof(*names));
	struct evkv_slice *values = calloc(count, sizeof(*values));
	struct answer answer = ANSWER_INIT;

	check(keys != NULL && names != NULL && values != NULL);
	for (i = 0; i < count; i++) {
		keys[i] = from + i;
		names[i] = evkv_bytes(&keys[i], sizeof(*keys));
		values[i] = evkv_str(value);
	}
	evkv_submit(kit->store,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = count,
		.keys = names,
		.values = values },
	    answer_cb, &answer);
	rig_wait(&kit->rig, &answer.calls);
	check_status(answer.status, status);
	answer_free(&answer);
	free(values);
	free(names);
	free(keys);
}
