/*
 * tests/adapters/sync_test.c - blocking calls, from many threads.
 */
#include <stdio.h>
#include <string.h>

#include "evkv/adapters/sync.h"
#include "evkv/stores/simple.h"
#include "evkv/wrappers/fault.h"
#include "far.h"
#include "faults.h"
#include "rig.h"
#include "test.h"

#define C EVKV_LIT("c")
#define K EVKV_LIT("k")

EVKV_TEST(adapters_sync, it_feels_like_a_plain_store)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_sync *db = evkv_sync_open("memory:", NULL, &error);
	struct evkv_value *value;
	int64_t number = 0;

	check(db != NULL);
	check_status(evkv_sync_get(db, C, K, &value), EVKV_NOT_FOUND);
	check(value == NULL);
	check_status(evkv_sync_update(db, C, K, EVKV_LIT("u"), 0),
	    EVKV_NOT_FOUND);
	check_status(evkv_sync_add(db, C, K, EVKV_LIT("a"), 0), EVKV_OK);
	check_status(evkv_sync_add(db, C, K, EVKV_LIT("b"), 0), EVKV_EXISTS);
	check_status(evkv_sync_get(db, C, K, &value), EVKV_OK);
	check_slice(evkv_value_bytes(value), "a");
	evkv_value_unref(value);
	check_status(evkv_sync_put(db, C, K, EVKV_LIT("41"), 60000), EVKV_OK);
	check_status(evkv_sync_incr(db, C, K, 1, &number), EVKV_OK);
	check_int(number, 42);
	check_status(evkv_sync_incr(db, C, K, 0, NULL), EVKV_OK);
	check_status(evkv_sync_get(db, C, K, NULL), EVKV_OK);
	check_status(evkv_sync_exists(db, C, K), EVKV_OK);
	check_status(evkv_sync_touch(db, C, K, EVKV_TTL_NONE), EVKV_OK);
	check_status(evkv_sync_take(db, C, K, &value), EVKV_OK);
	check_slice(evkv_value_bytes(value), "42");
	evkv_value_unref(value);
	check_status(evkv_sync_delete(db, C, K), EVKV_NOT_FOUND);
	check_status(evkv_sync_sync(db), EVKV_OK);
	check_status(evkv_sync_compact(db), EVKV_OK);
	check_status(evkv_sync_clear(db, C, EVKV_LIT("*")), EVKV_OK);
	check_status(evkv_sync_clear_all(db), EVKV_OK);
	check_status(evkv_sync_close(db, 1000), EVKV_OK);
	check_status(evkv_sync_close(NULL, 0), EVKV_OK);
}

static struct evkv_store *open_nothing(struct evkv_loop *loop, const char *url,
    void *arg, struct evkv_error *error)
{
	(void)loop;
	(void)url;
	(void)arg;
	(void)error;
	return NULL;
}

EVKV_TEST(adapters_sync, what_makes_no_sense_is_told)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_sync *db;

	check(evkv_sync_open("memory:",
		  &(struct evkv_sync_options){ .open = open_nothing },
		  &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_invalid(error, "open() made no store");
	evkv_error_clear(&error);
	check(evkv_sync_open("memory:",
		  &(struct evkv_sync_options){ .timeout_ms = -2 },
		  &error) == NULL);
	check_invalid(error, "timeout_ms is -2");
	db = evkv_sync_open("memory:",
	    &(struct evkv_sync_options){ .timeout_ms = -1 }, NULL);
	check_status(evkv_sync_put(db, C, K, EVKV_LIT("v"), 0), EVKV_OK);
	check_status(evkv_sync_keys(db, C, EVKV_LIT(""), NULL, NULL),
	    EVKV_INVALID);
	check_status(evkv_sync_close(db, 0), EVKV_OK);
}

EVKV_TEST(adapters_sync, a_bad_url_is_told)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;
	struct rig rig;

	check(evkv_sync_open("nosuch:", NULL, &error) == NULL);
	check_invalid(error, "nosuch");
	check(evkv_sync_open("nosuch:", NULL, NULL) == NULL);
	evkv_error_clear(&error);
	check(evkv_sync_new(NULL, &error) == NULL);
	check_invalid(error, "store is NULL");
	evkv_error_clear(&error);
	rig_open(&rig);
	store = evkv_simple_new(rig.loop, NULL);
	rig_close(&rig);
	check(evkv_sync_new(store, &error) == NULL);
	check_invalid(error, "was freed");
	check_status(evkv_sync_put(NULL, C, K, K, 0), EVKV_INVALID);
}

