/*
 * The simple store: every entry in one skip list, in byte order of collection
 * and key. For tests: nothing is bounded, everything can be looked at.
 *
 * It answers each op at once, inside submit, entry by entry. What can fail is
 * memory for a new entry: that entry of a put is NOMEM, and what was stored
 * under its key is still there. An expired entry is absent for every op from
 * the microsecond on at which it expires, and its memory is freed by the
 * first op that comes across it, or by purge_expired.
 */
#include "evkv/stores/simple.h"

#include <string.h>

#include "stores/simple/list.h"

#define SIMPLE_PAGE 1000 /* names in a page where no limit is given */
#define SIMPLE_NEVER INT64_MAX

struct simple {
	struct evkv_loop *loop;
	struct simple_list list;
	uint64_t instance; /* for versions, as is the counter of changes */
	uint64_t changes;
};

static bool simple_expired(struct simple *self,
    const struct simple_entry *entry)
{
	return evkv_loop_now_us(self->loop) >= entry->expires_us;
}

/* The live entry of a key, or NULL; `place` is where it is or would be. */
static struct simple_entry *simple_get(struct simple *self,
    struct evkv_slice collection, struct evkv_slice key,
    struct simple_place *place)
{
	struct simple_entry *entry;

	entry = evkv__simple_find(&self->list, collection, key, SIMPLE_FROM,
	    place);
	if (entry == NULL || !evkv_slice_equal(entry->collection, collection) ||
	    !evkv_slice_equal(entry->key, key))
		return NULL;
	if (!simple_expired(self, entry))
		return entry;
	evkv__simple_remove(&self->list, place);
	return NULL;
}

static int64_t simple_expiry(struct simple *self,
    const struct evkv_request *request, size_t i)
{
	int64_t ttl_ms = request->ttls_ms != NULL ? request->ttls_ms[i]
						  : request->ttl_ms;

	if (ttl_ms == EVKV_TTL_NONE)
		return SIMPLE_NEVER;
	return evkv_loop_now_us(self->loop) + ttl_ms * 1000;
}

/* What remains, rounded down, but 1 at least; -1 where it has expired. */
static int64_t simple_ttl_ms(struct simple *self,
    const struct simple_entry *entry)
{
	int64_t left_us;

	if (entry->expires_us == SIMPLE_NEVER)
		return EVKV_TTL_NONE;
	left_us = entry->expires_us - evkv_loop_now_us(self->loop);
	if (left_us <= 0)
		return -1;
	return left_us >= 1000 ? left_us / 1000 : 1;
}

/* The entry has changed: it gets a new version. */
static void simple_changed(struct simple *self, struct simple_entry *entry)
{
	entry->version = evkv_version_counted(self->instance, ++self->changes);
}

/*
 * Give a key a value, whose reference moves, in the place that simple_get()
 * found. NULL: no memory.
 */
static struct simple_entry *simple_store(struct simple *self,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_value *value, struct simple_place *place)
{
	struct simple_entry *entry = NULL;

	if (value != NULL)
		entry = evkv__simple_insert(&self->list, collection, key, value,
		    evkv_loop_random(self->loop), place);
	if (entry == NULL)
		evkv_value_unref(value);
	return entry;
}

static enum evkv_status simple_put(struct simple *self,
    const struct evkv_request *request, size_t i, struct simple_entry **entry,
    struct simple_place *place)
{
	struct evkv_value *value;

	if (request->counted_values != NULL)
		value = evkv_value_ref(request->counted_values[i]);
	else
		value = evkv_value_new(request->values[i]);
	if (value != NULL && *entry != NULL)
		evkv__simple_replace(&self->list, *entry, value);
	else
		*entry = simple_store(self, request->collection,
		    request->keys[i], value, place);
	if (value == NULL || *entry == NULL)
		return EVKV_NOMEM;
	(*entry)->expires_us = simple_expiry(self, request, i);
	simple_changed(self, *entry);
	return EVKV_OK;
}

/* The answer has the number; an entry that is there keeps its TTL. */
static enum evkv_status simple_incr(struct simple *self,
    const struct evkv_request *request, size_t i, struct simple_entry **entry,
    struct simple_place *place)
{
	char buffer[EVKV_NUMBER_MAX];
	struct evkv_slice old = { NULL, 0 };
	struct evkv_value *value;
	int64_t number;

