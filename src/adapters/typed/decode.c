/*
 * adapters/typed/decode.c - a struct from JSON, by its table.
 *
 * The reader gets the whole text at once, so that every token is a part of it,
 * and a copy of the reader is a place to come back to: elements of an array are
 * counted ahead before room is made for them.
 */
#include "adapters/typed/decode.h"

#define UNKNOWN_MAX 256 /* members of one object that no table has */

/* ---- Arrays and pointers ------------------------------------------------ */

/* How many elements come until the array's end; the reader stays. */
static bool count_elements(struct decoder *d, const struct typed_path *path,
    size_t *count)
{
	struct decoder ahead = *d;
	struct evkv_json_token token;

	for (*count = 0;; (*count)++) {
		if (!evkv__decode_next(&ahead, path, &token))
			return false;
		if (token.kind == EVKV_JSON_ARRAY_END)
			return true;
		if (!evkv__decode_skip(&ahead, path, token))
			return false;
	}
}

static bool decode_array(struct decoder *d, const struct evkv_field *field,
    void *object, const struct typed_path *path,
    const struct evkv_json_token *first)
{
	char *at = (char *)object + field->offset;
	struct typed_path item = { .up = path };
	struct evkv_json_token token;
	size_t count;

	if (first->kind != EVKV_JSON_ARRAY)
		return evkv__decode_unexpected(d, path, first, "an array");
	if (!count_elements(d, path, &count) ||
	    !evkv__typed_check_count(field, count, path, first->offset,
		d->error))
		return false;
	if (field->room == 0) {
		if (count > SIZE_MAX / 2 / field->width)
			return evkv__typed_fail(d->error, path, first->offset,
			    "too many elements");
		*(void **)(void *)at = evkv__decode_memory(d,
		    count * field->width, path);
		at = *(char **)(void *)at;
		if (at == NULL)
			return false;
		memset(at, 0, count * field->width);
	}
	if (field->counted != 0)
		*(size_t *)typed_member(object, field->counted) = count;
	for (; evkv__decode_next(d, path, &token) &&
	     token.kind != EVKV_JSON_ARRAY_END;
	     item.index++, at += field->width) {
		if (!evkv__decode_value(d, field, at, &item, &token))
			return false;
	}
	return token.kind == EVKV_JSON_ARRAY_END;
}

static bool decode_pointer(struct decoder *d, const struct evkv_field *field,
    void **member, const struct typed_path *path,
    const struct evkv_json_token *token)
{
	*member = evkv__decode_memory(d, field->schema->object_size, path);
	if (*member == NULL)
		return false;
	memset(*member, 0, field->schema->object_size);
	return evkv__decode_value(d, field, *member, path, token);
}

static bool decode_union(struct decoder *d, const struct evkv_field *field,
    void *object, const struct typed_path *path,
    const struct evkv_json_token *token)
{
	const struct evkv_schema *schema = evkv__typed_variant(field, object);

	if (schema == NULL)
		return evkv__typed_fail(d->error, path, token->offset,
		    "its tag has no variant");
	return evkv__decode_object(d, schema, (char *)object + field->offset,
	    path, token);
}

/* ---- Objects ------------------------------------------------------------ */

/* null is an absent member, where that is no value of the field's own. */
static bool is_absent(const struct evkv_field *field,
    const struct evkv_json_token *token)
{
	return token->kind == EVKV_JSON_NULL &&
	    field->kind != EVKV_FIELD_KIND_JSON &&
	    field->kind != EVKV_FIELD_KIND_CUSTOM;
}

static bool decode_field(struct decoder *d, const struct evkv_field *field,
    void *object, const struct typed_path *path, bool *seen)
{
	void *member = (char *)object + field->offset;
	struct evkv_json_token token;

	if (!evkv__decode_next(d, path, &token))
		return false;
	*seen = !is_absent(field, &token);
	if (!*seen)
		return true;
	if (field->present != 0)
		*(bool *)typed_member(object, field->present) = true;
	if (typed_is_array(field))
		return decode_array(d, field, object, path, &token);
	if (field->kind == EVKV_FIELD_KIND_UNION)
		return decode_union(d, field, object, path, &token);
	if ((field->flags & EVKV_FIELD_POINTER) != 0)
		return decode_pointer(d, field, member, path, &token);
	return evkv__decode_value(d, field, member, path, &token);
}

