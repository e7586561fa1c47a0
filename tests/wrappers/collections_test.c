/*
 * prefix_collections and single_collection: where entries are, that no two
 * names meet, and that what is somebody else's is left alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "lib/rig.h"
#include "lib/scripted.h"
#include "lib/test.h"
#include "wrappers/single_collection/single_collection.h"

struct fixture {
	struct rig rig;
	struct evkv_store *simple, *store;
	struct answer answer;
};

static void open_bottom(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	rig_open(&f->rig);
	f->simple = evkv_simple_new(f->rig.loop, NULL);
}

static void open_single(struct fixture *f,
    struct evkv_single_collection_options options)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	open_bottom(f);
	f->store = evkv_single_collection_new(evkv_store_ref(f->simple),
	    &options, &error);
	if (f->store == NULL)
		fail_test("%s", error.message);
}

static void close_fixture(struct fixture *f)
{
	answer_free(&f->answer);
	evkv_store_unref(f->store);
	evkv_store_unref(f->simple);
	rig_close(&f->rig);
}

static void put_slices(struct fixture *f, struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key)
{
	answer_reset(&f->answer);
	evkv_put(store, collection, key, EVKV_LIT("v"), 0, answer_cb,
	    &f->answer);
	rig_wait(&f->rig, &f->answer.calls);
	check_status(f->answer.status, EVKV_OK);
}

static void put(struct fixture *f, struct evkv_store *store,
    const char *collection, const char *key)
{
	put_slices(f, store, evkv_str(collection), evkv_str(key));
}

static void submit(struct fixture *f, const struct evkv_request *request)
{
	answer_reset(&f->answer);
	evkv_submit(f->store, request, answer_cb, &f->answer);
	rig_wait(&f->rig, &f->answer.calls);
}

static bool write_names(const struct evkv_simple_entry *entry, void *arg)
{
	fprintf(arg, "%.*s/%.*s ", (int)entry->collection.size,
	    (const char *)entry->collection.data, (int)entry->key.size,
	    (const char *)entry->key.data);
	return true;
}

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

static char *copy_of(struct evkv_slice bytes)
{
	char *copy = calloc(1, bytes.size + 1);

	if (bytes.size > 0)
		memcpy(copy, bytes.data, bytes.size);
	return copy;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All pages, sorted; each name is to come once. */
static void check_names(struct fixture *f, struct evkv_request request,
    const char *expected)
{
	char *names[256], text[4096] = "";
	char cursor[EVKV_CURSOR_MAX];
	size_t count = 0, i;

	do {
		submit(f, &request);
		check_status(f->answer.status, EVKV_OK);
		for (i = 0; i < f->answer.count; i++) {
			check(count < 256);
			names[count++] = copy_of(f->answer.entries[i].name);
		}
		if (f->answer.cursor.size > 0)
			memcpy(cursor, f->answer.cursor.data,
			    f->answer.cursor.size);
		request.match.cursor = evkv_bytes(cursor,
		    f->answer.cursor.size);
	} while (request.match.cursor.size > 0);
	qsort(names, count, sizeof(names[0]), by_name);
	for (i = 0; i < count; i++) {
		strcat(strcat(text, names[i]), " ");
		free(names[i]);
	}
	check_str(text, expected);
}

/* ---- single_collection: where entries are ------------------------------- */

