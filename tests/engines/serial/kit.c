#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct evkv_store *kit_make(struct kit *kit, struct evkv_error *error);

static void kit_folder(struct kit *kit, const char *name, kit_make *make)
{
	memset(kit, 0, sizeof(*kit));
	folder_make(kit->folder, sizeof(kit->folder));
	snprintf(kit->path, sizeof(kit->path), "%s/%s", kit->folder, name);
	kit->make = make;
}

void kit_begin(struct kit *kit, const char *name, kit_make *make)
{
	kit_folder(kit, name, make);
	rig_open(&kit->rig);
}

void kit_begin_real(struct kit *kit, const char *name, kit_make *make)
{
	kit_folder(kit, name, make);
	rig_open_real(&kit->rig);
}

void kit_end(struct kit *kit)
{
	kit_close(kit);
	answer_free(&kit->answer);
	rig_close(&kit->rig);
	folder_remove(kit->folder);
}

enum evkv_status kit_try_open(struct kit *kit)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	answer_reset(&kit->answer);
	kit->store = kit->make(kit, &error);
	check_str(error.message, "");
	evkv_store_wait_ready(kit->store, -1, answer_cb, &kit->answer);
	rig_wait(&kit->rig, &kit->answer.calls);
	return kit->answer.status;
}

void kit_open(struct kit *kit)
{
	if (kit_try_open(kit) != EVKV_OK)
		fail_test("can't open: %s", kit->answer.message);
}

void kit_close(struct kit *kit)
{
	if (kit->store == NULL)
		return;
	answer_reset(&kit->answer);
	evkv_store_close(kit->store, -1, answer_cb, &kit->answer);
	rig_wait(&kit->rig, &kit->answer.calls);
	evkv_store_unref(kit->store);
	kit->store = NULL;
	rig_turn(&kit->rig);
}

enum evkv_status kit_do(struct kit *kit, const struct evkv_request *request)
{
	answer_reset(&kit->answer);
	check(evkv_submit(kit->store, request, answer_cb, &kit->answer) != 0);
	rig_wait(&kit->rig, &kit->answer.calls);
	return kit->answer.status;
}

enum evkv_status kit_put(struct kit *kit, const char *collection,
    struct evkv_slice key, struct evkv_slice value, int64_t ttl_ms)
{
	return kit_do(kit,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = evkv_str(collection),
		.count = 1,
		.keys = &key,
		.values = &value,
		.ttl_ms = ttl_ms });
}

enum evkv_status kit_keyed(struct kit *kit, enum evkv_kind kind,
    const char *collection, struct evkv_slice key)
{
	return kit_do(kit,
	    &(struct evkv_request){ .kind = kind,
		.flags = EVKV_FLAG_SINGLE,
		.collection = evkv_str(collection),
		.count = 1,
		.delta = kind == EVKV_OP_INCR ? 1 : 0,
		.keys = &key });
}

enum evkv_status kit_span(struct kit *kit, enum evkv_kind kind,
    const char *collection)
{
	return kit_do(kit,
	    &(struct evkv_request){
		.kind = kind, .collection = evkv_str(collection) });
}

void kit_check(struct kit *kit, const char *collection, const char *key,
    const char *value)
{
	enum evkv_status status = kit_keyed(kit, EVKV_OP_GET, collection,
	    evkv_str(key));

	if (status != EVKV_OK)
		fail_test("%s/%s: %s: %s", collection, key,
		    evkv_status_name(status), kit->answer.message);
	check_bytes(kit->answer.entries[0].bytes, evkv_str(value));
}

void kit_must_put(struct kit *kit, const char *collection, const char *key,
    const char *value, int64_t ttl_ms)
{
	if (kit_put(kit, collection, evkv_str(key), evkv_str(value), ttl_ms) !=
	    EVKV_OK)
		fail_test("%s/%s: %s", collection, key, kit->answer.message);
}

void kit_check_entries(const struct kit *kit, size_t count,
    enum evkv_status status)
{
	size_t i;

	check_int(kit->answer.count, count);
	for (i = 0; i < count; i++)
		check_status(kit->answer.entries[i].status, status);
}

size_t kit_names(struct kit *kit, enum evkv_kind kind, const char *collection,
    size_t limit)
{
	struct evkv_request request = { .kind = kind,
		.collection = evkv_str(collection),
		.match = { .limit = limit } };
	static char cursor[EVKV_CURSOR_MAX];
	size_t count = 0, pages = 0;

	do {
		check_status(kit_do(kit, &request), EVKV_OK);
		count += kit->answer.count;
		request.match.cursor = kit->answer.cursor;
		if (request.match.cursor.size > 0)
			memcpy(cursor, request.match.cursor.data,
			    request.match.cursor.size);
		request.match.cursor.data = cursor;
		check(++pages < 100000);
	} while (request.match.cursor.size > 0);
	return count;
}

/* ---- Files --------------------------------------------------------------- */

const char *kit_file(const struct kit *kit, const char *name)
{
	static char paths[2][600];
	static int which;

	which = 1 - which;
	snprintf(paths[which], sizeof(paths[which]), "%s/%s", kit->folder,
	    name);
	return paths[which];
}

void kit_write_file(const struct kit *kit, const char *name, const char *text)
{
	FILE *file = fopen(kit_file(kit, name), "w");

	if (file == NULL)
		fail_test("can't write %s", kit_file(kit, name));
	check(fputs(text, file) >= 0);
	check_int(fclose(file), 0);
}

const char *kit_read_file(const struct kit *kit, const char *name)
{
	static char text[65536];
	FILE *file = fopen(kit_file(kit, name), "r");
	size_t size;

	if (file == NULL)
		fail_test("can't read %s", kit_file(kit, name));
	size = fread(text, 1, sizeof(text) - 1, file);
	text[size] = '\0';
	fclose(file);
	return text;
}

bool kit_has_file(const struct kit *kit, const char *name)
{
	struct stat stat;

	return lstat(kit_file(kit, name), &stat) == 0;
}
