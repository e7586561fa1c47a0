/*
 * tests/base/json_test.c - the reader and the writer of JSON.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/json.h"
#include "faults.h"
#include "test.h"

/* ---- Reading ------------------------------------------------------------- */

/* All tokens as one text, or "!why@offset", of a document fed in pieces. */
static void read_pieces(struct evkv_slice document, size_t piece,
    const struct evkv_json_limits *limits, char *out, size_t room)
{
	static const char *const marks[] = { "{", "}", "[", "]",
		"n:", "s:", "#", "true", "false", "null", "s:" };
	bool inside = false;
	struct evkv_json_reader reader;
	struct evkv_json_token token;
	enum evkv_json_kind kind = EVKV_JSON_MORE;
	size_t at = 0, size, n = 0;
	char text[4096];

	evkv_json_reader_init(&reader, limits);
	out[0] = '\0';
	while (kind != EVKV_JSON_END && kind != EVKV_JSON_ERROR) {
		if (kind == EVKV_JSON_MORE) {
			size = document.size - at < piece ? document.size - at
							  : piece;
			evkv_json_feed(&reader,
			    evkv_bytes((const char *)document.data + at, size),
			    at + size == document.size);
			at += size;
		}
		kind = evkv_json_next(&reader, &token);
		if (kind >= EVKV_JSON_MORE)
			continue;
		size = 0;
		if (kind == EVKV_JSON_NAME || kind == EVKV_JSON_STRING ||
		    kind == EVKV_JSON_PART)
			size = evkv_json_unescape(&token, text);
		else if (kind == EVKV_JSON_NUMBER)
			memcpy(text, token.text.data, size = token.text.size);
		check(kind != EVKV_JSON_PART ||
		    evkv_utf8_check(evkv_bytes(text, size)));
		n += (size_t)snprintf(out + n, room - n, "%s%.*s%s",
		    inside ? "" : marks[kind], (int)size, text,
		    kind == EVKV_JSON_PART ? "" : " ");
		inside = kind == EVKV_JSON_PART;
		check(n < room);
	}
	if (kind == EVKV_JSON_ERROR)
		snprintf(out + n, room - n, "!%s@%d", reader.why,
		    (int)reader.offset);
	check_int(evkv_json_next(&reader, &token), kind);
	evkv_json_reader_clear(&reader);
}

/* However the document is cut, the same comes out. */
static void reads_as(struct evkv_slice document, const char *expected)
{
	char out[8192];
	size_t piece;

	for (piece = 1; piece <= document.size + 1; piece++) {
		read_pieces(document, piece, NULL, out, sizeof(out));
		check_str(out, expected);
		/* What is wrong may be found after a part was given. */
		if (strchr(expected, '!') != NULL)
			continue;
		read_pieces(document, piece,
		    &(struct evkv_json_limits){ .parts = true }, out,
		    sizeof(out));
		check_str(out, expected);
	}
}

#define READS(text_, expected_) reads_as(EVKV_LIT(text_), (expected_))

EVKV_TEST(base_json, reads_tokens_however_they_are_cut)
{
	READS("{}", "{ } ");
	READS(" [ ] ", "[ ] ");
	READS("{\"a\":1,\"b\":[true,false,null],\"c\":{\"d\":\"x\"}}",
	    "{ n:a #1 n:b [ true false null ] n:c { n:d s:x } } ");
	READS("\t\"x\"\r\n", "s:x ");
	READS("12", "#12 ");
	READS("-0.5e+10", "#-0.5e+10 ");
	READS("[1,2.5,-3E-2,0]", "[ #1 #2.5 #-3E-2 #0 ] ");
	READS("\"a\\\"b\\\\c\\/d\\n\"", "s:a\"b\\c/d\n ");
	READS("\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"",
	    "s:A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 ");
	READS("\"\xc3\xa9\xf4\x8f\xbf\xbf\"", "s:\xc3\xa9\xf4\x8f\xbf\xbf ");
	READS("{\"\":\"\"}", "{ n: s: } ");
}

