#include "engines/files/name_page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/alloc.h"

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX 10000
#define BYTES_MAX (4u << 20) /* names that a page holds */

void evkv__name_page_free(struct name_page *page)
{
	evkv_free(page->bytes);
	evkv_free(page->names);
	memset(page, 0, sizeof(*page));
}

static bool page_room(void **memory, size_t *room, size_t used, size_t more,
    size_t item)
{
	size_t wanted = *room;
	void *larger;

	if (used + more <= *room)
		return true;
	while (wanted < used + more)
		wanted = wanted * 2 + 64;
	larger = evkv_malloc(wanted * item);
	if (larger == NULL)
		return false;
	if (used > 0)
		memcpy(larger, *memory, used * item);
	evkv_free(*memory);
	*memory = larger;
	*room = wanted;
	return true;
}

int evkv__name_page_add(struct name_page *page, struct evkv_slice name)
{
	void *bytes = page->bytes, *names = page->names;
	bool ok = page_room(&bytes, &page->bytes_room, page->bytes_size,
	    name.size, 1);

	page->bytes = bytes;
	ok = ok &&
	    page_room(&names, &page->room, page->count, 1,
		sizeof(*page->names));
	page->names = names;
	if (!ok)
		return ENOMEM;
	if (name.size > 0)
		memcpy(page->bytes + page->bytes_size, name.data, name.size);
	page->names[page->count].at = page->bytes_size;
	page->names[page->count++].size = name.size;
	page->bytes_size += name.size;
	return 0;
}

void evkv__name_page_position(struct name_page *page, const void *data,
    size_t size)
{
	if (size > 0)
		memcpy(page->position, data, size);
	page->position_size = size;
}

bool evkv__name_page_full(const struct name_page *page,
    const struct evkv_request *request)
{
	size_t limit = request->match.limit != 0 ? request->match.limit
						 : LIMIT_DEFAULT;

	return page->count >= limit || page->count >= LIMIT_MAX ||
	    page->bytes_size >= BYTES_MAX;
}

static int page_compare(const void *a, const void *b, void *arg)
{
	const struct name_page_item *one = a, *two = b;
	const unsigned char *bytes = arg;
	size_t size = one->size < two->size ? one->size : two->size;
	int order = memcmp(bytes + one->at, bytes + two->at, size);

	if (order != 0)
		return order;
	return (one->size > two->size) - (one->size < two->size);
}

void evkv__name_page_sort(struct name_page *page, size_t first)
{
	if (page->count > first)
		qsort_r(page->names + first, page->count - first,
		    sizeof(*page->names), page_compare, page->bytes);
}
