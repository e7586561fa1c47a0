/*
 * tests/install/header_examples.c - the examples at the tops of the public
 * headers, compiled as they stand there. check-headers compares them, line by
 * line, within the section of each header.
 */
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>
#include <event2/http.h>

#include "evkv/adapters/bridge.h"
#include "evkv/adapters/require.h"
#include "evkv/adapters/sync.h"
#include "evkv/adapters/typed.h"
#include "evkv/base64.h"
#include "evkv/conformance.h"
#include "evkv/driver.h"
#include "evkv/each.h"
#include "evkv/evkv.h"
#include "evkv/executor.h"
#include "evkv/json.h"
#include "evkv/fanout.h"
#include "evkv/key_codec.h"
#include "evkv/http.h"
#include "evkv/pipeline.h"
#include "evkv/spread.h"
#include "evkv/stores/disk.h"
#include "evkv/stores/elasticsearch.h"
#include "evkv/stores/filetree.h"
#include "evkv/stores/jsonfile.h"
#include "evkv/stores/log.h"
#include "evkv/stores/memcached.h"
#include "evkv/stores/mongodb.h"
#include "evkv/stores/redis.h"
#include "evkv/wrapper.h"
#include "evkv/wrappers/compression.h"
#include "evkv/wrappers/encryption.h"

void alloc_h(void);
int main(int argc, char **argv);
struct evkv_store *mine_new(struct evkv_store *inner, struct evkv_error *error);
void error_h(struct evkv_loop *loop);
void executor_h(struct evkv_loop *loop, struct evkv_executor *executor,
    void *my);
void key_codec_h(void);
void circuit_breaker_h(struct evkv_store *store);
void compression_h(struct evkv_store *store);
void concurrency_limit_h(struct evkv_store *store);
void encryption_h(struct evkv_store *store);
void fallback_h(struct evkv_loop *loop, struct evkv_store *primary);
void fault_h(struct evkv_store *store);
void routing_h(struct evkv_loop *loop);
void loop_h(void);
void open_h(struct evkv_loop *loop);
void ops_h(struct evkv_store *store, evkv_cb on_put, evkv_cb on_get);
void request_h(struct evkv_store *store);
void slice_h(char **argv, const char *buffer, size_t length);
void status_h(const struct evkv_result *result);
void store_h(struct evkv_loop *loop, evkv_cb on_closed);
void disk_h(struct evkv_loop *loop);
void filetree_h(struct evkv_loop *loop);
void jsonfile_h(struct evkv_loop *loop);
void log_h(struct evkv_loop *loop);
void memory_h(struct evkv_loop *loop);
void mongodb_h(struct evkv_loop *loop);
void null_h(struct evkv_loop *loop);
void memcached_h(struct evkv_loop *loop);
void redis_h(struct evkv_loop *loop);
void simple_h(struct evkv_loop *loop);
void passthrough_cache_h(struct evkv_loop *loop, struct evkv_store *primary,
    struct evkv_store *cache);
void prefix_keys_h(struct evkv_store *store);
void retry_h(struct evkv_store *store);
void statistics_h(struct evkv_store *store, struct evbuffer *reply);
void timeout_h(struct evkv_store *store);
void my_piece(struct evkv_slice piece);
struct evkv_store *elasticsearch_h(struct evkv_loop *loop,
    const struct evkv_elasticsearch_node *nodes);
void http_h(struct evkv_http *client, struct evkv_http_request *request);
extern evkv_cb value_h;
extern enum evkv_verdict (*pipeline_h)(void *self, struct evkv_op *op,
    const struct evkv_request *request);

static struct evkv_error error = EVKV_ERROR_INIT;

/* [evkv/adapters/bridge.h] */
struct evkv_store *bridge_h(struct evkv_loop *loop, struct evkv_store *store);

struct evkv_store *bridge_h(struct evkv_loop *loop, struct evkv_store *store)
{
	struct evkv_store *mine;

	// on the store's loop, or before it runs
	evkv_store_ref(store);
	// on the other loop's thread
	mine = evkv_bridge_new(loop, store, &error);
	return mine;
}

/* [evkv/adapters/sync.h] */
enum evkv_status sync_h(void);

