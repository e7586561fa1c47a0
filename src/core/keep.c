/*
 * core/keep.c - the caller's inputs, where they are needed after submit.
 *
 * One copy for an op, in one piece: the request, its arrays, its bytes. The
 * requests that wrappers derived on the way down live in the op already, but
 * still point to the caller's memory here and there; they are moved over.
 */
#include "loop/loop.h"

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

/* If *slice lies within `from`, move it to the same place in `to`. */
static bool move_within(struct evkv_slice *slice, struct evkv_slice from,
    struct evkv_slice to)
{
	uintptr_t at = (uintptr_t)slice->data, start = (uintptr_t)from.data;

	if (at < start || at + slice->size > start + from.size)
		return false;
	slice->data = (const char *)to.data + (at - start);
	return true;
}

static bool move_entry(struct evkv_slice *slice,
    const struct evkv_request *from, const struct evkv_request *to, size_t i)
{
	return (from->keys != NULL &&
		   move_within(slice, from->keys[i], to->keys[i])) ||
	    (from->values != NULL &&
		move_within(slice, from->values[i], to->values[i]));
}

static bool move_name(struct evkv_slice *slice, const struct evkv_request *from,
    const struct evkv_request *to)
{
	return move_within(slice, from->collection, to->collection) ||
	    move_within(slice, from->match.prefix, to->match.prefix) ||
	    move_within(slice, from->match.pattern, to->match.pattern) ||
	    move_within(slice, from->match.cursor, to->match.cursor);
}

/* What is no entry's may be from any of them: a collection out of a key. */
static void move_slice(struct evkv_slice *slice,
    const struct evkv_request *from, const struct evkv_request *to)
{
	size_t i;

	if (slice->size == 0 || move_name(slice, from, to))
		return;
	for (i = 0; i < from->count; i++) {
		if (move_entry(slice, from, to, i))
			return;
	}
}

/* Those of entries: from the same entry, or from what is no entry's. */
static const struct evkv_slice *move_slices(const struct evkv_slice *slices,
    size_t count, const struct evkv_request *from,
    const struct evkv_request *to)
{
	struct evkv_slice *own = (struct evkv_slice *)(uintptr_t)slices;
	size_t i;

	if (slices == NULL)
		return NULL;
	if (slices == from->keys)
		return to->keys;
	if (slices == from->values)
		return to->values;
	for (i = 0; i < count && i < from->count; i++) {
		if (own[i].size > 0 && !move_entry(&own[i], from, to, i))
			move_name(&own[i], from, to);
	}
	return slices;
}

/* A derived request: what it still has from `from` is in `to` now. */
static void move_request(struct evkv_request *request,
    const struct evkv_request *from, const struct evkv_request *to)
{
	request->keys = move_slices(request->keys, request->count, from, to);
	request->values = move_slices(request->values, request->count, from,
	    to);
	if (request->ttls_ms == from->ttls_ms)
		request->ttls_ms = to->ttls_ms;
	if (request->deltas == from->deltas)
		request->deltas = to->deltas;
	if (request->versions == from->versions)
		request->versions = to->versions;
	if (request->counted_values == from->counted_values)
		request->counted_values = to->counted_values;
	move_slice(&request->collection, from, to);
	move_slice(&request->match.prefix, from, to);
	move_slice(&request->match.pattern, from, to);
	move_slice(&request->match.cursor, from, to);
}

static struct evkv_request *keep_request(struct evkv_op *op,
    const struct evkv_request *request)
{
	struct evkv_request *kept;
	size_t i;

	if ((op->flags & OP_BORROWS) != 0)
		return evkv_op_derive(op, request);
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
	const struct evkv_request *original = op->frames[0].request;
	const struct evkv_request **request;
	struct evkv_request *kept;
	unsigned i;

	if ((op->flags & OP_KEPT) != 0)
		return true;
	kept = keep_request(op, original);
	if (kept == NULL)
		return false;
	op->flags |= OP_KEPT;
	op->given = original;
	for (i = 0; i < op->depth; i++) {
		request = &op->frames[i].request;
		if (*request == original)
			*request = kept;
		else
			move_request((struct evkv_request *)(uintptr_t)*request,
			    original, kept);
	}
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
