/*
 * core/check.c - what bad input gets: INVALID, with a message that says which
 * argument and why, before anything else happens.
 */
#include "core/core.h"

static bool bad(struct evkv_op *op, const char *message)
{
	evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE, message);
	return false;
}

static bool slice_ok(struct evkv_slice slice)
{
	return slice.data != NULL || slice.size == 0;
}

static bool check_key(struct evkv_op *op, struct evkv_slice key, size_t i)
{
	if (key.size - 1 < EVKV_KEY_MAX && key.data != NULL)
		return true;
	if (key.size == 0)
		evkv_op_failf(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "keys[%zu] is empty; a key has 1 to %d bytes", i,
		    EVKV_KEY_MAX);
	else if (key.data == NULL)
		evkv_op_failf(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "keys[%zu] is NULL", i);
	else
		evkv_op_failf(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "keys[%zu] has %zu bytes; a key has 1 to %d", i, key.size,
		    EVKV_KEY_MAX);
	return false;
}

static bool check_keys(struct evkv_op *op, const struct evkv_request *request)
{
	size_t i;

	if (request->count > 0 && request->keys == NULL)
		return bad(op, "keys is NULL although count is not 0");
	if (request->count > INT32_MAX)
		return evkv_op_failf(op, EVKV_INVALID, EVKV_CAUSE_NONE,
			   "count is %zu; it is at most %d", request->count,
			   INT32_MAX),
		       false;
	for (i = 0; i < request->count; i++) {
		if (!check_key(op, request->keys[i], i))
			return false;
	}
	return true;
}

static bool check_values(struct evkv_op *op, const struct evkv_request *request)
{
	size_t i;

	if (request->count == 0)
		return true;
	if ((request->values == NULL) == (request->counted_values == NULL))
		return bad(op,
		    "exactly one of values and counted_values must be given");
	for (i = 0; i < request->count; i++) {
		if (request->counted_values != NULL) {
			if (request->counted_values[i] == NULL)
				return evkv_op_failf(op, EVKV_INVALID,
					   EVKV_CAUSE_NONE,
					   "counted_values[%zu] is NULL", i),
				       false;
		} else if (!slice_ok(request->values[i])) {
			return evkv_op_failf(op, EVKV_INVALID, EVKV_CAUSE_NONE,
				   "values[%zu] is NULL but has a size", i),
			       false;
		} else if (request->values[i].size > EVKV_VALUE_MAX) {
			return evkv_op_failf(op, EVKV_INVALID, EVKV_CAUSE_NONE,
				   "values[%zu] is over %zu bytes", i,
				   EVKV_VALUE_MAX),
			       false;
		}
	}
	return true;
}

static bool check_ttl(struct evkv_op *op, int64_t ttl_ms, const char *name)
{
	if (ttl_ms >= 0 && ttl_ms <= EVKV_TTL_MAX)
		return true;
	evkv_op_failf(op, EVKV_INVALID, EVKV_CAUSE_NONE,
	    "%s is %lld; a TTL is 0 (none) to 100 years in milliseconds", name,
	    (long long)ttl_ms);
	return false;
}

static bool check_ttls(struct evkv_op *op, const struct evkv_request *request)
{
	char name[40];
	size_t i;

	if (!check_ttl(op, request->ttl_ms, "ttl_ms"))
		return false;
	if (request->ttls_ms == NULL)
		return true;
	for (i = 0; i < request->count; i++) {
		if (request->ttls_ms[i] >= 0 &&
		    request->ttls_ms[i] <= EVKV_TTL_MAX)
			continue;
		snprintf(name, sizeof(name), "ttls_ms[%zu]", i);
		return check_ttl(op, request->ttls_ms[i], name);
	}
	return true;
}

