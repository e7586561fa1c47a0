/*
 * tests/conformance/conformance.h - inside the suite: a run, and what cases are
 * written with.
 *
 * evkv/conformance.h is what authors of stores see. The program of a store
 * comes from evkv_add_conformance() (EvkvTest.cmake). Cases that do not fit all
 * stores belong into tests of the store's own.
 */
#ifndef TESTS_CONFORMANCE_CONFORMANCE_H
#define TESTS_CONFORMANCE_CONFORMANCE_H

#include "evkv/conformance.h"
#include "lib/faults.h"
#include "lib/rig.h"
#include "lib/test.h"

/* What a run does beside the case itself. */
enum conformance_mode {
	CONFORMANCE_PLAIN,
	/* Over a store that delays and reorders. */
	CONFORMANCE_DELAYED,
	/* And refuses; what it refuses is tried again on top. */
	CONFORMANCE_REPEATED,
	/* The same, and refusals reach who submits: for the model. */
	CONFORMANCE_REFUSED,
};

/* One run of one case. */
struct evkv_conformance {
	const struct evkv_conformance_suite *suite;
	enum conformance_mode mode;
	struct rig rig;
	struct evkv_store *store; /* NULL once a case has given it up */
	const struct evkv_capabilities *can; /* as long as there is a store */
	bool in_process; /* the store's entries are this process's own */
	void *data;      /* evkv_conformance_set_data() */
	bool delay_used; /* open() has put the delaying store somewhere */
	int64_t unit_ms; /* of time, for TTLs: 1000 on an injected clock */
	int64_t first_deadline; /* rig_deadline() when the case began */
	bool sweeping;          /* allocations may fail */
	bool saw_nomem;         /* one has, and was told of */
	bool injured; /* the store was closed or given up by the case */
	bool seen;    /* an answer as the exception says */
	const struct evkv_conformance_exception *exception;
	struct conformance_op *ops;
	struct conformance_kept *kept;
};

struct conformance_case {
	const char *name;
	void (*run)(struct evkv_conformance *c);
	uint32_t kinds; /* EVKV_KIND_BIT() of those it can't do without */
	uint32_t flags;
};

enum {
	CASE_STORES = 1 << 0, /* not for stores that forget */
	CASE_WAITS = 1 << 1,  /* lets a TTL pass */
	/* Needs EVKV_FLAG_VERSIONS; and EVKV_IF_VERSION for a kind. */
	CASE_VERSIONS = 1 << 2,
	CASE_PUT_VERSION = 1 << 3,
	CASE_DELETE_VERSION = 1 << 4,
	CASE_TOUCH_VERSION = 1 << 5,
};

/* All cases, in cases.c; the last has no name. */
extern const struct conformance_case conformance_cases[];

/* Run a case on a suite; fails the test, skips it, or returns. */
void conformance_run(const struct evkv_conformance_suite *suite,
    enum conformance_mode mode, const struct conformance_case *which);
/* As conformance_run() with allocations failing, by every n. */
void conformance_sweep(const struct evkv_conformance_suite *suite,
    enum conformance_mode mode, const struct conformance_case *which);
/* Why a case does not apply to the open store, or NULL. */
const char *conformance_unfit(const struct evkv_conformance *c,
    const struct conformance_case *which);
/* What the suite says of a case, or NULL. */
const struct evkv_conformance_exception *conformance_exception(
    const struct evkv_conformance_suite *suite, const char *name);

/* Set up; open the loop and the store, which fails the test or works. */
void conformance_begin(struct evkv_conformance *c,
    const struct evkv_conformance_suite *suite, enum conformance_mode mode);
void conformance_open(struct evkv_conformance *c);
/* Wait for all, check that each op called back once, free everything. */
void conformance_end(struct evkv_conformance *c);

/* ---- Operations ------------------------------------------------------- */

/*
 * Submit, and check that the callback does not run inside the call (but for
 * EVKV_FLAG_INLINE). The answer is the run's: freed at its end, and checked
 * then to have been called exactly once. `store` NULL = c->store.
 */
struct answer *conformance_submit(struct evkv_conformance *c,
    struct evkv_store *store, const struct evkv_request *request);
/*
 * With a hook that runs in the callback. It must not check anything, only note
 * it down: a failing check would leave the loop by a jump.
 */
struct answer *conformance_submit_then(struct evkv_conformance *c,
    struct evkv_store *store, const struct evkv_request *request,
    void (*then)(struct answer *, const struct evkv_result *, void *),
    void *arg);
/* The ticket that an answer's operation got; 0 = none. */
evkv_ticket conformance_ticket(const struct answer *answer);
/* An answer for another kind of call (evkv_store_close()). */
struct answer *conformance_answer(struct evkv_conformance *c);
void conformance_answer_submitted(struct answer *answer, evkv_ticket ticket);

/* Turn the loop until the answer is there. */
struct answer *conformance_wait(struct evkv_conformance *c,
    struct answer *answer);
/* Submit and wait. */
struct answer *conformance_do(struct evkv_conformance *c,
    const struct evkv_request *request);
/* Turn until every operation so far has its answer. */
void conformance_wait_all(struct evkv_conformance *c);

/* Let time pass, and run what is due. */
void conformance_advance(struct evkv_conformance *c, int64_t ms);

/* Keep until the end of the run: a value, a store, memory from malloc(). */
void conformance_keep_value(struct evkv_conformance *c,
    struct evkv_value *value);
void conformance_keep_store(struct evkv_conformance *c,
    struct evkv_store *store);
void *conformance_alloc(struct evkv_conformance *c, size_t size);