	if (*entry != NULL)
		old = evkv_value_bytes((*entry)->value);
	if (evkv_incr_apply(request, i, *entry != NULL ? &old : NULL,
		&number) != EVKV_OK)
		return EVKV_INVALID;
	value = evkv_value_new(evkv_number_write(number, buffer));
	if (value != NULL && *entry != NULL) {
		evkv__simple_replace(&self->list, *entry, value);
	} else {
		*entry = simple_store(self, request->collection,
		    request->keys[i], value, place);
		if (*entry != NULL)
			(*entry)->expires_us = simple_expiry(self, request, i);
	}
	if (*entry == NULL || value == NULL)
		return EVKV_NOMEM;
	simple_changed(self, *entry);
	return EVKV_OK;
}

/* What makes or replaces an entry: PUT and INCR. */
static void simple_write(struct simple *self, struct evkv_op *op,
    const struct evkv_request *request, size_t i)
{
	struct evkv_entry *answer = evkv_op_entry(op, i);
	struct simple_place place;
	struct simple_entry *entry;

	entry = simple_get(self, request->collection, request->keys[i], &place);
	if (request->kind == EVKV_OP_INCR)
		answer->status = simple_incr(self, request, i, &entry, &place);
	else
		answer->status = evkv_condition_check(request, i,
		    entry != NULL ? &entry->version : NULL);
	if (request->kind == EVKV_OP_PUT && answer->status == EVKV_OK)
		answer->status = simple_put(self, request, i, &entry, &place);
	if (answer->status == EVKV_NOMEM)
		evkv_op_explain(op, EVKV_CAUSE_NOMEM, 0, NULL);
	if (answer->status == EVKV_INVALID)
		evkv_op_explain(op, EVKV_CAUSE_NONE, 0, EVKV_INCR_REFUSED);
	if (answer->status != EVKV_OK)
		return;
	if (request->kind == EVKV_OP_INCR)
		evkv_number_read(evkv_value_bytes(entry->value),
		    &answer->number);
	if ((request->flags & EVKV_FLAG_VERSIONS) != 0)
		answer->version = entry->version;
}

/* What is about an entry that is there. */
static void simple_key(struct simple *self, struct evkv_op *op,
    const struct evkv_request *request, size_t i)
{
	struct evkv_entry *answer = evkv_op_entry(op, i);
	struct simple_place place;
	struct simple_entry *entry;

	entry = simple_get(self, request->collection, request->keys[i], &place);
	answer->status = entry == NULL
	    ? EVKV_NOT_FOUND
	    : evkv_condition_check(request, i, &entry->version);
	if (answer->status != EVKV_OK)
		return;
	if ((request->flags & EVKV_FLAG_VERSIONS) != 0)
		answer->version = entry->version;
	switch (request->kind) {
	case EVKV_OP_TTL:
		answer->ttl_ms = simple_ttl_ms(self, entry);
		/* fall through */
	case EVKV_OP_GET:
		evkv_op_give_value(op, i, evkv_value_ref(entry->value));
		break;
	case EVKV_OP_TAKE:
		evkv_op_give_value(op, i, evkv_value_ref(entry->value));
		/* fall through */
	case EVKV_OP_DELETE: evkv__simple_remove(&self->list, &place); break;
	case EVKV_OP_TOUCH:
		entry->expires_us = simple_expiry(self, request, i);
		simple_changed(self, entry);
		break;
	default: break; /* EVKV_OP_EXISTS: it is there */
	}
}

/* Whether a live name is one that a request for names or a clear is about. */
static bool simple_wanted(const struct evkv_request *request,
    struct evkv_slice name)
{
	return evkv_match(request->match.prefix, request->match.pattern, name);
}

/*
 * Add a name to the page. When the page is full, set the cursor instead, whose
 * position is the last name of the page. False: the page is done.
 */
static bool simple_page_add(struct evkv_op *op,
    const struct evkv_request *request, struct evkv_slice *last, size_t *count,
    struct evkv_slice name)
{
	if (*count ==
	    (request->match.limit != 0 ? request->match.limit : SIMPLE_PAGE)) {
		evkv_op_set_position(op, "simple", *last);
		return false;
	}
	(*count)++;
	*last = name;
	return evkv_op_add_name(op, name);
}

