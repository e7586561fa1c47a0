/*
 * core/store.c - making stores, and what can be asked of any of them.
 */
#include <stdio.h>
#include <string.h>

#include "core/core.h"

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

/* What is true of a stack where it is of one of its stores. */
#define WEAK_VERSIONS                                                          \
	((uint32_t)(EVKV_STORE_VERSION_BY_CONTENT |                            \
	    EVKV_STORE_TOUCH_KEEPS_VERSION))

static void narrow(struct evkv_capabilities *can,
    const struct evkv_capabilities *inner)
{
	const uint32_t weak = WEAK_VERSIONS;

	can->kinds &= inner->kinds;
	can->flags = (can->flags & (inner->flags | weak)) |
	    (inner->flags & weak);
	can->request_flags &= inner->request_flags;
	can->put_conditions &= inner->put_conditions;
	can->delete_conditions &= inner->delete_conditions;
	can->touch_conditions &= inner->touch_conditions;
	if (can->max_key > inner->max_key)
		can->max_key = inner->max_key;
	if (can->max_value > inner->max_value)
		can->max_value = inner->max_value;
	if (can->ttl_unit_ms < inner->ttl_unit_ms)
		can->ttl_unit_ms = inner->ttl_unit_ms;
	if (can->ttl_excess_ms < inner->ttl_excess_ms)
		can->ttl_excess_ms = inner->ttl_excess_ms;
}

/* The kinds that a wrapper handles, by name or by class. */
static uint32_t handled_kinds(const struct evkv_vtable *vtable)
{
	uint32_t kinds = vtable->kinds;
	unsigned kind;

	for (kind = 0; kind < EVKV_KIND_COUNT && vtable->classes != 0; kind++) {
		if ((evkv__kind_classes(kind) & ~vtable->classes) == 0)
			kinds |= EVKV_KIND_BIT(kind);
	}
	return kinds;
}

static void narrow_to_handled(struct evkv_capabilities *can,
    const struct evkv_vtable *vtable)
{
	if ((vtable->flags & EVKV_VTABLE_TRANSPARENT) != 0)
		return;
	can->kinds &= handled_kinds(vtable);
	can->request_flags &= vtable->request_flags;
	can->put_conditions &= vtable->conditions;
	can->delete_conditions &= vtable->conditions;
	can->touch_conditions &= vtable->conditions;
}

/* What was given, as the caller's headers have it. */
static void read_capabilities(struct evkv_capabilities *can,
    const struct evkv_store_config *config)
{
	size_t size = config->capabilities_size;

	memset(can, 0, sizeof(*can));
	memcpy(can, config->capabilities,
	    size < sizeof(*can) ? size : sizeof(*can));
	if (config->inner_count > 0)
		can->flags &= ~WEAK_VERSIONS;
}

/* The first inner store that is no help only, to begin with. */
static const struct evkv_capabilities *first_capabilities(
    const struct evkv_store *store)
{
	size_t i;

	for (i = 0; i < store->inner_count; i++) {
		if (!store->inner[i].auxiliary)
			return &store->inner[i].store->capabilities;
	}
	return &store->inner[0].store->capabilities;
}

