/*
 * The log under the conformance suite. Segments are small, so that the cases
 * write several files; after each case the log is opened once more, from its
 * index files and from the data files alone.
 */
#include <stdlib.h>

#include "evkv/stores/log.h"
#include "lib/folder.h"
#include "log_files.h"
#include "suites.h"

#define PATH_ROOM 256

static void log_setup(struct evkv_conformance *run)
{
	char *path = malloc(PATH_ROOM);

	if (path == NULL)
		evkv_conformance_fail(run, "no memory");
	folder_make(path, PATH_ROOM);
	evkv_conformance_set_data(run, path);
}

static void log_teardown(struct evkv_conformance *run)
{
	char *path = evkv_conformance_data(run);
	char wrong[400];

	if (!log_files_sound(path, wrong, sizeof(wrong)))
		evkv_conformance_fail(run, "%s", wrong);
	folder_remove(path);
	free(path);
}

static struct evkv_log_options log_options(struct evkv_conformance *run)
{
	return (struct evkv_log_options){
		.path = evkv_conformance_data(run),
		.max_bytes = (uint64_t)256 << 20,
		.segment_bytes = 1 << 20,
		.durability = EVKV_LOG_SYNC_OS,
	};
}

static struct evkv_store *log_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct evkv_log_options options = log_options(run);

	return evkv_log_new(loop, &options, error);
}

static struct evkv_store *log_durable_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct evkv_log_options options = log_options(run);

	options.durability = EVKV_LOG_SYNC_FULL;
	options.segment_bytes = 64 << 10;
	options.compact_ratio = 0.1;
	return evkv_log_new(loop, &options, error);
}

static struct evkv_store *log_lanes_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct evkv_log_options options = log_options(run);

	options.reads = EVKV_LOG_READS_LANE;
	options.readers = 4;
	return evkv_log_new(loop, &options, error);
}

/* Nothing removes what has expired but what is asked to. */
static struct evkv_store *log_unswept_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct evkv_log_options options = log_options(run);

	options.sweep_ms = -1;
	options.compact_bytes_per_s = UINT64_MAX;
	return evkv_log_new(loop, &options, error);
}

#define SUITE_(name_)                                                          \
	{                                                                      \
		.size = sizeof(struct evkv_conformance_suite), .name = #name_, \
		.open = name_##_open, .setup = log_setup,                      \
		.teardown = log_teardown,                                      \
		.quirks = EVKV_CONFORMANCE_PERSISTS | EVKV_CONFORMANCE_SLOW    \
	}

const struct evkv_conformance_suite conformance_suites[] = {
	SUITE_(log),
	SUITE_(log_durable),
	SUITE_(log_lanes),
	SUITE_(log_unswept),
	{ .name = NULL },
};