static enum evkv_verdict simple_keys(struct simple *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	char buffer[EVKV_PATTERN_MAX];
	struct evkv_slice head = evkv_match_head(&request->match, buffer);
	struct evkv_slice position, last = { NULL, 0 };
	struct simple_place place;
	struct simple_entry *entry;
	size_t count = 0;

	if (!evkv_cursor_open(request, "simple", &position))
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "cursor: not one of this query");
	if (request->match.cursor.size > 0)
		entry = evkv__simple_find(&self->list, request->collection,
		    position, SIMPLE_AFTER, &place);
	else
		entry = evkv__simple_find(&self->list, request->collection,
		    head, SIMPLE_FROM, &place);
	/* In byte order, all that begins with the head is in one run. */
	for (; entry != NULL &&
	     evkv_slice_equal(entry->collection, request->collection) &&
	     evkv_match(head, evkv_str(NULL), entry->key);
	     entry = entry->next[0]) {
		if (!simple_expired(self, entry) &&
		    simple_wanted(request, entry->key) &&
		    !simple_page_add(op, request, &last, &count, entry->key))
			break;
	}
	return EVKV_VERDICT_DONE;
}

/* Whether a collection, whose first entry is given, has one that is live. */
static bool simple_lives(struct simple *self, const struct simple_entry *first)
{
	const struct simple_entry *entry = first;

	while (entry != NULL &&
	    evkv_slice_equal(entry->collection, first->collection)) {
		if (!simple_expired(self, entry))
			return true;
		entry = entry->next[0];
	}
	return false;
}

static enum evkv_verdict simple_collections(struct simple *self,
    struct evkv_op *op, const struct evkv_request *request)
{
	struct evkv_slice position, last = { NULL, 0 };
	struct simple_place place;
	struct simple_entry *entry = self->list.first[0];
	size_t count = 0;

	if (!evkv_cursor_open(request, "simple", &position))
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "cursor: not one of this query");
	if (request->match.cursor.size > 0)
		entry = evkv__simple_find(&self->list, position, evkv_str(NULL),
		    SIMPLE_AFTER_ALL, &place);
	while (entry != NULL) {
		if (simple_wanted(request, entry->collection) &&
		    simple_lives(self, entry) &&
		    !simple_page_add(op, request, &last, &count,
			entry->collection))
			break;
		entry = evkv__simple_find(&self->list, entry->collection,
		    evkv_str(NULL), SIMPLE_AFTER_ALL, &place);
	}
	return EVKV_VERDICT_DONE;
}

/*
 * Whether a clear or a clear_all is about an entry; a purge_expired never is.
 */
static bool simple_doomed(const struct evkv_request *request,
    const struct simple_entry *entry)
{
	if (request->kind == EVKV_OP_CLEAR_ALL)
		return simple_wanted(request, entry->collection);
	return request->kind == EVKV_OP_CLEAR &&
	    evkv_slice_equal(entry->collection, request->collection) &&
	    simple_wanted(request, entry->key);
}

/*
 * Go through everything. What has expired goes, whatever was asked, but only
 * purge_expired counts it.
 */
static enum evkv_verdict simple_sweep(struct simple *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct simple_place place;
	struct simple_entry *entry;
	int64_t affected = 0;
	bool expired;

	evkv__simple_start(&self->list, &place);
	while ((entry = *place.link[0]) != NULL) {
		expired = simple_expired(self, entry);
		if (expired || simple_doomed(request, entry)) {
			affected += expired ==
			    (request->kind == EVKV_OP_PURGE_EXPIRED);
			evkv__simple_remove(&self->list, &place);
		} else {
			evkv__simple_pass(&place);
		}
	}
	evkv_op_set_affected(op, affected);
	return EVKV_VERDICT_DONE;
}

static enum evkv_verdict simple_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct simple *self = arg;
	size_t i;

	switch (request->kind) {
	case EVKV_OP_PUT:
	case EVKV_OP_INCR:
		for (i = 0; i < request->count; i++)
			simple_write(self, op, request, i);
		return EVKV_VERDICT_DONE;
	case EVKV_OP_GET:
	case EVKV_OP_TTL:
	case EVKV_OP_DELETE:
	case EVKV_OP_EXISTS:
	case EVKV_OP_TOUCH:
	case EVKV_OP_TAKE:
		for (i = 0; i < request->count; i++)
			simple_key(self, op, request, i);
		return EVKV_VERDICT_DONE;
	case EVKV_OP_KEYS: return simple_keys(self, op, request);
	case EVKV_OP_COLLECTIONS: return simple_collections(self, op, request);
	case EVKV_OP_CLEAR:
	case EVKV_OP_CLEAR_ALL:
	case EVKV_OP_PURGE_EXPIRED: return simple_sweep(self, op, request);
	case EVKV_OP_PING:
	case EVKV_OP_SYNC:
	case EVKV_OP_COMPACT: return EVKV_VERDICT_DONE;
	default: return evkv_op_unsupported(op);
	}
}

