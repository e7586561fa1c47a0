/*
 * tests/stores/log/direct.h - a log without loop and threads: what its workers
 * do, done here, so that every step is the test's.
 */
#ifndef TESTS_STORES_LOG_DIRECT_H
#define TESTS_STORES_LOG_DIRECT_H

#include "stores/log/work.h"

struct direct {
	struct log_env *env;
	struct log_worker worker;
	int64_t now_ms;
	const char *collection; /* of what follows; NULL = "c" */
};

/* Options of what is opened; zero = the least that there is. */
struct direct_config {
	const char *path;
	enum log_durability durability;
	uint64_t max_bytes, segment_bytes, hash_mask;
	double ratio;
};

/* false: it does not open, and `failure` tells why. */
bool direct_open(struct direct *direct, const struct direct_config *config,
    struct file_failure *failure);
void direct_close(struct direct *direct);

/* One entry, or a group of them. */
enum evkv_status direct_put(struct direct *direct, const char *key,
    const char *value, int64_t ttl_ms);
enum evkv_status direct_delete(struct direct *direct, const char *key);

struct direct_write {
	bool deletes;
	const char *key, *value;
	int64_t ttl_ms;
	enum evkv_status status; /* filled in */
};
void direct_group(struct direct *direct, struct direct_write *writes,
    size_t count);

/* The value of a key, or "" with the status. */
enum evkv_status direct_get(struct direct *direct, const char *key, char *value,
    size_t size);
/* Clear the collection, or remove what has expired. */
bool direct_remove(struct direct *direct, enum evkv_kind kind,
    int64_t *removed);
/* Compact all that has anything dead; the status of the first failure. */
int direct_compact(struct direct *direct);

#endif
