/*
 * stores/log/scan.c - the items of a data file, one after the other.
 *
 * A file of the writer's consists of groups: the head of a group, which tells
 * how long it is, and its items. What a write that failed has left behind the
 * end of a later, shorter one is no head of a group, so it is not taken for
 * anything. Versions go up from item to item.
 */
#include "stores/log/file.h"

#include <errno.h>

#include "evkv/alloc.h"

#define BUFFER_SIZE ((size_t)1 << 20)

bool evkv__log_scan_begin(struct log_scan *scan, struct log_file *file)
{
	memset(scan, 0, sizeof(*scan));
	scan->buffer = evkv_malloc(BUFFER_SIZE);
	if (scan->buffer == NULL)
		return false;
	scan->room = BUFFER_SIZE;
	scan->file = file;
	scan->offset = LOG_FILE_HEAD;
	scan->last = file->head.first - 1;
	return true;
}

void evkv__log_scan_end(struct log_scan *scan)
{
	evkv_free(scan->buffer);
	scan->buffer = NULL;
}

static bool scan_room(struct log_scan *scan, size_t wanted)
{
	unsigned char *larger;

	if (wanted <= scan->room)
		return true;
	larger = evkv_malloc(wanted);
	if (larger == NULL)
		return false;
	memcpy(larger, scan->buffer + scan->begin, scan->end - scan->begin);
	evkv_free(scan->buffer);
	scan->buffer = larger;
	scan->room = wanted;
	scan->end -= scan->begin;
	scan->begin = 0;
	return true;
}

/* Have `wanted` bytes of the next item; *short: the file ends before. */
static enum log_step scan_fill(struct log_scan *scan, size_t wanted, bool *cut)
{
	uint64_t left;
	size_t have = scan->end - scan->begin, more;

	*cut = false;
	if (have >= wanted)
		return LOG_STEP_ITEM;
	if (!scan_room(scan, wanted))
		return LOG_STEP_NOMEM;
	if (scan->begin > 0) {
		memmove(scan->buffer, scan->buffer + scan->begin, have);
		scan->begin = 0;
		scan->end = have;
	}
	left = scan->file->size - scan->offset - have;
	more = scan->room - have;
	if (more > left)
		more = (size_t)left;
	if (more > 0 &&
	    !evkv__log_pread(scan->file->fd, scan->buffer + have, more,
		scan->offset + have)) {
		if (errno != ENODATA)
			return LOG_STEP_IO;
		more = 0;
	}
	scan->end += more;
	*cut = have + more < wanted;
	return LOG_STEP_ITEM;
}

static enum log_step scan_head(struct log_scan *scan)
{
	uint32_t seed = evkv__log_seed(scan->file->head.id, scan->offset);
	size_t wanted = LOG_ITEM_HEAD;
	enum log_parse parse;
	enum log_step step;
	bool cut;

	for (;;) {
		step = scan_fill(scan, wanted, &cut);
		if (step != LOG_STEP_ITEM)
			return step;
		if (cut)
			return LOG_STEP_BAD;
		scan->at = scan->buffer + scan->begin;
		parse = evkv__log_item_parse(scan->at, scan->end - scan->begin,
		    seed, &scan->item);
		if (parse == LOG_PARSE_OK)
			return LOG_STEP_ITEM;
		if (parse == LOG_PARSE_BAD)
			return LOG_STEP_BAD;
		wanted = log_item_named(&scan->item);
	}
}

static void scan_advance(struct log_scan *scan)
{
	uint64_t size = log_item_size(&scan->item);
	size_t have = scan->end - scan->begin;

	scan->offset += size;
	if (size <= have) {
		scan->begin += (size_t)size;
	} else {
		scan->begin = scan->end = 0;
	}
}

/* The head of a group must begin where the last one has ended. */
static bool scan_group(struct log_scan *scan)
{
	if (scan->offset != scan->group_end && scan->group_end != 0)
		return false;
	if (scan->item.version <= scan->last)
		return false;
	scan->last = scan->item.version - 1;
	scan_advance(scan);
	scan->group_end = scan->offset + scan->item.value_size;
	return true;
}

