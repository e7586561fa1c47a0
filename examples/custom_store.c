/*
 * custom_store.c - a store of one's own, complete: docs/writing-a-store.md goes
 * through it.
 *
 * The shelf store has a given number of places, and answers in a later turn of
 * the loop, as a store does that has to ask somebody.
 *
 * The happy path: submit keeps the inputs, puts the op at the end of a queue
 * and answers PENDING; the task takes the ops from the queue in order, does
 * what each asks and completes it.
 *
 * Failures: no place is left for a new entry: that entry of the put is NOSPACE.
 * No memory: the entry, or the op, is NOMEM, and what was there before still
 * is. An op that is cut off while it waits is taken out of the queue, so it had
 * no effect. A cursor that is not the shelf's is INVALID.
 *
 *     $ custom_store
 *     put  OK
 *     put  OK
 *     put  NOSPACE: the shelf is full
 *     get  OK "tea"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"

#include "custom_store.h"

#define SHELF_PAGE 16 /* names in a page where nothing else is asked for */
#define SHELF_NEVER INT64_MAX

/* One place; free where value is NULL. */
struct shelf_place {
	char *names; /* the collection's bytes, then the key's */
	size_t collection_size;
	size_t key_size;
	struct evkv_value *value;
	int64_t expires_us; /* on the loop's clock, or SHELF_NEVER */
};

/* An op in the queue; lives in the op itself. */
struct shelf_wait {
	struct evkv_op *op;
	struct shelf_wait *next, **link;
};

struct shelf {
	struct evkv_loop *loop;
	struct evkv_store *store;
	struct shelf_wait *first, **last; /* the queue */
	struct evkv_task task; /* queued while the queue is not empty */
	size_t count;
	struct shelf_place places[];
};

/* ---- The places -------------------------------------------------------- */

static struct evkv_slice shelf_collection(const struct shelf_place *place)
{
	return evkv_bytes(place->names, place->collection_size);
}

static struct evkv_slice shelf_key(const struct shelf_place *place)
{
	return evkv_bytes(place->names + place->collection_size,
	    place->key_size);
}

static void shelf_vacate(struct shelf_place *place)
{
	evkv_free(place->names);
	evkv_value_unref(place->value);
	*place = (struct shelf_place){ .names = NULL };
}

/* Whether something is there; what has expired is gone. */
static bool shelf_taken(struct shelf *self, struct shelf_place *place)
{
	if (place->value != NULL &&
	    evkv_loop_now_us(self->loop) >= place->expires_us)
		shelf_vacate(place);
	return place->value != NULL;
}

/* The place of a key, or NULL; *vacant becomes one that is free, or NULL. */
static struct shelf_place *shelf_find(struct shelf *self,
    struct evkv_slice collection, struct evkv_slice key,
    struct shelf_place **vacant)
{
	*vacant = NULL;
	for (size_t i = 0; i < self->count; i++) {
		struct shelf_place *place = &self->places[i];

		if (!shelf_taken(self, place))
			*vacant = place;
		else if (evkv_slice_equal(shelf_key(place), key) &&
		    evkv_slice_equal(shelf_collection(place), collection))
			return place;
	}
	return NULL;
}

static int64_t shelf_expiry(struct shelf *self,
    const struct evkv_request *request, size_t i)
{
	int64_t ttl_ms = request->ttls_ms != NULL ? request->ttls_ms[i]
						  : request->ttl_ms;

	if (ttl_ms == EVKV_TTL_NONE)
		return SHELF_NEVER;
	return evkv_loop_now_us(self->loop) + ttl_ms * 1000;
}

/* What remains, rounded down; but what is there has at least 1 ms left. */
static int64_t shelf_ttl_ms(struct shelf *self, const struct shelf_place *place)
{
	int64_t left_us = place->expires_us - evkv_loop_now_us(self->loop);

	if (place->expires_us == SHELF_NEVER)
		return EVKV_TTL_NONE;
	return left_us >= 1000 ? left_us / 1000 : 1;
}

