/*
 * adapters/typed/schema.c - tables: what is wrong with one, and what every
 * value of a field must keep to, whichever way it goes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "adapters/typed/schema.h"

/* ---- Errors -------------------------------------------------------------- */

static size_t path_write(const struct typed_path *path, char *out, size_t room)
{
	size_t size = 0;
	int more;

	if (path == NULL)
		return 0;
	size = path_write(path->up, out, room);
	if (size >= room)
		return size;
	if (path->name == NULL)
		more = snprintf(out + size, room - size, "[%zu]", path->index);
	else
		more = snprintf(out + size, room - size, "%s%s",
		    size > 0 ? "." : "", path->name);
	return more < 0 ? size : size + (size_t)more;
}

bool evkv__typed_fail(struct evkv_typed_error *error,
    const struct typed_path *path, uint64_t offset, const char *format, ...)
{
	char *out;
	size_t room, size;
	va_list args;

	if (error == NULL)
		return false;
	out = error->message;
	room = sizeof(error->message);
	size = path_write(path, out, room / 2);
	if (size > room / 2 - 1)
		size = room / 2 - 1;
	if (size > 0)
		size += (size_t)snprintf(out + size, room - size, ": ");
	if (offset != UINT64_MAX)
		size += (size_t)snprintf(out + size, room - size,
		    "byte %llu: ", (unsigned long long)offset);
	va_start(args, format);
	vsnprintf(out + size, room - size, format, args);
	va_end(args);
	error->offset = offset != UINT64_MAX ? offset : 0;
	return false;
}

/* ---- Integers of any width ----------------------------------------------- */

int64_t evkv__typed_read_int(const void *member, size_t width)
{
	switch (width) {
	case 1: return *(const int8_t *)member;
	case 2: return *(const int16_t *)member;
	case 4: return *(const int32_t *)member;
	default: return *(const int64_t *)member;
	}
}

uint64_t evkv__typed_read_uint(const void *member, size_t width)
{
	switch (width) {
	case 1: return *(const uint8_t *)member;
	case 2: return *(const uint16_t *)member;
	case 4: return *(const uint32_t *)member;
	default: return *(const uint64_t *)member;
	}
}

bool evkv__typed_write_int(void *member, size_t width, int64_t number)
{
	switch (width) {
	case 1: *(int8_t *)member = (int8_t)number; break;
	case 2: *(int16_t *)member = (int16_t)number; break;
	case 4: *(int32_t *)member = (int32_t)number; break;
	default: *(int64_t *)member = number;
	}
	return evkv__typed_read_int(member, width) == number;
}

bool evkv__typed_write_uint(void *member, size_t width, uint64_t number)
{
	switch (width) {
	case 1: *(uint8_t *)member = (uint8_t)number; break;
	case 2: *(uint16_t *)member = (uint16_t)number; break;
	case 4: *(uint32_t *)member = (uint32_t)number; break;
	default: *(uint64_t *)member = number;
	}
	return evkv__typed_read_uint(member, width) == number;
}

/* ---- Checks -------------------------------------------------------------- */

static bool check_number(const struct evkv_field *field, const void *member,
    const struct typed_path *path, uint64_t offset,
    struct evkv_typed_error *error)
{
	int64_t i;
	uint64_t u;
	double d;

	if (field->kind == EVKV_FIELD_KIND_UINT) {
		u = evkv__typed_read_uint(member, field->width);
		if (u >= field->min_uint &&
		    (field->max_uint == 0 || u <= field->max_uint))
			return true;
		return evkv__typed_fail(error, path, offset,
		    "expected a number of %llu to %llu",
		    (unsigned long long)field->min_uint,
		    (unsigned long long)(field->max_uint != 0 ? field->max_uint
							      : UINT64_MAX));
	}
	if (field->kind == EVKV_FIELD_KIND_DOUBLE) {
		d = field->width == sizeof(float)
		    ? (double)*(const float *)member
		    : *(const double *)member;
		if ((field->min_double == 0 && field->max_double == 0) ||
		    (d >= field->min_double && d <= field->max_double))
			return true;
		return evkv__typed_fail(error, path, offset,
		    "expected a number of %g to %g", field->min_double,
		    field->max_double);
	}
	i = evkv__typed_read_int(member, field->width);
	if ((field->min_int == 0 && field->max_int == 0) ||
	    (i >= field->min_int && i <= field->max_int))
		return true;
	return evkv__typed_fail(error, path, offset,
	    "expected a number of %lld to %lld", (long long)field->min_int,
	    (long long)field->max_int);
}

