/* tests/stores/mongodb/id_test.c - _ids: text, one-to-one. */
#include "stores/mongodb/id.h"
#include "stores/mongodb/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/json.h"
#include "lib/test.h"

static const struct {
	struct evkv_slice collection, key, id;
} rows[] = {
	{ { "users", 5 }, { "123", 3 }, { "users:123", 9 } },
	{ { "", 0 }, { "a", 1 }, { ":a", 2 } },
	{ { "a:b", 3 }, { "c:d", 3 }, { "a%3Ab:c:d", 9 } },
	{ { "a%", 2 }, { "50%", 3 }, { "a%25:50%25", 10 } },
	{ { "c", 1 }, { "Zo\xc3\xab", 4 }, { "c:Zo\xc3\xab", 6 } },
	{ { "c", 1 }, { "\xff", 1 }, { "c:%FF", 5 } },
	{ { "\xc3", 1 }, { "\xab", 1 }, { "%C3:%AB", 7 } },
	{ { "c", 1 }, { "\0", 1 }, { "c:%00", 5 } },
	{ { "c", 1 }, { "\xed\xa0\x80", 3 }, { "c:%ED%A0%80", 11 } },
	{ { "c", 1 }, { "\xf0\x9f\x98\x80", 4 }, { "c:\xf0\x9f\x98\x80", 6 } },
};

EVKV_TEST(mongodb_id, names_become_text_and_come_back)
{
	char id[200], buffer[200];
	struct evkv_slice collection, key;
	size_t i, size;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size = evkv__mongodb_id_write(rows[i].collection, rows[i].key,
		    id);
		check_bytes(evkv_bytes(id, size), rows[i].id);
		check(evkv__mongodb_id_read(evkv_bytes(id, size), buffer,
		    &collection, &key));
		check_bytes(collection, rows[i].collection);
		check_bytes(key, rows[i].key);
	}
}

EVKV_TEST(mongodb_id, what_was_not_written_here_is_foreign)
{
	static const char *const foreign[] = { "", "a", "c:", "c:%", "c:%4",
		"c:%zz", "c:%41", "c:%ff", "c:%C3%AB", "a:b%3A", "%41:k",
		"c:\xff", "c:%3A" };
	struct evkv_slice collection, key;
	char buffer[64];

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		check(!evkv__mongodb_id_read(evkv_str(foreign[i]), buffer,
		    &collection, &key));
}

/* Bytes that are likely to be near each other. */
static size_t random_bytes(char *bytes, size_t most)
{
	static const unsigned char likely[] = { 'a', '%', ':', 0, 0xc3, 0xab,
		0xf0, 0x9f, 0x98, 0x80, 0xff, '2', '5' };
	size_t size = (size_t)rand() % most;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)likely[(size_t)rand() % sizeof(likely)];
	return size;
}

EVKV_TEST(mongodb_id, any_bytes_do)
{
	char names[2][8], ids[2][64], buffer[64], head[64];
	struct evkv_slice a, b, collection, key, beginning;
	size_t size, head_size;

	srand(1);
	for (int i = 0; i < 100000; i++) {
		a = evkv_bytes(names[0], random_bytes(names[0], 5));
		b = evkv_bytes(names[1], 1 + random_bytes(names[1] + 1, 5));
		names[1][0] = (char)rand();
		size = evkv__mongodb_id_write(a, b, ids[0]);
		check(evkv_utf8_check(evkv_bytes(ids[0], size)));
		check(memchr(ids[0], 0, size) == NULL);
		check(size <= mongodb_id_room(a, b));
		check(evkv__mongodb_id_read(evkv_bytes(ids[0], size), buffer,
		    &collection, &key));
		check_bytes(collection, a);
		check_bytes(key, b);
		/* What begins a key begins its _id. */
		beginning = evkv__mongodb_id_head(evkv_bytes(b.data,
		    (size_t)rand() % (b.size + 1)));
		head_size = evkv__mongodb_id_write(a, beginning, head);
		check(head_size <= size &&
		    memcmp(head, ids[0], head_size) == 0);
	}
}