static struct evkv_store *open_simple(struct evkv_loop *loop, const char *url,
    void *arg, struct evkv_error *error)
{
	*(const char **)arg = url;
	return evkv_simple_new(loop, error);
}

EVKV_TEST(adapters_sync, the_store_may_be_made_by_the_program)
{
	const char *seen = NULL;
	struct evkv_sync *db = evkv_sync_open("mine",
	    &(struct evkv_sync_options){ .open = open_simple, .arg = &seen },
	    NULL);

	check(db != NULL);
	check_str(seen, "mine");
	check_status(evkv_sync_put(db, C, K, EVKV_LIT("v"), 0), EVKV_OK);
	check_status(evkv_sync_close(db, 0), EVKV_OK);
}

static struct evkv_store *open_dropping(struct evkv_loop *loop, const char *url,
    void *arg, struct evkv_error *error)
{
	struct evkv_store *store = evkv_fault_new(evkv_simple_new(loop, error),
	    NULL, error);

	(void)url;
	(void)arg;
	check(evkv_fault_add(store,
		  &(struct evkv_fault_rule){ .action = EVKV_FAULT_DROP }) >= 0);
	return store;
}

/* The options' deadline is for calls that have none of their own. */
EVKV_TEST(adapters_sync, a_silent_store_is_given_up_on)
{
	const struct evkv_slice key = K;
	struct evkv_request request = { .kind = EVKV_OP_EXISTS,
		.collection = C,
		.count = 1,
		.keys = &key,
		.timeout_ms = 1 };
	struct evkv_sync *db;

	db = evkv_sync_open("mine",
	    &(struct evkv_sync_options){
		.open = open_dropping, .timeout_ms = 2 },
	    NULL);
	check_status(evkv_sync_exists(db, C, K), EVKV_TIMEOUT);
	check_status(evkv_sync_close(db, 0), EVKV_OK);
	db = evkv_sync_open("mine",
	    &(struct evkv_sync_options){
		.open = open_dropping, .timeout_ms = 3600000 },
	    NULL);
	check_status(evkv_sync_call(db, &request, NULL), EVKV_TIMEOUT);
	check_status(evkv_sync_close(db, 0), EVKV_OK);
}

/* ---- Walks -------------------------------------------------------------- */

struct walk {
	struct evkv_sync *db;
	unsigned seen, most;
};

static bool on_key(struct evkv_slice key, void *arg)
{
	struct walk *walk = arg;

	check_status(evkv_sync_delete(walk->db, C, key), EVKV_OK);
	return ++walk->seen < walk->most;
}

static bool on_collection(struct evkv_slice name, void *arg)
{
	check_slice(name, "c");
	++*(unsigned *)arg;
	return true;
}

static bool on_key_once(struct evkv_slice key, void *arg)
{
	unsigned char *seen = arg;
	unsigned number;

	check(sscanf((const char *)key.data, "k%4u", &number) == 1);
	check(number < 2500);
	check_int(seen[number]++, 0);
	return true;
}

/* Each page begins where the one before has ended. */
EVKV_TEST(adapters_sync, a_walk_names_each_key_once)
{
	struct evkv_sync *db = evkv_sync_open("simple:", NULL, NULL);
	unsigned char seen[2500] = { 0 };
	unsigned collections = 0, i;
	char key[16];

	for (i = 0; i < 2500; i++) {
		snprintf(key, sizeof(key), "k%04u", i);
		check_status(evkv_sync_put(db, C, evkv_str(key), EVKV_LIT("v"),
				 0),
		    EVKV_OK);
	}
	check_status(evkv_sync_keys(db, C, EVKV_LIT(""), on_key_once, seen),
	    EVKV_OK);
	for (i = 0; i < 2500; i++)
		check_int(seen[i], 1);
	for (i = 0; i < 2500; i++) {
		snprintf(key, sizeof(key), "k%04u", i);
		check_status(evkv_sync_put(db, evkv_str(key), K, EVKV_LIT("v"),
				 0),
		    EVKV_OK);
	}
	memset(seen, 0, sizeof(seen));
	check_status(evkv_sync_collections(db, EVKV_LIT("k*"), on_key_once,
			 seen),
	    EVKV_OK);
	for (i = 0; i < 2500; i++)
		collections += seen[i];
	check_int(collections, 2500);
	check_status(evkv_sync_close(db, 0), EVKV_OK);
}

