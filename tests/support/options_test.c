/*
 * Options of callers that know more than we do, and none at all: each store
 * refuses them.
 */
#include <string.h>

#include "evkv/stores/memory.h"
#include "lib/rig.h"
#include "lib/test.h"
#ifdef HAVE_DISK
#include "evkv/stores/disk.h"
#endif
#ifdef HAVE_ELASTICSEARCH
#include "evkv/stores/elasticsearch.h"
#endif
#ifdef HAVE_FILETREE
#include "evkv/stores/filetree.h"
#endif
#ifdef HAVE_JSONFILE
#include "evkv/stores/jsonfile.h"
#endif
#ifdef HAVE_LOG
#include "evkv/stores/log.h"
#endif
#ifdef HAVE_MEMCACHED
#include "evkv/stores/memcached.h"
#endif
#ifdef HAVE_MONGODB
#include "evkv/stores/mongodb.h"
#endif
#ifdef HAVE_REDIS
#include "evkv/stores/redis.h"
#endif

/* One store: options of ours with one more field, which is set, and no loop. */
#define CHECK_STORE(store_, options_)                                          \
	do {                                                                   \
		struct {                                                       \
			struct evkv_##options_##_options ours;                 \
			int64_t newer;                                         \
		} given = { .newer = 1 };                                      \
		struct evkv_error error_ = EVKV_ERROR_INIT;                    \
		check(evkv_##store_##_new_sized(rig.loop, &given.ours,         \
			  sizeof(given), &error_) == NULL);                    \
		check_status(error_.status, EVKV_INVALID);                     \
		check_contains(error_.message, "does not know");               \
		evkv_error_set(&error_, EVKV_OK, "%s", "");                    \
		check(evkv_##store_##_new_sized(NULL, NULL, 0, &error_) ==     \
		    NULL);                                                     \
		check_status(error_.status, EVKV_INVALID);                     \
	} while (0)

EVKV_TEST(support_options, stores_refuse_what_they_do_not_know)
{
	struct rig rig;

	rig_open(&rig);
	CHECK_STORE(memory, memory);
#ifdef HAVE_DISK
	CHECK_STORE(disk, disk);
	CHECK_STORE(multi_disk, disk);
#endif
#ifdef HAVE_ELASTICSEARCH
	CHECK_STORE(elasticsearch, elasticsearch);
#endif
#ifdef HAVE_FILETREE
	CHECK_STORE(filetree, filetree);
#endif
#ifdef HAVE_JSONFILE
	CHECK_STORE(jsonfile, jsonfile);
#endif
#ifdef HAVE_LOG
	CHECK_STORE(log, log);
#endif
#ifdef HAVE_MEMCACHED
	CHECK_STORE(memcached, memcached);
#endif
#ifdef HAVE_MONGODB
	CHECK_STORE(mongodb, mongodb);
#endif
#ifdef HAVE_REDIS
	CHECK_STORE(redis, redis);
#endif
	rig_close(&rig);
}
