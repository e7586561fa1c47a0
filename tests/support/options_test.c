/*
 * Options of callers that know more than we do, and none at all: each store
 * refuses them.
 */
#include <string.h>

#include "evkv/alloc.h"
#include "evkv/open.h"
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

/* ---- Bounds -------------------------------------------------------------- */

/* A store of these options; `says` NULL = it is made, and goes unused. */
#define CHECK_ROWS(store_, rows_)                                              \
	do {                                                                   \
		struct rig rig;                                                \
		size_t i;                                                      \
		rig_open(&rig);                                                \
		for (i = 0; i < sizeof(rows_) / sizeof((rows_)[0]); i++) {     \
			struct evkv_error error_ = EVKV_ERROR_INIT;            \
			struct evkv_store *made = evkv_##store_##_new(         \
			    rig.loop, &(rows_)[i].options, &error_);           \
			options_told(made, &error_, (rows_)[i].says);          \
		}                                                              \
		rig_close(&rig);                                               \
	} while (0)

__attribute__((unused)) static void options_told(struct evkv_store *made,
    const struct evkv_error *error, const char *says)
{
	if (says == NULL) {
		check_str(error->message, "");
		check(made != NULL);
	} else {
		check(made == NULL);
		check_status(error->status, EVKV_INVALID);
		check_contains(error->message, says);
	}
	evkv_store_unref(made);
}

#define PATH_ .path = "/no/such/place/store"

#ifdef HAVE_FILETREE
EVKV_TEST(support_options, filetree_has_bounds)
{
	static const struct {
		const char *says;
		struct evkv_filetree_options options;
	} rows[] = {
		{ "path is not given", { .path = NULL } },
		{ "path is not given", { .path = "" } },
		{ "durability is none of", { PATH_, .durability = 3 } },
		{ "max_value must be at most",
		    { PATH_, .max_value = (size_t)EVKV_VALUE_MAX + 1 } },
		{ "sweep_ms must be", { PATH_, .sweep_ms = -2 } },
		{ "sync_ms must not be", { PATH_, .sync_ms = -1 } },
		{ "timeout_ms must not be", { PATH_, .timeout_ms = -1 } },
		{ NULL,
		    { PATH_, .durability = 2, .max_value = EVKV_VALUE_MAX,
			.sweep_ms = -1 } },
	};

	CHECK_ROWS(filetree, rows);
}
#endif

#ifdef HAVE_JSONFILE
EVKV_TEST(support_options, jsonfile_has_bounds)
{
	static const struct {
		const char *says;
		struct evkv_jsonfile_options options;
	} rows[] = {
		{ "path is not given", { .path = NULL } },
		{ "path is not given", { .path = "" } },
		{ "max_bytes must be", { PATH_, .max_bytes = 1023 } },
		{ "max_bytes must be", { PATH_, .max_bytes = 1073741825 } },
		{ "timeout_ms must not be", { PATH_, .timeout_ms = -1 } },
		{ NULL, { PATH_, .max_bytes = 1024 } },
		{ NULL, { PATH_, .max_bytes = 1073741824 } },
	};

	CHECK_ROWS(jsonfile, rows);
}
#endif

#ifdef HAVE_MEMCACHED
#define PATH_27_ "/abcdefghijklmnopqrstuvwxyz"
#define PATH_108_ PATH_27_ PATH_27_ PATH_27_ PATH_27_

