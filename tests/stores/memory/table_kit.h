/*
 * tests/stores/memory/table_kit.h - short ways to use the bounded table, and
 * what has to hold of it at all times. Times are 0 where there is no parameter
 * for them.
 */
#ifndef TESTS_STORES_MEMORY_TABLE_KIT_H
#define TESTS_STORES_MEMORY_TABLE_KIT_H

#include "lib/faults.h"
#include "lib/test.h"
#include "stores/memory/table.h"

/* A number below the bound, by turns that the seed alone decides. */
void kit_seed(uint32_t seed);
uint32_t kit_random(uint32_t bound);

/* The collection is made where it is not there. */
enum evkv_status kit_put_at(struct memory_table *table, const char *collection,
    struct evkv_slice key, struct evkv_slice value, int64_t expires_at_us,
    int64_t now_us);
/* Without an expiry. */
enum evkv_status kit_put(struct memory_table *table, const char *collection,
    const char *key, const char *value);

/* NULL: not there. */
struct memory_entry *kit_get_at(struct memory_table *table,
    const char *collection, struct evkv_slice key, int64_t now_us);
struct memory_entry *kit_get(struct memory_table *table, const char *collection,
    const char *key);

/* "key-123" */
struct evkv_slice kit_key(char *buffer, size_t size, uint32_t number);
/* That key in the collection "c"; the put is of "v", and has to go well. */
void kit_put_number(struct memory_table *table, uint32_t number,
    int64_t expires_at_us);
struct memory_entry *kit_get_number(struct memory_table *table,
    uint32_t number);

/* What has to hold between the parts of a table, always. */
void kit_check_sound(const struct memory_table *table);

#endif
