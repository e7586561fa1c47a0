/**
 * @file
 * Some collections in other stores.
 *
 *     store = evkv_routing_new(evkv_open(loop, "disk:/var/data", &error),
 *         &(struct evkv_routing_options){
 *             .routes = (struct evkv_route[]){
 *                 { EVKV_LIT("sessions*"), evkv_memory_new(loop, NULL,
 *                     &error) } },
 *             .route_count = 1 }, &error);
 *
 * The first route whose pattern matches the name of a collection tells the
 * store that has it; what no route matches is in the store that comes first,
 * the rest. What is about one collection goes to its store alone. What is about
 * all of them goes to all stores, each of which is asked for the collections
 * that are routed to it: others that it may have are neither told nor cleared.
 *
 * In a text the stores stand in the parentheses, and `routes` has one pattern
 * for each, in order, separated by blanks:
 * "disk:/var/data | routing(memory:, simple:, routes=\"sessions* counts\")".
 */
#ifndef EVKV_WRAPPERS_ROUTING_H
#define EVKV_WRAPPERS_ROUTING_H

#include "evkv/slice.h"
#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** The most routes; a text may have 15. */
#define EVKV_ROUTING_MAX 64

/** Where some collections are. */
struct evkv_route {
	/**
	 * which: a name, or a glob pattern (docs/patterns.md), in which a
	 * backslash makes a byte stand for itself; not empty. Copied
	 */
	struct evkv_slice pattern;
	/** where they are; consumed. Each route has a store of its own */
	struct evkv_store *store;
};

/** The routes. */
struct evkv_routing_options {
	/** the first that matches counts; borrowed for the call */
	const struct evkv_route *routes;
	/** how many there are, 1 to EVKV_ROUTING_MAX */
	size_t route_count;
	/** sizeof(struct evkv_route), filled in by evkv_routing_new() */
	size_t route_size;
};

/** evkv_routing_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_routing_new_sized(struct evkv_store *rest,
    const struct evkv_routing_options *options, size_t size,
    struct evkv_error *error);

/**
 * Put some collections into other stores. What the whole can do is what all of
 * the stores can, and its state is the worst of theirs. May be called in a
 * callback.
 * @param rest     has the collections that no route matches; consumed, also on
 *                 failure, as are the stores of the routes; where one of them
 *                 is NULL, so is the result
 * @param options  the routes; copied. NULL is INVALID
 * @param error    filled where NULL is returned: INVALID (no route, too many, a
 *                 pattern that is empty or malformed, a store twice, different
 *                 loops) or NOMEM
 * @return the caller's reference
 */
static inline struct evkv_store *evkv_routing_new(struct evkv_store *rest,
    const struct evkv_routing_options *options, struct evkv_error *error)
{
	struct evkv_routing_options sized = { NULL, 0, 0 };

	if (options != NULL)
		sized = *options;
	sized.route_size = sizeof(struct evkv_route);
	return evkv_routing_new_sized(rest, &sized, sizeof(sized), error);
}

EVKV_END_DECLS

#endif
