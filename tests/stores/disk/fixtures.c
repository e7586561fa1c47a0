/*
 * The disk stores under the conformance suite.
 */
#include <stdlib.h>

#include "evkv/stores/disk.h"
#include "folder.h"
#include "suites.h"

#define PATH_ROOM 256

static void disk_setup(struct evkv_conformance *run)
{
	char *path = malloc(PATH_ROOM);

	if (path == NULL)
		evkv_conformance_fail(run, "no memory");
	folder_make(path, PATH_ROOM);
	evkv_conformance_set_data(run, path);
}

static void disk_teardown(struct evkv_conformance *run)
{
	char *path = evkv_conformance_data(run);

	folder_remove(path);
	free(path);
}

static struct evkv_disk_options disk_options(struct evkv_conformance *run)
{
	return (struct evkv_disk_options){
		.path = evkv_conformance_data(run),
		.max_bytes = (size_t)256 << 20,
		.durability = EVKV_DISK_OS,
	};
}

static struct evkv_store *disk_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct evkv_disk_options options = disk_options(run);

	return evkv_disk_new(loop, &options, error);
}

static struct evkv_store *disk_inline_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct evkv_disk_options options = disk_options(run);

	options.inline_reads = true;
	options.durability = EVKV_DISK_FULL;
	return evkv_disk_new(loop, &options, error);
}

static struct evkv_store *disk_readers_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct evkv_disk_options options = disk_options(run);

	options.readers = 4;
	return evkv_disk_new(loop, &options, error);
}

static struct evkv_store *multi_disk_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct evkv_disk_options options = disk_options(run);

	options.max_bytes = (size_t)16 << 20;
	options.max_open = 4;
	return evkv_multi_disk_new(loop, &options, error);
}

#define SUITE_(name_)                                                          \
	{                                                                      \
		.size = sizeof(struct evkv_conformance_suite), .name = #name_, \
		.open = name_##_open, .setup = disk_setup,                     \
		.teardown = disk_teardown,                                     \
		.quirks = EVKV_CONFORMANCE_PERSISTS | EVKV_CONFORMANCE_SLOW    \
	}

const struct evkv_conformance_suite conformance_suites[] = {
	SUITE_(disk),
	SUITE_(disk_inline),
	SUITE_(disk_readers),
	SUITE_(multi_disk),
	{ .name = NULL },
};
