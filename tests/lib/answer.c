/*
 * tests/lib/answer.c - copies a result and checks what holds for every one.
 */
#include "answer.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

static atomic_uint answer_orders; /* loops may be on several threads */

static struct evkv_slice answer_copy(struct evkv_slice bytes)
{
	void *copy;

	if (bytes.size == 0)
		return evkv_bytes(NULL, 0);
	copy = malloc(bytes.size);
	if (copy == NULL)
		abort();
	memcpy(copy, bytes.data, bytes.size);
	return evkv_bytes(copy, bytes.size);
}

static void answer_drop(struct evkv_slice *bytes)
{
	free((void *)(uintptr_t)bytes->data);
	*bytes = evkv_bytes(NULL, 0);
}

static void answer_clear(struct answer *answer)
{
	size_t i;

	for (i = 0; i < answer->count; i++) {
		answer_drop(&answer->entries[i].bytes);
		answer_drop(&answer->entries[i].name);
	}
	free(answer->entries);
	answer->entries = NULL;
	answer->count = 0;
	answer_drop(&answer->cursor);
}

static void answer_copy_entries(struct answer *answer,
    const struct evkv_result *result)
{
	size_t i;

	if (result->count == 0)
		return;
	answer->entries = calloc(result->count, sizeof(*answer->entries));
	if (answer->entries == NULL)
		abort();
	answer->count = result->count;
	for (i = 0; i < result->count; i++) {
		const struct evkv_entry *from = evkv_result_entry(result, i);
		struct answer_entry *to = &answer->entries[i];

		to->status = from->status;
		to->flags = from->flags;
		to->age_ms = from->age_ms;
		to->ttl_ms = from->ttl_ms;
		to->has_value = from->value != NULL;
		to->bytes = answer_copy(from->bytes);
		to->name = answer_copy(from->name);
		to->number = from->number;
		to->version = from->version;
		/* The slice and the value are two ways to the same bytes. */
		if (from->value != NULL)
			check_bytes(evkv_value_bytes(from->value), from->bytes);
		else
			check_int(from->bytes.size, 0);
	}
}

void answer_cb(const struct evkv_result *result, void *arg)
{
	struct answer *answer = arg;

	check(result != NULL);
	check(result->message != NULL);
	check(!evkv_failed(result->status) || result->message[0] != '\0');
	answer_clear(answer);
	answer->calls++;
	answer->order = atomic_fetch_add(&answer_orders, 1) + 1;
	answer->status = result->status;
	answer->cause = result->cause;
	answer->kind = result->kind;
	answer->sys_error = result->sys_error;
	strncpy(answer->message, result->message, sizeof(answer->message) - 1);
	answer->message[sizeof(answer->message) - 1] = '\0';
	answer_copy_entries(answer, result);
	answer->affected = result->affected;
	answer->cursor = answer_copy(result->cursor);
	if (answer->then != NULL)
		answer->then(answer, result, answer->arg);
}

void answer_reset(struct answer *answer)
{
	void (*then)(struct answer *, const struct evkv_result *,
	    void *) = answer->then;
	void *arg = answer->arg;

	answer_clear(answer);
	memset(answer, 0, sizeof(*answer));
	answer->then = then;
	answer->arg = arg;
}

void answer_free(struct answer *answer)
{
	answer_clear(answer);
}
