/*
 * tests/engines/serial/either.h - the store that a test is about which is built
 * for each: with SERIAL_FILETREE or SERIAL_JSONFILE.
 */
#ifndef TESTS_ENGINES_SERIAL_EITHER_H
#define TESTS_ENGINES_SERIAL_EITHER_H

#ifdef SERIAL_FILETREE
#include "evkv/stores/filetree.h"
#else
#include "evkv/stores/jsonfile.h"
#endif

static inline struct evkv_store *either_open(struct evkv_loop *loop,
    const char *path, struct evkv_executor *executor, struct evkv_error *error)
{
#ifdef SERIAL_FILETREE
	return evkv_filetree_new(loop,
	    &(struct evkv_filetree_options){
		.path = path, .executor = executor, .sweep_ms = -1 },
	    error);
#else
	return evkv_jsonfile_new(loop,
	    &(struct evkv_jsonfile_options){
		.path = path, .executor = executor },
	    error);
#endif
}

#endif
