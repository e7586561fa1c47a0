/*
 * tests/stores/redis/scene.h - a redis store on a real server, and one
 * operation at a time.
 */
#ifndef TESTS_STORES_REDIS_SCENE_H
#define TESTS_STORES_REDIS_SCENE_H

#include "evkv/stores/redis.h"
#include "lib/rig.h"
#include "lib/server_shared.h"
#include "lib/test.h"

struct scene {
	struct rig rig;
	struct server *server; /* the shared one, or `own` */
	struct server own;
	struct evkv_redis_options options; /* for scene_store() */
	struct evkv_store *store;
	struct answer a;
};

/* Begin with a server of its own, which scene_end() stops. */
void scene_begin_own(struct scene *s, const struct server_options *options);
void scene_store(struct scene *s);
void scene_close_store(struct scene *s);
void scene_end(struct scene *s);

/* Submit, wait, and look at s->a. */
#define DO(s_, call_)                                                          \
	do {                                                                   \
		answer_reset(&(s_)->a);                                        \
		(s_)->a.calls = 0;                                             \
		check((call_) != 0);                                           \
		rig_wait(&(s_)->rig, &(s_)->a.calls);                          \
	} while (0)

/* A command of somebody else's, in database 0. */
#define RAW(s_, reply_, ...)                                                   \
	check(server_command((s_)->server,                                     \
	    (const char *const[]){ __VA_ARGS__, NULL }, reply_,                \
	    sizeof(reply_)))

#endif
