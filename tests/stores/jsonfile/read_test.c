/*
 * Files that people write: what is taken, and where it is said to be wrong.
 */
#include <stdio.h>
#include <string.h>

#include "lib/test.h"
#include "stores/jsonfile/table.h"

static void check_wrong(const char *text, const char *message)
{
	struct jsonfile_table table = { 0 };
	struct file_failure failure;
	char expected[200];

	check(!evkv__jsonfile_read(evkv_str(text), "f", &table, &failure));
	check_status(failure.status, EVKV_CORRUPT);
	snprintf(expected, sizeof(expected), "f: %s", message);
	check_str(failure.message, expected);
	check_int(table.count, 0);
}

EVKV_TEST(unit_jsonfile_read, what_is_no_json_is_told_with_its_place)
{
	check_wrong("", "line 1, column 1: the document ends too early");
	check_wrong("{\n  \"c\": {\n    \"k\": 1,\n  }\n}\n",
	    "line 4, column 3: a member's name was expected");
	check_wrong("{\"c\": {\"k\": 'x'}}",
	    "line 1, column 13: a value was expected");
	check_wrong("{\"\xc3\xa9\xc3\xa9\": x}",
	    "line 1, column 8: a value was expected");
	check_wrong("{\"c\": {\"k\": 1}} x",
	    "line 1, column 17: more text after the document");
	check_wrong("{\"c\": {\"k\": \"\xff\"}}",
	    "line 1, column 13: invalid UTF-8");
	check_wrong("{\"c\": {\"k\": 01}}",
	    "line 1, column 13: not a number as JSON has it");
	check_wrong("\xef\xbb{}", "line 1, column 1: a value was expected");
}

EVKV_TEST(unit_jsonfile_read, what_has_another_form_is_told_with_its_place)
{
	check_wrong("[]",
	    "line 1, column 1: an object of collections was expected");
	check_wrong("1",
	    "line 1, column 1: an object of collections was expected");
	check_wrong("{\n \"c\": 1}",
	    "line 2, column 7: a collection must be an object of keys and "
	    "values");
	check_wrong("{\"c\": {\"\": 1}}",
	    "line 1, column 8: a key that is empty or has more than 65535 "
	    "bytes");
	check_wrong("{\"$schema\": {}}",
	    "line 1, column 2: a name with a '$' that means nothing here");
	check_wrong("{\"c\": {\"$k\": 1}}",
	    "line 1, column 8: a name with a '$' that means nothing here");
	check_wrong("{\"c\": {\"k\": {\"$base64\": \"AP8\"}}}",
	    "line 1, column 13: \"$base64\" must be the only member, and hold "
	    "base64");
	check_wrong("{\"c\": {\"k\": {\"$base64\": \"AA==AA==\"}}}",
	    "line 1, column 13: \"$base64\" must be the only member, and hold "
	    "base64");
	check_wrong("{\"c\": {\"k\": {\"\\u0024base64\": \"\", \"b\": 1}}}",
	    "line 1, column 13: \"$base64\" must be the only member, and hold "
	    "base64");
	check_wrong("{\"$expires\": {\"c\": {\"k\": 5}}}",
	    "line 1, column 26: a time must be a string");
	check_wrong("{\"$expires\": {\"c\": {\"k\": \"tomorrow\"}}}",
	    "line 1, column 26: a time must be like \"2030-12-31T23:59:59Z\"");
	check_wrong("{\"$expires\": []}",
	    "line 1, column 14: an object of collections was expected");
}

EVKV_TEST(unit_jsonfile_read, what_stands_twice_is_told_with_its_place)
{
	check_wrong("{\"c\": {\"k\": 1,\n\"k\": 2}}",
	    "line 2, column 1: a key, or its collection, is there a second "
	    "time");
	check_wrong("{\"c\": {\"\\u006b\": 1, \"k\": 2}}",
	    "line 1, column 21: a key, or its collection, is there a second "
	    "time");
	check_wrong("{\"c\": {\"a\": 1},\n\"c\": {\"b\": 2}}",
	    "line 2, column 1: a key, or its collection, is there a second "
	    "time");
	check_wrong("{\"c\": {},\n\"\\u0063\": {}}",
	    "line 2, column 1: a key, or its collection, is there a second "
	    "time");
	check_wrong("{\"c\": {\"$base64:YQ==\": 1, \"a\": 2}}",
	    "line 1, column 27: a key, or its collection, is there a second "
	    "time");
}

