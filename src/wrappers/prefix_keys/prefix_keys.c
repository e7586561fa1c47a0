/*
 * Every key gets a prefix in the inner store.
 *
 * What names keys is forwarded with the prefix before each key, and its answer
 * needs no change. keys and clear are forwarded with the prefix before the
 * literal head and the pattern, and keys' names are stripped on the way up; a
 * name without the prefix is somebody else's and is dropped. So is the inner
 * key that is the prefix alone: through this wrapper it would be the empty key,
 * which nobody can write, and so clear must not remove it.
 *
 * collections and clear_all are work of several steps: prefix_keys_walk.c. purge_expired,
 * ping, sync and compact are forwarded as they are.
 *
 * A failure of the inner store goes up unchanged. A pattern that is too long
 * with the prefix before it is INVALID.
 */
#include "evkv/wrappers/prefix_keys.h"

#include <string.h>

#include "wrappers/prefix_keys/prefix_keys.h"

/* ---- One-to-one kinds --------------------------------------------------- */

static bool prefix_keys_join(struct evkv_op *op, struct evkv_slice a,
    struct evkv_slice b, struct evkv_slice *joined)
{
	char *bytes = evkv_op_alloc(op, a.size + b.size);

	if (bytes == NULL)
		return false;
	memcpy(bytes, a.data, a.size);
	if (b.size > 0)
		memcpy(bytes + a.size, b.data, b.size);
	*joined = evkv_bytes(bytes, a.size + b.size);
	return true;
}

static enum evkv_verdict prefix_keys_keyed(struct prefix_keys *self,
    struct evkv_op *op, const struct evkv_request *request)
{
	struct evkv_request *derived = evkv_op_derive(op, request);
	size_t count = request->count, size = 0, i;
	struct evkv_slice *keys;
	char *bytes;

	for (i = 0; i < count; i++)
		size += self->prefix.size + request->keys[i].size;
	keys = evkv_op_alloc(op, count * sizeof(*keys) + size);
	if (derived == NULL || keys == NULL)
		return evkv_op_nomem(op);

	bytes = (char *)(keys + count);
	for (i = 0; i < count; i++) {
		size = self->prefix.size + request->keys[i].size;
		memcpy(bytes, self->prefix.data, self->prefix.size);
		memcpy(bytes + self->prefix.size, request->keys[i].data,
		    request->keys[i].size);
		keys[i] = evkv_bytes(bytes, size);
		bytes += size;
	}
	derived->keys = keys;
	return evkv_op_forward(op, self->inner, derived);
}

/* Whether a pattern is "" or stars alone: every name matches. */
static bool prefix_keys_matches_all(struct evkv_slice pattern)
{
	const char *bytes = pattern.data;
	size_t i;

	for (i = 0; i < pattern.size; i++) {
		if (bytes[i] != '*')
			return false;
	}
	return true;
}

/*
 * Make a request for names that match into one for the inner names. Every
 * pattern but stars alone has an element that takes a byte, so that only those
 * could match the empty key: they become "at least one byte".
 */
static enum evkv_verdict prefix_keys_matching(struct prefix_keys *self,
    struct evkv_op *op, const struct evkv_request *request)
{
	struct evkv_request *derived = evkv_op_derive(op, request);
	struct evkv_slice pattern = request->match.pattern;

	if (prefix_keys_matches_all(pattern))
		pattern = request->match.prefix.size == 0 ? EVKV_LIT("?*")
							  : EVKV_LIT("");
	if (pattern.size > 0 &&
	    self->escaped.size + pattern.size > EVKV_PATTERN_MAX)
		return evkv_op_failf(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "pattern: with the prefix before it, it has more than %d "
		    "bytes",
		    EVKV_PATTERN_MAX);
	if (derived == NULL ||
	    !prefix_keys_join(op, self->prefix, request->match.prefix,
		&derived->match.prefix))
		return evkv_op_nomem(op);
	derived->match.pattern = pattern;
	if (pattern.size > 0 &&
	    !prefix_keys_join(op, self->escaped, pattern,
		&derived->match.pattern))
		return evkv_op_nomem(op);
	return evkv_op_forward(op, self->inner, derived);
}

/* ---- The slots ---------------------------------------------------------- */

static enum evkv_verdict prefix_keys_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct prefix_keys *self = arg;

	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_HAS_KEYS) != 0)
		return prefix_keys_keyed(self, op, request);
	switch (request->kind) {
	case EVKV_OP_KEYS:
	case EVKV_OP_CLEAR: return prefix_keys_matching(self, op, request);
	case EVKV_OP_COLLECTIONS:
	case EVKV_OP_CLEAR_ALL: return evkv__prefix_keys_walk(self, op);
	default: /* purge_expired, ping, sync, compact */
		return evkv_op_forward(op, self->inner, request);
	}
}

