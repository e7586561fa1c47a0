/*
 * base/json_write.c - the writer of JSON.
 */
#include <float.h>
#include <stdio.h>
#include <string.h>

#include "evkv/alloc.h"
#include "evkv/base64.h"
#include "evkv/json.h"

void evkv_json_writer_clear(struct evkv_json_writer *writer)
{
	evkv_free(writer->data);
	memset(writer, 0, sizeof(*writer));
}

static char *make_room(struct evkv_json_writer *writer, size_t size)
{
	size_t room = writer->room < 128 ? 256 : writer->room * 2;
	char *data;

	if (writer->failed)
		return NULL;
	if (writer->room - writer->size >= size)
		return writer->data + writer->size;
	if (room - writer->size < size)
		room = writer->size + size;
	data = evkv_malloc(room);
	if (data == NULL) {
		writer->failed = true;
		return NULL;
	}
	if (writer->size > 0)
		memcpy(data, writer->data, writer->size);
	evkv_free(writer->data);
	writer->data = data;
	writer->room = room;
	return data + writer->size;
}

static void put(struct evkv_json_writer *writer, const char *bytes, size_t size)
{
	char *at = make_room(writer, size);

	if (at == NULL || size == 0)
		return;
	memcpy(at, bytes, size);
	writer->size += size;
}

/* A value, or what begins one, after the comma that it needs. */
static void put_value(struct evkv_json_writer *writer, struct evkv_slice text,
    bool comma_after)
{
	if (writer->comma)
		put(writer, ",", 1);
	put(writer, text.data, text.size);
	writer->comma = comma_after;
}

void evkv_json_put_object(struct evkv_json_writer *writer)
{
	put_value(writer, EVKV_LIT("{"), false);
}

void evkv_json_put_object_end(struct evkv_json_writer *writer)
{
	put(writer, "}", 1);
	writer->comma = true;
}

void evkv_json_put_array(struct evkv_json_writer *writer)
{
	put_value(writer, EVKV_LIT("["), false);
}

void evkv_json_put_array_end(struct evkv_json_writer *writer)
{
	put(writer, "]", 1);
	writer->comma = true;
}

/* The escape of a byte, or NULL: it stands for itself. */
static const char *escape_of(unsigned char byte, char buffer[8])
{
	switch (byte) {
	case '"': return "\\\"";
	case '\\': return "\\\\";
	case '\n': return "\\n";
	case '\r': return "\\r";
	case '\t': return "\\t";
	default:
		if (byte >= 0x20)
			return NULL;
		snprintf(buffer, 8, "\\u%04x", byte);
		return buffer;
	}
}

static void put_quoted(struct evkv_json_writer *writer, struct evkv_slice text)
{
	const char *bytes = text.data, *escape;
	size_t from = 0, i;
	char buffer[8];

	if (!evkv_utf8_check(text))
		writer->failed = true;
	put_value(writer, EVKV_LIT("\""), false);
	for (i = 0; i < text.size; i++) {
		escape = escape_of((unsigned char)bytes[i], buffer);
		if (escape == NULL)
			continue;
		put(writer, bytes + from, i - from);
		put(writer, escape, strlen(escape));
		from = i + 1;
	}
	if (i > from)
		put(writer, bytes + from, i - from);
	put(writer, "\"", 1);
	writer->comma = true;
}

void evkv_json_put_name(struct evkv_json_writer *writer, struct evkv_slice name)
{
	put_quoted(writer, name);
	put(writer, ":", 1);
	writer->comma = false;
}

void evkv_json_put_string(struct evkv_json_writer *writer,
    struct evkv_slice string)
{
	put_quoted(writer, string);
}

void evkv_json_put_int(struct evkv_json_writer *writer, int64_t number)
{
	char text[EVKV_JSON_NUMBER_MAX];

	snprintf(text, sizeof(text), "%lld", (long long)number);
	put_value(writer, evkv_str(text), true);
}

void evkv_json_put_uint(struct evkv_json_writer *writer, uint64_t number)
{
	char text[EVKV_JSON_NUMBER_MAX];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	put_value(writer, evkv_str(text), true);
}

/* A locale may write another sign than '.' between the digits. */
static void write_double(char text[EVKV_JSON_NUMBER_MAX], int digits,
    double number)
{
	char *at;

	snprintf(text, EVKV_JSON_NUMBER_MAX, "%.*g", digits, number);
	for (at = text; *at != '\0'; at++) {
		if (!((*at >= '0' && *at <= '9') || *at == '-' || *at == '+' ||
			*at == 'e')) {
			*at = '.';
			memmove(at + 1, at + strcspn(at, "0123456789"),
			    strlen(at + strcspn(at, "0123456789")) + 1);
		}
	}
}

void evkv_json_put_double(struct evkv_json_writer *writer, double number)
{
	char text[EVKV_JSON_NUMBER_MAX];
	double back;
	int digits;

	if (number - number != 0) { /* infinite, or not a number */
		writer->failed = true;
		return;
	}
	/*
	 * 17 digits always do, and a number that needs fewer than 15 is written
	 * without its trailing zeros; but the smallest have fewer digits.
	 */
	digits = number > -DBL_MIN && number < DBL_MIN ? 1 : 15;
	for (; digits <= 17; digits++) {
		write_double(text, digits, number);
		if (evkv_json_double(evkv_str(text), &back) && back == number)
			break;
	}
	put_value(writer, evkv_str(text), true);
}

void evkv_json_put_bool(struct evkv_json_writer *writer, bool value)
{
	put_value(writer, value ? EVKV_LIT("true") : EVKV_LIT("false"), true);
}

void evkv_json_put_null(struct evkv_json_writer *writer)
{
	put_value(writer, EVKV_LIT("null"), true);
}

void evkv_json_put_raw(struct evkv_json_writer *writer, struct evkv_slice text)
{
	put_value(writer, text, true);
}

void evkv_json_put_base64(struct evkv_json_writer *writer,
    struct evkv_slice bytes)
{
	size_t size = EVKV_BASE64_SIZE(bytes.size);
	char *at;

	put_value(writer, EVKV_LIT("\""), false);
	at = make_room(writer, size + 1);
	if (at == NULL)
		return;
	size = evkv_base64_encode(bytes, at);
	at[size] = '"';
	writer->size += size + 1;
	writer->comma = true;
}

void evkv_json_put_line(struct evkv_json_writer *writer)
{
	put(writer, "\n", 1);
	writer->comma = false;
}
