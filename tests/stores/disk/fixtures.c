/*
 * The disk stores under the conformance suite. After each case all that is in
 * the files is checked: rows agree with each other, and the index of expiry has
 * one for each entry with a TTL and no other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "evkv/stores/disk.h"
#include "lib/folder.h"
#include "stores/disk/check.h"
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

static void on_wrong(const char *what, void *arg)
{
	evkv_conformance_fail(arg, "%s", what);
}

static void check_files(struct evkv_conformance *run, char *path)
{
	const struct disk_config config = { .path = path,
		.durability = DISK_NO_SYNC,
		.max_bytes = (size_t)256 << 20,
		.max_readers = 512 };
	struct disk_check check = { .wrong = on_wrong, .arg = run };
	struct file_failure failure;
	struct disk_env *env = evkv__disk_env_new(&config);

	if (env == NULL || !evkv__disk_env_open(env, &failure))
		evkv_conformance_fail(run, "the files can't be opened");
	evkv__disk_check(env, &check);
	evkv__disk_env_close(env);
	evkv__disk_env_free(env);
	if (check.expiries != check.expiring)
		evkv_conformance_fail(run,
		    "the index of expiry has other rows "
		    "than there are entries with a TTL");
}

static void disk_teardown(struct evkv_conformance *run)
{
	char *path = evkv_conformance_data(run), current[PATH_ROOM + 10];

	snprintf(current, sizeof(current), "%s/CURRENT", path);
	if (access(current, F_OK) == 0)
		check_files(run, path);
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

/* Nothing removes what has expired but what is asked to. */
static struct evkv_store *disk_unswept_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct evkv_disk_options options = disk_options(run);

	options.sweep_ms = -1;
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
	SUITE_(disk_unswept),
	SUITE_(multi_disk),
	{ .name = NULL },
};
