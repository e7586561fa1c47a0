/*
 * timeout: which operations are bounded, by how much, and how they end.
 */
#include <string.h>

#include "evkv/evkv.h"
#include "lib/gate.h"
#include "lib/rig.h"
#include "lib/test.h"

struct fixture {
	struct rig rig;
	struct gate *gate;
	struct evkv_store *simple, *store;
	struct answer answer;
};

static void open_fixture(struct fixture *f, struct evkv_timeout_options options)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	memset(f, 0, sizeof(*f));
	rig_open(&f->rig);
	f->simple = evkv_simple_new(f->rig.loop, &error);
	f->store = evkv_timeout_new(gate_new(evkv_store_ref(f->simple),
					&f->gate, &error),
	    &options, &error);
	if (f->store == NULL)
		fail_test("%s", error.message);
}

static void close_fixture(struct fixture *f)
{
	f->gate->mode = GATE_OPEN;
	gate_release_all(f->gate);
	answer_free(&f->answer);
	evkv_store_unref(f->store);
	evkv_store_unref(f->simple);
	rig_close(&f->rig);
}

/* Submit, let `ms` pass; whether it has ended by then. */
static bool ends_within(struct fixture *f, const struct evkv_request *request,
    int64_t ms)
{
	answer_reset(&f->answer);
	evkv_submit(f->store, request, answer_cb, &f->answer);
	rig_turn(&f->rig);
	rig_advance(&f->rig, ms);
	rig_turn(&f->rig);
	return f->answer.calls == 1;
}

EVKV_TEST(unit_timeout, what_names_keys)
{
	const struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("v");
	const struct evkv_request get = { .kind = EVKV_OP_GET,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key };
	const struct evkv_request put = { .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = &value };
	struct fixture f;

	open_fixture(&f, (struct evkv_timeout_options){ .timeout_ms = 100 });
	check(ends_within(&f, &put, 0));
	check_status(f.answer.status, EVKV_OK);
	f.gate->mode = GATE_BEFORE;
	check(!ends_within(&f, &get, 99));
	rig_advance(&f.rig, 1);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_TIMEOUT);
	check_int(f.answer.cause, EVKV_CAUSE_TIMEOUT);
	check_status(f.answer.entries[0].status, EVKV_TIMEOUT);
	/* Not sent: without effect. */
	check(ends_within(&f, &put, 100));
	check_status(f.answer.status, EVKV_TIMEOUT);
	f.gate->sends = true;
	check(ends_within(&f, &put, 100));
	check_status(f.answer.status, EVKV_UNKNOWN_OUTCOME);
	check_int(f.answer.cause, EVKV_CAUSE_TIMEOUT);
	check_int(f.answer.affected, -1);
	/* They run out below, and are answered again to nobody. */
	gate_release_all(f.gate);
	rig_settle(&f.rig);
	check_int(f.answer.calls, 1);
	close_fixture(&f);
}

/* How many a kind without keys has affected comes from the child's answer. */
EVKV_TEST(unit_timeout, how_many_were_affected)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b") };
	const struct evkv_slice values[] = { EVKV_LIT("v"), EVKV_LIT("v") };
	const struct evkv_request put = { .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 2,
		.keys = keys,
		.values = values };
	const struct evkv_request clear = { .kind = EVKV_OP_CLEAR,
		.collection = EVKV_LIT("c") };
	struct fixture f;

	open_fixture(&f, (struct evkv_timeout_options){ .timeout_ms = 100 });
	check(ends_within(&f, &put, 0));
	check_int(f.answer.affected, 2);
	check(ends_within(&f, &clear, 0));
	check_status(f.answer.status, EVKV_OK);
	check_int(f.answer.affected, 2);
	close_fixture(&f);
}

