/*
 * stores/mongodb/worker.h - what the files of the workers' side share.
 *
 * While a worker waits for the server its store may be closed: then its lane
 * is given up, and the worker touches no job any more. So each call of
 * libmongoc that may wait stands between evkv__mongodb_wait_begin() and
 * ..._wait_end(), with nothing of a job in its arguments, and where one of
 * these is false the worker frees what is its own and returns. All functions
 * that return bool here tell that: false = it was left.
 */
#ifndef EVKV_STORES_MONGODB_WORKER_H
#define EVKV_STORES_MONGODB_WORKER_H

#include <mongoc/mongoc.h>

#include "stores/mongodb/raw.h"
#include "stores/mongodb/store.h"

/* ---- A worker ------------------------------------------------------------ */

enum mongodb_state {
	MONGODB_IDLE,
	MONGODB_WORKING, /* it touches jobs */
	MONGODB_WAITING, /* for the server, and touches none */
	MONGODB_LEFT,    /* nobody waits for it any more */
};

/* How it goes to the server. */
enum mongodb_way {
	MONGODB_FIND,  /* it reads: find.c */
	MONGODB_BULK,  /* a PUT that depends on nothing, or IF_ABSENT: bulk.c */
	MONGODB_ALONE, /* single.c */
};

/* One key of a part. */
struct mongodb_unit {
	struct mongodb_part *part;
	uint32_t key; /* of the part's */
	uint32_t id_size;
	size_t id_at; /* in the wave's ids */
	uint64_t hash;
	uint32_t twin; /* the next unit that reads the same, or UINT32_MAX */
	bool again;    /* it is not the first that reads this */
	enum mongodb_way way;
};

/* Units on different keys, whose order does not matter. */
struct mongodb_wave {
	struct mongodb_unit *units; /* room for MONGODB_WAVE */
	uint16_t *table;            /* of units by hash; 0 = none */
	size_t count;
	size_t bytes; /* of values and _ids */
	struct mongodb_raw ids;
};

struct mongodb_worker {
	int state;   /* enum mongodb_state, atomic */
	bool ending; /* it is to end as soon as it can; atomic */
	unsigned number;
	struct mongodb_server *server;
	mongoc_client_t *client; /* the server's clients[number] */
	mongoc_collection_t *collection;
	struct mongodb_wave wave;
	struct mongodb_raw command; /* that is being made */
	uint32_t *order; /* bulk.c: its i-th write is of the order[i]-th unit */

	/* write.c */
	bool write_begun; /* whether there is a session has been found out */
	mongoc_client_session_t *session; /* the server's, or NULL */
	int64_t writes;                   /* numbered ones */
};

bool evkv__mongodb_wait_begin(struct mongodb_worker *worker);
bool evkv__mongodb_wait_end(struct mongodb_worker *worker);

/* ---- The server ---------------------------------------------------------- */

struct mongodb_server {
	unsigned refs;                  /* atomic */
	struct mongodb_options options; /* its own copy */
	struct evkv_loop *loop;
	char *secret;               /* the password as it is written, or NULL */
	char *plain_secret;         /* decoded */
	uint64_t instance, changes; /* of versions; `changes` is atomic */

	pthread_mutex_t mutex; /* workers make the pool */
	mongoc_client_pool_t *pool;
	struct mongodb_failure failure; /* why there is none */
	int64_t failed_us;
	char *database;    /* the name of it */
	int32_t socket_ms; /* socketTimeoutMS */
	mongoc_client_t *clients[EVKV_MONGODB_LANES_MAX + 1];
	mongoc_collection_t *collections[EVKV_MONGODB_LANES_MAX + 1];
	bool retry_writes; /* of the connection string, and acknowledged */
	mongoc_client_session_t *sessions[EVKV_MONGODB_LANES_MAX + 1];
};