EVKV_TEST(support_options, memcached_has_bounds)
{
	static char host[1026];
	static const struct evkv_memcached_server many[101],
	    port[] = { { "h", 65536, 0 } }, below[] = { { "h", -1, 0 } },
	    weight[] = { { "h", 0, 65536 } }, none[] = { { "h", 0, -1 } },
	    most[] = { { "h", 65535, 65535 } }, far[] = { { host, 0, 0 } },
	    farthest[] = { { host + 1, 0, 0 } };
	static const struct {
		const char *says;
		struct evkv_memcached_options options;
	} rows[] = {
		{ "tls_... need TLS", { .tls_ca_file = "x" } },
		{ "tls_... need TLS", { .tls_cert_file = "x" } },
		{ "tls_... need TLS", { .tls_key_file = "x" } },
		{ "tls_... need TLS", { .tls_server_name = "x" } },
		{ "tls_... need TLS", { .tls_insecure_no_verify = true } },
		{ "go together", { .tls = true, .tls_cert_file = "x" } },
		{ "go together", { .tls = true, .tls_key_file = "x" } },
		{ "over a unix socket", { .tls = true, .path = "/x" } },
		{ "a user and a password go", { .user = "x" } },
		{ "a user and a password go", { .password = "x" } },
		{ "no blank", { .user = "x y", .password = "p" } },
		{ "line ends", { .user = "x\r", .password = "p" } },
		{ "line ends", { .user = "x", .password = "p\n" } },
		{ "backoff_min_ms must not be",
		    { .backoff_min_ms = 11, .backoff_max_ms = 10 } },
		{ NULL, { .backoff_min_ms = 10, .backoff_max_ms = 10 } },
		{ "servers is NULL", { .server_count = 1 } },
		{ "a path excludes servers",
		    { .path = "/x", .servers = most, .server_count = 1 } },
		{ "at most 107 bytes", { .path = PATH_108_ } },
		{ NULL, { .path = &PATH_108_[1] } },
		{ "at most 100 servers",
		    { .servers = many, .server_count = 101 } },
		{ "server 2 (localhost): it is there twice",
		    { .servers = many, .server_count = 100 } },
		{ "port must be", { .servers = port, .server_count = 1 } },
		{ "port must be", { .servers = below, .server_count = 1 } },
		{ "weight must be", { .servers = weight, .server_count = 1 } },
		{ "weight must be", { .servers = none, .server_count = 1 } },
		{ NULL, { .servers = most, .server_count = 1 } },
		{ "1024 bytes", { .servers = far, .server_count = 1 } },
		{ NULL, { .servers = farthest, .server_count = 1 } },
		{ "key_prefix must have", { .key_prefix = "a\x7f" } },
		{ "key_prefix must have", { .key_prefix = " a" } },
	};

	memset(host, 'h', sizeof(host) - 1);
	CHECK_ROWS(memcached, rows);
}
#endif

#ifdef HAVE_ELASTICSEARCH
#define INDEX_50_ "abcdefghij.klmnopqrst-uvwxyz_0123456789abcdefghijk"
#define INDEX_200_ INDEX_50_ INDEX_50_ INDEX_50_ INDEX_50_

