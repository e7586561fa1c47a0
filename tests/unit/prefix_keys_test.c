/*
 * prefix_keys over stores that can be looked at and held back. What it has in
 * common with every store is in the conformance suite.
 */
#include "evkv/wrappers/prefix_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "lib/faults.h"
#include "lib/rig.h"
#include "lib/test.h"

/* ---- A store that holds operations until they are let go ---------------- */

#define GATE_MAX 64

struct gate {
	struct evkv_store *inner;
	struct evkv_op *held[GATE_MAX];
	size_t count;
	size_t most;         /* that were held at once */
	size_t clears;       /* let through so far */
	bool open;           /* let everything through */
	enum evkv_kind fail; /* this kind fails with IO */
};

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

/* Let the oldest held operation through. */
static void gate_let_one(struct gate *gate)
{
	struct evkv_op *op = gate->held[0];

	check(gate->count > 0);
	memmove(gate->held, gate->held + 1,
	    --gate->count * sizeof(gate->held[0]));
	gate->clears += evkv_op_request(op)->kind == EVKV_CLEAR;
	evkv_child_submit(op, gate->inner, evkv_op_request(op), 0,
	    gate_answered, op);
}

/* ---- Helpers ------------------------------------------------------------ */

struct fixture {
	struct rig rig;
	struct evkv_store *simple;
	struct gate gate;
	struct evkv_store *store; /* the prefix over the gate over simple */
};

static void open_fixture(struct fixture *f, struct evkv_slice prefix)
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

static void close_fixture(struct fixture *f)
{
	f->gate.open = true;
	while (f->gate.count > 0)
		gate_let_one(&f->gate);
	evkv_store_unref(f->store);
	evkv_store_unref(f->simple);
	rig_close(&f->rig);
}

static void put(struct fixture *f, struct evkv_store *store,
    const char *collection, const char *key)
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

/* What is in the store at the bottom. */
static void check_bottom(struct fixture *f, const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	check(evkv_simple_each(f->simple, write_names, out));
	fclose(out);
	check_str(text, expected);
	free(text);
}

static void submit(struct fixture *f, const struct evkv_request *request,
    struct answer *answer)
{
	answer_reset(answer);
	evkv_submit(f->store, request, answer_cb, answer);
	rig_wait(&f->rig, &answer->calls);
}

/* All pages, '|' where one ends. */
static void check_names(struct fixture *f, struct evkv_request request,
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

static struct evkv_request keys_like(const char *prefix, const char *pattern)
{
	return (struct evkv_request){
		.kind = EVKV_KEYS,
		.collection = EVKV_LIT("c"),
		.match_prefix = evkv_str(prefix),
		.pattern = evkv_str(pattern),
	};
}

/* ---- One-to-one kinds --------------------------------------------------- */

EVKV_TEST(unit_prefix_keys, keys_are_prefixed_below)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;
	struct evkv_slice keys[3] = { EVKV_LIT("a"), EVKV_LIT("x"),
		EVKV_LIT("b") };

	open_fixture(&f, EVKV_LIT("app:"));
	put(&f, f.store, "c", "a");
	put(&f, f.store, "c", "b");
	put(&f, f.simple, "c", "x");
	check_bottom(&f, "c/app:a c/app:b c/x ");

	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_GET,
		.collection = EVKV_LIT("c"),
		.count = 3,
		.keys = keys },
	    &answer);
	check_int(answer.count, 3);
	check_slice(answer.entries[0].bytes, "v");
	check_status(answer.entries[1].status, EVKV_NOT_FOUND);
	check_slice(answer.entries[2].bytes, "v");
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_DELETE,
		.collection = EVKV_LIT("c"),
		.count = 2,
		.keys = keys },
	    &answer);
	check_int(answer.affected, 1);
	check_bottom(&f, "c/app:b c/x ");
	answer_free(&answer);
	close_fixture(&f);
}