/* What only kinds that page or match take. */
static bool check_matching(struct evkv_op *op,
    const struct evkv_request *request, uint32_t classes)
{
	const char *why;

	if (request->match.prefix.size > 0 || request->match.pattern.size > 0) {
		if ((classes & EVKV_CLASS_SPANS) == 0 ||
		    request->kind == EVKV_OP_PURGE_EXPIRED)
			return bad(op,
			    "match.prefix and pattern are for keys, "
			    "collections, clear and clear_all");
		if (!slice_ok(request->match.prefix))
			return bad(op, "match.prefix is NULL but has a size");
		if (request->match.prefix.size > EVKV_KEY_MAX)
			return bad(op, "match.prefix is over 65535 bytes");
		if (request->match.pattern.data == NULL &&
		    request->match.pattern.size > 0)
			return bad(op, "pattern is NULL but has a size");
		if (!evkv_pattern_check(request->match.pattern, &why))
			return evkv_op_failf(op, EVKV_INVALID, EVKV_CAUSE_NONE,
				   "pattern: %s", why),
			       false;
	}
	if (request->match.cursor.size == 0 && request->match.limit == 0)
		return true;
	if ((classes & EVKV_CLASS_PAGES) == 0)
		return bad(op, "cursor and limit are for keys and collections");
	if (!slice_ok(request->match.cursor))
		return bad(op, "cursor is NULL but has a size");
	if (request->match.cursor.size > EVKV_CURSOR_MAX)
		return bad(op,
		    "cursor is longer than any that evkv gives (66559 bytes)");
	return true;
}

static bool check_collection(struct evkv_op *op, struct evkv_slice collection,
    uint32_t classes)
{
	if (collection.size == 0)
		return true;
	if ((classes & EVKV_CLASS_COLLECTION) == 0)
		return bad(op,
		    "collection: kinds that are not about one take none");
	if (collection.data == NULL)
		return bad(op, "collection is NULL but has a size");
	if (collection.size > EVKV_COLLECTION_MAX)
		return evkv_op_failf(op, EVKV_INVALID, EVKV_CAUSE_NONE,
			   "collection has %zu bytes; a name has 0 to %d",
			   collection.size, EVKV_COLLECTION_MAX),
		       false;
	return true;
}

/* What is said to the caches of a stack. */
static bool check_cache_flags(struct evkv_op *op,
    const struct evkv_request *request)
{
	const uint32_t both = EVKV_FLAG_FRESH | EVKV_FLAG_CACHED_ONLY;
	bool looks = request->kind == EVKV_OP_GET ||
	    request->kind == EVKV_OP_EXISTS;

	if ((request->flags & EVKV_FLAG_FRESH) != 0 && !looks &&
	    request->kind != EVKV_OP_TTL)
		return bad(op, "EVKV_FLAG_FRESH is for get, exists and ttl");
	if ((request->flags & EVKV_FLAG_CACHED_ONLY) != 0 && !looks &&
	    request->kind != EVKV_OP_DELETE)
		return bad(op,
		    "EVKV_FLAG_CACHED_ONLY is for get, exists and delete");
	if ((request->flags & both) == both)
		return bad(op,
		    "EVKV_FLAG_FRESH and EVKV_FLAG_CACHED_ONLY exclude each "
		    "other");
	if ((request->flags & EVKV_FLAG_CACHED_ONLY) != 0 &&
	    ((request->flags & EVKV_FLAG_VERSIONS) != 0 ||
		request->condition != EVKV_IF_ANY))
		return bad(op,
		    "EVKV_FLAG_CACHED_ONLY goes with no versions and no "
		    "condition");
	if ((request->flags & EVKV_FLAG_SOFT) != 0 &&
	    (request->kind != EVKV_OP_DELETE ||
		(request->flags & EVKV_FLAG_CACHED_ONLY) == 0))
		return bad(op,
		    "EVKV_FLAG_SOFT is for delete with EVKV_FLAG_CACHED_ONLY");
	return true;
}

