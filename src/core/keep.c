/*
 * core/keep.c - the caller's inputs, where they are needed after submit.
 *
 * One copy for an op, in one piece, of the request of the first level that
 * needs it: the struct, its arrays, its bytes. What deeper levels derive from
 * that copy lives as long; the levels above have no request any more once
 * submit has returned.
 */
#include "base/request.h"
#include "core/core.h"

struct copier {
	char *at;
};

static size_t rounded(size_t size)
{
	return (size + 15) & ~(size_t)15;
}

static void *put_bytes(struct copier *copier, const void *bytes, size_t size)
{
	void *to = copier->at;

	if (size > 0)
		memcpy(to, bytes, size);
	copier->at += size;
	return to;
}

static struct evkv_slice put_slice(struct copier *copier,
    struct evkv_slice slice)
{
	return evkv_bytes(put_bytes(copier, slice.data, slice.size),
	    slice.size);
}

static void *put_array(struct copier *copier, const void *array, size_t size)
{
	void *to = put_bytes(copier, array, size);

	copier->at += rounded(size) - size;
	return to;
}

size_t evkv__request_copy_size(const struct evkv_request *request)
{
	size_t count = request->count, size = rounded(sizeof(*request)), i;

	size += request->collection.size + request->match.prefix.size +
	    request->match.pattern.size + request->match.cursor.size;
	if (request->keys != NULL)
		size += rounded(count * sizeof(struct evkv_slice));
	if (request->values != NULL)
		size += rounded(count * sizeof(struct evkv_slice));
	if (request->ttls_ms != NULL)
		size += rounded(count * sizeof(int64_t));
	if (request->deltas != NULL)
		size += rounded(count * sizeof(int64_t));
	if (request->versions != NULL)
		size += rounded(count * sizeof(struct evkv_version));
	if (request->counted_values != NULL)
		size += rounded(count * sizeof(struct evkv_value *));
	for (i = 0; i < count && request->keys != NULL; i++)
		size += request->keys[i].size;
	for (i = 0; i < count && request->values != NULL; i++)
		size += request->values[i].size;
	return size;
}

/* The copy of a counted value is the same value; the caller takes the refs. */
struct evkv_request *evkv__request_copy(void *memory,
    const struct evkv_request *request)
{
	struct copier copier = { memory };
	struct evkv_slice *keys = NULL, *values = NULL;
	struct evkv_request *copy;
	size_t slices = request->count * sizeof(struct evkv_slice), i;

	copy = put_array(&copier, request, sizeof(*request));
	if (request->keys != NULL)
		copy->keys = keys = put_array(&copier, request->keys, slices);
	if (request->values != NULL)
		copy->values = values = put_array(&copier, request->values,
		    slices);
	if (request->ttls_ms != NULL)
		copy->ttls_ms = put_array(&copier, request->ttls_ms,
		    request->count * sizeof(int64_t));
	if (request->deltas != NULL)
		copy->deltas = put_array(&copier, request->deltas,
		    request->count * sizeof(int64_t));
	if (request->versions != NULL)
		copy->versions = put_array(&copier, request->versions,
		    request->count * sizeof(struct evkv_version));
	if (request->counted_values != NULL)
		copy->counted_values = put_array(&copier,
		    request->counted_values,
		    request->count * sizeof(struct evkv_value *));
	copy->collection = put_slice(&copier, request->collection);
	copy->match.prefix = put_slice(&copier, request->match.prefix);
	copy->match.pattern = put_slice(&copier, request->match.pattern);
	copy->match.cursor = put_slice(&copier, request->match.cursor);
	for (i = 0; i < request->count && keys != NULL; i++)
		keys[i] = put_slice(&copier, keys[i]);
	for (i = 0; i < request->count && values != NULL; i++)
		values[i] = put_slice(&copier, values[i]);
	return copy;
}

/* One key, perhaps with a value, and nothing else that is to be copied. */
static inline bool is_plain(const struct evkv_request *request)
{
	return request->count == 1 && request->keys != NULL &&
	    request->ttls_ms == NULL && request->deltas == NULL &&
	    request->versions == NULL && request->counted_values == NULL &&
	    request->match.prefix.size == 0 &&
	    request->match.pattern.size == 0 && request->match.cursor.size == 0;
}

/* As evkv__request_copy(), of a plain one, which most are. */
static struct evkv_request *keep_plain(struct evkv_op *op,
    const struct evkv_request *request)
{
	struct plain {
		_Alignas(16) struct evkv_request request;
		struct evkv_slice key, value;
		char bytes[];
	} * plain;
	struct evkv_slice value = request_value(request, 0);
	struct copier copier;

	plain = evkv_op_alloc(op,
	    sizeof(*plain) + request->collection.size + request->keys->size +
		value.size);
	if (plain == NULL)
		return NULL;
	copier.at = plain->bytes;
	plain->request = *request;
	plain->request.collection = put_slice(&copier, request->collection);
	plain->request.keys = &plain->key;
	plain->key = put_slice(&copier, *request->keys);
	plain->value = put_slice(&copier, value);
	if (request->values != NULL)
		plain->request.values = &plain->value;
	return &plain->request;
}

static struct evkv_request *keep_request(struct evkv_op *op,
    const struct evkv_request *request)
{
	struct evkv_request *kept;
	size_t i;

	if ((op->flags & OP_BORROWS) != 0)
		return evkv_op_derive(op, request);
	if (is_plain(request))
		return keep_plain(op, request);
	kept = evkv_op_alloc(op, evkv__request_copy_size(request));
	if (kept == NULL)
		return NULL;
	kept = evkv__request_copy(kept, request);
	if (kept->counted_values != NULL) {
		for (i = 0; i < kept->count; i++)
			evkv_value_ref(kept->counted_values[i]);
		op->flags |= OP_COUNTED | OP_UNCLEAN;
	}
	return kept;
}

bool evkv_op_keep(struct evkv_op *op)
{
	struct evkv_frame *frame = evkv__op_top(op);
	struct evkv_request *kept;

	if ((op->flags & OP_KEPT) != 0)
		return true;
	kept = keep_request(op, frame->request);
	if (kept == NULL)
		return false;
	op->flags |= OP_KEPT;
	op->given = frame->request;
	op->kept = kept;
	op->kept_depth = (uint16_t)(op->depth - 1);
	frame->request = kept;
	return true;
}

struct evkv_request *evkv_op_derive(struct evkv_op *op,
    const struct evkv_request *request)
{
	struct evkv_request *derived = evkv_op_alloc(op, sizeof(*derived));

	if (derived != NULL)
		*derived = *evkv__op_as_kept(op, request);
	return derived;
}
