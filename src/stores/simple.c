/*
 * The simple store: every entry in one skip list, in byte order of collection
 * and key. For tests: nothing is bounded, everything can be looked at.
 *
 * It answers each op at once, inside submit, entry by entry. What can fail is
 * memory for a new entry: that entry of a put is NOMEM, and what was stored
 * under its key is still there. An expired entry is absent for every op from
 * the microsecond on at which it expires, and its memory is given back by the
 * first op that comes across it, or by cull.
 */
#include "evkv/stores/simple.h"

#include <string.h>

#include "evkv/driver.h"

#define SIMPLE_LEVELS 16 /* enough for 4^16 entries */
#define SIMPLE_PAGE 1000
#define SIMPLE_NEVER INT64_MAX

/*
 * One entry. It is in the lists of the levels 0 to height - 1; the list of
 * level 0 has all entries, each higher one about a quarter of those below.
 */
struct simple_entry {
	struct evkv_slice collection; /* both lie behind the links */
	struct evkv_slice key;
	struct evkv_value *value;
	int64_t expires_us; /* monotonic; SIMPLE_NEVER */
	int height;
	struct simple_entry *next[];
};

struct simple {
	struct evkv_loop *loop;
	struct simple_entry *first[SIMPLE_LEVELS];
	size_t entries;
	size_t bytes; /* of collections, keys and values */
};

/* Where an entry is or would be: the link to it on every level. */
struct simple_place {
	struct simple_entry **link[SIMPLE_LEVELS];
};

/* Which entries a place is in front of. */
enum simple_bound {
	SIMPLE_FROM,     /* those from (collection, key) on */
	SIMPLE_AFTER,    /* those after (collection, key) */
	SIMPLE_AFTER_ALL /* those of the collections after this one */
};

