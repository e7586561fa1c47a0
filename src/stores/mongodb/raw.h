/*
 * stores/mongodb/raw.h - BSON written byte by byte into memory that is kept,
 * where libbson's functions, which check and make room field by field, would
 * take longer than the rest.
 *
 * All but mongodb_raw_room() write into room that was made before.
 */
#ifndef EVKV_STORES_MONGODB_RAW_H
#define EVKV_STORES_MONGODB_RAW_H

#include <bson/bson.h>
#include <string.h>

#include "evkv/slice.h"

struct mongodb_raw {
	char *data;
	size_t size, room;
};

bool evkv__mongodb_raw_grow(struct mongodb_raw *raw, size_t size);
/* Room for so many bytes more; false = no memory, and nothing has changed. */
static inline bool mongodb_raw_room(struct mongodb_raw *raw, size_t size)
{
	return raw->size + size <= raw->room ||
	    evkv__mongodb_raw_grow(raw, size);
}

/* Empty it; what is larger than need be kept is freed. */
void evkv__mongodb_raw_clear(struct mongodb_raw *raw);

static inline void mongodb_raw_bytes(struct mongodb_raw *raw, const void *bytes,
    size_t size)
{
	if (size > 0)
		memcpy(raw->data + raw->size, bytes, size);
	raw->size += size;
}

static inline void mongodb_raw_int32(struct mongodb_raw *raw, size_t number)
{
	uint32_t bits = BSON_UINT32_TO_LE((uint32_t)number);

	mongodb_raw_bytes(raw, &bits, sizeof(bits));
}

static inline void mongodb_raw_int64(struct mongodb_raw *raw, int64_t number)
{
	uint64_t bits = BSON_UINT64_TO_LE((uint64_t)number);

	mongodb_raw_bytes(raw, &bits, sizeof(bits));
}

/* What begins a field: its type as a character, and its name, a literal. */
#define MONGODB_RAW_FIELD(raw, type, name)                                     \
	mongodb_raw_bytes(raw, type name, sizeof(type name))

#define MONGODB_RAW_TEXT "\x02"
#define MONGODB_RAW_DOCUMENT "\x03"
#define MONGODB_RAW_ARRAY "\x04"
#define MONGODB_RAW_BINARY "\x05"
#define MONGODB_RAW_BOOL "\x08"
#define MONGODB_RAW_DATE "\x09"
#define MONGODB_RAW_INT32 "\x10"
#define MONGODB_RAW_INT64 "\x12"

/* What begins a member of an array: its type, and its number. */
static inline void mongodb_raw_member(struct mongodb_raw *raw, char type,
    uint32_t number)
{
	char text[12];
	char *at = text + sizeof(text);

	*--at = '\0';
	do
		*--at = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	*--at = type;
	mongodb_raw_bytes(raw, at, (size_t)(text + sizeof(text) - at));
}

/* The most that a member takes beside a text's bytes. */
#define MONGODB_RAW_MEMBER_MAX 16

/* ---- Values of fields ---------------------------------------------------- */

static inline void mongodb_raw_text(struct mongodb_raw *raw,
    struct evkv_slice text)
{
	mongodb_raw_int32(raw, text.size + 1);
	mongodb_raw_bytes(raw, text.data, text.size);
	raw->data[raw->size++] = '\0';
}

static inline void mongodb_raw_binary(struct mongodb_raw *raw,
    struct evkv_slice bytes)
{
	mongodb_raw_int32(raw, bytes.size);
	raw->data[raw->size++] = BSON_SUBTYPE_BINARY;
	mongodb_raw_bytes(raw, bytes.data, bytes.size);
}

static inline void mongodb_raw_bool(struct mongodb_raw *raw, bool value)
{
	raw->data[raw->size++] = (char)value;
}

/* Begin a document or an array; returns what its end needs. */
static inline size_t mongodb_raw_open(struct mongodb_raw *raw)
{
	raw->size += 4;
	return raw->size - 4;
}

static inline void mongodb_raw_close(struct mongodb_raw *raw, size_t opened)
{
	uint32_t bits;

	raw->data[raw->size++] = '\0';
	bits = BSON_UINT32_TO_LE((uint32_t)(raw->size - opened));
	memcpy(raw->data + opened, &bits, sizeof(bits));
}

/* ---- Reading ------------------------------------------------------------- */

/* What is left of it. */
struct mongodb_rest {
	const char *at;
	size_t left;
};

/* The next bytes; NULL = there are fewer. */
static inline const char *mongodb_rest_next(struct mongodb_rest *rest,
    size_t size)
{
	const char *at = rest->at;

	if (rest->left < size)
		return NULL;
	rest->at += size;
	rest->left -= size;
	return at;
}

/* Pass these if they come next. */
static inline bool mongodb_rest_is(struct mongodb_rest *rest, const void *bytes,
    size_t size)
{
	return rest->left >= size && memcmp(rest->at, bytes, size) == 0 &&
	    mongodb_rest_next(rest, size) != NULL;
}

/* Pass what begins this field, see MONGODB_RAW_FIELD. */
#define MONGODB_REST_FIELD(rest, type, name)                                   \
	mongodb_rest_is(rest, type name, sizeof(type name))

static inline bool mongodb_rest_size(struct mongodb_rest *rest, uint32_t *size)
{
	const char *at = mongodb_rest_next(rest, sizeof(*size));

	if (at == NULL)
		return false;
	memcpy(size, at, sizeof(*size));
	*size = BSON_UINT32_FROM_LE(*size);
	return true;
}

#endif
