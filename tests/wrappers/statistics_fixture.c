#include "statistics_fixture.h"

#include <string.h>

int64_t now_ns, step_ns;

int64_t test_clock(void *arg)
{
	(void)arg;
	return now_ns += step_ns;
}

void open_fixture(struct fixture *f, struct evkv_statistics_options options)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	memset(f, 0, sizeof(*f));
	now_ns = step_ns = 0;
	rig_open(&f->rig);
	options.clock_ns = test_clock;
	f->held = gate_new(evkv_memory_new(f->rig.loop, NULL, &error), &f->gate,
	    &error);
	f->store = evkv_statistics_new(evkv_store_ref(f->held), &options,
	    &error);
	if (f->store == NULL)
		fail_test("%s", error.message);
}

void close_fixture(struct fixture *f)
{
	f->gate->mode = GATE_OPEN;
	gate_release_all(f->gate);
	answer_free(&f->answer);
	evkv_store_unref(f->store);
	evkv_store_unref(f->held);
	rig_close(&f->rig);
}

void submit(struct fixture *f, const struct evkv_request *request)
{
	answer_reset(&f->answer);
	evkv_submit(f->store, request, answer_cb, &f->answer);
	rig_wait(&f->rig, &f->answer.calls);
}

void put(struct fixture *f, const char *collection, const char *key,
    const char *value)
{
	answer_reset(&f->answer);
	evkv_put(f->store, evkv_str(collection), evkv_str(key), evkv_str(value),
	    0, answer_cb, &f->answer);
	rig_wait(&f->rig, &f->answer.calls);
	check_status(f->answer.status, EVKV_OK);
}

void get(struct fixture *f, const char *collection, const char *key)
{
	answer_reset(&f->answer);
	evkv_get(f->store, evkv_str(collection), evkv_str(key), answer_cb,
	    &f->answer);
	rig_wait(&f->rig, &f->answer.calls);
}

struct evkv_statistics total(struct fixture *f)
{
	struct evkv_statistics statistics;

	check(evkv_statistics_snapshot(f->store, NULL, &statistics));
	return statistics;
}
