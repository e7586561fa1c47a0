/*
 * wrappers/compression/compression.h - what the parts of the wrapper share.
 */
#ifndef EVKV_WRAPPERS_COMPRESSION_COMPRESSION_H
#define EVKV_WRAPPERS_COMPRESSION_COMPRESSION_H

#include "evkv/executor.h"
#include "evkv/wrapper.h"
#include "wrappers/compression/codec.h"

struct compression {
	struct evkv_store *inner;
	size_t offload_size;
	struct codec here;      /* the loop's thread */
	struct codec away;      /* the worker */
	struct evkv_lane *lane; /* made when it is first needed */
};

/* away.c: what is too large for the loop's thread. */
enum evkv_verdict compression_put_away(struct compression *self,
    struct evkv_op *op, const struct evkv_request *request);
enum evkv_verdict compression_get(struct compression *self, struct evkv_op *op,
    const struct evkv_request *request);
void compression_stop(void *self, struct evkv_op *op);

/* compression.c: entry i on its way up, on this thread. */
enum evkv_status compression_entry_decode(void *self, struct evkv_op *op,
    const struct evkv_request *request, size_t i);
/* How an entry of the op has fared. */
void compression_entry_end(struct evkv_op *op, size_t i,
    enum evkv_status status, struct evkv_value *value, const char *why);

#endif