/* What is known of an object while its members come. */
struct object_state {
	const struct evkv_schema *schema;
	void *object;
	const struct typed_path *path;
	unsigned char *seen; /* of each field: 1 its name, 2 its value */
	struct unknown_name *unknown;
	size_t unknown_count;
	struct later *later;
	bool version_seen;
};

/* A union, which is read when its tag is certain to be there. */
struct later {
	struct later *next;
	size_t field;
	struct evkv_json_reader reader; /* in front of the value */
};

/* A member that no table has, to find it twice. */
struct unknown_name {
	struct unknown_name *next;
	struct evkv_slice name;
};

/* Members that nobody knows, as the text of a member. */
static bool keep_unknown(struct decoder *d, struct object_state *state,
    size_t from)
{
	struct evkv_slice *kept = typed_member(state->object,
	    state->schema->kept);
	size_t size = (size_t)d->reader.before - from;
	char *copy = evkv__decode_memory(d, kept->size + 1 + size, state->path);
	size_t at = 0;

	if (copy == NULL)
		return false;
	if (kept->size > 0) {
		memcpy(copy, kept->data, kept->size);
		copy[kept->size] = ',';
		at = kept->size + 1;
	}
	memcpy(copy + at, d->text + from, size);
	*kept = evkv_bytes(copy, at + size);
	return true;
}

static bool note_unknown(struct decoder *d, struct object_state *state,
    struct evkv_slice name, uint64_t offset)
{
	struct unknown_name *known;

	for (known = state->unknown; known != NULL; known = known->next) {
		if (evkv_slice_equal(known->name, name))
			return evkv__typed_fail(d->error, state->path, offset,
			    "a member that stands twice");
	}
	if (state->unknown_count++ == UNKNOWN_MAX)
		return evkv__typed_fail(d->error, state->path, offset,
		    "more than %d members that are not known", UNKNOWN_MAX);
	known = evkv__decode_memory(d, sizeof(*known), state->path);
	if (known == NULL)
		return false;
	known->name = name;
	known->next = state->unknown;
	state->unknown = known;
	return true;
}

static bool decode_unknown(struct decoder *d, struct object_state *state,
    struct evkv_slice name, const struct evkv_json_token *token)
{
	struct evkv_json_token value;

	if (state->schema->unknown == EVKV_UNKNOWN_REFUSE)
		return evkv__typed_fail(d->error, state->path, token->offset,
		    "a member that is not known: %.*s",
		    (int)(name.size < 60 ? name.size : 60),
		    (const char *)name.data);
	if (!note_unknown(d, state, name, token->offset) ||
	    !evkv__decode_next(d, state->path, &value) ||
	    !evkv__decode_skip(d, state->path, value))
		return false;
	return state->schema->unknown != EVKV_UNKNOWN_KEEP ||
	    keep_unknown(d, state, (size_t)token->offset);
}

static bool decode_version(struct decoder *d, struct object_state *state,
    const struct evkv_json_token *token)
{
	struct evkv_json_token value;
	uint64_t version;

	if (state->version_seen)
		return evkv__typed_fail(d->error, state->path, token->offset,
		    "a member that stands twice");
	state->version_seen = true;
	if (!evkv__decode_next(d, state->path, &value))
		return false;
	if (value.kind != EVKV_JSON_NUMBER ||
	    !evkv_json_uint(value.text, &version) ||
	    version > state->schema->version)
		return evkv__typed_fail(d->error, state->path, value.offset,
		    "expected a model of version %u or older",
		    state->schema->version);
	return true;
}

static bool put_off(struct decoder *d, struct object_state *state, size_t i,
    const struct typed_path *path)
{
	struct later *later = evkv__decode_memory(d, sizeof(*later), path);
	struct evkv_json_token value;

	if (later == NULL)
		return false;
	later->field = i;
	later->reader = d->reader;
	later->next = state->later;
	state->later = later;
	return evkv__decode_next(d, path, &value) &&
	    evkv__decode_skip(d, path, value);
}

static bool decode_later(struct decoder *d, struct object_state *state)
{
	struct typed_path path = { .up = state->path };
	struct decoder back = *d;
	const struct later *later;
	bool has_value;

	for (later = state->later; later != NULL; later = later->next) {
		const struct evkv_field *field = typed_field(state->schema,
		    later->field);

		path.name = field->name;
		path.secret = (field->flags & EVKV_FIELD_SECRET) != 0;
		back.reader = later->reader;
		if (!decode_field(&back, field, state->object, &path,
			&has_value))
			return false;
		state->seen[later->field] = has_value ? 2 : 1;
	}
	return true;
}

