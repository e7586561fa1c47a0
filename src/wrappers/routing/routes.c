/*
 * wrappers/routing/routes.c - which store has a collection.
 *
 * All patterns are kept as one text, in which blanks separate them, so that the
 * store can be described; a blank in a pattern has a backslash there, which
 * means the same. The literal head of each is kept besides: a name is compared
 * with it, and a pattern is only tried on names that begin with it.
 */
#include <string.h>

#include "wrappers/routing/routing.h"

/* ---- Text --------------------------------------------------------------- */

bool evkv__routes_next(struct evkv_slice *text, struct evkv_slice *pattern)
{
	const char *bytes = text->data;
	size_t from = 0, to;

	while (from < text->size && bytes[from] == ' ')
		from++;
	for (to = from; to < text->size && bytes[to] != ' '; to++) {
		if (bytes[to] == '\\' && to + 1 < text->size)
			to++;
	}
	*pattern = evkv_bytes(bytes + from, to - from);
	*text = evkv_bytes(bytes + to, text->size - to);
	return pattern->size > 0;
}

/* With a backslash before each blank that has none; where it ends. */
static char *write_pattern(char *to, struct evkv_slice pattern)
{
	const char *bytes = pattern.data;
	size_t i;

	for (i = 0; i < pattern.size; i++) {
		if (bytes[i] == ' ')
			*to++ = '\\';
		*to++ = bytes[i];
		if (bytes[i] == '\\' && i + 1 < pattern.size)
			*to++ = bytes[++i];
	}
	return to;
}

/* ---- Patterns ----------------------------------------------------------- */

static bool is_exact(struct evkv_slice pattern)
{
	const char *bytes = pattern.data;
	size_t i;

	for (i = 0; i < pattern.size; i++) {
		if (bytes[i] == '\\')
			i++;
		else if (bytes[i] == '*' || bytes[i] == '?' || bytes[i] == '[')
			return false;
	}
	return true;
}

static bool route_matches(const struct route *route, struct evkv_slice name)
{
	return route->exact ? evkv_slice_equal(route->head, name)
			    : evkv_match(route->head, route->pattern, name);
}

static bool begins_with(struct evkv_slice name, struct evkv_slice head)
{
	return evkv_match(head, evkv_bytes(NULL, 0), name);
}

/* Whether a name might match both: in doubt, yes. */
static bool may_meet(const struct route *a, const struct route *b)
{
	if (a->exact)
		return route_matches(b, a->head);
	if (b->exact)
		return route_matches(a, b->head);
	return begins_with(a->head, b->head) || begins_with(b->head, a->head);
}

static bool is_alone(const struct routing *self, size_t i)
{
	size_t j;

	for (j = 0; j < i; j++) {
		if (may_meet(&self->routes[j], &self->routes[i]))
			return false;
	}
	return true;
}

/* The bytes of its head are written to `to`; where they end. */
static char *route_init(struct route *route, struct evkv_slice pattern,
    char *to)
{
	char buffer[EVKV_PATTERN_MAX];
	struct evkv_slice head;

	head = evkv_match_head(&(struct evkv_match){ .pattern = pattern },
	    buffer);
	if (head.size > 0)
		memcpy(to, head.data, head.size);
	route->pattern = pattern;
	route->head = evkv_bytes(to, head.size);
	route->exact = is_exact(pattern);
	return to + head.size;
}

/* Their sizes together, or 0 where one is none. */
static size_t check_patterns(const struct evkv_slice *patterns, size_t count,
    struct evkv_error *error)
{
	const char *why = NULL;
	size_t size = 0, i;

	for (i = 0; i < count; i++) {
		if (patterns[i].size == 0 || patterns[i].data == NULL)
			why = "it is empty";
		else if (evkv_pattern_check(patterns[i], &why))
			why = NULL;
		if (why != NULL) {
			evkv_error_set(error, EVKV_INVALID,
			    ROUTING_NAME ": the pattern of route %zu: %s",
			    i + 1, why);
			return 0;
		}
		size += patterns[i].size;
	}
	return size;
}

bool evkv__routes_init(struct routing *self, const struct evkv_slice *patterns,
    struct evkv_error *error)
{
	size_t count = self->store_count - 1, i;
	size_t size = check_patterns(patterns, count, error);
	char *from, *to, *heads;

	/* Each byte may get a backslash, each pattern a blank. */
	if (size > 0)
		self->bytes = evkv_malloc(3 * size + count);
	if (self->bytes == NULL)
		return false;
	to = self->bytes;
	heads = self->bytes + 2 * size + count;
	for (i = 0; i < count; i++) {
		if (i > 0)
			*to++ = ' ';
		from = to;
		to = write_pattern(to, patterns[i]);
		if (to - from > EVKV_PATTERN_MAX) {
			evkv_error_set(error, EVKV_INVALID,
			    ROUTING_NAME ": the pattern of route %zu is too "
					 "long",
			    i + 1);
			return false;
		}
		heads = route_init(&self->routes[i],
		    evkv_bytes(from, (size_t)(to - from)), heads);
		self->routes[i].alone = is_alone(self, i);
	}
	self->given.routes = evkv_bytes(self->bytes,
	    (size_t)(to - self->bytes));
	return true;
}

/* ---- Asking ------------------------------------------------------------- */

size_t evkv__routes_store(const struct routing *self,
    struct evkv_slice collection)
{
	size_t i;

	for (i = 1; i < self->store_count; i++) {
		if (route_matches(&self->routes[i - 1], collection))
			return i;
	}
	return 0;
}

struct evkv_match evkv__routes_match(const struct routing *self, size_t store,
    const struct evkv_match *match)
{
	struct evkv_match narrow = {
		.prefix = match->prefix,
		.pattern = match->pattern,
	};

	if (store > 0 && match->pattern.size == 0)
		narrow.pattern = self->routes[store - 1].pattern;
	return narrow;
}