static int simple_compare(struct evkv_slice a, struct evkv_slice b)
{
	size_t size = a.size < b.size ? a.size : b.size;
	int order = size > 0 ? memcmp(a.data, b.data, size) : 0;

	return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static bool simple_before(const struct simple_entry *entry,
    struct evkv_slice collection, struct evkv_slice key,
    enum simple_bound bound)
{
	int order = simple_compare(entry->collection, collection);

	if (order == 0 && bound == SIMPLE_AFTER_ALL)
		return true;
	if (order == 0)
		order = simple_compare(entry->key, key);
	return bound == SIMPLE_AFTER ? order <= 0 : order < 0;
}

/*
 * Find the place of a bound: on each level, from the highest down, as far as
 * entries are before it. Returns the entry behind it, or NULL.
 */
static struct simple_entry *simple_find(struct simple *self,
    struct evkv_slice collection, struct evkv_slice key,
    enum simple_bound bound, struct simple_place *place)
{
	struct simple_entry **links = self->first;
	int level;

	for (level = SIMPLE_LEVELS - 1; level >= 0; level--) {
		while (links[level] != NULL &&
		    simple_before(links[level], collection, key, bound))
			links = links[level]->next;
		place->link[level] = &links[level];
	}
	return *place->link[0];
}

/* Take the entry behind `place` out, and free it; the place stays valid. */
static void simple_remove(struct simple *self, struct simple_place *place)
{
	struct simple_entry *entry = *place->link[0];
	int level;

	for (level = 0; level < entry->height; level++)
		*place->link[level] = entry->next[level];
	self->entries--;
	self->bytes -= entry->collection.size + entry->key.size +
	    evkv_value_bytes(entry->value).size;
	evkv_value_unref(entry->value);
	evkv_free(entry);
}

static bool simple_expired(
    struct simple *self, const struct simple_entry *entry)
{
	return evkv_loop_now_us(self->loop) >= entry->expires_us;
}

/* The live entry of a key, or NULL; `place` is where it is or would be. */
static struct simple_entry *simple_get(struct simple *self,
    struct evkv_slice collection, struct evkv_slice key,
    struct simple_place *place)
{
	struct simple_entry *entry;

	entry = simple_find(self, collection, key, SIMPLE_FROM, place);
	if (entry == NULL || !evkv_slice_equal(entry->collection, collection) ||
	    !evkv_slice_equal(entry->key, key))
		return NULL;
	if (!simple_expired(self, entry))
		return entry;
	simple_remove(self, place);
	return NULL;
}

/* A new entry at `place`, without a value; NULL = no memory. */
static struct simple_entry *simple_insert(struct simple *self,
    struct evkv_slice collection, struct evkv_slice key,
    struct simple_place *place)
{
	uint64_t random = evkv_loop_random(self->loop);
	struct simple_entry *entry;
	size_t links;
	char *bytes;
	int height = 1, level;

	while (height < SIMPLE_LEVELS && (random & 3) == 0) {
		random >>= 2;
		height++;
	}
	links = (size_t)height * sizeof(entry->next[0]);
	entry = evkv_malloc(
	    sizeof(*entry) + links + collection.size + key.size);
	if (entry == NULL)
		return NULL;

	bytes = (char *)entry->next + links;
	if (collection.size > 0)
		memcpy(bytes, collection.data, collection.size);
	memcpy(bytes + collection.size, key.data, key.size);
	entry->collection = evkv_bytes(bytes, collection.size);
	entry->key = evkv_bytes(bytes + collection.size, key.size);
	entry->value = NULL;
	entry->height = height;
	for (level = 0; level < height; level++) {
		entry->next[level] = *place->link[level];
		*place->link[level] = entry;
	}
	self->entries++;
	self->bytes += collection.size + key.size;
	return entry;
}

static int64_t simple_expiry(
    struct simple *self, const struct evkv_request *request, size_t i)
{
	int64_t ttl_ms = request->ttls_ms != NULL ? request->ttls_ms[i]
						  : request->ttl_ms;

	if (ttl_ms == EVKV_TTL_NONE)
		return SIMPLE_NEVER;
	return evkv_loop_now_us(self->loop) + ttl_ms * 1000;
}

/* What remains, rounded up: at least 1 for an entry that is not expired. */
static int64_t simple_ttl_ms(
    struct simple *self, const struct simple_entry *entry)
{
	int64_t left_us;

	if (entry->expires_us == SIMPLE_NEVER)
		return EVKV_TTL_NONE;
	left_us = entry->expires_us - evkv_loop_now_us(self->loop);
	return left_us > 0 ? (left_us + 999) / 1000 : -1;
}

static enum evkv_status simple_put(
    struct simple *self, const struct evkv_request *request, size_t i)
{
	struct simple_place place;
	struct simple_entry *entry;
	struct evkv_value *value;

	entry = simple_get(self, request->collection, request->keys[i], &place);
	if (entry != NULL && request->condition == EVKV_IF_ABSENT)
		return EVKV_EXISTS;
	if (entry == NULL && request->condition == EVKV_IF_PRESENT)
		return EVKV_NOT_FOUND;

	if (request->counted_values != NULL)
		value = evkv_value_ref(request->counted_values[i]);
	else
		value = evkv_value_new(request->values[i]);
	if (value == NULL)
		return EVKV_NOMEM;
	if (entry == NULL) {
		entry = simple_insert(
		    self, request->collection, request->keys[i], &place);
		if (entry == NULL) {
			evkv_value_unref(value);
			return EVKV_NOMEM;
		}
	}
	self->bytes += evkv_value_bytes(value).size;
	self->bytes -= evkv_value_bytes(entry->value).size;
	evkv_value_unref(entry->value);
	entry->value = value;
	entry->expires_us = simple_expiry(self, request, i);
	return EVKV_OK;
}

/* One key of a request that has keys. */
static void simple_key(struct simple *self, struct evkv_op *op,
    const struct evkv_request *request, size_t i)
{
	struct evkv_entry *answer = &evkv_op_entries(op)[i];
	struct simple_place place;
	struct simple_entry *entry;

	if (request->kind == EVKV_PUT) {
		answer->status = simple_put(self, request, i);
		if (answer->status == EVKV_NOMEM)
			evkv_op_explain(op, EVKV_CAUSE_NOMEM, 0, NULL);
		return;
	}
	entry = simple_get(self, request->collection, request->keys[i], &place);
	if (entry == NULL) {
		answer->status = EVKV_NOT_FOUND;
		return;
	}
	switch (request->kind) {
	case EVKV_TTL:
		answer->ttl_ms = simple_ttl_ms(self, entry);
		/* fall through */
	case EVKV_GET:
		evkv_op_give_value(op, i, evkv_value_ref(entry->value));
		break;
	case EVKV_DELETE: simple_remove(self, &place); break;
	case EVKV_TOUCH:
		entry->expires_us = simple_expiry(self, request, i);
		break;
	default: /* EVKV_HAS: it is there */ break;
	}
}

/* Whether a live name is one that a request for names or a clear is about. */
static bool simple_wanted(
    const struct evkv_request *request, struct evkv_slice name)
{
	return evkv_match(request->match_prefix, request->pattern, name);
}

/*
 * Add a name to the page. When the page is full, set the cursor instead, whose
 * position is the last name of the page. False: the page is done.
 */
static bool simple_page_add(struct evkv_op *op,
    const struct evkv_request *request, struct evkv_slice *last, size_t *count,
    struct evkv_slice name)
{
	if (*count == (request->limit != 0 ? request->limit : SIMPLE_PAGE)) {
		evkv_op_set_position(op, "simple", *last);
		return false;
	}
	(*count)++;
	*last = name;
	return evkv_op_add_name(op, name);
}

static enum evkv_verdict simple_keys(
    struct simple *self, struct evkv_op *op, const struct evkv_request *request)
{
	char buffer[EVKV_PATTERN_MAX];
	struct evkv_slice head = evkv_request_head(request, buffer);
	struct evkv_slice position, last = { NULL, 0 };
	struct simple_place place;
	struct simple_entry *entry;
	size_t count = 0;

	if (!evkv_cursor_open(request, "simple", &position))
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "cursor: not one of this query");
	if (request->cursor.size > 0)
		entry = simple_find(
		    self, request->collection, position, SIMPLE_AFTER, &place);
	else
		entry = simple_find(
		    self, request->collection, head, SIMPLE_FROM, &place);
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
	return EVKV_DONE;
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

static enum evkv_verdict simple_collections(
    struct simple *self, struct evkv_op *op, const struct evkv_request *request)
{
	struct evkv_slice position, last = { NULL, 0 };
	struct simple_place place;
	struct simple_entry *entry = self->first[0];
	size_t count = 0;

	if (!evkv_cursor_open(request, "simple", &position))
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "cursor: not one of this query");
	if (request->cursor.size > 0)
		entry = simple_find(
		    self, position, evkv_str(NULL), SIMPLE_AFTER_ALL, &place);
	while (entry != NULL) {
		if (simple_wanted(request, entry->collection) &&
		    simple_lives(self, entry) &&
		    !simple_page_add(
			op, request, &last, &count, entry->collection))
			break;
		entry = simple_find(self, entry->collection, evkv_str(NULL),
		    SIMPLE_AFTER_ALL, &place);
	}
	return EVKV_DONE;
}

