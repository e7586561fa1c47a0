/*
 * Which names on the server a scan is about.
 *
 * The server is given a pattern that only spells out the literal head; what it
 * answers with is taken apart and judged here, name by name, so that neither
 * its glob dialect nor anybody else's keys can make us touch what is not ours.
 */
#include "resp.h"
#include "scan.h"

/* ---- The pattern ------------------------------------------------------ */

static char *names_escape(char *at, struct evkv_slice bytes)
{
	const char *from = bytes.data;

	for (size_t i = 0; i < bytes.size; i++) {
		if (memchr("*?[]^-\\", from[i], 7) != NULL)
			*at++ = '\\';
		*at++ = from[i];
	}
	return at;
}

bool evkv__redis_scan_match(struct redis_scan *scan,
    const struct evkv_request *request)
{
	char buffer[EVKV_PATTERN_MAX], flat[EVKV_KEY_HEAD_MAX];
	struct evkv_slice prefix = scan->store->prefix;
	struct evkv_slice head = evkv_match_head(&request->match, buffer);
	struct evkv_slice collection = request->collection;
	bool in_one = (evkv_kind_classes(request->kind) &
			  EVKV_CLASS_COLLECTION) != 0;
	size_t size;
	char *match, *at;

	if (!in_one) {
		/* The head is one of collections' names. */
		collection = head;
		if (collection.size > EVKV_COLLECTION_MAX)
			collection.size = EVKV_COLLECTION_MAX;
		head.size = 0;
	}
	size = evkv_key_encode_head(collection, flat);
	if (!in_one)
		size--; /* without the ':' */
	match = evkv_op_alloc(scan->op,
	    2 * (prefix.size + size + head.size) + 1);
	if (match == NULL)
		return false;
	at = names_escape(match, prefix);
	at = names_escape(at, evkv_bytes(flat, size));
	at = names_escape(at, head);
	*at++ = '*';
	scan->match = evkv_bytes(match, (size_t)(at - match));
	return true;
}

/* ---- Pages ------------------------------------------------------------ */

static size_t names_hash(struct evkv_slice name)
{
	const unsigned char *at = name.data;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < name.size; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return (size_t)(hash ^ (hash >> 32));
}

/* The place of a name in the set, or the free one where it would be. */
static uint32_t *names_place(const struct redis_scan *scan,
    struct evkv_slice name)
{
	size_t at = names_hash(name);

	for (;; at++) {
		uint32_t *place = &scan->seen[at & (scan->seen_room - 1)];

		if (*place == 0 ||
		    evkv_slice_equal(evkv_op_entry(scan->op, *place - 1)->name,
			name))
			return place;
	}
}

/* Keep the set at most half full. */
static bool names_make_room(struct redis_scan *scan)
{
	size_t count = evkv_op_entry_count(scan->op), room;

	if ((count + 1) * 2 <= scan->seen_room)
		return true;
	room = scan->seen_room == 0 ? 256 : scan->seen_room * 2;
	evkv_free(scan->seen);
	scan->seen_room = 0;
	scan->seen = evkv_calloc(room, sizeof(*scan->seen));
	if (scan->seen == NULL)
		return false;
	scan->seen_room = room;
	for (size_t i = 0; i < count; i++)
		*names_place(scan,
		    evkv_op_entry(scan->op, i)->name) = (uint32_t)i + 1;
	return true;
}

/* A collection, once per page. */
static bool names_add_once(struct redis_scan *scan, struct evkv_slice name)
{
	uint32_t *place;

	if (!names_make_room(scan))
		return false;
	place = names_place(scan, name);
	if (*place != 0)
		return true;
	*place = (uint32_t)evkv_op_entry_count(scan->op) + 1;
	return evkv_op_add_name(scan->op, name);
}

/* ---- Removal ---------------------------------------------------------- */

static bool names_add_victim(struct redis_scan *scan, struct evkv_slice name)
{
	size_t needed = scan->victim_size + sizeof(name.size) + name.size;

	if (needed > scan->victim_room) {
		size_t room = needed * 2 + 4096;
		char *more = evkv_malloc(room);

		if (more == NULL)
			return false;
		resp_raw(more, scan->victims, scan->victim_size);
		evkv_free(scan->victims);
		scan->victims = more;
		scan->victim_room = room;
	}
	memcpy(scan->victims + scan->victim_size, &name.size,
	    sizeof(name.size));
	memcpy(scan->victims + scan->victim_size + sizeof(name.size), name.data,
	    name.size);
	scan->victim_size = needed;
	scan->victim_count++;
	return true;
}

bool evkv__redis_scan_unlink(struct redis_scan *scan)
{
	struct evkv_pipeline *pipeline = scan->part.connection->pipeline;
	const char *from = scan->victims;
	char *room, *at;

	room = evkv_pipeline_reserve(pipeline,
	    RESP_HEAD_MAX + 12 + scan->victim_size +
		scan->victim_count * resp_word_max(0));
	if (room == NULL)
		return false;
	at = resp_command(room, scan->victim_count + 1);
	at = resp_word(at, EVKV_LIT("UNLINK"));
	for (size_t i = 0; i < scan->victim_count; i++) {
		size_t size;

		memcpy(&size, from, sizeof(size));
		from += sizeof(size);
		at = resp_word(at, evkv_bytes(from, size));
		from += size;
	}
	evkv_pipeline_commit(pipeline, (size_t)(at - room));
	return true;
}

/* ---- Names ------------------------------------------------------------ */

/* Take a name apart; false: it is not ours. */
static bool names_ours(const struct redis_scan *scan, struct evkv_slice name,
    char *buffer, struct evkv_slice *collection, struct evkv_slice *key)
{
	struct evkv_slice prefix = scan->store->prefix;

	if (name.size < prefix.size ||
	    (prefix.size > 0 &&
		memcmp(name.data, prefix.data, prefix.size) != 0))
		return false;
	return evkv_key_decode(evkv_bytes((const char *)name.data + prefix.size,
				   name.size - prefix.size),
	    buffer, collection, key);
}

bool evkv__redis_scan_name(struct redis_scan *scan, struct evkv_slice name)
{
	const struct evkv_request *request = evkv_op_request(scan->op);
	bool in_one = (evkv_kind_classes(request->kind) &
			  EVKV_CLASS_COLLECTION) != 0;
	char buffer[EVKV_COLLECTION_MAX];
	struct evkv_slice collection, key;

	if (!names_ours(scan, name, buffer, &collection, &key))
		return true;
	if (in_one && !evkv_slice_equal(collection, request->collection))
		return true;
	if (!evkv_match(request->match.prefix, request->match.pattern,
		in_one ? key : collection))
		return true;
	if (scan->removes)
		return names_add_victim(scan, name);
	return in_one ? evkv_op_add_name(scan->op, key)
		      : names_add_once(scan, collection);
}
