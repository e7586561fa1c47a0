/*
 * Values, names and times, as they stand in a file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/pick.h"
#include "lib/test.h"
#include "stores/jsonfile/table.h"

/* The value stands as that text, and comes back. */
static void check_stands(struct evkv_slice value, struct evkv_slice text)
{
	struct jsonfile_entry entry = { .expires_ms = 0 };
	struct evkv_json_writer writer;
	struct evkv_value *back;
	enum jsonfile_form form;

	check(evkv__jsonfile_write_value(value, &writer, &entry.form));
	entry.text = evkv_bytes(writer.data, writer.size);
	if (text.size > 0)
		check_bytes(entry.text, text);
	check(evkv__jsonfile_form(entry.text, &form));
	check_int(form, entry.form);
	back = evkv__jsonfile_read_value(&entry);
	check_bytes(evkv_value_bytes(back), value);
	evkv_value_unref(back);
	evkv_json_writer_clear(&writer);
}

#define STANDS(value_, text_) check_stands(EVKV_LIT(value_), EVKV_LIT(text_))

EVKV_TEST(unit_jsonfile_form, json_text_stands_as_it_is)
{
	STANDS("42", "42");
	STANDS("-0", "-0");
	STANDS("1.50e+3", "1.50e+3");
	STANDS("12345678901234567890123", "12345678901234567890123");
	STANDS("true", "true");
	STANDS("null", "null");
	STANDS("{}", "{}");
	STANDS("[]", "[]");
	STANDS("{ \"a\" :\n\t1 }", "{ \"a\" :\n\t1 }");
	STANDS("{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}");
	STANDS("[\"\\u0041\\/\"]", "[\"\\u0041\\/\"]");
	STANDS("{\"x\":{\"$base64\":\"AP8=\"}}",
	    "{\"x\":{\"$base64\":\"AP8=\"}}");
}

EVKV_TEST(unit_jsonfile_form, other_text_is_a_string)
{
	STANDS("", "\"\"");
	STANDS("Ada", "\"Ada\"");
	STANDS("True", "\"True\"");
	STANDS("01", "\"01\"");
	STANDS("+1", "\"+1\"");
	STANDS("42 ", "\"42 \"");
	STANDS("\n42", "\"\\n42\"");
	STANDS("{\"a\":1", "\"{\\\"a\\\":1\"");
	STANDS("1 2", "\"1 2\"");
	STANDS("\xc3\xa9", "\"\xc3\xa9\"");
	STANDS("a\0b", "\"a\\u0000b\"");
	/* A string of JSON is text with quotes. */
	STANDS("\"Ada\"", "\"\\\"Ada\\\"\"");
	STANDS("\"\"", "\"\\\"\\\"\"");
	/* What looks like bytes is not. */
	STANDS("{\"$base64\":\"AP8=\"}", "\"{\\\"$base64\\\":\\\"AP8=\\\"}\"");
	STANDS("{\"$base64\":1}", "\"{\\\"$base64\\\":1}\"");
	STANDS("{ \"\\u0024base64\" : [] }",
	    "\"{ \\\"\\\\u0024base64\\\" : [] }\"");
}

EVKV_TEST(unit_jsonfile_form, other_bytes_are_base64)
{
	STANDS("\xff", "{\"$base64\":\"/w==\"}");
	STANDS("\0\xff", "{\"$base64\":\"AP8=\"}");
	STANDS("\xc3", "{\"$base64\":\"ww==\"}");
	STANDS("\xed\xa0\x80", "{\"$base64\":\"7aCA\"}");
}

/* However the mark is spelled, and however long a name is that is none. */
EVKV_TEST(unit_jsonfile_form, first_names_of_any_length)
{
	static const char mark[] =
	    "{\"\\u0024\\u0062\\u0061\\u0073\\u0065\\u0036\\u0034\":1}";
	enum jsonfile_form form;
	char text[2000];
	int size, i;

	STANDS("{ \"$base64x\":1}", "{ \"$base64x\":1}");
	STANDS("{ \"$base6\":1}", "{ \"$base6\":1}");
	check(!evkv__jsonfile_form(evkv_str(mark), &form));
	for (size = 1; size < 1900; size += size < 100 ? 1 : 100) {
		i = snprintf(text, sizeof(text), "{\"");
		memset(text + i, '$', (size_t)size);
		strcpy(text + i + size, "\":1}");
		check_stands(evkv_str(text), evkv_str(text));
	}
}

/* What is nested too deeply for a file, with the two levels that it adds. */
EVKV_TEST(unit_jsonfile_form, what_is_too_deep_is_a_string)
{
	char text[200];
	int depth;

	for (depth = 60; depth < 70; depth++) {
		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		text[2 * depth] = '\0';
		check_stands(evkv_str(text),
		    depth <= 62 ? evkv_str(text) : EVKV_LIT(""));
	}
}

