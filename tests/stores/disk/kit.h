/*
 * tests/stores/disk/kit.h - a disk store in a temporary folder, and blocking
 * calls on it.
 */
#ifndef TESTS_STORES_DISK_KIT_H
#define TESTS_STORES_DISK_KIT_H

#include "evkv/stores/disk.h"
#include "lib/folder.h"
#include "lib/rig.h"
#include "lib/test.h"

struct kit {
	struct rig rig;
	struct evkv_store *store;
	char path[256]; /* of the store; in a folder of its own */
	char folder[240];
};

/* A folder and a loop, on an injected clock; no store yet. */
void kit_begin(struct kit *kit);
/* On the system's clock. */
void kit_begin_real(struct kit *kit);
void kit_end(struct kit *kit);

/*
 * Open the store; options NULL = durability os in 64 MiB; the path is the
 * kit's. Waits until it is ready; kit_try_open() gives the status of that.
 */
void kit_open(struct kit *kit, const struct evkv_disk_options *options);
enum evkv_status kit_try_open(struct kit *kit,
    const struct evkv_disk_options *options, struct answer *answer);
/* Close it and wait until that has ended. */
void kit_close(struct kit *kit);

/* Do a request and wait for the answer, which the caller frees. */
enum evkv_status kit_do(struct kit *kit, const struct evkv_request *request,
    struct answer *answer);

enum evkv_status kit_put(struct kit *kit, const char *collection,
    struct evkv_slice key, struct evkv_slice value, int64_t ttl_ms);
enum evkv_status kit_delete(struct kit *kit, const char *collection,
    struct evkv_slice key);
/* The status of a get, and whether the value is as expected. */
enum evkv_status kit_get(struct kit *kit, const char *collection,
    struct evkv_slice key, struct evkv_slice expected);
/* The version of an entry that is there. */
struct evkv_version kit_version(struct kit *kit, const char *collection,
    struct evkv_slice key);
/* A put, delete or touch on the condition of a version. */
enum evkv_status kit_if_version(struct kit *kit, enum evkv_kind kind,
    struct evkv_slice key, const struct evkv_version *version);
/* A request without keys. */
enum evkv_status kit_span(struct kit *kit, enum evkv_kind kind,
    const char *collection);

/* The file of the current generation, and its size in bytes. */
void kit_data_file(const struct kit *kit, char *path, size_t size);
size_t kit_file_size(const struct kit *kit);

#endif
