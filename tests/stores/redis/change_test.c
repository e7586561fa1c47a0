/*
 * tests/stores/redis/change_test.c - versions, incr and take, on both servers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/number.h"
#include "scene.h"

#define C EVKV_LIT("c")

static void begin(struct scene *s, enum server_kind kind)
{
	scene_begin_own(s, &(struct server_options){ .kind = kind });
	scene_store(s);
}

/* The test on each server that is installed. */
static void on_each(void (*test)(struct scene *s))
{
	struct scene s;
	unsigned kind, ran = 0;

	for (kind = 0; kind <= SERVER_VALKEY; kind++) {
		if (!server_installed((enum server_kind)kind))
			continue;
		ran++;
		begin(&s, (enum server_kind)kind);
		test(&s);
		scene_end(&s);
	}
	if (ran == 0)
		skip_test("no server is installed");
}

static void put(struct scene *s, const char *key, const char *value)
{
	DO(s,
	    evkv_put(s->store, C, evkv_str(key), evkv_str(value), 0, answer_cb,
		&s->a));
	check_status(s->a.status, EVKV_OK);
}

static void check_value(struct scene *s, const char *key, const char *value)
{
	DO(s, evkv_get(s->store, C, evkv_str(key), answer_cb, &s->a));
	check_status(s->a.status, value != NULL ? EVKV_OK : EVKV_NOT_FOUND);
	if (value != NULL)
		check_bytes(s->a.entries[0].bytes, evkv_str(value));
}

static int64_t ttl_of(struct scene *s, const char *key)
{
	DO(s, evkv_ttl(s->store, C, evkv_str(key), answer_cb, &s->a));
	check_status(s->a.status, EVKV_OK);
	return s->a.entries[0].ttl_ms;
}

static struct evkv_version version_of(struct scene *s, const char *key)
{
	DO(s, evkv_get_version(s->store, C, evkv_str(key), answer_cb, &s->a));
	check_status(s->a.status, EVKV_OK);
	return s->a.entries[0].version;
}

/* One request with any number of keys, of whatever kind. */
static void ask(struct scene *s, const struct evkv_request *request)
{
	DO(s, evkv_submit(s->store, request, answer_cb, &s->a));
}

/* ---- Versions --------------------------------------------------------- */

static void versions(struct scene *s)
{
	static const struct evkv_version zero;
	struct evkv_version one, two;
	struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("two");

	put(s, "k", "one");
	one = version_of(s, "k");
	check(!evkv_version_equal(&one, &zero));
	put(s, "other", "one");
	two = version_of(s, "other");
	check(evkv_version_equal(&one, &two));
	/* A put tells the version that it makes, and so does the next get. */
	DO(s,
	    evkv_put_if_version(s->store, C, key, value, &one, 60000, answer_cb,
		&s->a));
	check_status(s->a.status, EVKV_OK);
	check_int(s->a.affected, 1);
	two = s->a.entries[0].version;
	one = version_of(s, "k");
	check(evkv_version_equal(&one, &two));
	check_between(ttl_of(s, "k"), 50000, 60000);
	/* A touch changes none; a condition on what was is a conflict. */
	ask(s,
	    &(struct evkv_request){ .kind = EVKV_OP_TOUCH,
		.collection = C,
		.count = 1,
		.keys = &key,
		.ttl_ms = EVKV_TTL_NONE,
		.condition = EVKV_IF_VERSION,
		.versions = &two });
	check_status(s->a.status, EVKV_OK);
	check_int(ttl_of(s, "k"), EVKV_TTL_NONE);
	put(s, "k", "three");
	DO(s,
	    evkv_put_if_version(s->store, C, key, value, &two, 0, answer_cb,
		&s->a));
	check_status(s->a.status, EVKV_CONFLICT);
	check(evkv_version_equal(&s->a.entries[0].version, &zero));
	DO(s, evkv_delete_if_version(s->store, C, key, &two, answer_cb, &s->a));
	check_status(s->a.status, EVKV_CONFLICT);
	check_int(s->a.affected, 0);
	check_value(s, "k", "three");
	one = version_of(s, "k");
	DO(s, evkv_delete_if_version(s->store, C, key, &one, answer_cb, &s->a));
	check_status(s->a.status, EVKV_OK);
	check_int(s->a.affected, 1);
	check_value(s, "k", NULL);
	DO(s,
	    evkv_put_if_version(s->store, C, key, value, &one, 0, answer_cb,
		&s->a));
	check_status(s->a.status, EVKV_NOT_FOUND);
	check_value(s, "k", NULL);
}

