/*
 * evkv_each(): all pages, values, the bound, the ways to end.
 */
#include <stdio.h>
#include <string.h>

#include "evkv/each.h"
#include "evkv/evkv.h"
#include "lib/faults.h"
#include "lib/gate.h"
#include "lib/rig.h"
#include "lib/test.h"

struct walk {
	struct rig rig;
	struct gate *gate;
	struct evkv_store *store;
	struct evkv_each *each;
	char seen[2000]; /* by number of the key: how often */
	uint64_t items, values, corrupt;
	uint64_t enough; /* stop at so many items; 0 = never */
	uint64_t cancel; /* cancel there */
	bool wrong;      /* a value is not its key's */
	int ends;
	enum evkv_status status;
	char message[100];
	uint64_t count;
};

static bool on_item(const struct evkv_each_item *item, void *arg)
{
	struct walk *w = arg;
	char name[16];
	int number;

	snprintf(name, sizeof(name), "%.*s", (int)item->name.size,
	    (const char *)item->name.data);
	if (sscanf(name, "k%d", &number) == 1 && number < 2000)
		w->seen[number]++;
	w->items++;
	w->corrupt += item->status == EVKV_CORRUPT;
	if (item->value != NULL) {
		w->values++;
		if (!evkv_slice_equal(item->bytes, item->name) ||
		    !evkv_slice_equal(evkv_value_bytes(item->value),
			item->bytes))
			w->wrong = true;
	}
	if (w->cancel != 0 && w->items == w->cancel)
		evkv_each_cancel(w->each);
	return w->items != w->enough;
}

static void on_end(const struct evkv_each_result *result, void *arg)
{
	struct walk *w = arg;

	w->ends++;
	w->status = result->status;
	w->count = result->count;
	snprintf(w->message, sizeof(w->message), "%s", result->message);
}

/* So many keys in the collection "c", each its own value. */
static void open_walk(struct walk *w, int keys)
{
	char name[16];
	int i;

	memset(w, 0, sizeof(*w));
	rig_open(&w->rig);
	w->store = gate_new(evkv_memory_new(w->rig.loop, NULL, NULL), &w->gate,
	    NULL);
	for (i = 0; i < keys; i++) {
		snprintf(name, sizeof(name), "k%04d", i);
		evkv_put(w->store, EVKV_LIT("c"), evkv_str(name),
		    evkv_str(name), 0, NULL, NULL);
	}
	rig_settle(&w->rig);
	memset(w->gate->asked, 0, sizeof(w->gate->asked));
}

static void close_walk(struct walk *w)
{
	evkv_store_unref(w->store);
	rig_close(&w->rig);
}

static void start(struct walk *w, struct evkv_each_query query)
{
	if (query.kind == EVKV_OP_GET)
		query.kind = EVKV_OP_KEYS;
	if (query.kind == EVKV_OP_KEYS)
		query.collection = EVKV_LIT("c");
	w->each = evkv_each(w->store, &query, on_item, on_end, w);
	check(w->each != NULL);
	check_int(w->items + (unsigned)w->ends, 0);
}

static void run(struct walk *w, struct evkv_each_query query)
{
	start(w, query);
	rig_wait(&w->rig, &w->ends);
	rig_settle(&w->rig);
	check_int(w->ends, 1);
	check_int(w->count, w->items);
	check(!w->wrong);
}

static void check_all(const struct walk *w, int keys)
{
	int i;

	for (i = 0; i < 2000; i++)
		check_int(w->seen[i], i < keys);
}

EVKV_TEST(unit_each, names_over_all_pages)
{
	struct walk w;

	open_walk(&w, 1234);
	run(&w, (struct evkv_each_query){ .match.limit = 100 });
	check_status(w.status, EVKV_OK);
	check_str(w.message, "");
	check_int(w.count, 1234);
	check_int(w.values, 0);
	check_all(&w, 1234);
	check(w.gate->asked[EVKV_OP_KEYS] >= 12);
	close_walk(&w);
}