/* The prefix's own bytes are no pattern, whatever they are. */
EVKV_TEST(unit_prefix_keys, patterns)
{
	static const char *const prefixes[] = { "app:", "*", "?", "[ab]", "\\",
		"[", "a*b\\?[c", "]" };
	struct fixture f;
	size_t i;

	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		open_fixture(&f, evkv_str(prefixes[i]));
		put(&f, f.store, "c", "one");
		put(&f, f.store, "c", "two");
		put(&f, f.store, "c", "*");
		put(&f, f.store, "d", "one");
		put(&f, f.simple, "c", "one");
		put(&f, f.simple, "c", "axxone");
		check_names(&f, keys_like("", ""), "* one two |");
		check_names(&f, keys_like("", "*"), "* one two |");
		check_names(&f, keys_like("", "***"), "* one two |");
		check_names(&f, keys_like("", "o*"), "one |");
		check_names(&f, keys_like("", "*o"), "two |");
		check_names(&f, keys_like("", "[!o]*"), "* two |");
		check_names(&f, keys_like("", "\\*"), "* |");
		check_names(&f, keys_like("t", ""), "two |");
		check_names(&f, keys_like("t", "*"), "two |");
		check_names(&f, keys_like("t", "o*"), "|");
		check_names(&f, keys_like("on", "?ne"), "one |");
		close_fixture(&f);
	}
}

EVKV_TEST(unit_prefix_keys, pages_of_keys)
{
	struct fixture f;
	struct evkv_request request = keys_like("", "");

	open_fixture(&f, EVKV_LIT("p"));
	put(&f, f.store, "c", "1");
	put(&f, f.store, "c", "2");
	put(&f, f.store, "c", "3");
	put(&f, f.simple, "c", "a");
	put(&f, f.simple, "c", "z");
	request.limit = 2;
	check_names(&f, request, "1 2 |3 |");
	close_fixture(&f);
}

/* Nobody could have written it through the wrapper. */
EVKV_TEST(unit_prefix_keys, the_prefix_alone_is_not_ours)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;

	open_fixture(&f, EVKV_LIT("app:"));
	put(&f, f.simple, "c", "app:");
	check_names(&f, keys_like("", ""), "|");
	check_names(&f, keys_like("", "*"), "|");
	check_names(&f, (struct evkv_request){ .kind = EVKV_COLLECTIONS }, "|");
	put(&f, f.store, "c", "a");
	submit(&f,
	    &(struct evkv_request){
		.kind = EVKV_CLEAR, .collection = EVKV_LIT("c") },
	    &answer);
	check_int(answer.affected, 1);
	put(&f, f.store, "c", "a");
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_CLEAR,
		.collection = EVKV_LIT("c"),
		.pattern = EVKV_LIT("**") },
	    &answer);
	check_int(answer.affected, 1);
	put(&f, f.store, "c", "a");
	submit(&f, &(struct evkv_request){ .kind = EVKV_DESTROY }, &answer);
	check_int(answer.affected, 1);
	check_bottom(&f, "c/app: ");
	answer_free(&answer);
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, clear_takes_only_ours)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;

	open_fixture(&f, EVKV_LIT("p"));
	put(&f, f.store, "c", "a1");
	put(&f, f.store, "c", "b1");
	put(&f, f.store, "d", "a1");
	put(&f, f.simple, "c", "a1");
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_CLEAR,
		.collection = EVKV_LIT("c"),
		.pattern = EVKV_LIT("a*") },
	    &answer);
	check_int(answer.affected, 1);
	check_bottom(&f, "c/a1 c/pb1 d/pa1 ");
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_CLEAR,
		.collection = EVKV_LIT("c"),
		.match_prefix = EVKV_LIT("b") },
	    &answer);
	check_int(answer.affected, 1);
	check_bottom(&f, "c/a1 d/pa1 ");
	answer_free(&answer);
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, a_pattern_may_be_too_long_with_the_prefix)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;
	struct evkv_request request = keys_like("", "");
	char pattern[EVKV_PATTERN_MAX];

	open_fixture(&f, EVKV_LIT("12*4")); /* 5 bytes as a pattern */
	memset(pattern, '?', sizeof(pattern));
	request.pattern = evkv_bytes(pattern, sizeof(pattern) - 5);
	submit(&f, &request, &answer);
	check_status(answer.status, EVKV_OK);
	request.pattern = evkv_bytes(pattern, sizeof(pattern) - 4);
	submit(&f, &request, &answer);
	check_status(answer.status, EVKV_INVALID);
	check_contains(answer.message, "pattern");
	check_contains(answer.message, "4096");
	answer_free(&answer);
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, keys_are_as_much_shorter)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;
	char *bytes = malloc(EVKV_KEY_MAX);
	struct evkv_slice key;

	memset(bytes, 'k', EVKV_KEY_MAX);
	open_fixture(&f, EVKV_LIT("app:"));
	check_int(evkv_store_capabilities(f.store)->max_key, EVKV_KEY_MAX - 4);
	key = evkv_bytes(bytes, EVKV_KEY_MAX - 4);
	evkv_put(f.store, EVKV_LIT("c"), key, EVKV_LIT("v"), 0, answer_cb,
	    &answer);
	rig_wait(&f.rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	answer_reset(&answer);
	key = evkv_bytes(bytes, EVKV_KEY_MAX - 3);
	evkv_put(f.store, EVKV_LIT("c"), key, EVKV_LIT("v"), 0, answer_cb,
	    &answer);
	rig_wait(&f.rig, &answer.calls);
	check_status(answer.status, EVKV_INVALID);
	answer_free(&answer);
	close_fixture(&f);
	free(bytes);
}

