/*
 * statistics: every operation is counted once, with the status that was told.
 * What it has in common with every store is in the conformance suite.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "lib/faults.h"
#include "statistics_fixture.h"

/* ---- Counting ----------------------------------------------------------- */

EVKV_TEST(unit_statistics, keys_hits_misses_and_bytes)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("none"),
		EVKV_LIT("b") };
	struct evkv_statistics s;
	struct fixture f;

	open_fixture(&f, (struct evkv_statistics_options){ .name = NULL });
	put(&f, "c", "a", "12345");
	put(&f, "c", "b", "");
	s = total(&f);
	check_int(s.operations, 2);
	check_int(s.keys, 2);
	check_int(s.hits + s.misses, 0);
	check_int(s.bytes_in, 7);
	check_int(s.bytes_out, 0);
	evkv_statistics_reset(f.store);
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.collection = EVKV_LIT("c"),
		.count = 3,
		.keys = keys });
	s = total(&f);
	check_int(s.operations, 1);
	check_int(s.by_status[EVKV_OK], 1);
	check_int(s.keys, 3);
	check_int(s.hits, 2);
	check_int(s.misses, 1);
	check_int(s.bytes_in, 6);
	check_int(s.bytes_out, 5);
	/* A delete of what is not there is no miss. */
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_DELETE,
		.collection = EVKV_LIT("c"),
		.count = 3,
		.keys = keys });
	check_int(total(&f).misses, 1);
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_EXISTS,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = keys });
	s = total(&f);
	check_int(s.misses, 2);
	check_int(s.by_status[EVKV_NOT_FOUND], 1);
	close_fixture(&f);
}

EVKV_TEST(unit_statistics, names_are_bytes_too)
{
	struct fixture f;

	open_fixture(&f, (struct evkv_statistics_options){ .name = NULL });
	put(&f, "c", "one", "");
	put(&f, "c", "three", "");
	evkv_statistics_reset(f.store);
	submit(&f,
	    &(struct evkv_request){
		.kind = EVKV_OP_KEYS, .collection = EVKV_LIT("c") });
	check_int(total(&f).bytes_out, 8);
	check_int(total(&f).hits, 0);
	close_fixture(&f);
}

/* An inline get is answered without an op; and it is counted once. */
EVKV_TEST(unit_statistics, inline_gets)
{
	const struct evkv_slice keys[] = { EVKV_LIT("k"), EVKV_LIT("none") };
	struct evkv_request request = { .kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_SINGLE | EVKV_FLAG_INLINE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = keys };
	struct answer answer = ANSWER_INIT;
	struct evkv_statistics s;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	now_ns = step_ns = 0;
	store = evkv_statistics_new(evkv_memory_new(rig.loop, NULL, NULL),
	    &(struct evkv_statistics_options){
		.sample_inline = 1, .clock_ns = test_clock },
	    NULL);
	step_ns = 5;
	evkv_put(store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("value"), 0,
	    NULL, NULL);
	rig_settle(&rig);
	evkv_statistics_reset(store);
	evkv_submit(store, &request, answer_cb, &answer);
	check_int(answer.calls, 1);
	check_slice(answer.entries[0].bytes, "value");
	answer_reset(&answer);
	request.keys++;
	evkv_submit(store, &request, answer_cb, &answer);
	check_int(answer.calls, 1);
	check(evkv_statistics_snapshot(store, NULL, &s));
	check_int(s.operations, 2);
	check_int(s.by_status[EVKV_OK], 1);
	check_int(s.by_status[EVKV_NOT_FOUND], 1);
	check_int(s.keys, 2);
	check_int(s.hits, 1);
	check_int(s.misses, 1);
	check_int(s.bytes_in, 5);
	check_int(s.bytes_out, 5);
	check_int(s.timed, 2);
	check_int(s.time_sum_ns, 10);
	answer_free(&answer);
	evkv_store_unref(store);
	rig_close(&rig);
}

