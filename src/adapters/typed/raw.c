/*
 * adapters/typed/raw.c - the bytes of a struct as its value.
 */
#include "adapters/typed/schema.h"

static bool raw_encode(const struct evkv_schema *schema, const void *object,
    struct evkv_json_writer *writer, struct evkv_typed_error *error)
{
	evkv_json_put_raw(writer, evkv_bytes(object, schema->object_size));
	return !writer->failed ||
	    evkv__typed_fail(error, NULL, UINT64_MAX, "out of memory");
}

static void *raw_decode(const struct evkv_schema *schema,
    struct evkv_slice bytes, struct evkv_typed_error *error)
{
	struct evkv_arena *arena;
	void *object;

	if (bytes.size != schema->object_size) {
		evkv__typed_fail(error, NULL, UINT64_MAX,
		    "expected %zu bytes, found %zu", schema->object_size,
		    bytes.size);
		return NULL;
	}
	object = evkv_typed_new_object(bytes.size, &arena);
	if (object == NULL)
		evkv__typed_fail(error, NULL, UINT64_MAX, "out of memory");
	else
		memcpy(object, bytes.data, bytes.size);
	return object;
}

const struct evkv_codec evkv_codec_raw = {
	.size = sizeof(struct evkv_codec),
	.encode = raw_encode,
	.decode = raw_decode,
};
