/*
 * tests/stores/mongodb/thread_test.c - libmongoc is called by workers alone.
 *
 * There is hardly a call of it that takes or frees no memory: so its allocator
 * is replaced by one that looks at the thread. And of the objects of the loop's
 * side none names a function of libmongoc or libbson: the test mongodb.symbols
 * looks at that.
 */
#include <mongoc/mongoc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

static pthread_t loop_thread;
static unsigned loop_calls, other_calls;

static void note(void)
{
	if (pthread_equal(pthread_self(), loop_thread))
		__atomic_fetch_add(&loop_calls, 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&other_calls, 1, __ATOMIC_RELAXED);
}

static void *note_malloc(size_t size)
{
	note();
	return malloc(size);
}

static void *note_calloc(size_t count, size_t size)
{
	note();
	return calloc(count, size);
}

static void *note_realloc(void *memory, size_t size)
{
	note();
	return realloc(memory, size);
}

static void note_free(void *memory)
{
	note();
	free(memory);
}

static void every_kind(struct fake *fake)
{
	static const enum evkv_kind keyed[] = { EVKV_OP_GET, EVKV_OP_TTL,
		EVKV_OP_PUT, EVKV_OP_DELETE, EVKV_OP_EXISTS, EVKV_OP_TOUCH,
		EVKV_OP_INCR, EVKV_OP_TAKE };
	static const enum evkv_kind others[] = { EVKV_OP_KEYS,
		EVKV_OP_COLLECTIONS, EVKV_OP_CLEAR, EVKV_OP_CLEAR_ALL,
		EVKV_OP_PURGE_EXPIRED, EVKV_OP_PING, EVKV_OP_SYNC,
		EVKV_OP_COMPACT };
	struct answer a = ANSWER_INIT;
	size_t i;

	for (i = 0; i < sizeof(keyed) / sizeof(keyed[0]); i++)
		fake_do(fake, keyed[i], EVKV_IF_ANY, 0);
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		a.calls = 0;
		evkv_submit(fake->store,
		    &(struct evkv_request){ .kind = others[i] }, answer_cb, &a);
		rig_wait(&fake->rig, &a.calls);
		answer_reset(&a);
	}
	answer_free(&a);
}

EVKV_TEST(mongodb_thread, no_call_of_libmongoc_is_on_the_loops_thread)
{
	static const bson_mem_vtable_t vtable = {
		.malloc = note_malloc,
		.calloc = note_calloc,
		.realloc = note_realloc,
		.free = note_free,
	};
	struct fake fake;

	loop_thread = pthread_self();
	bson_mem_set_vtable(&vtable);
	fake_begin(&fake);
	fake.options.no_create_index = false;
	fake.options.values = EVKV_MONGODB_JSON;
	fake.options.lanes = 4;
	fake_store(&fake);
	every_kind(&fake);
	/* Ended early, and closed while a worker waits. */
	fake.hold = true;
	fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 20);
	fake.hold = false;
	fake.stall = true;
	fake_put(&fake, 1);
	rig_until(&fake.rig, fake.updates > 1);
	evkv_store_unref(fake.store);
	fake.store = NULL;
	peer_cut_all(fake.peer);
	fake_close(&fake);
	check_int(loop_calls, 0);
	check(other_calls > 1000);
}