/* ---- Making ------------------------------------------------------------- */

EVKV_TEST(unit_prefix_keys, bad_prefixes_are_refused)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	char long_prefix[1025];
	struct rig rig;

	memset(long_prefix, 'p', sizeof(long_prefix));
	rig_open(&rig);
	check(evkv_prefix_keys_new(evkv_simple_new(rig.loop, &error),
		  EVKV_LIT(""), &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	check_contains(error.message, "prefix");
	evkv_error_clear(&error);
	check(evkv_prefix_keys_new(evkv_simple_new(rig.loop, &error),
		  evkv_bytes(long_prefix, 1025), &error) == NULL);
	check_contains(error.message, "1025");
	evkv_error_clear(&error);

	/* The first error of a chain goes through. */
	check(evkv_prefix_keys_new(evkv_open(rig.loop, "nope:", &error),
		  EVKV_LIT("p"), &error) == NULL);
	check_contains(error.message, "nope");
	evkv_error_clear(&error);
	check(evkv_prefix_keys_new(NULL, EVKV_LIT("p"), &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	rig_close(&rig);
}

/* ---- collections and destroy -------------------------------------------- */

static void fill_collections(struct fixture *f, int count)
{
	char name[16];
	int i;

	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "c%04d", i);
		put(f, i % 3 == 0 ? f->simple : f->store, name, "k");
	}
}

EVKV_TEST(unit_prefix_keys, collections_are_those_with_our_keys)
{
	struct fixture f;
	struct evkv_request request = { .kind = EVKV_COLLECTIONS };

	open_fixture(&f, EVKV_LIT("app:"));
	put(&f, f.store, "", "k");
	put(&f, f.store, "mine", "k");
	put(&f, f.store, "both", "k");
	put(&f, f.simple, "both", "k");
	put(&f, f.simple, "other", "app");
	put(&f, f.simple, "other", "bpp:k");
	check_names(&f, request, " both mine |");
	request.pattern = EVKV_LIT("m*");
	check_names(&f, request, "mine |");
	request.pattern = EVKV_LIT("");
	request.match_prefix = EVKV_LIT("bo");
	check_names(&f, request, "both |");
	request.match_prefix = EVKV_LIT("x");
	check_names(&f, request, "|");
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, pages_of_collections)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;
	struct evkv_request request = { .kind = EVKV_COLLECTIONS, .limit = 4 };

	open_fixture(&f, EVKV_LIT("p"));
	fill_collections(&f, 10);
	check_names(&f, request, "c0001 c0002 |c0004 c0005 c0007 |c0008 |");

	/* The inner store's cursor is not ours. */
	evkv_collections(f.simple, EVKV_LIT(""), EVKV_LIT(""), 4, answer_cb,
	    &answer);
	rig_wait(&f.rig, &answer.calls);
	check(answer.cursor.size > 0);
	request.cursor = EVKV_LIT("12345678x");
	submit(&f, &request, &answer);
	check_status(answer.status, EVKV_INVALID);
	check_contains(answer.message, "cursor");
	answer_free(&answer);
	close_fixture(&f);
}

