/* stores/mongodb/raw.c - the memory that BSON is written into. */
#include "stores/mongodb/raw.h"

#include "evkv/driver.h"

#define KEPT ((size_t)256 << 10)

bool evkv__mongodb_raw_grow(struct mongodb_raw *raw, size_t size)
{
	size_t room = raw->room * 2 + size + 1024;
	char *more;

	more = evkv_malloc(room);
	if (more == NULL)
		return false;
	if (raw->size > 0)
		memcpy(more, raw->data, raw->size);
	evkv_free(raw->data);
	raw->data = more;
	raw->room = room;
	return true;
}

void evkv__mongodb_raw_clear(struct mongodb_raw *raw)
{
	raw->size = 0;
	if (raw->room <= KEPT)
		return;
	evkv_free(raw->data);
	*raw = (struct mongodb_raw){ .data = NULL };
}
