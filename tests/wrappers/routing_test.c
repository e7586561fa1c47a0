/*
 * routing: which store has a collection, and what is asked of all of them.
 */
#include <stdio.h>
#include <string.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "lib/rig.h"
#include "lib/test.h"

#define STORES 4

/* simple stores under fault, and who routes to them. */
struct fixture {
	struct rig rig;
	struct evkv_store *simple[STORES], *fault[STORES], *store;
	struct answer answer;
};

static void open_routes(struct fixture *f, const struct evkv_slice *patterns)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_route routes[STORES - 1];
	size_t i;

	memset(f, 0, sizeof(*f));
	rig_open(&f->rig);
	for (i = 0; i < STORES; i++) {
		f->simple[i] = evkv_simple_new(f->rig.loop, &error);
		f->fault[i] = evkv_fault_new(evkv_store_ref(f->simple[i]), NULL,
		    &error);
	}
	for (i = 0; i + 1 < STORES; i++)
		routes[i] = (struct evkv_route){ patterns[i],
			evkv_store_ref(f->fault[i + 1]) };
	f->store = evkv_routing_new(evkv_store_ref(f->fault[0]),
	    &(struct evkv_routing_options){
		.routes = routes, .route_count = STORES - 1 },
	    &error);
	if (f->store == NULL)
		fail_test("%s", error.message);
}

static void open_fixture(struct fixture *f)
{
	const struct evkv_slice patterns[STORES - 1] = { EVKV_LIT("users"),
		EVKV_LIT("se*"), EVKV_LIT("s*") };

	open_routes(f, patterns);
}

static void close_fixture(struct fixture *f)
{
	size_t i;

	answer_free(&f->answer);
	evkv_store_unref(f->store);
	for (i = 0; i < STORES; i++) {
		evkv_store_unref(f->fault[i]);
		evkv_store_unref(f->simple[i]);
	}
	rig_close(&f->rig);
}

static void submit_to(struct fixture *f, struct evkv_store *store,
    const struct evkv_request *request)
{
	answer_reset(&f->answer);
	evkv_submit(store, request, answer_cb, &f->answer);
	rig_wait(&f->rig, &f->answer.calls);
}

static void submit(struct fixture *f, const struct evkv_request *request)
{
	submit_to(f, f->store, request);
}

static void put_to(struct fixture *f, struct evkv_store *store,
    const char *collection, int64_t ttl_ms)
{
	answer_reset(&f->answer);
	evkv_put(store, evkv_str(collection), EVKV_LIT("k"), EVKV_LIT("v"),
	    ttl_ms, answer_cb, &f->answer);
	rig_wait(&f->rig, &f->answer.calls);
	check_status(f->answer.status, EVKV_OK);
}

static void put(struct fixture *f, const char *collection)
{
	put_to(f, f->store, collection, 0);
}

static bool has(struct fixture *f, size_t store, const char *collection)
{
	const struct evkv_slice key = EVKV_LIT("k");

	submit_to(f, f->simple[store],
	    &(struct evkv_request){ .kind = EVKV_OP_EXISTS,
		.flags = EVKV_FLAG_SINGLE,
		.collection = evkv_str(collection),
		.count = 1,
		.keys = &key });
	return f->answer.status == EVKV_OK;
}

/* The only store that has it. */
static int store_of(struct fixture *f, const char *collection)
{
	int found = -1;
	size_t i;

	for (i = 0; i < STORES; i++) {
		if (!has(f, i, collection))
			continue;
		check_int(found, -1);
		found = (int)i;
	}
	return found;
}

static void must_fail(struct fixture *f, size_t store, enum evkv_status status)
{
	check(evkv_fault_add(f->fault[store],
		  &(struct evkv_fault_rule){
		      .action = EVKV_FAULT_FAIL, .status = status }) >= 0);
}