/* More collections than fit in a turn and in a page, over a store that answers
 * at once. */
EVKV_TEST(unit_prefix_keys, many_collections)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;

	open_fixture(&f, EVKV_LIT("p"));
	fill_collections(&f, 2400);
	submit(&f, &(struct evkv_request){ .kind = EVKV_COLLECTIONS }, &answer);
	check_status(answer.status, EVKV_OK);
	check_int(answer.count, 666);
	check(answer.cursor.size > 0);
	submit(&f, &(struct evkv_request){ .kind = EVKV_DESTROY }, &answer);
	check_status(answer.status, EVKV_OK);
	check_int(answer.affected, 1600);
	submit(&f, &(struct evkv_request){ .kind = EVKV_COLLECTIONS }, &answer);
	check_int(answer.count, 0);
	evkv_destroy(f.simple, answer_cb, &answer);
	rig_until(&f.rig, answer.calls == 2);
	check_int(answer.affected, 800);
	answer_free(&answer);
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, destroy_of_matching_collections)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;

	open_fixture(&f, EVKV_LIT("p"));
	put(&f, f.store, "a1", "k");
	put(&f, f.store, "a2", "k");
	put(&f, f.store, "b1", "k");
	put(&f, f.simple, "a1", "k");
	submit(&f,
	    &(struct evkv_request){
		.kind = EVKV_DESTROY, .pattern = EVKV_LIT("a*") },
	    &answer);
	check_status(answer.status, EVKV_OK);
	check_int(answer.affected, 2);
	check_bottom(&f, "a1/k b1/pk ");
	answer_free(&answer);
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, few_steps_are_under_way_at_a_time)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;

	open_fixture(&f, EVKV_LIT("p"));
	fill_collections(&f, 60);
	f.gate.open = false;
	evkv_destroy(f.store, answer_cb, &answer);
	while (answer.calls == 0) {
		if (f.gate.count > 0)
			gate_let_one(&f.gate);
		rig_turn(&f.rig);
	}
	check_int(answer.affected, 40);
	check_between(f.gate.most, 2, 8);
	check_int(f.gate.clears, 60);
	answer_free(&answer);
	close_fixture(&f);
}

static void check_cut(size_t let_through, enum evkv_status expected)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;
	evkv_ticket ticket;
	size_t i;

	open_fixture(&f, EVKV_LIT("p"));
	put(&f, f.store, "a", "k");
	put(&f, f.store, "b", "k");
	f.gate.open = false;
	ticket = evkv_destroy(f.store, answer_cb, &answer);
	for (i = 0; i < let_through; i++) {
		gate_let_one(&f.gate);
		rig_turn(&f.rig);
	}
	evkv_cancel(f.rig.loop, ticket);
	rig_wait(&f.rig, &answer.calls);
	check_status(answer.status, expected);
	check_int(answer.cause, EVKV_CAUSE_CANCELED);
	while (f.gate.count > 0)
		gate_let_one(&f.gate);
	rig_settle(&f.rig);
	check_int(answer.calls, 1);
	/* What had not begun never did. */
	check_bottom(&f, let_through < 2 ? "a/pk b/pk " : "b/pk ");
	answer_free(&answer);
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, a_destroy_canceled_before_it_removed)
{
	check_cut(0, EVKV_CANCELED);
	check_cut(1, EVKV_CANCELED);
}

EVKV_TEST(unit_prefix_keys, a_destroy_canceled_after_it_removed)
{
	check_cut(2, EVKV_UNKNOWN_OUTCOME);
}

