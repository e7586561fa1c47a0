/*
 * stores/simple/list.h - a skip list of entries in byte order of collection
 * and key.
 */
#ifndef EVKV_SRC_STORES_SIMPLE_LIST_H
#define EVKV_SRC_STORES_SIMPLE_LIST_H

#include "evkv/driver.h"

#define SIMPLE_LEVELS 16 /* enough for 4^16 entries */

/*
 * One entry. It is in the lists of the levels 0 to height - 1; the list of
 * level 0 has all entries, each higher one about a quarter of those below.
 */
struct simple_entry {
	struct evkv_slice collection; /* both lie after the links */
	struct evkv_slice key;
	struct evkv_value *value;
	int64_t expires_us; /* monotonic */
	struct evkv_version version;
	int height;
	struct simple_entry *next[];
};

struct simple_list {
	struct simple_entry *first[SIMPLE_LEVELS];
	size_t entries;
	size_t bytes; /* of collections, keys and values */
};

/* Where an entry is or would be: the link to it on every level. */
struct simple_place {
	struct simple_entry **link[SIMPLE_LEVELS];
};

/* Which entries a place is in front of. */
enum simple_bound {
	SIMPLE_FROM,      /* those from (collection, key) on */
	SIMPLE_AFTER,     /* those after (collection, key) */
	SIMPLE_AFTER_ALL, /* those of the collections after this one */
};

/* Find the place of a bound. Returns the entry after it, or NULL. */
struct simple_entry *evkv__simple_find(struct simple_list *list,
    struct evkv_slice collection, struct evkv_slice key,
    enum simple_bound bound, struct simple_place *place);

/* The place before all entries; and the next one, past one entry. */
void evkv__simple_start(struct simple_list *list, struct simple_place *place);
void evkv__simple_pass(struct simple_place *place);

/*
 * A new entry at a place that was found SIMPLE_FROM its names; `random` decides
 * its height. The reference to the value moves. NULL = no memory.
 */
struct simple_entry *evkv__simple_insert(struct simple_list *list,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_value *value, uint64_t random, struct simple_place *place);

/* Another value for an entry; the reference moves. */
void evkv__simple_replace(struct simple_list *list, struct simple_entry *entry,
    struct evkv_value *value);

/* Remove the entry after a place, and free it; the place stays valid. */
void evkv__simple_remove(struct simple_list *list, struct simple_place *place);

/* Free all entries. */
void evkv__simple_empty(struct simple_list *list);

#endif
