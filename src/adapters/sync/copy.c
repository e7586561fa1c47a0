/*
 * adapters/sync/copy.c - a result that outlives its callback.
 */
#include "adapters/sync/sync.h"

#include "evkv/alloc.h"

struct copier {
	char *at;
};

static struct evkv_slice put(struct copier *copier, struct evkv_slice bytes)
{
	char *to = copier->at;

	if (bytes.size > 0)
		memcpy(to, bytes.data, bytes.size);
	copier->at += bytes.size;
	return evkv_bytes(to, bytes.size);
}

static size_t copy_size(const struct evkv_result *result)
{
	size_t size = sizeof(*result) +
	    result->count * sizeof(struct evkv_entry);
	size_t i;

	for (i = 0; i < result->count; i++)
		size += evkv_result_entry(result, i)->name.size;
	return size + result->cursor.size + strlen(result->message) + 1;
}

struct evkv_result *evkv__result_copy(const struct evkv_result *result)
{
	struct evkv_result *copy = evkv_malloc(copy_size(result));
	struct evkv_entry *entries;
	struct copier copier;
	size_t i;

	if (copy == NULL)
		return NULL;
	*copy = *result;
	entries = (struct evkv_entry *)(copy + 1);
	copier.at = (char *)(entries + result->count);
	for (i = 0; i < result->count; i++) {
		entries[i] = *evkv_result_entry(result, i);
		entries[i].reserved = 0;
		entries[i].name = put(&copier, entries[i].name);
		entries[i].value = evkv_value_ref(entries[i].value);
		entries[i].bytes = evkv_value_bytes(entries[i].value);
	}
	copy->entries = entries;
	copy->entry_size = sizeof(*entries);
	copy->cursor = put(&copier, result->cursor);
	copy->message = put(&copier,
	    evkv_bytes(result->message, strlen(result->message) + 1))
			    .data;
	return copy;
}

void evkv_sync_result_free(struct evkv_result *result)
{
	size_t i;

	if (result == NULL)
		return;
	for (i = 0; i < result->count; i++)
		evkv_value_unref(evkv_result_entry(result, i)->value);
	evkv_free(result);
}
