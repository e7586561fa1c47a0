/*
 * stores/elasticsearch/store.h - the inside of the elasticsearch store.
 *
 * An operation on keys is a call with an item for each key (call.c). An item
 * looks its document up or writes it, once or alternately; what many items want
 * to look up or to write goes into one request, a batch (batch.c). An operation
 * that spans keys is a walk (walk.c). Requests and the reading of their answers
 * are exchanges (exchange.c).
 */
#ifndef EVKV_STORES_ELASTICSEARCH_STORE_H
#define EVKV_STORES_ELASTICSEARCH_STORE_H

#include <sys/queue.h>

#include "evkv/driver.h"
#include "evkv/http.h"
#include "evkv/registry.h"
#include "evkv/stores/elasticsearch.h"
#include "evkv/task.h"
#include "stores/elasticsearch/reader.h"

#define ES_ID_MAX 512       /* of a server's _id, in bytes */
#define ES_KEY_HEX_MAX 8000 /* bytes of a key that are indexed */
#define ES_ROUNDS 8         /* of looking and writing, until BUSY */
#define ES_BATCH_ITEMS 5000
#define ES_MESSAGE 384

struct es_store;

/* Why something failed. */
struct es_failure {
	enum evkv_status status;
	enum evkv_cause cause;
	int sys_error;
	char message[ES_MESSAGE];
};

/* ---- Exchanges, exchange.c ----------------------------------------------- */

/* One request and its answer, which is read in steps. */
struct es_exchange {
	struct evkv_http_request http; /* first */
	struct es_store *store;
	LIST_ENTRY(es_exchange) link; /* in store->exchanges, while under way */
	struct es_reader reader;
	struct evkv_task task;
	bool running;
	bool sent;      /* it may have been */
	bool write;     /* a failure after sending is an unknown outcome */
	int code;       /* of the answer, 0 = there was none */
	char from[128]; /* "elasticsearch host:port", whose answer it is */
	struct es_failure failure; /* OK: a code of 2xx, read to its end */
	/* About to be sent; NULL = nothing is to be done. */
	void (*sending)(struct es_exchange *exchange);
	/* A record of the answer; NULL = none are wanted. */
	void (*record)(struct es_exchange *exchange, struct es_record *record);
	/* It is over, and the owner's again. */
	void (*done)(struct es_exchange *exchange);
};

/*
 * Zeroed, with method, path, body and the like in `http`, and the functions
 * above. done() comes later, or from evkv__es_exchange_close().
 */
void evkv__es_exchange_start(struct es_store *store,
    struct es_exchange *exchange, enum es_answer answer);
/* Take it back, done() will not be called; true = nothing of it was sent. */
bool evkv__es_exchange_cancel(struct es_exchange *exchange);
/* End one whose answer is being read, as closed. */
void evkv__es_exchange_close(struct es_exchange *exchange);

/* errors.c */
/* What a code means, and the server's words for it. */
void evkv__es_failure_read(struct es_failure *failure, bool write, int code,
    const char *type, const char *reason, const char *from);
void evkv__es_failure_set(struct es_failure *failure, enum evkv_status status,
    enum evkv_cause cause, const char *message);
bool evkv__es_no_index(const char *type);

/* ---- Calls, call.c ------------------------------------------------------- */

/* What an item does next. */
enum es_action {
	ES_LOOK,       /* whether it is there, and its version */
	ES_LOOK_WHOLE, /* its value too */
	ES_INDEX,
	ES_CREATE,
	ES_UPDATE, /* the expiry alone */
	ES_DELETE,
};

enum es_place { ES_NOWHERE, ES_QUEUED, ES_IN_BATCH, ES_DELAYED };

/* One key of an operation, in the op's memory. */
struct es_item {
	struct es_call *call;
	size_t index; /* of its key */
	TAILQ_ENTRY(es_item) link;
	struct es_batch *batch;
	size_t slot;          /* in the batch */
	struct es_item *then; /* the next one of the same key */
	enum es_action action;
	enum es_place place;
	unsigned char rounds, refusals;
	size_t most;    /* items of a batch that it is in; 0 = any number */
	int64_t due_us; /* of a delayed one */
	/* What the write depends on; -1 = nothing. */
	int64_t seq_no, primary_term;
	int64_t expires_ms; /* that a write gives; INT64_MAX = none */
	int64_t number;
	struct evkv_value *value; /* that was there, or is to be there */
};
TAILQ_HEAD(es_items, es_item);

struct es_call {
	struct evkv_op *op;
	struct es_store *store;
	size_t left;
	bool stopped;
	struct es_item items[];
};

enum evkv_verdict evkv__es_call_submit(struct es_store *store,
    struct evkv_op *op, const struct evkv_request *request);
void evkv__es_call_stop(struct es_call *call);
/* The item's document was looked up, or written. */
void evkv__es_item_found(struct es_item *item, struct es_record *record);
void evkv__es_item_written(struct es_item *item,
    const struct es_record *record);
