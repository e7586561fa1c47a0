/*
 * wrappers/fault/fault.h - what its files share.
 */
#ifndef EVKV_WRAPPERS_FAULT_FAULT_H
#define EVKV_WRAPPERS_FAULT_FAULT_H

#include "evkv/driver.h"
#include "evkv/wrappers/fault.h"

struct rule {
	struct evkv_fault_rule asked;
	uint64_t seen, fired;
};

struct fault {
	struct evkv_loop *loop;
	struct evkv_store *inner;
	uint64_t random; /* splitmix64 */
	struct rule *rules;
	size_t rule_count;
	struct held *held, **tail; /* in order of submission */
	size_t held_count;
	struct evkv_task release_task;
	struct evkv_fault_options given; /* for describe */
};

/* The `self` of a fault store, or NULL. */
struct fault *evkv__fault_self(const struct evkv_store *store);

/* rules.c */
/* Add the rules that options ask for; false: no memory. */
bool evkv__fault_options(struct fault *fault,
    const struct evkv_fault_options *options);
/* The rule that fires for this operation, or NULL. */
const struct evkv_fault_rule *evkv__fault_draw(struct fault *fault,
    enum evkv_kind kind);
/* A number between two. */
int64_t evkv__fault_between(struct fault *fault, int64_t low, int64_t high);

#endif
