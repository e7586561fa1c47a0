/*
 * core/store.c - making stores, and what can be asked of any of them.
 */
#include <stdio.h>
#include <string.h>

#include "loop/loop.h"

#define MAX_PENDING 100000
#define MAX_PENDING_BYTES ((size_t)1 << 30)

/* ---- Making ------------------------------------------------------------- */

static bool inner_ok(struct evkv_loop *loop, const char *name,
    const struct evkv_store_config *config, struct evkv_error *error)
{
	const char *why = NULL;
	size_t i, j;

	for (i = 0; i < config->inner_count; i++) {
		if (config->inner[i] == NULL)
			why = "an inner store is NULL";
		else if (config->inner[i]->loop != loop)
			why = "the stores belong to different loops";
		else if (config->inner[i]->phase != STORE_OPEN)
			why = "an inner store is closed";
		for (j = 0; j < i && why == NULL; j++) {
			if (config->inner[i] == config->inner[j])
				why = "the same store is given twice";
		}
		if (why == NULL)
			continue;
		evkv_error_set(error, EVKV_INVALID, "%s: %s", name, why);
		return false;
	}
	return true;
}

static void narrow(struct evkv_capabilities *can,
    const struct evkv_capabilities *inner)
{
	can->kinds &= inner->kinds;
	can->flags &= inner->flags;
	if (can->max_key > inner->max_key)
		can->max_key = inner->max_key;
	if (can->max_value > inner->max_value)
		can->max_value = inner->max_value;
	if (can->ttl_unit_ms < inner->ttl_unit_ms)
		can->ttl_unit_ms = inner->ttl_unit_ms;
}

static void store_capabilities(struct evkv_store *store,
    const struct evkv_store_config *config)
{
	struct evkv_capabilities *can = &store->capabilities;

	*can = config->capabilities != NULL ? *config->capabilities
					    : store->inner[0]->capabilities;
	if (store->inner_count == 0)
		return;
	narrow(can, &store->inner[0]->capabilities);
	if ((store->vtable->flags & EVKV_VTABLE_TRANSPARENT) == 0)
		can->kinds &= store->vtable->kinds;
}

/* Of a request; no key or value of one so long is longer. */
static size_t fitting_bytes(const struct evkv_capabilities *can)
{
	if (can->max_key >= EVKV_KEY_MAX && can->max_value >= EVKV_VALUE_MAX)
		return SIZE_MAX;
	return can->max_key < can->max_value ? can->max_key : can->max_value;
}

static void drain_over(void *arg);
static void tell_state(void *arg);

static void store_fill(struct evkv_store *store,
    const struct evkv_store_config *config)
{
	uint16_t deepest = 0;
	size_t i;

	store->refs = 1;
	store->max_pending = config->max_pending != 0 ? config->max_pending
						      : MAX_PENDING;
	store->max_pending_bytes = config->max_pending_bytes != 0
	    ? config->max_pending_bytes
	    : MAX_PENDING_BYTES;
	store->timeout_ms = config->timeout_ms;
	if (store->timeout_ms == 0 && config->inner_count > 0)
		store->timeout_ms = config->inner[0]->timeout_ms;
	store->state = config->state;
	store->inner_count = config->inner_count;
	for (i = 0; i < config->inner_count; i++) {
		store->inner[i] = config->inner[i];
		if (store->inner[i]->depth > deepest)
			deepest = store->inner[i]->depth;
	}
	store->depth = (uint16_t)(deepest + 1);
	store->drain_timer.run = drain_over;
	store->drain_timer.arg = store;
	store->step_task.run = evkv__store_step;
	store->step_task.arg = store;
	store->state_task.run = tell_state;
	store->state_task.arg = store;
	store->order.on = (store->vtable->flags & EVKV_VTABLE_ORDERED) != 0;
	store_capabilities(store, config);
	store->fitting = fitting_bytes(&store->capabilities);
}

static void store_link(struct evkv_store *store)
{
	struct evkv_loop *loop = store->loop;

	store->link = &loop->stores;
	store->next = loop->stores;
	if (store->next != NULL)
		store->next->link = &store->next;
	loop->stores = store;
}

static struct evkv_store *store_new(struct evkv_loop *loop,
    const struct evkv_vtable *vtable, void *self,
    const struct evkv_store_config *config, struct evkv_error *error)
{
	struct evkv_store *store = NULL;

	if (loop == NULL && config->inner_count > 0 && config->inner[0] != NULL)
		loop = config->inner[0]->loop;
	if (!inner_ok(loop, vtable->name, config, error))
		return NULL;
	if (loop == NULL) {
		evkv_error_set(error, EVKV_INVALID, "%s: loop is NULL",
		    vtable->name);
		return NULL;
	}
	if (self != NULL)
		store = evkv_calloc(1,
		    sizeof(*store) +
			config->inner_count * sizeof(struct evkv_store *));
	if (store == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "%s: out of memory",
		    vtable->name);
		return NULL;
	}
	store->vtable = vtable;
	store->self = self;
	store->loop = loop;
	store_fill(store, config);
	store_link(store);
	return store;
}

/* A store given twice was most likely given with one reference. */
static void inner_release(const struct evkv_store_config *config)
{
	size_t i, j;

	for (i = 0; i < config->inner_count; i++) {
		for (j = 0; j < i; j++) {
			if (config->inner[j] == config->inner[i])
				break;
		}
		if (j == i)
			evkv_store_unref(config->inner[i]);
	}
}

