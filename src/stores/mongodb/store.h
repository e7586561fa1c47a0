/*
 * stores/mongodb/store.h - what the loop's side of the mongodb driver and its
 * workers' side share.
 *
 * An operation on keys is a call of one or more parts: a part is the keys that
 * go to one lane, and one job of it. What spans keys is a part without keys, on
 * a lane of its own. A worker sees a part's input, which is in the op's memory
 * and does not change while the part is out, and fills in its output. It never
 * touches the op; and no file of the loop's side calls libmongoc.
 *
 *     loop's side                       workers' side (worker.h)
 *     mongodb.c   slots                 run.c      jobs of a lane, in waves
 *     call.c      keyed operations      find.c     reads of many keys
 *     span.c      the others            bulk.c     puts of many keys
 *     life.c      index, end            single.c   what goes alone
 *     options.c   options and URLs      pages.c    enumeration, removal
 *     threads.c   executors             server.c   libmongoc: pool, errors
 *     id.c        _ids                  document.c, json.c   BSON
 *                                       log.c      libmongoc's log
 */
#ifndef EVKV_STORES_MONGODB_STORE_H
#define EVKV_STORES_MONGODB_STORE_H

#include "evkv/driver.h"
#include "evkv/executor.h"
#include "evkv/stores/mongodb.h"
#include "stores/mongodb/id.h"

#define MONGODB_NAME "mongodb"
#define MONGODB_WAVE 1000 /* keys in one request, at most */
#define MONGODB_MESSAGE 256
#define MONGODB_SMALL 128 /* bytes of a value that comes without memory */

struct mongodb_worker; /* a lane's, on the workers' side */
struct mongodb_server; /* libmongoc's pool and all that goes with it */
struct mongodb_store;
struct mongodb_call;

/* ---- What goes to a worker and comes back -------------------------------- */

enum mongodb_task {
	MONGODB_OP,      /* `request` */
	MONGODB_INDEX,   /* make the index, for the store itself */
	MONGODB_WATCH,   /* wait a moment for the workers of the other lanes */
	MONGODB_RELEASE, /* let go of the server: the last thing */
};

/* What a worker has found out about the server. */
enum mongodb_contact { MONGODB_UNKNOWN, MONGODB_REACHED, MONGODB_UNREACHED };

/* What became of one key. */
struct mongodb_cell {
	enum evkv_status status;
	int64_t expires_ms; /* 0 = never */
	int64_t number;
	struct evkv_version version;
	struct evkv_value *value;
};

/* Why; `status` is OK where nothing has failed. */
struct mongodb_failure {
	enum evkv_status status;
	enum evkv_cause cause;
	char message[MONGODB_MESSAGE];
};

/* Of requests without keys. */
struct mongodb_span {
	struct evkv_slice position; /* input: where the page begins */
	char *names;                /* the page: size_t size, bytes, ... */
	size_t names_size, names_room;
	char *next; /* where the next page begins; size 0 = nowhere */
	size_t next_size;
	int64_t removed;
};

struct mongodb_part {
	struct evkv_job job; /* first */
	enum mongodb_task task;

	/* Input. */
	const struct evkv_request *request;
	const uint32_t *indices; /* its i-th key is the request's indices[i]-th,
				    or i-th where this is NULL */
	uint32_t count;          /* of its keys */
	int64_t now_ms;          /* wall-clock, when it was submitted */
	int64_t time_ms;         /* until its deadline then; 0 = it has none */

	/* Output. */
	bool done; /* the worker has finished it */
	enum mongodb_contact contact;
	/*
	 * The value of its only key, if it is small: memory that one thread
	 * takes and another gives back costs more than to copy it twice.
	 */
	struct evkv_slice small;
	char *small_room;           /* the call's, or NULL */
	struct mongodb_cell *cells; /* the call's: one for each of its keys */
	struct mongodb_span *span;  /* or NULL */
	struct mongodb_failure failure;

	/* The loop's. */
	struct mongodb_call *call;
};

/* The number in the request of the i-th key of a part. */
static inline size_t mongodb_part_entry(const struct mongodb_part *part,
    size_t i)
{
	return part->indices != NULL ? part->indices[i] : i;
}

/* ---- The loop's side ----------------------------------------------------- */

struct mongodb_call {
	struct evkv_op *op;
	size_t left; /* parts that are out */
	size_t part_count;
	struct mongodb_part *parts;
	struct mongodb_cell *cells;
	/* Where there is one of them. */
	struct mongodb_part one_part;
	struct mongodb_cell one_cell;
	char one_small[MONGODB_SMALL];
};

struct mongodb_lane {
	struct mongodb_store *store;
	struct evkv_lane *lane;        /* NULL = it was left */
	struct mongodb_worker *worker; /* lives until its run() has returned */
};

/* Options, with defaults and copies. */
struct mongodb_options {
	char *uri;
	char *database; /* NULL = the uri's */
	char *collection;
	unsigned lanes;
	size_t max_batch;
	bool json;
	bool create_index;
	/* 0 = those of the uri, or the default */
	int32_t server_selection_ms, connect_ms, socket_ms, wait_queue_ms;
};

enum mongodb_index { MONGODB_INDEX_DUE, MONGODB_INDEX_OUT, MONGODB_INDEX_DONE };