static bool check_length(const struct evkv_field *field, size_t size,
    const struct typed_path *path, uint64_t offset,
    struct evkv_typed_error *error)
{
	if (size >= field->min_length &&
	    (field->max_length == 0 || size <= field->max_length))
		return true;
	if (field->max_length == 0)
		return evkv__typed_fail(error, path, offset,
		    "expected at least %zu bytes, found %zu", field->min_length,
		    size);
	return evkv__typed_fail(error, path, offset,
	    "expected %zu to %zu bytes, found %zu", field->min_length,
	    field->max_length, size);
}

static bool check_value(const struct evkv_field *field, const void *member,
    const struct typed_path *path, uint64_t offset,
    struct evkv_typed_error *error)
{
	bool by_element = !typed_is_array(field);

	switch (field->kind) {
	case EVKV_FIELD_KIND_INT:
	case EVKV_FIELD_KIND_UINT:
	case EVKV_FIELD_KIND_DOUBLE:
	case EVKV_FIELD_KIND_TIME:
		return check_number(field, member, path, offset, error);
	case EVKV_FIELD_KIND_STRING:
		return !by_element ||
		    check_length(field, strlen(*(const char *const *)member),
			path, offset, error);
	case EVKV_FIELD_KIND_CHARS:
		return !by_element ||
		    check_length(field, strlen(member), path, offset, error);
	case EVKV_FIELD_KIND_TEXT:
	case EVKV_FIELD_KIND_BYTES:
		return !by_element ||
		    check_length(field,
			((const struct evkv_slice *)member)->size, path, offset,
			error);
	default: return true;
	}
}

bool evkv__typed_check(const struct evkv_field *field, const void *member,
    const struct typed_path *path, uint64_t offset,
    struct evkv_typed_error *error)
{
	const char *why;

	if (!check_value(field, member, path, offset, error))
		return false;
	if (field->validate == NULL)
		return true;
	why = field->validate(member);
	return why == NULL || evkv__typed_fail(error, path, offset, "%s", why);
}

bool evkv__typed_check_count(const struct evkv_field *field, size_t count,
    const struct typed_path *path, uint64_t offset,
    struct evkv_typed_error *error)
{
	size_t most = field->max_length;

	if (field->room != 0 && (most == 0 || most > field->room))
		most = field->room;
	if (count < field->min_length)
		return evkv__typed_fail(error, path, offset,
		    "expected at least %zu elements, found %zu",
		    field->min_length, count);
	if (most != 0 && count > most)
		return evkv__typed_fail(error, path, offset,
		    "expected at most %zu elements, found %zu", most, count);
	if (field->room != 0 && field->counted == 0 && count != field->room)
		return evkv__typed_fail(error, path, offset,
		    "expected %zu elements, found %zu", field->room, count);
	return true;
}

const struct evkv_schema *evkv__typed_variant(const struct evkv_field *field,
    const void *object)
{
	const struct evkv_field_variant *variant;
	int tag = *(const int *)typed_member(object, field->tag);

	for (variant = field->variants; variant->schema != NULL; variant++) {
		if (variant->tag == tag)
			return variant->schema;
	}
	return NULL;
}

/* ---- Tables -------------------------------------------------------------- */