EVKV_TEST(adapters_sync, walks_over_all_pages_and_calls_meanwhile)
{
	struct evkv_sync *db = evkv_sync_open("simple:", NULL, NULL);
	struct walk walk = { .db = db, .most = 100000 };
	unsigned collections = 0, i;
	char key[16];

	for (i = 0; i < 2500; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		check_status(evkv_sync_put(db, C, evkv_str(key), EVKV_LIT("v"),
				 0),
		    EVKV_OK);
	}
	check_status(evkv_sync_collections(db, EVKV_LIT(""), on_collection,
			 &collections),
	    EVKV_OK);
	check_int(collections, 1);
	walk.most = 10;
	check_status(evkv_sync_keys(db, C, EVKV_LIT(""), on_key, &walk),
	    EVKV_OK);
	check_int(walk.seen, 10);
	walk.most = 100000;
	check_status(evkv_sync_keys(db, C, EVKV_LIT(""), on_key, &walk),
	    EVKV_OK);
	check_int(walk.seen, 2500);
	check_status(evkv_sync_keys(db, C, EVKV_LIT("["), on_key, &walk),
	    EVKV_INVALID);
	check_status(evkv_sync_close(db, 0), EVKV_OK);
}

/* ---- Threads ------------------------------------------------------------ */

#ifndef SYNC_CALLS
#define SYNC_CALLS 2000
#endif
#define SYNC_THREADS 8

struct worker {
	pthread_t thread;
	struct evkv_sync *db;
	unsigned number, failed;
};

static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	struct evkv_value *value;
	char key[16];
	int64_t number;
	unsigned i;

	snprintf(key, sizeof(key), "k%u", worker->number);
	for (i = 0; i < SYNC_CALLS; i++) {
		if (evkv_sync_incr(worker->db, C, EVKV_LIT("all"), 1,
			&number) != EVKV_OK ||
		    evkv_sync_incr(worker->db, C, evkv_str(key), 1, &number) !=
			EVKV_OK ||
		    number != i + 1 ||
		    evkv_sync_get(worker->db, C, evkv_str(key), &value) !=
			EVKV_OK) {
			worker->failed++;
			continue;
		}
		evkv_value_unref(value);
	}
	return NULL;
}

static void run_workers(struct evkv_sync *db)
{
	struct worker workers[SYNC_THREADS] = { { .number = 0 } };
	int64_t number = 0;
	unsigned i;

	for (i = 0; i < SYNC_THREADS; i++) {
		workers[i].db = db;
		workers[i].number = i;
		check(pthread_create(&workers[i].thread, NULL, worker_run,
			  &workers[i]) == 0);
	}
	for (i = 0; i < SYNC_THREADS; i++) {
		check(pthread_join(workers[i].thread, NULL) == 0);
		check_int(workers[i].failed, 0);
	}
	check_status(evkv_sync_incr(db, C, EVKV_LIT("all"), 0, &number),
	    EVKV_OK);
	check_int(number, SYNC_THREADS * SYNC_CALLS);
}

EVKV_TEST(adapters_sync, many_threads_call_at_once)
{
	struct evkv_sync *db = evkv_sync_open("memory:", NULL, NULL);

	run_workers(db);
	check_status(evkv_sync_close(db, 0), EVKV_OK);
}

struct own_thread {
	struct evkv_sync *db;
	enum evkv_status status, closed;
	unsigned done;
};

static void call_on_the_loop(void *arg)
{
	struct own_thread *own = arg;

	own->status = evkv_sync_put(own->db, C, K, EVKV_LIT("v"), 0);
	own->closed = evkv_sync_close(own->db, 0);
	__atomic_store_n(&own->done, 1, __ATOMIC_RELEASE);
}