static void store_capabilities(struct evkv_store *store,
    const struct evkv_store_config *config)
{
	const uint32_t basic = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE |
	    EVKV_FLAG_WAIT_READY | EVKV_FLAG_FRESH | EVKV_FLAG_SOFT;
	struct evkv_capabilities *can = &store->capabilities;
	uint32_t own;
	size_t i;

	if (config->capabilities != NULL)
		read_capabilities(can, config);
	else
		*can = *first_capabilities(store);
	/* A cache is one whatever is below it. */
	own = can->request_flags & EVKV_FLAG_CACHED_ONLY;
	for (i = 0; i < store->inner_count; i++) {
		if (!store->inner[i].auxiliary)
			narrow(can, &store->inner[i].store->capabilities);
	}
	if (config->capabilities != NULL)
		can->request_flags |= own;
	if (store->inner_count > 0)
		narrow_to_handled(can, store->vtable);
	can->size = sizeof(*can);
	store->request_flags = basic | can->request_flags;
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
static void show_state(struct evkv_store *store);

static void inner_link(struct evkv_store *store, struct store_inner *inner,
    struct evkv_store *below)
{
	inner->store = below;
	inner->parent = store;
	LIST_INSERT_HEAD(&below->parents, inner, link);
}

static void inner_unlink(struct store_inner *inner)
{
	LIST_REMOVE(inner, link);
	inner->store = NULL;
}

static void store_fill(struct evkv_store *store,
    const struct evkv_store_config *config)
{
	uint16_t deepest = 0;
	size_t i;

	store->refs = 1;
	STAILQ_INIT(&store->closers);
	store->max_pending = config->max_pending != 0 ? config->max_pending
						      : MAX_PENDING;
	store->max_pending_bytes = config->max_pending_bytes != 0
	    ? config->max_pending_bytes
	    : MAX_PENDING_BYTES;
	store->timeout_ms = config->timeout_ms;
	if (store->timeout_ms == 0 && config->inner_count > 0)
		store->timeout_ms = config->inner[0]->timeout_ms;
	store->state = config->state;
	if (store->state == EVKV_STATE_CONNECTING && config->inner_count > 0)
		store->state = EVKV_STATE_READY;
	store->inner_count = config->inner_count;
	for (i = 0; i < config->inner_count; i++) {
		inner_link(store, &store->inner[i], config->inner[i]);
		store->inner[i].auxiliary = i < 32 &&
		    (config->auxiliary & (UINT32_C(1) << i)) != 0;
		if (config->inner[i]->depth > deepest)
			deepest = config->inner[i]->depth;
	}
	store->depth = (uint16_t)(deepest + 1);
	store->drain_timer.run = drain_over;
	store->drain_timer.arg = store;
	store->step_task.run = evkv__store_step;
	store->step_task.arg = store;
	store->state_task.run = tell_state;
	store->state_task.arg = store;
	store->order.on = (store->vtable->flags & EVKV_VTABLE_ORDERED) != 0;

	store->shown = store;
	store_capabilities(store, config);
	store->fitting = fitting_bytes(&store->capabilities);
	show_state(store);
}

static enum evkv_peek peek_never(void *self, const struct evkv_request *request,
    struct evkv_value **value)
{
	(void)self;
	(void)request;
	(void)value;
	return EVKV_PEEK_DECLINE;
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
	if (evkv__loop_check_fork(loop)) {
		evkv_error_set(error, EVKV_CLOSED, "%s: %s", vtable->name,
		    evkv_cause_text(EVKV_CAUSE_FORK));
		return NULL;
	}
	if (self != NULL)
		store = evkv_calloc(1,
		    sizeof(*store) +
			config->inner_count * sizeof(struct store_inner));
	if (store == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "%s: out of memory",
		    vtable->name);
		return NULL;
	}
	memcpy(&store->own_vtable, vtable,
	    vtable->size < sizeof(*vtable) ? vtable->size : sizeof(*vtable));
	if (store->own_vtable.peek == NULL)
		store->own_vtable.peek = peek_never;
	store->vtable = &store->own_vtable;
	store->given = vtable;
	store->self = self;
	store->loop = loop;
	store->forks = loop->forks;
	store->get = evkv__submit_get;
	store->put = evkv__submit_op;
	store_fill(store, config);
	LIST_INSERT_HEAD(&evkv__core(loop)->stores, store, link);
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
	return i < store->inner_count ? store->inner[i].store : NULL;
}

static struct evkv_store *find_next(struct evkv_store *store, const char *name,
    size_t *left)
{
	struct evkv_store *found = NULL;
	size_t i;

	if (strcmp(evkv_store_name(store), name) == 0 && (*left)-- == 0)
		return store;
	for (i = 0; i < store->inner_count && found == NULL; i++)
		found = find_next(store->inner[i].store, name, left);
	return found;
}

struct evkv_store *evkv_store_find(struct evkv_store *store, const char *name,
    size_t i)
{
	return store != NULL ? find_next(store, name, &i) : NULL;
}

