/*
 * The simple store's own: looking at it, pages and cursors, expiry, counters.
 * What every store does is in the conformance suite.
 */
#include "evkv/stores/simple.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/evkv.h"
#include "lib/faults.h"
#include "lib/rig.h"
#include "lib/test.h"

static struct evkv_store *open_simple(struct rig *rig)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;

	rig_open(rig);
	store = evkv_simple_new(rig->loop, &error);
	if (store == NULL)
		fail_test("%s", error.message);
	return store;
}

static void close_simple(struct rig *rig, struct evkv_store *store)
{
	evkv_store_unref(store);
	rig_close(rig);
}

static void put(struct rig *rig, struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms)
{
	struct answer answer = ANSWER_INIT;

	evkv_put(store, collection, key, value, ttl_ms, answer_cb, &answer);
	rig_wait(rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	answer_free(&answer);
}

static void put_text(struct rig *rig, struct evkv_store *store,
    const char *collection, const char *key)
{
	put(rig, store, evkv_str(collection), evkv_str(key), EVKV_LIT("v"), 0);
}

/* What evkv_simple_dump() writes, to be freed. */
static char *dump(struct evkv_store *store)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	check(evkv_simple_dump(store, out));
	fclose(out);
	return text;
}

EVKV_TEST(unit_simple, dump_is_in_order_and_readable)
{
	struct rig rig;
	struct evkv_store *store = open_simple(&rig);
	char *text;

	put(&rig, store, EVKV_LIT("users"), EVKV_LIT("b"), EVKV_LIT("2"), 1500);
	put(&rig, store, EVKV_LIT("users"), EVKV_LIT("a"), EVKV_LIT(""), 0);
	put(&rig, store, EVKV_LIT(""), EVKV_LIT("z"), EVKV_LIT("1"), 0);
	put(&rig, store, EVKV_LIT("user"), EVKV_LIT("\"\\\n\xff"),
	    EVKV_LIT("a\0b"), 10);
	rig_advance(&rig, 10);
	text = dump(store);
	check_str(text,
	    "\"\" \"z\" = \"1\"\n"
	    "\"user\" \"\\\"\\\\\\012\\377\" = \"a\\000b\" expired\n"
	    "\"users\" \"a\" = \"\"\n"
	    "\"users\" \"b\" = \"2\" ttl=1490ms\n");
	free(text);
	close_simple(&rig, store);
}

static bool count_two(const struct evkv_simple_entry *entry, void *arg)
{
	int *count = arg;

	check(entry->key.size == 1);
	return ++*count < 2;
}

EVKV_TEST(unit_simple, each_stops_when_told)
{
	struct rig rig;
	struct evkv_store *store = open_simple(&rig), *other;
	int count = 0;

	put_text(&rig, store, "c", "1");
	put_text(&rig, store, "c", "2");
	put_text(&rig, store, "c", "3");
	check(evkv_simple_each(store, count_two, &count));
	check_int(count, 2);

	other = evkv_null_new(rig.loop, NULL);
	check(!evkv_simple_each(other, count_two, &count));
	check(!evkv_simple_dump(other, stderr));
	check(!evkv_simple_each(NULL, count_two, &count));
	evkv_store_unref(other);
	close_simple(&rig, store);
}

EVKV_TEST(unit_simple, dump_says_when_writing_fails)
{
	struct rig rig;
	struct evkv_store *store = open_simple(&rig);
	FILE *out = fopen("/dev/full", "w");

	if (out == NULL)
		skip_test("no /dev/full");
	setvbuf(out, NULL, _IONBF, 0);
	put_text(&rig, store, "c", "1");
	check(!evkv_simple_dump(store, out));
	fclose(out);
	close_simple(&rig, store);
}