enum evkv_status sync_h(void)
{
	struct evkv_value *value;
	enum evkv_status status;

	struct evkv_sync *db = evkv_sync_open("memory:", NULL, &error);
	evkv_sync_put(db, EVKV_LIT("users"), EVKV_LIT("7"), EVKV_LIT("Ada"), 0);
	status = evkv_sync_get(db, EVKV_LIT("users"), EVKV_LIT("7"), &value);
	evkv_sync_close(db, 1000);
	return status;
}

/* [evkv/adapters/require.h] */
void require_h(struct evkv_store *store, evkv_cb on_get);

void require_h(struct evkv_store *store, evkv_cb on_get)
{
	evkv_require_get(store, EVKV_LIT("users"), EVKV_LIT("7"), on_get, NULL);
}

/* [evkv/adapters/typed.h] */
struct user {
	int64_t id;
	const char *name;
	bool has_age;
	uint8_t age;
};

static const struct evkv_field user_fields[] = {
	{ EVKV_FIELD(struct user, id, INT), .flags = EVKV_FIELD_REQUIRED },
	{ EVKV_FIELD(struct user, name, STRING), .max_length = 80 },
	{ EVKV_FIELD(struct user, age, UINT), .max_uint = 150,
	    .present = EVKV_MEMBER(struct user, has_age) },
};
static const struct evkv_schema user_schema =
    EVKV_SCHEMA(struct user, user_fields);

struct evkv_typed *typed_h(struct evkv_store *store, evkv_typed_cb on_put);

struct evkv_typed *typed_h(struct evkv_store *store, evkv_typed_cb on_put)
{
	struct user user = { .id = 7 };
	struct evkv_typed *typed;

	typed = evkv_typed_new(store, &user_schema, NULL, &error);
	evkv_typed_put(typed, EVKV_LIT("users"), EVKV_LIT("7"), &user, 0,
	    on_put, NULL);
	return typed;
}

/* [evkv/cursor.h] */
void cursor_h(struct evkv_store *store, const struct evkv_result *result,
    const char *after, evkv_cb cb);

void cursor_h(struct evkv_store *store, const struct evkv_result *result,
    const char *after, evkv_cb cb)
{
	const struct evkv_slice users = EVKV_LIT("users");
	const struct evkv_slice all = EVKV_LIT("");
	struct evkv_value *cursor;

	char *next = evkv_cursor_text(result->cursor);
	evkv_free(next);

	// when the next page is asked for
	if (evkv_cursor_from_text(evkv_str(after), &cursor))
		evkv_keys(store, users, all, evkv_value_bytes(cursor), 100, cb,
		    NULL);
	evkv_value_unref(cursor);
}

/* [evkv/evbuffer.h] */
struct evkv_value *evbuffer_h(struct evhttp_request *http,
    const struct evkv_result *result, struct evbuffer *body);

struct evkv_value *evbuffer_h(struct evhttp_request *http,
    const struct evkv_result *result, struct evbuffer *body)
{
	struct evkv_value *value;

	// the body of an HTTP request becomes a value, and goes to the store
	value = evkv_value_from_evbuffer(evhttp_request_get_input_buffer(http));
	// a value from the store becomes the body of a reply
	if (!evkv_evbuffer_add_value(body,
		evkv_result_entry(result, 0)->value))
		evhttp_send_error(http, 503, NULL);
	return value;
}

/* [evkv/alloc.h] */
static void *my_alloc(size_t size, void *arg)
{
	(void)arg;
	return malloc(size);
}

static void my_free(void *memory, void *arg)
{
	(void)arg;
	free(memory);
}

void alloc_h(void)
{
	evkv_set_allocator(&(struct evkv_allocator){
	    .allocate = my_alloc, .release = my_free });
}

/* [evkv/base64.h] */
size_t base64_h(struct evkv_slice bytes, char *text);

size_t base64_h(struct evkv_slice bytes, char *text)
{
	size_t size = evkv_base64_encode(bytes, text);

	return size;
}

/* [evkv/conformance.h] */
static struct evkv_store *open_mine(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	return mine_new(evkv_conformance_delay(run,
	    evkv_memory_new(loop, NULL, error), error), error);
}

