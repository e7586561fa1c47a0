/*
 * stores/memcached/reply.h - reading one reply of the meta protocol.
 */
#ifndef EVKV_SRC_STORES_MEMCACHED_REPLY_H
#define EVKV_SRC_STORES_MEMCACHED_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "evkv/slice.h"

#define MEMCACHED_LINE_MAX 2048 /* bytes of a line, its end included */

enum memcached_code {
	MEMCACHED_HD,           /* done */
	MEMCACHED_VA,           /* a value */
	MEMCACHED_EN,           /* a miss */
	MEMCACHED_NF,           /* not found */
	MEMCACHED_NS,           /* not stored */
	MEMCACHED_EX,           /* the version is another */
	MEMCACHED_MN,           /* nothing was asked */
	MEMCACHED_OK,           /* of the older commands */
	MEMCACHED_SERVER_ERROR, /* this command has failed */
	MEMCACHED_ERROR,        /* CLIENT_ERROR, ERROR: it was not understood */
};

/* What is absent is 0. */
struct memcached_reply {
	enum memcached_code code;
	bool has_opaque;
	bool has_ttl;
	uint32_t opaque;
	uint64_t cas;
	int64_t ttl_s;           /* seconds; -1 = forever */
	struct evkv_slice bytes; /* the value; of an error, the line */
};

enum memcached_read {
	MEMCACHED_READ_MORE, /* more bytes are needed */
	MEMCACHED_READ_DONE,
	MEMCACHED_READ_BAD, /* no server would say that */
};

/* A line without its end; *used is set to its size with it. */
enum memcached_read evkv__memcached_line(const char *data, size_t size,
    struct evkv_slice *line, size_t *used);

/* A reply; its bytes lie within `data`. */
enum memcached_read evkv__memcached_reply(const char *data, size_t size,
    struct memcached_reply *reply, size_t *used);

/* Whether a line begins with a word. */
bool evkv__memcached_line_is(struct evkv_slice line, const char *word);

#endif
