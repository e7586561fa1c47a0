/*
 * tests/lib/chaos.h - random operations from a seed, while servers are killed,
 * started, stopped and continued at random. Every operation calls back once;
 * those on one key in their order; and what they answer, the final state
 * included, can have happened (chaos_model.h).
 *
 * EVKV_TEST_SEED in the environment repeats a run's choices.
 */
#ifndef TESTS_LIB_CHAOS_H
#define TESTS_LIB_CHAOS_H

#include "evkv/request.h"
#include "evkv/store.h"
#include "server_shared.h"

#define CHAOS_SERVERS 3

/* What is disturbed. */
struct chaos_target {
	size_t servers;                /* how many there are */
	struct server_options options; /* of each */
	bool forgets;                  /* a killed one has lost its entries */
	/* A command that ends all connections; NULL = there is none. */
	const char *const *quit;
	/* The version that a value has; NULL = it can't be known. */
	void (*version)(struct evkv_slice value, struct evkv_version *version);
	struct evkv_store *(*open)(struct evkv_loop *loop,
	    const struct server *servers, struct evkv_error *error);
};

void chaos_run(const struct chaos_target *target, size_t ops);

#endif
