/*
 * adapters/typed/encode.c - a struct as JSON, by its table.
 */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/typed/schema.h"
#include "evkv/alloc.h"
#include "evkv/base64.h"

static bool encode_object(const struct evkv_schema *schema, const void *object,
    struct evkv_json_writer *writer, const struct typed_path *path,
    struct evkv_typed_error *error);

static bool put_text(struct evkv_json_writer *writer, struct evkv_slice text,
    const struct typed_path *path, struct evkv_typed_error *error)
{
	if (!evkv_utf8_check(text))
		return evkv__typed_fail(error, path, UINT64_MAX,
		    "expected UTF-8");
	evkv_json_put_string(writer, text);
	return true;
}

static bool put_base64(struct evkv_json_writer *writer, struct evkv_slice bytes)
{
	char *text = evkv_malloc(EVKV_BASE64_SIZE(bytes.size));

	if (text == NULL) {
		writer->failed = true;
		return true;
	}
	evkv_json_put_string(writer,
	    evkv_bytes(text, evkv_base64_encode(bytes, text)));
	evkv_free(text);
	return true;
}

static bool put_enum(const struct evkv_field *field, int value,
    struct evkv_json_writer *writer, const struct typed_path *path,
    struct evkv_typed_error *error)
{
	const struct evkv_field_name *name;

	for (name = field->names; name->name != NULL; name++) {
		if (name->value != value)
			continue;
		evkv_json_put_string(writer, evkv_str(name->name));
		return true;
	}
	return evkv__typed_fail(error, path, UINT64_MAX,
	    "expected one of the enum's values");
}

static bool put_time(int64_t ms, struct evkv_json_writer *writer,
    const struct typed_path *path, struct evkv_typed_error *error)
{
	char text[TYPED_TIME_MAX];

	if (!evkv__typed_time_fits(ms))
		return evkv__typed_fail(error, path, UINT64_MAX,
		    "expected a time in the years 0 to 9999");
	evkv__typed_time_write(ms, text);
	evkv_json_put_string(writer, evkv_str(text));
	return true;
}

/* What is kept as text must be one value. */
static bool put_json(struct evkv_slice text, struct evkv_json_writer *writer,
    const struct typed_path *path, struct evkv_typed_error *error)
{
	struct evkv_json_reader reader;
	struct evkv_json_token token;
	enum evkv_json_kind kind;

	evkv_json_reader_init(&reader, NULL);
	evkv_json_feed(&reader, text, true);
	do {
		kind = evkv_json_next(&reader, &token);
	} while (kind < EVKV_JSON_MORE);
	evkv_json_reader_clear(&reader);
	if (kind != EVKV_JSON_END)
		return evkv__typed_fail(error, path, UINT64_MAX,
		    "expected JSON: %s", reader.why);
	evkv_json_put_raw(writer, text);
	return true;
}

/*
 * Of the doubles that are this float when read back, the one whose text is the
 * shortest: 9 digits do. Both calls go by the locale, whatever it is.
 */
static double shortest_double(float single)
{
	int digits = single > -FLT_MIN && single < FLT_MIN ? 1 : FLT_DIG;
	char text[EVKV_JSON_NUMBER_MAX];
	double number;

	for (; digits <= 9; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, (double)single);
		number = strtod(text, NULL);
		if ((float)number == single)
			return number;
	}
	return (double)single;
}

static bool put_double(const struct evkv_field *field, const void *member,
    struct evkv_json_writer *writer, const struct typed_path *path,
    struct evkv_typed_error *error)
{
	double number = field->width == sizeof(float)
	    ? (double)*(const float *)member
	    : *(const double *)member;

	if (number - number != 0)
		return evkv__typed_fail(error, path, UINT64_MAX,
		    "expected a finite number");
	if (field->width == sizeof(float))
		number = shortest_double(*(const float *)member);
	evkv_json_put_double(writer, number);
	return true;
}

static bool put_union(const struct evkv_field *field, const void *member,
    const void *object, struct evkv_json_writer *writer,
    const struct typed_path *path, struct evkv_typed_error *error)
{
	const struct evkv_schema *schema = evkv__typed_variant(field, object);

	if (schema == NULL)
		return evkv__typed_fail(error, path, UINT64_MAX,
		    "its tag has no variant");
	return encode_object(schema, member, writer, path, error);
}

/* A value of which nothing needs to be checked but what it is. */
static bool put_value(const struct evkv_field *field, const void *member,
    struct evkv_json_writer *writer, const struct typed_path *path,
    struct evkv_typed_error *error)
{
	const struct evkv_slice *slice = member;

	switch (field->kind) {
	case EVKV_FIELD_KIND_BOOL:
		evkv_json_put_bool(writer, *(const bool *)member);
		return true;
	case EVKV_FIELD_KIND_INT:
		evkv_json_put_int(writer,
		    evkv__typed_read_int(member, field->width));
		return true;
	case EVKV_FIELD_KIND_UINT:
		evkv_json_put_uint(writer,
		    evkv__typed_read_uint(member, field->width));
		return true;
	case EVKV_FIELD_KIND_DOUBLE:
		return put_double(field, member, writer, path, error);
	case EVKV_FIELD_KIND_STRING:
		return put_text(writer, evkv_str(*(const char *const *)member),
		    path, error);
	case EVKV_FIELD_KIND_CHARS:
		return put_text(writer, evkv_str(member), path, error);
	case EVKV_FIELD_KIND_TEXT: return put_text(writer, *slice, path, error);
	case EVKV_FIELD_KIND_BYTES: return put_base64(writer, *slice);
	case EVKV_FIELD_KIND_JSON: return put_json(*slice, writer, path, error);
	case EVKV_FIELD_KIND_ENUM:
		return put_enum(field, *(const int *)member, writer, path,
		    error);
	case EVKV_FIELD_KIND_TIME:
		return put_time(*(const int64_t *)member, writer, path, error);
	case EVKV_FIELD_KIND_STRUCT:
		return encode_object(field->schema, member, writer, path,
		    error);
	default: return field->encode(member, writer, error);
	}
}