static bool check_flags(struct evkv_op *op, const struct evkv_request *request,
    uint32_t classes)
{
	const uint32_t known = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE |
	    EVKV_FLAG_WAIT_READY | EVKV_FLAG_VERSIONS | EVKV_FLAG_FRESH |
	    EVKV_FLAG_CACHED_ONLY | EVKV_FLAG_SOFT;

	if ((request->flags & ~known) != 0)
		return evkv_op_failf(op, EVKV_INVALID, EVKV_CAUSE_NONE,
			   "flags is 0x%x; only the bits 0x%x are known",
			   (unsigned)request->flags, (unsigned)known),
		       false;
	if ((request->flags & EVKV_FLAG_SINGLE) != 0 &&
	    ((classes & EVKV_CLASS_HAS_KEYS) == 0 || request->count != 1))
		return bad(op,
		    "EVKV_FLAG_SINGLE is for kinds with keys, and a count of "
		    "1");
	if ((request->flags & EVKV_FLAG_WAIT_READY) != 0 &&
	    request->kind != EVKV_OP_PING)
		return bad(op, "EVKV_FLAG_WAIT_READY is for ping");
	if ((request->flags & EVKV_FLAG_VERSIONS) != 0 &&
	    request->kind != EVKV_OP_GET && request->kind != EVKV_OP_TTL &&
	    request->kind != EVKV_OP_PUT && request->kind != EVKV_OP_INCR)
		return bad(op,
		    "EVKV_FLAG_VERSIONS is for get, ttl, put and incr");
	return check_cache_flags(op, request);
}

static bool check_unused(struct evkv_op *op, const struct evkv_request *request,
    uint32_t classes)
{
	if ((classes & EVKV_CLASS_HAS_KEYS) == 0 &&
	    (request->count != 0 || request->keys != NULL))
		return bad(op,
		    "keys and count: kinds that name no keys take none");
	if ((classes & EVKV_CLASS_HAS_VALUES) == 0 &&
	    (request->values != NULL || request->counted_values != NULL))
		return bad(op, "values are for put");
	if ((classes & EVKV_CLASS_HAS_CONDITION) == 0 &&
	    request->condition != EVKV_IF_ANY)
		return bad(op, "condition is for put, delete and touch");
	if ((classes & EVKV_CLASS_HAS_TTL) == 0 &&
	    (request->ttl_ms != 0 || request->ttls_ms != NULL))
		return bad(op,
		    "ttl_ms and ttls_ms are for put, touch and incr");
	if ((classes & EVKV_CLASS_HAS_DELTA) == 0 &&
	    (request->delta != 0 || request->deltas != NULL ||
		request->initial != 0))
		return bad(op, "delta, deltas and initial are for incr");
	return true;
}

/* What a condition goes with. */
static bool check_condition(struct evkv_op *op,
    const struct evkv_request *request)
{
	bool by_version = request->condition == EVKV_IF_VERSION;

	if (!by_version && request->condition != EVKV_IF_ANY &&
	    request->kind != EVKV_OP_PUT)
		return bad(op,
		    "condition: EVKV_IF_ABSENT and EVKV_IF_PRESENT are for "
		    "put");
	if (by_version && request->versions == NULL && request->count > 0)
		return bad(op,
		    "versions is NULL although the condition is "
		    "EVKV_IF_VERSION");
	if (!by_version && request->versions != NULL)
		return bad(op,
		    "versions are for the condition EVKV_IF_VERSION");
	return true;
}

bool evkv__request_check(struct evkv_op *op, const struct evkv_request *request)
{
	uint32_t classes = evkv_kind_classes(request->kind);

	if ((unsigned)request->kind >= EVKV_KIND_COUNT)
		return bad(op, "kind is not one of enum evkv_kind");
	if ((unsigned)request->condition >= EVKV_IF_COUNT)
		return bad(op, "condition is not one of enum evkv_condition");
	if (request->timeout_ms < -1)
		return evkv_op_failf(op, EVKV_INVALID, EVKV_CAUSE_NONE,
			   "timeout_ms is %lld; it is milliseconds, 0 (the "
			   "store's default) or -1 (none)",
			   (long long)request->timeout_ms),
		       false;
	if (!check_unused(op, request, classes) ||
	    !check_condition(op, request) ||
	    !check_flags(op, request, classes) ||
	    !check_collection(op, request->collection, classes) ||
	    !check_matching(op, request, classes))
		return false;
	if ((classes & EVKV_CLASS_HAS_KEYS) == 0)
		return true;
	if (!check_keys(op, request))
		return false;
	if ((classes & EVKV_CLASS_HAS_VALUES) != 0 &&
	    !check_values(op, request))
		return false;
	return (classes & EVKV_CLASS_HAS_TTL) == 0 || check_ttls(op, request);
}
