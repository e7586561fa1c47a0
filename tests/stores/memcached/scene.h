/*
 * tests/stores/memcached/scene.h - a memcached store on real servers, and one
 * operation at a time.
 */
#ifndef TESTS_STORES_MEMCACHED_SCENE_H
#define TESTS_STORES_MEMCACHED_SCENE_H

#include "evkv/stores/memcached.h"
#include "lib/rig.h"
#include "lib/server_shared.h"
#include "lib/test.h"

#define SCENE_SERVERS 3

struct scene {
	struct rig rig;
	struct server *server[SCENE_SERVERS]; /* shared ones, or `own` */
	struct server own[SCENE_SERVERS];
	struct evkv_memcached_server where[SCENE_SERVERS];
	struct evkv_memcached_options options; /* for scene_store() */
	char collection[24];                   /* that nobody has used yet */
	struct evkv_slice c;                   /* the same */
	struct evkv_store *store;
	char down[256]; /* what the store said of its last state, if DOWN */
	struct answer a;
};

/* Begin with the first `count` shared servers. */
void scene_begin(struct scene *s, size_t count);
/* Begin with servers of its own, which scene_end() stops. */
void scene_begin_own(struct scene *s, size_t count,
    const struct server_options *options);
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
#define DO_PUT(s_, key_, value_)                                               \
	DO(s_,                                                                 \
	    evkv_put((s_)->store, (s_)->c, EVKV_LIT(key_), EVKV_LIT(value_),   \
		0, answer_cb, &(s_)->a))
#define DO_GET(s_, key_)                                                       \
	DO(s_,                                                                 \
	    evkv_get((s_)->store, (s_)->c, EVKV_LIT(key_), answer_cb,          \
		&(s_)->a))
#define DO_READY(s_)                                                           \
	DO(s_, evkv_store_wait_ready((s_)->store, -1, answer_cb, &(s_)->a))

/* What a server answers to a line of somebody else's. */
void scene_raw(struct scene *s, size_t server, const char *line, char *reply,
    size_t size);

#endif
