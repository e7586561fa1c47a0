/*
 * prefix_keys over a store that can be looked at and held back.
 */
#ifndef TESTS_WRAPPERS_PREFIX_KEYS_FIXTURE_H
#define TESTS_WRAPPERS_PREFIX_KEYS_FIXTURE_H

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "lib/gate.h"
#include "lib/rig.h"
#include "lib/test.h"

struct fixture {
	struct rig rig;
	struct evkv_store *simple;
	struct gate *gate;
	struct evkv_store *store; /* the prefix over the gate over simple */
};

void open_fixture(struct fixture *f, struct evkv_slice prefix);
void close_fixture(struct fixture *f);

void put(struct fixture *f, struct evkv_store *store, const char *collection,
    const char *key);

/* So many collections with one key each; each third one is not ours. */
void fill_collections(struct fixture *f, int count);

/* Submit through the prefix and wait. */
void submit(struct fixture *f, const struct evkv_request *request,
    struct answer *answer);

/* Submit likewise: it goes well, and removes so many entries. */
void check_affected(struct fixture *f, const struct evkv_request *request,
    int64_t affected);

/* What is in the store at the bottom: "collection/key ..." */
void check_bottom(struct fixture *f, const char *expected);

/* All pages: "name name |name |", a '|' where one ends. */
void check_names(struct fixture *f, struct evkv_request request,
    const char *expected);

#endif
