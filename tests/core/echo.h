/*
 * tests/core/echo.h - a wrapper that passes everything on, in one of three
 * ways, and notes what it is told.
 */
#ifndef TESTS_CORE_ECHO_H
#define TESTS_CORE_ECHO_H

#include "scene.h"

enum echo_mode {
	ECHO_FORWARD, /* the same op, with a derived request */
	ECHO_CHILD,   /* one child, with the request as it came */
	ECHO_PAIR,    /* two children, joined; both must be OK */
};

struct echo {
	enum echo_mode mode;
	uint32_t child_flags;
	int64_t child_timeout_ms;
	struct evkv_store *store;
	struct evkv_op *child; /* the last one, while it is under way */
	unsigned completes, detaches, frees, ends;
	unsigned complete_order;
	enum evkv_status detached, ended; /* what was told last */
	struct evkv_slice seen; /* collection at complete; in `name` */
	char name[32];
};

/* What the children of one op have in common. */
struct echo_join {
	struct echo *echo;
	struct evkv_op *op; /* NULL: nobody's */
	unsigned count;
	bool submitted; /* submit has returned */
	enum evkv_status status;
};

/* Knows four kinds: get, put, TTL and keys. */
extern const struct evkv_vtable echo_vtable;
/* Transparent: passes on also what it does not know. */
extern const struct evkv_vtable echo_vtable_transparent;

struct evkv_store *echo_new(struct echo *echo, const struct evkv_vtable *vtable,
    struct evkv_store *inner);
/* The scripted store below, one wrapper over it. */
void echo_open(struct scene *s, struct echo *echo, enum scripted_stop stop);

/* An evkv_child_cb; arg is a struct echo_join. */
void echo_on_child(struct evkv_op *child, void *arg);

#endif
