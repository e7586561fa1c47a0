#include "prefix_keys_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void gate_answered(struct evkv_op *child, void *arg)
{
	struct evkv_op *op = arg;

	evkv_op_take_all(op, child);
	evkv_op_complete(op);
}

static enum evkv_verdict gate_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct gate *gate = arg;

	if (request->kind == gate->fail)
		return evkv_op_fail(op, EVKV_IO, EVKV_CAUSE_IO, "planned");
	if (gate->open)
		return evkv_op_forward(op, gate->inner, request);
	if (gate->count == GATE_MAX || !evkv_op_keep(op))
		return evkv_op_nomem(op);
	if (gate->marks)
		evkv_op_mark_sent(op);
	gate->held[gate->count++] = op;
	if (gate->count > gate->most)
		gate->most = gate->count;
	return EVKV_PENDING;
}

static void gate_free(void *arg)
{
	(void)arg;
}

static const struct evkv_vtable gate_vtable = {
	.size = sizeof(gate_vtable),
	.name = "gate",
	.kinds = EVKV_KINDS_ALL,
	.submit = gate_submit,
	.free = gate_free,
};

void gate_let_one(struct gate *gate)
{
	struct evkv_op *op = gate->held[0];

	check(gate->count > 0);
	memmove(gate->held, gate->held + 1,
	    --gate->count * sizeof(gate->held[0]));
	gate->clears += evkv_op_request(op)->kind == EVKV_CLEAR;
	evkv_child_submit(op, gate->inner, evkv_op_request(op), 0,
	    gate_answered, op);
}

void open_fixture(struct fixture *f, struct evkv_slice prefix)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *inner;

	memset(f, 0, sizeof(*f));
	rig_open(&f->rig);
	f->simple = evkv_simple_new(f->rig.loop, &error);
	f->gate.inner = f->simple;
	f->gate.open = true;
	f->gate.fail = EVKV_KIND_COUNT;
	inner = evkv_store_ref(f->simple);
	f->store = evkv_prefix_keys_new(evkv_store_create(NULL, &gate_vtable,
					    &f->gate,
					    &(struct evkv_store_config){
						.inner = &inner,
						.inner_count = 1,
						.state = EVKV_STATE_READY },
					    &error),
	    prefix, &error);
	if (f->store == NULL)
		fail_test("%s", error.message);
}

void close_fixture(struct fixture *f)
{
	f->gate.open = true;
	while (f->gate.count > 0)
		gate_let_one(&f->gate);
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
		request.cursor = evkv_bytes(cursor, answer.cursor.size);
	} while (request.cursor.size > 0);
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
