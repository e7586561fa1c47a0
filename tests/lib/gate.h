/*
 * tests/lib/gate.h - a wrapper whose operations pass when the test says so.
 *
 *     struct gate *gate;
 *     store = gate_new(inner, &gate);
 *     gate->mode = GATE_BEFORE;
 *     evkv_get(store, ...);            held, not yet done
 *     gate_release(gate, 0);           done, and answered
 *
 * It stands for a slow server: with GATE_BEFORE the inner store has not seen
 * what is held, with GATE_AFTER it has and only the answer is held.
 */
#ifndef TESTS_LIB_GATE_H
#define TESTS_LIB_GATE_H

#include "evkv/driver.h"

enum gate_mode { GATE_OPEN, GATE_BEFORE, GATE_AFTER };

#define GATE_HELD_MAX 4096

struct gate {
	struct evkv_store *node, *inner;
	enum gate_mode mode;
	bool sends;            /* mark what is held as sent */
	enum evkv_status fail; /* not OK: answer everything with this */
	uint32_t fail_kinds;   /* only these; 0 = all */
	enum evkv_cause fail_cause;
	const char *fail_message;            /* NULL: the status's own words */
	struct evkv_op *held[GATE_HELD_MAX]; /* in order of arrival */
	size_t held_count;
	size_t held_most;                   /* at once, so far */
	unsigned asked[EVKV_KIND_COUNT];    /* operations seen, by kind */
	unsigned keys[EVKV_KIND_COUNT];     /* and the keys in them */
	unsigned released[EVKV_KIND_COUNT]; /* held, and let pass */
	struct gate *gone_next;             /* its store has ended */
};

/* Wrap `inner` (consumed); *gate lives until the next one is made. */
struct evkv_store *gate_new(struct evkv_store *inner, struct gate **gate,
    struct evkv_error *error);
/* The same, that does not count as in this process. */
struct evkv_store *gate_remote_new(struct evkv_store *inner, struct gate **gate,
    struct evkv_error *error);

/* Let held operation i pass, all of them, or end it with a failure. */
void gate_release(struct gate *gate, size_t i);
void gate_release_all(struct gate *gate);
void gate_fail(struct gate *gate, size_t i, enum evkv_status status,
    enum evkv_cause cause);
/* Answer it without the inner store: one entry fails, the others are OK. */
void gate_fail_entry(struct gate *gate, size_t i, size_t entry,
    enum evkv_status status);
/* Likewise, with a status for each entry. */
void gate_fail_entries(struct gate *gate, size_t i,
    const enum evkv_status *statuses);

#endif