/* The reader looks at strings eight bytes at a time. */
EVKV_TEST(base_json, special_bytes_at_every_place_of_a_string)
{
	static const char plain[] = "\"0123456789 !#[]^~\x7f 0123\"";
	char text[64], expected[64], out[128];
	size_t size = sizeof(plain) - 1, at;

	for (at = 1; at < size - 1; at++) {
		memcpy(text, plain, size + 1);
		text[at] = '\x1f';
		snprintf(expected, sizeof(expected),
		    "!a control character in a string@%zu", at);
		reads_as(evkv_bytes(text, size), expected);
		text[at] = '\xff';
		reads_as(evkv_bytes(text, size), "!invalid UTF-8@0");
		text[at] = '"';
		read_pieces(evkv_bytes(text, at + 1), size, NULL, out,
		    sizeof(out));
		snprintf(expected, sizeof(expected), "s:%.*s ", (int)at - 1,
		    plain + 1);
		check_str(out, expected);
		/* An escaped quote, and one that ends the string, behind. */
		snprintf(text, sizeof(text), "%.*s\\\"%s", (int)at, plain,
		    plain + at);
		snprintf(expected, sizeof(expected), "s:%.*s\"%.*s ",
		    (int)at - 1, plain + 1, (int)(size - 1 - at), plain + at);
		reads_as(evkv_str(text), expected);
	}
}

EVKV_TEST(base_json, refuses_what_is_not_json)
{
	READS("", "!the document ends too early@0");
	READS("  ", "!the document ends too early@2");
	READS("[1,]", "[ #1 !a value was expected@3");
	READS("[1 2]", "[ #1 !a ',' or a ']' was expected@3");
	READS("{\"a\" 1}", "{ n:a !a ':' was expected@5");
	READS("{\"a\":1,}", "{ n:a #1 !a member's name was expected@7");
	READS("{a:1}", "{ !a member's name was expected@1");
	READS("[1}", "[ #1 !a ',' or a ']' was expected@2");
	READS("[", "[ !the document ends too early@1");
	READS("1 2", "#1 !more text after the document@2");
	READS("{}x", "{ } !more text after the document@2");
	READS("nul", "!a value was expected@0");
	READS("NaN", "!a value was expected@0");
	READS("'a'", "!a value was expected@0");
	READS("01", "!not a number as JSON has it@0");
	READS("-", "!not a number as JSON has it@0");
	READS("1.", "!not a number as JSON has it@0");
	READS("1e", "!not a number as JSON has it@0");
	READS("1x", "!not a number as JSON has it@0");
	READS(".5", "!a value was expected@0");
	READS("+1", "!a value was expected@0");
	READS("\"abc", "!a string without its end@0");
	READS("\"\\x\"", "!an escape sequence that JSON does not have@0");
	READS("\"\\u12g4\"", "!an escape sequence that JSON does not have@0");
	READS("\"\\ud800\"", "!an escape sequence that JSON does not have@0");
	READS("\"\\udc00\"", "!an escape sequence that JSON does not have@0");
	READS("\"\\ud800\\u0041\"",
	    "!an escape sequence that JSON does not have@0");
	READS("\"a\nb\"", "!a control character in a string@2");
	READS("\"\xff\"", "!invalid UTF-8@0");
	READS("\"\xc0\x80\"", "!invalid UTF-8@0");
	READS("\"\xed\xa0\x80\"", "!invalid UTF-8@0");
	READS("\"\xf4\x90\x80\x80\"", "!invalid UTF-8@0");
	READS("\"\xe2\x82\"", "!invalid UTF-8@0");
	reads_as(evkv_bytes("\"\0\"", 3), "!a control character in a string@1");
}

EVKV_TEST(base_json, depth_and_length_are_bounded)
{
	const struct evkv_json_limits limits = { .max_depth = 3,
		.max_token = 4 };
	char out[512], deep[200];
	size_t piece;

	memset(deep, '[', sizeof(deep));
	read_pieces(evkv_bytes(deep, sizeof(deep)), 200, NULL, out,
	    sizeof(out));
	check_contains(out, "!nested too deeply@32");
	for (piece = 1; piece < 8; piece++) {
		read_pieces(EVKV_LIT("[[[]]]"), piece, &limits, out,
		    sizeof(out));
		check_str(out, "[ [ [ ] ] ] ");
		read_pieces(EVKV_LIT("[[[[]]]]"), piece, &limits, out,
		    sizeof(out));
		check_str(out, "[ [ [ !nested too deeply@3");
		read_pieces(EVKV_LIT("[\"abcd\",1234]"), piece, &limits, out,
		    sizeof(out));
		check_str(out, "[ s:abcd #1234 ] ");
		read_pieces(EVKV_LIT("[\"abcde\"]"), piece, &limits, out,
		    sizeof(out));
		check_str(out, "[ !a string or a number that is too long@1");
	}
}

EVKV_TEST(base_json, out_of_memory_is_an_error_of_its_own)
{
	char out[64];

	faults_fail_from(1);
	read_pieces(EVKV_LIT("\"abc\""), 2, NULL, out, sizeof(out));
	faults_off();
	check_str(out, "!out of memory@0");
}

