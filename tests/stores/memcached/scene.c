/* tests/stores/memcached/scene.c - a memcached store on real servers. */
#include "scene.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static void scene_servers(struct scene *s, size_t count)
{
	uint64_t random;

	rig_open_real(&s->rig);
	for (size_t i = 0; i < count; i++) {
		s->where[i].host = "127.0.0.1";
		s->where[i].port = s->server[i]->port;
	}
	s->options.servers = s->where;
	s->options.server_count = count;
	s->options.backoff_max_ms = 100;
	check(getrandom(&random, sizeof(random), 0) == sizeof(random));
	snprintf(s->collection, sizeof(s->collection), "%016llx",
	    (unsigned long long)random);
	s->c = evkv_str(s->collection);
}

void scene_begin(struct scene *s, size_t count)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < count; i++)
		s->server[i] = server_shared(
		    (enum server_kind)(SERVER_MEMCACHED + i));
	scene_servers(s, count);
}

void scene_begin_own(struct scene *s, size_t count,
    const struct server_options *options)
{
	memset(s, 0, sizeof(*s));
	server_require(options->kind);
	for (size_t i = 0; i < count; i++) {
		s->server[i] = &s->own[i];
		if (!server_start(&s->own[i], options))
			fail_test("%s", s->own[i].problem);
	}
	scene_servers(s, count);
}

static void scene_told(enum evkv_state state, enum evkv_cause cause,
    const char *message, void *arg)
{
	struct scene *s = arg;

	(void)cause;
	snprintf(s->down, sizeof(s->down), "%s",
	    state == EVKV_STATE_DOWN ? message : "");
}

void scene_store(struct scene *s)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	s->store = evkv_memcached_new(s->rig.loop, &s->options, &error);
	check_str(error.message, "");
	evkv_store_set_state_cb(s->store, scene_told, s);
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
	for (size_t i = 0; i < SCENE_SERVERS; i++) {
		if (s->server[i] == &s->own[i])
			server_stop(&s->own[i]);
	}
}

void scene_raw(struct scene *s, size_t server, const char *line, char *reply,
    size_t size)
{
	const char *const words[] = { line, NULL };

	check(server_command(s->server[server], words, reply, size));
}