static void simple_free(void *arg)
{
	struct simple *self = arg;

	evkv__simple_empty(&self->list);
	evkv_free(self);
}

static void simple_counters(void *arg, struct evkv_counters *counters)
{
	struct simple *self = arg;

	counters->entries += self->list.entries;
	counters->bytes += self->list.bytes;
}

static const struct evkv_vtable simple_vtable = {
	.size = sizeof(simple_vtable),
	.name = "simple",
	.submit = simple_submit,
	.free = simple_free,
	.counters = simple_counters,
};

static const struct evkv_capabilities simple_capabilities = {
	.kinds = EVKV_KINDS_BASIC | EVKV_KIND_BIT(EVKV_OP_INCR) |
	    EVKV_KIND_BIT(EVKV_OP_TAKE),
	.request_flags = EVKV_FLAG_VERSIONS,
	.put_conditions = EVKV_IF_BASIC | EVKV_IF_BIT(EVKV_IF_VERSION),
	.delete_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.touch_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.flags = EVKV_STORE_KEY_ORDER | EVKV_STORE_ATOMIC_CONDITION |
	    EVKV_STORE_ENUM_UNIQUE | EVKV_STORE_EXACT_AFFECTED |
	    EVKV_STORE_IN_PROCESS,
	.max_key = EVKV_KEY_MAX,
	.max_value = EVKV_VALUE_MAX,
	.ttl_unit_ms = 1,
};

struct evkv_store *evkv_simple_new(struct evkv_loop *loop,
    struct evkv_error *error)
{
	struct simple *self = evkv_calloc(1, sizeof(*self));

	if (self != NULL)
		self->loop = loop;
	if (self != NULL && loop != NULL)
		self->instance = evkv_loop_random(loop);
	return evkv_store_create(loop, &simple_vtable, self,
	    &(struct evkv_store_config){
		.capabilities = &simple_capabilities,
		.state = EVKV_STATE_READY,
	    },
	    error);
}

bool evkv_simple_each(struct evkv_store *store,
    bool (*visit)(const struct evkv_simple_entry *entry, void *arg), void *arg)
{
	struct simple *self = evkv_store_self(store, &simple_vtable);
	struct evkv_simple_entry shown;
	struct simple_entry *entry;

	if (self == NULL)
		return false;
	for (entry = self->list.first[0]; entry != NULL;
	     entry = entry->next[0]) {
		shown.collection = entry->collection;
		shown.key = entry->key;
		shown.value = evkv_value_bytes(entry->value);
		shown.ttl_ms = simple_ttl_ms(self, entry);
		if (!visit(&shown, arg))
			break;
	}
	return true;
}

static void simple_dump_bytes(FILE *out, struct evkv_slice bytes)
{
	const unsigned char *data = bytes.data;
	size_t i;

	putc('"', out);
	for (i = 0; i < bytes.size; i++) {
		if (data[i] == '"' || data[i] == '\\')
			fprintf(out, "\\%c", data[i]);
		else if (data[i] >= ' ' && data[i] <= '~')
			putc(data[i], out);
		else
			fprintf(out, "\\%03o", data[i]);
	}
	putc('"', out);
}

static bool simple_dump_entry(const struct evkv_simple_entry *entry, void *arg)
{
	FILE *out = arg;

	simple_dump_bytes(out, entry->collection);
	putc(' ', out);
	simple_dump_bytes(out, entry->key);
	fputs(" = ", out);
	simple_dump_bytes(out, entry->value);
	if (entry->ttl_ms < 0)
		fputs(" expired", out);
	else if (entry->ttl_ms != EVKV_TTL_NONE)
		fprintf(out, " ttl=%lldms", (long long)entry->ttl_ms);
	putc('\n', out);
	return !ferror(out);
}

bool evkv_simple_dump(struct evkv_store *store, FILE *out)
{
	return evkv_simple_each(store, simple_dump_entry, out) && !ferror(out);
}