/* ---- One key ----------------------------------------------------------- */

/* Name a vacant place; false = no memory, and it is as vacant as before. */
static bool shelf_name(struct shelf_place *place, struct evkv_slice collection,
    struct evkv_slice key)
{
	place->names = evkv_malloc(collection.size + key.size);
	if (place->names == NULL)
		return false;
	if (collection.size > 0)
		memcpy(place->names, collection.data, collection.size);
	memcpy(place->names + collection.size, key.data, key.size);
	place->collection_size = collection.size;
	place->key_size = key.size;
	return true;
}

static enum evkv_status shelf_put(struct shelf *self,
    const struct evkv_request *request, size_t i)
{
	struct shelf_place *vacant, *place;
	struct evkv_value *value;

	place = shelf_find(self, request->collection, request->keys[i],
	    &vacant);
	if (place != NULL && request->condition == EVKV_IF_ABSENT)
		return EVKV_EXISTS;
	if (place == NULL && request->condition == EVKV_IF_PRESENT)
		return EVKV_NOT_FOUND;
	if (place == NULL && vacant == NULL)
		return EVKV_NOSPACE;

	/* A counted value is kept as it is; bytes are copied. */
	if (request->counted_values != NULL)
		value = evkv_value_ref(request->counted_values[i]);
	else
		value = evkv_value_new(request->values[i]);
	if (value == NULL)
		return EVKV_NOMEM;
	if (place == NULL) {
		place = vacant;
		if (!shelf_name(place, request->collection, request->keys[i])) {
			evkv_value_unref(value);
			return EVKV_NOMEM;
		}
	}
	evkv_value_unref(place->value);
	place->value = value;
	place->expires_us = shelf_expiry(self, request, i);
	return EVKV_OK;
}

static void shelf_do_key(struct shelf *self, struct evkv_op *op,
    const struct evkv_request *request, size_t i)
{
	struct evkv_entry *answer = evkv_op_entry(op, i);
	struct shelf_place *place, *vacant;

	if (request->kind == EVKV_OP_PUT) {
		answer->status = shelf_put(self, request, i);
		if (answer->status == EVKV_NOMEM)
			evkv_op_explain(op, EVKV_CAUSE_NOMEM, 0, NULL);
		else if (answer->status == EVKV_NOSPACE)
			evkv_op_explain(op, EVKV_CAUSE_NONE, 0,
			    "the shelf is full");
		return;
	}
	place = shelf_find(self, request->collection, request->keys[i],
	    &vacant);
	if (place == NULL) {
		answer->status = EVKV_NOT_FOUND;
		return;
	}
	if (request->kind == EVKV_OP_TTL)
		answer->ttl_ms = shelf_ttl_ms(self, place);
	if (request->kind == EVKV_OP_GET || request->kind == EVKV_OP_TTL)
		evkv_op_give_value(op, i, evkv_value_ref(place->value));
	else if (request->kind == EVKV_OP_TOUCH)
		place->expires_us = shelf_expiry(self, request, i);
	else if (request->kind == EVKV_OP_DELETE)
		shelf_vacate(place);
}

/* ---- Many entries ------------------------------------------------------ */

/* A page of keys; the position in the cursor is the next place, in decimal. */
static void shelf_do_keys(struct shelf *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	size_t left = request->match.limit > 0 ? request->match.limit
					       : SHELF_PAGE;
	struct evkv_slice position;
	char text[24] = "0";
	size_t i;

	if (evkv_cursor_open(request, "shelf", &position) &&
	    position.size > 0 && position.size < sizeof(text))
		memcpy(text, position.data, position.size);
	for (i = strtoul(text, NULL, 10); i < self->count && left > 0; i++) {
		struct shelf_place *place = &self->places[i];

		if (!shelf_taken(self, place) ||
		    !evkv_slice_equal(shelf_collection(place),
			request->collection) ||
		    !evkv_match(request->match.prefix, request->match.pattern,
			shelf_key(place)))
			continue;
		if (!evkv_op_add_name(op, shelf_key(place)))
			return;
		left--;
	}
	if (i < self->count) {
		snprintf(text, sizeof(text), "%zu", i);
		evkv_op_set_position(op, "shelf", evkv_str(text));
	}
}

