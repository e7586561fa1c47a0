/*
 * stores/mongodb/json.c - values=json: a JSON object as a sub-document.
 *
 * Members keep their order. A whole number becomes an int32, or an int64 where
 * it needs that; any other a double, if that, written again, is the same
 * number in decimal digits. Blanks, the ways to escape, and whether 1.0 had a
 * point are not kept. What can't be kept is refused, with its place: a number
 * that would become another, a name that stands twice, begins with '$' or
 * holds a NUL.
 *
 * What other clients have put into such a sub-document and JSON has no word for
 * comes as MongoDB's extended JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/json.h"
#include "stores/mongodb/worker.h"

#define DIGITS_MAX 17   /* that a double can tell apart */
#define WRITE_DEPTH 128 /* deeper than the server takes */

/* ---- Numbers ------------------------------------------------------------- */

/* A number as digits without zeros at either end, and a power of ten. */
struct decimal {
	bool negative;
	char digits[DIGITS_MAX + 1];
	size_t count;
	long power; /* of ten, of the digit after the last */
};

/* false: it has more digits than a double. */
static bool decimal_digit(struct decimal *number, char digit, size_t *zeros)
{
	if (digit == '0') {
		*zeros += number->count > 0;
		return true;
	}
	if (number->count + *zeros + 1 > DIGITS_MAX)
		return false;
	for (; *zeros > 0; --*zeros)
		number->digits[number->count++] = '0';
	number->digits[number->count++] = digit;
	return true;
}

/* The text is that of a JSON number. */
static bool decimal_read(struct evkv_slice text, struct decimal *number)
{
	const char *at = text.data, *end = at + text.size;
	bool fraction = false;
	size_t zeros = 0;

	memset(number, 0, sizeof(*number));
	if (at < end && *at == '-') {
		number->negative = true;
		at++;
	}
	for (; at < end && *at != 'e' && *at != 'E'; at++) {
		if (*at == '.') {
			fraction = true;
			continue;
		}
		if (!decimal_digit(number, *at, &zeros))
			return false;
		number->power -= fraction;
	}
	number->power += (long)zeros;
	if (at < end) {
		char exponent[12];

		if (end - at > 10)
			return false;
		memcpy(exponent, at + 1, (size_t)(end - at - 1));
		exponent[end - at - 1] = '\0';
		number->power += strtol(exponent, NULL, 10);
	}
	if (number->count == 0)
		number->power = 0;
	return true;
}

static bool decimal_equal(struct evkv_slice a, struct evkv_slice b)
{
	struct decimal x, y;

	return decimal_read(a, &x) && decimal_read(b, &y) &&
	    x.negative == y.negative && x.count == y.count &&
	    x.power == y.power && memcmp(x.digits, y.digits, x.count) == 0;
}

/* Whether a double is that number, when it is written. */
static bool number_exact(struct evkv_slice text, double number)
{
	struct evkv_json_writer writer = { .data = NULL };
	bool exact;

	evkv_json_put_double(&writer, number);
	exact = !writer.failed &&
	    decimal_equal(text, evkv_bytes(writer.data, writer.size));
	evkv_json_writer_clear(&writer);
	return exact;
}

/* ---- From text ----------------------------------------------------------- */

struct level {
	bson_t bson;
	bool array;
	uint32_t index;         /* of the next element */
	struct evkv_slice name; /* of its member that is read, as it stands */
};

