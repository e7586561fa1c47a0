/* support/pick.c - see pick.h. */
#include "support/pick.h"

#include <string.h>

/* NULL = no memory. */
static void *pick_array(struct evkv_op *op, const void *array, size_t size,
    const uint32_t *from, size_t count)
{
	char *picked = evkv_op_alloc(op, count * size);
	size_t i;

	for (i = 0; i < count && picked != NULL; i++)
		memcpy(picked + i * size, (const char *)array + from[i] * size,
		    size);
	return picked;
}

#define PICK(field_)                                                           \
	if (request->field_ != NULL) {                                         \
		request->field_ = pick_array(op, request->field_,              \
		    sizeof(*request->field_), from, count);                    \
		if (request->field_ == NULL)                                   \
			return false;                                          \
	}

bool evkv__request_pick(struct evkv_op *op, struct evkv_request *request,
    const uint32_t *from, size_t count)
{
	PICK(keys)
	PICK(values)
	PICK(counted_values)
	PICK(ttls_ms)
	PICK(versions)
	PICK(deltas)
	request->count = count;
	return true;
}