/* Every page of the names, in the order in which they come. */
static void check_names(struct fixture *f, struct evkv_match match,
    const char *expected)
{
	struct evkv_request request = { .kind = EVKV_OP_COLLECTIONS,
		.match = match };
	char text[1024] = "", cursor[256];
	size_t i;

	do {
		submit(f, &request);
		check_status(f->answer.status, EVKV_OK);
		for (i = 0; i < f->answer.count; i++) {
			strncat(text, f->answer.entries[i].name.data,
			    f->answer.entries[i].name.size);
			strcat(text, " ");
		}
		check(f->answer.cursor.size <= sizeof(cursor));
		if (f->answer.cursor.size > 0)
			memcpy(cursor, f->answer.cursor.data,
			    f->answer.cursor.size);
		request.match.cursor = evkv_bytes(cursor,
		    f->answer.cursor.size);
	} while (request.match.cursor.size > 0);
	check_str(text, expected);
}

/* ---- One collection ----------------------------------------------------- */

EVKV_TEST(unit_routing, the_first_that_matches)
{
	struct fixture f;

	open_fixture(&f);
	put(&f, "users");
	put(&f, "users2");
	put(&f, "user");
	put(&f, "");
	put(&f, "sessions");
	put(&f, "s");
	check_int(store_of(&f, "users"), 1);
	check_int(store_of(&f, "users2"), 0);
	check_int(store_of(&f, "user"), 0);
	check_int(store_of(&f, ""), 0);
	check_int(store_of(&f, "sessions"), 2);
	check_int(store_of(&f, "s"), 3);
	close_fixture(&f);
}

EVKV_TEST(unit_routing, patterns_of_all_sorts)
{
	const struct evkv_slice patterns[STORES - 1] = { EVKV_LIT("a\\*b"),
		EVKV_LIT("[p-r] ?"), EVKV_LIT("*") };
	struct fixture f;

	open_routes(&f, patterns);
	put(&f, "a*b");
	put(&f, "axb");
	put(&f, "q 1");
	put(&f, "q 12");
	put(&f, "");
	check_int(store_of(&f, "a*b"), 1);
	check_int(store_of(&f, "axb"), 3);
	check_int(store_of(&f, "q 1"), 2);
	check_int(store_of(&f, "q 12"), 3);
	check_int(store_of(&f, ""), 3);
	close_fixture(&f);
}

EVKV_TEST(unit_routing, keys_and_clear_are_the_store_s)
{
	struct fixture f;

	open_fixture(&f);
	put(&f, "s");
	put_to(&f, f.simple[0], "s", 0);
	submit(&f,
	    &(struct evkv_request){
		.kind = EVKV_OP_KEYS, .collection = EVKV_LIT("s") });
	check_int(f.answer.count, 1);
	submit(&f,
	    &(struct evkv_request){
		.kind = EVKV_OP_CLEAR, .collection = EVKV_LIT("s") });
	check_status(f.answer.status, EVKV_OK);
	check_int(f.answer.affected, 1);
	check_int(store_of(&f, "s"), 0);
	/* The failure of the others does not matter. */
	must_fail(&f, 0, EVKV_UNAVAILABLE);
	put(&f, "s");
	close_fixture(&f);
}

EVKV_TEST(unit_routing, an_inline_get_is_answered_at_once)
{
	const struct evkv_slice key = EVKV_LIT("k");
	struct evkv_error error = EVKV_ERROR_INIT;
	struct answer answer = ANSWER_INIT;
	struct fixture f;
	struct evkv_store *store;

	open_fixture(&f);
	store = evkv_open(f.rig.loop, "memory: | routing(memory:, routes=s*)",
	    &error);
	check(store != NULL);
	put_to(&f, store, "s", 0);
	evkv_submit(store,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_SINGLE | EVKV_FLAG_INLINE,
		.collection = EVKV_LIT("s"),
		.count = 1,
		.keys = &key },
	    answer_cb, &answer);
	check_int(answer.calls, 1);
	check_slice(answer.entries[0].bytes, "v");
	answer_free(&answer);
	evkv_store_unref(store);
	close_fixture(&f);
}

/* ---- Names -------------------------------------------------------------- */