int main(int argc, char **argv)
{
	return evkv_conformance_main(argc, argv,
	    &(struct evkv_conformance_suite){
	        .size = sizeof(struct evkv_conformance_suite),
	        .name = "mine", .open = open_mine });
}

/* [evkv/error.h] */
void error_h(struct evkv_loop *loop)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store = evkv_memory_new(loop, NULL, &error);
	if (store == NULL)
		fprintf(stderr, "%s\n", error.message);
}

/* [evkv/each.h] */
static bool on_user(const struct evkv_each_item *item, void *arg);
static void on_end(const struct evkv_each_result *result, void *arg);

static bool on_user(const struct evkv_each_item *item, void *arg)
{
	(void)arg;
	return item->name.size > 0;
}

static void on_end(const struct evkv_each_result *result, void *arg)
{
	(void)result;
	(void)arg;
}

void each_h(struct evkv_store *store);

void each_h(struct evkv_store *store)
{
	evkv_each(store, &(struct evkv_each_query){
	    .kind = EVKV_OP_KEYS, .collection = EVKV_LIT("users"),
	    .values = true }, on_user, on_end, NULL);
}

/* [evkv/executor.h] */
struct my_job {
	struct evkv_job job;
	struct evkv_op *op;   // not for the worker
};

static void my_run(struct evkv_job *jobs, void *arg);   // on a worker
static void my_done(struct evkv_job *jobs, void *arg);  // on the loop

static void my_run(struct evkv_job *jobs, void *arg)
{
	(void)jobs;
	(void)arg;
}

static void my_done(struct evkv_job *jobs, void *arg)
{
	(void)jobs;
	(void)arg;
}

void executor_h(struct evkv_loop *loop, struct evkv_executor *executor,
    void *my)
{
	static struct my_job here;
	struct my_job *my_job = &here;
	struct evkv_lane *lane;

	lane = evkv_lane_new(loop, executor, &(struct evkv_lane_config){
	    .run = my_run, .done = my_done, .arg = my }, &error);
	evkv_lane_submit(lane, &my_job->job);
}

/* [evkv/fanout.h] */
enum evkv_fanout_next my_next(void *arg, void **item);
void my_ask(void *arg, void *item, struct evkv_fanout_ask *ask);
bool my_came(void *arg, void *item, struct evkv_op *child);
void my_finish(void *arg, struct evkv_op *op, bool failed);

static const struct evkv_fanout_hooks my_steps = {
	.size = sizeof(struct evkv_fanout_hooks),
	.next = my_next, .ask = my_ask, .came = my_came, .finish = my_finish,
};

enum evkv_verdict fanout_h(struct evkv_op *op, void *my_walk);

enum evkv_verdict fanout_h(struct evkv_op *op, void *my_walk)
{
	struct evkv_fanout *fanout;

	fanout = evkv_fanout_new(op, &my_steps, my_walk);
	return fanout != NULL ? evkv_fanout_go(fanout) : evkv_op_nomem(op);
}

/* [evkv/http.h] */
static void my_end(struct evkv_http_request *request,
    const struct evkv_http_end *end)
{
	struct evkv_slice piece;

	if (end->fate == EVKV_HTTP_ANSWERED && end->code == 200)
		while (evkv_http_read(request, &piece) == EVKV_HTTP_PIECE)
			my_piece(piece);
	evkv_http_release(request);
}

void http_h(struct evkv_http *client, struct evkv_http_request *request)
{
	*request = (struct evkv_http_request){ .method = "GET",
	    .path = "/things/1", .flags = EVKV_HTTP_REPEATABLE, .end = my_end };
	evkv_http_start(client, request);
}

/* [evkv/json.h] */
void my_token(const struct evkv_json_token *token);
void json_h(struct evkv_slice bytes);

void json_h(struct evkv_slice bytes)
{
	struct evkv_json_reader reader;
	struct evkv_json_token token;

	evkv_json_reader_init(&reader, NULL);
	evkv_json_feed(&reader, bytes, true);
	while (evkv_json_next(&reader, &token) < EVKV_JSON_MORE)
	    my_token(&token);
	evkv_json_reader_clear(&reader);
}