struct reader {
	struct evkv_json_reader json;
	struct level levels[EVKV_JSON_DEPTH_MAX + 1];
	size_t depth; /* levels[0] is the object itself */
	char *name;   /* decoded, of the next member */
	size_t name_size;
	char *text; /* room for any decoded string */
	const char *wrong;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whether a name stands twice, by looking through them again and again. */
static bool twice_slowly(const bson_t *bson)
{
	bson_iter_t a, b;

	if (!bson_iter_init(&a, bson))
		return false;
	while (bson_iter_next(&a)) {
		b = a;
		while (bson_iter_next(&b)) {
			if (strcmp(bson_iter_key(&a), bson_iter_key(&b)) == 0)
				return true;
		}
	}
	return false;
}

static bool names_twice(const bson_t *bson)
{
	uint32_t count = bson_count_keys(bson), i = 0;
	const char **names;
	bool twice = false;
	bson_iter_t iter;

	if (count < 2)
		return false;
	names = count > 16 ? evkv_calloc(count, sizeof(*names)) : NULL;
	if (names == NULL || !bson_iter_init(&iter, bson)) {
		evkv_free(names);
		return twice_slowly(bson);
	}
	while (i < count && bson_iter_next(&iter))
		names[i++] = bson_iter_key(&iter);
	qsort(names, i, sizeof(*names), compare_names);
	for (count = i, i = 1; i < count && !twice; i++)
		twice = strcmp(names[i - 1], names[i]) == 0;
	evkv_free(names);
	return twice;
}

/* The name under which the next value goes into its level. */
static const char *reader_name(struct reader *reader, char *index, size_t room)
{
	struct level *level = &reader->levels[reader->depth];
	const char *name;

	if (!level->array)
		return reader->name;
	bson_uint32_to_string(level->index++, &name, index, room);
	if (name != index)
		snprintf(index, room, "%s", name);
	return index;
}

static void reader_begin(struct reader *reader, bool array)
{
	struct level *level = &reader->levels[reader->depth];
	struct level *inner = &reader->levels[reader->depth + 1];
	char index[16];
	const char *name = reader_name(reader, index, sizeof(index));

	inner->array = array;
	inner->index = 0;
	inner->name = EVKV_LIT("");
	if (array)
		bson_append_array_begin(&level->bson, name, -1, &inner->bson);
	else
		bson_append_document_begin(&level->bson, name, -1,
		    &inner->bson);
	reader->depth++;
}

static void reader_end(struct reader *reader)
{
	struct level *inner = &reader->levels[reader->depth];

	if (!inner->array && names_twice(&inner->bson)) {
		inner->name = EVKV_LIT("");
		reader->wrong = "has a name twice";
		return;
	}
	if (reader->depth == 0)
		return;
	reader->depth--;
	if (inner->array)
		bson_append_array_end(&reader->levels[reader->depth].bson,
		    &inner->bson);
	else
		bson_append_document_end(&reader->levels[reader->depth].bson,
		    &inner->bson);
}

static void reader_member(struct reader *reader,
    const struct evkv_json_token *token)
{
	reader->levels[reader->depth].name = token->text;
	reader->name_size = evkv_json_unescape(token, reader->name);
	reader->name[reader->name_size] = '\0';
	if (memchr(reader->name, '\0', reader->name_size) != NULL)
		reader->wrong = "has a NUL in its name";
	else if (reader->name[0] == '$')
		reader->wrong = "has a name that begins with $";
}

static void reader_number(struct reader *reader, bson_t *bson, const char *name,
    struct evkv_slice text)
{
	int64_t whole;
	double number;

