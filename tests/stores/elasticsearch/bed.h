/*
 * tests/stores/elasticsearch/bed.h - a loop, fake nodes that share their
 * documents, and a store on them.
 */
#ifndef TESTS_STORES_ELASTICSEARCH_BED_H
#define TESTS_STORES_ELASTICSEARCH_BED_H

#include "evkv/stores/elasticsearch.h"
#include "fake.h"
#include "lib/rig.h"
#include "lib/test.h"

#define BED_NODES 2

struct bed {
	struct rig rig;
	struct fake_docs docs;
	struct fake fakes[BED_NODES];
	struct evkv_elasticsearch_node nodes[BED_NODES];
	struct evkv_elasticsearch_options options;
	struct evkv_store *store;
};

/* A loop and nodes; then a store, for which options may be changed before. */
void bed_begin(struct bed *bed, size_t nodes);
void bed_store(struct bed *bed);
static inline void bed_open(struct bed *bed, size_t nodes)
{
	bed_begin(bed, nodes);
	bed_store(bed);
}
void bed_close(struct bed *bed);

/* An operation on collection "c", and wait for it. */
void bed_put(struct bed *bed, struct answer *answer, const char *key,
    const char *value);
void bed_get(struct bed *bed, struct answer *answer, const char *key);
/* The same, without waiting. */
evkv_ticket bed_start_put(struct bed *bed, struct answer *answer,
    const char *key, const char *value);
evkv_ticket bed_start_get(struct bed *bed, struct answer *answer,
    const char *key);

#endif