EVKV_TEST(unit_prefix_keys, the_first_failure_of_a_step_is_the_answer)
{
	static const struct {
		enum evkv_kind fails, kind;
	} rows[] = {
		{ EVKV_COLLECTIONS, EVKV_COLLECTIONS },
		{ EVKV_KEYS, EVKV_COLLECTIONS },
		{ EVKV_COLLECTIONS, EVKV_DESTROY },
		{ EVKV_CLEAR, EVKV_DESTROY },
	};
	struct answer answer = ANSWER_INIT;
	struct fixture f;
	size_t i;

	open_fixture(&f, EVKV_LIT("p"));
	fill_collections(&f, 20);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		f.gate.fail = rows[i].fails;
		submit(&f, &(struct evkv_request){ .kind = rows[i].kind },
		    &answer);
		check_status(answer.status, EVKV_IO);
		check_int(answer.cause, EVKV_CAUSE_IO);
		check_str(answer.message, "planned");
		check_int(answer.count, 0);
	}
	f.gate.fail = EVKV_KIND_COUNT;
	submit(&f, &(struct evkv_request){ .kind = EVKV_DESTROY }, &answer);
	check_int(answer.affected, 13);
	answer_free(&answer);
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, closing_ends_a_walk)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT, closed = ANSWER_INIT;

	open_fixture(&f, EVKV_LIT("p"));
	fill_collections(&f, 20);
	f.gate.open = false;
	evkv_destroy(f.store, answer_cb, &answer);
	gate_let_one(&f.gate);
	evkv_store_close(f.store, 0, answer_cb, &closed);
	rig_wait(&f.rig, &answer.calls);
	check_status(answer.status, EVKV_CLOSED);
	while (f.gate.count > 0)
		gate_let_one(&f.gate);
	rig_wait(&f.rig, &closed.calls);
	answer_free(&answer);
	answer_free(&closed);
	close_fixture(&f);
}

static void without_memory(struct fixture *f, enum evkv_kind kind)
{
	struct answer answer = ANSWER_INIT;
	struct evkv_request request = { .kind = kind };
	unsigned failed = 0;
	size_t n;

	for (n = 1;; n++) {
		answer_reset(&answer);
		faults_fail_nth(n);
		evkv_submit(f->store, &request, answer_cb, &answer);
		rig_settle(&f->rig);
		faults_off();
		if (faults_fired() == 0)
			break;
		failed++;
		if (answer.calls > 0 && answer.status != EVKV_OK)
			check_status(answer.status, EVKV_NOMEM);
	}
	check_status(answer.status, EVKV_OK);
	check(failed >= 2);
	answer_free(&answer);
}

EVKV_TEST(unit_prefix_keys, walks_without_memory)
{
	struct fixture f;

	open_fixture(&f, EVKV_LIT("p"));
	fill_collections(&f, 20);
	without_memory(&f, EVKV_COLLECTIONS);
	without_memory(&f, EVKV_DESTROY);
	close_fixture(&f);
}

/* ---- An inner store that answers what it is told ------------------------ */

struct script {
	unsigned empty_pages; /* of keys, before the one with the names */
	unsigned asked;       /* for keys */
	const char *names[3]; /* of keys */
	int64_t affected;     /* of clear */
	uint32_t culls;
};

static enum evkv_verdict script_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct script *script = arg;
	size_t i;

	switch (request->kind) {
	case EVKV_COLLECTIONS: evkv_op_add_name(op, EVKV_LIT("c")); break;
	case EVKV_KEYS:
		if (++script->asked <= script->empty_pages) {
			evkv_op_set_position(op, "script", EVKV_LIT("more"));
			break;
		}
		for (i = 0; i < 3 && script->names[i] != NULL; i++)
			evkv_op_add_name(op, evkv_str(script->names[i]));
		break;
	case EVKV_CLEAR: evkv_op_set_affected(op, script->affected); break;
	case EVKV_CULL: script->culls++; break;
	default: return evkv_op_unsupported(op);
	}
	return EVKV_DONE;
}

static const struct evkv_vtable script_vtable = {
	.size = sizeof(script_vtable),
	.name = "script",
	.submit = script_submit,
	.free = gate_free,
};