EVKV_TEST(redis_change, versions)
{
	on_each(versions);
}

static void versions_of_many(struct scene *s)
{
	struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("gone"), EVKV_LIT("list") };
	struct evkv_slice values[] = { EVKV_LIT(""), EVKV_LIT("B"),
		EVKV_LIT("C"), EVKV_LIT("D") };
	struct evkv_version read[4];
	char reply[256];
	unsigned i;

	put(s, "a", "");
	put(s, "b", "b");
	RAW(s, reply, "RPUSH", "c:list", "x");
	ask(s,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_VERSIONS,
		.collection = C,
		.count = 4,
		.keys = keys });
	for (i = 0; i < 4; i++)
		read[i] = s->a.entries[i].version;
	/* One has the other's: a conflict beside what is well. */
	read[2] = read[3] = read[1];
	ask(s,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_VERSIONS,
		.collection = C,
		.count = 4,
		.keys = keys,
		.values = values,
		.condition = EVKV_IF_VERSION,
		.versions = read });
	check_status(s->a.entries[0].status, EVKV_OK);
	check_status(s->a.entries[1].status, EVKV_OK);
	check_status(s->a.entries[2].status, EVKV_NOT_FOUND);
	check_status(s->a.entries[3].status, EVKV_NOT_FOUND);
	check_int(s->a.affected, 2);
	/* "" as it was; the old one of "b". */
	ask(s,
	    &(struct evkv_request){ .kind = EVKV_OP_DELETE,
		.collection = C,
		.count = 2,
		.keys = keys,
		.condition = EVKV_IF_VERSION,
		.versions = read });
	check_status(s->a.entries[0].status, EVKV_OK);
	check_status(s->a.entries[1].status, EVKV_CONFLICT);
	check_value(s, "b", "B");
	RAW(s, reply, "TYPE", "c:list");
	check_str(reply, "+list\r\n");
	/* A put without a condition tells versions as well. */
	ask(s,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_VERSIONS,
		.collection = C,
		.count = 2,
		.keys = keys,
		.values = values });
	read[0] = s->a.entries[0].version;
	read[1] = s->a.entries[1].version;
	ask(s,
	    &(struct evkv_request){ .kind = EVKV_OP_TTL,
		.flags = EVKV_FLAG_VERSIONS,
		.collection = C,
		.count = 2,
		.keys = keys });
	check(evkv_version_equal(&read[0], &s->a.entries[0].version));
	check(evkv_version_equal(&read[1], &s->a.entries[1].version));
}

EVKV_TEST(redis_change, versions_of_many)
{
	on_each(versions_of_many);
}

/* The server would hash for too long; 64 KB are well. */
static void large_values(struct scene *s)
{
	size_t size = 65537;
	char *bytes = calloc(1, size);
	struct evkv_slice key = EVKV_LIT("k");
	struct evkv_version version;

	check(bytes != NULL);
	for (; size >= 65536; size--) {
		DO(s,
		    evkv_put(s->store, C, key, evkv_bytes(bytes, size), 0,
			answer_cb, &s->a));
		version = version_of(s, "k");
		DO(s,
		    evkv_delete_if_version(s->store, C, key, &version,
			answer_cb, &s->a));
		check_status(s->a.status,
		    size > 65536 ? EVKV_UNSUPPORTED : EVKV_OK);
		if (size > 65536)
			check_contains(s->a.message, "65536");
	}
	free(bytes);
}

EVKV_TEST(redis_change, large_values)
{
	on_each(large_values);
}

/* ---- incr ------------------------------------------------------------- */

static void incr(struct scene *s, const char *key, int64_t delta,
    enum evkv_status status, int64_t number)
{
	DO(s, evkv_incr(s->store, C, evkv_str(key), delta, answer_cb, &s->a));
	check_status(s->a.status, status);
	check_int(s->a.entries[0].number, number);
}

