/*
 * Any bytes as the replies of a memcached server, to the real driver.
 */
#include "evkv/stores/memcached.h"
#include "fake_pipeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct evkv_store *open_store(struct evkv_loop *loop)
{
	return evkv_memcached_new(loop, NULL, NULL);
}

static void submit_all(struct evkv_store *store, struct fuzz_call *calls)
{
	struct evkv_slice c = EVKV_LIT("c");
	struct evkv_slice keys[] = { EVKV_LIT("1"), EVKV_LIT("2"),
		EVKV_LIT("3") };
	static char name[400];
	struct evkv_slice hashed = { name, sizeof(name) };
	static const struct evkv_version version = { { 1 } };

	evkv_get(store, c, keys[0], fuzz_result, &calls[0]);
	evkv_get_many(store, c, keys, 3, fuzz_result, &calls[1]);
	evkv_ttl(store, c, keys[0], fuzz_result, &calls[2]);
	evkv_put(store, c, keys[0], c, 0, fuzz_result, &calls[3]);
	evkv_put_many(store, c, keys, keys, 2, 9, fuzz_result, &calls[4]);
	evkv_delete_many(store, c, keys, 3, fuzz_result, &calls[5]);
	evkv_touch_many(store, c, keys, 2, 0, fuzz_result, &calls[6]);
	evkv_exists(store, c, keys[1], fuzz_result, &calls[7]);
	evkv_get(store, c, hashed, fuzz_result, &calls[8]);
	evkv_ping(store, fuzz_result, &calls[9]);
	evkv_get_version(store, c, keys[0], fuzz_result, &calls[10]);
	evkv_incr_many(store, c, keys, 2, 1, fuzz_result, &calls[11]);
	evkv_take_many(store, c, keys + 2, 1, fuzz_result, &calls[12]);
	evkv_delete_if_version(store, c, keys[1], &version, fuzz_result,
	    &calls[13]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_driver driver = {
		.open = open_store,
		.greeting = "VERSION 1.6.18\r\nSTAT pid 1\r\nSTAT time 9\r\n"
			    "END\r\nEND\r\n",
		.submit = submit_all,
	};

	fuzz_replies(&driver, data, size);
	return 0;
}