/* Give the worker its client. `failure` is set where there is none. */
bool evkv__mongodb_server_client(struct mongodb_worker *worker,
    struct mongodb_failure *failure);
void evkv__mongodb_server_ref(struct mongodb_server *server);
/* The last one frees it, which may take seconds. */
void evkv__mongodb_server_unref(struct mongodb_server *server);
struct evkv_version evkv__mongodb_server_version(struct mongodb_server *server);

/* Replace a secret wherever it is in a text; NULL and "" are none. */
void evkv__mongodb_scrub(char *text, const char *secret);

/* log.c: libmongoc's log goes to evkv's. Once for the process. */
void evkv__mongodb_log_redirect(void);

/* ---- Errors: errors.c ---------------------------------------------------- */

/* What an error of libmongoc means; `write`: it may have had an effect. */
void evkv__mongodb_error(struct mongodb_server *server,
    const bson_error_t *error, bool write, struct mongodb_failure *failure);
/* Of a code of the server's. */
void evkv__mongodb_error_code(struct mongodb_server *server, int code,
    const char *words, bool write, struct mongodb_failure *failure);
/* The server did not say how many documents were written. */
void evkv__mongodb_error_damaged(struct mongodb_server *server,
    struct mongodb_failure *failure);
enum mongodb_contact evkv__mongodb_error_contact(const struct mongodb_failure
	*failure);

/* ---- Documents: document.c ----------------------------------------------- */

/* What a document holds, in its own memory. */
struct mongodb_document {
	struct evkv_slice id;
	bool ours;      /* it has a value and a version of ours */
	bool has_value; /* it was asked for */
	bool is_json;   /* the value is a document */
	struct evkv_slice value;
	int64_t expires_ms;
	struct evkv_version version;
};

/* `bson` has 5 bytes at least. false: it is damaged. */
bool evkv__mongodb_document_read(struct evkv_slice bson,
    struct mongodb_document *document);

static inline struct evkv_slice mongodb_bson_bytes(const bson_t *bson)
{
	return evkv_bytes(bson_get_data(bson), bson->len);
}

/* `_id` is this. */
static inline void mongodb_put_id(bson_t *bson, struct evkv_slice id)
{
	bson_append_utf8(bson, "_id", 3, id.data, (int)id.size);
}
/* `expires_at` is not over. */
void evkv__mongodb_put_live(bson_t *bson, int64_t now_ms);
/* `expires_at` is over. */
void evkv__mongodb_put_expired(bson_t *bson, int64_t now_ms);
void evkv__mongodb_put_version(bson_t *bson, const char *name,
    const struct evkv_version *version);

/* A value of a document; NULL = out of memory, or *damaged. */
struct evkv_value *evkv__mongodb_value(const struct mongodb_document *document,
    bool *damaged);

/*
 * json.c: *is says whether it is an object. false: it can't be kept, and *why,
 * of MONGODB_MESSAGE bytes, says what of it.
 */
bool evkv__mongodb_json_read(bson_t *object, struct evkv_slice text, bool *is,
    char *why);
struct evkv_value *evkv__mongodb_json_write(struct evkv_slice bson,
    bool *damaged);

/* ---- Units --------------------------------------------------------------- */

static inline const struct evkv_request *mongodb_unit_request(
    const struct mongodb_unit *unit)
{
	return unit->part->request;
}

static inline size_t mongodb_unit_entry(const struct mongodb_unit *unit)
{
	return mongodb_part_entry(unit->part, unit->key);
}

static inline struct mongodb_cell *mongodb_unit_cell(const struct mongodb_unit
	*unit)
{
	return &unit->part->cells[mongodb_unit_entry(unit)];
}

static inline struct evkv_slice mongodb_unit_id(
    const struct mongodb_worker *worker, const struct mongodb_unit *unit)
{
	return evkv_bytes(worker->wave.ids.data + unit->id_at, unit->id_size);
}

