/*
 * prefix_keys over a store that can be looked at and held back.
 */
#ifndef TESTS_UNIT_PREFIX_KEYS_FIXTURE_H
#define TESTS_UNIT_PREFIX_KEYS_FIXTURE_H

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "lib/rig.h"
#include "lib/test.h"

/* A store in the middle that holds operations until they are let go. */
#define GATE_MAX 64

struct gate {
	struct evkv_store *inner;
	struct evkv_op *held[GATE_MAX];
	size_t count;
	size_t most;         /* that were held at once */
	size_t clears;       /* let through so far */
	bool marks;          /* mark what is held as sent */
	bool open;           /* let everything through */
	enum evkv_kind fail; /* this kind fails with IO */
};

struct fixture {
	struct rig rig;
	struct evkv_store *simple;
	struct gate gate;
	struct evkv_store *store; /* the prefix over the gate over simple */
};

void open_fixture(struct fixture *f, struct evkv_slice prefix);
void close_fixture(struct fixture *f);

/* Let the oldest held operation through. */
void gate_let_one(struct gate *gate);

void put(struct fixture *f, struct evkv_store *store, const char *collection,
    const char *key);

/* So many collections with one key each; each third one is not ours. */
void fill_collections(struct fixture *f, int count);

/* Submit through the prefix and wait. */
void submit(struct fixture *f, const struct evkv_request *request,
    struct answer *answer);

/* What is in the store at the bottom: "collection/key ..." */
void check_bottom(struct fixture *f, const char *expected);

/* All pages: "name name |name |", a '|' where one ends. */
void check_names(struct fixture *f, struct evkv_request request,
    const char *expected);

#endif
