/*
 * adapters/typed/schema.h - what encoding and decoding share.
 */
#ifndef EVKV_ADAPTERS_TYPED_SCHEMA_H
#define EVKV_ADAPTERS_TYPED_SCHEMA_H

#include "evkv/adapters/typed.h"
#include "evkv/json.h"

#define TYPED_DEPTH 32
#define TYPED_TIME_MAX 25 /* "2026-11-28T05:00:00.000Z", NUL-terminated */

/* Where an error is: a name or an index behind what is above. */
struct typed_path {
	const struct typed_path *up;
	const char *name; /* NULL: an index */
	size_t index;
	bool secret;
};

/* `offset`: UINT64_MAX = there is none. Returns false. */
bool evkv__typed_fail(struct evkv_typed_error *error,
    const struct typed_path *path, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Field i of a schema, whatever size its headers know. */
static inline const struct evkv_field *typed_field(
    const struct evkv_schema *schema, size_t i)
{
	return (const struct evkv_field *)(const void *)((const char *)
							     schema->fields +
	    i * schema->field_size);
}

/* A member by EVKV_MEMBER(), which is 0 where there is none. */
static inline void *typed_member(const void *object, size_t member)
{
	return (char *)(uintptr_t)object + (member - 1);
}

static inline bool typed_is_array(const struct evkv_field *field)
{
	return field->room != 0 || field->counted != 0;
}

int64_t evkv__typed_read_int(const void *member, size_t width);
uint64_t evkv__typed_read_uint(const void *member, size_t width);
/* False: it does not fit. */
bool evkv__typed_write_int(void *member, size_t width, int64_t number);
bool evkv__typed_write_uint(void *member, size_t width, uint64_t number);

void evkv__typed_time_write(int64_t ms, char text[TYPED_TIME_MAX]);
bool evkv__typed_time_read(struct evkv_slice text, int64_t *ms);
bool evkv__typed_time_fits(int64_t ms);

/* The schema that a union's tag chooses; NULL = none. */
const struct evkv_schema *evkv__typed_variant(const struct evkv_field *field,
    const void *object);

/* Bounds, lengths and validate() of one value, when it is read and written. */
bool evkv__typed_check(const struct evkv_field *field, const void *member,
    const struct typed_path *path, uint64_t offset,
    struct evkv_typed_error *error);
bool evkv__typed_check_count(const struct evkv_field *field, size_t count,
    const struct typed_path *path, uint64_t offset,
    struct evkv_typed_error *error);

/* NULL, or what is wrong with a schema, in `why`. */
bool evkv__typed_schema_ok(const struct evkv_schema *schema, unsigned depth,
    char *why, size_t why_size);

#endif
