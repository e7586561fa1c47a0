/*
 * Chains of wrappers by any text. What is taken is described by a text that is
 * taken too and is described the same; what is refused says so in one line.
 * Nothing is left behind: the sanitizer looks.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "evkv/evkv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool so)
{
	if (!so)
		abort();
}

static void check_error(const struct evkv_error *error)
{
	const char *c;

	expect(error->status != EVKV_OK && error->message[0] != '\0');
	for (c = error->message; *c != '\0'; c++)
		expect((unsigned char)*c >= ' ');
}

/* Described, opened and described again. */
static void check_store(struct evkv_loop *loop, struct evkv_store *store)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	char *text = evkv_store_describe(store, 0), *again;
	struct evkv_store *other;

	expect(text != NULL);
	/* With escapes it may be longer than what is read. */
	if (strlen(text) <= 65536) {
		other = evkv_open(loop, text, &error);
		expect(other != NULL);
		again = evkv_store_describe(other, 0);
		expect(strcmp(text, again) == 0);
		evkv_free(again);
		evkv_store_unref(other);
	}
	evkv_free(text);
	text = evkv_store_describe(store, EVKV_DESCRIBE_COUNTERS);
	expect(text != NULL);
	evkv_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;
	char *text = malloc(size + 1);

	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	store = evkv_open(loop, text, &error);
	if (store == NULL)
		check_error(&error);
	else
		check_store(loop, store);
	evkv_store_unref(store);
	evkv_loop_free(loop);
	event_base_free(base);
	free(text);
	return 0;
}
