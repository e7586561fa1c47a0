/*
 * stores/disk/check.h - looking at everything that is in a store.
 */
#ifndef EVKV_STORES_DISK_CHECK_H
#define EVKV_STORES_DISK_CHECK_H

#include "stores/disk/env.h"

struct disk_check {
	/* Called for each thing that is wrong, with one line. */
	void (*wrong)(const char *what, void *arg);
	void *arg;
	size_t entries, collections, expiries; /* rows that were looked at */
	size_t expiring;                       /* entries with a TTL */
	size_t problems;
};

/*
 * Walk all tables of an open environment and verify every row. LMDB trusts its
 * pages, so damaged ones may end the process: call it in one of its own.
 */
void evkv__disk_check(struct disk_env *env, struct disk_check *check);

#endif
