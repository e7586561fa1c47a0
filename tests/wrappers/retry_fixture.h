/*
 * retry over fault over simple.
 */
#ifndef TESTS_WRAPPERS_RETRY_FIXTURE_H
#define TESTS_WRAPPERS_RETRY_FIXTURE_H

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "lib/rig.h"
#include "lib/test.h"

struct fixture {
	struct rig rig;
	struct evkv_store *simple, *fault, *store;
	struct answer answer;
};

void open_fixture(struct fixture *f, struct evkv_retry_options options);
void close_fixture(struct fixture *f);

/* Have what comes next fail so, so often (0 = always). */
void fail(struct fixture *f, enum evkv_fault_action action,
    enum evkv_status status, uint64_t times);

/* Submit; wait, letting time pass, for the answer in f->answer. */
void submit(struct fixture *f, const struct evkv_request *request);
void wait_for_it(struct fixture *f);
enum evkv_status put(struct fixture *f, const char *key, const char *value);
enum evkv_status get(struct fixture *f, const char *key);

struct evkv_retry_counters counters(struct fixture *f);

#endif