/* The item ends; its call may be gone then. */
void evkv__es_item_failed(struct es_item *item,
    const struct es_failure *failure);
const struct evkv_request *evkv__es_item_request(const struct es_item *item);

/* ---- Batches, batch.c ---------------------------------------------------- */

/* A request for many items; it answers by position. */
struct es_batch {
	struct es_exchange exchange; /* first */
	bool writes;
	size_t count, answered;
	struct evkv_json_writer body;
	struct es_item *items[]; /* NULL: it has left */
};

void evkv__es_item_queue(struct es_item *item, enum es_action action);
/* Again after a pause, for the server is too busy; false = no use. */
bool evkv__es_item_delay(struct es_item *item);
/* Take it out of where it is; false = it was sent, and its answer will come. */
bool evkv__es_item_leave(struct es_item *item);
void evkv__es_flush(struct es_store *store);
void evkv__es_flush_run(void *arg);
void evkv__es_delayed_run(void *arg);

/* ---- Documents, document.c ----------------------------------------------- */

/* How much an item adds to a body, about. */
size_t evkv__es_item_size(const struct es_item *item);
/* The lines of an item; false = no memory. */
bool evkv__es_item_write(struct es_item *item, struct evkv_json_writer *body);
/* Whether a document is that of the item, and not one of the same hash. */
bool evkv__es_item_owns(const struct es_item *item,
    const struct es_record *record);
/* Whether bytes can be kept as an object; *why is set where not. */
bool evkv__es_json_check(struct evkv_slice value, const char **why);

/* names.c */
/* The collection as a document has it; false = no memory. */
bool evkv__es_collection_write(struct es_text *text,
    struct evkv_slice collection);
/* The first bytes of such a text are those of this prefix. */
bool evkv__es_collection_read(struct evkv_slice text, char *collection,
    size_t *size);
/* The key as it is indexed, in hex; `prefix`: of a beginning. */
bool evkv__es_key_write(struct es_text *text, struct evkv_slice key,
    bool prefix);
/*
 * The key of a document, in `key`; false = damaged, or no memory, as that says.
 */
bool evkv__es_key_read(const struct es_record *record, struct es_text *key);
bool evkv__es_id_write(struct es_text *text, struct evkv_slice collection,
    struct evkv_slice key);

/* ---- The index, index.c -------------------------------------------------- */

enum es_index_state { ES_INDEX_UNKNOWN, ES_INDEX_ASKED, ES_INDEX_READY };

struct es_index {
	struct es_exchange exchange;
	struct evkv_json_writer body;
	enum es_index_state state;
	bool created; /* this round has tried to make it */
};

/* Whether it is there; else it is made, and evkv__es_flush() is called. */
bool evkv__es_index_ready(struct es_store *store);

/* ---- Walks and pings ----------------------------------------------------- */

enum evkv_verdict evkv__es_walk_submit(struct es_store *store,
    struct evkv_op *op, const struct evkv_request *request);
void evkv__es_walk_stop(struct evkv_op *op);
/* End those that wait for a while, as closed. */
void evkv__es_walks_close(struct es_store *store);
enum evkv_verdict evkv__es_ping_submit(struct es_store *store,
    struct evkv_op *op);
void evkv__es_ping_stop(struct evkv_op *op);

/* ---- The store ----------------------------------------------------------- */

/* The paths of requests. */
struct es_paths {
	char *index, *mapping, *mget, *bulk, *refresh, *search;
	char *pit_elasticsearch, *pit_opensearch;
};

struct es_store {
	struct evkv_loop *loop;
	struct evkv_store *store;
	/* As they were given; strings and nodes are ours. */
	struct evkv_elasticsearch_options options;
	const char *index_name;
	struct es_paths paths;
	struct evkv_http *http;
	struct es_items looks, writes, delayed;
	int64_t delayed_due_us; /* of the first of these */
	struct evkv_task task;  /* makes batches */
	struct evkv_timer timer;
	size_t batches, max_batches;
	size_t max_batch_bytes; /* less than was asked for, after a 413 */
	bool writes_first;      /* the next batch is one of writes */
	bool closed;
	bool opensearch; /* the dialect that has worked, or is tried first */
	bool no_refresh; /* the cluster has none (serverless) */
	struct es_index index;
	LIST_HEAD(, es_exchange) exchanges;
	LIST_HEAD(, es_walk) walks;
};

static inline bool es_json(const struct es_store *store)
{
	return store->options.values == EVKV_ELASTICSEARCH_JSON;
}

/* options.c */
/* Check and copy. */
bool evkv__es_options_init(struct evkv_elasticsearch_options *options,
    const struct evkv_elasticsearch_options *given, size_t size,
    struct evkv_error *error);
void evkv__es_options_free(struct evkv_elasticsearch_options *options);
void evkv__es_options_describe(const struct evkv_elasticsearch_options *options,
    struct evkv_text *text);

#endif