/* Whether a clear, a destroy or a cull is about an entry. */
static bool simple_doomed(
    const struct evkv_request *request, const struct simple_entry *entry)
{
	switch (request->kind) {
	case EVKV_CLEAR:
		return evkv_slice_equal(
			   entry->collection, request->collection) &&
		    simple_wanted(request, entry->key);
	case EVKV_DESTROY: return simple_wanted(request, entry->collection);
	default: /* EVKV_CULL: only what has expired */ return false;
	}
}

/* Go through everything; what has expired goes as well, but is not counted. */
static enum evkv_verdict simple_sweep(
    struct simple *self, struct evkv_op *op, const struct evkv_request *request)
{
	struct simple_place place;
	struct simple_entry *entry;
	int64_t affected = 0;
	bool expired;
	int level;

	for (level = 0; level < SIMPLE_LEVELS; level++)
		place.link[level] = &self->first[level];
	while ((entry = *place.link[0]) != NULL) {
		expired = simple_expired(self, entry);
		if (expired || simple_doomed(request, entry)) {
			affected += expired == (request->kind == EVKV_CULL);
			simple_remove(self, &place);
			continue;
		}
		for (level = 0; level < entry->height; level++)
			place.link[level] = &entry->next[level];
	}
	evkv_op_set_affected(op, affected);
	return EVKV_DONE;
}

static enum evkv_verdict simple_submit(
    void *arg, struct evkv_op *op, const struct evkv_request *request)
{
	struct simple *self = arg;
	size_t i;

	switch (request->kind) {
	case EVKV_GET:
	case EVKV_TTL:
	case EVKV_PUT:
	case EVKV_DELETE:
	case EVKV_HAS:
	case EVKV_TOUCH:
		for (i = 0; i < request->count; i++)
			simple_key(self, op, request, i);
		return EVKV_DONE;
	case EVKV_KEYS: return simple_keys(self, op, request);
	case EVKV_COLLECTIONS: return simple_collections(self, op, request);
	case EVKV_CLEAR:
	case EVKV_DESTROY:
	case EVKV_CULL: return simple_sweep(self, op, request);
	case EVKV_PING:
	case EVKV_SYNC:
	case EVKV_COMPACT: return EVKV_DONE;
	default: return evkv_op_unsupported(op);
	}
}

static void simple_free(void *arg)
{
	struct simple *self = arg;
	struct simple_entry *entry;

	if (self == NULL)
		return;
	while ((entry = self->first[0]) != NULL) {
		self->first[0] = entry->next[0];
		evkv_value_unref(entry->value);
		evkv_free(entry);
	}
	evkv_free(self);
}

static void simple_counters(void *arg, struct evkv_counters *counters)
{
	struct simple *self = arg;

	counters->entries += self->entries;
	counters->bytes += self->bytes;
}

static const struct evkv_vtable simple_vtable = {
	.size = sizeof(simple_vtable),
	.name = "simple",
	.submit = simple_submit,
	.free = simple_free,
	.counters = simple_counters,
};

static const struct evkv_capabilities simple_capabilities = {
	.kinds = EVKV_KINDS_ALL,
	.flags = EVKV_STORE_KEY_ORDER | EVKV_STORE_ATOMIC_CONDITION |
	    EVKV_STORE_ENUM_UNIQUE | EVKV_STORE_EXACT_AFFECTED |
	    EVKV_STORE_IN_PROCESS,
	.max_key = EVKV_KEY_MAX,
	.max_value = EVKV_VALUE_MAX,
	.ttl_unit_ms = 1,
};

struct evkv_store *evkv_simple_new(
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct simple *self = evkv_calloc(1, sizeof(*self));

	if (self != NULL)
		self->loop = loop;
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
	for (entry = self->first[0]; entry != NULL; entry = entry->next[0]) {
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