static void shelf_do_clear(struct shelf *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	int64_t affected = 0;

	for (size_t i = 0; i < self->count; i++) {
		struct shelf_place *place = &self->places[i];

		if (shelf_taken(self, place) &&
		    evkv_slice_equal(shelf_collection(place),
			request->collection) &&
		    evkv_match(request->match.prefix, request->match.pattern,
			shelf_key(place))) {
			shelf_vacate(place);
			affected++;
		}
	}
	evkv_op_set_affected(op, affected);
}

static void shelf_do(struct shelf *self, struct evkv_op *op)
{
	const struct evkv_request *request = evkv_op_request(op);

	switch (request->kind) {
	case EVKV_OP_KEYS: shelf_do_keys(self, op, request); break;
	case EVKV_OP_CLEAR: shelf_do_clear(self, op, request); break;
	case EVKV_OP_PING: break;
	default:
		for (size_t i = 0; i < request->count; i++)
			shelf_do_key(self, op, request, i);
		break;
	}
}

/* ---- The slots --------------------------------------------------------- */

static void shelf_dequeue(struct shelf *self, struct shelf_wait *wait)
{
	*wait->link = wait->next;
	if (wait->next != NULL)
		wait->next->link = wait->link;
	else
		self->last = wait->link;
}

/*
 * Works until the queue is empty. Completing an op may run other stores' code,
 * which may submit to this one: nothing is held over the call.
 */
static void shelf_run(void *arg)
{
	struct shelf *self = arg;
	struct shelf_wait *wait;

	while ((wait = self->first) != NULL) {
		struct evkv_op *op = wait->op;

		shelf_dequeue(self, wait);
		/* false: its waiter was told that it has no effect. */
		if (evkv_op_mark_sent(op))
			shelf_do(self, op);
		evkv_op_complete(op);
	}
}

static enum evkv_verdict shelf_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct shelf *self = arg;
	struct shelf_wait *wait;
	struct evkv_slice position;

	if (request->kind == EVKV_OP_KEYS &&
	    !evkv_cursor_open(request, "shelf", &position))
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "cursor: not one of this query");

	wait = evkv_op_alloc(op, sizeof(*wait));
	if (wait == NULL || !evkv_op_keep(op))
		return evkv_op_nomem(op);
	*wait = (struct shelf_wait){ .op = op, .link = self->last };
	*self->last = wait;
	self->last = &wait->next;
	evkv_op_set_data(op, wait);
	evkv_task_queue(self->loop, &self->task);
	return EVKV_VERDICT_PENDING;
}

/* A waiting op is cut off: it will have had no effect, and that is known. */
static void shelf_stop(void *arg, struct evkv_op *op)
{
	shelf_dequeue(arg, evkv_op_data(op));
	evkv_op_complete(op);
}

/* Every op has been ended by now, so the queue is empty. */
static void shelf_close(void *arg)
{
	struct shelf *self = arg;

	evkv_task_cancel(self->loop, &self->task);
	evkv_store_closed(self->store);
}

static void shelf_free(void *arg)
{
	struct shelf *self = arg;

	if (self == NULL)
		return;
	for (size_t i = 0; i < self->count; i++)
		shelf_vacate(&self->places[i]);
	evkv_free(self);
}

static const struct evkv_vtable shelf_vtable = {
	.size = sizeof(shelf_vtable),
	.name = "shelf",
	.submit = shelf_submit,
	.stop = shelf_stop,
	.close = shelf_close,
	.free = shelf_free,
};

