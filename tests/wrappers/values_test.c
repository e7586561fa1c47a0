/*
 * limit_size and default_value: what is refused, and what is answered instead.
 */
#include <string.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "lib/rig.h"
#include "lib/test.h"

struct fixture {
	struct rig rig;
	struct evkv_store *memory, *store;
	struct answer answer;
};

static void open_bottom(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	rig_open(&f->rig);
	f->memory = evkv_memory_new(f->rig.loop, NULL, NULL);
}

static void close_fixture(struct fixture *f)
{
	answer_free(&f->answer);
	evkv_store_unref(f->store);
	evkv_store_unref(f->memory);
	rig_close(&f->rig);
}

static enum evkv_status submit(struct fixture *f,
    const struct evkv_request *request)
{
	answer_reset(&f->answer);
	evkv_submit(f->store, request, answer_cb, &f->answer);
	rig_wait(&f->rig, &f->answer.calls);
	return f->answer.status;
}

static enum evkv_status put(struct fixture *f, struct evkv_store *store,
    struct evkv_slice key, struct evkv_slice value)
{
	answer_reset(&f->answer);
	evkv_put(store, EVKV_LIT("c"), key, value, 0, answer_cb, &f->answer);
	rig_wait(&f->rig, &f->answer.calls);
	return f->answer.status;
}

/* ---- limit_size --------------------------------------------------------- */

EVKV_TEST(unit_limit_size, values_and_keys)
{
	struct evkv_value *counted = evkv_value_new(EVKV_LIT("123456"));
	const struct evkv_slice key = EVKV_LIT("k");
	struct fixture f;

	open_bottom(&f);
	f.store = evkv_limit_size_new(evkv_store_ref(f.memory),
	    &(struct evkv_limit_size_options){ .max_value = 5, .max_key = 3 },
	    NULL);
	check_int(evkv_store_capabilities(f.store)->max_value, 5);
	check_int(evkv_store_capabilities(f.store)->max_key, 3);
	check_status(put(&f, f.store, EVKV_LIT("123"), EVKV_LIT("12345")),
	    EVKV_OK);
	check_status(put(&f, f.store, EVKV_LIT("k"), EVKV_LIT("123456")),
	    EVKV_TOO_LARGE);
	check_contains(f.answer.message, "limit_size");
	check_status(put(&f, f.store, EVKV_LIT("1234"), EVKV_LIT("v")),
	    EVKV_INVALID);
	check_status(submit(&f,
			 &(struct evkv_request){ .kind = EVKV_OP_PUT,
			     .collection = EVKV_LIT("c"),
			     .count = 1,
			     .keys = &key,
			     .counted_values = &counted }),
	    EVKV_TOO_LARGE);
	/* What is there is read, whatever its size. */
	check_status(put(&f, f.memory, EVKV_LIT("k"), EVKV_LIT("123456789")),
	    EVKV_OK);
	check_status(submit(&f,
			 &(struct evkv_request){ .kind = EVKV_OP_GET,
			     .collection = EVKV_LIT("c"),
			     .count = 1,
			     .keys = &key }),
	    EVKV_OK);
	check_slice(f.answer.entries[0].bytes, "123456789");
	evkv_value_unref(counted);
	close_fixture(&f);
}

EVKV_TEST(unit_limit_size, operations)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("c") };
	struct evkv_request request = { .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.keys = keys,
		.values = keys };
	struct fixture f;

	open_bottom(&f);
	f.store = evkv_limit_size_new(evkv_store_ref(f.memory),
	    &(struct evkv_limit_size_options){ .max_keys = 2 }, NULL);
	request.count = 2;
	check_status(submit(&f, &request), EVKV_OK);
	request.count = 3;
	check_status(submit(&f, &request), EVKV_TOO_LARGE);
	check_contains(f.answer.message, "too many keys");
	request.kind = EVKV_OP_GET;
	request.values = NULL;
	check_status(submit(&f, &request), EVKV_TOO_LARGE);
	evkv_store_unref(f.store);
	f.store = evkv_limit_size_new(evkv_store_ref(f.memory),
	    &(struct evkv_limit_size_options){ .max_bytes = 5 }, NULL);
	check_status(submit(&f, &request), EVKV_OK);
	request.kind = EVKV_OP_PUT;
	request.values = keys;
	check_status(submit(&f, &request), EVKV_TOO_LARGE);
	check_contains(f.answer.message, "too large together");
	request.count = 2;
	check_status(submit(&f, &request), EVKV_OK);
	close_fixture(&f);
}

/* ---- default_value ------------------------------------------------------ */

static void open_default(struct fixture *f, const char *collections)
{
	open_bottom(f);
	f->store = evkv_default_value_new(evkv_store_ref(f->memory),
	    &(struct evkv_default_value_options){ .value = EVKV_LIT("none"),
		.collections = evkv_str(collections) },
	    NULL);
	check(f->store != NULL);
}

