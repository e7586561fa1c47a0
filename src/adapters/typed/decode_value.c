/*
 * adapters/typed/decode_value.c - single values of a struct, from JSON.
 */
#include <stdio.h>

#include "adapters/typed/decode.h"
#include "evkv/alloc.h"
#include "evkv/base64.h"

#define CHUNK_FIRST 512

struct arena_piece {
	struct arena_piece *next;
	size_t left;
	_Alignas(16) char bytes[];
};

/* In front of every object that is handed out. */
struct evkv_arena {
	struct arena_piece *pieces;
	_Alignas(16) char object[];
};

/* ---- Memory ------------------------------------------------------------- */

void *evkv_arena_alloc(struct evkv_arena *arena, size_t size)
{
	struct arena_piece *piece = arena->pieces;
	size_t room = CHUNK_FIRST;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + 15) & ~(size_t)15;
	if (piece == NULL || piece->left < size) {
		if (size > room)
			room = size;
		piece = evkv_malloc(sizeof(*piece) + room);
		if (piece == NULL)
			return NULL;
		piece->left = room;
		piece->next = arena->pieces;
		arena->pieces = piece;
	}
	piece->left -= size;
	return piece->bytes + piece->left;
}

void *evkv_typed_new_object(size_t size, struct evkv_arena **arena)
{
	*arena = evkv_calloc(1, sizeof(struct evkv_arena) + size);
	return *arena != NULL ? (*arena)->object : NULL;
}

void evkv_typed_free_object(void *object)
{
	struct evkv_arena *arena;
	struct arena_piece *piece;

	if (object == NULL)
		return;
	arena = (struct evkv_arena *)(void *)((char *)object -
	    offsetof(struct evkv_arena, object));
	while ((piece = arena->pieces) != NULL) {
		arena->pieces = piece->next;
		evkv_free(piece);
	}
	evkv_free(arena);
}

void *evkv__decode_memory(struct decoder *d, size_t size,
    const struct typed_path *path)
{
	void *memory = evkv_arena_alloc(d->arena, size);

	if (memory == NULL)
		evkv__typed_fail(d->error, path, UINT64_MAX, "out of memory");
	return memory;
}

/* ---- Tokens ------------------------------------------------------------- */

bool evkv__decode_syntax_wrong(struct decoder *d, const struct typed_path *path)
{
	return evkv__typed_fail(d->error, path, d->reader.offset, "%s",
	    d->reader.why);
}

/* The next token, which the grammar says there is. */
bool evkv__decode_next(struct decoder *d, const struct typed_path *path,
    struct evkv_json_token *token)
{
	return evkv_json_next(&d->reader, token) < EVKV_JSON_MORE ||
	    evkv__decode_syntax_wrong(d, path);
}

static bool secret(const struct typed_path *path)
{
	for (; path != NULL; path = path->up) {
		if (path->secret)
			return true;
	}
	return false;
}

bool evkv__decode_unexpected(struct decoder *d, const struct typed_path *path,
    const struct evkv_json_token *token, const char *expected)
{
	static const char *const kinds[] = { "an object", "", "an array", "",
		"", "string", "number", "true", "false", "null" };
	size_t size = token->text.size < 20 ? token->text.size : 20;
	bool shown = token->kind == EVKV_JSON_STRING ||
	    token->kind == EVKV_JSON_NUMBER;

	/* No half characters, and nothing that ends the line. */
	while (size > 0 && size < token->text.size &&
	    (((const unsigned char *)token->text.data)[size] & 0xc0) == 0x80)
		size--;
	if (!shown)
		return evkv__typed_fail(d->error, path, token->offset,
		    "expected %s, found %s", expected, kinds[token->kind]);
	if (secret(path))
		return evkv__typed_fail(d->error, path, token->offset,
		    "expected %s, found a %s that is secret", expected,
		    kinds[token->kind]);
	return evkv__typed_fail(d->error, path, token->offset,
	    token->kind == EVKV_JSON_STRING
		? "expected %s, found string \"%.*s%s\""
		: "expected %s, found number %.*s%s",
	    expected, (int)size, (const char *)token->text.data,
	    size < token->text.size ? "..." : "");
}

