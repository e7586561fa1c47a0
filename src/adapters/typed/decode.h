/*
 * adapters/typed/decode.h - a struct that is being read: what its values and
 * its objects share.
 */
#ifndef EVKV_ADAPTERS_TYPED_DECODE_H
#define EVKV_ADAPTERS_TYPED_DECODE_H

#include "adapters/typed/schema.h"

struct decoder {
	struct evkv_json_reader reader;
	const char *text;
	struct evkv_arena *arena;
	struct evkv_typed_error *error;
};

/* All return false, or NULL, with the error filled. */

/* Memory of the arena. */
void *evkv__decode_memory(struct decoder *d, size_t size,
    const struct typed_path *path);
/* The next token, which the grammar says there is. */
bool evkv__decode_next(struct decoder *d, const struct typed_path *path,
    struct evkv_json_token *token);
/* The rest of a value whose first token was read. */
bool evkv__decode_skip(struct decoder *d, const struct typed_path *path,
    struct evkv_json_token token);
/* Always false: a token was found where something else was expected. */
bool evkv__decode_unexpected(struct decoder *d, const struct typed_path *path,
    const struct evkv_json_token *token, const char *expected);
bool evkv__decode_syntax_wrong(struct decoder *d,
    const struct typed_path *path);

/* One value, or element, whose first token was read, checked. */
bool evkv__decode_value(struct decoder *d, const struct evkv_field *field,
    void *member, const struct typed_path *path,
    const struct evkv_json_token *token);
bool evkv__decode_object(struct decoder *d, const struct evkv_schema *schema,
    void *object, const struct typed_path *path,
    const struct evkv_json_token *token);

#endif
