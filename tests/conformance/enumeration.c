/*
 * tests/conformance/enumeration.c - pages of names: complete at every page
 * size, whatever is written in between, and cursors that only fit where they
 * came from.
 */
#include <stdio.h>
#include <string.h>

#include "cases.h"

static struct evkv_slice numbered(struct evkv_conformance *c, const char *head,
    size_t i)
{
	char *name = conformance_alloc(c, 32);

	(void)snprintf(name, 32, "%s%04zu", head, i);
	return evkv_str(name);
}

CASE(keys_of_nothing)
{
	must_list_nothing(c, EVKV_OP_KEYS, L("none"), L(""), L(""));
	must_list_nothing(c, EVKV_OP_COLLECTIONS, L(""), L(""), L(""));
	must_list_nothing(c, EVKV_OP_KEYS, L(""), L("x"), L("*"));
}

CASE(keys_are_those_of_one_collection)
{
	must_put(c, L("c"), L("1"), L("v"), 0);
	must_put(c, L("c"), L("2"), L("v"), 0);
	must_put(c, L("d"), L("3"), L("v"), 0);
	must_put(c, L("cc"), L("4"), L("v"), 0);
	must_put(c, L(""), L("c"), L("v"), 0);
	must_list(c, EVKV_OP_KEYS, L("c"), L(""), L(""), 0, L("1"), L("2"));
	must_list(c, EVKV_OP_KEYS, L("d"), L(""), L(""), 0, L("3"));
	must_list(c, EVKV_OP_KEYS, L(""), L(""), L(""), 0, L("c"));
	check_status(do_delete(c, L("c"), L("1"))->status, EVKV_OK);
	must_list(c, EVKV_OP_KEYS, L("c"), L(""), L(""), 0, L("2"));
}

CASE(collections_are_those_with_entries)
{
	must_put(c, L("a"), L("1"), L("v"), 0);
	must_put(c, L("a"), L("2"), L("v"), 0);
	must_put(c, L("b"), L("1"), L("v"), 0);
	must_put(c, L("ab"), L("1"), L("v"), 0);
	must_list(c, EVKV_OP_COLLECTIONS, L(""), L(""), L(""), 0, L("a"),
	    L("b"), L("ab"));
	check_status(do_delete(c, L("b"), L("1"))->status, EVKV_OK);
	must_list(c, EVKV_OP_COLLECTIONS, L(""), L(""), L(""), 0, L("a"),
	    L("ab"));
	check_status(do_clear(c, L("a"), L(""), L(""))->status, EVKV_OK);
	must_list(c, EVKV_OP_COLLECTIONS, L(""), L(""), L(""), 0, L("ab"));
}

/* pattern, prefix, and which of the names below match, by a bit each. */
static const char *const match_names[] = { "user:1", "user:2", "user:10",
	"users", "item", "a*b", "a-b", "[x]", "\\", "" };

static const struct {
	struct evkv_slice prefix, pattern;
	unsigned matching;
} match_rows[] = {
	{ { "", 0 }, { "", 0 }, 0x1ff },
	{ { "", 0 }, { "*", 1 }, 0x1ff },
	{ { "", 0 }, { "user:*", 6 }, 0x007 },
	{ { "", 0 }, { "user:?", 6 }, 0x003 },
	{ { "", 0 }, { "*s", 2 }, 0x008 },
	{ { "", 0 }, { "user:[12]", 9 }, 0x003 },
	{ { "", 0 }, { "user:[!1]", 9 }, 0x002 },
	{ { "", 0 }, { "user:[^1]", 9 }, 0x002 },
	{ { "", 0 }, { "user:[0-9][0-9]", 15 }, 0x004 },
	{ { "", 0 }, { "a\\*b", 4 }, 0x020 },
	{ { "", 0 }, { "a?b", 3 }, 0x060 },
	{ { "", 0 }, { "\\[x\\]", 5 }, 0x080 },
	{ { "", 0 }, { "[[]x]", 5 }, 0x080 },
	{ { "", 0 }, { "\\\\", 2 }, 0x100 },
	{ { "", 0 }, { "item", 4 }, 0x010 },
	{ { "", 0 }, { "ite", 3 }, 0 },
	{ { "", 0 }, { "items", 5 }, 0 },
	{ { "", 0 }, { "?", 1 }, 0x100 },
	{ { "user", 4 }, { "", 0 }, 0x00f },
	{ { "user:", 5 }, { "*1*", 3 }, 0x005 },
	{ { "a*", 2 }, { "", 0 }, 0x020 },
	{ { "a*", 2 }, { "*", 1 }, 0x020 },
	{ { "[x", 2 }, { "", 0 }, 0x080 },
	{ { "user:1", 6 }, { "", 0 }, 0x005 },
	{ { "x", 1 }, { "user*", 5 }, 0 },
};

