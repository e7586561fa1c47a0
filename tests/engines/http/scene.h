/*
 * tests/engines/http/scene.h - a loop, scripted servers and a client of them.
 */
#ifndef TESTS_ENGINES_HTTP_SCENE_H
#define TESTS_ENGINES_HTTP_SCENE_H

#include "evkv/http.h"
#include "rig.h"
#include "test.h"
#include "web.h"

#define SCENE_NODES 3

/* A request, and what became of it. */
struct call {
	struct evkv_http_request http; /* first */
	int calls;
	unsigned sendings;
	enum evkv_http_fate fate;
	int code;
	enum evkv_status status;
	enum evkv_cause cause;
	int sys_error;
	char message[256], type[96];
	enum evkv_http_found found; /* how its body ended */
	char body[4096];            /* the first bytes of it */
	size_t body_size, largest_piece;
	struct evkv_slice
	    expected; /* all of the body, where it is set before */
	/* Called last in end(). */
	void (*then)(struct call *call);
	void *arg;
};

struct scene {
	struct rig rig;
	struct web *webs[SCENE_NODES];
	struct evkv_http_node nodes[SCENE_NODES];
	struct evkv_http_options options;
	struct evkv_http *client;
	unsigned states;
	enum evkv_state state;
	enum evkv_cause cause;
};

/* A loop and `nodes` servers; then a client, whose options may be changed. */
void scene_begin(struct scene *s, size_t nodes,
    const struct peer_options *options);
void scene_client(struct scene *s);
static inline void scene_open(struct scene *s, size_t nodes)
{
	scene_begin(s, nodes, NULL);
	scene_client(s);
}
void scene_close(struct scene *s);

/* A GET, which is repeatable, or a POST of `body`, which is not. */
void call_get(struct scene *s, struct call *call, const char *path);
void call_post(struct scene *s, struct call *call, const char *path,
    struct evkv_slice body);
/* One of these, and wait until it has ended. */
void scene_get(struct scene *s, struct call *call, const char *path);
void scene_post(struct scene *s, struct call *call, const char *path,
    struct evkv_slice body);

struct evkv_http_counters scene_counters(const struct scene *s);

#endif