#define TIME "\"2030-01-02T03:04:05Z\""

/* Which of the two would count nobody can see. */
EVKV_TEST(unit_jsonfile_read, expiries_that_stand_twice_are_told)
{
	check_wrong("{\"$expires\": {\"c\": {\"k\": " TIME
		    ",\n\"\\u006b\": " TIME "}}}",
	    "line 2, column 1: a key, or its collection, is there a second "
	    "time");
	check_wrong("{\"$expires\": {\"c\": {\"k\": " TIME "},\n\"c\": {}}}",
	    "line 2, column 1: a key, or its collection, is there a second "
	    "time");
	check_wrong("{\"$expires\": {}, \"c\": {},\n\"\\u0024expires\": {}}",
	    "line 2, column 1: a key, or its collection, is there a second "
	    "time");
}

/* It is no JSON; but nobody sees it, so it is named. */
EVKV_TEST(unit_jsonfile_read, a_byte_order_mark_is_told)
{
	check_wrong("\xef\xbb\xbf{}",
	    "line 1, column 1: a byte order mark, which JSON has not");
	check_wrong("\xef\xbb\xbf",
	    "line 1, column 1: a byte order mark, which JSON has not");
}

static void check_rewritten(const char *text, const char *expected)
{
	struct jsonfile_table table = { 0 };
	struct evkv_json_writer writer;
	struct file_failure failure;

	if (!evkv__jsonfile_read(evkv_str(text), "f", &table, &failure))
		fail_test("%s", failure.message);
	check(evkv__jsonfile_write(&table, &writer));
	check_bytes(evkv_bytes(writer.data, writer.size), evkv_str(expected));
	evkv_json_writer_clear(&writer);
	evkv__jsonfile_clear(&table);
}

/* Sorted, a line for each, and values as they stood. */
EVKV_TEST(unit_jsonfile_read, a_file_is_written_sorted_with_its_values_kept)
{
	check_rewritten("{}", "{\n}\n");
	check_rewritten("{\"empty\": {}}", "{\n}\n");
	check_rewritten("\t{ \"b\":{\"y\" : [1,  2],\"x\":\"\\u0041\"},"
			"\"a\":{\"k\":{\"$base64\" :  \"aGk=\"}}}\r\n",
	    "{\n"
	    "  \"a\": {\n"
	    "    \"k\": {\"$base64\" :  \"aGk=\"}\n"
	    "  },\n"
	    "  \"b\": {\n"
	    "    \"x\": \"\\u0041\",\n"
	    "    \"y\": [1,  2]\n"
	    "  }\n"
	    "}\n");
}

/* Wherever they stand; those of nothing are dropped. */
EVKV_TEST(unit_jsonfile_read, expiries_stand_beside)
{
	check_rewritten(
	    "{\"$expires\": {\"c\": {\"k\": \"2030-01-02T03:04:05Z\", "
	    "\"gone\": \"2030-01-01T00:00:00Z\"}, \"d\": {}}, "
	    "\"c\": {\"k\": 1, \"l\": 2}, \"e\": {\"m\": 3}}",
	    "{\n"
	    "  \"c\": {\n"
	    "    \"k\": 1,\n"
	    "    \"l\": 2\n"
	    "  },\n"
	    "  \"e\": {\n"
	    "    \"m\": 3\n"
	    "  },\n"
	    "  \"$expires\": {\n"
	    "    \"c\": {\n"
	    "      \"k\": \"2030-01-02T03:04:05.000Z\"\n"
	    "    }\n"
	    "  }\n"
	    "}\n");
}