static struct evkv_store *open_script(struct rig *rig, struct script *script,
    uint32_t kinds, size_t max_key)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_capabilities capabilities = { .kinds = kinds,
		.max_key = max_key,
		.max_value = EVKV_VALUE_MAX,
		.ttl_unit_ms = 1 };

	rig_open(rig);
	return evkv_prefix_keys_new(evkv_store_create(rig->loop, &script_vtable,
					script,
					&(struct evkv_store_config){
					    .capabilities = &capabilities,
					    .state = EVKV_STATE_READY },
					&error),
	    EVKV_LIT("p:"), &error);
}

static void close_script(struct rig *rig, struct evkv_store *store)
{
	evkv_store_unref(store);
	rig_close(rig);
}

EVKV_TEST(unit_prefix_keys, empty_pages_use_no_stack)
{
	struct script script = { .empty_pages = 50000, .names = { "p:k" } };
	struct answer answer = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	store = open_script(&rig, &script, EVKV_KINDS_ALL, EVKV_KEY_MAX);
	evkv_collections(store, EVKV_LIT(""), EVKV_LIT(""), 0, answer_cb,
	    &answer);
	rig_wait(&rig, &answer.calls);
	check_int(answer.count, 1);
	check_slice(answer.entries[0].name, "c");
	check_int(script.asked, 50001);
	answer_free(&answer);
	close_script(&rig, store);
}

/* A walk over a store that answers at once takes turns, and can be ended. */
EVKV_TEST(unit_prefix_keys, a_long_walk_lets_others_run_and_can_be_ended)
{
	struct script script = { .empty_pages = 1000000, .names = { "p:k" } };
	struct answer answer = ANSWER_INIT;
	struct evkv_store *store;
	evkv_ticket ticket;
	unsigned asked;
	struct rig rig;

	store = open_script(&rig, &script, EVKV_KINDS_ALL, EVKV_KEY_MAX);
	ticket = evkv_collections(store, EVKV_LIT(""), EVKV_LIT(""), 0,
	    answer_cb, &answer);
	/* A non-blocking turn would go on while anything is ready. */
	check(event_base_loop(rig.base, EVLOOP_ONCE) == 0);
	check_between(script.asked, 1, 10000);
	evkv_cancel(rig.loop, ticket);
	rig_wait(&rig, &answer.calls);
	check_status(answer.status, EVKV_CANCELED);
	rig_settle(&rig);
	asked = script.asked;
	rig_turn(&rig);
	check_int(script.asked, asked);
	check_between(asked, 1, 10000);
	answer_free(&answer);
	close_script(&rig, store);
}