EVKV_TEST(unit_timeout, what_spans_entries)
{
	const struct evkv_slice key = EVKV_LIT("k");
	const struct evkv_request ping = { .kind = EVKV_OP_PING };
	const struct evkv_request clear = { .kind = EVKV_OP_CLEAR,
		.collection = EVKV_LIT("c") };
	const struct evkv_request get = {
		.kind = EVKV_OP_GET, .count = 1, .keys = &key
	};
	struct fixture f;

	open_fixture(&f,
	    (struct evkv_timeout_options){
		.timeout_ms = 100, .span_timeout_ms = 500 });
	f.gate->mode = GATE_BEFORE;
	check(ends_within(&f, &get, 100));
	check(!ends_within(&f, &clear, 499));
	rig_advance(&f.rig, 1);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_TIMEOUT);
	check(!ends_within(&f, &ping, 499));
	gate_release_all(f.gate);
	rig_settle(&f.rig);
	close_fixture(&f);

	open_fixture(&f,
	    (struct evkv_timeout_options){
		.timeout_ms = 100, .span_timeout_ms = -1 });
	f.gate->mode = GATE_BEFORE;
	check(!ends_within(&f, &clear, 1000000));
	gate_release_all(f.gate);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_OK);
	close_fixture(&f);
}

EVKV_TEST(unit_timeout, who_waits_for_a_connection_is_not_bounded)
{
	struct fixture f;

	open_fixture(&f, (struct evkv_timeout_options){ .timeout_ms = 100 });
	f.gate->mode = GATE_BEFORE;
	evkv_store_wait_ready(f.store, 0, answer_cb, &f.answer);
	rig_advance(&f.rig, 10000);
	rig_turn(&f.rig);
	check_int(f.answer.calls, 0);
	gate_release_all(f.gate);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_OK);
	close_fixture(&f);
}

/* Whichever is shorter: that of the request is for the whole way. */
EVKV_TEST(unit_timeout, the_request_may_ask_for_less)
{
	const struct evkv_slice key = EVKV_LIT("k");
	struct evkv_request get = {
		.kind = EVKV_OP_GET, .count = 1, .keys = &key, .timeout_ms = 50
	};
	struct fixture f;

	open_fixture(&f, (struct evkv_timeout_options){ .timeout_ms = 100 });
	f.gate->mode = GATE_BEFORE;
	check(ends_within(&f, &get, 50));
	check_status(f.answer.status, EVKV_TIMEOUT);
	get.timeout_ms = 500;
	check(ends_within(&f, &get, 100));
	check_status(f.answer.status, EVKV_TIMEOUT);
	close_fixture(&f);
}

EVKV_TEST(unit_timeout, batches_and_values_come_through)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b") };
	struct fixture f;

	open_fixture(&f, (struct evkv_timeout_options){ .timeout_ms = 100 });
	evkv_put(f.simple, EVKV_LIT("c"), EVKV_LIT("b"), EVKV_LIT("v"), 5000,
	    NULL, NULL);
	rig_settle(&f.rig);
	check(ends_within(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_TTL,
		.collection = EVKV_LIT("c"),
		.count = 2,
		.keys = keys },
	    0));
	check_status(f.answer.status, EVKV_OK);
	check_status(f.answer.entries[0].status, EVKV_NOT_FOUND);
	check_slice(f.answer.entries[1].bytes, "v");
	check_int(f.answer.entries[1].ttl_ms, 5000);
	close_fixture(&f);
}

EVKV_TEST(unit_timeout, bad_options_are_refused)
{
	const struct {
		struct evkv_timeout_options options;
		const char *word;
	} rows[] = {
		{ { .timeout_ms = 0 }, "timeout_ms" },
		{ { .timeout_ms = -1 }, "timeout_ms" },
		{ { .timeout_ms = EVKV_TTL_MAX + 1 }, "timeout_ms" },
		{ { .timeout_ms = 1, .span_timeout_ms = -2 },
		    "span_timeout_ms" },
	};
	struct evkv_error error = EVKV_ERROR_INIT;
	struct rig rig;
	size_t i;

	rig_open(&rig);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check(evkv_timeout_new(evkv_simple_new(rig.loop, &error),
			  &rows[i].options, &error) == NULL);
		check_int(error.status, EVKV_INVALID);
		check_invalid(error, rows[i].word);
		evkv_error_clear(&error);
	}
	check(evkv_timeout_new(evkv_open(rig.loop, "nope:", &error), NULL,
		  &error) == NULL);
	check_invalid(error, "nope");
	evkv_error_clear(&error);
	check(evkv_timeout_new(NULL, NULL, &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	rig_close(&rig);
}
