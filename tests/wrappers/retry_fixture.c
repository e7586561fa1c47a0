#include "retry_fixture.h"

#include <string.h>

void open_fixture(struct fixture *f, struct evkv_retry_options options)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	memset(f, 0, sizeof(*f));
	rig_open(&f->rig);
	f->simple = evkv_simple_new(f->rig.loop, &error);
	f->fault = evkv_fault_new(evkv_store_ref(f->simple),
	    &(struct evkv_fault_options){ .seed = 1 }, &error);
	f->store = evkv_retry_new(evkv_store_ref(f->fault), &options, &error);
	if (f->store == NULL)
		fail_test("%s", error.message);
}

void close_fixture(struct fixture *f)
{
	answer_free(&f->answer);
	evkv_store_unref(f->store);
	evkv_store_unref(f->fault);
	evkv_store_unref(f->simple);
	rig_close(&f->rig);
}

void fail(struct fixture *f, enum evkv_fault_action action,
    enum evkv_status status, uint64_t times)
{
	evkv_fault_clear(f->fault);
	check(evkv_fault_add(f->fault,
		  &(struct evkv_fault_rule){
		      .action = action, .status = status, .limit = times }) >=
	    0);
}

void submit(struct fixture *f, const struct evkv_request *request)
{
	answer_reset(&f->answer);
	evkv_submit(f->store, request, answer_cb, &f->answer);
}

void wait_for_it(struct fixture *f)
{
	int i;

	for (i = 0; i < 1000 && f->answer.calls == 0; i++) {
		rig_turn(&f->rig);
		if (f->answer.calls == 0)
			rig_advance(&f->rig, 100);
	}
	check_int(f->answer.calls, 1);
}

enum evkv_status put(struct fixture *f, const char *key, const char *value)
{
	const struct evkv_slice key_slice = evkv_str(key);
	const struct evkv_slice value_slice = evkv_str(value);

	submit(f,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key_slice,
		.values = &value_slice });
	wait_for_it(f);
	return f->answer.status;
}

enum evkv_status get(struct fixture *f, const char *key)
{
	const struct evkv_slice slice = evkv_str(key);

	submit(f,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &slice });
	wait_for_it(f);
	return f->answer.status;
}

struct evkv_retry_counters counters(struct fixture *f)
{
	struct evkv_retry_counters counters;

	check(evkv_retry_read_counters(f->store, &counters));
	return counters;
}