static bool scan_in_place(const struct log_scan *scan)
{
	bool copy = (scan->file->head.flags & LOG_FLAG_COPY) != 0;

	if (scan->item.kind == LOG_GROUP)
		return !copy;
	/* A group that was torn has its seal in the middle. */
	if (scan->item.kind == LOG_SEAL)
		return true;
	return scan->item.version > scan->last &&
	    (copy ||
		scan->offset + log_item_size(&scan->item) <= scan->group_end);
}

static enum log_step scan_value(struct log_scan *scan)
{
	enum log_step step;
	bool cut;

	step = scan_fill(scan, (size_t)log_item_size(&scan->item), &cut);
	if (step != LOG_STEP_ITEM)
		return step;
	scan->at = scan->buffer + scan->begin;
	return cut ||
		!evkv__log_value_ok(&scan->item,
		    log_item_value(scan->at, &scan->item))
	    ? LOG_STEP_BAD
	    : LOG_STEP_ITEM;
}

enum log_step evkv__log_scan_next(struct log_scan *scan, bool values)
{
	enum log_step step;

	for (;;) {
		step = scan_head(scan);
		if (step != LOG_STEP_ITEM)
			return step;
		if (!scan_in_place(scan))
			return LOG_STEP_BAD;
		if (scan->item.kind != LOG_GROUP)
			break;
		if (!scan_group(scan))
			return LOG_STEP_BAD;
	}
	scan->item_offset = scan->offset;
	if (scan->item.kind == LOG_SEAL)
		return LOG_STEP_SEAL;
	if (values && scan->item.kind == LOG_PUT) {
		step = scan_value(scan);
		if (step != LOG_STEP_ITEM)
			return step;
	}
	scan->last = scan->item.version;
	scan->puts += scan->item.kind == LOG_PUT;
	scan_advance(scan);
	return LOG_STEP_ITEM;
}

/* ---- Behind a bad item --------------------------------------------------- */

/* Where, from `offset` on, the head of a group is or, if asked, any item. */
static int scan_look(struct log_scan *scan, uint64_t offset, bool any,
    uint64_t *where)
{
	struct log_item item;
	size_t have, i;

	for (; offset + LOG_ITEM_HEAD <= scan->file->size; offset += i) {
		have = scan->room;
		if (have > scan->file->size - offset)
			have = (size_t)(scan->file->size - offset);
		if (!evkv__log_pread(scan->file->fd, scan->buffer, have,
			offset))
			return errno == ENODATA ? 0 : -1;
		for (i = 0; i + LOG_ITEM_HEAD <= have; i += 8) {
			if (scan->buffer[i + 8] == 0 ||
			    scan->buffer[i + 8] > LOG_SEAL ||
			    (!any && scan->buffer[i + 8] != LOG_GROUP) ||
			    evkv__log_item_parse(scan->buffer + i, have - i,
				evkv__log_seed(scan->file->head.id, offset + i),
				&item) != LOG_PARSE_OK)
				continue;
			*where = offset + i;
			scan->item = item;
			return 1;
		}
	}
	return 0;
}

int evkv__log_scan_was_durable(struct log_scan *scan, uint64_t *where)
{
	uint64_t bad = scan->offset, from = bad;
	int found;

	scan->begin = scan->end = 0;
	while ((found = scan_look(scan, from, false, where)) == 1) {
		if (scan->item.expires > bad)
			return 1;
		from = *where + 8;
	}
	return found;
}

bool evkv__log_scan_skip(struct log_scan *scan)
{
	uint64_t where;

	if (scan_look(scan, scan->offset + 8, true, &where) != 1)
		return false;
	scan->begin = scan->end = 0;
	scan->offset = where;
	/* Nothing is known any more of the group that it is in. */
	scan->group_end = scan->item.kind == LOG_GROUP ? where
						       : scan->file->size;
	scan->last = scan->item.version - 1;
	return true;
}