/* Names of 0 to 24 bytes that stand as they are, but for one at any place. */
EVKV_TEST(mongodb_id, a_byte_to_be_escaped_is_found_at_any_place)
{
	static const char special[] = { '%', ':', '\0', '\xff', '\x80',
		'\x7f' };
	static const char *const written[][2] = { { "%25", "%25" },
		{ "%3A", ":" }, { "%00", "%00" }, { "%FF", "%FF" },
		{ "%80", "%80" }, { "\x7f", "\x7f" } };
	char name[25], id[200], expected[200];
	size_t at, size, s, id_size;

	for (s = 0; s < sizeof(special); s++) {
		for (size = 1; size < sizeof(name); size++) {
			for (at = 0; at < size; at++) {
				memset(name, 'n', sizeof(name));
				name[at] = special[s];
				id_size = evkv__mongodb_id_write(
				    evkv_bytes(name, size),
				    evkv_bytes(name, size), id);
				memset(name, 'n', sizeof(name));
				snprintf(expected, sizeof(expected),
				    "%.*s%s%.*s:%.*s%s%.*s", (int)at, name,
				    written[s][0], (int)(size - at - 1), name,
				    (int)at, name, written[s][1],
				    (int)(size - at - 1), name);
				check_bytes(evkv_bytes(id, id_size),
				    evkv_str(expected));
			}
		}
	}
}

static void scrubbed(const char *text, const char *secret, const char *expected)
{
	char room[100];

	snprintf(room, sizeof(room), "%s", text);
	evkv__mongodb_scrub(room, secret);
	check_str(room, expected);
}

/* Wherever it stands and however long it is, and nothing else. */
EVKV_TEST(mongodb_id, messages_do_not_tell_the_secret)
{
	scrubbed("no such user ann:s3cret@h", "s3cret",
	    "no such user ann:***@h");
	scrubbed("s3cret", "s3cret", "***");
	scrubbed("s3crets3cret and s3cret", "s3cret", "****** and ***");
	scrubbed("a long secret: 0123456789abcdef.", "0123456789abcdef",
	    "a long secret: ***.");
	scrubbed("pw, pw", "pw", "**, **");
	scrubbed("abc abc", "abc", "*** ***");
	scrubbed("x of x", "x", "* of *");
	scrubbed("nothing", "s3cret", "nothing");
	scrubbed("nothing", "", "nothing");
	scrubbed("nothing", NULL, "nothing");
}

static struct mongodb_document read_as(bson_t *bson)
{
	struct mongodb_document document;

	check(evkv__mongodb_document_read(mongodb_bson_bytes(bson), &document));
	return document;
}

/* Each member counts only where it is of its own type and size. */
EVKV_TEST(mongodb_id, members_of_other_types_do_not_count)
{
	static const uint8_t bytes[17] = { 1, 2, 3 };
	struct mongodb_document document;
	bson_t ours = BSON_INITIALIZER, other = BSON_INITIALIZER;
	bson_t none = BSON_INITIALIZER, inner = BSON_INITIALIZER;

	BSON_APPEND_UTF8(&ours, "_id", "c:k");
	BSON_APPEND_BINARY(&ours, "value", BSON_SUBTYPE_BINARY, bytes, 3);
	BSON_APPEND_BINARY(&ours, "version", BSON_SUBTYPE_BINARY, bytes, 16);
	BSON_APPEND_DATE_TIME(&ours, "expires_at", 0);
	document = read_as(&ours);
	check_slice(document.id, "c:k");
	check(document.ours && document.has_value && !document.is_json);
	check_bytes(document.value, evkv_bytes(bytes, 3));
	check_int(document.expires_ms, 1);
	check_bytes(evkv_bytes(document.version.bytes, 16),
	    evkv_bytes(bytes, 16));

	BSON_APPEND_INT32(&other, "_id", 7);
	BSON_APPEND_UTF8(&other, "version", "0123456789abcdef");
	BSON_APPEND_INT64(&other, "expires_at", 5);
	BSON_APPEND_UTF8(&other, "value", "text");
	document = read_as(&other);
	check(document.id.data == NULL);
	check(!document.ours && !document.has_value && !document.is_json);
	check_int(document.value.size, 0);
	check_int(document.expires_ms, 0);

	BSON_APPEND_UTF8(&none, "_id", "c:k");
	BSON_APPEND_BINARY(&none, "version", BSON_SUBTYPE_BINARY, bytes, 17);
	BSON_APPEND_DOCUMENT(&none, "value", &inner);
	document = read_as(&none);
	check(!document.ours && document.has_value && document.is_json);
	bson_destroy(&ours);
	bson_destroy(&other);
	bson_destroy(&none);
	bson_destroy(&inner);
}