EVKV_TEST(unit_routing, names_of_other_routes_are_left_out)
{
	const size_t limits[] = { 1, 2, 3, 0 };
	struct fixture f;
	size_t i;

	open_fixture(&f);
	put(&f, "users");
	put(&f, "a");
	put(&f, "b");
	put(&f, "s1");
	put(&f, "se1");
	/* Left by somebody else. */
	put_to(&f, f.simple[0], "s2", 0);
	put_to(&f, f.simple[1], "a", 0);
	put_to(&f, f.simple[2], "users", 0);
	put_to(&f, f.simple[3], "se1", 0);
	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		check_names(&f, (struct evkv_match){ .limit = limits[i] },
		    "a b users se1 s1 ");
	check_names(&f, (struct evkv_match){ .prefix = EVKV_LIT("s") },
	    "se1 s1 ");
	check_names(&f,
	    (struct evkv_match){ .pattern = EVKV_LIT("*1"), .limit = 1 },
	    "se1 s1 ");
	check_names(&f, (struct evkv_match){ .pattern = EVKV_LIT("user?") },
	    "users ");
	close_fixture(&f);
}

EVKV_TEST(unit_routing, cursors_of_others_are_refused)
{
	struct evkv_request request = { .kind = EVKV_OP_COLLECTIONS,
		.match.limit = 1 };
	unsigned char cursor[256];
	struct fixture f;
	size_t size;

	open_fixture(&f);
	put(&f, "a");
	put(&f, "b");
	submit(&f, &request);
	size = f.answer.cursor.size;
	check(size > 9 && size <= sizeof(cursor));
	memcpy(cursor, f.answer.cursor.data, size);
	request.match.cursor = evkv_bytes(cursor, 8);
	submit(&f, &request);
	check_status(f.answer.status, EVKV_INVALID);
	cursor[8] = STORES;
	request.match.cursor = evkv_bytes(cursor, size);
	submit(&f, &request);
	check_status(f.answer.status, EVKV_INVALID);
	check_contains(f.answer.message, "cursor");
	cursor[8] = 1;
	submit(&f, &request);
	check(f.answer.status == EVKV_INVALID || f.answer.status == EVKV_OK);
	close_fixture(&f);
}

EVKV_TEST(unit_routing, a_store_that_fails_fails_the_names)
{
	struct fixture f;

	open_fixture(&f);
	put(&f, "a");
	must_fail(&f, 2, EVKV_UNAVAILABLE);
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_COLLECTIONS });
	check_status(f.answer.status, EVKV_UNAVAILABLE);
	check_int(f.answer.count, 0);
	close_fixture(&f);
}

/* ---- All stores --------------------------------------------------------- */

EVKV_TEST(unit_routing, clear_all_leaves_what_is_not_routed_there)
{
	struct fixture f;

	open_fixture(&f);
	put(&f, "users");
	put(&f, "a");
	put(&f, "b");
	put(&f, "s1");
	put(&f, "se1");
	put_to(&f, f.simple[0], "s1", 0);
	put_to(&f, f.simple[1], "a", 0);
	put_to(&f, f.simple[2], "users", 0);
	put_to(&f, f.simple[3], "se1", 0);
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL });
	check_status(f.answer.status, EVKV_OK);
	check_int(f.answer.affected, 5);
	check_names(&f, (struct evkv_match){ .limit = 0 }, "");
	check_int(store_of(&f, "s1"), 0);
	check_int(store_of(&f, "a"), 1);
	check_int(store_of(&f, "users"), 2);
	check_int(store_of(&f, "se1"), 3);
	close_fixture(&f);
}

EVKV_TEST(unit_routing, clear_all_of_what_matches)
{
	struct fixture f;

	open_fixture(&f);
	put(&f, "users");
	put(&f, "a");
	put(&f, "a1");
	put(&f, "s1");
	put(&f, "s2");
	submit(&f,
	    &(struct evkv_request){
		.kind = EVKV_OP_CLEAR_ALL, .match.pattern = EVKV_LIT("*1") });
	check_status(f.answer.status, EVKV_OK);
	check_int(f.answer.affected, 2);
	check_names(&f, (struct evkv_match){ .limit = 0 }, "a users s2 ");
	submit(&f,
	    &(struct evkv_request){
		.kind = EVKV_OP_CLEAR_ALL, .match.prefix = EVKV_LIT("s") });
	check_int(f.answer.affected, 1);
	submit(&f,
	    &(struct evkv_request){
		.kind = EVKV_OP_CLEAR_ALL, .match.prefix = EVKV_LIT("us") });
	check_int(f.answer.affected, 1);
	check_names(&f, (struct evkv_match){ .limit = 0 }, "a ");
	close_fixture(&f);
}

