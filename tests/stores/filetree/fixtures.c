/*
 * The filetree store under the conformance suite: with attributes, and with
 * notes in their place. After each case nothing is left in the tree but what a
 * store of ours would write.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/key_codec.h"
#include "evkv/stores/filetree.h"
#include "lib/folder.h"
#include "no_attributes.h"
#include "suites.h"

#define PATH_ROOM 256

static void filetree_setup(struct evkv_conformance *run)
{
	char *path = malloc(PATH_ROOM);

	if (path == NULL)
		evkv_conformance_fail(run, "no memory");
	folder_make(path, PATH_ROOM);
	evkv_conformance_set_data(run, path);
	no_attributes = evkv_conformance_arg(run) != NULL;
}

/* The folders, and the lock: nothing else is in the root. */
static void check_root(struct evkv_conformance *run, const char *path)
{
	DIR *list = opendir(path);
	char buffer[EVKV_COLLECTION_MAX];
	struct evkv_slice name;
	struct dirent *item;

	while (list != NULL && (item = readdir(list)) != NULL) {
		if (item->d_name[0] != '.' &&
		    evkv_file_name_decode(item->d_name, buffer, &name) ==
			EVKV_FILE_NAME_FOREIGN)
			evkv_conformance_fail(run, "a foreign folder: %s",
			    item->d_name);
	}
	if (list != NULL)
		closedir(list);
}

static void filetree_teardown(struct evkv_conformance *run)
{
	char *path = evkv_conformance_data(run);

	no_attributes = false;
	check_root(run, path);
	folder_remove(path);
	free(path);
}

static struct evkv_filetree_options filetree_options(struct evkv_conformance
	*run)
{
	return (struct evkv_filetree_options){
		.path = evkv_conformance_data(run),
		.durability = EVKV_FILETREE_NONE,
	};
}

static struct evkv_store *filetree_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct evkv_filetree_options options = filetree_options(run);

	return evkv_filetree_new(loop, &options, error);
}

static struct evkv_store *filetree_durable_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct evkv_filetree_options options = filetree_options(run);

	options.durability = EVKV_FILETREE_FULL;
	options.sweep_ms = 100;
	return evkv_filetree_new(loop, &options, error);
}

#define SUITE_(name_, open_, arg_)                                             \
	{                                                                      \
		.size = sizeof(struct evkv_conformance_suite), .name = #name_, \
		.open = (open_), .setup = filetree_setup, .arg = (arg_),       \
		.teardown = filetree_teardown,                                 \
		.quirks = EVKV_CONFORMANCE_PERSISTS | EVKV_CONFORMANCE_SLOW    \
	}

static char notes[] = "notes";

const struct evkv_conformance_suite conformance_suites[] = {
	SUITE_(filetree, filetree_open, NULL),
	SUITE_(filetree_durable, filetree_durable_open, NULL),
	SUITE_(filetree_notes, filetree_open, notes),
	{ .name = NULL },
};
