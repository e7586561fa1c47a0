/*
 * stores/redis/store.h - what the files of the redis driver share.
 *
 * An operation on keys is a call of one or more parts (evkv/spread.h). A part is
 * the commands for some of the keys, sent together on one connection. Its
 * command table says how it is written and what becomes of the replies.
 * Handshakes and scans are parts without a call.
 */
#ifndef EVKV_SRC_STORES_REDIS_STORE_H
#define EVKV_SRC_STORES_REDIS_STORE_H

#include <hiredis/hiredis.h>

#include "evkv/driver.h"
#include "evkv/key_codec.h"
#include "evkv/spread.h"
#include "options.h"

struct redis_connection;
struct redis_part;

/* ---- Replies ---------------------------------------------------------- */

enum redis_item_type {
	REDIS_ITEM_STRING,
	REDIS_ITEM_STATUS,
	REDIS_ITEM_ERROR,
	REDIS_ITEM_INTEGER,
	REDIS_ITEM_NIL,
	REDIS_ITEM_ARRAY,
};

/* One element of a reply, as it is read. An array comes before its elements. */
struct redis_item {
	enum redis_item_type type;
	int depth;               /* 0 = the reply itself */
	size_t index;            /* within its array */
	size_t parent;           /* at depth 2: of its array in the outer one */
	struct evkv_slice bytes; /* STRING, STATUS, ERROR; for the call */
	long long number;        /* INTEGER; ARRAY: how many elements */
};

/* ---- Commands --------------------------------------------------------- */

struct redis_command {
	/* Append the part's commands; false = no memory. */
	bool (*encode)(struct redis_connection *connection,
	    struct redis_part *part);
	/*
	 * Take one element of the part's reply number `part->answered`. false:
	 * no server would say that. Not called where nobody waits any more.
	 */
	bool (*item)(struct redis_connection *connection,
	    struct redis_part *part, const struct redis_item *item);
	/* The part is the driver's again. */
	void (*end)(struct redis_connection *connection,
	    struct redis_part *part, const struct evkv_slot_end *end);
};

struct redis_part {
	struct evkv_part base; /* first */
	const struct redis_command *command;
	struct redis_connection *connection;
	uint32_t replies;  /* to its commands */
	uint32_t answered; /* of those, read completely */
	union {
		uint8_t *pairs; /* TOUCH: the i-th key takes two commands ... */
		struct redis_group *group; /* TTL: of which this is the first */
	};
	bool half;     /* ... of which the first was answered ... */
	bool had_ttl;  /* ... and had an effect */
	bool absent;   /* PUT: the condition is that the key is absent */
	bool unqueued; /* TTL: MULTI was refused */
	bool apart;    /* TTL: it was not asked for */
	bool follows;  /* TTL: its replies are the first one's */
	bool versions; /* are told */
};

/* ---- Connections and stores ------------------------------------------- */

/* What an error reply means. */
struct redis_error {
	enum evkv_status status;
	enum evkv_cause cause;
	bool reconnect;    /* to find the server's successor */
	char message[256]; /* the server's words, and ours */
};

/* The steps of a handshake, in their order. */
enum redis_step {
	REDIS_STEP_AUTH,
	REDIS_STEP_SELECT,
	REDIS_STEP_SETNAME,
	REDIS_STEP_PING,
	REDIS_STEP_COUNT
};

/* One connection, and the reply that is being read on it. */
struct redis_connection {
	struct redis_store *store;
	struct evkv_pipeline *pipeline;
	redisReader *reader;
	struct redis_part *part; /* to which what is read belongs, or NULL */
	const char *wrong;       /* how the server broke the protocol */
	size_t reply_bytes;      /* given to the reader for the present reply */
	uint64_t number;         /* how many there were, with this one */
	uint64_t suspected;      /* in which a part was told that it is */
	bool within;             /* the part that ends has part of its reply */
	bool reading;            /* the reader has bytes, or part of a reply */
	bool large;              /* the reader has a large buffer */
	size_t left;             /* bytes to come of it, where known; or 0 */

	bool full; /* the last that may need memory was refused for it */
	struct redis_group *group; /* of ttl reads, not closed yet; or NULL */
	struct redis_group *spare;