EVKV_TEST(base_json, numbers_keep_every_digit)
{
	uint64_t u = 0;
	int64_t i = 0;
	double d = 0;

	check(evkv_json_uint(EVKV_LIT("18446744073709551615"), &u));
	check(u == UINT64_MAX);
	check(!evkv_json_uint(EVKV_LIT("18446744073709551616"), &u));
	check(!evkv_json_uint(EVKV_LIT("-1"), &u));
	check(!evkv_json_uint(EVKV_LIT("1.0"), &u));
	check(!evkv_json_uint(EVKV_LIT(""), &u));
	check(evkv_json_int(EVKV_LIT("-9223372036854775808"), &i));
	check(i == INT64_MIN);
	check(evkv_json_int(EVKV_LIT("9223372036854775807"), &i));
	check(i == INT64_MAX);
	check(!evkv_json_int(EVKV_LIT("9223372036854775808"), &i));
	check(!evkv_json_int(EVKV_LIT("-9223372036854775809"), &i));
	check(!evkv_json_int(EVKV_LIT("1e3"), &i));
	check(evkv_json_double(EVKV_LIT("0.1"), &d) && d == 0.1);
	check(evkv_json_double(EVKV_LIT("1e308"), &d) && d == 1e308);
	check(!evkv_json_double(EVKV_LIT("1e309"), &d));
}

/* Long ones are copied into memory of their own, or are none. */
EVKV_TEST(base_json, numbers_of_every_length)
{
	char digits[200] = "0.1";
	char *copy;
	double d;
	size_t size;

	memset(digits + 3, '0', sizeof(digits) - 3);
	for (size = 3; size < sizeof(digits); size++) {
		copy = malloc(size);
		memcpy(copy, digits, size);
		d = 0;
		check(evkv_json_double(evkv_bytes(copy, size), &d) && d == 0.1);
		faults_fail_nth(1);
		check_int(evkv_json_double(evkv_bytes(copy, size), &d),
		    size < 64);
		faults_off();
		free(copy);
	}
}

/* How a document ends that is fed in pieces, with strings in parts. */
static void ends_in_parts(struct evkv_slice document, size_t piece,
    const char *why)
{
	char out[8192];
	const char *end;

	read_pieces(document, piece,
	    &(struct evkv_json_limits){ .parts = true, .max_token = 4 }, out,
	    sizeof(out));
	end = strrchr(out, '!');
	if (why == NULL)
		check(end == NULL);
	else
		check_contains(end != NULL ? end : "", why);
}

EVKV_TEST(base_json, what_is_wrong_in_parts_of_strings)
{
	for (size_t piece = 1; piece < 20; piece++) {
		ends_in_parts(EVKV_LIT("\"abcdefgh\""), piece, NULL);
		ends_in_parts(EVKV_LIT("\"ab\xff"
				       "cdefghijklmnopqrstuvw\""),
		    piece, "invalid UTF-8");
		ends_in_parts(EVKV_LIT("\"ab\\xcdefghijklmnopqrstuvw\""), piece,
		    "");
		ends_in_parts(EVKV_LIT("\"\\ud83d"), piece, "without its end");
		ends_in_parts(EVKV_LIT("\"abc"), piece, "without its end");
		ends_in_parts(EVKV_LIT("{\"abcdef\":1}"), piece, "too long");
		ends_in_parts(EVKV_LIT("[123456]"), piece, "too long");
	}
}

/* ---- Writing ------------------------------------------------------------- */

EVKV_TEST(base_json, writes_what_it_reads)
{
	struct evkv_json_writer w = { .data = NULL };

	evkv_json_put_object(&w);
	evkv_json_put_name(&w, EVKV_LIT("a\"b"));
	evkv_json_put_array(&w);
	evkv_json_put_int(&w, INT64_MIN);
	evkv_json_put_uint(&w, UINT64_MAX);
	evkv_json_put_double(&w, 0.1);
	evkv_json_put_bool(&w, true);
	evkv_json_put_null(&w);
	evkv_json_put_array(&w);
	evkv_json_put_array_end(&w);
	evkv_json_put_array_end(&w);
	evkv_json_put_name(&w, EVKV_LIT("c"));
	evkv_json_put_string(&w, EVKV_LIT("\x01\n\xe2\x82\xac"));
	evkv_json_put_name(&w, EVKV_LIT("d"));
	evkv_json_put_raw(&w, EVKV_LIT("{\"e\":1.50}"));
	evkv_json_put_object_end(&w);
	check(!w.failed);
	check_bytes(evkv_bytes(w.data, w.size),
	    EVKV_LIT("{\"a\\\"b\":[-9223372036854775808,18446744073709551615,"
		     "0.1,true,null,[]],\"c\":\"\\u0001\\n\xe2\x82\xac\","
		     "\"d\":{\"e\":1.50}}"));
	evkv_json_writer_clear(&w);

	evkv_json_put_string(&w, EVKV_LIT("\xff"));
	check(w.failed);
	evkv_json_writer_clear(&w);
	evkv_json_put_double(&w, NAN);
	check(w.failed);
	evkv_json_writer_clear(&w);
	evkv_json_put_double(&w, (double)INFINITY);
	check(w.failed);
	evkv_json_writer_clear(&w);
	faults_fail_from(1);
	evkv_json_put_int(&w, 1);
	faults_off();
	check(w.failed);
	evkv_json_writer_clear(&w);
}

