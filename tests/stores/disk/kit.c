#include "kit.h"

#include <stdio.h>
#include <sys/stat.h>

static void kit_folder(struct kit *kit)
{
	folder_make(kit->folder, sizeof(kit->folder));
	snprintf(kit->path, sizeof(kit->path), "%s/store", kit->folder);
	kit->store = NULL;
}

void kit_begin(struct kit *kit)
{
	kit_folder(kit);
	rig_open(&kit->rig);
}

void kit_begin_real(struct kit *kit)
{
	kit_folder(kit);
	rig_open_real(&kit->rig);
}

void kit_end(struct kit *kit)
{
	kit_close(kit);
	rig_close(&kit->rig);
	folder_remove(kit->folder);
}

enum evkv_status kit_try_open(struct kit *kit,
    const struct evkv_disk_options *given, struct answer *answer)
{
	struct evkv_disk_options options = { .durability = EVKV_DISK_OS,
		.max_bytes = (size_t)64 << 20 };
	struct evkv_error error = EVKV_ERROR_INIT;

	if (given != NULL)
		options = *given;
	options.path = kit->path;
	kit->store = evkv_disk_new(kit->rig.loop, &options, &error);
	check_str(error.message, "");
	evkv_store_wait_ready(kit->store, -1, answer_cb, answer);
	rig_wait(&kit->rig, &answer->calls);
	return answer->status;
}

void kit_open(struct kit *kit, const struct evkv_disk_options *options)
{
	struct answer answer = ANSWER_INIT;

	if (kit_try_open(kit, options, &answer) != EVKV_OK)
		fail_test("can't open: %s", answer.message);
	answer_free(&answer);
}

void kit_close(struct kit *kit)
{
	struct answer answer = ANSWER_INIT;

	if (kit->store == NULL)
		return;
	evkv_store_close(kit->store, -1, answer_cb, &answer);
	rig_wait(&kit->rig, &answer.calls);
	answer_free(&answer);
	evkv_store_unref(kit->store);
	kit->store = NULL;
	rig_turn(&kit->rig);
}

enum evkv_status kit_do(struct kit *kit, const struct evkv_request *request,
    struct answer *answer)
{
	/* 0: no memory even to tell that there is none. */
	if (evkv_submit(kit->store, request, answer_cb, answer) == 0)
		return EVKV_NOMEM;
	rig_wait(&kit->rig, &answer->calls);
	return answer->status;
}

static enum evkv_status kit_one(struct kit *kit,
    const struct evkv_request *request)
{
	struct answer answer = ANSWER_INIT;
	enum evkv_status status = kit_do(kit, request, &answer);

	answer_free(&answer);
	return status;
}

enum evkv_status kit_put(struct kit *kit, const char *collection,
    struct evkv_slice key, struct evkv_slice value, int64_t ttl_ms)
{
	return kit_one(kit,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = evkv_str(collection),
		.count = 1,
		.keys = &key,
		.values = &value,
		.ttl_ms = ttl_ms });
}

enum evkv_status kit_delete(struct kit *kit, const char *collection,
    struct evkv_slice key)
{
	return kit_one(kit,
	    &(struct evkv_request){ .kind = EVKV_OP_DELETE,
		.flags = EVKV_FLAG_SINGLE,
		.collection = evkv_str(collection),
		.count = 1,
		.keys = &key });
}

enum evkv_status kit_get(struct kit *kit, const char *collection,
    struct evkv_slice key, struct evkv_slice expected)
{
	struct answer answer = ANSWER_INIT;
	enum evkv_status status = kit_do(kit,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_SINGLE,
		.collection = evkv_str(collection),
		.count = 1,
		.keys = &key },
	    &answer);

	if (status == EVKV_OK)
		check_bytes(answer.entries[0].bytes, expected);
	answer_free(&answer);
	return status;
}

static void keep_version(struct answer *answer,
    const struct evkv_result *result, void *arg)
{
	(void)answer;
	*(struct evkv_version *)arg = evkv_result_entry(result, 0)->version;
}

struct evkv_version kit_version(struct kit *kit, const char *collection,
    struct evkv_slice key)
{
	struct evkv_version version;
	struct answer answer = { .then = keep_version, .arg = &version };

	evkv_get_version(kit->store, evkv_str(collection), key, answer_cb,
	    &answer);
	rig_wait(&kit->rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	answer_free(&answer);
	return version;
}

enum evkv_status kit_if_version(struct kit *kit, enum evkv_kind kind,
    struct evkv_slice key, const struct evkv_version *version)
{
	struct evkv_slice value = EVKV_LIT("changed");

	return kit_one(kit,
	    &(struct evkv_request){ .kind = kind,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = kind == EVKV_OP_PUT ? &value : NULL,
		.ttl_ms = kind == EVKV_OP_TOUCH ? 3600000 : 0,
		.condition = EVKV_IF_VERSION,
		.versions = version });
}

enum evkv_status kit_span(struct kit *kit, enum evkv_kind kind,
    const char *collection)
{
	return kit_one(kit,
	    &(struct evkv_request){
		.kind = kind, .collection = evkv_str(collection) });
}

void kit_data_file(const struct kit *kit, char *path, size_t size)
{
	char name[300];
	unsigned long generation = 0;
	FILE *file;

	snprintf(name, sizeof(name), "%s/CURRENT", kit->path);
	file = fopen(name, "r");
	check(file != NULL);
	check_int(fscanf(file, "evkv disk 3\ngeneration %lu\n", &generation),
	    1);
	fclose(file);
	snprintf(path, size, "%s/g-%lu/data.mdb", kit->path, generation);
}

size_t kit_file_size(const struct kit *kit)
{
	char path[400];
	struct stat stat_;

	kit_data_file(kit, path, sizeof(path));
	check_int(stat(path, &stat_), 0);
	return (size_t)stat_.st_size;
}