EVKV_TEST(unit_prefix_keys, foreign_names_are_dropped)
{
	struct script script = { .names = { "q:a", "p:b", "p:" } };
	struct answer answer = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	store = open_script(&rig, &script, EVKV_KINDS_ALL, EVKV_KEY_MAX);
	evkv_keys(store, EVKV_LIT("c"), EVKV_LIT(""), EVKV_LIT(""), 0,
	    answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check_int(answer.count, 1);
	check_slice(answer.entries[0].name, "b");
	answer_free(&answer);
	close_script(&rig, store);
}

EVKV_TEST(unit_prefix_keys, who_cannot_count_stays_so)
{
	struct script script = { .affected = -1 };
	struct answer answer = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	store = open_script(&rig, &script, EVKV_KINDS_ALL, EVKV_KEY_MAX);
	evkv_destroy(store, answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	check_int(answer.affected, -1);
	answer_reset(&answer);
	evkv_cull(store, answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	check_int(script.culls, 1);
	answer_free(&answer);
	close_script(&rig, store);
}

static uint32_t kinds_over(uint32_t missing)
{
	struct script script = { .affected = 0 };
	struct evkv_store *store;
	struct rig rig;
	uint32_t kinds;

	store = open_script(&rig, &script, EVKV_KINDS_ALL & ~missing,
	    EVKV_KEY_MAX);
	kinds = evkv_store_capabilities(store)->kinds;
	close_script(&rig, store);
	return EVKV_KINDS_ALL & ~kinds;
}

/* What is made of other kinds is there only where they are. */
EVKV_TEST(unit_prefix_keys, capabilities)
{
	const uint32_t keys = EVKV_KIND_BIT(EVKV_KEYS);
	const uint32_t clear = EVKV_KIND_BIT(EVKV_CLEAR);
	const uint32_t collections = EVKV_KIND_BIT(EVKV_COLLECTIONS);
	const uint32_t destroy = EVKV_KIND_BIT(EVKV_DESTROY);
	struct script script = { .affected = 0 };
	struct rig rig;

	check_int(kinds_over(0), 0);
	check_int(kinds_over(keys), keys | collections);
	check_int(kinds_over(clear), clear | destroy);
	check_int(kinds_over(collections), collections | destroy);
	check_int(kinds_over(EVKV_KIND_BIT(EVKV_TOUCH)),
	    EVKV_KIND_BIT(EVKV_TOUCH));
	/* No key would be short enough. */
	check(open_script(&rig, &script, EVKV_KINDS_ALL, 2) == NULL);
	rig_close(&rig);
}

/* ---- Stacks ------------------------------------------------------------- */

static void stack_ten(struct fixture *f)
{
	char prefix[16];
	int i;

	for (i = 8; i >= 0; i--) {
		snprintf(prefix, sizeof(prefix), "%d*", i);
		f->store = evkv_prefix_keys_new(f->store, evkv_str(prefix),
		    NULL);
		check(f->store != NULL);
	}
}

EVKV_TEST(unit_prefix_keys, a_stack_of_ten)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;

	open_fixture(&f, EVKV_LIT("9*"));
	stack_ten(&f);
	put(&f, f.store, "c", "one");
	put(&f, f.store, "c", "two");
	put(&f, f.store, "d", "two");
	put(&f, f.simple, "c", "9*8*7*");
	put(&f, f.simple, "e", "one");
	check_bottom(&f,
	    "c/9*8*7* c/9*8*7*6*5*4*3*2*1*0*one "
	    "c/9*8*7*6*5*4*3*2*1*0*two "
	    "d/9*8*7*6*5*4*3*2*1*0*two e/one ");
	check_names(&f, keys_like("", "t*"), "two |");
	check_names(&f, keys_like("", ""), "one two |");
	check_names(&f, (struct evkv_request){ .kind = EVKV_COLLECTIONS },
	    "c d |");
	submit(&f, &(struct evkv_request){ .kind = EVKV_DESTROY }, &answer);
	check_int(answer.affected, 3);
	check_bottom(&f, "c/9*8*7* e/one ");
	answer_free(&answer);
	close_fixture(&f);
}

/* The boundary defers, once; the levels do not. */
EVKV_TEST(unit_prefix_keys, a_stack_of_ten_takes_one_turn)
{
	struct fixture f;
	struct answer one = ANSWER_INIT, ten = ANSWER_INIT;

	open_fixture(&f, EVKV_LIT("9*"));
	stack_ten(&f);
	evkv_get(f.simple, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &one);
	evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &ten);
	check_int(one.calls + ten.calls, 0);
	rig_turn(&f.rig);
	check_int(one.calls, 1);
	check_int(ten.calls, 1);
	check_status(ten.status, EVKV_NOT_FOUND);
	answer_free(&one);
	answer_free(&ten);
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, patterns_of_deep_stacks_may_be_too_long)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;
	struct evkv_request request = keys_like("", "");
	char prefix[1024];
	int i;

	memset(prefix, '*', sizeof(prefix));
	open_fixture(&f, evkv_bytes(prefix, sizeof(prefix)));
	put(&f, f.store, "c", "k");
	check_names(&f, request, "k |");
	for (i = 0; i < 2; i++) {
		f.store = evkv_prefix_keys_new(f.store,
		    evkv_bytes(prefix, sizeof(prefix)), NULL);
	}
	submit(&f, &request, &answer);
	check_status(answer.status, EVKV_INVALID);
	check_contains(answer.message, "pattern");
	answer_free(&answer);
	close_fixture(&f);
}