void *evkv_store_self(const struct evkv_store *store,
    const struct evkv_vtable *vtable)
{
	return store != NULL && store->given == vtable ? store->self : NULL;
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

/* The conditions that a kind takes, EVKV_IF_ANY always among them. */
static uint32_t conditions_of(const struct evkv_capabilities *can,
    enum evkv_kind kind)
{
	uint32_t conditions = 0;

	if (kind == EVKV_OP_PUT)
		conditions = can->put_conditions;
	else if (kind == EVKV_OP_DELETE)
		conditions = can->delete_conditions;
	else if (kind == EVKV_OP_TOUCH)
		conditions = can->touch_conditions;
	return conditions | EVKV_IF_BIT(EVKV_IF_ANY);
}

bool evkv_store_can(const struct evkv_store *store, enum evkv_kind kind,
    enum evkv_condition condition)
{
	const struct evkv_capabilities *can = &store->capabilities;

	return (unsigned)kind < EVKV_KIND_COUNT &&
	    (unsigned)condition < EVKV_IF_COUNT &&
	    (can->kinds & EVKV_KIND_BIT(kind)) != 0 &&
	    (conditions_of(can, kind) & EVKV_IF_BIT(condition)) != 0;
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

/* Those of a stack: its own pending ones, and what all its stores count. */
static void count_all(const struct evkv_store *store, bool auxiliary,
    struct evkv_counters *counters)
{
	struct evkv_counters own = { .reconnects = 0 };
	size_t i;

	if (store->phase != STORE_CLOSED && store->vtable->counters != NULL)
		store->vtable->counters(store->self, &own);
	counters->reconnects += own.reconnects;
	counters->evictions += own.evictions;
	if (!auxiliary) {
		counters->entries += own.entries;
		counters->bytes += own.bytes;
	}
	for (i = 0; i < store->inner_count; i++)
		count_all(store->inner[i].store,
		    auxiliary || store->inner[i].auxiliary, counters);
}

void evkv_store_counters_sized(const struct evkv_store *store,
    struct evkv_counters *counters, size_t size)
{
	struct evkv_counters ours = {
		.pending = store->pending,
		.pending_bytes = store->pending_bytes,
		.abandoned = store->abandoned,
	};

	count_all(store, false, &ours);
	memset(counters, 0, size);
	memcpy(counters, &ours, size < sizeof(ours) ? size : sizeof(ours));
}

enum evkv_peek evkv_store_peek(struct evkv_store *store,
    const struct evkv_request *request, struct evkv_value **value)
{
	if (store->phase != STORE_OPEN ||
	    store->pending >= store->max_pending ||
	    !evkv__order_is_idle(&store->order))
		return EVKV_PEEK_DECLINE;
	return store->vtable->peek(store->self, request, value);
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

/* The worse the greater; what is closed says nothing of the others. */
static int badness(enum evkv_state state)
{
	switch (state) {
	case EVKV_STATE_DOWN: return 3;
	case EVKV_STATE_CONNECTING: return 2;
	case EVKV_STATE_CLOSED: return 1;
	default: return 0;
	}
}

/* Find out whose state a store shows; the first of the worst. */
static void show_state(struct evkv_store *store)
{
	const struct evkv_store *below;
	size_t i;

	store->shown = store;
	if (store->phase == STORE_CLOSED)
		return;
	for (i = 0; i < store->inner_count; i++) {
		below = store->inner[i].store->shown;
		if (!store->inner[i].auxiliary &&
		    badness(below->state) > badness(store->shown->state))
			store->shown = below;
	}
}

/* `changed` shows something new: so do those above that show the same. */
static void spread_state(struct evkv_store *store,
    const struct evkv_store *changed)
{
	const struct evkv_store *before = store->shown;
	struct store_inner *above;

	show_state(store);
	if (store->shown == before && store->shown != changed)
		return;
	if (store->state_cb != NULL)
		evkv_task_queue(store->loop, &store->state_task);
	LIST_FOREACH(above, &store->parents, link)
	{
		if (!above->auxiliary)
			spread_state(above->parent, changed);
	}
}

enum evkv_state evkv_store_state(const struct evkv_store *store)
{
	return store->shown->state;
}

void evkv_store_set_state_cb(struct evkv_store *store, evkv_state_cb cb,
    void *arg)
{
	if (store == NULL)
		return;
	store->state_cb = store->phase != STORE_CLOSED ? cb : NULL;
	store->state_arg = arg;
	if (cb == NULL)
		evkv_task_cancel(store->loop, &store->state_task);
}

static void tell_state(void *arg)
{
	struct evkv_store *store = arg;
	const struct evkv_store *shown = store->shown;
	char message[sizeof(shown->state_message)];

	memcpy(message, shown->state_message, sizeof(message));
	store->refs++;
	if (store->state_cb != NULL)
		store->state_cb(shown->state, shown->state_cause, message,
		    store->state_arg);
	evkv_store_unref(store);
}

void evkv_store_set_state(struct evkv_store *store, enum evkv_state state,
    enum evkv_cause cause, const char *message)
{
	/* What is closed stays so, whatever was on its way. */
	if (store->phase == STORE_CLOSED && state != EVKV_STATE_CLOSED)
		return;
	store->state = state;
	store->state_cause = cause;
	snprintf(store->state_message, sizeof(store->state_message), "%s",
	    message != NULL ? message : "");
	evkv__one_line(store->state_message);
	spread_state(store, store);
}

void evkv__store_drop_inner(struct evkv_store *store)
{
	struct evkv_store *inner;
	size_t i;

	for (i = 0; i < store->inner_count; i++) {
		inner = store->inner[i].store;
		inner_unlink(&store->inner[i]);
		evkv_store_unref(inner);
	}
	store->inner_count = 0;
}