static void incr_from(struct scene *s, const char *key, int64_t delta,
    int64_t initial, int64_t ttl_ms)
{
	struct evkv_slice slice = evkv_str(key);

	ask(s,
	    &(struct evkv_request){ .kind = EVKV_OP_INCR,
		.flags = EVKV_FLAG_SINGLE | EVKV_FLAG_VERSIONS,
		.collection = C,
		.count = 1,
		.keys = &slice,
		.delta = delta,
		.initial = initial,
		.ttl_ms = ttl_ms });
}

static void numbers(struct scene *s)
{
	static const char *const refused[] = { "007", "+5", "-0", " 5", "5 ",
		"", "1.0", "a", "9223372036854775808" };
	char reply[256];
	size_t i;

	incr(s, "n", 5, EVKV_OK, 5);
	incr(s, "n", -7, EVKV_OK, -2);
	check_value(s, "n", "-2");
	incr(s, "big", INT64_MAX, EVKV_OK, INT64_MAX);
	incr(s, "big", 1, EVKV_INVALID, 0);
	check_contains(s->a.message, "does not fit");
	check_value(s, "big", "9223372036854775807");
	incr(s, "big", INT64_MIN, EVKV_OK, -1);
	incr(s, "low", INT64_MIN, EVKV_OK, INT64_MIN);
	incr(s, "low", -1, EVKV_INVALID, 0);
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		put(s, "text", refused[i]);
		incr(s, "text", 1, EVKV_INVALID, 0);
		incr_from(s, "text", 1, 10, 0);
		check_status(s->a.status, EVKV_INVALID);
		check_value(s, "text", refused[i]);
	}
	RAW(s, reply, "RPUSH", "c:list", "x");
	incr(s, "list", 1, EVKV_INVALID, 0);
	incr_from(s, "list", 1, 10, 0);
	check_status(s->a.status, EVKV_INVALID);
	RAW(s, reply, "TYPE", "c:list");
	check_str(reply, "+list\r\n");
}

EVKV_TEST(redis_change, numbers)
{
	on_each(numbers);
}

static void numbers_that_begin_elsewhere(struct scene *s)
{
	struct evkv_version version;

	incr_from(s, "n", INT64_C(9007199254740993), 1, 60000);
	check_status(s->a.status, EVKV_OK);
	/* Over 2^53, where Lua's own numbers end. */
	check_int(s->a.entries[0].number, INT64_C(9007199254740994));
	version = s->a.entries[0].version;
	check_between(ttl_of(s, "n"), 50000, 60000);
	check_value(s, "n", "9007199254740994");
	{
		struct evkv_version now = version_of(s, "n");

		check(evkv_version_equal(&version, &now));
	}
	/* What is there keeps its TTL, and has no beginning. */
	incr_from(s, "n", 1, 1000, 5);
	check_int(s->a.entries[0].number, INT64_C(9007199254740995));
	check_between(ttl_of(s, "n"), 40000, 60000);
	incr(s, "n", 2, EVKV_OK, INT64_C(9007199254740997));
	check_between(ttl_of(s, "n"), 40000, 60000);
	put(s, "n", "5");
	incr_from(s, "n", 1, 1000, 60000);
	check_int(s->a.entries[0].number, 6);
	check_int(ttl_of(s, "n"), EVKV_TTL_NONE);
	/* A TTL alone, from 0 on. */
	incr_from(s, "t", 3, 0, 60000);
	check_int(s->a.entries[0].number, 3);
	check_between(ttl_of(s, "t"), 50000, 60000);
	incr_from(s, "t", -4, 0, 1000);
	check_int(s->a.entries[0].number, -1);
	check_between(ttl_of(s, "t"), 50000, 60000);
	/* Only an entry that is made can overflow its beginning. */
	incr_from(s, "new", 1, INT64_MAX, 0);
	check_status(s->a.status, EVKV_INVALID);
	check_value(s, "new", NULL);
	put(s, "new", "-5");
	incr_from(s, "new", 1, INT64_MAX, 0);
	check_status(s->a.status, EVKV_OK);
	check_int(s->a.entries[0].number, -4);
}

EVKV_TEST(redis_change, numbers_that_begin_elsewhere)
{
	on_each(numbers_that_begin_elsewhere);
}

