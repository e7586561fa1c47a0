/*
 * tests/stores/memory/bed.h - a memory store to test on, with the loop that it
 * needs.
 */
#ifndef TESTS_STORES_MEMORY_BED_H
#define TESTS_STORES_MEMORY_BED_H

#include "evkv/stores/memory.h"
#include "lib/rig.h"
#include "stores/memory/store.h"

#define COLLECTION EVKV_LIT("c")

struct bed {
	struct rig rig;
	struct evkv_store *store;
};

/* On an injected clock; bounds as the store's options have them. */
void bed_open(struct bed *bed, size_t max_entries, size_t max_bytes);
/* Nothing may be outstanding afterwards. */
void bed_close(struct bed *bed);

const struct memory *store_self_of(const struct evkv_store *store);
struct evkv_counters bed_counters(const struct bed *bed);

/* "key-000123", and 123 again. */
struct evkv_slice number_key(char *buffer, size_t size, unsigned number);
unsigned key_number(struct evkv_slice key);

/* Until the one answer is there. */
void bed_wait(struct bed *bed, struct answer *answer);

enum evkv_status bed_put_ttl(struct bed *bed, struct evkv_slice collection,
    struct evkv_slice key, struct evkv_slice value, int64_t ttl_ms);
/* Into COLLECTION, without a TTL. */
enum evkv_status bed_put(struct bed *bed, const char *key, const char *value);
/* Under the key "k", without waiting. */
void bed_put_nowait(struct bed *bed, struct evkv_slice value);
/* Keys `from` to `to` - 1, in batches. */
void bed_put_numbers(struct bed *bed, struct evkv_slice collection,
    unsigned from, unsigned to, int64_t ttl_ms);
/* By pages, to the end. */
int64_t bed_count_keys(struct bed *bed, struct evkv_slice collection);
/* Submit, wait, and tell how many entries were affected. */
int64_t bed_affected_by(struct bed *bed, const struct evkv_request *request);

#endif
