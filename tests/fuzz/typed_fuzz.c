/*
 * tests/fuzz/typed_fuzz.c - decoding structs: no input is read out of bounds,
 * and what is accepted is written and accepted again.
 */
#include <stdlib.h>

#include "evkv/adapters/typed.h"
#include "evkv/json.h"

struct node {
	int16_t number;
	double wide;
	const char *name;
	char code[4];
	struct evkv_slice bytes, json, kept;
	int64_t at_ms;
	uint8_t *list;
	size_t list_count;
	struct node *next;
};

static const struct evkv_schema node_schema;

static const struct evkv_field node_fields[] = {
	{ EVKV_FIELD(struct node, number, INT) },
	{ EVKV_FIELD(struct node, wide, DOUBLE) },
	{ EVKV_FIELD(struct node, name, STRING) },
	{ EVKV_FIELD(struct node, code, CHARS) },
	{ EVKV_FIELD(struct node, bytes, BYTES) },
	{ EVKV_FIELD(struct node, json, JSON) },
	{ EVKV_FIELD(struct node, at_ms, TIME) },
	{ EVKV_FIELD_LIST(struct node, list, list_count, UINT) },
	{ .name = "next",
	    .kind = EVKV_FIELD_KIND_STRUCT,
	    .flags = EVKV_FIELD_POINTER,
	    .offset = offsetof(struct node, next),
	    .width = sizeof(struct node *),
	    .schema = &node_schema },
};

static const struct evkv_schema node_schema = {
	.size = sizeof(struct evkv_schema),
	.field_size = sizeof(struct evkv_field),
	.object_size = sizeof(struct node),
	.count = sizeof(node_fields) / sizeof(node_fields[0]),
	.fields = node_fields,
	.unknown = EVKV_UNKNOWN_KEEP,
	.kept = EVKV_MEMBER(struct node, kept),
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct evkv_typed_error error = { .message = "" };
	struct evkv_json_writer writer = { .data = NULL };
	void *object, *again;

	object = evkv_typed_decode(&node_schema, evkv_bytes(data, size),
	    &error);
	if (object == NULL) {
		if (error.message[0] == '\0')
			abort();
		return 0;
	}
	if (!evkv_typed_encode(&node_schema, object, &writer, &error))
		abort();
	again = evkv_typed_decode(&node_schema,
	    evkv_bytes(writer.data, writer.size), &error);
	if (again == NULL)
		abort();
	evkv_typed_free_object(again);
	evkv_typed_free_object(object);
	evkv_json_writer_clear(&writer);
	return 0;
}
