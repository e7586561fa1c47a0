/*
 * tests/engines/pipeline/line.h - the smallest protocol that needs a pipeline:
 * a store that speaks it, and the server's side, for tests/lib/peer.h.
 *
 *     g key      v<value> or -          (a value is its key and a dot)
 *     p key val  +
 *     d key      + or -
 *     n          +
 *     a password + or !<text>           (the handshake)
 *
 * Keys are k0 to k9999 on the server's side, which remembers what was done to
 * each.
 */
#ifndef TESTS_ENGINES_PIPELINE_LINE_H
#define TESTS_ENGINES_PIPELINE_LINE_H

#include "evkv/evkv.h"
#include "evkv/pipeline.h"
#include "peer.h"

#define LINE_KEYS 10000

struct line_options {
	struct evkv_pipeline_options pipeline;
	const char *password; /* NULL: no handshake */
	size_t max_pending;
};

/* `*pipeline` is set where it is not NULL; it lives as long as the store. */
struct evkv_store *line_new(struct evkv_loop *loop,
    const struct line_options *options, struct evkv_pipeline **pipeline,
    struct evkv_error *error);

struct line_server {
	unsigned commands;
	unsigned gets, puts, handshakes;
	unsigned last_put;            /* the number in its key */
	bool out_of_order;            /* a put came after a later one */
	unsigned char put[LINE_KEYS]; /* how often each was */
	unsigned when[LINE_KEYS];     /* as the how manieth put */
	const char *auth_error;       /* the answer to `a`; NULL = + */
	const char *answer; /* the answer to all else; NULL = proper */
	unsigned cut_after; /* cut after so many commands; 0 = never */
};

/* For struct peer_options; arg is a struct line_server. */
size_t line_respond(struct peer_conn *conn, const char *data, size_t size,
    void *arg);

/* Operations on "k<number>", with a value of `size` bytes, and no deadline. */
evkv_ticket line_get(struct evkv_store *store, unsigned number, void *answer);
evkv_ticket line_put(struct evkv_store *store, unsigned number, size_t size,
    void *answer);

#endif