	if (evkv_json_int(text, &whole) &&
	    (whole != 0 || *(const char *)text.data != '-')) {
		if (whole >= INT32_MIN && whole <= INT32_MAX)
			bson_append_int32(bson, name, -1, (int32_t)whole);
		else
			bson_append_int64(bson, name, -1, whole);
	} else if (evkv_json_double(text, &number) &&
	    number_exact(text, number)) {
		bson_append_double(bson, name, -1, number);
	} else {
		reader->wrong = "is a number that can't be kept exactly";
	}
}

static void reader_value(struct reader *reader,
    const struct evkv_json_token *token)
{
	struct level *level = &reader->levels[reader->depth];
	char index[16];
	const char *name = reader_name(reader, index, sizeof(index));
	size_t size;

	switch (token->kind) {
	case EVKV_JSON_STRING:
		size = evkv_json_unescape(token, reader->text);
		bson_append_utf8(&level->bson, name, -1, reader->text,
		    (int)size);
		break;
	case EVKV_JSON_NUMBER:
		reader_number(reader, &level->bson, name, token->text);
		break;
	case EVKV_JSON_TRUE:
	case EVKV_JSON_FALSE:
		bson_append_bool(&level->bson, name, -1,
		    token->kind == EVKV_JSON_TRUE);
		break;
	default: bson_append_null(&level->bson, name, -1);
	}
}

static void reader_token(struct reader *reader,
    const struct evkv_json_token *token)
{
	switch (token->kind) {
	case EVKV_JSON_OBJECT: reader_begin(reader, false); break;
	case EVKV_JSON_ARRAY: reader_begin(reader, true); break;
	case EVKV_JSON_OBJECT_END:
	case EVKV_JSON_ARRAY_END: reader_end(reader); break;
	case EVKV_JSON_NAME: reader_member(reader, token); break;
	default: reader_value(reader, token);
	}
}

/* "value: a.b[2] is ..." */
static void reader_tell(const struct reader *reader, char *why)
{
	size_t used, i;
	int wrote = snprintf(why, MONGODB_MESSAGE, "mongodb: the value: ");

	for (i = 0, used = (size_t)wrote; i <= reader->depth; i++) {
		const struct level *level = &reader->levels[i];

		if (level->array)
			wrote = snprintf(why + used, MONGODB_MESSAGE - used,
			    "[%u]", level->index > 0 ? level->index - 1 : 0);
		else
			wrote = snprintf(why + used, MONGODB_MESSAGE - used,
			    "%s%.*s", i > 0 && level->name.size > 0 ? "." : "",
			    (int)(level->name.size < 40 ? level->name.size
							: 40),
			    (const char *)level->name.data);
		used += (size_t)wrote;
		if (used > MONGODB_MESSAGE / 2)
			break;
	}
	snprintf(why + used, MONGODB_MESSAGE - used, " %s", reader->wrong);
}

/* Nested sub-documents must be closed, whatever they hold. */
static void reader_close(struct reader *reader)
{
	for (; reader->depth > 0; reader->depth--) {
		struct level *inner = &reader->levels[reader->depth];
		struct level *outer = inner - 1;

		if (inner->array)
			bson_append_array_end(&outer->bson, &inner->bson);
		else
			bson_append_document_end(&outer->bson, &inner->bson);
	}
}

/* Whether it may be an object at all. */
static bool looks_like_object(struct evkv_slice text)
{
	const char *at = text.data, *end = at + text.size;

	while (at < end && strchr(" \t\r\n", *at) != NULL && *at != '\0')
		at++;
	return at < end && *at == '{';
}

/* Into levels[0]; whether the text is JSON to its end. */
static bool reader_run(struct reader *reader, struct evkv_slice text)
{
	const struct evkv_json_limits limits = {
		.max_depth = EVKV_JSON_DEPTH_MAX,
	};
	struct evkv_json_token token;
	enum evkv_json_kind kind;
	bool first = true;

	evkv_json_reader_init(&reader->json, &limits);
	evkv_json_feed(&reader->json, text, true);
	while ((kind = evkv_json_next(&reader->json, &token)) <
	    EVKV_JSON_MORE) {
		/* The object itself is levels[0]. */
		if (!first && reader->wrong == NULL)
			reader_token(reader, &token);
		first = false;
	}
	evkv_json_reader_clear(&reader->json);
	return kind == EVKV_JSON_END;
}

bool evkv__mongodb_json_read(bson_t *object, struct evkv_slice text, bool *is,
    char *why)
{
	struct reader *reader;
	bool kept = true;

	*is = false;
	if (text.size == 0 || !looks_like_object(text))
		return true;
	reader = evkv_calloc(1, sizeof(*reader));
	if (reader != NULL) {
		reader->name = evkv_malloc(text.size + 1);
		reader->text = evkv_malloc(text.size + 1);
	}
	if (reader == NULL || reader->name == NULL || reader->text == NULL) {
		snprintf(why, MONGODB_MESSAGE, "out of memory");
		kept = false;
	} else {
		bson_init(&reader->levels[0].bson);
		*is = reader_run(reader, text);
		kept = !*is || reader->wrong == NULL;
		if (!kept)
			reader_tell(reader, why);
		reader_close(reader);
		if (*is && kept)
			bson_concat(object, &reader->levels[0].bson);
		bson_destroy(&reader->levels[0].bson);
	}
	if (reader != NULL) {
		evkv_free(reader->name);
		evkv_free(reader->text);
	}
	evkv_free(reader);
	return kept;
}

/* ---- To text ------------------------------------------------------------- */

static bool write_members(struct evkv_json_writer *writer, bson_iter_t *iter,
    bool names, int depth);

static bool write_nested(struct evkv_json_writer *writer,
    const bson_iter_t *iter, int depth)
{
	bool array = BSON_ITER_HOLDS_ARRAY(iter);
	bson_iter_t inner;

	if (depth == 0 || !bson_iter_recurse(iter, &inner))
		return false;
	if (array)
		evkv_json_put_array(writer);
	else
		evkv_json_put_object(writer);
	if (!write_members(writer, &inner, !array, depth - 1))
		return false;
	if (array)
		evkv_json_put_array_end(writer);
	else
		evkv_json_put_object_end(writer);
	return true;
}

/* false: JSON has no word for it. */
static bool write_value(struct evkv_json_writer *writer,
    const bson_iter_t *iter, int depth)
{
	const char *text;
	uint32_t size;

	switch (bson_iter_type(iter)) {
	case BSON_TYPE_DOUBLE:
		evkv_json_put_double(writer, bson_iter_double(iter));
		return true;
	case BSON_TYPE_UTF8:
		text = bson_iter_utf8(iter, &size);
		evkv_json_put_string(writer, evkv_bytes(text, size));
		return true;
	case BSON_TYPE_INT32:
	case BSON_TYPE_INT64:
		evkv_json_put_int(writer, bson_iter_as_int64(iter));
		return true;
	case BSON_TYPE_BOOL:
		evkv_json_put_bool(writer, bson_iter_bool(iter));
		return true;
	case BSON_TYPE_NULL: evkv_json_put_null(writer); return true;
	case BSON_TYPE_DOCUMENT:
	case BSON_TYPE_ARRAY: return write_nested(writer, iter, depth);
	default: return false;
	}
}

static bool write_members(struct evkv_json_writer *writer, bson_iter_t *iter,
    bool names, int depth)
{
	while (bson_iter_next(iter)) {
		if (names)
			evkv_json_put_name(writer,
			    evkv_str(bson_iter_key(iter)));
		if (!write_value(writer, iter, depth))
			return false;
	}
	return true;
}

struct evkv_value *evkv__mongodb_json_write(struct evkv_slice bytes,
    bool *damaged)
{
	struct evkv_json_writer writer = { .data = NULL };
	struct evkv_value *value = NULL;
	bson_iter_t iter;
	bson_t bson;
	size_t size;
	char *text;

	*damaged = !bson_init_static(&bson, bytes.data, bytes.size) ||
	    !bson_validate(&bson, BSON_VALIDATE_NONE, NULL) ||
	    !bson_iter_init(&iter, &bson);
	if (*damaged)
		return NULL;
	evkv_json_put_object(&writer);
	if (write_members(&writer, &iter, true, WRITE_DEPTH) &&
	    !writer.failed) {
		evkv_json_put_object_end(&writer);
		if (!writer.failed)
			value = evkv_value_new(evkv_bytes(writer.data,
			    writer.size));
	} else {
		text = bson_as_relaxed_extended_json(&bson, &size);
		*damaged = text == NULL;
		if (text != NULL)
			value = evkv_value_new(evkv_bytes(text, size));
		bson_free(text);
	}
	evkv_json_writer_clear(&writer);
	return value;
}