EVKV_TEST(unit_statistics, failures_by_status)
{
	struct evkv_statistics s;
	struct fixture f;

	open_fixture(&f, (struct evkv_statistics_options){ .name = NULL });
	f.gate->fail = EVKV_UNAVAILABLE;
	get(&f, "c", "k");
	get(&f, "c", "k");
	f.gate->fail = EVKV_SERVER;
	get(&f, "c", "k");
	f.gate->fail = EVKV_OK;
	get(&f, "c", "k");
	s = total(&f);
	check_int(s.operations, 4);
	check_int(s.failures, 3);
	check_int(s.by_status[EVKV_UNAVAILABLE], 2);
	check_int(s.by_status[EVKV_SERVER], 1);
	check_int(s.by_status[EVKV_NOT_FOUND], 1);
	check_int(s.misses, 1);
	close_fixture(&f);
}

/* The inner store's bound, not one of its own, which it would not see. */
EVKV_TEST(unit_statistics, too_much_pending_is_counted)
{
	struct fixture f;

	open_fixture(&f, (struct evkv_statistics_options){ .name = NULL });
	evkv_store_set_limits(evkv_store_inner(f.store, 0), 1, 0);
	f.gate->mode = GATE_BEFORE;
	evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), NULL, NULL);
	get(&f, "c", "k");
	check_status(f.answer.status, EVKV_BUSY);
	check_int(total(&f).by_status[EVKV_BUSY], 1);
	close_fixture(&f);
}

EVKV_TEST(unit_statistics, cut_off_operations_count_once)
{
	const struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("v");
	struct answer canceled = ANSWER_INIT, late = ANSWER_INIT;
	struct evkv_statistics s;
	evkv_ticket ticket;
	struct fixture f;

	open_fixture(&f, (struct evkv_statistics_options){ .name = NULL });
	f.gate->mode = GATE_BEFORE;
	ticket = evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb,
	    &canceled);
	now_ns += 500;
	evkv_cancel(f.rig.loop, ticket);
	rig_wait(&f.rig, &canceled.calls);
	f.gate->sends = true;
	evkv_submit(f.store,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = &value,
		.timeout_ms = 10 },
	    answer_cb, &late);
	now_ns += 700;
	rig_advance(&f.rig, 20);
	rig_wait(&f.rig, &late.calls);
	s = total(&f);
	check_int(s.operations, 2);
	check_int(s.by_status[EVKV_CANCELED], 1);
	check_int(s.by_status[EVKV_UNKNOWN_OUTCOME], 1);
	check_int(s.timed, 2);
	check_int(s.time_sum_ns, 1200);
	/* Their ends below are not ends of anything. */
	gate_release_all(f.gate);
	rig_settle(&f.rig);
	check_int(total(&f).operations, 2);
	answer_free(&canceled);
	answer_free(&late);
	close_fixture(&f);
}

EVKV_TEST(unit_statistics, a_close_is_counted)
{
	struct answer get_answer = ANSWER_INIT, closed = ANSWER_INIT;
	struct fixture f;

	open_fixture(&f, (struct evkv_statistics_options){ .name = NULL });
	f.gate->mode = GATE_BEFORE;
	evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &get_answer);
	evkv_store_close(f.store, 0, answer_cb, &closed);
	rig_wait(&f.rig, &get_answer.calls);
	check_status(get_answer.status, EVKV_CLOSED);
	check_int(total(&f).operations, 1);
	check_int(total(&f).by_status[EVKV_CLOSED], 1);
	f.gate->mode = GATE_OPEN;
	gate_release_all(f.gate);
	rig_wait(&f.rig, &closed.calls);
	check_int(total(&f).operations, 1);
	answer_free(&get_answer);
	answer_free(&closed);
	close_fixture(&f);
}

/* ---- Every operation once, whatever happens ----------------------------- */

struct tally {
	uint64_t by_status[EVKV_STATUS_COUNT];
	uint64_t calls;
};

static void tally_cb(const struct evkv_result *result, void *arg)
{
	struct tally *tally = arg;

	tally->by_status[result->status]++;
	tally->calls++;
}

