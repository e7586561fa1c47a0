/*
 * tests/lib/delay.h - a wrapper that makes any store take its time.
 *
 *     store = delay_new(evkv_simple_new(loop, &error), &error);
 *
 * Every operation is PENDING for a few turns, before it is passed on and again
 * before it is answered. Operations on different keys overtake each other at
 * random, as on several connections or threads; those on one key keep their
 * order, and what spans keys waits for all before it and holds up all after it.
 * So a wrapper over it meets the interleavings that an in-process store never
 * shows. The numbers come from the loop's seed.
 */
#ifndef TESTS_LIB_DELAY_H
#define TESTS_LIB_DELAY_H

#include "evkv/driver.h"

/* `inner` is consumed; NULL is passed through. */
struct evkv_store *delay_new(struct evkv_store *inner,
    struct evkv_error *error);

#endif
