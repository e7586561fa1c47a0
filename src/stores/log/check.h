/*
 * stores/log/check.h - what is wrong with the files of a log, and what of it is
 * sound; for evkv_log_check and tests. Nobody may have the log open.
 */
#ifndef EVKV_STORES_LOG_CHECK_H
#define EVKV_STORES_LOG_CHECK_H

#include "stores/log/work.h"

struct log_check {
	/* Told of each damage, by file and offset. */
	void (*wrong)(const char *what, void *arg);
	void *arg;
	/* Counted: what is sound, and what is not. */
	uint64_t files, puts, tombstones, damages;
};

/*
 * Walk all files at `path`, index files too. With `out`, an open log with
 * nothing in it, all records that are sound are written to it, in the order of
 * their versions, as they are at `now_ms`. false: `failure` tells why it could
 * not be done.
 */
bool evkv__log_check(const char *path, struct log_check *check,
    struct log_worker *out, int64_t now_ms, struct file_failure *failure);

#endif
