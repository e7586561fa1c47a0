/*
 * The jsonfile store under the conformance suite. After each case the file is
 * read by our reader, and what that would write is the file again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evkv/stores/jsonfile.h"
#include "lib/folder.h"
#include "stores/jsonfile/table.h"
#include "suites.h"

#define PATH_ROOM 256
#define TEXT_MAX ((size_t)16 << 20)

struct fixture {
	char folder[PATH_ROOM];
	char path[PATH_ROOM + 20];
};

static void jsonfile_setup(struct evkv_conformance *run)
{
	struct fixture *fixture = malloc(sizeof(*fixture));

	if (fixture == NULL)
		evkv_conformance_fail(run, "no memory");
	folder_make(fixture->folder, sizeof(fixture->folder));
	snprintf(fixture->path, sizeof(fixture->path), "%s/store.json",
	    fixture->folder);
	evkv_conformance_set_data(run, fixture);
}

static void check_file(struct evkv_conformance *run, const char *path,
    FILE *file)
{
	char *text = malloc(TEXT_MAX);
	size_t size = fread(text, 1, TEXT_MAX, file);
	struct jsonfile_table table = { 0 };
	struct evkv_json_writer writer;
	struct file_failure failure;

	if (!evkv__jsonfile_read(evkv_bytes(text, size), path, &table,
		&failure))
		evkv_conformance_fail(run, "%s", failure.message);
	if (table.bytes + 64 < size)
		evkv_conformance_fail(run, "%zu bytes, reckoned as %zu", size,
		    table.bytes);
	if (!evkv__jsonfile_write(&table, &writer) || writer.size != size ||
	    memcmp(writer.data, text, size) != 0)
		evkv_conformance_fail(run, "the file is written otherwise");
	evkv_json_writer_clear(&writer);
	evkv__jsonfile_clear(&table);
	free(text);
}

static void jsonfile_teardown(struct evkv_conformance *run)
{
	struct fixture *fixture = evkv_conformance_data(run);
	FILE *file = fopen(fixture->path, "r");

	if (file != NULL) {
		check_file(run, fixture->path, file);
		fclose(file);
	}
	folder_remove(fixture->folder);
	free(fixture);
}

static struct evkv_store *jsonfile_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct fixture *fixture = evkv_conformance_data(run);

	return evkv_jsonfile_new(loop,
	    &(struct evkv_jsonfile_options){ .path = fixture->path }, error);
}

const struct evkv_conformance_suite conformance_suites[] = {
	{
	    .size = sizeof(struct evkv_conformance_suite),
	    .name = "jsonfile",
	    .open = jsonfile_open,
	    .setup = jsonfile_setup,
	    .teardown = jsonfile_teardown,
	    .quirks = EVKV_CONFORMANCE_PERSISTS | EVKV_CONFORMANCE_SLOW,
	},
	{ .name = NULL },
};