/* A random mixture against an array of flags. */
EVKV_TEST(unit_simple, many_entries_stay_in_order)
{
	struct rig rig;
	struct evkv_store *store = open_simple(&rig);
	struct evkv_counters counters;
	struct answer answer = ANSWER_INIT;
	bool there[500] = { false };
	uint32_t random = 1, key, live = 0;
	char name[8], *text, *at;
	int i;

	for (i = 0; i < 5000; i++) {
		random = random * 1664525 + 1013904223;
		key = (random >> 8) % 500;
		snprintf(name, sizeof(name), "%03u", key);
		if ((random >> 24) % 2 == 0) {
			put_text(&rig, store, "c", name);
			there[key] = true;
			continue;
		}
		evkv_delete(store, EVKV_LIT("c"), evkv_str(name), answer_cb,
		    &answer);
		rig_wait(&rig, &answer.calls);
		check_status(answer.status,
		    there[key] ? EVKV_OK : EVKV_NOT_FOUND);
		answer_reset(&answer);
		there[key] = false;
	}
	text = at = dump(store);
	for (key = 0; key < 500; key++) {
		if (!there[key])
			continue;
		live++;
		snprintf(name, sizeof(name), "%03u", key);
		check(strncmp(at, "\"c\" \"", 5) == 0);
		check(strncmp(at + 5, name, 3) == 0);
		at = strchr(at, '\n') + 1;
	}
	check_str(at, "");
	free(text);
	memset(&counters, 0, sizeof(counters));
	evkv_store_counters(store, &counters);
	check_int(counters.entries, live);
	check_int(counters.bytes, live * 5);
	close_simple(&rig, store);
}

