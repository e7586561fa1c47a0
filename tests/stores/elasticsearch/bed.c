/*
 * tests/stores/elasticsearch/bed.c - a store on fake nodes.
 */
#include "bed.h"

#include <string.h>

void bed_begin(struct bed *bed, size_t nodes)
{
	memset(bed, 0, sizeof(*bed));
	rig_open(&bed->rig);
	for (size_t i = 0; i < nodes; i++) {
		fake_open(&bed->fakes[i], bed->rig.base, NULL, &bed->docs);
		bed->nodes[i].host = "127.0.0.1";
		bed->nodes[i].port = bed->fakes[i].web->peer->port;
	}
	bed->options.nodes = bed->nodes;
	bed->options.node_count = nodes;
	bed->options.index = "i";
}

void bed_store(struct bed *bed)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	bed->store = evkv_elasticsearch_new(bed->rig.loop, &bed->options,
	    &error);
	check_str(error.message, "");
	check(bed->store != NULL);
}

void bed_close(struct bed *bed)
{
	evkv_store_unref(bed->store);
	for (size_t i = 0; i < BED_NODES; i++)
		fake_close(&bed->fakes[i]);
	rig_settle(&bed->rig);
	fake_docs_free(&bed->docs);
	rig_close(&bed->rig);
}

evkv_ticket bed_start_put(struct bed *bed, struct answer *answer,
    const char *key, const char *value)
{
	answer_reset(answer);
	return evkv_put(bed->store, EVKV_LIT("c"), evkv_str(key),
	    evkv_str(value), 0, answer_cb, answer);
}

evkv_ticket bed_start_get(struct bed *bed, struct answer *answer,
    const char *key)
{
	answer_reset(answer);
	return evkv_get(bed->store, EVKV_LIT("c"), evkv_str(key), answer_cb,
	    answer);
}

void bed_put(struct bed *bed, struct answer *answer, const char *key,
    const char *value)
{
	check(bed_start_put(bed, answer, key, value) != 0);
	rig_wait(&bed->rig, &answer->calls);
}

void bed_get(struct bed *bed, struct answer *answer, const char *key)
{
	check(bed_start_get(bed, answer, key) != 0);
	rig_wait(&bed->rig, &answer->calls);
}