/* [evkv/key_codec.h] */
void key_codec_h(void)
{
	char name[EVKV_KEY_ENCODED_MAX];
	size_t size = evkv_key_encode(EVKV_LIT("users"), EVKV_LIT("123"), name);
	// users:123
	printf("%.*s\n", (int)size, name);
}

/* [evkv/loop.h] */
void loop_h(void)
{
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	event_base_dispatch(base);
	evkv_loop_free(loop);
	event_base_free(base);
}

/* [evkv/match.h] */
void match_h(struct evkv_store *store, evkv_cb on_keys);

void match_h(struct evkv_store *store, evkv_cb on_keys)
{
	evkv_keys(store, EVKV_LIT("users"), EVKV_LIT("2026-*"),
	    EVKV_LIT(""), 0, on_keys, NULL);
}

/* [evkv/number.h] */
struct evkv_value *number_h(const struct evkv_request *request, size_t i,
    const struct evkv_slice *old);

struct evkv_value *number_h(const struct evkv_request *request, size_t i,
    const struct evkv_slice *old)
{
	struct evkv_value *value = NULL;
	char buffer[EVKV_NUMBER_MAX];
	enum evkv_status status;
	int64_t number;

	status = evkv_incr_apply(request, i, old, &number);
	if (status == EVKV_OK)
	    value = evkv_value_new(evkv_number_write(number, buffer));
	return value;
}

/* [evkv/open.h] */
void open_h(struct evkv_loop *loop)
{
	struct evkv_store *store = evkv_open(loop,
	    "memory:?max_entries=100000&max_bytes=64m", &error);
	struct evkv_store *chain = evkv_open(loop,
	    "redis://localhost/0"
	    " | passthrough_cache(memory:?max_bytes=64m, max_ttl=5m)"
	    " | prefix_keys(app:)", &error);
	evkv_store_unref(store);
	evkv_store_unref(chain);
}

/* [evkv/ops.h] */
void ops_h(struct evkv_store *store, evkv_cb on_put, evkv_cb on_get)
{
	evkv_put(store, EVKV_LIT("users"), EVKV_LIT("123"), EVKV_LIT("Ada"),
	    60000, on_put, NULL);
	evkv_get(store, EVKV_LIT("users"), EVKV_LIT("123"), on_get, NULL);
}

/* [evkv/pipeline.h] */
struct my_store {
	struct evkv_pipeline *pipeline;
};

struct my_call {                // in the op's memory
	struct evkv_slot slot;      // first
	size_t answered;
};

static enum evkv_verdict my_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct my_store *store = self;
	struct my_call *call = evkv_op_alloc(op, sizeof(*call));
	const struct evkv_slot_end *why;

	(void)request;
	if (call == NULL)
		return evkv_op_nomem(op);
	*call = (struct my_call){ .slot = { .op = op } };
	evkv_op_set_data(op, call);
	why = evkv_pipeline_submit(store->pipeline, &call->slot);
	return why == NULL ? EVKV_VERDICT_PENDING : evkv_slot_fail(op, why);
}

enum evkv_verdict (*pipeline_h)(void *self, struct evkv_op *op,
    const struct evkv_request *request) = my_submit;

/* [evkv/spread.h] */
struct my_part {
	struct evkv_part base;      // first
	uint32_t answered;
};

struct my_stores {
	struct evkv_spread spread;
};

static bool my_begin(void *self, size_t line, struct evkv_part *part,
    const struct evkv_request *request)
{
	(void)self;
	(void)line;
	(void)part;
	(void)request;
	return true;
}

static const struct evkv_spread_type my_spread = {
	.size = sizeof(struct evkv_spread_type),
	.part_size = sizeof(struct my_part),
	.begin = my_begin,
};

const struct evkv_spread_type *spread_type_h(void);
enum evkv_verdict spread_h(struct my_stores *store, struct evkv_op *op,
    const struct evkv_request *request);

const struct evkv_spread_type *spread_type_h(void)
{
	return &my_spread;
}

enum evkv_verdict spread_h(struct my_stores *store, struct evkv_op *op,
    const struct evkv_request *request)
{
	return evkv_spread_submit(&store->spread, op, request);
}

