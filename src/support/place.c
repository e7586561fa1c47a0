/*
 * support/place.c - names of one level as those of the level below, which have
 * a head before them.
 *
 * What selects names goes down as the longest literal head that is known, and,
 * where there is a pattern, as that pattern behind a '?' for each byte of the
 * head: no byte of a head can be taken for a part of a pattern.
 */
#include <string.h>

#include "core/op.h"
#include "support/wrapper.h"

/* ---- Keys ---------------------------------------------------------------- */

static char *append(char *to, struct evkv_slice bytes)
{
	if (bytes.size > 0)
		memcpy(to, bytes.data, bytes.size);
	return to + bytes.size;
}

bool evkv__wrapper_keys(struct evkv_op *op, struct evkv_slice head,
    const struct evkv_request *request, struct evkv_request *derived)
{
	size_t count = request->count, size = count * head.size, i;
	struct evkv_slice *keys;
	char *at, *from;

	for (i = 0; i < count; i++)
		size += request->keys[i].size;
	keys = evkv_op_alloc(op, count * sizeof(*keys) + size);
	if (keys == NULL)
		return false;
	at = (char *)(keys + count);
	for (i = 0; i < count; i++) {
		from = at;
		at = append(append(at, head), request->keys[i]);
		keys[i] = evkv_bytes(from, (size_t)(at - from));
	}
	derived->keys = keys;
	return true;
}

/* ---- What selects names -------------------------------------------------- */

/* Whether a pattern is "" or stars alone: every name matches. */
static bool matches_all(struct evkv_slice pattern)
{
	const char *bytes = pattern.data;
	size_t i;

	for (i = 0; i < pattern.size; i++) {
		if (bytes[i] != '*')
			return false;
	}
	return true;
}

/* The prefix, or the pattern's literal head where that says more. */
static struct evkv_slice literal_head(const struct evkv_match *match,
    char *buffer)
{
	struct evkv_slice head = evkv_match_head(match, buffer);

	if (head.size >= match->prefix.size &&
	    (match->prefix.size == 0 ||
		memcmp(head.data, match->prefix.data, match->prefix.size) == 0))
		return head;
	return match->prefix;
}

static bool make_pattern(struct evkv_op *op, size_t skip,
    struct evkv_slice pattern, struct evkv_slice *made)
{
	char *bytes;

	if (skip + pattern.size > EVKV_PATTERN_MAX) {
		evkv_op_failf(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "pattern: with the %zu bytes that %s has before it, it has "
		    "more than %d bytes",
		    skip, evkv__op_top(op)->store->vtable->name,
		    EVKV_PATTERN_MAX);
		return false;
	}
	bytes = evkv_op_alloc(op, skip + pattern.size);
	if (bytes == NULL) {
		evkv_op_nomem(op);
		return false;
	}
	memset(bytes, '?', skip);
	append(bytes + skip, pattern);
	*made = evkv_bytes(bytes, skip + pattern.size);
	return true;
}

/*
 * Every pattern but stars alone has an element that takes a byte, so that only
 * those could match the empty name: they become "at least one byte".
 */
bool evkv__wrapper_match(struct evkv_op *op, struct evkv_slice head, bool some,
    const struct evkv_match *match, struct evkv_match *inner)
{
	char buffer[EVKV_PATTERN_MAX], *bytes;
	struct evkv_slice literal = literal_head(match, buffer);
	struct evkv_slice pattern = match->pattern;

	bytes = evkv_op_alloc(op, head.size + literal.size);
	if (bytes == NULL) {
		evkv_op_nomem(op);
		return false;
	}
	append(append(bytes, head), literal);
	inner->prefix = evkv_bytes(bytes, head.size + literal.size);
	inner->pattern = evkv_bytes(NULL, 0);
	if (matches_all(pattern))
		pattern = some && literal.size == 0 ? EVKV_LIT("?*")
						    : EVKV_LIT("");
	return pattern.size == 0 ||
	    make_pattern(op, head.size, pattern, &inner->pattern);
}
