/*
 * stores/elasticsearch/hits.c - what a walk's searches find, and what becomes
 * of the documents that it deletes.
 *
 * The server has selected; whether a document is one of ours, and is meant, is
 * decided here. keys and collections take the names; the others keep the _id of
 * what is to be deleted until the page is complete.
 */
#include "stores/elasticsearch/walk.h"

/* ---- Kept documents ------------------------------------------------------ */

void evkv__es_hits_free(struct es_walk *walk)
{
	for (size_t i = 0; i < walk->hit_count; i++)
		evkv__es_text_free(&walk->hits[i].id);
	evkv_free(walk->hits);
	walk->hits = NULL;
	walk->hit_count = 0;
}

size_t evkv__es_hits_refused(struct es_walk *walk)
{
	size_t kept = 0;

	for (size_t i = 0; i < walk->hit_count; i++) {
		if (!walk->hits[i].refused) {
			evkv__es_text_free(&walk->hits[i].id);
			continue;
		}
		if (kept != i) {
			walk->hits[kept] = walk->hits[i];
			memset(&walk->hits[i].id, 0, sizeof(walk->hits[i].id));
		}
		walk->hits[kept++].refused = false;
	}
	walk->hit_count = kept;
	return kept;
}

/* ---- Documents and collections ------------------------------------------- */

static bool text_copy(struct es_text *to, const struct es_text *from)
{
	to->size = 0;
	return evkv__es_text_add(to, from->data, from->size);
}

/* The names of a document, where it is one of ours. */
static bool hit_names(struct es_walk *walk, const struct es_record *record,
    char *collection, size_t *size)
{
	bool ours = !record->damaged &&
	    evkv__es_collection_read(es_text_slice(&record->collection),
		collection, size) &&
	    evkv__es_key_read(record, &walk->key);

	walk->no_memory |= walk->key.no_memory;
	return ours;
}

/* false also without memory, as walk->no_memory tells. */
static bool hit_is_ours(struct es_walk *walk, const struct es_record *record,
    struct evkv_slice collection)
{
	struct es_text id = { .data = NULL };
	bool ours = evkv__es_id_write(&id, collection,
			es_text_slice(&walk->key)) &&
	    evkv_slice_equal(es_text_slice(&id), es_text_slice(&record->id));

	walk->no_memory |= id.no_memory;
	evkv__es_text_free(&id);
	return ours;
}

static bool hit_matches(const struct es_walk *walk,
    struct evkv_slice collection)
{
	const struct evkv_match *match = &evkv_op_request(walk->op)->match;
	struct evkv_slice name = es_text_slice(&walk->key);

	if (walk->kind == EVKV_OP_PURGE_EXPIRED)
		return true;
	if (walk->kind == EVKV_OP_CLEAR_ALL)
		name = collection;
	return evkv_match(match->prefix, match->pattern, name);
}

/* Keep it, to be deleted when the page is complete. */
static void hit_keep(struct es_walk *walk, struct es_record *record)
{
	struct walk_hit *hit;

	if (walk->hits == NULL)
		walk->hits = evkv_calloc(walk->size, sizeof(*walk->hits));
	if (walk->hits == NULL || walk->hit_count == walk->size) {
		walk->no_memory = true;
		return;
	}
	hit = &walk->hits[walk->hit_count++];
	hit->id = record->id;
	memset(&record->id, 0, sizeof(record->id));
	hit->seq_no = record->seq_no;
	hit->primary_term = record->primary_term;
	hit->live = record->expires_ms > walk->now_ms;
}

static void walk_on_hit(struct es_walk *walk, struct es_record *record)
{
	char collection[EVKV_COLLECTION_MAX];
	size_t size;

	if (!text_copy(&walk->after_key, &record->key) ||
	    !text_copy(&walk->after_collection, &record->collection)) {
		walk->no_memory = true;
		return;
	}
	if (!hit_names(walk, record, collection, &size) ||
	    !hit_is_ours(walk, record, evkv_bytes(collection, size)) ||
	    !hit_matches(walk, evkv_bytes(collection, size)))
		return;
	if (walk->kind == EVKV_OP_KEYS)
		(void)evkv_op_add_name(walk->op, es_text_slice(&walk->key));
	else
		hit_keep(walk, record);
}

static void walk_on_group(struct es_walk *walk, const struct es_record *record)
{
	const struct evkv_match *match = &evkv_op_request(walk->op)->match;
	char collection[EVKV_COLLECTION_MAX];
	size_t size;

	walk->after_key.size = 0;
	if (!evkv__es_text_add(&walk->after_key, "=", 1) ||
	    !evkv__es_text_add(&walk->after_key, record->collection.data,
		record->collection.size)) {
		walk->no_memory = true;
		return;
	}
	if (evkv__es_collection_read(es_text_slice(&record->collection),
		collection, &size) &&
	    evkv_match(match->prefix, match->pattern,
		evkv_bytes(collection, size)))
		(void)evkv_op_add_name(walk->op, evkv_bytes(collection, size));
}

/* ---- Answers ------------------------------------------------------------- */

static void walk_on_delete(struct es_walk *walk, const struct es_record *record)
{
	struct walk_hit *hit;

	if (walk->answered == walk->hit_count)
		return;
	hit = &walk->hits[walk->answered++];
	if (record->status >= 200 && record->status <= 299)
		walk->affected += hit->live ||
		    walk->kind == EVKV_OP_PURGE_EXPIRED;
	else if (record->status == 429)
		hit->refused = true;
	else if (record->status != 404 && record->status != 409 &&
	    walk->exchange.failure.status == EVKV_OK)
		evkv__es_failure_read(&walk->exchange.failure, true,
		    record->status, record->type, record->reason,
		    walk->exchange.from);
}

void evkv__es_hits_record(struct es_exchange *exchange,
    struct es_record *record)
{
	struct es_walk *walk = (struct es_walk *)(void *)exchange;

	if (walk->phase == WALK_DELETE) {
		walk_on_delete(walk, record);
		return;
	}
	/* A server gives no more than it was asked for. */
	if (walk->op == NULL || walk->stopped || walk->found == walk->size)
		return;
	walk->found++;
	if (walk->kind == EVKV_OP_COLLECTIONS)
		walk_on_group(walk, record);
	else
		walk_on_hit(walk, record);
}
