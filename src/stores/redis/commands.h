/*
 * stores/redis/commands.h - what the commands on keys share: writing them, and
 * the replies that are alike.
 */
#ifndef EVKV_SRC_STORES_REDIS_COMMANDS_H
#define EVKV_SRC_STORES_REDIS_COMMANDS_H

#include "resp.h"
#include "store.h"

extern const struct redis_command evkv__redis_get;
extern const struct redis_command evkv__redis_mget;
extern const struct redis_command evkv__redis_ttl;
extern const struct redis_command evkv__redis_exists;
extern const struct redis_command evkv__redis_set;
extern const struct redis_command evkv__redis_mset;
extern const struct redis_command evkv__redis_unlink;
extern const struct redis_command evkv__redis_touch;
extern const struct redis_command evkv__redis_if_version;
extern const struct redis_command evkv__redis_incr;
extern const struct redis_command evkv__redis_take;

/* A command's fixed start: its word count and its name. */
#define COMMAND_START(words, size, name)                                       \
	EVKV_LIT("*" words "\r\n$" size "\r\n" name "\r\n")

/* The request of a part, and the result's entry of its i-th key. */
const struct evkv_request *evkv__redis_request(const struct redis_part *part);
struct evkv_entry *evkv__redis_entry(const struct redis_part *part, size_t i);

/* What the i-th key is put with. */
struct evkv_slice evkv__redis_put_value(const struct redis_part *part,
    const struct evkv_request *request, size_t i);
int64_t evkv__redis_put_ttl(const struct redis_part *part,
    const struct evkv_request *request, size_t i);

/* ---- Versions --------------------------------------------------------- */

void evkv__redis_version(struct evkv_slice value, struct evkv_version *version);
/* Of a put that asks for them: written now, cleared where it fails. */
void evkv__redis_versions_expect(struct redis_part *part, struct evkv_op *op,
    const struct evkv_request *request);
void evkv__redis_versions_clear(const struct redis_part *part);

/* ---- Writing; false = no memory --------------------------------------- */

/* The name on the server of the i-th key, as long as the request is there. */
struct redis_name {
	struct evkv_slice head, key;
};
static inline struct redis_name evkv__redis_name(const struct redis_connection
						     *connection,
    const struct redis_part *part, const struct evkv_request *request, size_t i)
{
	return (struct redis_name){
		.head = evkv_key_head(&connection->store->head,
		    connection->store->prefix, request->collection),
		.key = request->keys[evkv_part_entry(&part->base, i)],
	};
}
/* The most bytes that it takes as a word; and writing it. */
static inline size_t redis_name_max(const struct redis_name *name)
{
	return resp_word_max(name->head.size + name->key.size);
}
char *evkv__redis_name_word(const struct redis_name *name, char *at);

/* What is in the reserved room up to `at` is written. */
void evkv__redis_commit(struct redis_connection *connection,
    struct redis_part *part, const char *room, const char *at);
/* The i-th key's write takes effect with what has been written so far. */
void evkv__redis_effect(struct redis_connection *connection,
    struct redis_part *part, size_t i);

/* A command of a name (a COMMAND_START) and the i-th key; or one for each. */
bool evkv__redis_write_one(struct redis_connection *connection,
    struct redis_part *part, size_t i, struct evkv_slice start);
bool evkv__redis_write_each(struct redis_connection *connection,
    struct redis_part *part, struct evkv_slice start);
/* The start of a command of `words` words, and the i-th key as one of them. */
bool evkv__redis_write_start(struct redis_connection *connection,
    struct redis_part *part, const char *name, size_t words);
bool evkv__redis_write_name(struct redis_connection *connection,
    struct redis_part *part, size_t i);

/* ---- group.c: the ttl reads of a turn --------------------------------- */

/* Whether a part is one, that may join the group that is open, or open one. */
bool evkv__redis_group_takes(const struct redis_connection *connection,
    const struct redis_part *part);
bool evkv__redis_group_encode(struct redis_connection *connection,
    struct redis_part *part);
/* Nothing more joins the group that is open. */
void evkv__redis_group_finish(struct redis_connection *connection);
/* As a struct redis_command.item and .end, of a part that has a group. */
bool evkv__redis_group_item(struct redis_connection *connection,
    struct redis_part *leader, const struct redis_item *item);
void evkv__redis_group_end(struct redis_connection *connection,
    struct redis_part *leader);
void evkv__redis_group_drop(struct redis_connection *connection);

/* ---- Replies; false = it is something else ---------------------------- */

/* A value or nil for the i-th key. */
bool evkv__redis_take_value(struct redis_part *part, size_t i,
    const struct redis_item *item);
/* The reply to PTTL, for the i-th key. */
bool evkv__redis_take_ttl(struct redis_part *part, size_t i,
    const struct redis_item *item);
/* An error as the whole reply, about `count` keys from the from-th on. */
bool evkv__redis_take_error(struct redis_connection *connection,
    struct redis_part *part, size_t from, size_t count,
    const struct redis_item *item);
/* As a struct redis_command.item: 1 or 0, the key was there or not. */
bool evkv__redis_take_number(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item);

#endif
