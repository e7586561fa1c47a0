/*
 * The disk stores under the conformance suite. FIXTURE says which.
 */
#include <stdlib.h>

#include "conformance/conformance.h"
#include "evkv/stores/disk.h"
#include "folder.h"

#define PATH_ROOM 256

static void disk_setup(struct conformance *c)
{
	char *path = malloc(PATH_ROOM);

	folder_make(path, PATH_ROOM);
	c->data = path;
}

static void disk_teardown(struct conformance *c)
{
	folder_remove(c->data);
	free(c->data);
	c->data = NULL;
}

static struct evkv_disk_options disk_options(struct conformance *c)
{
	return (struct evkv_disk_options){
		.path = c->data,
		.max_bytes = (size_t)256 << 20,
		.durability = EVKV_DISK_OS,
	};
}

static struct evkv_store *disk_open(struct conformance *c,
    struct evkv_error *error)
{
	struct evkv_disk_options options = disk_options(c);

	return evkv_disk_new(c->rig.loop, &options, error);
}

static struct evkv_store *disk_inline_open(struct conformance *c,
    struct evkv_error *error)
{
	struct evkv_disk_options options = disk_options(c);

	options.inline_reads = true;
	options.durability = EVKV_DISK_FULL;
	return evkv_disk_new(c->rig.loop, &options, error);
}

static struct evkv_store *disk_readers_open(struct conformance *c,
    struct evkv_error *error)
{
	struct evkv_disk_options options = disk_options(c);

	options.readers = 4;
	return evkv_disk_new(c->rig.loop, &options, error);
}

static struct evkv_store *multi_disk_open(struct conformance *c,
    struct evkv_error *error)
{
	struct evkv_disk_options options = disk_options(c);

	options.max_bytes = (size_t)16 << 20;
	options.max_open = 4;
	return evkv_multi_disk_new(c->rig.loop, &options, error);
}

#if FIXTURE == 0
#define FIXTURE_NAME "disk"
#elif FIXTURE == 1
#define FIXTURE_NAME "disk_inline"
#elif FIXTURE == 2
#define FIXTURE_NAME "disk_readers"
#else
#define FIXTURE_NAME "multi_disk"
#endif

const struct conformance_fixture conformance_fixture = {
	.name = FIXTURE_NAME,
	.open = FIXTURE == 0 ? disk_open
	    : FIXTURE == 1   ? disk_inline_open
	    : FIXTURE == 2   ? disk_readers_open
			     : multi_disk_open,
	.setup = disk_setup,
	.teardown = disk_teardown,
	.quirks = CONFORMANCE_PERSISTS | CONFORMANCE_SLOW,
};
