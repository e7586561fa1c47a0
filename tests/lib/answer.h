/*
 * tests/lib/answer.h - a result, recorded.
 *
 *     struct answer a = ANSWER_INIT;
 *     evkv_get(store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &a);
 *     rig_wait(&rig, &a.calls);
 *     check_status(a.status, EVKV_OK);
 *     check_slice(a.entries[0].bytes, "v");
 *     answer_free(&a);
 */
#ifndef TESTS_LIB_ANSWER_H
#define TESTS_LIB_ANSWER_H

#include "evkv/request.h"

struct answer_entry {
	enum evkv_status status;
	uint16_t flags;
	int64_t age_ms; /* where the flags have EVKV_ENTRY_CACHED */
	int64_t ttl_ms;
	bool has_value;          /* there was a struct evkv_value */
	struct evkv_slice bytes; /* copies */
	struct evkv_slice name;
	int64_t number;
	struct evkv_version version;
};

/* A deep copy of the last result, in memory that evkv's counts don't see. */
struct answer {
	int calls;      /* of the callback: 1, or something is wrong */
	unsigned order; /* among all answers of the process, from 1 */
	enum evkv_status status;
	enum evkv_cause cause;
	enum evkv_kind kind;
	int sys_error;
	char message[512];
	size_t count;
	struct answer_entry *entries;
	int64_t affected;
	struct evkv_slice cursor;
	/* Called last in the callback, where it is not NULL. */
	void (*then)(struct answer *answer, const struct evkv_result *result,
	    void *arg);
	void *arg;
};

#define ANSWER_INIT                                                            \
	{                                                                      \
		.calls = 0                                                     \
	}

/* An evkv_cb; arg is a struct answer. A second result replaces the first. */
void answer_cb(const struct evkv_result *result, void *arg);

/* Free the copies and make it ready for another operation; keeps `then`. */
void answer_reset(struct answer *answer);
/* Free the copies. */
void answer_free(struct answer *answer);

#endif
