/*
 * The skip list under the simple store.
 *
 * A search begins on the highest level, goes on while entries are before what
 * is looked for, and then one level down; on each level it leaves the link at
 * which it stopped. Through these links an entry is put in or taken out on all
 * its levels, without another search.
 */
#include "stores/simple/list.h"

#include <string.h>

static int simple_list_compare(struct evkv_slice a, struct evkv_slice b)
{
	size_t size = a.size < b.size ? a.size : b.size;
	int order = size > 0 ? memcmp(a.data, b.data, size) : 0;

	return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static bool simple_list_before(const struct simple_entry *entry,
    struct evkv_slice collection, struct evkv_slice key,
    enum simple_bound bound)
{
	int order = simple_list_compare(entry->collection, collection);

	if (order == 0 && bound == SIMPLE_AFTER_ALL)
		return true;
	if (order == 0)
		order = simple_list_compare(entry->key, key);
	return bound == SIMPLE_AFTER ? order <= 0 : order < 0;
}

struct simple_entry *evkv__simple_find(struct simple_list *list,
    struct evkv_slice collection, struct evkv_slice key,
    enum simple_bound bound, struct simple_place *place)
{
	struct simple_entry **links = list->first;
	int level;

	for (level = SIMPLE_LEVELS - 1; level >= 0; level--) {
		while (links[level] != NULL &&
		    simple_list_before(links[level], collection, key, bound))
			links = links[level]->next;
		place->link[level] = &links[level];
	}
	return *place->link[0];
}

void evkv__simple_start(struct simple_list *list, struct simple_place *place)
{
	int level;

	for (level = 0; level < SIMPLE_LEVELS; level++)
		place->link[level] = &list->first[level];
}

void evkv__simple_pass(struct simple_place *place)
{
	struct simple_entry *entry = *place->link[0];
	int level;

	for (level = 0; level < entry->height; level++)
		place->link[level] = &entry->next[level];
}

static size_t simple_list_bytes(const struct simple_entry *entry)
{
	return entry->collection.size + entry->key.size +
	    evkv_value_bytes(entry->value).size;
}

/* Each level more has a chance of one in four. */
static int simple_list_height(uint64_t random)
{
	int height = 1;

	for (; height < SIMPLE_LEVELS && (random & 3) == 0; random >>= 2)
		height++;
	return height;
}

struct simple_entry *evkv__simple_insert(struct simple_list *list,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_value *value, uint64_t random, struct simple_place *place)
{
	int height = simple_list_height(random), level;
	size_t links = (size_t)height * sizeof(struct simple_entry *);
	struct simple_entry *entry;
	char *bytes;

	entry = evkv_malloc(sizeof(*entry) + links + collection.size +
	    key.size);
	if (entry == NULL)
		return NULL;
	bytes = (char *)entry->next + links;
	if (collection.size > 0)
		memcpy(bytes, collection.data, collection.size);
	memcpy(bytes + collection.size, key.data, key.size);
	entry->collection = evkv_bytes(bytes, collection.size);
	entry->key = evkv_bytes(bytes + collection.size, key.size);
	entry->value = value;
	entry->height = height;
	for (level = 0; level < height; level++) {
		entry->next[level] = *place->link[level];
		*place->link[level] = entry;
	}
	list->entries++;
	list->bytes += simple_list_bytes(entry);
	return entry;
}

void evkv__simple_replace(struct simple_list *list, struct simple_entry *entry,
    struct evkv_value *value)
{
	list->bytes -= simple_list_bytes(entry);
	evkv_value_unref(entry->value);
	entry->value = value;
	list->bytes += simple_list_bytes(entry);
}

static void simple_list_free(struct simple_entry *entry)
{
	evkv_value_unref(entry->value);
	evkv_free(entry);
}

void evkv__simple_remove(struct simple_list *list, struct simple_place *place)
{
	struct simple_entry *entry = *place->link[0];
	int level;

	for (level = 0; level < entry->height; level++)
		*place->link[level] = entry->next[level];
	list->entries--;
	list->bytes -= simple_list_bytes(entry);
	simple_list_free(entry);
}

void evkv__simple_empty(struct simple_list *list)
{
	struct simple_entry *entry, *next;

	for (entry = list->first[0]; entry != NULL; entry = next) {
		next = entry->next[0];
		simple_list_free(entry);
	}
	memset(list, 0, sizeof(*list));
}