EVKV_TEST(unit_simple, expired_entries_go)
{
	struct rig rig;
	struct evkv_store *store = open_simple(&rig);
	struct answer answer = ANSWER_INIT;
	struct evkv_counters counters;

	put(&rig, store, EVKV_LIT("c"), EVKV_LIT("a"), EVKV_LIT("1"), 10);
	put(&rig, store, EVKV_LIT("c"), EVKV_LIT("b"), EVKV_LIT("1"), 20);
	put(&rig, store, EVKV_LIT("d"), EVKV_LIT("b"), EVKV_LIT("1"), 10);
	rig_advance(&rig, 10);

	/* By a look: it is gone for good. */
	evkv_get(store, EVKV_LIT("c"), EVKV_LIT("a"), answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check_status(answer.status, EVKV_NOT_FOUND);
	answer_reset(&answer);
	memset(&counters, 0, sizeof(counters));
	evkv_store_counters(store, &counters);
	check_int(counters.entries, 2);

	/* By purge_expired: those that are left. */
	evkv_purge_expired(store, answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check_int(answer.affected, 1);
	answer_reset(&answer);
	memset(&counters, 0, sizeof(counters));
	evkv_store_counters(store, &counters);
	check_int(counters.entries, 1);

	/* Not counted as removed by clear, which takes it along. */
	rig_advance(&rig, 10);
	evkv_clear(store, EVKV_LIT("c"), EVKV_LIT(""), answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check_int(answer.affected, 0);
	answer_free(&answer);
	close_simple(&rig, store);
}

/* All pages: the names with a ' ' after each, a '|' where a page ends. */
static void check_pages(struct rig *rig, struct evkv_store *store,
    struct evkv_request request, const char *expected)
{
	char text[256] = "", cursor[EVKV_CURSOR_MAX];
	struct answer answer = ANSWER_INIT;
	size_t i;

	do {
		answer_reset(&answer);
		evkv_submit(store, &request, answer_cb, &answer);
		rig_wait(rig, &answer.calls);
		check_status(answer.status, EVKV_OK);
		for (i = 0; i < answer.count; i++) {
			snprintf(text + strlen(text),
			    sizeof(text) - strlen(text), "%.*s ",
			    (int)answer.entries[i].name.size,
			    answer.entries[i].name.size > 0
				? (const char *)answer.entries[i].name.data
				: "");
		}
		strcat(text, "|");
		check(answer.cursor.size <= sizeof(cursor));
		if (answer.cursor.size > 0)
			memcpy(cursor, answer.cursor.data, answer.cursor.size);
		request.match.cursor = evkv_bytes(cursor, answer.cursor.size);
	} while (request.match.cursor.size > 0);
	answer_free(&answer);
	check_str(text, expected);
}

EVKV_TEST(unit_simple, pages)
{
	struct rig rig;
	struct evkv_store *store = open_simple(&rig);
	struct evkv_request keys = { .kind = EVKV_OP_KEYS,
		.collection = EVKV_LIT("c"),
		.match.limit = 2 };
	struct evkv_request collections = { .kind = EVKV_OP_COLLECTIONS,
		.match.limit = 1 };

	put_text(&rig, store, "b", "other");
	put_text(&rig, store, "c", "a1");
	put_text(&rig, store, "c", "b1");
	put_text(&rig, store, "c", "b2");
	put_text(&rig, store, "c", "b3");
	put_text(&rig, store, "c", "c1");
	put_text(&rig, store, "d", "other");

	check_pages(&rig, store, keys, "a1 b1 |b2 b3 |c1 |");
	keys.match.pattern = EVKV_LIT("b*");
	check_pages(&rig, store, keys, "b1 b2 |b3 |");
	keys.match.pattern = EVKV_LIT("*1");
	check_pages(&rig, store, keys, "a1 b1 |c1 |");
	keys.match.prefix = EVKV_LIT("b");
	check_pages(&rig, store, keys, "b1 |");
	keys.match.pattern = EVKV_LIT("c*");
	check_pages(&rig, store, keys, "|");
	check_pages(&rig, store, collections, "b |c |d |");
	collections.match.pattern = EVKV_LIT("[!c]");
	check_pages(&rig, store, collections, "b |d |");
	close_simple(&rig, store);
}

/* The page's last name is the collection "": an empty position. */
EVKV_TEST(unit_simple, a_page_may_end_with_the_empty_collection)
{
	struct rig rig;
	struct evkv_store *store = open_simple(&rig);
	struct evkv_request collections = { .kind = EVKV_OP_COLLECTIONS,
		.match.limit = 1 };

	put_text(&rig, store, "", "k");
	put_text(&rig, store, "a", "k");
	check_pages(&rig, store, collections, " |a |");
	close_simple(&rig, store);
}

EVKV_TEST(unit_simple, a_page_may_end_with_the_longest_key)
{
	struct rig rig;
	struct evkv_store *store = open_simple(&rig);
	struct answer answer = ANSWER_INIT, next = ANSWER_INIT;
	char *key = malloc(EVKV_KEY_MAX);

	memset(key, 'k', EVKV_KEY_MAX);
	put(&rig, store, EVKV_LIT("c"), evkv_bytes(key, EVKV_KEY_MAX),
	    EVKV_LIT("v"), 0);
	key[EVKV_KEY_MAX - 1] = 'z';
	put(&rig, store, EVKV_LIT("c"), evkv_bytes(key, EVKV_KEY_MAX),
	    EVKV_LIT("v"), 0);
	evkv_keys(store, EVKV_LIT("c"), EVKV_LIT(""), EVKV_LIT(""), 1,
	    answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check_int(answer.count, 1);
	evkv_keys(store, EVKV_LIT("c"), EVKV_LIT(""), answer.cursor, 1,
	    answer_cb, &next);
	rig_wait(&rig, &next.calls);
	check_int(next.count, 1);
	check_bytes(next.entries[0].name, evkv_bytes(key, EVKV_KEY_MAX));
	check_int(next.cursor.size, 0);
	answer_free(&answer);
	answer_free(&next);
	free(key);
	close_simple(&rig, store);
}

static void refuse_cursor(struct rig *rig, struct evkv_store *store,
    struct evkv_request request)
{
	struct answer answer = ANSWER_INIT;

	evkv_submit(store, &request, answer_cb, &answer);
	rig_wait(rig, &answer.calls);
	check_status(answer.status, EVKV_INVALID);
	check_contains(answer.message, "cursor");
	answer_free(&answer);
}

EVKV_TEST(unit_simple, a_cursor_belongs_to_its_query)
{
	struct rig rig;
	struct evkv_store *store = open_simple(&rig), *null;
	struct answer answer = ANSWER_INIT;
	struct evkv_request request = { .kind = EVKV_OP_KEYS,
		.collection = EVKV_LIT("c"),
		.match.prefix = EVKV_LIT("k"),
		.match.pattern = EVKV_LIT("*"),
		.match.limit = 1 },
			    other;

	put_text(&rig, store, "c", "k1");
	put_text(&rig, store, "c", "k2");
	evkv_submit(store, &request, answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check(answer.cursor.size > 0);
	request.match.cursor = answer.cursor;

	other = request;
	other.collection = EVKV_LIT("d");
	refuse_cursor(&rig, store, other);
	other = request;
	other.match.pattern = EVKV_LIT("**");
	refuse_cursor(&rig, store, other);
	other = request;
	/* The same bytes in all, cut elsewhere. */
	other.match.prefix = EVKV_LIT("k*");
	other.match.pattern = EVKV_LIT("");
	refuse_cursor(&rig, store, other);
	other = request;
	other.collection = EVKV_LIT("");
	other.kind = EVKV_OP_COLLECTIONS;
	refuse_cursor(&rig, store, other);
	other = request;
	other.match.cursor = EVKV_LIT("short");
	refuse_cursor(&rig, store, other);
	other.match.cursor = EVKV_LIT("something else");
	refuse_cursor(&rig, store, other);
	null = evkv_null_new(rig.loop, NULL);
	refuse_cursor(&rig, null, request);
	evkv_store_unref(null);

	check_pages(&rig, store, request, "k2 |");
	answer_free(&answer);
	close_simple(&rig, store);
}

/* As after a restart: the handle is another, the query and the kind are not. */
EVKV_TEST(unit_simple, a_cursor_goes_on_in_another_store_of_the_kind)
{
	const struct evkv_slice c = EVKV_LIT("c"), all = EVKV_LIT("");
	struct answer first = ANSWER_INIT, second = ANSWER_INIT;
	struct evkv_store *store, *again;
	struct rig rig;

	store = open_simple(&rig);
	again = evkv_simple_new(rig.loop, NULL);
	put_text(&rig, store, "c", "a");
	put_text(&rig, store, "c", "b");
	put_text(&rig, again, "c", "a");
	put_text(&rig, again, "c", "b");
	evkv_keys(store, c, all, all, 1, answer_cb, &first);
	rig_wait(&rig, &first.calls);
	check(first.cursor.size > 0);
	evkv_keys(again, c, all, first.cursor, 1, answer_cb, &second);
	rig_wait(&rig, &second.calls);
	check_status(second.status, EVKV_OK);
	check_int(second.count, 1);
	check_slice(second.entries[0].name, "b");
	answer_free(&first);
	answer_free(&second);
	evkv_store_unref(again);
	close_simple(&rig, store);
}

/* Without memory a put fails, and what was there is still there. */
EVKV_TEST(unit_simple, a_put_without_memory_changes_nothing)
{
	struct rig rig;
	struct evkv_store *store = open_simple(&rig);
	struct answer answer = ANSWER_INIT;
	struct evkv_slice keys[2] = { EVKV_LIT("old"), EVKV_LIT("new") };
	struct evkv_slice values[2] = { EVKV_LIT("2"), EVKV_LIT("2") };
	unsigned failed = 0;
	size_t n;
	char *text;

	for (n = 1;; n++) {
		evkv_clear(store, EVKV_LIT("c"), EVKV_LIT(""), NULL, NULL);
		put(&rig, store, EVKV_LIT("c"), EVKV_LIT("old"), EVKV_LIT("1"),
		    0);
		faults_fail_nth(n);
		if (evkv_put_many(store, EVKV_LIT("c"), keys, values, 2, 0,
			answer_cb, &answer) == 0) {
			faults_off();
			continue;
		}
		rig_wait(&rig, &answer.calls);
		faults_off();
		if (answer.status == EVKV_OK) {
			answer_reset(&answer);
			break;
		}
		failed++;
		check_status(answer.status, EVKV_NOMEM);
		check_int(answer.cause, EVKV_CAUSE_NOMEM);
		text = dump(store);
		if (answer.count == 0 || answer.entries[0].status != EVKV_OK)
			check_contains(text, "\"old\" = \"1\"");
		if (answer.count == 0 || answer.entries[1].status != EVKV_OK)
			check(strstr(text, "new") == NULL);
		free(text);
		answer_reset(&answer);
	}
	check(failed >= 2);
	close_simple(&rig, store);
}
