/*
 * stores/disk/multi_parts.c - the open parts of a multi_disk store.
 *
 * Parts are listed by use. When a part is wanted and max_open are open, the
 * oldest of them that has nothing pending is closed. What comes for a part that
 * is being closed waits until that has ended, and reopens it: two openings
 * of one directory in a process would collide.
 */
#include "stores/disk/multi.h"

#include <stdio.h>

static struct multi_part **parts_bucket(struct multi_store *multi,
    const char *file)
{
	return &multi->buckets[evkv__disk_checksum(0, file, strlen(file)) %
	    MULTI_BUCKETS];
}

/* ---- The list by use ----------------------------------------------------- */

static void parts_unlink(struct multi_part *part)
{
	struct multi_store *multi = part->multi;

	if (part->newer != NULL)
		part->newer->older = part->older;
	else
		multi->newest = part->older;
	if (part->older != NULL)
		part->older->newer = part->newer;
	else
		multi->oldest = part->newer;
}

static void parts_link(struct multi_part *part)
{
	struct multi_store *multi = part->multi;

	part->newer = NULL;
	part->older = multi->newest;
	if (part->older != NULL)
		part->older->newer = part;
	else
		multi->oldest = part;
	multi->newest = part;
}

/* ---- Opening and closing ------------------------------------------------- */

/* Once the store ends it opens none: nobody would close it. */
static bool part_open(struct multi_part *part, struct evkv_error *error)
{
	struct multi_store *multi = part->multi;
	struct evkv_disk_options options = multi->options;
	char path[PATH_MAX];

	if (multi->state >= DISK_ENDING) {
		evkv_error_set(error, EVKV_CLOSED, "%s",
		    evkv_status_text(EVKV_CLOSED));
		return false;
	}
	snprintf(path, sizeof(path), "%s/%s", multi->path, part->file);
	options.path = path;
	options.executor = multi->executor;
	part->store = evkv__disk_new(multi->loop, &options,
	    &(struct disk_config){ .lazy = true,
		.guard = multi->marker,
		.guard_fd = multi->marker_fd },
	    error);
	part->state = PART_OPEN;
	return part->store != NULL;
}

static void part_forget(struct multi_part *part)
{
	struct multi_part **link = parts_bucket(part->multi, part->file);

	while (*link != part)
		link = &(*link)->bucket_next;
	*link = part->bucket_next;
	parts_unlink(part);
	part->multi->parts--;
	part->state = PART_FORGOTTEN;
	if (part->pending == 0)
		evkv_free(part);
}

static void part_fail_waiting(struct multi_part *part,
    const struct evkv_error *error)
{
	struct multi_op *mop;

	while ((mop = part->waiting.first) != NULL) {
		multi_ops_remove(mop);
		evkv_op_fail(mop->op, error->status, EVKV_CAUSE_NONE,
		    error->message);
		evkv__multi_end(mop);
	}
}

static void part_closed(const struct evkv_result *result, void *arg)
{
	struct multi_part *part = arg;
	struct multi_store *multi = part->multi;
	struct evkv_error error = EVKV_ERROR_INIT;
	struct multi_op *mop;

	(void)result;
	evkv_store_unref(part->store);
	part->store = NULL;
	if (part->waiting.first != NULL && !part_open(part, &error))
		part_fail_waiting(part, &error);
	if (part->store == NULL) {
		part_forget(part);
		if (multi->parts == 0)
			evkv__multi_parts_gone(multi);
		return;
	}
	part->pending++;
	while ((mop = part->waiting.first) != NULL) {
		multi_ops_remove(mop);
		evkv__multi_go(mop);
	}
	part->pending--;
	evkv__multi_part_idle(part);
}

/*
 * Without memory for the callback of the close, it is forgotten at once: until
 * it has ended, reopening its directory is answered with BUSY.
 */
static void part_close(struct multi_part *part)
{
	part->state = PART_CLOSING;
	if (evkv_store_close(part->store, 0, part_closed, part) != 0)
		return;
	evkv_store_unref(part->store);
	part->store = NULL;
	part_forget(part);
}

static size_t max_open(const struct multi_store *multi)
{
	return multi->options.max_open > 0 ? (size_t)multi->options.max_open
					   : 64;
}

static void parts_close_idle(struct multi_store *multi)
{
	struct multi_part *part, *newer;
	size_t over = multi->parts > max_open(multi)
	    ? multi->parts - max_open(multi)
	    : 0;

	for (part = multi->oldest; part != NULL && over > 0; part = newer) {
		newer = part->newer;
		if (part->state == PART_CLOSING) {
			over--;
		} else if (part->pending == 0) {
			part_close(part);
			over--;
		}
	}
}

void evkv__multi_part_used(struct multi_part *part)
{
	part->pending++;
	parts_unlink(part);
	parts_link(part);
}

void evkv__multi_part_idle(struct multi_part *part)
{
	if (part->pending > 0)
		return;
	if (part->state == PART_FORGOTTEN)
		evkv_free(part);
	else if (part->multi->parts > max_open(part->multi))
		parts_close_idle(part->multi);
}

struct multi_part *evkv__multi_part(struct multi_store *multi, const char *file,
    struct evkv_error *error)
{
	struct multi_part **bucket = parts_bucket(multi, file), *part;

	for (part = *bucket; part != NULL; part = part->bucket_next) {
		if (strcmp(part->file, file) == 0)
			return part;
	}
	part = evkv_calloc(1, sizeof(*part));
	if (part == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "multi_disk: out of memory");
		return NULL;
	}
	part->multi = multi;
	multi_ops_init(&part->waiting);
	snprintf(part->file, sizeof(part->file), "%s", file);
	if (!part_open(part, error)) {
		evkv_free(part);
		return NULL;
	}
	part->bucket_next = *bucket;
	*bucket = part;
	multi->parts++;
	parts_link(part);
	part->pending++;
	parts_close_idle(multi);
	part->pending--;
	return part;
}

void evkv__multi_parts_close(struct multi_store *multi)
{
	struct multi_part *part, *next;

	for (part = multi->oldest; part != NULL; part = next) {
		next = part->newer;
		if (part->state == PART_OPEN)
			part_close(part);
	}
	if (multi->parts == 0)
		evkv__multi_parts_gone(multi);
}
