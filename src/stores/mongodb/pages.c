/*
 * stores/mongodb/pages.c - pages of keys and of collections.
 *
 * A page of keys is one find of as many documents as names are wanted, so it
 * may have fewer names than that where not all match. A page of collections is
 * one find for each, from one collection to the next.
 *
 * The next page begins behind the last document that was looked at. It is told
 * by its key ('k', and for collections by the collection), or, where it is none
 * of ours, by its _id ('i').
 */
#include <string.h>

#include "stores/mongodb/range.h"

#define LIMIT_DEFAULT 1000
#define LIMIT_MOST 10000
#define LOOKS 1000 /* collections that one page looks at, where few match */

struct page {
	struct mongodb_part *part;
	struct mongodb_range range;
	char *buffer; /* of the _id that was read last */
	size_t room;
	struct evkv_slice collection, key; /* of it */
	bool ours;                         /* it was one of ours */
	size_t next_room;                  /* of the span's `next` */
	size_t names;
	bool nomem;
};

/* Room for `size` bytes more behind those that are used; false = no memory. */
static bool page_room(char **bytes, size_t *room, size_t used, size_t size)
{
	size_t wanted = *room * 2 + size + 256;
	char *more;

	if (*bytes != NULL && used + size <= *room)
		return true;
	more = evkv_malloc(wanted);
	if (more == NULL)
		return false;
	if (used > 0)
		memcpy(more, *bytes, used);
	evkv_free(*bytes);
	*bytes = more;
	*room = wanted;
	return true;
}

/* The next page begins behind this one. */
static void page_next(struct page *page, char tag, struct evkv_slice name)
{
	struct mongodb_span *span = page->part->span;

	if (name.size > EVKV_KEY_MAX)
		return;
	if (!page_room(&span->next, &page->next_room, 0, name.size + 1)) {
		page->nomem = true;
		return;
	}
	span->next[0] = tag;
	memcpy(span->next + 1, name.data, name.size);
	span->next_size = name.size + 1;
}

static void page_add(struct page *page, struct evkv_slice name)
{
	const struct evkv_match *match = &page->part->request->match;
	struct mongodb_span *span = page->part->span;

	if (!evkv_match(match->prefix, match->pattern, name))
		return;
	if (!page_room(&span->names, &span->names_room, span->names_size,
		sizeof(name.size) + name.size)) {
		page->nomem = true;
		return;
	}
	memcpy(span->names + span->names_size, &name.size, sizeof(name.size));
	memcpy(span->names + span->names_size + sizeof(name.size), name.data,
	    name.size);
	span->names_size += sizeof(name.size) + name.size;
	page->names++;
}

/* Take an _id apart. */
static bool page_read(struct page *page, struct evkv_slice id)
{
	page->ours = false;
	if (!page_room(&page->buffer, &page->room, 0, id.size)) {
		page->nomem = true;
		return false;
	}
	page->ours = evkv__mongodb_id_read(id, page->buffer, &page->collection,
	    &page->key);
	if (!page->ours)
		page_next(page, 'i', id);
	return !page->nomem;
}

static int64_t page_limit(const struct mongodb_part *part)
{
	size_t limit = part->request->match.limit;

	if (limit == 0)
		limit = LIMIT_DEFAULT;
	return (int64_t)(limit < LIMIT_MOST ? limit : LIMIT_MOST);
}

/* Begin behind where the page before ended. */
static bool page_position(struct page *page)
{
	const struct evkv_request *request = page->part->request;
	struct evkv_slice from = page->part->span->position, name;
	bool begun;
	char *id;

	if (from.size == 0)
		return true;
	name = evkv_bytes((const char *)from.data + 1, from.size - 1);
	if (*(const char *)from.data == 'i')
		return evkv__mongodb_range_after(&page->range, name);
	if (request->kind == EVKV_OP_COLLECTIONS)
		return evkv__mongodb_range_skip(&page->range, name);
	id = evkv_malloc(mongodb_id_room(request->collection, name));
	if (id == NULL)
		return false;
	begun = evkv__mongodb_range_after(&page->range,
	    evkv_bytes(id,
		evkv__mongodb_id_write(request->collection, name, id)));
	evkv_free(id);
	return begun;
}

/* false: the worker was left, or there was no memory, or a failure. */
static bool page_look(struct mongodb_worker *worker, struct page *page,
    struct mongodb_look *look, bool *with)
{
	*with = evkv__mongodb_range_look(worker, page->part, look);
	return *with && !page->nomem && page->part->failure.status == EVKV_OK;
}

static void page_end(struct page *page, bool with)
{
	if (with && page->nomem)
		evkv__mongodb_part_nomem(page->part);
	evkv_free(page->buffer);
	evkv__mongodb_range_free(&page->range);
}

/* ---- Keys ---------------------------------------------------------------- */

static bool keys_take(struct evkv_slice id, void *arg)
{
	struct page *page = arg;

	if (page_read(page, id) && page->ours) {
		page_add(page, page->key);
		page_next(page, 'k', page->key);
	}
	return !page->nomem;
}

bool evkv__mongodb_keys(struct mongodb_worker *worker,
    struct mongodb_part *part)
{
	const struct evkv_request *request = part->request;
	struct page page = { .part = part };
	struct mongodb_look look = {
		.range = &page.range,
		.live = true,
		.limit = page_limit(part),
		.take = keys_take,
		.arg = &page,
	};
	char head[EVKV_PATTERN_MAX];
	bool with = true;

	if (!evkv__mongodb_range_collection(&page.range, request->collection,
		evkv_match_head(&request->match, head)) ||
	    !page_position(&page))
		page.nomem = true;
	else if (page_look(worker, &page, &look, &with) &&
	    look.count < look.limit)
		part->span->next_size = 0;
	page_end(&page, with);
	return with;
}

/* ---- Collections --------------------------------------------------------- */

static bool collections_take(struct evkv_slice id, void *arg)
{
	struct page *page = arg;

	if (!page_read(page, id))
		return false;
	if (!page->ours) {
		page->nomem = !evkv__mongodb_range_after(&page->range, id);
		return false;
	}
	page_add(page, page->collection);
	page_next(page, 'k', page->collection);
	if (!evkv__mongodb_range_skip(&page->range, page->collection))
		page->nomem = true;
	return false;
}

bool evkv__mongodb_collections(struct mongodb_worker *worker,
    struct mongodb_part *part)
{
	struct page page = { .part = part };
	struct mongodb_look look = {
		.range = &page.range,
		.live = true,
		.limit = 1,
		.take = collections_take,
		.arg = &page,
	};
	char head[EVKV_PATTERN_MAX];
	size_t limit = (size_t)page_limit(part);
	bool with = true;
	int looks;

	if (!evkv__mongodb_range_all(&page.range,
		evkv_match_head(&part->request->match, head)) ||
	    !page_position(&page))
		page.nomem = true;
	for (looks = 0; !page.nomem && page.names < limit && looks < LOOKS;
	     looks++) {
		if (!page_look(worker, &page, &look, &with) ||
		    evkv_job_stopped(&part->job))
			break;
		if (look.count == 0) {
			part->span->next_size = 0;
			break;
		}
	}
	page_end(&page, with);
	return with;
}