/* [evkv/request.h] */
static void on_done(const struct evkv_result *result, void *arg);

static void on_done(const struct evkv_result *result, void *arg)
{
	(void)result;
	(void)arg;
}

void request_h(struct evkv_store *store)
{
	struct evkv_slice key = EVKV_LIT("123");
	struct evkv_slice value = EVKV_LIT("Ada");
	evkv_ticket ticket = evkv_submit(store, &(struct evkv_request){
	    .kind = EVKV_OP_PUT,
	    .flags = EVKV_FLAG_SINGLE,
	    .collection = EVKV_LIT("users"),
	    .count = 1, .keys = &key, .values = &value,
	    .ttl_ms = 60000,
	    .timeout_ms = 250,
	}, on_done, NULL);
	(void)ticket;
}

/* [evkv/slice.h] */
void slice_h(char **argv, const char *buffer, size_t length)
{
	struct evkv_slice name = EVKV_LIT("users");
	struct evkv_slice key = evkv_str(argv[1]);
	struct evkv_slice raw = evkv_bytes(buffer, length);
	(void)name;
	(void)key;
	(void)raw;
}

/* [evkv/status.h] */
void status_h(const struct evkv_result *result)
{
	if (evkv_failed(result->status))
		fprintf(stderr, "%s: %s\n", evkv_status_name(result->status),
		    result->message);
}

/* [evkv/store.h] */
void store_h(struct evkv_loop *loop, evkv_cb on_closed)
{
	struct evkv_store *store = evkv_open(loop, "memory:", &error);
	evkv_store_close(store, 1000, on_closed, NULL);
	evkv_store_unref(store);
}

/* [evkv/stores/disk.h] */
void disk_h(struct evkv_loop *loop)
{
	struct evkv_store *store;

	evkv_disk_register(loop);
	store = evkv_open(loop, "disk:/var/lib/app/cache?max_bytes=2g", &error);
	evkv_store_unref(store);
	store = evkv_disk_new(loop, &(struct evkv_disk_options){
	    .path = "/var/lib/app/cache", .max_bytes = (size_t)2 << 30 },
	    &error);
	evkv_store_unref(store);
}

/* [evkv/stores/log.h] */
void log_h(struct evkv_loop *loop)
{
	struct evkv_store *store;

	evkv_log_register(loop);
	store = evkv_open(loop, "log:/var/lib/app/log?max_bytes=8g", &error);
	evkv_store_unref(store);
	store = evkv_log_new(loop, &(struct evkv_log_options){
	    .path = "/var/lib/app/log", .max_bytes = (uint64_t)8 << 30 },
	    &error);
	evkv_store_unref(store);
}

/* [evkv/stores/jsonfile.h] */
void jsonfile_h(struct evkv_loop *loop)
{
	struct evkv_store *store;

	evkv_jsonfile_register(loop);
	store = evkv_open(loop, "jsonfile:/var/lib/app/settings.json", &error);
	evkv_store_unref(store);
	store = evkv_jsonfile_new(loop, &(struct evkv_jsonfile_options){
	    .path = "/var/lib/app/settings.json" }, &error);
	evkv_store_unref(store);
}

/* [evkv/stores/filetree.h] */
void filetree_h(struct evkv_loop *loop)
{
	struct evkv_store *store;

	evkv_filetree_register(loop);
	store = evkv_open(loop, "file:/var/lib/app/tree", &error);
	evkv_store_unref(store);
	store = evkv_filetree_new(loop, &(struct evkv_filetree_options){
	    .path = "/var/lib/app/tree" }, &error);
	evkv_store_unref(store);
}

/* [evkv/stores/elasticsearch.h] */
struct evkv_store *elasticsearch_h(struct evkv_loop *loop,
    const struct evkv_elasticsearch_node *nodes)
{
	struct evkv_store *store;

	evkv_elasticsearch_register(loop);
	store = evkv_open(loop,
	    "elasticsearch://user:secret@es1,es2:9201/sessions", &error);
	evkv_store_unref(store);
	store = evkv_elasticsearch_new(loop,
	    &(struct evkv_elasticsearch_options){
	    .nodes = nodes, .node_count = 2, .index = "sessions" },
	    &error);
	return store;
}