static void prefix_keys_complete(void *arg, struct evkv_op *op)
{
	struct prefix_keys *self = arg;
	size_t prefix = self->prefix.size, count, kept = 0, i;
	struct evkv_slice name;

	if (evkv_op_result(op)->kind != EVKV_OP_KEYS)
		return;
	count = evkv_op_entry_count(op);
	for (i = 0; i < count; i++) {
		name = evkv_op_entry(op, i)->name;
		if (name.size <= prefix ||
		    memcmp(name.data, self->prefix.data, prefix) != 0)
			continue;
		evkv_op_entry(op, kept++)
		    ->name = evkv_bytes((const char *)name.data + prefix,
		    name.size - prefix);
	}
	evkv_op_keep_names(op, kept);
}

static void prefix_keys_free(void *self)
{
	evkv_free(self);
}

static const struct evkv_vtable prefix_keys_vtable = {
	.size = sizeof(prefix_keys_vtable),
	.name = "prefix_keys",
	.kinds = EVKV_KINDS_BASIC,
	.conditions = EVKV_IF_BASIC,
	.submit = prefix_keys_submit,
	.complete = prefix_keys_complete,
	.free = prefix_keys_free,
};

/* ---- Making ------------------------------------------------------------- */

/* What the inner store can, with shorter keys; less where kinds are missing. */
static struct evkv_capabilities prefix_keys_capabilities(
    const struct evkv_store *inner, size_t prefix)
{
	struct evkv_capabilities can = *evkv_store_capabilities(inner);
	uint32_t pages = EVKV_KIND_BIT(EVKV_OP_COLLECTIONS);

	can.max_key -= prefix;
	if ((can.kinds & pages) == 0 ||
	    (can.kinds & EVKV_KIND_BIT(EVKV_OP_CLEAR)) == 0)
		can.kinds &= ~EVKV_KIND_BIT(EVKV_OP_CLEAR_ALL);
	if ((can.kinds & EVKV_KIND_BIT(EVKV_OP_KEYS)) == 0)
		can.kinds &= ~pages;
	return can;
}

static struct prefix_keys *prefix_keys_self(struct evkv_store *inner,
    struct evkv_slice prefix)
{
	const char *from = prefix.data;
	struct prefix_keys *self;
	char *to;
	size_t i;

	self = evkv_malloc(sizeof(*self) + 3 * prefix.size);
	if (self == NULL)
		return NULL;
	self->inner = inner;
	self->prefix = evkv_bytes(self->bytes, prefix.size);
	memcpy(self->bytes, prefix.data, prefix.size);
	to = self->bytes + prefix.size;
	for (i = 0; i < prefix.size; i++) {
		if (memchr("*?[\\", from[i], 4) != NULL)
			*to++ = '\\';
		*to++ = from[i];
	}
	self->escaped = evkv_bytes(self->bytes + prefix.size,
	    (size_t)(to - self->bytes) - prefix.size);
	return self;
}

static bool prefix_keys_check(struct evkv_slice prefix, size_t max_key,
    struct evkv_error *error)
{
	size_t most = max_key - 1 < PREFIX_KEYS_MAX ? max_key - 1
						    : PREFIX_KEYS_MAX;

	if (prefix.data == NULL && prefix.size > 0) {
		evkv_error_set(error, EVKV_INVALID,
		    "prefix_keys: the prefix is NULL but has a size");
		return false;
	}
	if (prefix.size >= 1 && prefix.size <= most)
		return true;
	evkv_error_set(error, EVKV_INVALID,
	    "prefix_keys: the prefix has %zu bytes; it must have 1 to %zu",
	    prefix.size, most);
	return false;
}

struct evkv_store *evkv_prefix_keys_new(struct evkv_store *inner,
    struct evkv_slice prefix, struct evkv_error *error)
{
	struct evkv_capabilities can;

	if (inner == NULL) {
		evkv_error_set(error, EVKV_INVALID,
		    "prefix_keys: the inner store is NULL");
		return NULL;
	}
	if (!prefix_keys_check(prefix, evkv_store_capabilities(inner)->max_key,
		error)) {
		evkv_store_unref(inner);
		return NULL;
	}
	can = prefix_keys_capabilities(inner, prefix.size);
	return evkv_store_create(NULL, &prefix_keys_vtable,
	    prefix_keys_self(inner, prefix),
	    &(struct evkv_store_config){
		.capabilities = &can,
		.inner = &inner,
		.inner_count = 1,
		.state = evkv_store_state(inner),
	    },
	    error);
}