static const char *width_wrong(const struct evkv_field *field)
{
	size_t width = field->width;

	switch (field->kind) {
	case EVKV_FIELD_KIND_BOOL:
		return width == sizeof(bool) ? NULL : "the member is no bool";
	case EVKV_FIELD_KIND_INT:
	case EVKV_FIELD_KIND_UINT:
		return width == 1 || width == 2 || width == 4 || width == 8
		    ? NULL
		    : "the member is no integer";
	case EVKV_FIELD_KIND_DOUBLE:
		return width == sizeof(float) || width == sizeof(double)
		    ? NULL
		    : "the member is no float or double";
	case EVKV_FIELD_KIND_STRING:
		return width == sizeof(char *) ? NULL
					       : "the member is no char *";
	case EVKV_FIELD_KIND_CHARS:
		return width > 0 ? NULL : "the member has no room";
	case EVKV_FIELD_KIND_TEXT:
	case EVKV_FIELD_KIND_BYTES:
	case EVKV_FIELD_KIND_JSON:
		return width == sizeof(struct evkv_slice)
		    ? NULL
		    : "the member is no struct evkv_slice";
	case EVKV_FIELD_KIND_ENUM:
		return width == sizeof(int) ? NULL : "the member is no int";
	case EVKV_FIELD_KIND_TIME:
		return width == sizeof(int64_t) ? NULL
						: "the member is no int64_t";
	default: return NULL;
	}
}

static bool lies_within(const struct evkv_schema *schema, size_t offset,
    size_t size)
{
	return offset <= schema->object_size &&
	    size <= schema->object_size - offset;
}

/* Of a member that EVKV_MEMBER() names; 0 = none. */
static bool named_lies_within(const struct evkv_schema *schema, size_t member,
    size_t size)
{
	return member == 0 || lies_within(schema, member - 1, size);
}

static const char *place_wrong(const struct evkv_schema *schema,
    const struct evkv_field *field)
{
	size_t room = field->room != 0 ? field->room : 1;
	size_t size = field->width;

	if (field->counted != 0 && field->room == 0)
		size = sizeof(void *);
	if (room > schema->object_size || size > schema->object_size / room ||
	    !lies_within(schema, field->offset, room * size))
		return "it does not lie within the struct";
	if (!named_lies_within(schema, field->present, sizeof(bool)))
		return "present does not lie within the struct";
	if (!named_lies_within(schema, field->counted, sizeof(size_t)))
		return "its count does not lie within the struct";
	if (!named_lies_within(schema, field->tag, sizeof(int)))
		return "its tag does not lie within the struct";
	return NULL;
}

static const char *bounds_wrong(const struct evkv_field *field)
{
	if (field->max_length != 0 && field->min_length > field->max_length)
		return "min_length is over max_length";
	if (field->min_int > field->max_int)
		return "min_int is over max_int";
	if (field->max_uint != 0 && field->min_uint > field->max_uint)
		return "min_uint is over max_uint";
	if (field->min_double > field->max_double)
		return "min_double is over max_double";
	return NULL;
}

static const char *variants_wrong(const struct evkv_field *field)
{
	const struct evkv_field_variant *variant;

	for (variant = field->variants; variant->schema != NULL; variant++) {
		if (variant->schema->object_size > field->width)
			return "a variant is larger than the union";
	}
	return NULL;
}