/* [evkv/stores/memory.h] */
void memory_h(struct evkv_loop *loop)
{
	struct evkv_store *cache = evkv_memory_new(loop,
	    &(struct evkv_memory_options){ .max_bytes = 64 << 20 }, &error);
	evkv_store_unref(cache);
}

/* [evkv/stores/null.h] */
void null_h(struct evkv_loop *loop)
{
	struct evkv_store *store = evkv_null_new(loop, &error);
	evkv_store_unref(store);
}

/* [evkv/stores/memcached.h] */
void memcached_h(struct evkv_loop *loop)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;

	evkv_memcached_register(loop);
	store = evkv_open(loop, "memcached://cache1,cache2,cache3", &error);
	evkv_store_unref(store);
	struct evkv_memcached_server servers[] = {
	    { .host = "cache1" }, { .host = "cache2", .weight = 2 } };
	store = evkv_memcached_new(loop, &(struct evkv_memcached_options){
	    .servers = servers, .server_count = 2 }, &error);
	evkv_store_unref(store);
}

/* [evkv/stores/mongodb.h] */
void mongodb_h(struct evkv_loop *loop)
{
	struct evkv_store *store;

	evkv_mongodb_register(loop);
	store = evkv_open(loop,
	    "mongodb://app:secret@a,b,c/cache?replicaSet=rs0&evkv.lanes=8",
	    &error);
	evkv_store_unref(store);
	store = evkv_mongodb_new(loop, &(struct evkv_mongodb_options){
	    .uri = "mongodb://localhost/cache", .lanes = 8 }, &error);
	evkv_store_unref(store);
}

/* [evkv/stores/redis.h] */
void redis_h(struct evkv_loop *loop)
{
	struct evkv_store *store;

	evkv_redis_register(loop);
	store = evkv_open(loop, "redis://:secret@localhost:6379/0", &error);
	evkv_store_unref(store);
	store = evkv_redis_new(loop, &(struct evkv_redis_options){
	    .host = "cache.example", .tls = true, .key_prefix = "app:" },
	    &error);
	evkv_store_unref(store);
}

/* [evkv/stores/simple.h] */
void simple_h(struct evkv_loop *loop)
{
	struct evkv_store *store = evkv_simple_new(loop, &error);
	evkv_simple_dump(store, stdout);
}

/* [evkv/task.h] */
struct my_stepper {
	struct evkv_task task;
};

void my_step(void *arg);
void task_h(struct evkv_loop *loop, struct my_stepper *self);

void task_h(struct evkv_loop *loop, struct my_stepper *self)
{
	self->task.run = my_step;
	self->task.arg = self;
	evkv_task_queue(loop, &self->task);
}

/* [evkv/url.h] */
struct my_options {
	size_t max_bytes;
};

static const struct evkv_url_option my_url_options[] = {
	{ .name = "max_bytes", .type = EVKV_URL_SIZE,
	    .offset = offsetof(struct my_options, max_bytes) },
};

bool url_h(const struct evkv_url *url, struct my_options *options);

bool url_h(const struct evkv_url *url, struct my_options *options)
{
	return evkv_url_options(url, my_url_options, 1, options, &error);
}

/* [evkv/value.h] */
struct evkv_value *kept;

static void on_get(const struct evkv_result *result, void *arg)
{
	(void)arg;
	if (result->status == EVKV_OK)
		kept = evkv_value_ref(evkv_result_entry(result, 0)->value);
}

evkv_cb value_h = on_get;

/* [evkv/wrappers/circuit_breaker.h] */
void circuit_breaker_h(struct evkv_store *store)
{
	store = evkv_circuit_breaker_new(store,
	    &(struct evkv_circuit_breaker_options){ .slow_ms = 500 }, &error);
	evkv_store_unref(store);
}

/* [evkv/wrappers/compression.h] */
void compression_h(struct evkv_store *store)
{
	store = evkv_compression_new(store,
	    &(struct evkv_compression_options){ .min_size = 1024 }, &error);
	evkv_store_unref(store);
}

