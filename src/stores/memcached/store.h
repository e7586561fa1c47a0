/*
 * stores/memcached/store.h - what the files of the memcached driver share.
 *
 * An operation on keys is a call of one or more parts (evkv/spread.h), each on
 * a connection to the server that has its keys. A part is one request of the
 * meta protocol for each of its keys, and so many replies. INCR and TAKE go in
 * rounds: a part is sent again for the keys that are not done. A handshake is a
 * part without a call.
 */
#ifndef EVKV_SRC_STORES_MEMCACHED_STORE_H
#define EVKV_SRC_STORES_MEMCACHED_STORE_H

#include "evkv/driver.h"
#include "evkv/key_codec.h"
#include "evkv/spread.h"
#include "options.h"
#include "place.h"
#include "reply.h"

struct memcached_connection;
struct memcached_part;

/* ---- Names ------------------------------------------------------------ */

#define MEMCACHED_NAME_MAX 250 /* bytes of a name in a request */
/* Bytes of collection and key that are never hashed, whatever they are. */
#define MEMCACHED_SURELY_SHORT 16

/* T up to this is from now, above it seconds since 1970, and at most that. */
#define MEMCACHED_RELATIVE_MAX (60 * 60 * 24 * 30)
#define MEMCACHED_ABSOLUTE_MAX INT32_MAX

#define MEMCACHED_VALUE_MAX ((size_t)1 << 30) /* the server's option -I */
#define MEMCACHED_ITEM ((size_t)1 << 20) /* of an item, unless told otherwise */
#define MEMCACHED_ITEM_HEAD ((size_t)512) /* more than it needs for itself */

/* How a name is written, which see names.c. */
enum memcached_form {
	MEMCACHED_PLAIN,
	MEMCACHED_BASE64,
	MEMCACHED_HASHED,
};

/* The flat name of a key, in two pieces; as long as the request is there. */
struct memcached_name {
	enum memcached_form form;
	struct evkv_slice head, key;
};

/* ---- Commands --------------------------------------------------------- */

struct memcached_command {
	/* Append the part's requests; false = no memory. */
	bool (*encode)(struct memcached_connection *connection,
	    struct memcached_part *part);
	/*
	 * Take the reply for the i-th key. false: no server would say that. Not
	 * called for errors, nor where nobody waits any more.
	 */
	bool (*reply)(struct memcached_connection *connection,
	    struct memcached_part *part, size_t i,
	    const struct memcached_reply *reply);
	/*
	 * Optional: the part has its replies, and is to be submitted again for
	 * a further round.
	 */
	bool (*again)(struct memcached_part *part);
};

/* Where one key of an INCR or TAKE stands. */
struct memcached_step {
	uint64_t cas;      /* of what was read; 0 = it was absent */
	int64_t number;    /* INCR: the sum that is written */
	int64_t expires_s; /* INCR: the T that it is written with; 0 = none */
	bool asked;        /* in this round */
	bool done;
};

struct memcached_steps {
	bool writing;  /* what this round does; before each write is a read */
	bool moved;    /* this round has done a key */
	unsigned idle; /* rounds of writes, one after the other, that did not */
	struct memcached_step at[];
};

struct memcached_part {
	struct evkv_part base; /* first */
	const struct memcached_command *command;
	struct memcached_connection *connection;
	uint32_t opaque;   /* of its first request */
	uint32_t asked;    /* requests in its slot */
	uint32_t answered; /* of those */
	uint32_t key;      /* with steps: that the next reply is for */
	bool versions;     /* are told */
	bool hashed;       /* of a key's name a hash may be the name */
	bool absent;       /* PUT: the condition is that the key is absent */
	struct memcached_steps *steps; /* INCR, TAKE */
};

/* ---- Connections and stores ------------------------------------------- */

/* What is read in a handshake, one after the other. */
enum memcached_greeting {
	MEMCACHED_GREETING_LOGIN,
	MEMCACHED_GREETING_VERSION,
	MEMCACHED_GREETING_STATS,
	MEMCACHED_GREETING_SETTINGS,
	MEMCACHED_GREETING_DONE,
};

/* One connection, and what its server has told of itself. */
struct memcached_connection {
	struct memcached_store *store;
	struct evkv_pipeline *pipeline;
	uint32_t opaque; /* of the next request */

	struct memcached_part greeting; /* the handshake ... */
	enum memcached_greeting step;   /* ... and where it stands */
	int64_t started_s;              /* uptime subtracted from time */
	uint64_t pid;
	int64_t time_s;  /* of the server, 0 = not told ... */
	int64_t when_us; /* ... at this time of the loop */
	size_t max_item; /* bytes of an item; 0 = not told */
};

/* When an entry that INCR has read expires; see commands_steps.c. */
struct memcached_expiry {
	uint32_t hash; /* of its key */
	int64_t at_s;  /* by the server's clock */
};

#define MEMCACHED_EXPIRIES 64

struct memcached_store {
	struct evkv_memcached_options options; /* ours */
	struct evkv_slice prefix;              /* of every key */
	struct evkv_key_head head;             /* of the names on servers */
	struct evkv_loop *loop;
	struct evkv_store *store;
	struct evkv_spread spread; /* each server's connections in a row */
	struct memcached_connection *connections;
	struct memcached_place *place; /* NULL where there is one server */
	struct memcached_expiry expiries[MEMCACHED_EXPIRIES];
};

/* ---- names.c ---------------------------------------------------------- */

/* The name of the i-th key of a request. */
struct memcached_name evkv__memcached_name(struct memcached_store *store,
    const struct evkv_request *request, size_t i);
/* The same for a part, whose request must be there. */
struct memcached_name evkv__memcached_part_name(
    const struct memcached_part *part, size_t i);
/* Write it as in a request, at most MEMCACHED_NAME_MAX bytes; the end. */
char *evkv__memcached_name_write(const struct memcached_store *store,
    const struct memcached_name *name, char *at);
/* What it is hashed by to find its server, into as many bytes; its size. */
size_t evkv__memcached_name_bytes(const struct memcached_store *store,
    const struct memcached_name *name, char *bytes);

/* What goes before the value where the name is hashed; else nothing. */
size_t evkv__memcached_value_head(const struct memcached_name *name);
char *evkv__memcached_value_write(const struct memcached_name *name, char *at);
/* Cut it off; false: it is that of another name. */
bool evkv__memcached_value_open(const struct memcached_name *name,
    struct evkv_slice *value);

/* ---- connection.c ----------------------------------------------------- */

/* The connection of the i-th line. */
bool evkv__memcached_connection_open(struct memcached_store *store, size_t i,
    struct evkv_tls *tls, struct evkv_error *error);
/* Give it up; false, for its callers. */
bool evkv__memcached_connection_fail(struct memcached_connection *connection,
    enum evkv_status status, enum evkv_cause cause, const char *message);
/* The server's time in seconds; 0 = it has not told. */
int64_t evkv__memcached_connection_time(const struct memcached_connection
	*connection);

/* ---- handshake.c ------------------------------------------------------ */

extern const struct memcached_command evkv__memcached_greeting;

/* Begin the handshake; its last reply makes the connection ready. */
void evkv__memcached_handshake(struct memcached_connection *connection);
/* A line of the server's in a handshake; false: the connection has failed. */
bool evkv__memcached_greeted(struct memcached_connection *connection,
    struct evkv_slice line);
/* What an error line says that has come instead of an answer. */
bool evkv__memcached_refused(struct memcached_connection *connection,
    struct evkv_slice line);

/* ---- commands.c ------------------------------------------------------- */

extern const struct evkv_spread_type evkv__memcached_spread;

#endif
