/*
 * stores/jsonfile/form.c - values, names and times, as they stand in a file.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "evkv/alloc.h"
#include "evkv/base64.h"
#include "stores/jsonfile/table.h"

#define MARK "$base64"
#define NAME_MARK "$base64:"

/* ---- Values -------------------------------------------------------------- */

static bool form_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Whether an object's first member makes it bytes, however it is spelled. */
static bool form_is_mark(const struct evkv_json_token *token)
{
	char name[6 * sizeof(MARK)];
	size_t size;

	if (token->text.size > sizeof(name))
		return false;
	size = evkv_json_unescape(token, name);
	return size == strlen(MARK) && memcmp(name, MARK, size) == 0;
}

struct form_scan {
	struct evkv_json_reader reader;
	struct evkv_json_token token;
};

static void scan_begin(struct form_scan *scan, struct evkv_slice text)
{
	evkv_json_reader_init(&scan->reader,
	    &(struct evkv_json_limits){ .max_depth = JSONFILE_DEPTH - 2 });
	evkv_json_feed(&scan->reader, text, true);
}

static enum evkv_json_kind scan_next(struct form_scan *scan)
{
	return evkv_json_next(&scan->reader, &scan->token);
}

/* Whether a value is JSON text that can stand as it is. */
static bool form_is_json(struct evkv_slice value)
{
	const char *bytes = value.data;
	struct form_scan scan;
	enum evkv_json_kind kind;
	bool json;

	if (value.size == 0 || form_blank(bytes[0]) ||
	    form_blank(bytes[value.size - 1]) || bytes[0] == '"')
		return false;
	scan_begin(&scan, value);
	kind = scan_next(&scan);
	if (kind == EVKV_JSON_OBJECT) {
		kind = scan_next(&scan);
		if (kind == EVKV_JSON_NAME && form_is_mark(&scan.token))
			kind = EVKV_JSON_ERROR;
	}
	while (kind < EVKV_JSON_MORE)
		kind = scan_next(&scan);
	json = kind == EVKV_JSON_END;
	evkv_json_reader_clear(&scan.reader);
	return json;
}

static void form_write_bytes(struct evkv_json_writer *writer,
    struct evkv_slice value)
{
	size_t size = EVKV_BASE64_SIZE(value.size);
	char *text = evkv_malloc(size + 1);

	if (text == NULL) {
		writer->failed = true;
		return;
	}
	evkv_base64_encode(value, text);
	evkv_json_put_object(writer);
	evkv_json_put_name(writer, EVKV_LIT(MARK));
	evkv_json_put_string(writer, evkv_bytes(text, size));
	evkv_json_put_object_end(writer);
	evkv_free(text);
}

bool evkv__jsonfile_write_value(struct evkv_slice value,
    struct evkv_json_writer *writer, enum jsonfile_form *form)
{
	memset(writer, 0, sizeof(*writer));
	if (form_is_json(value)) {
		*form = JSONFILE_JSON;
		evkv_json_put_raw(writer, value);
	} else if (evkv_utf8_check(value)) {
		*form = JSONFILE_STRING;
		evkv_json_put_string(writer, value);
	} else {
		*form = JSONFILE_BYTES;
		form_write_bytes(writer, value);
	}
	return !writer->failed;
}

/* {"$base64": "..."}: the text of the string; false: it is not that. */
static bool form_read_mark(struct evkv_slice text, struct evkv_slice *base64)
{
	struct form_scan scan;
	bool marked;

	scan_begin(&scan, text);
	marked = scan_next(&scan) == EVKV_JSON_OBJECT &&
	    scan_next(&scan) == EVKV_JSON_NAME && form_is_mark(&scan.token) &&
	    scan_next(&scan) == EVKV_JSON_STRING && !scan.token.escaped;
	*base64 = scan.token.text;
	marked = marked && scan_next(&scan) == EVKV_JSON_OBJECT_END;
	evkv_json_reader_clear(&scan.reader);
	return marked;
}

/* Whether an object begins as bytes do: then it must be that. */
static bool form_begins_mark(struct evkv_slice text)
{
	struct form_scan scan;
	bool begins;

	scan_begin(&scan, text);
	begins = scan_next(&scan) == EVKV_JSON_OBJECT &&
	    scan_next(&scan) == EVKV_JSON_NAME && form_is_mark(&scan.token);
	evkv_json_reader_clear(&scan.reader);
	return begins;
}

/* Base64 is checked without a place for the bytes: three at a time. */
static bool form_base64_ok(struct evkv_slice base64)
{
	const char *at = base64.data;
	unsigned char bytes[3];
	size_t i, size;

	if (base64.size % 4 != 0)
		return false;
	for (i = 0; i < base64.size; i += 4) {
		if (!evkv_base64_decode(evkv_bytes(at + i, 4), bytes, &size) ||
		    (size < 3 && i + 4 < base64.size))
			return false;
	}
	return true;
}

