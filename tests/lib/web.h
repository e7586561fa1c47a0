/*
 * tests/lib/web.h - an HTTP server on the test's own loop that answers what it
 * is told to.
 *
 *     struct web *web = web_open(rig.base, NULL);
 *     web_answer(web, 200, "application/json", "{}");
 *     ... a request to 127.0.0.1:web->peer->port ...
 *     check_str(web->path, "/thing");
 *     web_close(web);
 *
 * It stands on the misbehaving server of peer.h, whose plan says what goes
 * wrong: web->peer->plan.
 */
#ifndef TESTS_LIB_WEB_H
#define TESTS_LIB_WEB_H

#include "evkv/slice.h"
#include "peer.h"

struct web {
	struct peer *peer;
	/* The last request, and how many there were. */
	unsigned requests;
	char method[16], path[512];
	char head[8192]; /* request line and headers */
	char *body;      /* with a NUL after it */
	size_t body_size;
	/* The answer to all of them, as bytes; NULL = none. */
	char *answer;
	size_t answer_size;
	/*
	 * Instead of it: answers by web_say(), or not; `answer` is then not
	 * used.
	 */
	void (*respond)(struct web *web, struct peer_conn *conn, void *arg);
	void *arg;
};

/* `options`: of the peer, but for respond and arg; NULL = none. */
struct web *web_open(struct event_base *base,
    const struct peer_options *options);
void web_close(struct web *web);

/* From now on answer with this; `body` NULL = "". */
void web_answer(struct web *web, int code, const char *type, const char *body);
/* With these bytes, as they are. */
void web_answer_raw(struct web *web, const void *bytes, size_t size);
/* With a body, compressed by gzip. */
void web_answer_gzip(struct web *web, const char *type, const void *body,
    size_t size);
/* With a chunked body, in chunks of so many bytes. */
void web_answer_chunked(struct web *web, const char *type, const char *body,
    size_t chunk);

/* In respond(): one answer. */
void web_say(struct peer_conn *conn, int code, const char *type,
    struct evkv_slice body);

/* Whether the last request had this header line, "Name: value". */
bool web_has_header(const struct web *web, const char *line);

#endif