struct mongodb_store {
	struct mongodb_options options;
	struct evkv_loop *loop;
	struct evkv_store *store;
	struct evkv_executor *executor;
	bool own_executor; /* to be handed back */
	struct mongodb_server *server;
	struct mongodb_log *log;
	uint64_t seed;      /* of the hash that chooses lanes */
	int64_t timeout_ms; /* the default deadline */
	/*
	 * options.lanes of them for keys, one for what spans keys, and one that
	 * has nothing to do before the end.
	 */
	struct mongodb_lane lanes[EVKV_MONGODB_LANES_MAX + 2];
	unsigned lane_count; /* so many are there */
	enum evkv_state state;

	enum mongodb_index index;
	int64_t index_tried_ms;
	struct mongodb_part index_part;

	/* The end, step by step. */
	enum mongodb_end {
		MONGODB_OPEN,
		MONGODB_DRAINING,  /* parts are out */
		MONGODB_RELEASING, /* the server is being let go of by a job */
		MONGODB_ENDED,
	} end;
	bool watched, watching;
	bool release_asked; /* a worker is to let go of the server ... */
	bool released;      /* ... and its job is back */
	struct mongodb_part release_part, watch_part;
	struct evkv_task end_task;
};

/* call.c */
enum evkv_verdict evkv__mongodb_call_submit(struct mongodb_store *store,
    struct evkv_op *op, const struct evkv_request *request);
void evkv__mongodb_call_stop(struct mongodb_call *call);
/* done() of every lane; arg: struct mongodb_lane. */
void evkv__mongodb_done(struct evkv_job *jobs, void *arg);
/* An op's parts, made by the files here; NULL = the op has failed. */
struct mongodb_call *evkv__mongodb_call_make(struct evkv_op *op,
    size_t part_count);
void evkv__mongodb_part_make(struct mongodb_store *store,
    struct mongodb_call *call, struct mongodb_part *part);
void evkv__mongodb_part_submit(struct mongodb_store *store,
    struct mongodb_part *part, unsigned lane);

/* span.c */
enum evkv_verdict evkv__mongodb_span_submit(struct mongodb_store *store,
    struct evkv_op *op, const struct evkv_request *request);
void evkv__mongodb_span_answer(struct mongodb_call *call);
/* Free what it holds, if it is one without keys. */
void evkv__mongodb_span_drop(struct mongodb_call *call);

/* life.c */
bool evkv__mongodb_init(struct mongodb_store *store,
    struct evkv_executor *executor, struct evkv_error *error);
/* A part of the store's own has come back. */
void evkv__mongodb_own_done(struct mongodb_store *store,
    struct mongodb_part *part);
/* A part has come back, with what its worker knows of the server. */
void evkv__mongodb_contact(struct mongodb_store *store,
    const struct mongodb_part *part);
void evkv__mongodb_close(void *self);
void evkv__mongodb_free(void *self);
static inline unsigned mongodb_span_lane(const struct mongodb_store *store)
{
	return store->options.lanes;
}

static inline unsigned mongodb_last_lane(const struct mongodb_store *store)
{
	return store->options.lanes + 1;
}

/* options.c */
bool evkv__mongodb_options_init(struct mongodb_options *ours,
    const struct evkv_mongodb_options *given, struct evkv_error *error);
bool evkv__mongodb_options_copy(struct mongodb_options *copy,
    const struct mongodb_options *ours);
void evkv__mongodb_options_free(struct mongodb_options *ours);

/*
 * threads.c: executors of a loop's mongodb stores, used again; and how many
 * workers were left behind. released() of a lane, on any thread; arg: its
 * worker.
 */
void evkv__mongodb_threads_left(void);
void evkv__mongodb_threads_back(void *worker);
struct evkv_executor *evkv__mongodb_threads_take(struct evkv_loop *loop,
    unsigned threads);
void evkv__mongodb_threads_give(struct evkv_loop *loop,
    struct evkv_executor *executor);

/* ---- What the loop's side may call of the workers' ----------------------- */

/* The server of a store; the options are copied. NULL = no memory. */
struct mongodb_server *evkv__mongodb_server_new(
    const struct mongodb_options *options, struct evkv_loop *loop);
/* Free one that no worker has used. */
void evkv__mongodb_server_unused(struct mongodb_server *server);
/* Let its log, see log.h, go to the loop. */
struct mongodb_log *evkv__mongodb_server_log(struct mongodb_server *server,
    struct evkv_task *ended);
/*
 * Let go of the loop's reference where a worker has one too. false: none has;
 * then it is to be let go of by a job, MONGODB_RELEASE.
 */
bool evkv__mongodb_server_drop(struct mongodb_server *server);

/* run.c. A worker's state for one lane; NULL = no memory. */
struct mongodb_worker *evkv__mongodb_worker_new(struct mongodb_server *server,
    unsigned number);
void evkv__mongodb_worker_free(void *worker);
/* run() of every lane; arg: struct mongodb_lane. */
void evkv__mongodb_run(struct evkv_job *jobs, void *arg);
/* It is to end before it would wait for the server again. */
void evkv__mongodb_worker_end(struct mongodb_worker *worker);
/*
 * Leave a worker that waits for the server: it will touch no job any more; give
 * its lane up. false: it does not wait.
 */
bool evkv__mongodb_worker_leave(struct mongodb_worker *worker);

#endif
