/*
 * wrappers/routing/routing.h - what the parts of routing share.
 */
#ifndef EVKV_WRAPPERS_ROUTING_ROUTING_H
#define EVKV_WRAPPERS_ROUTING_ROUTING_H

#include "evkv/driver.h"
#include "evkv/wrappers/routing.h"

#define ROUTING_NAME "routing"

/* What can be said in a text. */
struct routing_text {
	struct evkv_slice routes; /* patterns, separated by blanks */
};

struct route {
	struct evkv_slice pattern;
	struct evkv_slice head; /* the literal bytes that it begins with */
	bool exact;             /* it is nothing but its head: a name */
	bool alone;             /* no earlier route matches what it matches */
};

/* Store 0 is the rest; store i + 1 is that of route i. */
struct routing {
	struct evkv_store *stores[EVKV_ROUTING_MAX + 1];
	size_t store_count;
	struct route routes[EVKV_ROUTING_MAX];
	char *bytes; /* of the text and the heads */
	struct routing_text given;
};

/* Pattern after pattern of a text; false at its end. */
bool evkv__routes_next(struct evkv_slice *text, struct evkv_slice *pattern);

/* The patterns of the routes; the stores are filled in. */
bool evkv__routes_init(struct routing *self, const struct evkv_slice *patterns,
    struct evkv_error *error);

/* The number of the store that has a collection. */
size_t evkv__routes_store(const struct routing *self,
    struct evkv_slice collection);

/*
 * Which names to ask a store for: as few more than its own as one pattern can
 * say. Without the cursor and the limit.
 */
struct evkv_match evkv__routes_match(const struct routing *self, size_t store,
    const struct evkv_match *match);

/* COLLECTIONS. */
enum evkv_verdict evkv__routing_collections(struct routing *self,
    struct evkv_op *op);

/* CLEAR_ALL, and what is asked of all stores as it is. */
enum evkv_verdict evkv__routing_span(struct routing *self, struct evkv_op *op);

#endif