EVKV_TEST(support_options, elasticsearch_has_bounds)
{
	static const struct evkv_elasticsearch_node many[65],
	    port[] = { { "h", 65536 } }, below[] = { { "h", -1 } },
	    most[] = { { "h", 65535 } }, none[] = { { "", 9200 } };
	static const struct {
		const char *says;
		struct evkv_elasticsearch_options options;
	} rows[] = {
		{ "64 nodes at most", { .nodes = many, .node_count = 65 } },
		{ "a node needs a host", { .nodes = many, .node_count = 64 } },
		{ "a node needs a host", { .nodes = none, .node_count = 1 } },
		{ "a port from 0", { .nodes = port, .node_count = 1 } },
		{ "a port from 0", { .nodes = below, .node_count = 1 } },
		{ "nodes is NULL", { .node_count = 1 } },
		{ NULL, { .nodes = most, .node_count = 1 } },
		{ "index must be", { .index = INDEX_200_ "x" } },
		{ "index must be", { .index = "_x" } },
		{ "index must be", { .index = "X" } },
		{ "index must be", { .index = "a/b" } },
		{ NULL, { .index = INDEX_200_ } },
		{ NULL, { .index = "7" } },
		{ "proxy_port go together", { .proxy_port = 80 } },
		{ "proxy_port go together", { .proxy_host = "h" } },
		{ "exclude each other", { .api_key = "x", .bearer = "y" } },
		{ "exclude each other",
		    { .user = "x", .password = "p", .bearer = "y" } },
		{ "exclude each other",
		    { .user = "x", .password = "p", .api_key = "y" } },
		{ "a password needs a user", { .password = "p" } },
		{ "tls_... need TLS", { .tls_ca_file = "x" } },
		{ "tls_... need TLS", { .tls_cert_file = "x" } },
		{ "tls_... need TLS", { .tls_key_file = "x" } },
		{ "tls_... need TLS", { .tls_server_name = "x" } },
		{ "tls_... need TLS", { .tls_insecure_no_verify = true } },
		{ "go together", { .tls = true, .tls_cert_file = "x" } },
		{ "go together", { .tls = true, .tls_key_file = "x" } },
		{ "must be", { .connect_timeout_ms = -1 } },
		{ "must be", { .request_timeout_ms = -1 } },
		{ "must be", { .backoff_max_ms = -1 } },
		{ "must be", { .timeout_ms = -1 } },
		{ "must be", { .connect_timeout_ms = INT64_C(1) << 40 } },
		{ NULL, { .connect_timeout_ms = (INT64_C(1) << 40) - 1 } },
	};

	CHECK_ROWS(elasticsearch, rows);
}
#endif