EVKV_TEST(unit_each, names_with_values)
{
	static const size_t batches[] = { 0, 1, 7, 5000 };
	struct walk w;
	size_t i;

	for (i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
		open_walk(&w, 777);
		run(&w,
		    (struct evkv_each_query){ .match.limit = 50,
			.values = true,
			.batch = batches[i] });
		check_status(w.status, EVKV_OK);
		check_int(w.values, 777);
		check_all(&w, 777);
		close_walk(&w);
	}
}

EVKV_TEST(unit_each, what_matches)
{
	struct walk w;

	open_walk(&w, 100);
	run(&w,
	    (struct evkv_each_query){ .match.prefix = EVKV_LIT("k00"),
		.match.pattern = EVKV_LIT("*7"),
		.values = true });
	check_int(w.values, 10);
	close_walk(&w);

	open_walk(&w, 100);
	evkv_put(w.store, EVKV_LIT("d"), EVKV_LIT("x"), EVKV_LIT(""), 0, NULL,
	    NULL);
	run(&w, (struct evkv_each_query){ .kind = EVKV_OP_COLLECTIONS });
	check_int(w.count, 2);
	close_walk(&w);

	open_walk(&w, 0);
	run(&w, (struct evkv_each_query){ .values = true });
	check_status(w.status, EVKV_OK);
	check_int(w.count, 0);
	close_walk(&w);
}

/* Held back, no more than the bound are under way, and all comes. */
EVKV_TEST(unit_each, the_bound_on_what_is_under_way)
{
	static const unsigned most[] = { 1, 2, 3, 0 };
	struct walk w;
	size_t i;

	for (i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		open_walk(&w, 300);
		w.gate->mode = GATE_BEFORE;
		start(&w,
		    (struct evkv_each_query){ .match.limit = 40,
			.values = true,
			.batch = 10,
			.most = most[i] });
		while (w.ends == 0) {
			if (w.gate->held_count > 0)
				gate_release(w.gate, 0);
			rig_turn(&w.rig);
		}
		check_all(&w, 300);
		check_int(w.gate->held_most, most[i] == 0 ? 4 : most[i]);
		close_walk(&w);
	}
}

EVKV_TEST(unit_each, a_callback_that_has_enough)
{
	struct walk w;
	int values;

	for (values = 0; values < 2; values++) {
		open_walk(&w, 500);
		w.enough = 123;
		run(&w,
		    (struct evkv_each_query){
			.match.limit = 30, .values = values });
		check_status(w.status, EVKV_OK);
		check_int(w.count, 123);
		close_walk(&w);
	}
}

EVKV_TEST(unit_each, cancelled_from_inside_and_outside)
{
	struct walk w;
	int values;

	for (values = 0; values < 2; values++) {
		open_walk(&w, 500);
		w.cancel = 99;
		run(&w,
		    (struct evkv_each_query){
			.match.limit = 30, .values = values });
		check_status(w.status, EVKV_CANCELED);
		check_int(w.count, 99);
		close_walk(&w);

		open_walk(&w, 500);
		w.gate->mode = GATE_BEFORE;
		start(&w, (struct evkv_each_query){ .values = values });
		rig_turn(&w.rig);
		evkv_each_cancel(w.each);
		evkv_each_cancel(w.each);
		check_int(w.ends, 0);
		rig_turn(&w.rig);
		check_int(w.ends, 1);
		check_status(w.status, EVKV_CANCELED);
		check_int(w.items, 0);
		gate_release_all(w.gate);
		close_walk(&w);
	}
	evkv_each_cancel(NULL);
}

EVKV_TEST(unit_each, the_first_failure_ends_it)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_KEYS, EVKV_OP_GET };
	struct walk w;
	size_t i;

	for (i = 0; i < 2; i++) {
		open_walk(&w, 500);
		w.gate->fail = EVKV_UNAVAILABLE;
		w.gate->fail_kinds = EVKV_KIND_BIT(kinds[i]);
		w.gate->fail_message = "gone for lunch";
		run(&w,
		    (struct evkv_each_query){
			.match.limit = 50, .values = true });
		check_status(w.status, EVKV_UNAVAILABLE);
		check_str(w.message, "gone for lunch");
		check_int(w.count, 0);
		close_walk(&w);
	}
}

