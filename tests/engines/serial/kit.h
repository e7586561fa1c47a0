/*
 * tests/engines/serial/kit.h - a store in files in a temporary folder, and
 * blocking calls on it.
 */
#ifndef TESTS_ENGINES_SERIAL_KIT_H
#define TESTS_ENGINES_SERIAL_KIT_H

#include "lib/folder.h"
#include "lib/rig.h"
#include "lib/test.h"

struct kit {
	struct rig rig;
	struct evkv_store *store;
	char folder[240];
	char path[256]; /* of the store, in the folder */
	/* Makes the store, of the kit's path. */
	struct evkv_store *(*make)(struct kit *kit, struct evkv_error *error);
	struct answer answer; /* the last one */
};

/* A folder and a loop, on an injected clock; no store yet. */
void kit_begin(struct kit *kit, const char *name,
    struct evkv_store *(*make)(struct kit *kit, struct evkv_error *error));
/* On the system's clock. */
void kit_begin_real(struct kit *kit, const char *name,
    struct evkv_store *(*make)(struct kit *kit, struct evkv_error *error));
void kit_end(struct kit *kit);

/* Open the store and wait until it is ready, or has failed. */
enum evkv_status kit_try_open(struct kit *kit);
void kit_open(struct kit *kit);
/* Close it and wait until that has ended. */
void kit_close(struct kit *kit);

/* Do a request and wait for the answer, which is kit->answer. */
enum evkv_status kit_do(struct kit *kit, const struct evkv_request *request);
/* With one key, or without keys. */
enum evkv_status kit_put(struct kit *kit, const char *collection,
    struct evkv_slice key, struct evkv_slice value, int64_t ttl_ms);
enum evkv_status kit_keyed(struct kit *kit, enum evkv_kind kind,
    const char *collection, struct evkv_slice key);
enum evkv_status kit_span(struct kit *kit, enum evkv_kind kind,
    const char *collection);

/* The value of "key" in collection "c" is as said. */
void kit_check(struct kit *kit, const char *collection, const char *key,
    const char *value);
/* Put it, and it is OK. */
void kit_must_put(struct kit *kit, const char *collection, const char *key,
    const char *value, int64_t ttl_ms);
/* Each entry of the last answer has that status, and there are so many. */
void kit_check_entries(const struct kit *kit, size_t count,
    enum evkv_status status);
/* How many names an enumeration gives, over all pages of `limit`. */
size_t kit_names(struct kit *kit, enum evkv_kind kind, const char *collection,
    size_t limit);

/* ---- Files --------------------------------------------------------------- */

/* The path of a file in the kit's folder; in static memory, two at a time. */
const char *kit_file(const struct kit *kit, const char *name);
/* Write a file there, and read one: up to 64 KiB, in static memory. */
void kit_write_file(const struct kit *kit, const char *name, const char *text);
const char *kit_read_file(const struct kit *kit, const char *name);
bool kit_has_file(const struct kit *kit, const char *name);

#endif