/* A well-formed request of a kind: of the keys "k" and "none" in "c". */
struct evkv_request conformance_request(enum evkv_kind kind);
/* Whether the store takes a kind; whether the suite has a quirk. */
bool conformance_can(const struct evkv_conformance *c, enum evkv_kind kind);
bool conformance_has(const struct evkv_conformance *c, uint32_t quirk);
/* How many of something: `normal`, less for slow stores and in sweeps. */
size_t conformance_size(const struct evkv_conformance *c, size_t normal);

/* The longest key that the store takes, and a slice of that many bytes. */
struct evkv_slice conformance_bytes(struct evkv_conformance *c, size_t size,
    unsigned seed);

/* ---- Short forms: do it, wait, and check the answer ------------------- */

#define L(literal_) EVKV_LIT(literal_)
#define FROM_(call_) (test_from(__FILE__, __LINE__), (call_))

#define do_get(c_, collection_, key_)                                          \
	FROM_(conformance_do_keyed(c_, EVKV_OP_GET, collection_, key_))
#define do_ttl(c_, collection_, key_)                                          \
	FROM_(conformance_do_keyed(c_, EVKV_OP_TTL, collection_, key_))
#define do_exists(c_, collection_, key_)                                       \
	FROM_(conformance_do_keyed(c_, EVKV_OP_EXISTS, collection_, key_))
#define do_delete(c_, collection_, key_)                                       \
	FROM_(conformance_do_keyed(c_, EVKV_OP_DELETE, collection_, key_))
#define do_touch(c_, collection_, key_, ttl_ms_)                               \
	FROM_(conformance_do_touch(c_, collection_, key_, ttl_ms_))
#define do_put(c_, collection_, key_, value_, ttl_ms_, condition_)             \
	FROM_(conformance_do_put(c_, collection_, key_, value_, ttl_ms_,       \
	    condition_))
#define do_kind(c_, kind_) FROM_(conformance_do_kind(c_, kind_))
#define do_clear(c_, collection_, prefix_, pattern_)                           \
	FROM_(conformance_do_clear(c_, collection_, prefix_, pattern_))

/* A put that ends with OK. */
#define must_put(c_, collection_, key_, value_, ttl_ms_)                       \
	FROM_(conformance_must_put(c_, collection_, key_, value_, ttl_ms_))
/* A get that ends with OK and this value; one that ends with NOT_FOUND. */
#define must_get(c_, collection_, key_, value_)                                \
	FROM_(conformance_must_get(c_, collection_, key_, value_))
#define must_miss(c_, collection_, key_)                                       \
	FROM_(conformance_must_miss(c_, collection_, key_))
/* The remaining TTL is this, or EVKV_TTL_NONE. */
#define must_have_ttl(c_, collection_, key_, ttl_ms_)                          \
	FROM_(conformance_must_have_ttl(c_, collection_, key_, ttl_ms_))
/* Within a bounded time the entry is gone. */
#define must_expire(c_, collection_, key_)                                     \
	FROM_(conformance_must_expire(c_, collection_, key_))
/* A whole enumeration: names, in any order, each expected once. */
#define must_list(c_, kind_, collection_, prefix_, pattern_, limit_, ...)      \
	FROM_(conformance_must_list(c_,                                        \
	    &(struct evkv_request){ .kind = (kind_),                           \
		.collection = (collection_),                                   \
		.match.prefix = (prefix_),                                     \
		.match.pattern = (pattern_),                                   \
		.match.limit = (limit_) },                                     \
	    (const struct evkv_slice[]){ __VA_ARGS__ },                        \
	    sizeof((const struct evkv_slice[]){ __VA_ARGS__ }) /               \
		sizeof(struct evkv_slice)))
#define must_list_nothing(c_, kind_, collection_, prefix_, pattern_)           \
	FROM_(conformance_must_list(c_,                                        \
	    &(struct evkv_request){ .kind = (kind_),                           \
		.collection = (collection_),                                   \
		.match.prefix = (prefix_),                                     \
		.match.pattern = (pattern_) },                                 \
	    NULL, 0))
/* `affected` is this, or the store can't tell and says -1. */
#define must_affect(c_, answer_, count_)                                       \
	FROM_(conformance_must_affect(c_, answer_, count_))

struct answer *conformance_do_keyed(struct evkv_conformance *c,
    enum evkv_kind kind, struct evkv_slice collection, struct evkv_slice key);
struct answer *conformance_do_touch(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice key, int64_t ttl_ms);
struct answer *conformance_do_put(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms, enum evkv_condition condition);
struct answer *conformance_do_kind(struct evkv_conformance *c,
    enum evkv_kind kind);
struct answer *conformance_do_clear(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice prefix,
    struct evkv_slice pattern);
void conformance_must_put(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms);
void conformance_must_get(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value);
void conformance_must_miss(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice key);
void conformance_must_have_ttl(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice key, int64_t ttl_ms);
void conformance_must_expire(struct evkv_conformance *c,
    struct evkv_slice collection, struct evkv_slice key);
void conformance_must_list(struct evkv_conformance *c,
    const struct evkv_request *request, const struct evkv_slice *names,
    size_t count);
void conformance_must_affect(struct evkv_conformance *c,
    const struct answer *answer, int64_t count);

/* All names of an enumeration, in the order they came, pages until the end. */
struct names {
	struct evkv_slice *items;
	size_t count;
	unsigned pages;
};
struct names conformance_list(struct evkv_conformance *c,
    const struct evkv_request *request);
/* How often a name is among them. */
size_t names_count(const struct names *names, struct evkv_slice name);

#endif
