/*
 * stores/elasticsearch/walk.h - operations that span keys.
 */
#ifndef EVKV_STORES_ELASTICSEARCH_WALK_H
#define EVKV_STORES_ELASTICSEARCH_WALK_H

#include "stores/elasticsearch/store.h"

#define WALK_PAGE 1000
#define WALK_PAGE_MAX 10000 /* of the server's own limit */

enum walk_phase {
	WALK_REFRESH, /* so that what was written can be found */
	WALK_OPEN,    /* a point in time */
	WALK_SEARCH,
	WALK_DELETE,
	WALK_CLOSE, /* the point in time; the op has its answer */
};

/* A document that is to be deleted. */
struct walk_hit {
	struct es_text id;
	int64_t seq_no, primary_term;
	bool live;    /* it has not expired: it counts */
	bool refused; /* the server was too busy */
};

struct es_walk {
	struct es_exchange exchange; /* first */
	struct es_store *store;
	LIST_ENTRY(es_walk) link;
	struct evkv_op *op; /* NULL: it has its answer */
	enum evkv_kind kind;
	enum walk_phase phase;
	bool stopped, other_dialect, no_memory;
	unsigned refusals, reopened;
	size_t size;    /* documents asked for by a search */
	size_t found;   /* by the last one */
	int64_t now_ms; /* what expires by then has expired */
	int64_t affected;
	struct es_text collection; /* as documents have it */
	struct es_text prefix;     /* of the field that is searched */
	/* Where the last search has ended. */
	struct es_text after_collection, after_key;
	struct es_text pit, key;
	struct walk_hit *hits;
	size_t hit_count, answered;
	struct evkv_json_writer body;
	struct evkv_timer timer;
};

/* hits.c */
/* A record of the answer to a search, or to deletes. */
void evkv__es_hits_record(struct es_exchange *exchange,
    struct es_record *record);
/* Let go of all but those that the server was too busy for; how many stay. */
size_t evkv__es_hits_refused(struct es_walk *walk);
void evkv__es_hits_free(struct es_walk *walk);

/* search.c: the bodies of requests, in walk->body; false = no memory. */
bool evkv__es_search_write(struct es_walk *walk);
bool evkv__es_deletes_write(struct es_walk *walk);
bool evkv__es_close_write(struct es_walk *walk);
/* What the query of an op selects; false = no memory. */
bool evkv__es_search_select(struct es_walk *walk,
    const struct evkv_request *request);

#endif