static void many_numbers(struct scene *s)
{
	struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("text"),
		EVKV_LIT("a"), EVKV_LIT("b") };
	int64_t deltas[] = { 1, 1, 10, -3 };

	put(s, "text", "x");
	ask(s,
	    &(struct evkv_request){ .kind = EVKV_OP_INCR,
		.flags = EVKV_FLAG_VERSIONS,
		.collection = C,
		.count = 4,
		.keys = keys,
		.deltas = deltas });
	check_status(s->a.status, EVKV_INVALID);
	check_int(s->a.entries[0].number, 1);
	check_status(s->a.entries[1].status, EVKV_INVALID);
	check_int(s->a.entries[2].number, 11);
	check_int(s->a.entries[3].number, -3);
	check_int(s->a.affected, 3);
}

EVKV_TEST(redis_change, many_numbers)
{
	on_each(many_numbers);
}

/* ---- take ------------------------------------------------------------- */

static void take(struct scene *s)
{
	struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("none"),
		EVKV_LIT("a"), EVKV_LIT("list"), EVKV_LIT("empty") };
	char reply[256];

	put(s, "a", "A");
	DO(s, evkv_take(s->store, C, keys[0], answer_cb, &s->a));
	check_status(s->a.status, EVKV_OK);
	check_slice(s->a.entries[0].bytes, "A");
	check_int(s->a.affected, 1);
	check_value(s, "a", NULL);
	put(s, "a", "A");
	put(s, "empty", "");
	RAW(s, reply, "RPUSH", "c:list", "x");
	DO(s, evkv_take_many(s->store, C, keys, 5, answer_cb, &s->a));
	check_status(s->a.status, EVKV_OK);
	check_slice(s->a.entries[0].bytes, "A");
	check_status(s->a.entries[1].status, EVKV_NOT_FOUND);
	check_status(s->a.entries[2].status, EVKV_NOT_FOUND);
	check_status(s->a.entries[3].status, EVKV_NOT_FOUND);
	check_status(s->a.entries[4].status, EVKV_OK);
	check(s->a.entries[4].has_value);
	check_int(s->a.affected, 2);
	RAW(s, reply, "TYPE", "c:list");
	check_str(reply, "+list\r\n");
}

EVKV_TEST(redis_change, take)
{
	on_each(take);
}

/* ---- Several connections ------------------------------------------------ */

#define MANY 40

/*
 * Each key has its own version, delta and TTL, whichever connection it is on.
 */
static void spread(struct scene *s)
{
	char names[MANY][8], texts[MANY][8];
	struct evkv_slice keys[MANY], values[MANY];
	struct evkv_version read[MANY];
	int64_t deltas[MANY], ttls[MANY];
	struct evkv_request request = { .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_VERSIONS,
		.collection = C,
		.count = MANY,
		.keys = keys,
		.values = values };
	unsigned i;

	scene_close_store(s);
	s->options.connections = 4;
	scene_store(s);
	for (i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "k%u", i);
		snprintf(texts[i], sizeof(texts[i]), "%u", i * 7);
		keys[i] = evkv_str(names[i]);
		values[i] = evkv_str(texts[i]);
		deltas[i] = i;
		ttls[i] = 100000 * (i + 1);
	}
	ask(s, &request);
	check_status(s->a.status, EVKV_OK);
	for (i = 0; i < MANY; i++)
		read[i] = s->a.entries[i].version;
	request.kind = EVKV_OP_GET;
	request.values = NULL;
	ask(s, &request);
	for (i = 0; i < MANY; i++)
		check(evkv_version_equal(&read[i], &s->a.entries[i].version));
	request = (struct evkv_request){ .kind = EVKV_OP_TOUCH,
		.collection = C,
		.count = MANY,
		.keys = keys,
		.ttls_ms = ttls,
		.condition = EVKV_IF_VERSION,
		.versions = read };
	ask(s, &request);
	for (i = 0; i < MANY; i++)
		check_status(s->a.entries[i].status, EVKV_OK);
	request = (struct evkv_request){ .kind = EVKV_OP_INCR,
		.collection = C,
		.count = MANY,
		.keys = keys,
		.deltas = deltas,
		.initial = 1 };
	ask(s, &request);
	for (i = 0; i < MANY; i++)
		check_int(s->a.entries[i].number, i * 8);
	request = (struct evkv_request){ .kind = EVKV_OP_TTL,
		.collection = C,
		.count = MANY,
		.keys = keys };
	ask(s, &request);
	for (i = 0; i < MANY; i++)
		check_between(s->a.entries[i].ttl_ms, ttls[i] - 50000, ttls[i]);
	DO(s, evkv_take_many(s->store, C, keys, MANY, answer_cb, &s->a));
	for (i = 0; i < MANY; i++) {
		snprintf(texts[i], sizeof(texts[i]), "%u", i * 8);
		check_bytes(s->a.entries[i].bytes, evkv_str(texts[i]));
	}
}