static void random_step(struct fixture *f, struct tally *tally,
    evkv_ticket *last)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_GET, EVKV_OP_PUT,
		EVKV_OP_DELETE, EVKV_OP_TTL, EVKV_OP_EXISTS, EVKV_OP_TOUCH };
	static const enum gate_mode modes[] = { GATE_OPEN, GATE_BEFORE,
		GATE_AFTER };
	struct evkv_slice keys[2] = { EVKV_LIT("k"), EVKV_LIT("l") };
	struct evkv_slice values[2] = { EVKV_LIT("1"), EVKV_LIT("2") };
	struct evkv_request request = { .collection = EVKV_LIT("c") };

	switch (rand() % 8) {
	case 0: f->gate->mode = modes[rand() % 3]; break;
	case 1: f->gate->sends = rand() % 2 == 0; break;
	case 2: f->gate->fail = rand() % 4 == 0 ? EVKV_SERVER : EVKV_OK; break;
	case 3: evkv_cancel(f->rig.loop, *last); break;
	case 4:
		if (f->gate->held_count > 0)
			gate_release(f->gate,
			    (size_t)rand() % f->gate->held_count);
		break;
	case 5: rig_advance(&f->rig, rand() % 8); break;
	default:
		request.kind = kinds[rand() % 6];
		request.count = 1 + (size_t)rand() % 2;
		request.flags = request.count == 1 ? EVKV_FLAG_SINGLE : 0;
		request.keys = keys;
		if (request.kind == EVKV_OP_PUT)
			request.values = values;
		request.timeout_ms = rand() % 3 == 0 ? 5 : 0;
		*last = evkv_submit(f->store, &request, tally_cb, tally);
	}
}

EVKV_TEST(unit_statistics, every_operation_is_counted_once)
{
	struct tally tally;
	struct evkv_statistics s;
	evkv_ticket last;
	struct fixture f;
	unsigned seed, i;

	for (seed = 1; seed <= 20; seed++) {
		open_fixture(&f,
		    (struct evkv_statistics_options){ .name = NULL });
		memset(&tally, 0, sizeof(tally));
		last = 0;
		srand(seed);
		for (i = 0; i < 400; i++)
			random_step(&f, &tally, &last);
		f.gate->mode = GATE_OPEN;
		gate_release_all(f.gate);
		rig_settle(&f.rig);
		s = total(&f);
		check_int(s.operations, tally.calls);
		check(tally.calls > 50);
		for (i = 0; i < EVKV_STATUS_COUNT; i++)
			check_int(s.by_status[i], tally.by_status[i]);
		close_fixture(&f);
	}
}

/* ---- Collections -------------------------------------------------------- */

struct seen {
	char text[4096];
	size_t stop_after;
};

static bool write_label(const struct evkv_statistics_label *label,
    const struct evkv_statistics *statistics, void *arg)
{
	struct seen *seen = arg;
	size_t size = strlen(seen->text);

	snprintf(seen->text + size, sizeof(seen->text) - size,
	    "%.*s%s/%s=%llu ", (int)label->collection.size,
	    (const char *)label->collection.data, label->rest ? "(rest)" : "",
	    evkv_kind_name(label->kind),
	    (unsigned long long)statistics->operations);
	return seen->stop_after == 0 || --seen->stop_after > 0;
}

EVKV_TEST(unit_statistics, by_collection_and_kind)
{
	struct evkv_slice name = EVKV_LIT("users");
	struct seen seen = { "", 0 };
	struct evkv_statistics s;
	struct fixture f;

	open_fixture(&f, (struct evkv_statistics_options){ .name = NULL });
	put(&f, "users", "1", "v");
	put(&f, "orders", "1", "v");
	get(&f, "users", "1");
	get(&f, "users", "2");
	get(&f, "", "2");
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_PING });
	check(evkv_statistics_each(f.store, write_label, &seen));
	check_str(seen.text,
	    "users/get=2 users/put=1 orders/put=1 /get=1 /ping=1 ");
	check(evkv_statistics_snapshot(f.store, &name, &s));
	check_int(s.operations, 3);
	check_int(s.hits, 1);
	check_int(s.misses, 1);
	name = EVKV_LIT("nobody");
	check(!evkv_statistics_snapshot(f.store, &name, &s));
	check_int(s.operations, 0);
	check_int(total(&f).operations, 6);

	seen = (struct seen){ "", 2 };
	check(evkv_statistics_each(f.store, write_label, &seen));
	check_str(seen.text, "users/get=2 users/put=1 ");
	close_fixture(&f);
}