/* Its answer is there. */
static inline void mongodb_unit_settle(const struct mongodb_unit *unit,
    enum evkv_status status)
{
	mongodb_unit_cell(unit)->status = status;
}

void evkv__mongodb_unit_fail(const struct mongodb_unit *unit,
    const struct mongodb_failure *failure);
/* When it expires, by the wall clock; 0 = never. */
int64_t evkv__mongodb_unit_expires(const struct mongodb_unit *unit);
/*
 * Append the document of a PUT. false: the unit has failed, and nothing is
 * appended.
 */
bool evkv__mongodb_unit_document(struct mongodb_worker *worker,
    const struct mongodb_unit *unit, struct mongodb_raw *raw);
/* What a read, or a TAKE, of this document answers. */
void evkv__mongodb_unit_take(const struct mongodb_unit *unit,
    const struct mongodb_document *document);

/* maxTimeMS of a command for a part: its deadline, or socketTimeoutMS. */
void evkv__mongodb_put_time(const struct mongodb_worker *worker,
    const struct mongodb_part *part, bson_t *options);
int64_t evkv__mongodb_time(const struct mongodb_worker *worker,
    const struct mongodb_part *part);

/* ---- What is done with a wave -------------------------------------------- */

/* The unit with this _id, the first of those that read the same, or NULL. */
struct mongodb_unit *evkv__mongodb_wave_find(
    const struct mongodb_worker *worker, struct evkv_slice id);

/* find.c: the reads of the wave. */
bool evkv__mongodb_find(struct mongodb_worker *worker);
/* bulk.c: its puts that depend on nothing, or on IF_ABSENT. */
bool evkv__mongodb_bulk(struct mongodb_worker *worker);

/* write.c: what became of a command. */
struct mongodb_sent {
	bool fine;
	bson_t reply;
	bson_error_t error;
};
/* Have a session for writes that may be repeated. `failure`: it can't be. */
bool evkv__mongodb_write_begin(struct mongodb_worker *worker,
    struct mongodb_failure *failure);
/* Append the field by which the server knows a repeated write. */
void evkv__mongodb_write_number(struct mongodb_worker *worker,
    struct mongodb_raw *raw);
/* The server says that the write may be repeated. */
bool evkv__mongodb_labelled(const bson_t *reply);
/* Send worker->command. `sent->reply` is to be destroyed. */
bool evkv__mongodb_write(struct mongodb_worker *worker,
    struct mongodb_sent *sent);

/* single.c: one unit that goes alone. */
bool evkv__mongodb_single(struct mongodb_worker *worker,
    const struct mongodb_unit *unit);
/* A put, by a command of its own. */
bool evkv__mongodb_single_put(struct mongodb_worker *worker,
    const struct mongodb_unit *unit);
/* The same, unless the document is there with the version it was to have. */
bool evkv__mongodb_single_redo(struct mongodb_worker *worker,
    const struct mongodb_unit *unit);

/* pages.c and removal.c: parts without keys. */
bool evkv__mongodb_keys(struct mongodb_worker *worker,
    struct mongodb_part *part);
bool evkv__mongodb_collections(struct mongodb_worker *worker,
    struct mongodb_part *part);
bool evkv__mongodb_clear(struct mongodb_worker *worker,
    struct mongodb_part *part);
bool evkv__mongodb_clear_all(struct mongodb_worker *worker,
    struct mongodb_part *part);
bool evkv__mongodb_purge(struct mongodb_worker *worker,
    struct mongodb_part *part);
/* admin.c: PING, and the index. */
bool evkv__mongodb_ping(struct mongodb_worker *worker,
    struct mongodb_part *part);
bool evkv__mongodb_make_index(struct mongodb_worker *worker,
    struct mongodb_part *part);

void evkv__mongodb_part_fail(struct mongodb_part *part,
    const struct mongodb_failure *failure);
void evkv__mongodb_part_nomem(struct mongodb_part *part);

#endif