EVKV_TEST(unit_single_collection, the_names_of_the_mission)
{
	struct fixture f;

	open_single(&f,
	    (struct evkv_single_collection_options){
		.collection = EVKV_LIT("all") });
	put(&f, f.store, "allowed_users", "123");
	check_bottom(&f, "all/allowed_users__123 ");
	put(&f, f.store, "", "k");
	put(&f, f.store, "a__b", "k");
	put(&f, f.store, "a_", "k");
	put(&f, f.store, "100%", "_k");
	check_bottom(&f,
	    "all/100%25___k all/__k all/a%5F__k all/a_%5Fb__k "
	    "all/allowed_users__123 ");
	check_names(&f, (struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
	    " 100% a_ a__b allowed_users ");
	check_names(&f,
	    (struct evkv_request){
		.kind = EVKV_OP_KEYS, .collection = EVKV_LIT("100%") },
	    "_k ");
	close_fixture(&f);
}

EVKV_TEST(unit_single_collection, a_default_collection)
{
	struct fixture f;

	open_single(&f,
	    (struct evkv_single_collection_options){
		.default_collection = EVKV_LIT("users") });
	put(&f, f.store, "", "1");
	put(&f, f.store, "users", "2");
	check_bottom(&f, "/users__1 /users__2 ");
	check_names(&f, (struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
	    "users ");
	check_names(&f, (struct evkv_request){ .kind = EVKV_OP_KEYS }, "1 2 ");
	close_fixture(&f);
}

EVKV_TEST(unit_single_collection, another_separator)
{
	struct fixture f;

	open_single(&f,
	    (struct evkv_single_collection_options){
		.separator = EVKV_LIT(":") });
	put(&f, f.store, "users", "1");
	put(&f, f.store, "a:b", "1:2");
	check_bottom(&f, "/a%3Ab:1:2 /users:1 ");
	check_names(&f, (struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
	    "a:b users ");
	close_fixture(&f);
}

/* ---- single_collection: no two names meet ------------------------------- */

/* The nth string over an alphabet, shorter ones first. */
static size_t nth_string(size_t n, const char *alphabet, size_t letters,
    char *bytes)
{
	size_t size = 0, i;
	char swap;

	for (; n > 0; n = (n - 1) / letters)
		bytes[size++] = alphabet[(n - 1) % letters];
	for (i = 0; i < size / 2; i++) {
		swap = bytes[i];
		bytes[i] = bytes[size - 1 - i];
		bytes[size - 1 - i] = swap;
	}
	return size;
}

/* Each name has its head, no head begins another, and a key tells its name. */
static void check_heads(const char *separator, const char *alphabet,
    size_t letters, size_t count)
{
	struct evkv_slice mark = evkv_str(separator), name, back;
	char(*heads)[HEAD_MAX + 4] = calloc(count, sizeof(*heads));
	size_t *sizes = calloc(count, sizeof(*sizes)), i, j, k;
	char bytes[64], decoded[EVKV_COLLECTION_MAX];

	for (i = 0; i < count; i++) {
		name = evkv_bytes(bytes,
		    nth_string(i, alphabet, letters, bytes));
		sizes[i] = evkv__single_head(mark, name, heads[i]);
		/* Nothing is the empty key; whatever else it is, is a key. */
		check(!evkv__single_collection_of(mark,
		    evkv_bytes(heads[i], sizes[i]), decoded, &back));
		for (k = 0; k < letters; k++) {
			heads[i][sizes[i]] = alphabet[k];
			check(evkv__single_collection_of(mark,
			    evkv_bytes(heads[i], sizes[i] + 1), decoded,
			    &back));
			check_bytes(back, name);
		}
	}
	for (i = 0; i < count; i++) {
		for (j = 0; j < count; j++) {
			check(i == j || sizes[i] > sizes[j] ||
			    memcmp(heads[i], heads[j], sizes[i]) != 0);
		}
	}
	free(heads);
	free(sizes);
}

EVKV_TEST(unit_single_collection, heads_of_all_short_names)
{
	static const char odd[] = { '_', '%', 'a', '5', 'F' };
	static const char bytes[] = { '\0', '_', '\xff', '%' };

	check_heads("__", odd, sizeof(odd), 1500);
	check_heads("__", bytes, sizeof(bytes), 1000);
	check_heads("_", odd, sizeof(odd), 800);
	check_heads("_a_", odd, 3, 1000);
	check_heads("aa_aa", odd, 3, 1000);
	check_heads("_a_a_a", odd, 3, 1000);
}

/* As many entries as pairs, and each pair comes back. */
EVKV_TEST(unit_single_collection, pairs_do_not_meet)
{
	static const char alphabet[] = { '_', '%', '5' };
	char collection[8], key[8];
	struct evkv_slice names[2];
	struct fixture f;
	size_t i, j;

	open_single(&f,
	    (struct evkv_single_collection_options){
		.collection = EVKV_LIT("all") });
	for (i = 0; i < 40; i++) {
		for (j = 1; j < 40; j++) {
			names[0] = evkv_bytes(collection,
			    nth_string(i, alphabet, 3, collection));
			names[1] = evkv_bytes(key,
			    nth_string(j, alphabet, 3, key));
			answer_reset(&f.answer);
			evkv_put_if_absent(f.store, names[0], names[1],
			    EVKV_LIT("v"), 0, answer_cb, &f.answer);
			rig_wait(&f.rig, &f.answer.calls);
			check_status(f.answer.status, EVKV_OK);
		}
	}
	for (i = 0; i < 40; i++) {
		submit(&f,
		    &(struct evkv_request){ .kind = EVKV_OP_CLEAR,
			.collection = evkv_bytes(collection,
			    nth_string(i, alphabet, 3, collection)) });
		check_int(f.answer.affected, 39);
	}
	check_bottom(&f, "");
	close_fixture(&f);
}

/* What is in the inner collection and has no form of ours. */
EVKV_TEST(unit_single_collection, strangers_are_left_alone)
{
	static const char *const strangers[] = { "nothing", "a__", "__", "%__k",
		"%5__k", "%5f__k", "%61__k", "a%5Fb__k", "_", "a_%5F_k" };
	char expected[1024] = "", text[64];
	struct fixture f;
	size_t i;

	open_single(&f,
	    (struct evkv_single_collection_options){
		.collection = EVKV_LIT("all") });
	for (i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
		put(&f, f.simple, "all", strangers[i]);
	put(&f, f.simple, "other", "a__k");
	check_names(&f, (struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
	    "");
	put(&f, f.store, "a", "1");
	put(&f, f.store, "a", "2");
	put(&f, f.store, "b", "1");
	check_names(&f, (struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
	    "a b ");
	check_names(&f,
	    (struct evkv_request){
		.kind = EVKV_OP_KEYS, .collection = EVKV_LIT("a") },
	    "1 2 ");
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL });
	check_status(f.answer.status, EVKV_OK);
	check_int(f.answer.affected, 3);
	check_names(&f, (struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
	    "");
	for (i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		answer_reset(&f.answer);
		evkv_exists(f.simple, EVKV_LIT("all"), evkv_str(strangers[i]),
		    answer_cb, &f.answer);
		rig_wait(&f.rig, &f.answer.calls);
		snprintf(text, sizeof(text), "%s %s", strangers[i],
		    evkv_status_name(f.answer.status));
		snprintf(expected, sizeof(expected), "%s OK", strangers[i]);
		check_str(text, expected);
	}
	close_fixture(&f);
}

EVKV_TEST(unit_single_collection, patterns_and_prefixes_of_collections)
{
	struct fixture f;

	open_single(&f,
	    (struct evkv_single_collection_options){
		.collection = EVKV_LIT("all") });
	put(&f, f.store, "2025_1", "k");
	put(&f, f.store, "2025__2", "k");
	put(&f, f.store, "2026_1", "k");
	check_names(&f,
	    (struct evkv_request){ .kind = EVKV_OP_COLLECTIONS,
		.match.pattern = EVKV_LIT("2025*") },
	    "2025_1 2025__2 ");
	check_names(&f,
	    (struct evkv_request){ .kind = EVKV_OP_COLLECTIONS,
		.match.prefix = EVKV_LIT("2025__") },
	    "2025__2 ");
	submit(&f,
	    &(struct evkv_request){
		.kind = EVKV_OP_CLEAR_ALL, .match.pattern = EVKV_LIT("*_1") });
	check_int(f.answer.affected, 2);
	check_bottom(&f, "all/2025_%5F2__k ");
	close_fixture(&f);
}

/* More keys than a page has, and pages that bring no collection. */
EVKV_TEST(unit_single_collection, many_keys)
{
	char name[16];
	struct fixture f;
	int i;

	open_single(&f,
	    (struct evkv_single_collection_options){
		.collection = EVKV_LIT("all") });
	for (i = 0; i < 1500; i++) {
		snprintf(name, sizeof(name), "%04d", i);
		put(&f, f.store, i < 1300 ? "a" : "b", name);
	}
	put(&f, f.store, "c", "1");
	check_names(&f, (struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
	    "a b c ");
	check_names(&f,
	    (struct evkv_request){
		.kind = EVKV_OP_COLLECTIONS, .match.limit = 1 },
	    "a b c ");
	check_names(&f,
	    (struct evkv_request){
		.kind = EVKV_OP_COLLECTIONS, .match.pattern = EVKV_LIT("c") },
	    "c ");
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL });
	check_int(f.answer.affected, 1501);
	check_bottom(&f, "");
	close_fixture(&f);
}

EVKV_TEST(unit_single_collection, foreign_cursors_are_refused)
{
	struct fixture f;

	open_single(&f,
	    (struct evkv_single_collection_options){
		.collection = EVKV_LIT("all") });
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_COLLECTIONS,
		.match.cursor = EVKV_LIT("not one of ours, surely") });
	check_status(f.answer.status, EVKV_INVALID);
	close_fixture(&f);
}

/* Names of collections are found by keys, and cleared by clears. */
EVKV_TEST(unit_single_collection, what_the_inner_store_lacks)
{
	static const uint32_t keys = EVKV_KIND_BIT(EVKV_OP_KEYS);
	static const uint32_t clear = EVKV_KIND_BIT(EVKV_OP_CLEAR);
	static const struct {
		uint32_t lacks, order;
		size_t max_key, keeps;
		bool names, clears;
	} rows[] = {
		{ 0, EVKV_STORE_KEY_ORDER, 10000, 10000 - HEAD_MAX, true,
		    true },
		{ keys, 0, 2 * HEAD_MAX + 1, HEAD_MAX + 1, false, false },
		{ clear, 0, 2 * HEAD_MAX, 2 * HEAD_MAX, true, false },
		{ keys | clear, 0, 100, 100, false, false },
	};
	const struct evkv_capabilities *can;
	struct scripted *script;
	struct evkv_store *store;
	struct rig rig;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rig_open(&rig);
		script = scripted_new();
		script->capabilities.kinds &= ~rows[i].lacks;
		script->capabilities.flags |= rows[i].order |
		    EVKV_STORE_ENUM_UNIQUE;
		script->capabilities.max_key = (uint32_t)rows[i].max_key;
		store = evkv_single_collection_new(scripted_store(script,
						       rig.loop, NULL),
		    &(struct evkv_single_collection_options){
			.collection = EVKV_LIT("all") },
		    NULL);
		can = evkv_store_capabilities(store);
		check_int(evkv_store_can(store, EVKV_OP_COLLECTIONS,
			      EVKV_IF_ANY),
		    rows[i].names);
		check_int(evkv_store_can(store, EVKV_OP_CLEAR_ALL, EVKV_IF_ANY),
		    rows[i].clears);
		check_int((can->flags & EVKV_STORE_ENUM_UNIQUE) != 0,
		    rows[i].order != 0);
		check_int(can->max_key, rows[i].keeps);
		evkv_store_unref(store);
		rig_close(&rig);
		scripted_free(script);
	}
}

EVKV_TEST(unit_single_collection, bad_options_are_refused)
{
	static const char *const separators[] = { "%", "0", "a9", "_A_", "F",
		"12345678901234567", "-----------------" };
	struct evkv_error error = EVKV_ERROR_INIT;
	char long_name[256];
	struct fixture f;
	size_t i;

	memset(long_name, 'n', sizeof(long_name));
	open_bottom(&f);
	for (i = 0; i < sizeof(separators) / sizeof(separators[0]); i++) {
		check(evkv_single_collection_new(evkv_store_ref(f.simple),
			  &(struct evkv_single_collection_options){
			      .separator = evkv_str(separators[i]) },
			  &error) == NULL);
		check_int(error.status, EVKV_INVALID);
		check_invalid(error, "separator");
		evkv_error_clear(&error);
	}
	check(evkv_single_collection_new(evkv_store_ref(f.simple),
		  &(struct evkv_single_collection_options){
		      .collection = evkv_bytes(long_name, 256) },
		  &error) == NULL);
	check_invalid(error, "255");
	close_fixture(&f);
}

/* ---- prefix_collections ------------------------------------------------- */

static void open_prefix(struct fixture *f, const char *prefix)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	open_bottom(f);
	f->store = evkv_prefix_collections_new(evkv_store_ref(f->simple),
	    evkv_str(prefix), &error);
	if (f->store == NULL)
		fail_test("%s", error.message);
}