/* The rest of a value whose first token was read. */
bool evkv__decode_skip(struct decoder *d, const struct typed_path *path,
    struct evkv_json_token token)
{
	unsigned depth = 0;

	for (;;) {
		if (token.kind == EVKV_JSON_OBJECT ||
		    token.kind == EVKV_JSON_ARRAY)
			depth++;
		else if (token.kind == EVKV_JSON_OBJECT_END ||
		    token.kind == EVKV_JSON_ARRAY_END)
			depth--;
		if (depth == 0)
			return true;
		if (!evkv__decode_next(d, path, &token))
			return false;
	}
}

/* The text of the value that begins with a token; it is read to its end. */
static bool raw_text(struct decoder *d, const struct typed_path *path,
    const struct evkv_json_token *token, struct evkv_slice *text)
{
	if (!evkv__decode_skip(d, path, *token))
		return false;
	*text = evkv_bytes(d->text + token->offset,
	    (size_t)(d->reader.before - token->offset));
	return true;
}

/* ---- Values ------------------------------------------------------------- */

/* A string's bytes in the arena, with a NUL behind them. */
static bool take_string(struct decoder *d, const struct typed_path *path,
    const struct evkv_json_token *token, struct evkv_slice *bytes)
{
	char *copy;

	if (token->kind != EVKV_JSON_STRING)
		return evkv__decode_unexpected(d, path, token, "a string");
	copy = evkv__decode_memory(d, token->text.size + 1, path);
	if (copy == NULL)
		return false;
	bytes->data = copy;
	bytes->size = evkv_json_unescape(token, copy);
	copy[bytes->size] = '\0';
	return true;
}

/* Of a string that C ends with a NUL none may be inside. */
static bool take_c_string(struct decoder *d, const struct typed_path *path,
    const struct evkv_json_token *token, struct evkv_slice *bytes)
{
	return take_string(d, path, token, bytes) &&
	    (memchr(bytes->data, '\0', bytes->size) == NULL ||
		evkv__typed_fail(d->error, path, token->offset,
		    "expected a string without NUL"));
}

static bool read_chars(struct decoder *d, const struct evkv_field *field,
    char *member, const struct typed_path *path,
    const struct evkv_json_token *token)
{
	struct evkv_slice bytes;

	if (!take_c_string(d, path, token, &bytes))
		return false;
	if (bytes.size >= field->width)
		return evkv__typed_fail(d->error, path, token->offset,
		    "expected at most %zu bytes, found %zu", field->width - 1,
		    bytes.size);
	memcpy(member, bytes.data, bytes.size + 1);
	return true;
}

static bool read_bytes(struct decoder *d, struct evkv_slice *member,
    const struct typed_path *path, const struct evkv_json_token *token)
{
	struct evkv_slice text;

	if (!take_string(d, path, token, &text))
		return false;
	member->data = text.data;
	if (!evkv_base64_decode(text, (void *)(uintptr_t)text.data,
		&member->size))
		return evkv__decode_unexpected(d, path, token, "base64");
	return true;
}

static bool read_number(struct decoder *d, const struct evkv_field *field,
    void *member, const struct typed_path *path,
    const struct evkv_json_token *token)
{
	char expected[40];
	int64_t i;
	uint64_t u;

	if (field->kind == EVKV_FIELD_KIND_INT &&
	    token->kind == EVKV_JSON_NUMBER && evkv_json_int(token->text, &i) &&
	    evkv__typed_write_int(member, field->width, i))
		return true;
	if (field->kind == EVKV_FIELD_KIND_UINT &&
	    token->kind == EVKV_JSON_NUMBER &&
	    evkv_json_uint(token->text, &u) &&
	    evkv__typed_write_uint(member, field->width, u))
		return true;
	snprintf(expected, sizeof(expected), "an integer of %u bits%s",
	    (unsigned)field->width * 8,
	    field->kind == EVKV_FIELD_KIND_UINT ? " without sign" : "");
	return evkv__decode_unexpected(d, path, token, expected);
}

