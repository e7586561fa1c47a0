/*
 * tests/lib/chaos_model.h - what entries may hold, after operations of
 * which some ended with an unknown outcome.
 *
 * Each key has its operations in the order of submission, which is the order
 * in which they take effect. One that ended UNKNOWN_OUTCOME may take effect at
 * any later time, or never, but not after the server that it was sent to has
 * been killed: `era` counts the kills. Where a server forgets what it holds
 * when it is killed, an operation that calls back later may find nothing.
 */
#ifndef TESTS_LIB_CHAOS_MODEL_H
#define TESTS_LIB_CHAOS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "evkv/request.h"

#define MODEL_ABSENT 0 /* instead of a value's number */

struct model_step {
	enum evkv_kind kind;
	enum evkv_condition condition;
	enum evkv_status status;
	uint64_t
	    value; /* PUT: the number of the value; GET, TTL: of what came */
	uint64_t expected; /* DELETE with IF_VERSION: the value it is for */
	uint32_t began;    /* the era in which it was submitted ... */
	uint32_t ended;    /* ... and in which it called back */
	uint32_t lost;     /* how often all had been lost when it called back */
	/* TOUCH reads and writes back: a late one may bring back a value. */
	bool restores;
	bool called;
};

struct model_key {
	struct model_step *steps;
	size_t count, room;
};

/* The next step of a key; fill it in. Lives until the next is added. */
size_t model_add(struct model_key *key, const struct model_step *step);

/*
 * Whether the steps can have happened. false: *at is the first that can't.
 */
bool model_holds(const struct model_key *key, size_t *at);

void model_free(struct model_key *key);

#endif