struct evkv_store *evkv_store_create_sized(struct evkv_loop *loop,
    const struct evkv_vtable *vtable, void *self,
    const struct evkv_store_config *given, size_t size,
    struct evkv_error *error)
{
	struct evkv_store_config config;
	struct evkv_store *store = NULL;

	/* Also of a config that asks for too much the inner stores are ours. */
	if (evkv_options_read(&config, sizeof(config), given, size, error))
		store = store_new(loop, vtable, self, &config, error);
	else
		memcpy(&config, given, sizeof(config));
	if (store != NULL)
		return store;
	inner_release(&config);
	if (self != NULL)
		vtable->free(self);
	return NULL;
}

static void drain_over(void *arg)
{
	struct evkv_store *store = arg;

	store->drain_done = true;
	evkv_task_queue(store->loop, &store->step_task);
}

/* ---- Asking ------------------------------------------------------------- */

struct evkv_store *evkv_store_inner(const struct evkv_store *store, size_t i)
{
	return i < store->inner_count ? store->inner[i] : NULL;
}

void *evkv_store_self(const struct evkv_store *store,
    const struct evkv_vtable *vtable)
{
	return store != NULL && store->vtable == vtable ? store->self : NULL;
}

const char *evkv_store_name(const struct evkv_store *store)
{
	return store->vtable->name;
}

struct evkv_loop *evkv_store_loop(const struct evkv_store *store)
{
	return store->loop;
}

const struct evkv_capabilities *evkv_store_capabilities(const struct evkv_store
	*store)
{
	return &store->capabilities;
}

void evkv_store_set_timeout(struct evkv_store *store, int64_t timeout_ms)
{
	if (store != NULL)
		store->timeout_ms = timeout_ms > 0 ? timeout_ms : 0;
}

void evkv_store_set_limits(struct evkv_store *store, size_t max_pending,
    size_t max_pending_bytes)
{
	if (store != NULL && max_pending != 0)
		store->max_pending = max_pending;
	if (store != NULL && max_pending_bytes != 0)
		store->max_pending_bytes = max_pending_bytes;
}

void evkv_store_counters_sized(const struct evkv_store *store,
    struct evkv_counters *counters, size_t size)
{
	struct evkv_counters ours = {
		.pending = store->pending,
		.pending_bytes = store->pending_bytes,
		.abandoned = store->abandoned,
	};

	if (store->vtable->counters != NULL)
		store->vtable->counters(store->self, &ours);
	memset(counters, 0, size);
	memcpy(counters, &ours, size < sizeof(ours) ? size : sizeof(ours));
}

evkv_ticket evkv_store_wait_ready(struct evkv_store *store, int64_t timeout_ms,
    evkv_cb cb, void *arg)
{
	const struct evkv_request request = {
		.kind = EVKV_OP_PING,
		.flags = EVKV_FLAG_WAIT_READY,
		.timeout_ms = timeout_ms,
	};

	return evkv_submit(store, &request, cb, arg);
}

/* ---- State -------------------------------------------------------------- */

/* The store whose state a chain shows: the first at the bottom. */
static struct evkv_store *bottom(const struct evkv_store *store)
{
	while (store->inner_count > 0 && store->inner[0] != NULL)
		store = store->inner[0];
	return (struct evkv_store *)(uintptr_t)store;
}

enum evkv_state evkv_store_state(const struct evkv_store *store)
{
	if (store->phase == STORE_CLOSED)
		return EVKV_STATE_CLOSED;
	return bottom(store)->state;
}

static void watch(struct store_observer *observer, struct store_observer **list)
{
	observer->link = list;
	observer->next = *list;
	if (observer->next != NULL)
		observer->next->link = &observer->next;
	*list = observer;
}

static void unwatch(struct store_observer *observer)
{
	if (observer->link == NULL)
		return;
	if (observer->next != NULL)
		observer->next->link = observer->link;
	*observer->link = observer->next;
	observer->link = NULL;
}

void evkv__store_unwatch(struct evkv_store *store)
{
	unwatch(&store->observer);
}

void evkv_store_set_state_cb(struct evkv_store *store, evkv_state_cb cb,
    void *arg)
{
	if (store == NULL)
		return;
	unwatch(&store->observer);
	store->observer.cb = cb;
	store->observer.arg = arg;
	if (cb != NULL && store->phase != STORE_CLOSED)
		watch(&store->observer, &bottom(store)->observers);
}

/* Observers come and go while they are told: detach the list first. */
static void tell_state(void *arg)
{
	struct evkv_store *store = arg;
	struct store_observer *list = store->observers, *observer;
	char message[sizeof(store->state_message)];
	enum evkv_state state = store->state;
	enum evkv_cause cause = store->state_cause;

	memcpy(message, store->state_message, sizeof(message));
	store->observers = NULL;
	if (list != NULL)
		list->link = &list;
	store->refs++;
	while ((observer = list) != NULL) {
		unwatch(observer);
		watch(observer, &store->observers);
		observer->cb(state, cause, message, observer->arg);
	}
	evkv_store_unref(store);
}

void evkv_store_set_state(struct evkv_store *store, enum evkv_state state,
    enum evkv_cause cause, const char *message)
{
	store->state = state;
	store->state_cause = cause;
	snprintf(store->state_message, sizeof(store->state_message), "%s",
	    message != NULL ? message : "");
	evkv__one_line(store->state_message);
	if (store->observers != NULL)
		evkv_task_queue(store->loop, &store->state_task);
}