/* What is routed by its name needs no list of names. */
EVKV_TEST(unit_routing, clear_all_of_a_name_lists_nothing)
{
	const uint32_t names = EVKV_KIND_BIT(EVKV_OP_COLLECTIONS);
	struct fixture f;

	open_fixture(&f);
	put(&f, "users");
	put(&f, "a");
	put_to(&f, f.simple[1], "a", 0);
	check(evkv_fault_add(f.fault[1],
		  &(struct evkv_fault_rule){ .action = EVKV_FAULT_FAIL,
		      .status = EVKV_SERVER,
		      .kinds = names | EVKV_KIND_BIT(EVKV_OP_CLEAR_ALL) }) >=
	    0);
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL });
	check_status(f.answer.status, EVKV_OK);
	check_int(f.answer.affected, 2);
	check(!has(&f, 1, "users"));
	check(has(&f, 1, "a"));
	close_fixture(&f);
}

/* More than a page of names, and than a turn's steps. */
EVKV_TEST(unit_routing, clear_all_of_many)
{
	struct fixture f;
	char name[16];
	int i;

	open_fixture(&f);
	for (i = 0; i < 1200; i++) {
		snprintf(name, sizeof(name), "%d", i);
		put(&f, name);
	}
	put(&f, "s");
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL });
	check_status(f.answer.status, EVKV_OK);
	check_int(f.answer.affected, 1201);
	check_names(&f, (struct evkv_match){ .limit = 0 }, "");
	close_fixture(&f);
}

EVKV_TEST(unit_routing, clear_all_that_fails)
{
	struct fixture f;

	open_fixture(&f);
	must_fail(&f, 2, EVKV_UNAVAILABLE);
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL });
	check_status(f.answer.status, EVKV_UNAVAILABLE);
	/* When something was cleared it had an effect. */
	put(&f, "a");
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL });
	check_status(f.answer.status, EVKV_UNKNOWN_OUTCOME);
	check_int(f.answer.affected, -1);
	check_int(store_of(&f, "a"), -1);
	close_fixture(&f);
}

EVKV_TEST(unit_routing, the_others_go_to_all)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_PING, EVKV_OP_SYNC,
		EVKV_OP_COMPACT, EVKV_OP_PURGE_EXPIRED };
	struct fixture f;
	size_t i, j;

	open_fixture(&f);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!evkv_store_can(f.store, kinds[i], EVKV_IF_ANY))
			continue;
		submit(&f, &(struct evkv_request){ .kind = kinds[i] });
		check_status(f.answer.status, EVKV_OK);
		for (j = 0; j < STORES; j++) {
			must_fail(&f, j, EVKV_SERVER);
			submit(&f, &(struct evkv_request){ .kind = kinds[i] });
			check_status(f.answer.status, EVKV_SERVER);
			evkv_fault_clear(f.fault[j]);
		}
	}
	put_to(&f, f.store, "a", 10);
	put_to(&f, f.store, "users", 10);
	put_to(&f, f.store, "s", 10);
	put_to(&f, f.store, "s1", 1000);
	rig_advance(&f.rig, 20);
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_PURGE_EXPIRED });
	check_status(f.answer.status, EVKV_OK);
	check_int(f.answer.affected, 3);
	close_fixture(&f);
}

