/*
 * tests/stores/mongodb/server_test.c - the mongodb driver on mongo-java-server:
 * what is stored, expiry by the injected clock, JSON, URLs, and two loops that
 * race.
 */
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/executor.h"
#include "evkv/open.h"
#include "evkv/stores/mongodb.h"
#include "lib/rig.h"
#include "lib/script_server.h"
#include "lib/test.h"

SCRIPT_SERVER_SHARED("mongodb", "java")

struct scene {
	struct rig rig;
	char uri[100];
	struct evkv_mongodb_options options;
	struct evkv_store *store;
	struct answer a;
	char log[2048];
};

/* A database of its own, and no store yet. */
static void scene_begin(struct scene *s, const char *database, bool real)
{
	memset(s, 0, sizeof(*s));
	snprintf(s->uri, sizeof(s->uri), "mongodb://127.0.0.1:%d/%s",
	    script_server_shared(), database);
	if (real)
		rig_open_real(&s->rig);
	else
		rig_open(&s->rig);
	s->options = (struct evkv_mongodb_options){ .uri = s->uri,
		.no_create_index = true };
}

static void scene_store(struct scene *s)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	s->store = evkv_mongodb_new(s->rig.loop, &s->options, &error);
	check_str(error.message, "");
}

static void scene_end(struct scene *s)
{
	evkv_store_unref(s->store);
	rig_close(&s->rig);
	answer_free(&s->a);
}

#define DO(s_, call_)                                                          \
	do {                                                                   \
		answer_reset(&(s_)->a);                                        \
		(s_)->a.calls = 0;                                             \
		check((call_) != 0);                                           \
		rig_wait(&(s_)->rig, &(s_)->a.calls);                          \
	} while (0)

#define PUT(s_, key_, value_, ttl_)                                            \
	DO(s_,                                                                 \
	    evkv_put((s_)->store, EVKV_LIT("c"), EVKV_LIT(key_),               \
		EVKV_LIT(value_), ttl_, answer_cb, &(s_)->a))

#define GET(s_, key_)                                                          \
	DO(s_,                                                                 \
	    evkv_get((s_)->store, EVKV_LIT("c"), EVKV_LIT(key_), answer_cb,    \
		&(s_)->a))

/* ---- Another client ------------------------------------------------------ */

struct client {
	mongoc_client_t *client;
	mongoc_collection_t *collection;
};

static void client_open(struct client *client, const struct scene *s,
    const char *database)
{
	/* The store has initialised the library. */
	client->client = mongoc_client_new(s->uri);
	check(client->client != NULL);
	client->collection = mongoc_client_get_collection(client->client,
	    database, "evkv");
}

static void client_close(struct client *client)
{
	mongoc_collection_destroy(client->collection);
	mongoc_client_destroy(client->client);
}

/* The documents that a filter in JSON finds, as JSON; to be freed. */
static char *client_find(struct client *client, const char *filter)
{
	bson_t *bson = bson_new_from_json((const uint8_t *)filter, -1, NULL);
	mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(
	    client->collection, bson, NULL, NULL);
	const bson_t *found;
	char *text = NULL;

	if (mongoc_cursor_next(cursor, &found))
		text = bson_as_relaxed_extended_json(found, NULL);
	mongoc_cursor_destroy(cursor);
	bson_destroy(bson);
	return text;
}

static void client_insert(struct client *client, const char *json)
{
	bson_t *bson = bson_new_from_json((const uint8_t *)json, -1, NULL);

	check(bson != NULL &&
	    mongoc_collection_insert_one(client->collection, bson, NULL, NULL,
		NULL));
	bson_destroy(bson);
}

/* ---- What is stored ------------------------------------------------------ */

