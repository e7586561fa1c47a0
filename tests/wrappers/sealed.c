#include "wrappers/sealed.h"

#include <stdlib.h>
#include <string.h>

void sealed_open(struct sealed *s)
{
	memset(s, 0, sizeof(*s));
	rig_open(&s->rig);
	s->memory = evkv_memory_new(s->rig.loop, NULL, NULL);
}

void sealed_close(struct sealed *s)
{
	answer_free(&s->answer);
	evkv_store_unref(s->store);
	evkv_store_unref(s->memory);
	rig_close(&s->rig);
}

enum evkv_status sealed_put(struct sealed *s, struct evkv_store *store,
    const char *key, struct evkv_slice value)
{
	answer_reset(&s->answer);
	evkv_put(store, EVKV_LIT("c"), evkv_str(key), value, 0, answer_cb,
	    &s->answer);
	rig_wait(&s->rig, &s->answer.calls);
	return s->answer.status;
}

enum evkv_status sealed_get(struct sealed *s, struct evkv_store *store,
    const char *key)
{
	answer_reset(&s->answer);
	evkv_get(store, EVKV_LIT("c"), evkv_str(key), answer_cb, &s->answer);
	rig_wait(&s->rig, &s->answer.calls);
	return s->answer.status;
}

unsigned char *sealed_copy(const struct sealed *s, size_t *size)
{
	struct evkv_slice bytes = s->answer.entries[0].bytes;
	unsigned char *copy = malloc(bytes.size + 1);

	check(copy != NULL);
	if (bytes.size > 0)
		memcpy(copy, bytes.data, bytes.size);
	*size = bytes.size;
	return copy;
}

void sealed_check(struct sealed *s, const char *key, struct evkv_slice value)
{
	struct evkv_slice got;

	check_status(sealed_put(s, s->store, key, value), EVKV_OK);
	check_status(sealed_get(s, s->store, key), EVKV_OK);
	got = s->answer.entries[0].bytes;
	check_int(got.size, value.size);
	check(value.size == 0 || memcmp(got.data, value.data, got.size) == 0);
}

void sealed_check_corrupt(struct sealed *s, struct evkv_slice raw,
    const char *why)
{
	check_status(sealed_put(s, s->memory, "k", raw), EVKV_OK);
	check_status(sealed_get(s, s->store, "k"), EVKV_CORRUPT);
	check(!s->answer.entries[0].has_value);
	check_contains(s->answer.message, why);
}

enum evkv_status sealed_submit(struct sealed *s, enum evkv_kind kind)
{
	const struct evkv_slice key = EVKV_LIT("k");

	answer_reset(&s->answer);
	evkv_submit(s->store,
	    &(struct evkv_request){ .kind = kind,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key },
	    answer_cb, &s->answer);
	rig_wait(&s->rig, &s->answer.calls);
	return s->answer.status;
}
