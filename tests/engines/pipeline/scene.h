/*
 * tests/engines/pipeline/scene.h - a loop, a misbehaving server and a store on
 * it.
 */
#ifndef TESTS_ENGINES_PIPELINE_SCENE_H
#define TESTS_ENGINES_PIPELINE_SCENE_H

#include "line.h"
#include "rig.h"
#include "test.h"

#define SCENE_OPS 20

struct scene {
	struct rig rig;
	struct peer *peer;
	struct line_server server;
	struct line_options options;
	struct evkv_store *store;
	struct evkv_pipeline *pipeline;
	struct answer answers[SCENE_OPS];
	/* Of the pipeline's states, as the store tells them. */
	unsigned states;
	enum evkv_state state;
	enum evkv_cause cause;
	char message[256];
};

/*
 * A loop and a server; then a store, for which options may be changed before.
 * scene_open() does both.
 */
void scene_begin(struct scene *s);
void scene_begin_with(struct scene *s, const struct peer_options *options);
void scene_store(struct scene *s);
void scene_open(struct scene *s);
/* A server that refuses connections. */
void scene_open_refused(struct scene *s);
/* Turn until it is in that state. */
void scene_until(struct scene *s, enum evkv_state state);
static inline void scene_ready(struct scene *s)
{
	scene_until(s, EVKV_STATE_READY);
}
static inline void scene_open_ready(struct scene *s)
{
	scene_open(s);
	scene_ready(s);
}
/* Turn until answers 0 to count - 1 are there, each once. */
void scene_wait(struct scene *s, unsigned count);
/*
 * Let go of the store, turn until it is gone, and free everything. Checks that
 * no answer came twice.
 */
void scene_close(struct scene *s);
/* Free the loop with everything on it. */
void scene_abandon(struct scene *s);
struct evkv_pipeline_counters scene_counters(struct scene *s);

#endif