#ifdef HAVE_ELASTICSEARCH
EVKV_TEST(support_options, nodes_of_elasticsearch_have_no_weights)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct rig rig;

	rig_open(&rig);
	check(evkv_elasticsearch_register(rig.loop));
	check(evkv_open(rig.loop, "elasticsearch://a,b*2/i", &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_contains(error.message, "nodes have no weights");
	rig_close(&rig);
}
#endif

#ifdef HAVE_LOG
EVKV_TEST(support_options, log_has_bounds)
{
	static const struct {
		const char *says;
		struct evkv_log_options options;
	} rows[] = {
		{ "path is not given", { .path = NULL } },
		{ "path is not given", { .path = "" } },
		{ "durability is none of", { PATH_, .durability = 3 } },
		{ "reads is none of", { PATH_, .reads = 2 } },
		{ "max_bytes must be", { PATH_, .max_bytes = 1048575 } },
		{ NULL, { PATH_, .max_bytes = 1048576 } },
		{ "segment_bytes must be 64",
		    { PATH_, .segment_bytes = 65535 } },
		{ NULL, { PATH_, .segment_bytes = 65536 } },
		{ "segment_bytes must be 64",
		    { PATH_, .segment_bytes = (UINT64_C(16) << 30) + 4096,
			.max_bytes = UINT64_C(1) << 40 } },
		{ NULL,
		    { PATH_, .segment_bytes = UINT64_C(16) << 30,
			.max_bytes = UINT64_C(64) << 30 } },
		{ "at most a quarter",
		    { PATH_, .segment_bytes = 262144 + 4096,
			.max_bytes = 1048576 } },
		{ NULL,
		    { PATH_, .segment_bytes = 262144, .max_bytes = 1048576 } },
		{ "compact_ratio must be", { PATH_, .compact_ratio = -0.1 } },
		{ "compact_ratio must be", { PATH_, .compact_ratio = 1.01 } },
		{ NULL, { PATH_, .compact_ratio = 1 } },
		{ "readers must be", { PATH_, .readers = -1 } },
		{ "readers must be", { PATH_, .readers = 17 } },
		{ NULL, { PATH_, .readers = 16 } },
		{ "sweep_ms must be", { PATH_, .sweep_ms = -2 } },
		{ "sync_ms must not be", { PATH_, .sync_ms = -1 } },
		{ "timeout_ms must not be", { PATH_, .timeout_ms = -1 } },
	};

	CHECK_ROWS(log, rows);
}
#endif

#ifdef HAVE_REDIS
#define LONG_64_                                                               \
	"0123456789012345678901234567890123456789012345678901234567890123"
#define LONG_256_ LONG_64_ LONG_64_ LONG_64_ LONG_64_
#define LONG_1024_ LONG_256_ LONG_256_ LONG_256_ LONG_256_

EVKV_TEST(support_options, redis_has_bounds)
{
	static const struct {
		const char *says;
		struct evkv_redis_options options;
	} rows[] = {
		{ "tls_... need TLS", { .tls_ca_file = "x" } },
		{ "tls_... need TLS", { .tls_cert_file = "x" } },
		{ "tls_... need TLS", { .tls_key_file = "x" } },
		{ "tls_... need TLS", { .tls_server_name = "x" } },
		{ "tls_... need TLS", { .tls_insecure_no_verify = true } },
		{ "go together", { .tls = true, .tls_cert_file = "x" } },
		{ "go together", { .tls = true, .tls_key_file = "x" } },
		{ "over a unix socket", { .tls = true, .path = "/x" } },
		{ "backoff_min_ms must not be",
		    { .backoff_min_ms = 11, .backoff_max_ms = 10 } },
		{ NULL, { .backoff_min_ms = 10, .backoff_max_ms = 10 } },
		{ "port must be", { .port = -1 } },
		{ "port must be", { .port = 65536 } },
		{ NULL, { .port = 65535 } },
		{ "a path excludes", { .path = "/x", .host = "h" } },
		{ "a path excludes", { .path = "/x", .port = 1 } },
		{ "db must not be", { .db = -1 } },
		{ "exclude each other",
		    { .password = "p", .password_file = "/x" } },
		{ "a user needs a password", { .user = "u" } },
		{ "connections must be", { .connections = -1 } },
		{ "connections must be", { .connections = 65 } },
		{ NULL, { .connections = 64 } },
		{ "client_name must be", { .client_name = "a b" } },
		{ "client_name must be", { .client_name = "a\x7f" } },
		{ NULL, { .client_name = "!~" } },
		{ "key_prefix must have", { .key_prefix = LONG_1024_ "x" } },
		{ NULL, { .key_prefix = LONG_1024_ } },
		{ "stall_timeout_ms is",
		    { .stall_timeout_ms = INT64_C(1) << 40 } },
		{ NULL, { .stall_timeout_ms = (INT64_C(1) << 40) - 1 } },
	};

	CHECK_ROWS(redis, rows);
}
#endif

/* ---- As a URL ------------------------------------------------------------ */

#ifdef HAVE_REDIS
EVKV_TEST(support_options, urls_of_redis_are_described)
{
	struct rig rig;

	rig_open(&rig);
	check(evkv_redis_register(rig.loop));
	rig_check_described(&rig, "redis:", "redis://localhost:6379");
	rig_check_described(&rig, "redis://[::1]:7", "redis://[::1]:7");
	rig_check_described(&rig, "rediss://u:p@127.0.0.1/?timeout_ms=2s",
	    "rediss://u:***@127.0.0.1:6379?timeout_ms=2s");
	rig_check_described(&rig, "redis://:p@h", "redis://:***@h:6379");
	rig_check_described(&rig, "redis+unix:///tmp/s?key_prefix=a:",
	    "redis+unix:///tmp/s?key_prefix=a:");
	rig_close(&rig);
}
#endif

#ifdef HAVE_ELASTICSEARCH
EVKV_TEST(support_options, urls_of_elasticsearch_are_described)
{
	struct rig rig;

	rig_open(&rig);
	check(evkv_elasticsearch_register(rig.loop));
	rig_check_described(&rig, "elasticsearch://a,[::1]:7/i",
	    "elasticsearch://a:9200,[::1]:7/i");
	rig_check_described(&rig, "opensearch+https://u:p@h/i?timeout_ms=2s",
	    "opensearch+https://u:***@h:9200/i?timeout_ms=2s");
	rig_close(&rig);
}
#endif