EVKV_TEST(unit_jsonfile_form, whatever_is_put_comes_back)
{
	static const char *const parts[] = { "{", "}", "\"", "$base64", ":",
		"[", "]", ",", "1", "-", " ", "\\", "u0024", "\n", "\xff",
		"\xc3\xa9", "true", "AP8=", "e", "." };
	uint64_t random = 7;
	char text[200];
	int i, count;

	for (i = 0; i < 20000; i++) {
		text[0] = '\0';
		for (count = (int)pick_below(&random, 9); count > 0; count--)
			strcat(text, parts[pick_below(&random, 20)]);
		check_stands(evkv_str(text), EVKV_LIT(""));
	}
}

/* ---- Names --------------------------------------------------------------- */

static void check_name(struct evkv_slice name, const char *member)
{
	struct evkv_json_writer writer = { .size = 0 };
	struct evkv_json_reader reader;
	struct evkv_json_token token;
	char text[300], whole[300];
	struct evkv_slice back;

	evkv__jsonfile_write_name(&writer, name);
	check(!writer.failed);
	if (member != NULL)
		check_bytes(evkv_bytes(writer.data, writer.size),
		    evkv_str(member));
	snprintf(whole, sizeof(whole), "{%.*s1}", (int)writer.size,
	    writer.data);
	evkv_json_reader_init(&reader, NULL);
	evkv_json_feed(&reader, evkv_str(whole), true);
	check_int(evkv_json_next(&reader, &token), EVKV_JSON_OBJECT);
	check_int(evkv_json_next(&reader, &token), EVKV_JSON_NAME);
	back = evkv_bytes(text, evkv_json_unescape(&token, text));
	check(evkv__jsonfile_read_name(back, text, &back));
	check_bytes(back, name);
	evkv_json_reader_clear(&reader);
	evkv_json_writer_clear(&writer);
}

EVKV_TEST(unit_jsonfile_form, every_name_can_be_a_member)
{
	check_name(EVKV_LIT("ada"), "\"ada\":");
	check_name(EVKV_LIT(""), "\"\":");
	check_name(EVKV_LIT("a\"b\\\n"), "\"a\\\"b\\\\\\n\":");
	check_name(EVKV_LIT("\xe2\x82\xac"), "\"\xe2\x82\xac\":");
	check_name(EVKV_LIT("\xff"), "\"$base64:/w==\":");
	check_name(EVKV_LIT("$\xff"), "\"$base64:JP8=\":");
	check_name(EVKV_LIT("$HOME"), "\"$$HOME\":");
	check_name(EVKV_LIT("$$"), "\"$$$\":");
	check_name(EVKV_LIT("$expires"), "\"$$expires\":");
	check_name(EVKV_LIT("$base64:/w=="), "\"$$base64:/w==\":");
	check_name(EVKV_LIT("\0"), "\"\\u0000\":");
}

EVKV_TEST(unit_jsonfile_form, a_dollar_that_means_nothing_is_refused)
{
	static const char *const names[] = { "$", "$x", "$schema", "$base64",
		"$base64:*", "$base64:/w=", "$base64:/x==" };
	struct evkv_slice name;
	char bytes[100];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		check(!evkv__jsonfile_read_name(evkv_str(names[i]), bytes,
		    &name));
}

/* ---- Times --------------------------------------------------------------- */

EVKV_TEST(unit_jsonfile_form, times_are_those_of_iso_8601)
{
	static const char *const wrong[] = { "", "2026-11-28",
		"2026-11-28T08:24:28", "2026-11-28 08:24:28Z",
		"2026-11-28T08:24:28+01:00", "2026-02-30T08:24:28Z",
		"2026-13-01T08:24:28Z", "2026-11-28T24:00:00Z",
		"2026-11-28T08:60:00Z", "2026-11-28T08:24:61Z",
		"2026-11-28T08:24:28.1Z", "2026-11-28T08:24:28.12xZ",
		"1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z",
		"-026-11-28T08:24:28Z", "2026-11-28T08:24:28z" };
	char text[JSONFILE_TIME_ROOM];
	int64_t ms;
	size_t i;

	check(evkv__jsonfile_read_time(EVKV_LIT("2026-11-28T08:24:28Z"), &ms));
	check_int(ms, INT64_C(1795854268000));
	check(evkv__jsonfile_read_time(EVKV_LIT("2028-02-29T23:59:59.999Z"),
	    &ms));
	evkv__jsonfile_write_time(ms, text);
	check_str(text, "2028-02-29T23:59:59.999Z");
	evkv__jsonfile_write_time(1, text);
	check(evkv__jsonfile_read_time(evkv_str(text), &ms));
	check_int(ms, 1);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (evkv__jsonfile_read_time(evkv_str(wrong[i]), &ms))
			fail_test("%s is taken", wrong[i]);
	}
}
