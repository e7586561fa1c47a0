/*
 * tests/lib/delay.h - a wrapper that makes any store take its time.
 *
 *     store = delay_new(evkv_simple_new(loop, &error), &error);
 *
 * Every operation is PENDING for a few turns, before it is passed on and again
 * before it is answered. Operations on different keys overtake each other at
 * random, as on several connections or threads, and so do reads of one key
 * between two writes of it, and what names no keys.
 * So a wrapper over it meets the interleavings that an in-process store never
 * shows. The numbers come from the loop's seed.
 */
#ifndef TESTS_LIB_DELAY_H
#define TESTS_LIB_DELAY_H

#include "evkv/driver.h"

enum {
	DELAY_WAITS = 1 << 0, /* some turns for each operation */
	/* Some operations with keys end BUSY or UNAVAILABLE, without effect. */
	DELAY_REFUSES = 1 << 1,
	DELAY_REFUSES_ALL = 1 << 2, /* and some of all other kinds */
	/* What the inner store refuses like this is tried again, in order. */
	DELAY_REPEATS = 1 << 3,
};

/* `inner` is consumed; NULL is passed through. */
struct evkv_store *delay_new_with(struct evkv_store *inner, uint32_t flags,
    struct evkv_error *error);
/* With DELAY_WAITS. */
struct evkv_store *delay_new(struct evkv_store *inner,
    struct evkv_error *error);

#endif