EVKV_TEST(unit_prefix_collections, only_ours)
{
	static const char *const prefixes[] = { "app-", "*", "[a]", "?\\" };
	struct fixture f;
	size_t i;

	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		open_prefix(&f, prefixes[i]);
		put(&f, f.store, "users", "1");
		put(&f, f.store, "", "2");
		put(&f, f.simple, "users", "3");
		put(&f, f.simple, "", "4");
		put(&f, f.simple, "axxusers", "5");
		check_names(&f,
		    (struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
		    " users ");
		check_names(&f,
		    (struct evkv_request){ .kind = EVKV_OP_COLLECTIONS,
			.match.pattern = EVKV_LIT("u*") },
		    "users ");
		check_names(&f,
		    (struct evkv_request){
			.kind = EVKV_OP_KEYS, .collection = EVKV_LIT("users") },
		    "1 ");
		submit(&f, &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL });
		check_int(f.answer.affected, 2);
		check_bottom(&f, "/4 axxusers/5 users/3 ");
		close_fixture(&f);
	}
}

EVKV_TEST(unit_prefix_collections, where_entries_are)
{
	struct fixture f;

	open_prefix(&f, "app-");
	put(&f, f.store, "users", "1");
	put(&f, f.store, "", "2");
	check_bottom(&f, "app-/2 app-users/1 ");
	submit(&f,
	    &(struct evkv_request){
		.kind = EVKV_OP_CLEAR, .collection = EVKV_LIT("users") });
	check_bottom(&f, "app-/2 ");
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_collections, names_that_are_too_long)
{
	char name[EVKV_COLLECTION_MAX];
	struct fixture f;

	memset(name, 'n', sizeof(name));
	open_prefix(&f, "app-");
	put_slices(&f, f.store, evkv_bytes(name, EVKV_COLLECTION_MAX - 4),
	    EVKV_LIT("k"));
	answer_reset(&f.answer);
	evkv_get(f.store, evkv_bytes(name, EVKV_COLLECTION_MAX - 3),
	    EVKV_LIT("k"), answer_cb, &f.answer);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_INVALID);
	check_contains(f.answer.message, "255");
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_collections, bad_prefixes_are_refused)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	char prefix[201];
	struct fixture f;

	memset(prefix, 'p', sizeof(prefix));
	open_bottom(&f);
	check(evkv_prefix_collections_new(evkv_store_ref(f.simple),
		  EVKV_LIT(""), &error) == NULL);
	check_invalid(error, "1 to 200");
	evkv_error_clear(&error);
	check(evkv_prefix_collections_new(evkv_store_ref(f.simple),
		  evkv_bytes(prefix, 201), &error) == NULL);
	check_invalid(error, "201");
	evkv_error_clear(&error);
	check(evkv_prefix_collections_new(evkv_store_ref(f.simple),
		  evkv_bytes(NULL, 1), &error) == NULL);
	check_invalid(error, "NULL");
	close_fixture(&f);
}

/* ---- By text ------------------------------------------------------------ */

EVKV_TEST(unit_prefix_collections, chains_by_text)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct fixture f;

	open_bottom(&f);
	f.store = evkv_open(f.rig.loop,
	    "simple: | single_collection(all, separator=\":\") | "
	    "prefix_collections(app-)",
	    &error);
	if (f.store == NULL)
		fail_test("%s", error.message);
	evkv_store_unref(f.simple);
	f.simple = evkv_store_ref(evkv_store_inner(evkv_store_inner(f.store, 0),
	    0));
	put(&f, f.store, "users", "1");
	check_bottom(&f, "all/app-users:1 ");
	check_names(&f, (struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
	    "users ");
	close_fixture(&f);
}
