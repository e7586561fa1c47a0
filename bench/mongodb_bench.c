/*
 * bench/mongodb_bench.c - the mongodb driver against libmongoc used by hand.
 *
 * The server is a scripted one in a process of its own, which answers at once,
 * so that what is measured is the clients. (a) is libmongoc in as many threads
 * as the driver has lanes, one command for an operation; (b) the same with a
 * find by $in and a bulk write for as many operations as the driver puts into
 * one in the mean, which is measured before. Keys of 16 bytes, values of 100.
 * Where there are two processors, the client has one and the server the other.
 *
 *     mongodb [repetitions [operations [URL of another server]]]
 */
#include <event2/event.h>
#include <mongoc/mongoc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "evkv/evkv.h"
#include "evkv/stores/mongodb.h"
#include "mongodb_peer.h"

#define LANES 4
#define KEYS 10000
#define KEY_SIZE 10 /* "0000000000" */
#define VALUE_SIZE 100
#define BATCH_MAX 1000

struct world {
	struct event_base *base;
	struct evkv_loop *loop;
	struct evkv_store *store;
	mongoc_client_pool_t *pool;
	char value[VALUE_SIZE];
	uint64_t random;

	/* The run in hand. */
	bool put;
	size_t depth;
	size_t together; /* operations in one request of (b) */
	size_t left;     /* to be submitted */
	size_t waiting;  /* to call back */
};

static struct world world;

static void make_key(char *key, uint32_t number)
{
	for (size_t i = KEY_SIZE; i > 0; i--) {
		key[i - 1] = (char)('0' + number % 10);
		number /= 10;
	}
}

/* ---- libmongoc by hand --------------------------------------------------- */

struct hand {
	pthread_t thread;
	size_t ops, batch;
	uint64_t random;
};

/* The _id of a random key: "bench:0000000000". */
static void hand_id(struct hand *hand, char *id)
{
	memcpy(id, "bench:", 6);
	make_key(id + 6, (uint32_t)(bench_random(&hand->random) % KEYS));
}

static void hand_filter(struct hand *hand, bson_t *filter, size_t count)
{
	char id[6 + KEY_SIZE], text[16];
	const char *index;
	bson_t field, in;

	if (count == 1) {
		hand_id(hand, id);
		bson_append_utf8(filter, "_id", 3, id, sizeof(id));
		return;
	}
	bson_append_document_begin(filter, "_id", 3, &field);
	bson_append_array_begin(&field, "$in", 3, &in);
	for (uint32_t i = 0; i < count; i++) {
		hand_id(hand, id);
		bson_uint32_to_string(i, &index, text, sizeof(text));
		bson_append_utf8(&in, index, -1, id, sizeof(id));
	}
	bson_append_array_end(&field, &in);
	bson_append_document_end(filter, &field);
}

/* Values are copied, as whoever uses them later has to. */
static void hand_value(const bson_t *bson)
{
	const uint8_t *data;
	bson_subtype_t subtype;
	uint32_t size;
	bson_iter_t iter;
	void *copy;

	bench_check(bson_iter_init_find(&iter, bson, "value"));
	bson_iter_binary(&iter, &subtype, &size, &data);
	copy = bench_malloc(size);
	memcpy(copy, data, size);
	bench_use(copy);
	free(copy);
}

static void hand_get(struct hand *hand, mongoc_collection_t *collection,
    size_t count)
{
	bson_t filter = BSON_INITIALIZER, options = BSON_INITIALIZER;
	mongoc_cursor_t *cursor;
	const bson_t *bson;
	bson_error_t error;

	hand_filter(hand, &filter, count);
	BSON_APPEND_INT64(&options, "limit", (int64_t)count);
	if (count == 1)
		BSON_APPEND_BOOL(&options, "singleBatch", true);
	else
		BSON_APPEND_INT64(&options, "batchSize", (int64_t)count);
	cursor = mongoc_collection_find_with_opts(collection, &filter, &options,
	    NULL);
	while (mongoc_cursor_next(cursor, &bson))
		hand_value(bson);
	bench_check(!mongoc_cursor_error(cursor, &error));
	mongoc_cursor_destroy(cursor);
	bson_destroy(&filter);
	bson_destroy(&options);
}

