/*
 * tests/stores/elasticsearch/storm.h - puts of numbers that count up, on a few
 * keys, and what may be there after some of them had an unknown outcome.
 */
#ifndef TESTS_STORES_ELASTICSEARCH_STORM_H
#define TESTS_STORES_ELASTICSEARCH_STORM_H

#include "evkv/store.h"
#include "lib/rig.h"

#define STORM_KEYS 40

struct storm {
	struct rig *rig;
	struct evkv_store *store;
	unsigned submitted, answered, unknown, failed;
	uint64_t random;
	struct {
		unsigned written; /* the newest value that was answered OK */
		unsigned newest;  /* that was submitted */
	} keys[STORM_KEYS];
};

void storm_begin(struct storm *storm, struct rig *rig,
    struct evkv_store *store);
/* One more put. It may end OK, UNKNOWN_OUTCOME or UNAVAILABLE (`failed`). */
void storm_submit(struct storm *storm);
/* What was answered OK is there, or something newer that nobody knows of. */
void storm_check(struct storm *storm);

#endif
