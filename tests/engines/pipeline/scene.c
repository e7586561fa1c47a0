/*
 * tests/engines/pipeline/scene.c - see scene.h.
 */
#include "scene.h"

#include <stdio.h>
#include <string.h>

static void scene_state(enum evkv_state state, enum evkv_cause cause,
    const char *message, void *arg)
{
	struct scene *s = arg;

	s->states++;
	s->state = state;
	s->cause = cause;
	snprintf(s->message, sizeof(s->message), "%s", message);
}

void scene_begin_with(struct scene *s, const struct peer_options *options)
{
	struct peer_options ours = *options;

	memset(s, 0, sizeof(*s));
	rig_open(&s->rig);
	ours.respond = line_respond;
	ours.arg = &s->server;
	s->peer = peer_open(s->rig.base, &ours);
	if (ours.unix_path != NULL) {
		s->options.pipeline.unix_path = ours.unix_path;
		return;
	}
	s->options.pipeline.host = ours.ipv6 ? "::1" : "127.0.0.1";
	s->options.pipeline.port = s->peer->port;
}

void scene_begin(struct scene *s)
{
	scene_begin_with(s, &(struct peer_options){ .arg = NULL });
}

void scene_store(struct scene *s)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	s->store = line_new(s->rig.loop, &s->options, &s->pipeline, &error);
	check_str(error.message, "");
	check(s->store != NULL);
	evkv_store_set_state_cb(s->store, scene_state, s);
}

void scene_open(struct scene *s)
{
	scene_begin(s);
	scene_store(s);
}

void scene_open_refused(struct scene *s)
{
	scene_begin(s);
	peer_refuse(s->peer);
	scene_store(s);
}

void scene_until(struct scene *s, enum evkv_state state)
{
	rig_until(&s->rig, evkv_pipeline_state(s->pipeline) == state);
}

void scene_wait(struct scene *s, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++)
		rig_wait(&s->rig, &s->answers[i].calls);
	for (i = 0; i < count; i++)
		check_int(s->answers[i].calls, 1);
}

static void answers_free(struct scene *s)
{
	unsigned i;

	for (i = 0; i < SCENE_OPS; i++) {
		check(s->answers[i].calls <= 1);
		answer_free(&s->answers[i]);
	}
}

void scene_close(struct scene *s)
{
	struct answer closed = ANSWER_INIT;

	evkv_store_close(s->store, 0, answer_cb, &closed);
	rig_wait(&s->rig, &closed.calls);
	evkv_store_unref(s->store);
	rig_turn(&s->rig);
	peer_close(s->peer);
	rig_turn(&s->rig);
	rig_close(&s->rig);
	answers_free(s);
}

void scene_abandon(struct scene *s)
{
	peer_close(s->peer);
	rig_close(&s->rig);
	evkv_store_unref(s->store);
	answers_free(s);
}

struct evkv_pipeline_counters scene_counters(struct scene *s)
{
	struct evkv_pipeline_counters counters;

	evkv_pipeline_counters(s->pipeline, &counters);
	return counters;
}