/* From one row to the next: a sweep has a few of them, so often. */
static size_t match_step(const struct evkv_conformance *c)
{
	return c->sweeping ? 6 : 1;
}

static void match_check_row(struct evkv_conformance *c, enum evkv_kind kind,
    size_t row)
{
	struct evkv_slice expected[16];
	size_t count = 0, i;

	for (i = 0; match_names[i][0] != '\0'; i++) {
		if ((match_rows[row].matching >> i & 1) != 0)
			expected[count++] = evkv_str(match_names[i]);
	}
	test_from(__FILE__, (int)(1000 + row)); /* line 1000 + row: the row */
	conformance_must_list(c,
	    &(struct evkv_request){ .kind = kind,
		.collection = kind == EVKV_OP_KEYS ? L("c") : L(""),
		.match.prefix = match_rows[row].prefix,
		.match.pattern = match_rows[row].pattern },
	    expected, count);
}

CASE(keys_match_prefix_and_pattern)
{
	size_t i;

	for (i = 0; match_names[i][0] != '\0'; i++)
		must_put(c, L("c"), evkv_str(match_names[i]), L("v"), 0);
	must_put(c, L("user:9"), L("user:9"), L("v"), 0);
	for (i = 0; i < sizeof(match_rows) / sizeof(match_rows[0]);
	     i += match_step(c))
		match_check_row(c, EVKV_OP_KEYS, i);
}

CASE(collections_match_prefix_and_pattern)
{
	size_t i;

	for (i = 0; match_names[i][0] != '\0'; i++)
		must_put(c, evkv_str(match_names[i]), L("k"), L("v"), 0);
	for (i = 0; i < sizeof(match_rows) / sizeof(match_rows[0]);
	     i += match_step(c))
		match_check_row(c, EVKV_OP_COLLECTIONS, i);
}

/* ---- Pages ------------------------------------------------------------ */

static void pages_check(struct evkv_conformance *c, enum evkv_kind kind,
    size_t limit, const char *head, size_t count)
{
	struct names names = conformance_list(c,
	    &(struct evkv_request){ .kind = kind,
		.match.limit = limit,
		.collection = kind == EVKV_OP_KEYS ? L("c") : L("") });
	size_t times, i;

	for (i = 0; i < count; i++) {
		times = names_count(&names, numbered(c, head, i));
		if (times == 0)
			fail_test("limit %zu: %s%04zu is missing", limit, head,
			    i);
		if ((c->can->flags & EVKV_STORE_ENUM_UNIQUE) != 0)
			check_int(times, 1);
	}
	if ((c->can->flags & EVKV_STORE_ENUM_UNIQUE) != 0)
		check_int(names.count, count);
}

CASE(keys_are_complete_at_any_page_size)
{
	static const size_t limits[] = { 1, 2, 3, 7, 50, 1000, 1000000, 0 };
	size_t count = conformance_size(c, 200), i;

	for (i = 0; i < count; i++)
		must_put(c, L("c"), numbered(c, "key", i), L("v"), 0);
	must_put(c, L("d"), L("other"), L("v"), 0);
	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		pages_check(c, EVKV_OP_KEYS, limits[i], "key", count);
}