struct evkv_store *shelf_new(struct evkv_loop *loop, size_t places,
    struct evkv_error *error)
{
	static const struct evkv_capabilities capabilities = {
		.kinds = EVKV_KIND_BIT(EVKV_OP_GET) |
		    EVKV_KIND_BIT(EVKV_OP_TTL) | EVKV_KIND_BIT(EVKV_OP_PUT) |
		    EVKV_KIND_BIT(EVKV_OP_DELETE) |
		    EVKV_KIND_BIT(EVKV_OP_EXISTS) |
		    EVKV_KIND_BIT(EVKV_OP_TOUCH) | EVKV_KIND_BIT(EVKV_OP_KEYS) |
		    EVKV_KIND_BIT(EVKV_OP_CLEAR) | EVKV_KIND_BIT(EVKV_OP_PING),
		.put_conditions = EVKV_IF_BASIC,
		.flags = EVKV_STORE_ATOMIC_CONDITION | EVKV_STORE_ENUM_UNIQUE |
		    EVKV_STORE_EXACT_AFFECTED | EVKV_STORE_IN_PROCESS,
		.max_key = EVKV_KEY_MAX,
		.max_value = EVKV_VALUE_MAX,
		.ttl_unit_ms = 1,
	};
	struct shelf *self = evkv_calloc(1,
	    sizeof(*self) + places * sizeof(self->places[0]));
	struct evkv_store *store;

	if (self != NULL) {
		self->loop = loop;
		self->count = places;
		self->last = &self->first;
		self->task.run = shelf_run;
		self->task.arg = self;
	}
	/*
	 * Where self is NULL this fails with NOMEM; on failure it frees self.
	 */
	store = evkv_store_create(loop, &shelf_vtable, self,
	    &(struct evkv_store_config){
		.capabilities = &capabilities,
		.state = EVKV_STATE_READY,
	    },
	    error);
	if (store != NULL)
		self->store = store;
	return store;
}

/* ---- A program that uses it -------------------------------------------- */

#ifndef CUSTOM_STORE_WITHOUT_MAIN

static void on_put(const struct evkv_result *result, void *arg)
{
	int *wrong = arg;

	printf("put  %s\n", evkv_status_name(result->status));
	*wrong += result->status != EVKV_OK;
}

static void on_full(const struct evkv_result *result, void *arg)
{
	int *wrong = arg;

	printf("put  %s: %s\n", evkv_status_name(result->status),
	    result->message);
	*wrong += result->status != EVKV_NOSPACE;
}

static void on_get(const struct evkv_result *result, void *arg)
{
	int *wrong = arg;

	printf("get  %s \"%.*s\"\n", evkv_status_name(result->status),
	    (int)evkv_result_entry(result, 0)->bytes.size,
	    (const char *)evkv_result_entry(result, 0)->bytes.data);
	*wrong += !evkv_slice_equal(evkv_result_entry(result, 0)->bytes,
	    EVKV_LIT("tea"));
}

int main(void)
{
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store = shelf_new(loop, 2, &error);
	const struct evkv_slice pantry = EVKV_LIT("pantry");
	int wrong = 0;

	/* It stacks like any other store. */
	store = evkv_prefix_keys_new(store, EVKV_LIT("jar of "), &error);
	if (store == NULL) {
		fprintf(stderr, "%s\n", error.message);
		wrong++;
	}
	evkv_put(store, pantry, EVKV_LIT("leaves"), EVKV_LIT("tea"), 0, on_put,
	    &wrong);
	evkv_put(store, pantry, EVKV_LIT("beans"), EVKV_LIT("coffee"), 0,
	    on_put, &wrong);
	evkv_put(store, pantry, EVKV_LIT("sand"), EVKV_LIT("sugar"), 0, on_full,
	    &wrong);
	evkv_get(store, pantry, EVKV_LIT("leaves"), on_get, &wrong);
	event_base_dispatch(base);

	evkv_store_unref(store);
	evkv_loop_free(loop);
	event_base_free(base);
	return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