/* A store that has room for one operation at a time. */
EVKV_TEST(unit_each, a_busy_store_is_asked_again)
{
	struct walk w;

	open_walk(&w, 300);
	w.gate->mode = GATE_BEFORE;
	evkv_store_set_limits(w.store, 12, 0);
	start(&w,
	    (struct evkv_each_query){
		.match.limit = 40, .values = true, .batch = 10, .most = 6 });
	while (w.ends == 0) {
		if (w.gate->held_count > 0)
			gate_release(w.gate, 0);
		rig_turn(&w.rig);
	}
	check_status(w.status, EVKV_OK);
	check_all(&w, 300);
	close_walk(&w);
}

EVKV_TEST(unit_each, bad_queries)
{
	struct evkv_each_query query = { .kind = EVKV_OP_KEYS };
	struct walk w;

	open_walk(&w, 1);
	check(evkv_each(NULL, &query, on_item, on_end, &w) == NULL);
	check(evkv_each(w.store, &query, NULL, on_end, &w) == NULL);
	run(&w,
	    (struct evkv_each_query){
		.kind = EVKV_OP_COLLECTIONS, .values = true });
	check_status(w.status, EVKV_INVALID);
	close_walk(&w);

	open_walk(&w, 1);
	run(&w, (struct evkv_each_query){ .match.pattern = EVKV_LIT("[") });
	check_status(w.status, EVKV_INVALID);
	check_contains(w.message, "pattern");
	close_walk(&w);

	open_walk(&w, 1);
	run(&w, (struct evkv_each_query){ .kind = EVKV_OP_PING });
	check_status(w.status, EVKV_INVALID);
	close_walk(&w);
}

/* The walk holds the store; a loop that is freed ends it. */
EVKV_TEST(unit_each, the_store_and_the_loop_may_go)
{
	struct walk w;

	open_walk(&w, 300);
	start(&w, (struct evkv_each_query){ .match.limit = 10 });
	evkv_store_unref(w.store);
	rig_wait(&w.rig, &w.ends);
	check_status(w.status, EVKV_OK);
	check_all(&w, 300);
	rig_close(&w.rig);

	open_walk(&w, 300);
	start(&w, (struct evkv_each_query){ .match.limit = 10 });
	rig_single_turn(&w.rig);
	evkv_store_unref(w.store);
	rig_close(&w.rig);
	check_int(w.ends, 1);

	/* With a loop that is gone there is nothing to walk over. */
	open_walk(&w, 1);
	rig_close(&w.rig);
	check(evkv_each(w.store,
		  &(struct evkv_each_query){ .kind = EVKV_OP_KEYS }, on_item,
		  on_end, &w) == NULL);
	evkv_store_unref(w.store);

	open_walk(&w, 300);
	start(&w, (struct evkv_each_query){ .match.limit = 10 });
	evkv_store_close(w.store, 0, NULL, NULL);
	rig_wait(&w.rig, &w.ends);
	check_status(w.status, EVKV_CLOSED);
	close_walk(&w);
}

/* Without memory it says so, or ends with it, and never twice. */
EVKV_TEST(unit_each, without_memory)
{
	unsigned failed = 0;
	struct walk w;
	size_t n;

	for (n = 1; n < 60; n++) {
		open_walk(&w, 60);
		faults_fail_nth(n);
		w.each = evkv_each(w.store,
		    &(struct evkv_each_query){ .kind = EVKV_OP_KEYS,
			.collection = EVKV_LIT("c"),
			.match.limit = 20,
			.values = true,
			.batch = 10 },
		    on_item, on_end, &w);
		if (w.each != NULL)
			rig_wait(&w.rig, &w.ends);
		faults_off();
		if (w.each == NULL || w.status != EVKV_OK) {
			failed++;
			check(w.each == NULL || w.status == EVKV_NOMEM);
		} else {
			check_all(&w, 60);
		}
		check_int(w.ends, w.each != NULL);
		close_walk(&w);
	}
	check(failed > 3);
}
