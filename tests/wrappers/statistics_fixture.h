/*
 * statistics over a memory store that can be held back, and a clock of the
 * test's own.
 */
#ifndef TESTS_WRAPPERS_STATISTICS_FIXTURE_H
#define TESTS_WRAPPERS_STATISTICS_FIXTURE_H

#include "evkv/evkv.h"
#include "lib/gate.h"
#include "lib/rig.h"
#include "lib/test.h"

struct fixture {
	struct rig rig;
	struct gate *gate;
	struct evkv_store *held, *store;
	struct answer answer;
};

/* What the clock tells next, and how far it goes with each reading. */
extern int64_t now_ns, step_ns;
int64_t test_clock(void *arg);

void open_fixture(struct fixture *f, struct evkv_statistics_options options);
void close_fixture(struct fixture *f);

/* Submit and wait for the answer, which is in f->answer. */
void submit(struct fixture *f, const struct evkv_request *request);
void put(struct fixture *f, const char *collection, const char *key,
    const char *value);
void get(struct fixture *f, const char *collection, const char *key);

struct evkv_statistics total(struct fixture *f);

#endif
