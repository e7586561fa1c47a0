/*
 * engines/files/wall.h - the wall clock, by which what is on a disk expires;
 * read once for each reading of the loop's own clock: that is, once in a turn.
 */
#ifndef EVKV_ENGINES_FILES_WALL_H
#define EVKV_ENGINES_FILES_WALL_H

#include "evkv/driver.h"

struct file_wall {
	int64_t ms, at_us; /* the wall clock, as read then */
};

static inline int64_t file_wall_ms(struct file_wall *wall,
    struct evkv_loop *loop)
{
	int64_t now_us = evkv_loop_now_us(loop);

	if (now_us != wall->at_us || now_us == 0) {
		wall->at_us = now_us;
		wall->ms = evkv_loop_wall_ms(loop);
	}
	return wall->ms;
}

/* When what is put at `now_ms` expires; 0 = never. */
static inline int64_t file_expires_ms(const struct evkv_request *request,
    size_t i, int64_t now_ms)
{
	int64_t ttl_ms = request->ttls_ms != NULL ? request->ttls_ms[i]
						  : request->ttl_ms;

	return ttl_ms == EVKV_TTL_NONE ? 0 : now_ms + ttl_ms;
}

#endif