EVKV_TEST(adapters_sync, on_a_loop_that_runs_already)
{
	struct own_thread own = { .done = 0 };
	struct far far;

	far_open(&far);
	own.db = evkv_sync_new(evkv_simple_new(far.loop, NULL), NULL);
	check(own.db != NULL);
	far_start(&far);
	check_status(evkv_sync_put(own.db, C, K, EVKV_LIT("v"), 0), EVKV_OK);
	/* On the loop's thread it would wait for itself. */
	check(evkv_loop_post(far.loop, call_on_the_loop, &own));
	check_status(evkv_sync_put(own.db, C, K, EVKV_LIT("v"), 0), EVKV_OK);
	check(__atomic_load_n(&own.done, __ATOMIC_ACQUIRE) == 1);
	check_status(own.status, EVKV_INVALID);
	check_status(own.closed, EVKV_INVALID);
	check_status(evkv_sync_close(own.db, 0), EVKV_OK);
	far_stop(&far);
	far_close(&far);
}

/* ---- Closing ------------------------------------------------------------ */

static enum evkv_verdict silent_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	(void)request;
	/* One more that will not be answered before the close. */
	*(struct evkv_op **)arg = op;
	return EVKV_VERDICT_PENDING;
}

static void silent_stop(void *arg, struct evkv_op *op)
{
	*(struct evkv_op **)arg = NULL;
	evkv_op_fail(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
	evkv_op_complete(op);
}

static void silent_free(void *arg)
{
	(void)arg;
}

static const struct evkv_vtable silent_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "silent",
	.submit = silent_submit,
	.stop = silent_stop,
	.free = silent_free,
};

static struct evkv_store *open_silent(struct evkv_loop *loop, const char *url,
    void *arg, struct evkv_error *error)
{
	static const struct evkv_capabilities can = {
		.kinds = EVKV_KINDS_BASIC,
		.max_key = EVKV_KEY_MAX,
		.max_value = EVKV_VALUE_MAX,
		.ttl_unit_ms = 1,
	};

	(void)url;
	return evkv_store_create(loop, &silent_vtable, arg,
	    &(struct evkv_store_config){
		.capabilities = &can, .state = EVKV_STATE_READY },
	    error);
}

struct blocked {
	struct evkv_sync *db;
	unsigned begun;
	enum evkv_status status;
};

static void *block(void *arg)
{
	struct blocked *blocked = arg;

	__atomic_store_n(&blocked->begun, 1, __ATOMIC_RELEASE);
	blocked->status = evkv_sync_put(blocked->db, C, K, EVKV_LIT("v"), 0);
	return NULL;
}

EVKV_TEST(adapters_sync, close_ends_calls_that_block)
{
	struct evkv_op *held = NULL;
	struct blocked blocked = { .begun = 0 };
	pthread_t thread;
	struct evkv_value *value;

	blocked.db = evkv_sync_open("silent",
	    &(struct evkv_sync_options){
		.open = open_silent, .arg = &held, .timeout_ms = 60000 },
	    NULL);
	check(blocked.db != NULL);
	check(pthread_create(&thread, NULL, block, &blocked) == 0);
	while (__atomic_load_n(&blocked.begun, __ATOMIC_ACQUIRE) == 0)
		;
	/* A deadline of its own ends a call, whatever others do. */
	check_status(evkv_sync_call(blocked.db,
			 &(struct evkv_request){
			     .kind = EVKV_OP_PING, .timeout_ms = 20 },
			 NULL),
	    EVKV_TIMEOUT);
	(void)value;
	check_status(evkv_sync_close(blocked.db, 20), EVKV_TIMEOUT);
	check(pthread_join(thread, NULL) == 0);
	check_status(blocked.status, EVKV_CLOSED);
}

EVKV_TEST(adapters_sync, out_of_memory_is_told_and_leaks_nothing)
{
	struct evkv_sync *db;
	size_t n;

	for (n = 1;; n++) {
		check(n < 200);
		faults_fail_nth(n);
		db = evkv_sync_open("simple:", NULL, NULL);
		faults_off();
		if (db != NULL)
			break;
	}
	check_status(evkv_sync_close(db, 0), EVKV_OK);
}