/* Chars without their NUL would be read beyond their end. */
static bool ends(const struct evkv_field *field, const void *member)
{
	return field->kind != EVKV_FIELD_KIND_CHARS ||
	    memchr(member, '\0', field->width) != NULL;
}

static bool encode_value(const struct evkv_field *field, const void *member,
    struct evkv_json_writer *writer, const struct typed_path *path,
    struct evkv_typed_error *error)
{
	if (field->kind == EVKV_FIELD_KIND_STRING &&
	    *(const char *const *)member == NULL) {
		evkv_json_put_null(writer); /* in an array */
		return true;
	}
	if (!ends(field, member))
		return evkv__typed_fail(error, path, UINT64_MAX,
		    "expected a NUL within %zu bytes", field->width);
	return evkv__typed_check(field, member, path, UINT64_MAX, error) &&
	    put_value(field, member, writer, path, error);
}

static bool encode_array(const struct evkv_field *field, const void *object,
    struct evkv_json_writer *writer, const struct typed_path *path,
    struct evkv_typed_error *error)
{
	const char *at = (const char *)object + field->offset;
	size_t count = field->room;
	struct typed_path item = { .up = path, .secret = path->secret };

	if (field->counted != 0)
		count = *(const size_t *)typed_member(object, field->counted);
	if (field->room == 0)
		at = *(const char *const *)(const void *)at;
	if (!evkv__typed_check_count(field, count, path, UINT64_MAX, error))
		return false;
	if (count > 0 && at == NULL)
		return evkv__typed_fail(error, path, UINT64_MAX,
		    "expected %zu elements, found NULL", count);
	evkv_json_put_array(writer);
	for (; item.index < count; item.index++, at += field->width) {
		if (!encode_value(field, at, writer, &item, error))
			return false;
	}
	evkv_json_put_array_end(writer);
	return true;
}

/* Whether the object has the member at all. */
static bool is_there(const struct evkv_field *field, const void *object)
{
	const void *member = (const char *)object + field->offset;

	if (field->present != 0)
		return *(const bool *)typed_member(object, field->present);
	if (typed_is_array(field))
		return true;
	if ((field->flags & EVKV_FIELD_POINTER) != 0)
		return *(const void *const *)member != NULL;
	if (field->kind == EVKV_FIELD_KIND_STRING)
		return *(const char *const *)member != NULL;
	if (field->kind == EVKV_FIELD_KIND_JSON)
		return ((const struct evkv_slice *)member)->size > 0;
	return true;
}

static bool encode_field(const struct evkv_field *field, const void *object,
    struct evkv_json_writer *writer, const struct typed_path *up,
    struct evkv_typed_error *error)
{
	const struct typed_path path = { .up = up, .name = field->name };
	const void *member = (const char *)object + field->offset;

	if (!is_there(field, object))
		return (field->flags & EVKV_FIELD_REQUIRED) == 0 ||
		    evkv__typed_fail(error, &path, UINT64_MAX,
			"a required member is absent");
	evkv_json_put_name(writer, evkv_str(field->name));
	if (typed_is_array(field))
		return encode_array(field, object, writer, &path, error);
	if ((field->flags & EVKV_FIELD_POINTER) != 0)
		member = *(const void *const *)member;
	if (field->kind == EVKV_FIELD_KIND_UNION)
		return put_union(field, member, object, writer, &path, error);
	return encode_value(field, member, writer, &path, error);
}

static bool depth_ok(const struct typed_path *path,
    struct evkv_typed_error *error)
{
	const struct typed_path *up;
	unsigned depth = 0;

	for (up = path; up != NULL; up = up->up)
		depth++;
	return depth < TYPED_DEPTH ||
	    evkv__typed_fail(error, path, UINT64_MAX, "nested too deeply");
}

static bool encode_object(const struct evkv_schema *schema, const void *object,
    struct evkv_json_writer *writer, const struct typed_path *path,
    struct evkv_typed_error *error)
{
	const struct evkv_slice *kept;
	const char *why;
	size_t i;

	if (!depth_ok(path, error))
		return false;
	why = schema->validate != NULL ? schema->validate(object) : NULL;
	if (why != NULL)
		return evkv__typed_fail(error, path, UINT64_MAX, "%s", why);
	evkv_json_put_object(writer);
	if (schema->version != 0) {
		evkv_json_put_name(writer, EVKV_LIT("_version"));
		evkv_json_put_uint(writer, schema->version);
	}
	for (i = 0; i < schema->count; i++) {
		if (!encode_field(typed_field(schema, i), object, writer, path,
			error))
			return false;
	}
	if (schema->unknown == EVKV_UNKNOWN_KEEP) {
		kept = typed_member(object, schema->kept);
		if (kept->size > 0)
			evkv_json_put_raw(writer, *kept);
	}
	evkv_json_put_object_end(writer);
	return true;
}

bool evkv_typed_encode(const struct evkv_schema *schema, const void *object,
    struct evkv_json_writer *writer, struct evkv_typed_error *error)
{
	if (!encode_object(schema, object, writer, NULL, error))
		return false;
	return !writer->failed ||
	    evkv__typed_fail(error, NULL, UINT64_MAX, "out of memory");
}