EVKV_TEST(mongodb_server, entries_are_readable_documents)
{
	struct client client;
	struct scene s;
	char *text;

	scene_begin(&s, "readable", false);
	scene_store(&s);
	DO(&s,
	    evkv_put(s.store, EVKV_LIT("us:ers"), EVKV_LIT("Zo\xc3\xab %\xff"),
		EVKV_LIT("Ada"), 60000, answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	client_open(&client, &s, "readable");
	text = client_find(&client, "{\"_id\":\"us%3Aers:Zo\xc3\xab %25%FF\"}");
	check(text != NULL);
	check_contains(text, "\"base64\" : \"QWRh\"");
	check_contains(text, "\"expires_at\" : { \"$date\"");
	check_contains(text, "\"version\"");
	bson_free(text);
	client_close(&client);
	scene_end(&s);
}

EVKV_TEST(mongodb_server, a_put_replaces_the_whole_document)
{
	struct client client;
	struct scene s;
	char *text;

	scene_begin(&s, "whole", false);
	scene_store(&s);
	PUT(&s, "k", "1", 60000);
	PUT(&s, "k", "2", 0);
	client_open(&client, &s, "whole");
	text = client_find(&client, "{\"_id\":\"c:k\"}");
	check(text != NULL && strstr(text, "expires_at") == NULL);
	bson_free(text);
	client_close(&client);
	scene_end(&s);
}

EVKV_TEST(mongodb_server, what_is_not_ours_is_left_alone)
{
	struct client client;
	struct scene s;
	char *text;

	scene_begin(&s, "foreign", false);
	scene_store(&s);
	PUT(&s, "mine", "1", 0);
	client_open(&client, &s, "foreign");
	client_insert(&client, "{\"_id\":\"c:other\",\"name\":\"x\"}");
	client_insert(&client, "{\"_id\":\"c:%zz\",\"version\":1}");
	client_insert(&client, "{\"_id\":7,\"version\":1}");
	GET(&s, "other");
	check_status(s.a.status, EVKV_NOT_FOUND);
	DO(&s,
	    evkv_incr(s.store, EVKV_LIT("c"), EVKV_LIT("other"), 1, answer_cb,
		&s.a));
	check_status(s.a.status, EVKV_INVALID);
	DO(&s,
	    evkv_take(s.store, EVKV_LIT("c"), EVKV_LIT("other"), answer_cb,
		&s.a));
	check_status(s.a.status, EVKV_NOT_FOUND);
	DO(&s,
	    evkv_keys(s.store, EVKV_LIT("c"), EVKV_LIT(""), EVKV_LIT(""), 0,
		answer_cb, &s.a));
	check_int(s.a.count, 1);
	check_slice(s.a.entries[0].name, "mine");
	DO(&s, evkv_clear_all(s.store, answer_cb, &s.a));
	check_int(s.a.affected, 1);
	text = client_find(&client, "{\"_id\":\"c:other\"}");
	check(text != NULL);
	bson_free(text);
	text = client_find(&client, "{\"_id\":7}");
	check(text != NULL);
	bson_free(text);
	client_close(&client);
	scene_end(&s);
}

/* ---- Time ---------------------------------------------------------------- */

EVKV_TEST(mongodb_server, the_wall_clock_decides_what_has_expired)
{
	struct scene s;

	scene_begin(&s, "clock", false);
	scene_store(&s);
	PUT(&s, "k", "v", 10000);
	rig_advance(&s.rig, 9999);
	GET(&s, "k");
	check_status(s.a.status, EVKV_OK);
	rig_advance(&s.rig, 1);
	GET(&s, "k");
	check_status(s.a.status, EVKV_NOT_FOUND);
	/* Set back, as ntpdate does: the server has not removed it. */
	s.rig.wall_us -= 5000000;
	GET(&s, "k");
	check_status(s.a.status, EVKV_OK);
	DO(&s,
	    evkv_ttl(s.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &s.a));
	check_int(s.a.entries[0].ttl_ms, 5000);
	s.rig.wall_us += 3600000000;
	DO(&s,
	    evkv_put_if_absent(s.store, EVKV_LIT("c"), EVKV_LIT("k"),
		EVKV_LIT("new"), 0, answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	/* Far back: no TTL is above what can be put. */
	PUT(&s, "far", "v", EVKV_TTL_MAX);
	s.rig.wall_us -= 7200000000;
	DO(&s,
	    evkv_ttl(s.store, EVKV_LIT("c"), EVKV_LIT("far"), answer_cb, &s.a));
	check_int(s.a.entries[0].ttl_ms, EVKV_TTL_MAX);
	scene_end(&s);
}

/* ---- JSON ---------------------------------------------------------------- */

static const struct {
	const char *put, *got; /* got NULL = the same */
} json_rows[] = {
	{ "{}", NULL },
	{ "{\"a\":1,\"b\":[1,2.5,{\"c\":null}],\"d\":true}", NULL },
	{ "{ \"a\" : -0.1 ,\n\"\":\"\" }", "{\"a\":-0.1,\"\":\"\"}" },
	{ "{\"n\":9223372036854775807,\"m\":-9223372036854775808}", NULL },
	{ "{\"n\":2147483648,\"m\":-2147483649}", NULL },
	{ "{\"n\":2147483647,\"m\":-2147483648,\"z\":-0}", NULL },
	{ "{\"n\":1e3}", "{\"n\":1000}" },
	{ "{\"t\":\"\\u00e9\\ud83d\\ude00\\u0000\"}",
	    "{\"t\":\"\xc3\xa9\xf0\x9f\x98\x80\\u0000\"}" },
	{ "{\"a.b\":1}", NULL },
	/* No objects, or no JSON: bytes. */
	{ "[1,2]", NULL },
	{ "{\"a\":", NULL },
	{ "{\"a\":01}", NULL },
	{ " 7", NULL },
};

static const struct {
	const char *put, *named;
} json_bad[] = {
	{ "{\"n\":9223372036854775808}", "n is a number" },
	{ "{\"a\":{\"b\":[1,0.10000000000000000001]}}", "a.b[1] is a number" },
	{ "{\"x\":1e400}", "x is a number" },
	{ "{\"a\":1,\"a\":2}", "has a name twice" },
	{ "{\"o\":{\"a\":1,\"b\":2,\"\\u0061\":3}}", "o has a name twice" },
	{ "{\"o\":{\"$set\":1}}", "begins with $" },
	{ "{\"x\\u0000y\":1}", "NUL" },
};

static void put_text(struct scene *s, const char *text)
{
	DO(s,
	    evkv_put(s->store, EVKV_LIT("c"), EVKV_LIT("k"), evkv_str(text), 0,
		answer_cb, &s->a));
}

EVKV_TEST(mongodb_server, json_objects_come_back_as_they_were)
{
	struct client client;
	struct scene s;
	char *text;
	size_t i;

	scene_begin(&s, "json", false);
	s.options.values = EVKV_MONGODB_JSON;
	scene_store(&s);
	for (i = 0; i < sizeof(json_rows) / sizeof(json_rows[0]); i++) {
		const char *expected = json_rows[i].got != NULL
		    ? json_rows[i].got
		    : json_rows[i].put;

		put_text(&s, json_rows[i].put);
		check_str(s.a.message, "");
		GET(&s, "k");
		check_bytes(s.a.entries[0].bytes, evkv_str(expected));
	}
	PUT(&s, "city", "{\"city\":\"Oslo\",\"n\":3}", 0);
	client_open(&client, &s, "json");
	text = client_find(&client, "{\"value.city\":\"Oslo\"}");
	check(text != NULL);
	check_contains(text, "c:city");
	bson_free(text);
	client_close(&client);
	scene_end(&s);
}

EVKV_TEST(mongodb_server, json_that_cannot_be_kept_is_invalid)
{
	struct scene s;
	size_t i;

	scene_begin(&s, "badjson", false);
	s.options.values = EVKV_MONGODB_JSON;
	scene_store(&s);
	for (i = 0; i < sizeof(json_bad) / sizeof(json_bad[0]); i++) {
		put_text(&s, json_bad[i].put);
		check_status(s.a.status, EVKV_INVALID);
		check_contains(s.a.message, json_bad[i].named);
		GET(&s, "k");
		check_status(s.a.status, EVKV_NOT_FOUND);
	}
	scene_end(&s);
}

/* {"m0":0,"m1":1,...}; the last is named as `again`. */
static const char *many_members(unsigned count, unsigned again)
{
	static char text[1000];
	size_t used = 1;
	unsigned i;

	text[0] = '{';
	for (i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    "\"m%u\":%u%s", i + 1 < count ? i : again, i,
		    i + 1 < count ? "," : "}");
	return text;
}

EVKV_TEST(mongodb_server, json_may_have_many_members)
{
	static const unsigned counts[] = { 2, 16, 17, 40 };
	static char list[6000] = "{\"list\":[7";
	const char *text;
	struct scene s;
	unsigned i;

	scene_begin(&s, "manyjson", false);
	s.options.values = EVKV_MONGODB_JSON;
	scene_store(&s);
	for (i = 0; i < 4; i++) {
		text = many_members(counts[i], counts[i] - 1);
		put_text(&s, text);
		GET(&s, "k");
		check_bytes(s.a.entries[0].bytes, evkv_str(text));
		text = many_members(counts[i], counts[i] - 2);
		put_text(&s, text);
		check_status(s.a.status, EVKV_INVALID);
		text = many_members(counts[i], 0);
		put_text(&s, text);
		check_status(s.a.status, EVKV_INVALID);
		check_contains(s.a.message, "has a name twice");
	}
	for (i = 1; i < 1100; i++)
		strcat(list, i == 1000 ? ",-5" : ",7");
	strcat(list, "]}");
	put_text(&s, list);
	GET(&s, "k");
	check_bytes(s.a.entries[0].bytes, evkv_str(list));
	scene_end(&s);
}

EVKV_TEST(mongodb_server, what_others_wrote_comes_as_extended_json)
{
	struct client client;
	struct scene s;

	scene_begin(&s, "extended", false);
	scene_store(&s);
	GET(&s, "k");
	client_open(&client, &s, "extended");
	client_insert(&client,
	    "{\"_id\":\"c:k\",\"version\":{\"$binary\":{\"base64\":"
	    "\"MDEyMzQ1Njc4OWFiY2RlZg==\",\"subType\":\"00\"}},"
	    "\"value\":{\"at\":{\"$date\":\"2026-01-02T03:04:05Z\"}}}");
	client_close(&client);
	GET(&s, "k");
	check_status(s.a.status, EVKV_OK);
	check_slice(s.a.entries[0].bytes,
	    "{ \"at\" : { \"$date\" : \"2026-01-02T03:04:05Z\" } }");
	scene_end(&s);
}

/* ---- Two clients --------------------------------------------------------- */

EVKV_TEST(mongodb_server, of_two_stores_that_race_one_wins)
{
	struct evkv_store *other;
	struct answer a[200] = { { .calls = 0 } };
	struct evkv_error error = EVKV_ERROR_INIT;
	struct scene s;
	size_t made = 0, taken = 0;
	int64_t sum = 0;

	scene_begin(&s, "race", true);
	scene_store(&s);
	other = evkv_mongodb_new(s.rig.loop, &s.options, &error);
	check(other != NULL);
	PUT(&s, "first", "v", 0); /* makes the collection */
	for (size_t i = 0; i < 100; i++)
		evkv_put_if_absent(i % 2 == 0 ? s.store : other, EVKV_LIT("c"),
		    EVKV_LIT("k"), EVKV_LIT("v"), 0, answer_cb, &a[i]);
	for (size_t i = 0; i < 100; i++) {
		rig_wait(&s.rig, &a[i].calls);
		made += a[i].status == EVKV_OK;
		check(a[i].status == EVKV_OK || a[i].status == EVKV_EXISTS);
	}
	check_int(made, 1);
	for (size_t i = 100; i < 150; i++)
		evkv_take(i % 2 == 0 ? s.store : other, EVKV_LIT("c"),
		    EVKV_LIT("k"), answer_cb, &a[i]);
	for (size_t i = 100; i < 150; i++) {
		rig_wait(&s.rig, &a[i].calls);
		taken += a[i].status == EVKV_OK;
	}
	check_int(taken, 1);
	for (size_t i = 150; i < 200; i++)
		evkv_incr(i % 2 == 0 ? s.store : other, EVKV_LIT("c"),
		    EVKV_LIT("n"), 1, answer_cb, &a[i]);
	for (size_t i = 150; i < 200; i++) {
		rig_wait(&s.rig, &a[i].calls);
		check(a[i].status == EVKV_OK || a[i].status == EVKV_BUSY);
		sum += a[i].status == EVKV_OK;
	}
	DO(&s,
	    evkv_incr(s.store, EVKV_LIT("c"), EVKV_LIT("n"), 0, answer_cb,
		&s.a));
	check_int(s.a.entries[0].number, sum);
	for (size_t i = 0; i < 200; i++)
		answer_free(&a[i]);
	evkv_store_unref(other);
	scene_end(&s);
}

EVKV_TEST(mongodb_server, an_executor_of_ones_own_does)
{
	struct answer a[50] = { { .calls = 0 } };
	struct evkv_executor *executor;
	struct scene s;

	scene_begin(&s, "executor", true);
	executor = evkv_executor_new(
	    &(struct evkv_executor_options){ .threads = 2 }, NULL);
	check(executor != NULL);
	s.options.executor = executor;
	scene_store(&s);
	PUT(&s, "first", "v", 0);
	for (size_t i = 0; i < 50; i++)
		evkv_put(s.store, EVKV_LIT("c"), evkv_bytes("abcdefgh", i % 8),
		    EVKV_LIT("v"), 0, answer_cb, &a[i]);
	for (size_t i = 0; i < 50; i++) {
		rig_wait(&s.rig, &a[i].calls);
		check_status(a[i].status, i % 8 == 0 ? EVKV_INVALID : EVKV_OK);
		answer_free(&a[i]);
	}
	scene_end(&s);
	evkv_executor_unref(executor);
}

/* ---- Strangers ----------------------------------------------------------- */

EVKV_TEST(mongodb_server, a_stopped_server_does_not_hold_up_close)
{
	struct script_server server;
	struct answer closed = ANSWER_INIT;
	struct answer a[8] = { { .calls = 0 } };
	struct scene s;
	int64_t begun;

	scene_begin(&s, "stopped", true);
	script_server_start(&server,
	    &(struct script_server_options){
		.script = "mongodb", .kind = "java" });
	snprintf(s.uri, sizeof(s.uri), "mongodb://127.0.0.1:%d/", server.port);
	s.options.socket_timeout_ms = 1000;
	scene_store(&s);
	PUT(&s, "k", "v", 0);
	check_status(s.a.status, EVKV_OK);
	script_server_pause(&server);
	for (size_t i = 0; i < 8; i++)
		evkv_put(s.store, EVKV_LIT("c"), evkv_bytes(&"abcdefgh"[i], 1),
		    EVKV_LIT("v"), 0, answer_cb, &a[i]);
	begun = evkv_loop_now_ms(s.rig.loop);
	evkv_store_close(s.store, 200, answer_cb, &closed);
	rig_wait(&s.rig, &closed.calls);
	check_between(evkv_loop_now_ms(s.rig.loop) - begun, 199, 900);
	check_status(closed.status, EVKV_TIMEOUT);
	for (size_t i = 0; i < 8; i++) {
		check_int(a[i].calls, 1);
		check(a[i].status == EVKV_UNKNOWN_OUTCOME ||
		    a[i].status == EVKV_CLOSED);
		answer_free(&a[i]);
	}
	script_server_stop(&server);
	answer_free(&closed);
	scene_end(&s);
}
