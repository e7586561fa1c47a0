/*
 * tests/model/model.h - random operations, checked against a reference that is
 * too simple to be wrong.
 *
 * Keyed operations are submitted in groups without waiting, so that they
 * overlap inside the store; the reference applies them one by one in the order
 * of submission, which is what per-key order promises. What spans keys, and
 * time, stands alone. An operation that the delaying store refused is left out.
 *
 * A history that fails is made shorter as long as it still fails, and printed.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include "conformance/conformance.h"

#define MODEL_COLLECTIONS 6
#define MODEL_KEYS 12
#define MODEL_BATCH 4
#define MODEL_GROUP 8 /* operations under way at once */

enum { MODEL_ADVANCE = EVKV_KIND_COUNT }; /* beside the kinds */

struct model_op {
	uint8_t kind;       /* enum evkv_kind, or MODEL_ADVANCE */
	uint8_t collection; /* indexes */
	uint8_t keys[MODEL_BATCH];
	uint8_t count;
	uint8_t condition;
	uint8_t pattern;
	uint8_t prefix;
	bool single, counted, each_ttl, wait_after;
	bool versions; /* ask for them */
	int64_t delta, initial;
	uint32_t serial; /* the values' bytes follow from it */
	uint32_t limit;
	int64_t ttls[MODEL_BATCH];
	int64_t advance_ms;
};

/* ops.c: names and histories. */
extern const struct evkv_slice model_collections[MODEL_COLLECTIONS];
extern const struct evkv_slice model_keys[MODEL_KEYS];
struct evkv_slice model_pattern(const struct model_op *op);
struct evkv_slice model_prefix(const struct model_op *op);
/* The bytes that an operation puts at its i-th key; into `buffer`. */
#define MODEL_VALUE_MAX 3000
struct evkv_slice model_value(uint32_t serial, unsigned i, char *buffer);
void model_generate(struct model_op *ops, size_t count, uint64_t seed,
    bool real_time);
void model_print(const struct model_op *op, FILE *out);

/* reference.c: what a store should hold. */
struct model_entry {
	bool present;
	bool counted; /* the value is `number` as text, not of a put */
	uint32_t serial;
	unsigned i;
	int64_t number;
	int64_t expires_ms; /* 0 = never */
	uint64_t change;    /* of all changes, the one that made it so */
};

struct model_reference {
	struct model_entry entries[MODEL_COLLECTIONS][MODEL_KEYS];
	int64_t now_ms;
	uint64_t changes;
	bool by_content;  /* versions tell of the value alone */
	bool touch_keeps; /* a touch changes no version */
};

/* A version that was told, and the entry that had it. */
struct model_known {
	struct evkv_version version;
	struct model_entry entry;
};

struct model_expected {
	enum evkv_status status[MODEL_BATCH];
	/* What reads find, what a put or an incr leaves. */
	struct model_entry entry[MODEL_BATCH];
	enum evkv_status whole;
	int64_t affected;
};

/* The entry, or NULL where it is absent or expired. */
struct model_entry *model_find(struct model_reference *reference,
    unsigned collection, unsigned key);
/*
 * `known` holds what IF_VERSION gives for each key; `refused` has a bit for
 * each key at which nothing is done.
 */
void model_apply(struct model_reference *reference, const struct model_op *op,
    const struct model_known *known, uint32_t refused,
    struct model_expected *expected);
/* The bytes of an entry's value; into `buffer` of MODEL_VALUE_MAX. */
struct evkv_slice model_bytes(const struct model_entry *entry, char *buffer);
/* The names that an enumeration should give, by index, as a set of bits. */
uint32_t model_names(struct model_reference *reference,
    const struct model_op *op);

/* run.c: a history on a store; false and test_message() where it differs. */
struct model_run {
	const struct evkv_conformance_suite *suite;
	enum conformance_mode mode;
	const struct model_op *ops;
	size_t count;
	size_t at;     /* the operation in work, or the last one */
	size_t worked; /* operations run so far, over all runs */
};
bool model_run(struct model_run *run);

/* shrink.c: run, and on failure shorten, print and fail the test. */
void model_check(const struct evkv_conformance_suite *suite,
    enum conformance_mode mode, uint64_t seed, size_t count);

/* histories.c: the tests; 0 for the seed and the number: as usual. */
struct model_options {
	const struct evkv_conformance_suite *suite;
	enum conformance_mode mode;
	uint64_t seed;
	size_t ops;
};
void model_a_long_history(const struct model_options *options);
void model_many_short_histories(const struct model_options *options);

#endif