EVKV_TEST(redis_change, over_several_connections)
{
	on_each(spread);
}

/* ---- A server that is full, and one that forbids ----------------------- */

static void full(struct scene *s)
{
	struct evkv_slice key = EVKV_LIT("k");
	struct evkv_version version;
	char reply[256];

	put(s, "k", "v");
	put(s, "n", "1");
	version = version_of(s, "k");
	RAW(s, reply, "CONFIG", "SET", "maxmemory", "1");
	DO(s,
	    evkv_put_if_version(s->store, C, key, EVKV_LIT("w"), &version, 0,
		answer_cb, &s->a));
	check_status(s->a.status, EVKV_NOSPACE);
	check_contains(s->a.message, "OOM");
	incr(s, "n", 1, EVKV_NOSPACE, 0);
	incr_from(s, "n", 1, 10, 0);
	check_status(s->a.status, EVKV_NOSPACE);
	incr_from(s, "m", 1, 10, 0);
	check_status(s->a.status, EVKV_NOSPACE);
	DO(s, evkv_take(s->store, C, EVKV_LIT("n"), answer_cb, &s->a));
	check_status(s->a.status, EVKV_OK);
	DO(s,
	    evkv_delete_if_version(s->store, C, key, &version, answer_cb,
		&s->a));
	check_status(s->a.status, EVKV_OK);
}

EVKV_TEST(redis_change, a_server_that_is_full)
{
	on_each(full);
}

static void forbidden(struct scene *s)
{
	struct evkv_slice key = EVKV_LIT("k");
	struct evkv_version version;
	char reply[256];

	put(s, "k", "v");
	version = version_of(s, "k");
	RAW(s, reply, "ACL", "SETUSER", "default", "-eval");
	DO(s,
	    evkv_put_if_version(s->store, C, key, EVKV_LIT("w"), &version, 0,
		answer_cb, &s->a));
	check_status(s->a.status, EVKV_REFUSED);
	check_int(s->a.cause, EVKV_CAUSE_AUTH);
	check_contains(s->a.message, "NOPERM");
	check_value(s, "k", "v");
	/* What needs no script works. */
	incr(s, "n", 1, EVKV_OK, 1);
	RAW(s, reply, "ACL", "SETUSER", "default", "+eval", "-get");
	DO(s,
	    evkv_delete_if_version(s->store, C, key, &version, answer_cb,
		&s->a));
	check_status(s->a.status, EVKV_REFUSED);
	/* What is refused does not add either. */
	incr_from(s, "n", 1, 10, 0);
	check_status(s->a.status, EVKV_REFUSED);
	RAW(s, reply, "ACL", "SETUSER", "default", "+@all");
	check_value(s, "k", "v");
	check_value(s, "n", "1");
}

EVKV_TEST(redis_change, a_server_that_forbids)
{
	on_each(forbidden);
}

/* ---- TTLs ------------------------------------------------------------- */

/* Others may set longer ones than can be put: what is told can be put. */
static void far_ttls(struct scene *s)
{
	char reply[256];
	int64_t ttl_ms;

	RAW(s, reply, "SET", "c:far", "v", "PX", "8000000000000000");
	check_str(reply, "+OK\r\n");
	ttl_ms = ttl_of(s, "far");
	check_int(ttl_ms, EVKV_TTL_MAX);
	DO(s,
	    evkv_put(s->store, C, EVKV_LIT("copy"), EVKV_LIT("v"), ttl_ms,
		answer_cb, &s->a));
	check_status(s->a.status, EVKV_OK);
	/* As a server that is full is asked. */
	RAW(s, reply, "CONFIG", "SET", "maxmemory", "1");
	DO(s,
	    evkv_put(s->store, C, EVKV_LIT("copy"), EVKV_LIT("v"), ttl_ms,
		answer_cb, &s->a));
	check_status(s->a.status, EVKV_NOSPACE);
	check_int(ttl_of(s, "far"), EVKV_TTL_MAX);
}

EVKV_TEST(redis_change, ttls_that_are_too_long)
{
	on_each(far_ttls);
}
