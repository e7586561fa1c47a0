/*
 * logging: what is told, and that no value and no redacted key is.
 */
#include <stdio.h>
#include <string.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "lib/gate.h"
#include "lib/rig.h"
#include "lib/test.h"

struct fixture {
	struct rig rig;
	struct gate *gate;
	struct evkv_store *store;
	struct answer answer;
	char lines[4096];
};

static void on_line(enum evkv_log_level level, const char *message, void *arg)
{
	static const char letters[] = "DIWE";
	struct fixture *f = arg;

	snprintf(f->lines + strlen(f->lines),
	    sizeof(f->lines) - strlen(f->lines), "%c %s\n", letters[level],
	    message);
}

static void open_fixture(struct fixture *f, struct evkv_logging_options options)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	memset(f, 0, sizeof(*f));
	rig_open(&f->rig);
	evkv_loop_set_log(f->rig.loop, on_line, f);
	f->store = evkv_logging_new(gate_new(evkv_memory_new(f->rig.loop, NULL,
						 &error),
					&f->gate, &error),
	    &options, &error);
	if (f->store == NULL)
		fail_test("%s", error.message);
}

static void close_fixture(struct fixture *f)
{
	evkv_loop_set_log(f->rig.loop, NULL, NULL);
	f->gate->mode = GATE_OPEN;
	gate_release_all(f->gate);
	answer_free(&f->answer);
	evkv_store_unref(f->store);
	rig_close(&f->rig);
}

static void submit(struct fixture *f, const struct evkv_request *request)
{
	answer_reset(&f->answer);
	f->lines[0] = '\0';
	evkv_submit(f->store, request, answer_cb, &f->answer);
}

static const struct evkv_slice keys[] = { { "1", 1 }, { "2", 1 }, { "3", 1 } };

static const struct evkv_request get_three = { .kind = EVKV_OP_GET,
	.collection = { "users", 5 },
	.count = 3,
	.keys = keys };

EVKV_TEST(unit_logging, what_fails)
{
	struct fixture f;

	open_fixture(&f, (struct evkv_logging_options){ .all = false });
	submit(&f, &get_three);
	rig_wait(&f.rig, &f.answer.calls);
	check_str(f.lines, "");
	f.gate->fail = EVKV_UNAVAILABLE;
	f.gate->fail_cause = EVKV_CAUSE_CONNECT;
	f.gate->fail_message = "connection refused";
	submit(&f, &get_three);
	rig_wait(&f.rig, &f.answer.calls);
	check_str(f.lines,
	    "W users get \"1\" +2: UNAVAILABLE (CONNECT) in 0.000 ms: "
	    "connection refused\n");
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_PING });
	rig_wait(&f.rig, &f.answer.calls);
	check_str(f.lines,
	    "W ping: UNAVAILABLE (CONNECT) in 0.000 ms: "
	    "connection refused\n");
	close_fixture(&f);
}

EVKV_TEST(unit_logging, what_is_slow)
{
	struct fixture f;

	open_fixture(&f, (struct evkv_logging_options){ .slow_ms = 100 });
	f.gate->mode = GATE_BEFORE;
	submit(&f, &get_three);
	rig_advance(&f.rig, 99);
	gate_release_all(f.gate);
	rig_wait(&f.rig, &f.answer.calls);
	check_str(f.lines, "");
	submit(&f, &get_three);
	rig_advance(&f.rig, 150);
	gate_release_all(f.gate);
	rig_wait(&f.rig, &f.answer.calls);
	check_str(f.lines, "I users get \"1\" +2: OK in 150.000 ms\n");
	close_fixture(&f);
}

/* The inputs are the caller's again, and overwritten, by then. */
EVKV_TEST(unit_logging, what_was_cut_off)
{
	struct evkv_request request = get_three;
	struct fixture f;

	open_fixture(&f, (struct evkv_logging_options){ .all = false });
	f.gate->mode = GATE_BEFORE;
	request.timeout_ms = 20;
	submit(&f, &request);
	rig_advance(&f.rig, 20);
	rig_wait(&f.rig, &f.answer.calls);
	check_contains(f.lines,
	    "W users get \"1\" +2: TIMEOUT (TIMEOUT) in 20.000 ms");
	f.lines[0] = '\0';
	gate_release_all(f.gate);
	rig_settle(&f.rig);
	check_str(f.lines, "");
	close_fixture(&f);
}