static void hand_document(struct hand *hand, bson_t *filter, bson_t *document)
{
	char id[6 + KEY_SIZE];

	hand_id(hand, id);
	bson_init(filter);
	bson_init(document);
	bson_append_utf8(filter, "_id", 3, id, sizeof(id));
	bson_append_utf8(document, "_id", 3, id, sizeof(id));
	bson_append_binary(document, "value", 5, BSON_SUBTYPE_BINARY,
	    (const uint8_t *)world.value, VALUE_SIZE);
	bson_append_binary(document, "version", 7, BSON_SUBTYPE_BINARY,
	    (const uint8_t *)world.value, 16);
}

static void hand_put(struct hand *hand, mongoc_collection_t *collection,
    size_t count)
{
	bson_t options = BSON_INITIALIZER, one = BSON_INITIALIZER;
	bson_t filter, document, reply;
	mongoc_bulk_operation_t *bulk = NULL;
	bson_error_t error;

	BSON_APPEND_BOOL(&options, "ordered", false);
	BSON_APPEND_BOOL(&one, "upsert", true);
	BSON_APPEND_BOOL(&one, "validate", false);
	if (count > 1)
		bulk = mongoc_collection_create_bulk_operation_with_opts(
		    collection, &options);
	for (size_t i = 0; i < count; i++) {
		hand_document(hand, &filter, &document);
		bench_check(bulk != NULL
			? mongoc_bulk_operation_replace_one_with_opts(bulk,
			      &filter, &document, &one, &error)
			: mongoc_collection_replace_one(collection, &filter,
			      &document, &one, NULL, &error));
		bson_destroy(&filter);
		bson_destroy(&document);
	}
	if (bulk != NULL) {
		bench_check(mongoc_bulk_operation_execute(bulk, &reply,
				&error) != 0);
		bson_destroy(&reply);
		mongoc_bulk_operation_destroy(bulk);
	}
	bson_destroy(&options);
	bson_destroy(&one);
}

static void *hand_thread(void *arg)
{
	struct hand *hand = arg;
	mongoc_client_t *client = mongoc_client_pool_pop(world.pool);
	mongoc_collection_t *collection = mongoc_client_get_collection(client,
	    "evkv", "evkv");
	size_t done, count;

	for (done = 0; done < hand->ops; done += count) {
		count = hand->ops - done < hand->batch ? hand->ops - done
						       : hand->batch;
		if (world.put)
			hand_put(hand, collection, count);
		else
			hand_get(hand, collection, count);
	}
	mongoc_collection_destroy(collection);
	mongoc_client_pool_push(world.pool, client);
	return NULL;
}

/* As many threads as have something outstanding. */
static void hand_run(size_t ops, bool together)
{
	size_t threads = world.depth < LANES ? world.depth : LANES;
	struct hand hands[LANES];

	for (size_t i = 0; i < threads; i++) {
		hands[i] = (struct hand){
			.ops = ops / threads,
			.batch = together ? world.together : 1,
			.random = bench_random(&world.random),
		};
		if (hands[i].batch > BATCH_MAX)
			hands[i].batch = BATCH_MAX;
		bench_check(pthread_create(&hands[i].thread, NULL, hand_thread,
				&hands[i]) == 0);
	}
	for (size_t i = 0; i < threads; i++)
		pthread_join(hands[i].thread, NULL);
}

static void single_run(void *arg, size_t ops)
{
	(void)arg;
	hand_run(ops, false);
}

static void together_run(void *arg, size_t ops)
{
	(void)arg;
	hand_run(ops, true);
}

/* ---- evkv ---------------------------------------------------------------- */

static void evkv_next(struct world *w);

static void evkv_done(const struct evkv_result *result, void *arg)
{
	struct world *w = arg;

	bench_check(result->status == EVKV_OK);
	w->waiting--;
	if (w->left > 0)
		evkv_next(w);
}

static void evkv_next(struct world *w)
{
	struct evkv_slice collection = EVKV_LIT("bench"), key;
	evkv_ticket ticket;
	char name[KEY_SIZE];

	make_key(name, (uint32_t)(bench_random(&w->random) % KEYS));
	key = evkv_bytes(name, sizeof(name));
	w->left--;
	w->waiting++;
	if (w->put)
		ticket = evkv_put(w->store, collection, key,
		    evkv_bytes(w->value, VALUE_SIZE), EVKV_TTL_NONE, evkv_done,
		    w);
	else
		ticket = evkv_get(w->store, collection, key, evkv_done, w);
	bench_check(ticket != 0);
}