EVKV_TEST(unit_statistics, collections_are_bounded)
{
	struct seen seen = { "", 0 };
	char name[16];
	struct fixture f;
	int i;

	open_fixture(&f,
	    (struct evkv_statistics_options){ .max_collections = 3 });
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		put(&f, name, "k", "v");
	}
	put(&f, "c1", "k", "v");
	put(&f, "c9", "k", "v");
	check(evkv_statistics_each(f.store, write_label, &seen));
	check_str(seen.text, "c0/put=1 c1/put=2 c2/put=1 (rest)/put=8 ");
	check_int(total(&f).operations, 12);
	close_fixture(&f);
}

EVKV_TEST(unit_statistics, reset_keeps_what_is_under_way)
{
	struct seen seen = { "", 0 };
	struct fixture f;

	open_fixture(&f, (struct evkv_statistics_options){ .name = NULL });
	put(&f, "c", "k", "v");
	f.gate->mode = GATE_BEFORE;
	evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), NULL, NULL);
	evkv_statistics_reset(f.store);
	check_int(total(&f).operations, 0);
	check_int(total(&f).timed, 0);
	gate_release_all(f.gate);
	rig_settle(&f.rig);
	check_int(total(&f).operations, 1);
	check_int(total(&f).bytes_out, 1);
	check(evkv_statistics_each(f.store, write_label, &seen));
	check_str(seen.text, "c/get=1 c/put=0 ");
	close_fixture(&f);
}

EVKV_TEST(unit_statistics, without_memory_the_operation_passes)
{
	struct answer answer = ANSWER_INIT;
	struct fixture f;
	unsigned n;

	for (n = 1; n < 40; n++) {
		open_fixture(&f,
		    (struct evkv_statistics_options){ .name = NULL });
		faults_fail_nth(n);
		evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb,
		    &answer);
		faults_off();
		rig_settle(&f.rig);
		if (answer.calls > 0 && answer.status == EVKV_NOT_FOUND)
			check_int(total(&f).operations + total(&f).uncounted,
			    1);
		answer_reset(&answer);
		close_fixture(&f);
	}
}

/* ---- Making ------------------------------------------------------------- */

EVKV_TEST(unit_statistics, other_stores_are_told_apart)
{
	struct evbuffer *out = evbuffer_new();
	struct evkv_store *simple;
	struct evkv_statistics s;
	struct seen seen = { "", 0 };
	struct rig rig;

	rig_open(&rig);
	simple = evkv_simple_new(rig.loop, NULL);
	check(!evkv_statistics_snapshot(simple, NULL, &s));
	check_int(s.operations, 0);
	check(!evkv_statistics_snapshot(NULL, NULL, &s));
	check(!evkv_statistics_each(simple, write_label, &seen));
	check(!evkv_statistics_write_prometheus(simple, out));
	check_int(evbuffer_get_length(out), 0);
	evkv_statistics_reset(simple);
	evkv_store_unref(simple);
	evbuffer_free(out);
	rig_close(&rig);
}

EVKV_TEST(unit_statistics, bad_options_are_refused)
{
	char long_name[300] = "";
	const struct {
		struct evkv_statistics_options options;
		const char *word;
	} rows[] = {
		{ { .max_collections = 65537 }, "max_collections" },
		{ { .sample_inline = 65537 }, "sample_inline" },
		{ { .name = long_name }, "name" },
	};
	struct evkv_error error = EVKV_ERROR_INIT;
	struct rig rig;
	size_t i;

	memset(long_name, 'n', sizeof(long_name) - 1);
	rig_open(&rig);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check(evkv_statistics_new(evkv_simple_new(rig.loop, &error),
			  &rows[i].options, &error) == NULL);
		check_int(error.status, EVKV_INVALID);
		check_invalid(error, rows[i].word);
		evkv_error_clear(&error);
	}
	check(evkv_statistics_new(NULL, NULL, &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	evkv_error_clear(&error);
	/* The first error of a chain goes through. */
	check(evkv_statistics_new(evkv_open(rig.loop, "nope:", &error), NULL,
		  &error) == NULL);
	check_invalid(error, "nope");
	rig_close(&rig);
}
