/*
 * stores/memcached/commands.h - what the commands on keys share.
 */
#ifndef EVKV_SRC_STORES_MEMCACHED_COMMANDS_H
#define EVKV_SRC_STORES_MEMCACHED_COMMANDS_H

#include "wire.h"

extern const struct memcached_command evkv__memcached_get;
extern const struct memcached_command evkv__memcached_ttl;
extern const struct memcached_command evkv__memcached_exists;
extern const struct memcached_command evkv__memcached_ping;
extern const struct memcached_command evkv__memcached_flush;
extern const struct memcached_command evkv__memcached_put;
extern const struct memcached_command evkv__memcached_delete;
extern const struct memcached_command evkv__memcached_touch;
extern const struct memcached_command evkv__memcached_incr;
extern const struct memcached_command evkv__memcached_take;

/* What a part was asked, and the result's entry of its i-th key. */
static inline const struct evkv_request *command_request(
    const struct memcached_part *part)
{
	return evkv_op_request(part->base.slot.op);
}
static inline struct evkv_entry *command_entry(
    const struct memcached_part *part, size_t i)
{
	return evkv_op_entry(part->base.slot.op,
	    evkv_part_entry(&part->base, i));
}

/* ---- Writing ---------------------------------------------------------- */

/*
 * A request that is being written: room is reserved, `at` is where it goes on.
 * `start` is NULL where there was no memory.
 */
struct command_line {
	struct memcached_connection *connection;
	struct memcached_part *part;
	struct memcached_name name;
	char *start, *at;
};

/*
 * Begin the request for the i-th key: command and name, but for an "ms" with
 * the flag that says how the name is written.
 */
struct command_line evkv__memcached_begin(struct memcached_connection
					      *connection,
    struct memcached_part *part, size_t i, const char *command);
/* End its line with its opaque; a value may follow. */
void evkv__memcached_end_line(struct command_line *line);
/* All is written; with it the i-th key's write takes effect. */
void evkv__memcached_commit(struct command_line *line, size_t i);
/* The T of a TTL. */
uint64_t evkv__memcached_ttl_s(const struct memcached_connection *connection,
    int64_t ttl_ms);
int64_t evkv__memcached_put_ttl(const struct memcached_part *part,
    const struct evkv_request *request, size_t i);

/* How an "ms" sets. */
struct command_set {
	struct evkv_slice value;
	uint64_t ttl_s; /* its T; 0 = none */
	uint64_t cas;   /* its C; 0 = none */
	char mode;      /* its M; 0 = none */
	bool tells_cas;
};
/* Set the i-th key, or write nothing where the value is too large. */
bool evkv__memcached_write_set(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, const struct command_set *set);

/* ---- Versions --------------------------------------------------------- */

void evkv__memcached_version(const struct memcached_connection *connection,
    uint64_t cas, struct evkv_version *version);
/* The cas that a version asks for; none that any item has, if another's. */
uint64_t evkv__memcached_version_cas(const struct memcached_connection
					 *connection,
    const struct evkv_version *version);
/* Tell that of the i-th key, where it is asked for. */
void evkv__memcached_tell_version(const struct memcached_connection *connection,
    struct memcached_part *part, size_t i, uint64_t cas);

/* ---- Replies ---------------------------------------------------------- */

/* The i-th key's value has come; false: there is none to give. */
bool evkv__memcached_take_value(struct memcached_part *part, size_t i,
    struct evkv_slice bytes);
/* The i-th key has failed with a reason. */
void evkv__memcached_fail_key(struct memcached_part *part, size_t i,
    enum evkv_status status, enum evkv_cause cause, const char *message);

/* ---- Parts ------------------------------------------------------------ */

/* A reply that is not a SERVER_ERROR for the key whose turn it is. */
bool evkv__memcached_part_reply(struct memcached_connection *connection,
    struct memcached_part *part, const struct memcached_reply *reply);
/* end() of a part of a call. */
void evkv__memcached_part_end(struct memcached_part *part,
    const struct evkv_slot_end *end);

/* ---- Steps ------------------------------------------------------------ */

bool evkv__memcached_steps_begin(struct memcached_part *part);
/* A SERVER_ERROR has come for the i-th key. */
void evkv__memcached_steps_refused(struct memcached_part *part, size_t i);
/* The key that the next reply is for. */
size_t evkv__memcached_steps_next(struct memcached_part *part);
void evkv__memcached_steps_cut(struct memcached_part *part,
    const struct evkv_slot_end *end);

#endif