/* Of any length, with what comes before and behind it. */
EVKV_TEST(base_json, writes_bytes_as_base64)
{
	static const char *const texts[] = { "[\"\",1]", "[\"/w==\",1]",
		"[\"//4=\",1]", "[\"//79\",1]", "[\"//79/A==\",1]" };
	static const unsigned char bytes[] = { 0xff, 0xfe, 0xfd, 0xfc };
	struct evkv_json_writer w = { .data = NULL };
	size_t size;

	for (size = 0; size < sizeof(texts) / sizeof(texts[0]); size++) {
		evkv_json_put_array(&w);
		evkv_json_put_base64(&w, evkv_bytes(bytes, size));
		evkv_json_put_int(&w, 1);
		evkv_json_put_array_end(&w);
		check(!w.failed);
		check_bytes(evkv_bytes(w.data, w.size), evkv_str(texts[size]));
		evkv_json_writer_clear(&w);
	}
	evkv_json_put_object(&w);
	evkv_json_put_name(&w, EVKV_LIT("a"));
	evkv_json_put_base64(&w, EVKV_LIT("x"));
	evkv_json_put_name(&w, EVKV_LIT("b"));
	evkv_json_put_base64(&w, EVKV_LIT("y"));
	evkv_json_put_object_end(&w);
	check_bytes(evkv_bytes(w.data, w.size),
	    EVKV_LIT("{\"a\":\"eA==\",\"b\":\"eQ==\"}"));
	evkv_json_writer_clear(&w);
}

static void writes_double(double number, const char *expected)
{
	struct evkv_json_writer w = { .data = NULL };
	double back = 0;

	evkv_json_put_double(&w, number);
	check(!w.failed);
	check(evkv_json_double(evkv_bytes(w.data, w.size), &back));
	check(back == number);
	if (expected != NULL)
		check_bytes(evkv_bytes(w.data, w.size), evkv_str(expected));
	evkv_json_writer_clear(&w);
}

/* What must be escaped is, and nothing else. */
EVKV_TEST(base_json, bytes_of_a_string)
{
	struct evkv_json_writer w = { .data = NULL };
	char byte, expected[16];
	int i;

	for (i = 0; i < 128; i++) {
		byte = (char)i;
		if (i == '\n' || i == '\r' || i == '\t')
			snprintf(expected, sizeof(expected), "\"\\%c\"",
			    i == '\n'       ? 'n'
				: i == '\r' ? 'r'
					    : 't');
		else
			snprintf(expected, sizeof(expected),
			    i < ' '                     ? "\"\\u%04x\""
				: i == '"' || i == '\\' ? "\"\\%c\""
							: "\"%c\"",
			    i);
		evkv_json_put_string(&w, evkv_bytes(&byte, 1));
		check(!w.failed);
		check_bytes(evkv_bytes(w.data, w.size), evkv_str(expected));
		evkv_json_writer_clear(&w);
	}
}

EVKV_TEST(base_json, doubles_are_short_and_read_back_equal)
{
	uint64_t seed = 88172645463325252u, i;
	double number;

	writes_double(0.1, "0.1");
	writes_double(1, "1");
	writes_double(-1.5, "-1.5");
	writes_double(0.1 + 0.2, "0.30000000000000004");
	writes_double(1e300, "1e+300");
	writes_double(4.9406564584124654e-324, "5e-324");
	writes_double(DBL_MAX, "1.7976931348623157e+308");
	for (i = 0; i < 20000; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		memcpy(&number, &seed, sizeof(number));
		if (number - number == 0)
			writes_double(number, NULL);
	}
}