static void evkv_run(void *arg, size_t ops)
{
	struct world *w = arg;

	w->left = ops;
	for (size_t i = 0; i < w->depth && w->left > 0; i++)
		evkv_next(w);
	while (w->waiting > 0)
		event_base_loop(w->base, EVLOOP_ONCE);
}

/* ---- The world ----------------------------------------------------------- */

/* Every key has its value, so that each get is a hit. */
static void fill(struct world *w)
{
	struct evkv_slice keys[100], values[100];
	char names[100][KEY_SIZE];

	for (uint32_t i = 0; i < KEYS; i += 100) {
		for (uint32_t k = 0; k < 100; k++) {
			make_key(names[k], i + k);
			keys[k] = evkv_bytes(names[k], KEY_SIZE);
			values[k] = evkv_bytes(w->value, VALUE_SIZE);
		}
		w->waiting++;
		evkv_put_many(w->store, EVKV_LIT("bench"), keys, values, 100,
		    EVKV_TTL_NONE, evkv_done, w);
		while (w->waiting > 0)
			event_base_loop(w->base, EVLOOP_ONCE);
	}
}

static void begin(struct world *w, const char *uri)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	mongoc_uri_t *parsed;

	w->base = event_base_new();
	w->loop = evkv_loop_new(w->base);
	w->store = evkv_mongodb_new(w->loop,
	    &(struct evkv_mongodb_options){
		.uri = uri, .lanes = LANES, .no_create_index = true },
	    &error);
	bench_check(w->store != NULL);
	memset(w->value, 'v', sizeof(w->value));
	w->random = 1;
	fill(w);
	/* The store has initialised libmongoc. */
	parsed = mongoc_uri_new(uri);
	w->pool = mongoc_client_pool_new(parsed);
	mongoc_uri_destroy(parsed);
	bench_check(w->pool != NULL);
}

/*
 * How many operations evkv puts into one request; of another server it can't
 * be told.
 */
static size_t together_of(struct world *w, const struct bench_peer *peer,
    size_t ops)
{
	unsigned long before;

	if (peer->pid == 0)
		return w->depth < LANES ? 1 : w->depth / LANES;
	evkv_run(w, ops / 10);
	before = *peer->requests;
	evkv_run(w, ops);
	return (ops + (*peer->requests - before) / 2) /
	    (*peer->requests - before);
}

static void measure(struct world *w, const struct bench_peer *peer, size_t ops,
    unsigned repetitions)
{
	struct bench_row rows[] = {
		{ .name = "(a) a command each", .run = single_run },
		{ .name = "(b) together by hand", .run = together_run },
		{ .name = "evkv", .run = evkv_run, .arg = w },
	};
	bool promised;
	char title[64];

	w->together = together_of(w, peer, ops);
	if (w->together > BATCH_MAX)
		w->together = BATCH_MAX;
	snprintf(title, sizeof(title), "%s, %zu outstanding, %zu together",
	    w->put ? "put" : "get", w->depth, w->together);
	bench_measure(rows, 3, ops, repetitions);
	bench_print(title, rows, 3);
	/* Of another server, what it takes itself is in it. */
	promised = peer->pid != 0 && w->depth == 128;
	bench_print_throughput(&rows[2], &rows[0], promised ? 3 : 0);
	bench_print_throughput(&rows[2], &rows[1], promised ? 0.85 : 0);
}

int main(int argc, char **argv)
{
	static const size_t depths[] = { 1, 16, 128, 1024 };
	unsigned repetitions = bench_number(argc, argv, 1, 7);
	size_t ops = bench_number(argc, argv, 2, 100000);
	struct bench_peer peer = { .pid = 0 };
	struct world *w = &world;
	char uri[64];

	if (argc <= 3) {
		bench_peer_start(&peer, mongodb_peer_answer);
		snprintf(uri, sizeof(uri), "mongodb://127.0.0.1:%d/",
		    peer.port);
	}
	begin(w, argc > 3 ? argv[3] : uri);
	bench_machine();
	for (int put = 0; put < 2; put++) {
		for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]);
		     i++) {
			w->put = put == 1;
			w->depth = depths[i];
			measure(w, &peer, depths[i] == 1 ? ops / 20 : ops,
			    repetitions);
		}
	}
	mongoc_client_pool_destroy(w->pool);
	evkv_store_unref(w->store);
	evkv_loop_free(w->loop);
	event_base_free(w->base);
	bench_peer_stop(&peer);
	return 0;
}
