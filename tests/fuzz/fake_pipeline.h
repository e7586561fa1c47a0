/*
 * tests/fuzz/fake_pipeline.h - a pipeline without a socket, for fuzz targets of
 * drivers, and what they all do: operations that get any bytes as the replies
 * of a server, whole and in pieces.
 */
#ifndef TESTS_FUZZ_FAKE_PIPELINE_H
#define TESTS_FUZZ_FAKE_PIPELINE_H

#include <stddef.h>
#include <stdint.h>

#include "evkv/evkv.h"
#include "evkv/pipeline.h"

#define FUZZ_OPS 14

/* What became of the operations. */
struct fuzz_outcome {
	unsigned calls[FUZZ_OPS];
	uint64_t digest[FUZZ_OPS];
};

struct fuzz_call {
	struct fuzz_outcome *outcome;
	size_t i;
};

/* A driver: its store, on one pipeline. */
struct fuzz_driver {
	struct evkv_store *(*open)(struct evkv_loop *loop);
	const char *greeting; /* what ends its handshake well */
	/* Submit FUZZ_OPS operations, to fuzz_result() with &calls[i]. */
	void (*submit)(struct evkv_store *store, struct fuzz_call *calls);
};

void fuzz_result(const struct evkv_result *result, void *arg);

/*
 * The first byte says into what pieces the rest is cut: the answers must be the
 * same as in one piece, and each operation must call back once.
 */
void fuzz_replies(const struct fuzz_driver *driver, const uint8_t *data,
    size_t size);

#endif
