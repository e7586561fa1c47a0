/*
 * tests/stores/log/kit.h - a log on a loop, in a temporary folder, and blocking
 * calls on it.
 */
#ifndef TESTS_STORES_LOG_KIT_H
#define TESTS_STORES_LOG_KIT_H

#include "evkv/stores/log.h"
#include "lib/folder.h"
#include "lib/rig.h"
#include "lib/test.h"

struct kit {
	struct rig rig;
	struct evkv_store *store;
	char folder[200], path[220];
};

void kit_begin(struct kit *kit);
void kit_end(struct kit *kit);
/* Open it at kit->path; the status of evkv_store_wait_ready(). */
enum evkv_status kit_open(struct kit *kit,
    const struct evkv_log_options *options);
void kit_close(struct kit *kit);

enum evkv_status kit_put(struct kit *kit, unsigned key, const char *value,
    int64_t ttl_ms);
enum evkv_status kit_delete(struct kit *kit, unsigned key);
/* Whether the value is the one expected, where the status is OK. */
enum evkv_status kit_get(struct kit *kit, unsigned key, const char *expected);
/* In another collection than the one of all these. */
enum evkv_status kit_put_in(struct kit *kit, const char *collection,
    unsigned key, const char *value);
enum evkv_status kit_get_in(struct kit *kit, const char *collection,
    unsigned key, const char *expected);
enum evkv_status kit_span(struct kit *kit, enum evkv_kind kind);
/* Many puts at once, all OK or all of `status`. */
void kit_put_many(struct kit *kit, unsigned from, unsigned to,
    const char *value, enum evkv_status status);

#endif
