/*
 * tests/stores/disk/stack_close_test.c - a store under wrappers is closed
 * before the callback of evkv_store_close() comes.
 */
#include "kit.h"

#include <string.h>

/* The answers of what the callback does. */
struct again {
	struct kit *kit;
	unsigned count;
	struct answer ready[3];
	struct evkv_store *stores[3];
};

static struct evkv_store *open_wrapped(struct kit *kit, unsigned wrappers)
{
	struct evkv_store *store = evkv_disk_new(kit->rig.loop,
	    &(struct evkv_disk_options){ .path = kit->path,
		.durability = EVKV_DISK_OS,
		.max_bytes = (size_t)64 << 20 },
	    NULL);

	while (wrappers-- > 0)
		store = evkv_prefix_keys_new(store, EVKV_LIT("p"), NULL);
	return store;
}

/* The same directory, in the callback that says that it is closed. */
static void open_again(struct answer *answer, const struct evkv_result *result,
    void *arg)
{
	struct again *again = arg;

	(void)answer;
	(void)result;
	again->stores[again->count] = open_wrapped(again->kit, again->count);
	evkv_store_wait_ready(again->stores[again->count], -1, answer_cb,
	    &again->ready[again->count]);
	again->count++;
}

EVKV_TEST(disk_stack_close, the_directory_is_free_in_the_callback)
{
	struct again again = { .count = 0 };
	struct evkv_slice key = EVKV_LIT("k");
	struct answer put = ANSWER_INIT, get = ANSWER_INIT;
	struct answer closed = ANSWER_INIT;
	struct kit kit;
	unsigned wrappers;

	kit_begin_real(&kit);
	again.kit = &kit;
	for (wrappers = 0; wrappers < 3; wrappers++) {
		again.count = wrappers;
		again.ready[wrappers] = (struct answer)ANSWER_INIT;
		kit.store = open_wrapped(&kit, wrappers);
		evkv_put(kit.store, EVKV_LIT("c"), key, EVKV_LIT("v"), 0,
		    answer_cb, &put);
		closed = (struct answer){ .then = open_again, .arg = &again };
		evkv_store_close(kit.store, -1, answer_cb, &closed);
		evkv_store_unref(kit.store);
		rig_wait(&kit.rig, &closed.calls);
		kit.store = again.stores[wrappers];
		check(kit.store != NULL);
		rig_wait(&kit.rig, &again.ready[wrappers].calls);
		check_status(again.ready[wrappers].status, EVKV_OK);
		evkv_get(kit.store, EVKV_LIT("c"), key, answer_cb, &get);
		rig_wait(&kit.rig, &get.calls);
		check_status(get.status, EVKV_OK);
		kit_close(&kit);
		answer_reset(&put);
		answer_reset(&get);
		answer_free(&closed);
		answer_free(&again.ready[wrappers]);
	}
	answer_free(&put);
	answer_free(&get);
	kit_end(&kit);
}