EVKV_TEST(unit_default_value, look_ups)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("k"),
		EVKV_LIT("b") };
	struct evkv_request request = { .kind = EVKV_OP_TTL,
		.collection = EVKV_LIT("c"),
		.count = 3,
		.keys = keys };
	struct fixture f;

	open_default(&f, "");
	put(&f, f.store, EVKV_LIT("k"), EVKV_LIT("v"));
	check_status(submit(&f, &request), EVKV_OK);
	check_status(f.answer.entries[0].status, EVKV_OK);
	check_slice(f.answer.entries[0].bytes, "none");
	check_int(f.answer.entries[0].ttl_ms, EVKV_TTL_NONE);
	check_slice(f.answer.entries[1].bytes, "v");
	check_slice(f.answer.entries[2].bytes, "none");
	request = (struct evkv_request){ .kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_SINGLE | EVKV_FLAG_INLINE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = keys };
	check_status(submit(&f, &request), EVKV_OK);
	check_slice(f.answer.entries[0].bytes, "none");
	/* It is not there for all that. */
	request.flags = EVKV_FLAG_SINGLE;
	request.kind = EVKV_OP_EXISTS;
	check_status(submit(&f, &request), EVKV_NOT_FOUND);
	request.kind = EVKV_OP_TAKE;
	check_status(submit(&f, &request), EVKV_NOT_FOUND);
	request.kind = EVKV_OP_DELETE;
	check_status(submit(&f, &request), EVKV_NOT_FOUND);
	request.kind = EVKV_OP_GET;
	request.flags |= EVKV_FLAG_VERSIONS;
	if (evkv_store_capabilities(f.memory)->request_flags != 0)
		check_status(submit(&f, &request), EVKV_NOT_FOUND);
	close_fixture(&f);
}

EVKV_TEST(unit_default_value, some_collections)
{
	struct fixture f;

	open_default(&f, "counts*");
	answer_reset(&f.answer);
	evkv_get(f.store, EVKV_LIT("counts_a"), EVKV_LIT("k"), answer_cb,
	    &f.answer);
	rig_wait(&f.rig, &f.answer.calls);
	check_slice(f.answer.entries[0].bytes, "none");
	answer_reset(&f.answer);
	evkv_get(f.store, EVKV_LIT("users"), EVKV_LIT("k"), answer_cb,
	    &f.answer);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_NOT_FOUND);
	close_fixture(&f);
}

/* Only the primary could say that it is not there. */
EVKV_TEST(unit_default_value, what_caches_do_not_have_is_no_miss)
{
	const struct evkv_slice key = EVKV_LIT("k");
	struct evkv_request get = { .kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_SINGLE | EVKV_FLAG_CACHED_ONLY,
		.count = 1,
		.keys = &key };
	struct fixture f;

	open_bottom(&f);
	f.store = evkv_open(f.rig.loop,
	    "simple: | passthrough_cache(memory:) | default_value(none)", NULL);
	check(f.store != NULL);
	check_status(submit(&f, &get), EVKV_NOT_FOUND);
	get.flags = EVKV_FLAG_SINGLE | EVKV_FLAG_FRESH;
	check_status(submit(&f, &get), EVKV_OK);
	check_slice(f.answer.entries[0].bytes, "none");
	close_fixture(&f);
}

EVKV_TEST(unit_default_value, a_failure_is_no_miss)
{
	const struct evkv_slice key = EVKV_LIT("k");
	struct evkv_store *fault;
	struct fixture f;

	open_bottom(&f);
	fault = evkv_fault_new(evkv_store_ref(f.memory),
	    &(struct evkv_fault_options){ .fail_permille = 1000 }, NULL);
	f.store = evkv_default_value_new(fault, NULL, NULL);
	check_status(submit(&f,
			 &(struct evkv_request){
			     .kind = EVKV_OP_GET, .count = 1, .keys = &key }),
	    EVKV_UNAVAILABLE);
	close_fixture(&f);
}

EVKV_TEST(unit_default_value, the_empty_value_and_bad_patterns)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct fixture f;

	open_bottom(&f);
	f.store = evkv_default_value_new(evkv_store_ref(f.memory), NULL, NULL);
	answer_reset(&f.answer);
	evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &f.answer);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_OK);
	check(f.answer.entries[0].has_value);
	check_int(f.answer.entries[0].bytes.size, 0);
	check(evkv_default_value_new(evkv_store_ref(f.memory),
		  &(struct evkv_default_value_options){
		      .collections = EVKV_LIT("[a") },
		  &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	check_invalid(error, "collections");
	evkv_error_clear(&error);
	check(evkv_default_value_new(evkv_store_ref(f.memory),
		  &(struct evkv_default_value_options){
		      .value = evkv_bytes(NULL, 5) },
		  &error) == NULL);
	check_invalid(error, "value is NULL but has a size");
	evkv_error_clear(&error);
	check(evkv_single_collection_new(evkv_store_ref(f.memory),
		  &(struct evkv_single_collection_options){
		      .separator = evkv_bytes(NULL, 1) },
		  &error) == NULL);
	check_invalid(error, "separator is NULL but has a size");
	close_fixture(&f);
}
