/*
 * http_target.h - what a request of http_service.c is about.
 */
#ifndef HTTP_TARGET_H
#define HTTP_TARGET_H

#include "evkv/evkv.h"

struct evhttp_request;

struct target {
	char *collection; /* malloc's */
	char *key;        /* likewise; of size 0: a listing */
	size_t collection_size;
	size_t key_size;
	int64_t ttl_ms;
	int64_t limit;            /* of names in a page; 0 = the store's */
	struct evkv_value *after; /* the cursor */
	bool versions;            /* the ETag is wanted */
	bool conditional;         /* by If-Match or If-None-Match */
	enum evkv_condition condition;
	struct evkv_version version;
};

/* Fill it in; returns NULL, or what is wrong. */
const char *target_read(struct target *target, struct evhttp_request *request);
void target_free(struct target *target);

#endif
