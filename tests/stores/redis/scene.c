/* tests/stores/redis/scene.c - a redis store on a real server. */
#include "scene.h"

#include <string.h>

void scene_begin_own(struct scene *s, const struct server_options *options)
{
	memset(s, 0, sizeof(*s));
	server_require(options->kind);
	if (!server_start(&s->own, options))
		fail_test("%s", s->own.problem);
	s->server = &s->own;
	rig_open_real(&s->rig);
	s->options.port = s->server->port;
	s->options.password = options->password;
	s->options.backoff_max_ms = 100;
}

void scene_store(struct scene *s)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	s->store = evkv_redis_new(s->rig.loop, &s->options, &error);
	check_str(error.message, "");
}

void scene_close_store(struct scene *s)
{
	evkv_store_unref(s->store);
	s->store = NULL;
	rig_turn(&s->rig);
}

void scene_end(struct scene *s)
{
	scene_close_store(s);
	rig_close(&s->rig);
	answer_free(&s->a);
	if (s->server == &s->own)
		server_stop(&s->own);
}
