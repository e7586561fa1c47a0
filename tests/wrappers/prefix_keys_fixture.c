#include "prefix_keys_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void open_fixture(struct fixture *f, struct evkv_slice prefix)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *gate;

	memset(f, 0, sizeof(*f));
	rig_open(&f->rig);
	f->simple = evkv_simple_new(f->rig.loop, &error);
	gate = gate_new(evkv_store_ref(f->simple), &f->gate, &error);
	f->store = evkv_prefix_keys_new(gate, prefix, &error);
	if (f->store == NULL)
		fail_test("%s", error.message);
}

void close_fixture(struct fixture *f)
{
	if (f->gate != NULL) {
		f->gate->mode = GATE_OPEN;
		gate_release_all(f->gate);
	}
	evkv_store_unref(f->store);
	evkv_store_unref(f->simple);
	rig_close(&f->rig);
}

void put(struct fixture *f, struct evkv_store *store, const char *collection,
    const char *key)
{
	struct answer answer = ANSWER_INIT;

	evkv_put(store, evkv_str(collection), evkv_str(key), EVKV_LIT("v"), 0,
	    answer_cb, &answer);
	rig_wait(&f->rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	answer_free(&answer);
}

static bool write_names(const struct evkv_simple_entry *entry, void *arg)
{
	fprintf(arg, "%.*s/%.*s ", (int)entry->collection.size,
	    (const char *)entry->collection.data, (int)entry->key.size,
	    (const char *)entry->key.data);
	return true;
}

void check_bottom(struct fixture *f, const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	check(evkv_simple_each(f->simple, write_names, out));
	fclose(out);
	check_str(text, expected);
	free(text);
}

void submit(struct fixture *f, const struct evkv_request *request,
    struct answer *answer)
{
	answer_reset(answer);
	evkv_submit(f->store, request, answer_cb, answer);
	rig_wait(&f->rig, &answer->calls);
}

void check_affected(struct fixture *f, const struct evkv_request *request,
    int64_t affected)
{
	struct answer answer = ANSWER_INIT;

	submit(f, request, &answer);
	check_status(answer.status, EVKV_OK);
	check_int(answer.affected, affected);
	answer_free(&answer);
}

void check_names(struct fixture *f, struct evkv_request request,
    const char *expected)
{
	char text[1024] = "", cursor[EVKV_CURSOR_MAX];
	struct answer answer = ANSWER_INIT;
	size_t i;

	do {
		submit(f, &request, &answer);
		check_status(answer.status, EVKV_OK);
		for (i = 0; i < answer.count; i++) {
			snprintf(text + strlen(text),
			    sizeof(text) - strlen(text), "%.*s ",
			    (int)answer.entries[i].name.size,
			    (const char *)answer.entries[i].name.data);
		}
		strcat(text, "|");
		if (answer.cursor.size > 0)
			memcpy(cursor, answer.cursor.data, answer.cursor.size);
		request.match.cursor = evkv_bytes(cursor, answer.cursor.size);
	} while (request.match.cursor.size > 0);
	answer_free(&answer);
	check_str(text, expected);
}

void fill_collections(struct fixture *f, int count)
{
	char name[16];
	int i;

	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "c%04d", i);
		put(f, i % 3 == 0 ? f->simple : f->store, name, "k");
	}
}