static bool decode_member(struct decoder *d, struct object_state *state,
    const struct evkv_json_token *token)
{
	const struct evkv_field *field;
	struct typed_path path = { .up = state->path };
	struct evkv_slice name = token->text;
	bool has_value;
	char *copy;
	size_t i;

	if (token->escaped) {
		copy = evkv__decode_memory(d, name.size, state->path);
		if (copy == NULL)
			return false;
		name = evkv_bytes(copy, evkv_json_unescape(token, copy));
	}
	if (state->schema->version != 0 &&
	    evkv_slice_equal(name, EVKV_LIT("_version")))
		return decode_version(d, state, token);
	for (i = 0; i < state->schema->count; i++) {
		field = typed_field(state->schema, i);
		if (!evkv_slice_equal(name, evkv_str(field->name)))
			continue;
		path.name = field->name;
		path.secret = (field->flags & EVKV_FIELD_SECRET) != 0;
		if (state->seen[i] != 0)
			return evkv__typed_fail(d->error, &path, token->offset,
			    "a member that stands twice");
		state->seen[i] = 1;
		if (field->kind == EVKV_FIELD_KIND_UNION)
			return put_off(d, state, i, &path);
		if (!decode_field(d, field, state->object, &path, &has_value))
			return false;
		state->seen[i] = has_value ? 2 : 1;
		return true;
	}
	return decode_unknown(d, state, name, token);
}

/* What the object did not have: required, or its default. */
static bool fill_absent(struct decoder *d, struct object_state *state,
    uint64_t offset)
{
	const struct evkv_field *field;
	struct typed_path path = { .up = state->path };
	size_t i;

	for (i = 0; i < state->schema->count; i++) {
		field = typed_field(state->schema, i);
		if (state->seen[i] == 2)
			continue;
		path.name = field->name;
		if ((field->flags & EVKV_FIELD_REQUIRED) != 0)
			return evkv__typed_fail(d->error, &path, offset,
			    "a required member is absent");
		if (field->fallback != NULL)
			memcpy((char *)state->object + field->offset,
			    field->fallback,
			    field->width *
				(field->room != 0 ? field->room : 1));
	}
	return true;
}

static bool decode_members(struct decoder *d, struct object_state *state,
    uint64_t offset)
{
	struct evkv_json_token token;
	const char *why;

	while (evkv__decode_next(d, state->path, &token)) {
		if (token.kind == EVKV_JSON_OBJECT_END) {
			if (!decode_later(d, state) ||
			    !fill_absent(d, state, offset))
				return false;
			if (state->schema->validate == NULL)
				return true;
			why = state->schema->validate(state->object);
			return why == NULL ||
			    evkv__typed_fail(d->error, state->path, offset,
				"%s", why);
		}
		if (!decode_member(d, state, &token))
			return false;
	}
	return false;
}

bool evkv__decode_object(struct decoder *d, const struct evkv_schema *schema,
    void *object, const struct typed_path *path,
    const struct evkv_json_token *token)
{
	struct object_state state = {
		.schema = schema,
		.object = object,
		.path = path,
	};

	if (token->kind != EVKV_JSON_OBJECT)
		return evkv__decode_unexpected(d, path, token, "an object");
	state.seen = evkv__decode_memory(d, schema->count + 1, path);
	if (state.seen == NULL)
		return false;
	memset(state.seen, 0, schema->count + 1);
	return decode_members(d, &state, token->offset);
}

static bool decode_all(struct decoder *d, const struct evkv_schema *schema,
    void *object)
{
	struct evkv_json_token token;

	if (!evkv__decode_next(d, NULL, &token) ||
	    !evkv__decode_object(d, schema, object, NULL, &token))
		return false;
	return evkv_json_next(&d->reader, &token) == EVKV_JSON_END ||
	    evkv__decode_syntax_wrong(d, NULL);
}

void *evkv_typed_decode(const struct evkv_schema *schema,
    struct evkv_slice bytes, struct evkv_typed_error *error)
{
	struct decoder d = { .text = bytes.data, .error = error };
	void *object = evkv_typed_new_object(schema->object_size, &d.arena);
	bool good;

	if (object == NULL) {
		evkv__typed_fail(error, NULL, UINT64_MAX, "out of memory");
		return NULL;
	}
	evkv_json_reader_init(&d.reader, NULL);
	evkv_json_feed(&d.reader, bytes, true);
	good = decode_all(&d, schema, object);
	evkv_json_reader_clear(&d.reader);
	if (good)
		return object;
	evkv_typed_free_object(object);
	return NULL;
}
