/*
 * tests/core/scene.h - a rig with a scripted store on it.
 */
#ifndef TESTS_CORE_SCENE_H
#define TESTS_CORE_SCENE_H

#include "rig.h"
#include "scripted.h"
#include "test.h"

struct scene {
	struct rig rig;
	struct scripted *script;
	struct evkv_store *store; /* NULL where the test has given it up */
	struct evkv_counters counters;
};

static inline void scene_open(struct scene *scene, enum scripted_stop stop,
    enum scripted_close close)
{
	rig_open(&scene->rig);
	scene->script = scripted_new();
	scene->script->stop = stop;
	scene->script->close = close;
	scene->store = scripted_store(scene->script, scene->rig.loop, NULL);
	check(scene->store != NULL);
}

static inline void scene_close(struct scene *scene)
{
	evkv_store_unref(scene->store);
	rig_close(&scene->rig);
	check_int(scene->script->count, 0);
	check_int(scene->script->frees, 1);
	scripted_free(scene->script);
}

static inline const struct evkv_counters *scene_counters(struct scene *scene)
{
	evkv_store_counters(scene->store, &scene->counters);
	return &scene->counters;
}

/* Answer all that is pending, and let the callbacks run. */
static inline void scene_answer(struct scene *scene, enum evkv_status status)
{
	scripted_complete_all(scene->script, status);
	rig_turn(&scene->rig);
}

static inline evkv_ticket scene_put(struct scene *scene, struct answer *a)
{
	return evkv_put(scene->store, EVKV_LIT("c"), EVKV_LIT("k"),
	    EVKV_LIT("v"), 0, answer_cb, a);
}

static inline evkv_ticket scene_get(struct scene *scene, struct answer *a)
{
	return evkv_get(scene->store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb,
	    a);
}

#endif