CASE(collections_are_complete_at_any_page_size)
{
	static const size_t limits[] = { 1, 2, 7, 1000, 0 };
	size_t count = conformance_size(c, 100), i;

	for (i = 0; i < count; i++) {
		must_put(c, numbered(c, "name", i), L("1"), L("v"), 0);
		must_put(c, numbered(c, "name", i), L("2"), L("v"), 0);
	}
	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		pages_check(c, EVKV_OP_COLLECTIONS, limits[i], "name", count);
}

/* What is there throughout comes, though others come and go meanwhile. */
CASE(keys_are_complete_while_others_are_written)
{
	size_t count = conformance_size(c, 160), page = 0, seen, i, j;
	struct evkv_request request = {
		.kind = EVKV_OP_KEYS, .collection = L("c"), .match.limit = 5
	};
	unsigned char *times = conformance_alloc(c, count);
	struct answer *a;

	for (i = 0; i < count; i++) {
		must_put(c, L("c"), numbered(c, "stay", i), L("v"), 0);
		must_put(c, L("c"), numbered(c, "go", i), L("v"), 0);
	}
	do {
		a = conformance_do(c, &request);
		check_status(a->status, EVKV_OK);
		for (i = 0; i < a->count; i++) {
			for (j = 0; j < count; j++) {
				if (evkv_slice_equal(a->entries[i].name,
					numbered(c, "stay", j)))
					times[j]++;
			}
		}
		request.match.cursor = a->cursor;
		/* Grow and shrink the store between any two pages. */
		for (i = 0; i < 8 && page * 8 + i < 4 * count; i++)
			must_put(c, L("c"), numbered(c, "new", page * 8 + i),
			    L("v"), 0);
		if (page < count)
			(void)do_delete(c, L("c"), numbered(c, "go", page));
		/* Writing it again does not take it away either. */
		must_put(c, L("c"), numbered(c, "stay", page % count),
		    L("a longer value than before"), 0);
		check(++page < 100 * count);
	} while (request.match.cursor.size > 0);
	for (seen = 0, j = 0; j < count; j++) {
		seen += times[j] > 0;
		if ((c->can->flags & EVKV_STORE_ENUM_UNIQUE) != 0)
			check(times[j] <= 1);
	}
	check_int(seen, count);
}

CASE(deleting_what_each_page_names_empties_the_collection)
{
	size_t count = conformance_size(c, 64), rounds = 0, i;
	struct evkv_request request = {
		.kind = EVKV_OP_KEYS, .collection = L("c"), .match.limit = 7
	};
	struct answer *a;

	for (i = 0; i < count; i++)
		must_put(c, L("c"), numbered(c, "key", i), L("v"), 0);
	do {
		a = conformance_do(c, &request);
		check_status(a->status, EVKV_OK);
		for (i = 0; i < a->count; i++)
			(void)do_delete(c, L("c"), a->entries[i].name);
		request.match.cursor = a->cursor;
		check(++rounds < 1000);
	} while (request.match.cursor.size > 0);
	must_list_nothing(c, EVKV_OP_KEYS, L("c"), L(""), L(""));
}

/* ---- Cursors ---------------------------------------------------------- */

/* A cursor of `request`, which must have a second page. */
static struct evkv_slice cursor_of(struct evkv_conformance *c,
    const struct evkv_request *request)
{
	struct evkv_request page = *request;
	struct answer *a;

	a = conformance_do(c, &page);
	check_status(a->status, EVKV_OK);
	check(a->cursor.size > 0);
	return a->cursor;
}

static void cursor_must_be_refused(struct evkv_conformance *c,
    struct evkv_request request, struct evkv_slice cursor)
{
	struct answer *a;

	request.match.cursor = cursor;
	a = conformance_do(c, &request);
	check_status(a->status, EVKV_INVALID);
	if (faults_fired() == 0)
		check_contains(a->message, "cursor");
	check_int(a->count, 0);
	check_int(a->cursor.size, 0);
}