EVKV_TEST(unit_routing, cut_off)
{
	struct fixture f;
	evkv_ticket ticket;

	open_fixture(&f);
	put(&f, "users");
	check(evkv_fault_add(f.fault[0],
		  &(struct evkv_fault_rule){ .action = EVKV_FAULT_DROP }) >= 0);
	answer_reset(&f.answer);
	ticket = evkv_submit(f.store,
	    &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL }, answer_cb,
	    &f.answer);
	rig_turn(&f.rig);
	evkv_cancel(f.rig.loop, ticket);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_CANCELED);
	rig_settle(&f.rig);
	check_int(store_of(&f, "users"), 1);
	close_fixture(&f);
}

/* ---- Making ------------------------------------------------------------- */

EVKV_TEST(unit_routing, what_all_can)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_open(rig.loop,
	    "simple: | routing(simple: | limit_size(10), routes=s*)", &error);
	check(store != NULL);
	check_int(evkv_store_capabilities(store)->max_value, 10);
	evkv_store_unref(store);
	rig_close(&rig);
}

static void must_refuse(struct rig *rig, struct evkv_slice pattern,
    const char *word)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	const struct evkv_route routes[] = {
		{ EVKV_LIT("a"), evkv_simple_new(rig->loop, &error) },
		{ pattern, evkv_simple_new(rig->loop, &error) },
	};

	check(evkv_routing_new(evkv_simple_new(rig->loop, &error),
		  &(struct evkv_routing_options){
		      .routes = routes, .route_count = 2 },
		  &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	check_invalid(error, word);
}

EVKV_TEST(unit_routing, bad_options_are_refused)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_route routes[EVKV_ROUTING_MAX + 1];
	struct evkv_routing_options options = { .routes = routes };
	char blanks[EVKV_PATTERN_MAX];
	struct rig rig;
	size_t i;

	rig_open(&rig);
	must_refuse(&rig, EVKV_LIT(""), "route 2: it is empty");
	must_refuse(&rig, EVKV_LIT("[a"), "route 2: '['");
	memset(blanks, ' ', sizeof(blanks));
	must_refuse(&rig, evkv_bytes(blanks, sizeof(blanks)), "too long");
	/* None, too many. */
	check(evkv_routing_new(evkv_simple_new(rig.loop, NULL), NULL, &error) ==
	    NULL);
	check_invalid(error, "0 routes");
	evkv_error_clear(&error);
	for (i = 0; i <= EVKV_ROUTING_MAX; i++)
		routes[i] = (struct evkv_route){ EVKV_LIT("a*"),
			evkv_simple_new(rig.loop, NULL) };
	options.route_count = EVKV_ROUTING_MAX + 1;
	check(evkv_routing_new(evkv_simple_new(rig.loop, NULL), &options,
		  &error) == NULL);
	check_invalid(error, "65 routes");
	evkv_error_clear(&error);
	/* A store that is NULL, and one given twice. */
	options.route_count = 1;
	routes[0].store = NULL;
	check(evkv_routing_new(evkv_simple_new(rig.loop, NULL), &options,
		  &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	evkv_error_clear(&error);
	routes[0].store = evkv_simple_new(rig.loop, NULL);
	check(evkv_routing_new(routes[0].store, &options, &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	evkv_error_clear(&error);
	/* One that is closed. */
	routes[0].store = evkv_simple_new(rig.loop, NULL);
	evkv_store_close(routes[0].store, 0, NULL, NULL);
	check(evkv_routing_new(evkv_simple_new(rig.loop, NULL), &options,
		  &error) == NULL);
	check_invalid(error, "closed");
	rig_close(&rig);
}

/* A newer caller's route with a field that is not known. */
EVKV_TEST(unit_routing, what_is_not_known_is_refused)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct {
		struct evkv_route route;
		void *more;
	} route = { { EVKV_LIT("a"), NULL }, &error };
	struct evkv_routing_options options = { .routes = &route.route,
		.route_count = 1,
		.route_size = sizeof(route) };
	struct rig rig;

	rig_open(&rig);
	route.route.store = evkv_simple_new(rig.loop, NULL);
	check(evkv_routing_new_sized(evkv_simple_new(rig.loop, NULL), &options,
		  sizeof(options), &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	check_invalid(error, "does not know");
	rig_close(&rig);
}