EVKV_TEST(unit_logging, everything_but_values)
{
	const struct evkv_slice key = EVKV_LIT("a\"b\\c\n\xff");
	const struct evkv_slice value = EVKV_LIT("secret");
	struct fixture f;

	open_fixture(&f, (struct evkv_logging_options){ .all = true });
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = &value });
	rig_wait(&f.rig, &f.answer.calls);
	check_str(f.lines,
	    "D c put \"a\\\"b\\\\c\\x0a\\xff\": OK in 0.000 ms\n");
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_SINGLE | EVKV_FLAG_INLINE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key });
	check_int(f.answer.calls, 1);
	check_contains(f.lines, "D c get ");
	check(strstr(f.lines, "secret") == NULL);
	close_fixture(&f);
}

EVKV_TEST(unit_logging, long_names_fit)
{
	char name[EVKV_COLLECTION_MAX] = "", bytes[5000] = "";
	struct evkv_slice key = evkv_bytes(bytes, sizeof(bytes));
	struct fixture f;

	memset(name, 0xff, sizeof(name));
	memset(bytes, 0xfe, sizeof(bytes));
	open_fixture(&f, (struct evkv_logging_options){ .all = true });
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.collection = evkv_bytes(name, sizeof(name)),
		.count = 1,
		.keys = &key });
	rig_wait(&f.rig, &f.answer.calls);
	check_contains(f.lines, "D \\xff\\xff");
	close_fixture(&f);
}

struct records {
	struct evkv_logging_record last;
	char key[80];
	int count;
};

static void on_record(const struct evkv_logging_record *record, void *arg)
{
	struct records *records = arg;

	records->last = *record;
	snprintf(records->key, sizeof(records->key), "%.*s",
	    (int)record->key.size, (const char *)record->key.data);
	records->count++;
}

EVKV_TEST(unit_logging, redacted_keys_by_a_callback)
{
	struct records records = { .count = 0 };
	struct evkv_request request = get_three;
	struct fixture f;
	uint64_t hash;

	open_fixture(&f,
	    (struct evkv_logging_options){ .all = true,
		.redact_keys = true,
		.cb = on_record,
		.arg = &records });
	submit(&f, &request);
	rig_wait(&f.rig, &f.answer.calls);
	check_int(records.count, 1);
	check_str(records.key, "");
	check_int(records.last.count, 3);
	check_int(records.last.kind, EVKV_OP_GET);
	check_int(records.last.level, EVKV_LOG_DEBUG);
	hash = records.last.key_hash;
	check(hash != 0);
	submit(&f, &request);
	rig_wait(&f.rig, &f.answer.calls);
	check(records.last.key_hash == hash);
	request.keys = &keys[1];
	request.count = 1;
	submit(&f, &request);
	rig_wait(&f.rig, &f.answer.calls);
	check(records.last.key_hash != hash);
	check_str(f.lines, "");
	close_fixture(&f);
	/* In a line, too. */
	open_fixture(&f,
	    (struct evkv_logging_options){ .all = true, .redact_keys = true });
	submit(&f, &request);
	rig_wait(&f.rig, &f.answer.calls);
	check_contains(f.lines, "D users get #");
	check(strchr(f.lines, '"') == NULL);
	close_fixture(&f);
}

EVKV_TEST(unit_logging, bad_options_are_refused)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct rig rig;

	rig_open(&rig);
	check(evkv_logging_new(evkv_simple_new(rig.loop, &error),
		  &(struct evkv_logging_options){ .slow_ms = -1 },
		  &error) == NULL);
	check_invalid(error, "slow_ms");
	evkv_error_clear(&error);
	check(evkv_logging_new(NULL, NULL, &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	rig_close(&rig);
}
