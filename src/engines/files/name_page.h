/*
 * engines/files/name_page.h - a page of an enumeration, as a worker gathers it.
 */
#ifndef EVKV_ENGINES_FILES_NAME_PAGE_H
#define EVKV_ENGINES_FILES_NAME_PAGE_H

#include "evkv/request.h"

#define NAME_PAGE_POSITION_MAX 512

struct name_page {
	unsigned char *bytes;
	size_t bytes_size, bytes_room;
	struct name_page_item {
		size_t at, size; /* in `bytes` */
	} * names;
	size_t count, room;
	/* Where the next page begins; the store's own. */
	unsigned char position[NAME_PAGE_POSITION_MAX];
	size_t position_size;
	bool more;
};

/* 0 or ENOMEM. */
int evkv__name_page_add(struct name_page *page, struct evkv_slice name);
void evkv__name_page_position(struct name_page *page, const void *data,
    size_t size);
/* Whether the page has as much as was asked for, or as one may hold. */
bool evkv__name_page_full(const struct name_page *page,
    const struct evkv_request *request);
/* Sort the names from `first` on. */
void evkv__name_page_sort(struct name_page *page, size_t first);
void evkv__name_page_free(struct name_page *page);

static inline struct evkv_slice name_page_name(const struct name_page *page,
    size_t i)
{
	return evkv_bytes(page->bytes + page->names[i].at, page->names[i].size);
}

#endif