CASE(a_cursor_fits_only_its_own_query)
{
	struct evkv_request request = {
		.kind = EVKV_OP_KEYS, .collection = L("c"), .match.limit = 1
	};
	struct evkv_request other;
	struct evkv_slice cursor;
	size_t i;

	for (i = 0; i < 40; i++) {
		must_put(c, L("c"), numbered(c, "key", i), L("v"), 0);
		must_put(c, numbered(c, "name", i), L("k"), L("v"), 0);
	}
	cursor = cursor_of(c, &request);
	other = request;
	other.collection = L("d");
	cursor_must_be_refused(c, other, cursor);
	other = request;
	other.match.pattern = L("key*");
	cursor_must_be_refused(c, other, cursor);
	other = request;
	other.match.prefix = L("k");
	cursor_must_be_refused(c, other, cursor);
	other = (struct evkv_request){ .kind = EVKV_OP_COLLECTIONS,
		.match.limit = 1 };
	cursor_must_be_refused(c, other, cursor);
	cursor_must_be_refused(c, request, cursor_of(c, &other));
	/* Another limit is no other query. */
	request.match.limit = 3;
	request.match.cursor = cursor;
	check_status(conformance_do(c, &request)->status, EVKV_OK);
}

CASE(a_cursor_that_is_not_ours_is_invalid)
{
	struct evkv_request request = {
		.kind = EVKV_OP_KEYS, .collection = L("c"), .match.limit = 1
	};
	struct evkv_slice cursor, made_up;
	unsigned char *bytes;
	size_t i;

	for (i = 0; i < 40; i++)
		must_put(c, L("c"), numbered(c, "key", i), L("v"), 0);
	cursor = cursor_of(c, &request);
	cursor_must_be_refused(c, request, L("x"));
	cursor_must_be_refused(c, request, L("0"));
	cursor_must_be_refused(c, request, L("made up by somebody"));
	cursor_must_be_refused(c, request, evkv_bytes(cursor.data, 1));
	made_up = conformance_bytes(c, EVKV_CURSOR_MAX, 9);
	cursor_must_be_refused(c, request, made_up);
	made_up = conformance_bytes(c, EVKV_CURSOR_MAX + 1, 9);
	cursor_must_be_refused(c, request, made_up);
	bytes = conformance_alloc(c, cursor.size);
	memcpy(bytes, cursor.data, cursor.size);
	bytes[0] ^= 1;
	cursor_must_be_refused(c, request, evkv_bytes(bytes, cursor.size));
}

CASE(a_cursor_that_was_cut_or_altered_does_no_harm)
{
	struct evkv_request request = {
		.kind = EVKV_OP_KEYS, .collection = L("c"), .match.limit = 1
	};
	struct evkv_slice cursor;
	unsigned char *bytes;
	struct answer *a;
	size_t i;

	for (i = 0; i < 40; i++)
		must_put(c, L("c"), numbered(c, "key", i), L("v"), 0);
	cursor = cursor_of(c, &request);
	for (i = 1; i < cursor.size; i++) {
		request.match.cursor = evkv_bytes(cursor.data, i);
		a = conformance_do(c, &request);
		check(a->status == EVKV_INVALID || a->status == EVKV_OK);
	}
	for (i = 0; i < cursor.size; i++) {
		bytes = conformance_alloc(c, cursor.size);
		memcpy(bytes, cursor.data, cursor.size);
		bytes[i] = (unsigned char)~bytes[i];
		request.match.cursor = evkv_bytes(bytes, cursor.size);
		a = conformance_do(c, &request);
		check(a->status == EVKV_INVALID || a->status == EVKV_OK);
	}
	/* Only the names of this collection are ever given. */
	request.match.cursor = evkv_bytes(NULL, 0);
	pages_check(c, EVKV_OP_KEYS, 1, "key", 40);
}
