/*
 * tests/lib/scripted.h - a store that does nothing until the test says so.
 *
 *     struct scripted *script = scripted_new();
 *     struct evkv_store *store = scripted_store(script, loop, &error);
 *     evkv_put(store, ...);
 *     check_int(scripted_count(script), 1);
 *     scripted_mark_sent(script, 0);
 *     scripted_complete(script, 0, EVKV_OK);
 *
 * Operations stay PENDING in the order in which they came, as those of a store
 * behind a network do. It is written on driver.h alone. The script outlives its
 * store, so that a test can see how that ended; free it after the loop.
 */
#ifndef TESTS_LIB_SCRIPTED_H
#define TESTS_LIB_SCRIPTED_H

#include "evkv/driver.h"

/* What the stop slot does. */
enum scripted_stop {
	SCRIPTED_NO_STOP,    /* there is no such slot */
	SCRIPTED_STOP_HOLDS, /* notes it; the test completes the op later */
	/* cuts and completes it at once, if not sent */
	SCRIPTED_STOP_COMPLETES,
	SCRIPTED_STOP_MARKS, /* marks it as sent: it can't be held back */
};

/* When the close slot answers. */
enum scripted_close {
	SCRIPTED_CLOSE_AT_ONCE,
	SCRIPTED_CLOSE_LATER, /* scripted_closed() */
	SCRIPTED_NO_CLOSE,    /* there is no such slot */
};

struct scripted_op {
	struct evkv_op *op;
	bool stopped; /* the stop slot was called */
};

struct scripted {
	/* To be set before scripted_store(). */
	enum scripted_stop stop;
	enum scripted_close close;
	struct evkv_capabilities capabilities;
	enum evkv_state state;
	/* May be changed at any time. */
	bool immediate; /* answer DONE with `status` */
	enum evkv_status status;

	struct evkv_store *store;
	struct scripted_op *ops; /* pending, in order */
	size_t count, size;
	unsigned submits; /* calls of each slot */
	unsigned stops, closes, frees;
};

/* A script with all capabilities. Never NULL. */
struct scripted *scripted_new(void);
void scripted_free(struct scripted *script);
struct evkv_store *scripted_store(struct scripted *script,
    struct evkv_loop *loop, struct evkv_error *error);

/* The pending operations, and the request of one as the driver kept it. */
size_t scripted_count(const struct scripted *script);
const struct evkv_request *scripted_request(const struct scripted *script,
    size_t i);

/* Hand the i-th to the kernel, so to speak; false: it must not be sent. */
bool scripted_mark_sent(struct scripted *script, size_t i);
/* Answer the i-th: every entry gets the status, GET and TTL the value. */
void scripted_complete(struct scripted *script, size_t i,
    enum evkv_status status);
void scripted_complete_value(struct scripted *script, size_t i,
    struct evkv_slice value, int64_t ttl_ms);
/* Answer all with a status, in order. */
void scripted_complete_all(struct scripted *script, enum evkv_status status);
/* The late answer to the close slot. */
void scripted_closed(struct scripted *script);

#endif