static bool read_double(struct decoder *d, const struct evkv_field *field,
    void *member, const struct typed_path *path,
    const struct evkv_json_token *token)
{
	double number;
	float single;

	if (token->kind != EVKV_JSON_NUMBER ||
	    !evkv_json_double(token->text, &number))
		return evkv__decode_unexpected(d, path, token, "a number");
	if (field->width == sizeof(double)) {
		*(double *)member = number;
		return true;
	}
	single = (float)number;
	if (single - single != 0)
		return evkv__decode_unexpected(d, path, token,
		    "a number of single width");
	*(float *)member = single;
	return true;
}

static bool read_enum(struct decoder *d, const struct evkv_field *field,
    int *member, const struct typed_path *path,
    const struct evkv_json_token *token)
{
	const struct evkv_field_name *name;
	struct evkv_slice text;

	if (!take_string(d, path, token, &text))
		return false;
	for (name = field->names; name->name != NULL; name++) {
		if (evkv_slice_equal(text, evkv_str(name->name))) {
			*member = name->value;
			return true;
		}
	}
	return evkv__decode_unexpected(d, path, token,
	    "one of the enum's names");
}

static bool read_time(struct decoder *d, int64_t *member,
    const struct typed_path *path, const struct evkv_json_token *token)
{
	if (token->kind == EVKV_JSON_STRING &&
	    evkv__typed_time_read(token->text, member))
		return true;
	return evkv__decode_unexpected(d, path, token,
	    "a time such as \"2026-11-28T05:00:00.000Z\"");
}

/* A copy of the text of a value. */
static bool read_json(struct decoder *d, struct evkv_slice *member,
    const struct typed_path *path, const struct evkv_json_token *token)
{
	struct evkv_slice text;
	char *copy;

	if (!raw_text(d, path, token, &text))
		return false;
	copy = evkv__decode_memory(d, text.size, path);
	if (copy == NULL)
		return false;
	memcpy(copy, text.data, text.size);
	*member = evkv_bytes(copy, text.size);
	return true;
}

static bool read_custom(struct decoder *d, const struct evkv_field *field,
    void *member, const struct typed_path *path,
    const struct evkv_json_token *token)
{
	struct evkv_typed_error inner = { .message = "" };
	struct evkv_slice text;

	if (!raw_text(d, path, token, &text))
		return false;
	return field->decode(text, d->arena, member, &inner) ||
	    evkv__typed_fail(d->error, path, token->offset, "%s",
		inner.message);
}

static bool read_value(struct decoder *d, const struct evkv_field *field,
    void *member, const struct typed_path *path,
    const struct evkv_json_token *token)
{
	struct evkv_slice bytes;

	switch (field->kind) {
	case EVKV_FIELD_KIND_BOOL:
		*(bool *)member = token->kind == EVKV_JSON_TRUE;
		return token->kind == EVKV_JSON_TRUE ||
		    token->kind == EVKV_JSON_FALSE ||
		    evkv__decode_unexpected(d, path, token, "true or false");
	case EVKV_FIELD_KIND_INT:
	case EVKV_FIELD_KIND_UINT:
		return read_number(d, field, member, path, token);
	case EVKV_FIELD_KIND_DOUBLE:
		return read_double(d, field, member, path, token);
	case EVKV_FIELD_KIND_STRING:
		if (!take_c_string(d, path, token, &bytes))
			return false;
		*(const char **)member = bytes.data;
		return true;
	case EVKV_FIELD_KIND_CHARS:
		return read_chars(d, field, member, path, token);
	case EVKV_FIELD_KIND_TEXT: return take_string(d, path, token, member);
	case EVKV_FIELD_KIND_BYTES: return read_bytes(d, member, path, token);
	case EVKV_FIELD_KIND_ENUM:
		return read_enum(d, field, member, path, token);
	case EVKV_FIELD_KIND_TIME: return read_time(d, member, path, token);
	case EVKV_FIELD_KIND_JSON: return read_json(d, member, path, token);
	case EVKV_FIELD_KIND_STRUCT:
		return evkv__decode_object(d, field->schema, member, path,
		    token);
	default: return read_custom(d, field, member, path, token);
	}
}

bool evkv__decode_value(struct decoder *d, const struct evkv_field *field,
    void *member, const struct typed_path *path,
    const struct evkv_json_token *token)
{
	return read_value(d, field, member, path, token) &&
	    evkv__typed_check(field, member, path, token->offset, d->error);
}