bool evkv__jsonfile_form(struct evkv_slice text, enum jsonfile_form *form)
{
	char first = *(const char *)text.data;
	struct evkv_slice base64;

	*form = first == '"' ? JSONFILE_STRING : JSONFILE_JSON;
	if (first != '{' || !form_begins_mark(text))
		return true;
	*form = JSONFILE_BYTES;
	return form_read_mark(text, &base64) && form_base64_ok(base64);
}

struct evkv_value *evkv__jsonfile_read_value(const struct jsonfile_entry *entry)
{
	const char *text = entry->text.data;
	struct evkv_json_token token = { .kind = EVKV_JSON_STRING };
	struct evkv_value *whole, *value;
	struct evkv_slice base64;
	size_t size = 0;
	void *bytes;

	if (entry->form == JSONFILE_JSON)
		return evkv_value_new(entry->text);
	whole = evkv_value_new_uninit(entry->text.size, &bytes);
	if (whole == NULL)
		return NULL;
	if (entry->form == JSONFILE_STRING) {
		token.text = evkv_bytes(text + 1, entry->text.size - 2);
		size = evkv_json_unescape(&token, bytes);
	} else if (form_read_mark(entry->text, &base64)) {
		evkv_base64_decode(base64, bytes, &size);
	}
	value = evkv_value_new(evkv_bytes(bytes, size));
	evkv_value_unref(whole);
	return value;
}

/* ---- Names --------------------------------------------------------------- */

static bool name_begins(struct evkv_slice name, const char *with)
{
	size_t size = strlen(with);

	return name.size >= size && memcmp(name.data, with, size) == 0;
}

void evkv__jsonfile_write_name(struct evkv_json_writer *writer,
    struct evkv_slice name)
{
	bool text = evkv_utf8_check(name);
	size_t size = strlen(NAME_MARK) + EVKV_BASE64_SIZE(name.size);
	char *member;

	if (text && !name_begins(name, "$")) {
		evkv_json_put_name(writer, name);
		return;
	}
	member = evkv_malloc(size + 1);
	if (member == NULL) {
		writer->failed = true;
		return;
	}
	if (text) {
		member[0] = '$';
		memcpy(member + 1, name.data, name.size);
		size = name.size + 1;
	} else {
		memcpy(member, NAME_MARK, strlen(NAME_MARK));
		evkv_base64_encode(name, member + strlen(NAME_MARK));
	}
	evkv_json_put_name(writer, evkv_bytes(member, size));
	evkv_free(member);
}

bool evkv__jsonfile_read_name(struct evkv_slice member, char *bytes,
    struct evkv_slice *name)
{
	const char *at = member.data;
	size_t head = strlen(NAME_MARK), size;

	if (name_begins(member, "$$")) {
		*name = evkv_bytes(at + 1, member.size - 1);
	} else if (name_begins(member, NAME_MARK)) {
		if (!evkv_base64_decode(evkv_bytes(at + head,
					    member.size - head),
			bytes, &size))
			return false;
		*name = evkv_bytes(bytes, size);
	} else {
		*name = member;
		return !name_begins(member, "$");
	}
	return true;
}

/* ---- Times --------------------------------------------------------------- */

void evkv__jsonfile_write_time(int64_t ms, char text[JSONFILE_TIME_ROOM])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	size_t size;

	gmtime_r(&seconds, &tm);
	size = strftime(text, JSONFILE_TIME_ROOM, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + size, JSONFILE_TIME_ROOM - size, ".%03dZ",
	    (int)(ms % 1000));
}

/* Digits of the given number, and the byte that follows; -1 = not so. */
static int time_field(const char *at, int digits, char end)
{
	int field = 0, i;

	for (i = 0; i < digits; i++) {
		if (at[i] < '0' || at[i] > '9')
			return -1;
		field = field * 10 + (at[i] - '0');
	}
	return at[digits] == end ? field : -1;
}

/* "2026-11-28T08:24:28Z", or with milliseconds; nothing else. */
bool evkv__jsonfile_read_time(struct evkv_slice text, int64_t *ms)
{
	char copy[JSONFILE_TIME_ROOM] = "", again[JSONFILE_TIME_ROOM];
	bool fraction = text.size == 24;
	struct tm tm = { 0 };
	int millis = 0;

	if (text.size != 20 && !fraction)
		return false;
	memcpy(copy, text.data, text.size);
	tm.tm_year = time_field(copy, 4, '-') - 1900;
	tm.tm_mon = time_field(copy + 5, 2, '-') - 1;
	tm.tm_mday = time_field(copy + 8, 2, 'T');
	tm.tm_hour = time_field(copy + 11, 2, ':');
	tm.tm_min = time_field(copy + 14, 2, ':');
	tm.tm_sec = time_field(copy + 17, 2, fraction ? '.' : 'Z');
	if (fraction)
		millis = time_field(copy + 20, 3, 'Z');
	if (tm.tm_year < 70 || millis < 0)
		return false;
	*ms = (int64_t)timegm(&tm) * 1000 + millis;
	/* A day that there is not comes out as another. */
	evkv__jsonfile_write_time(*ms, again);
	return *ms > 0 && memcmp(copy, again, 19) == 0;
}