static const char *field_wrong(const struct evkv_schema *schema,
    const struct evkv_field *field)
{
	const char *why;
	bool pointer = (field->flags & EVKV_FIELD_POINTER) != 0;

	if (field->kind < EVKV_FIELD_KIND_BOOL ||
	    field->kind > EVKV_FIELD_KIND_CUSTOM)
		return "its kind is not one of enum evkv_field_kind";
	if ((field->flags &
		~(uint32_t)(EVKV_FIELD_REQUIRED | EVKV_FIELD_SECRET |
		    EVKV_FIELD_POINTER)) != 0)
		return "it has flags that are not known";
	if (!evkv_utf8_check(evkv_str(field->name)))
		return "its name is not UTF-8";
	why = place_wrong(schema, field);
	if (why == NULL)
		why = bounds_wrong(field);
	if (why != NULL)
		return why;
	if (field->kind == EVKV_FIELD_KIND_ENUM && field->names == NULL)
		return "names are missing";
	if (field->kind == EVKV_FIELD_KIND_STRUCT && field->schema == NULL)
		return "schema is missing";
	if (field->kind == EVKV_FIELD_KIND_UNION &&
	    (field->variants == NULL || field->tag == 0))
		return "variants or tag is missing";
	if (field->kind == EVKV_FIELD_KIND_CUSTOM &&
	    (field->encode == NULL || field->decode == NULL))
		return "encode or decode is missing";
	if (field->kind == EVKV_FIELD_KIND_STRUCT &&
	    field->width !=
		(pointer ? sizeof(void *) : field->schema->object_size))
		return "the member is not of the size of its schema";
	if (pointer &&
	    (field->kind != EVKV_FIELD_KIND_STRUCT || typed_is_array(field)))
		return "EVKV_FIELD_POINTER is for a single STRUCT";
	if (field->kind == EVKV_FIELD_KIND_UNION && typed_is_array(field))
		return "a UNION can't be an array";
	return field->kind == EVKV_FIELD_KIND_UNION ? variants_wrong(field)
						    : width_wrong(field);
}

static bool field_ok(const struct evkv_schema *schema, size_t i, unsigned depth,
    char *why, size_t why_size)
{
	const struct evkv_field *field = typed_field(schema, i);
	const struct evkv_field_variant *variant;
	const char *wrong;
	size_t j;

	if (field->name == NULL) {
		snprintf(why, why_size, "field %zu has no name", i);
		return false;
	}
	wrong = field_wrong(schema, field);
	for (j = 0; j < i && wrong == NULL; j++) {
		if (strcmp(field->name, typed_field(schema, j)->name) == 0)
			wrong = "its name stands twice";
	}
	if (wrong == NULL && schema->version != 0 &&
	    strcmp(field->name, "_version") == 0)
		wrong = "the name is that of the model's version";
	if (wrong != NULL) {
		snprintf(why, why_size, "field %s: %s", field->name, wrong);
		return false;
	}
	/* A struct may point to more of its kind: a list, a tree. */
	if (field->kind == EVKV_FIELD_KIND_STRUCT && field->schema != schema)
		return evkv__typed_schema_ok(field->schema, depth + 1, why,
		    why_size);
	if (field->kind != EVKV_FIELD_KIND_UNION)
		return true;
	for (variant = field->variants; variant->schema != NULL; variant++) {
		if (!evkv__typed_schema_ok(variant->schema, depth + 1, why,
			why_size))
			return false;
	}
	return true;
}

bool evkv__typed_schema_ok(const struct evkv_schema *schema, unsigned depth,
    char *why, size_t why_size)
{
	size_t i;

	if (depth > 4) /* deeper ones are checked as they are used */
		return true;
	if (schema->size < offsetof(struct evkv_schema, unknown) ||
	    schema->field_size < offsetof(struct evkv_field, fallback)) {
		snprintf(why, why_size,
		    "a schema without its sizes: use EVKV_SCHEMA()");
		return false;
	}
	if (schema->unknown == EVKV_UNKNOWN_KEEP && schema->kept == 0) {
		snprintf(why, why_size, "EVKV_UNKNOWN_KEEP needs kept");
		return false;
	}
	if (schema->unknown > EVKV_UNKNOWN_KEEP ||
	    !named_lies_within(schema, schema->kept,
		sizeof(struct evkv_slice))) {
		snprintf(why, why_size,
		    "unknown is none of its values, or kept does not lie "
		    "within the struct");
		return false;
	}
	for (i = 0; i < schema->count; i++) {
		if (!field_ok(schema, i, depth, why, why_size))
			return false;
	}
	return true;
}