/* [evkv/wrappers/encryption.h] */
void encryption_h(struct evkv_store *store)
{
	store = evkv_encryption_new(store,
	    &(struct evkv_encryption_options){
	        .key_file = "/etc/service/evkv.key" }, &error);
	evkv_store_unref(store);
}

/* [evkv/wrappers/concurrency_limit.h] */
void concurrency_limit_h(struct evkv_store *store)
{
	store = evkv_concurrency_limit_new(store,
	    &(struct evkv_concurrency_limit_options){ .max_running = 32,
	        .max_queue = 500, .max_wait_ms = 200 }, &error);
	evkv_store_unref(store);
}

/* [evkv/wrappers/logging.h] */
void logging_h(struct evkv_store *store);

void logging_h(struct evkv_store *store)
{
	store = evkv_logging_new(store,
	    &(struct evkv_logging_options){ .slow_ms = 100,
	        .redact_keys = true }, &error);
	evkv_store_unref(store);
}

/* [evkv/wrappers/trace.h] */
void *my_span_new(void *parent, const char *name);
void my_span_end(void *span, const char *status);
struct evkv_store *trace_h(struct evkv_store *store);

static void *my_trace_begin(const struct evkv_request *request,
    const char *name, void *arg)
{
	(void)name;
	(void)arg;
	return my_span_new(request->trace, evkv_kind_name(request->kind));
}

static void my_trace_end(void *span, const struct evkv_trace_end *end,
    void *arg)
{
	(void)arg;
	my_span_end(span, evkv_status_name(end->status));
}

static const struct evkv_trace_hooks my_trace_hooks = {
	.size = sizeof(my_trace_hooks),
	.begin = my_trace_begin, .end = my_trace_end,
};

struct evkv_store *trace_h(struct evkv_store *store)
{
	store = evkv_trace_new(store,
	    &(struct evkv_trace_options){ .hooks = &my_trace_hooks }, &error);
	return store;
}

/* [evkv/wrappers/limit_size.h] */
void limit_size_h(struct evkv_store *store);

void limit_size_h(struct evkv_store *store)
{
	store = evkv_limit_size_new(store,
	    &(struct evkv_limit_size_options){ .max_value = 1 << 20 }, &error);
	evkv_store_unref(store);
}

/* [evkv/wrappers/default_value.h] */
void default_value_h(struct evkv_store *store);

void default_value_h(struct evkv_store *store)
{
	store = evkv_default_value_new(store,
	    &(struct evkv_default_value_options){ .value = EVKV_LIT("0"),
	        .collections = EVKV_LIT("counts*") }, &error);
	evkv_store_unref(store);
}

/* [evkv/wrappers/fallback.h] */
void fallback_h(struct evkv_loop *loop, struct evkv_store *primary)
{
	struct evkv_store *store;

	store = evkv_fallback_new(primary, evkv_open(loop, "disk:/var/copy",
	    &error), NULL, &error);
	evkv_store_unref(store);
}

/* [evkv/wrappers/fault.h] */
void fault_h(struct evkv_store *store)
{
	store = evkv_fault_new(store, &(struct evkv_fault_options){ .seed = 7 },
	    &error);
	evkv_fault_add(store, &(struct evkv_fault_rule){
	    .action = EVKV_FAULT_FAIL, .kinds = EVKV_KIND_BIT(EVKV_OP_PUT),
	    .nth = 3, .status = EVKV_UNAVAILABLE });
	evkv_store_unref(store);
}

/* [evkv/wrappers/routing.h] */
void routing_h(struct evkv_loop *loop)
{
	struct evkv_store *store;

	store = evkv_routing_new(evkv_open(loop, "disk:/var/data", &error),
	    &(struct evkv_routing_options){
	        .routes = (struct evkv_route[]){
	            { EVKV_LIT("sessions*"), evkv_memory_new(loop, NULL,
	                &error) } },
	        .route_count = 1 }, &error);
	evkv_store_unref(store);
}

/* [evkv/wrappers/passthrough_cache.h] */
void passthrough_cache_h(struct evkv_loop *loop, struct evkv_store *primary,
    struct evkv_store *cache)
{
	struct evkv_store *store;