	struct redis_part greeting;              /* the handshake */
	enum redis_step steps[REDIS_STEP_COUNT]; /* of which these are sent */
	uint64_t secrets;           /* store->secrets at its beginning */
	bool refused;               /* the handshake has failed ... */
	struct redis_error refusal; /* ... for this */

	struct redis_part goodbye; /* the last command before a renewal */
	bool renew;                /* one is asked for */
	bool leaving;              /* the goodbye is under way */
	int64_t renewed_us;        /* when it was last */
};

struct redis_store {
	struct evkv_redis_options options; /* ours */
	struct evkv_slice prefix;          /* of every key */
	uint64_t secrets;                  /* how often the password changed */
	struct evkv_key_head head;         /* of the names on the server */
	bool solo; /* a group was refused for one of its keys: none any more */
	struct evkv_loop *loop;
	struct evkv_store *store;
	struct evkv_spread spread;            /* over the connections */
	struct redis_connection *connections; /* one for each of its lines */
};

/* ---- redis.c ---------------------------------------------------------- */

/* The redis store that this is, or NULL. */
struct redis_store *evkv__redis_self(const struct evkv_store *store);

/* ---- handshake.c ------------------------------------------------------ */

/* Begin the handshake; its last reply makes the connection ready. */
void evkv__redis_handshake(struct redis_connection *connection);
/*
 * An error has come before anything was sent: a server that has no room for one
 * more client says so at once.
 */
void evkv__redis_turned_away(struct redis_connection *connection,
    struct evkv_slice words);

/* ---- connection.c ----------------------------------------------------- */

/* The connection of the i-th line. */
bool evkv__redis_connection_open(struct redis_store *store, size_t i,
    struct evkv_tls *tls, struct evkv_error *error);
void evkv__redis_connection_free(struct redis_connection *connection);

/* The server is read-only: reconnect once it is drained. */
void evkv__redis_connection_renew(struct redis_connection *connection);

/* ---- reply.c: the hiredis reader -------------------------------------- */

redisReader *evkv__redis_reader_new(struct redis_connection *connection);

enum redis_whole {
	REDIS_WHOLE_YES,   /* it has been taken */
	REDIS_WHOLE_LATER, /* more bytes are needed, beside these */
	REDIS_WHOLE_NOT,   /* give it to the reader */
};

/*
 * Take a reply of one element from the start of the data, where it is there
 * whole; *used grows by its size. Where it is a long string that is for the
 * reader, *left is the size of the whole reply, else 0.
 */
enum redis_whole evkv__redis_reply_whole(struct redis_connection *connection,
    const char *data, size_t size, size_t *used, size_t *left);

/* ---- errors.c --------------------------------------------------------- */

/* What an error reply means. */
void evkv__redis_error_read(struct evkv_slice words, struct redis_error *error);
bool evkv__redis_error_is(struct evkv_slice words, const char *code);

/* ---- commands.c ------------------------------------------------------- */

/* The begin() of a part: choose its command. false = no memory. */
bool evkv__redis_part_command(struct redis_part *part,
    const struct evkv_request *request);

/* The answer to an item that is an error: into the entries of a part. */
void evkv__redis_part_refuse(struct redis_connection *connection,
    struct redis_part *part, size_t from, size_t count,
    struct evkv_slice words);

/* ---- call.c: what is redis' own in operations on keys ------------------- */

extern const struct evkv_spread_type evkv__redis_spread;
/* struct redis_command.end of every part of a call. */
void evkv__redis_part_end(struct redis_connection *connection,
    struct redis_part *part, const struct evkv_slot_end *end);

/* ---- ping.c: liveness ------------------------------------------------- */

extern const struct redis_command evkv__redis_ping;

/* ---- credentials.c ---------------------------------------------------- */

/* Before a handshake: ask for what is to be sent. */
void evkv__redis_credentials_ask(struct redis_store *store);

/* ---- scan.c: what spans keys ------------------------------------------ */

enum evkv_verdict evkv__redis_scan_submit(struct redis_store *store,
    struct evkv_op *op, const struct evkv_request *request);
void evkv__redis_scan_stop(struct evkv_op *op);

#endif