	store = evkv_passthrough_cache_new(primary,
	    evkv_memory_new(loop, NULL, &error), NULL, &error);
	evkv_store_unref(store);
	store = evkv_passthrough_cache_new(primary, cache,
	    &(struct evkv_passthrough_cache_options){
	        .max_ttl_ms = 30000,
	        .refresh_ahead_percent = 80,
	        .stale_if_error_ms = 600000,
	        .soft_timeout_ms = 50,
	    }, &error);
	evkv_store_unref(store);
}

/* [evkv/wrappers/prefix_keys.h] */
void prefix_keys_h(struct evkv_store *store)
{
	store = evkv_prefix_keys_new(store, EVKV_LIT("app:"), &error);
	evkv_store_unref(store);
}

/* [evkv/wrappers/retry.h] */
void retry_h(struct evkv_store *store)
{
	store = evkv_retry_new(store, &(struct evkv_retry_options){
	    .attempts = 4, .attempt_timeout_ms = 250, .deadline_ms = 2000 },
	    &error);
	evkv_store_unref(store);
}

/* [evkv/wrappers/read_only.h] */
void read_only_h(struct evkv_store *store);

void read_only_h(struct evkv_store *store)
{
	store = evkv_read_only_new(store, &error);
	evkv_store_unref(store);
}

/* [evkv/wrappers/clamp_ttl.h] */
void clamp_ttl_h(struct evkv_store *store);

void clamp_ttl_h(struct evkv_store *store)
{
	store = evkv_clamp_ttl_new(store, &(struct evkv_clamp_ttl_options){
	    .min_ms = 1000, .max_ms = 86400000, .missing_ms = 3600000 }, &error);
	evkv_store_unref(store);
}

/* [evkv/wrapper.h] */
static int64_t my_ttl(void *self, enum evkv_kind kind, int64_t ttl_ms)
{
	(void)self;
	(void)kind;
	return ttl_ms == EVKV_TTL_NONE ? 3600000 : ttl_ms;
}

static const struct evkv_wrapper my_hooks = {
	.size = sizeof(struct evkv_wrapper), .ttl = my_ttl,
};

/* [evkv/registry.h] */
struct my_wrapper_options {
	size_t max_keys;
};

static const struct evkv_url_option my_options_table[] = {
	{ .name = "max_keys", .type = EVKV_URL_SIZE,
	    .offset = offsetof(struct my_wrapper_options, max_keys),
	    .summary = "keys in one operation", .standard = "100" },
};
static const struct evkv_type my_type = {
	.size = sizeof(struct evkv_type),
	.name = "my_wrapper",
	.summary = "bounds the keys of one operation",
	.options = my_options_table, .option_count = 1,
	.options_size = sizeof(struct my_wrapper_options),
	.wrapper = &my_hooks,
};

void registry_h(struct evkv_loop *loop);

void registry_h(struct evkv_loop *loop)
{
	evkv_loop_register(loop, &my_type);
}

/* [evkv/wrappers/prefix_collections.h] */
void prefix_collections_h(struct evkv_store *store);

void prefix_collections_h(struct evkv_store *store)
{
	store = evkv_prefix_collections_new(store, EVKV_LIT("app-"), &error);
	evkv_store_unref(store);
}

/* [evkv/wrappers/single_collection.h] */
void single_collection_h(struct evkv_store *store);

void single_collection_h(struct evkv_store *store)
{
	store = evkv_single_collection_new(store,
	    &(struct evkv_single_collection_options){
	        .collection = EVKV_LIT("app") }, &error);
	evkv_store_unref(store);
}

/* [evkv/wrappers/statistics.h] */
void statistics_h(struct evkv_store *store, struct evbuffer *reply)
{
	store = evkv_statistics_new(store, NULL, &error);
	evkv_statistics_write_prometheus(store, reply);
	evkv_store_unref(store);
}

/* [evkv/wrappers/timeout.h] */
void timeout_h(struct evkv_store *store)
{
	store = evkv_timeout_new(store,
	    &(struct evkv_timeout_options){ .timeout_ms = 250 }, &error);
	evkv_store_unref(store);
}
