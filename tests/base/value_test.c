/*
 * Values that are a part of another.
 */
#include <string.h>

#include "base/value.h"
#include "lib/faults.h"
#include "lib/rig.h"
#include "lib/test.h"

EVKV_TEST(unit_value, a_slice_is_a_part_without_a_copy)
{
	struct evkv_value *whole = evkv_value_new(EVKV_LIT("head:body"));
	struct evkv_value *part = evkv_value_slice(whole, 5, 4);

	check_slice(evkv_value_bytes(part), "body");
	check(evkv_value_bytes(part).data ==
	    (const char *)evkv_value_bytes(whole).data + 5);
	/* The part keeps the whole. */
	evkv_value_unref(whole);
	check_slice(evkv_value_bytes(part), "body");
	check(evkv_value_ref(part) == part);
	evkv_value_unref(part);
	check_slice(evkv_value_bytes(part), "body");
	evkv_value_unref(part);
}

EVKV_TEST(unit_value, the_bounds_of_a_slice)
{
	struct evkv_value *whole = evkv_value_new(EVKV_LIT("abc")), *part;

	check(evkv_value_slice(NULL, 0, 0) == NULL);
	check(evkv_value_slice(whole, 4, 0) == NULL);
	check(evkv_value_slice(whole, 1, 3) == NULL);
	check(evkv_value_slice(whole, 2, SIZE_MAX) == NULL);
	part = evkv_value_slice(whole, 3, 0);
	check_int(evkv_value_bytes(part).size, 0);
	evkv_value_unref(part);
	part = evkv_value_slice(whole, 0, 3);
	check_slice(evkv_value_bytes(part), "abc");
	evkv_value_unref(part);
	faults_fail_nth(1);
	check(evkv_value_slice(whole, 0, 3) == NULL);
	faults_off();
	evkv_value_unref(whole);
}

/* However often it is cut, only the whole is held. */
EVKV_TEST(unit_value, slices_of_slices)
{
	struct evkv_value *value = evkv_value_new_uninit(1000, &(void *){ 0 });
	struct evkv_value *part;
	int i;

	memset((void *)(uintptr_t)evkv_value_bytes(value).data, 'x', 1000);
	for (i = 0; i < 900; i++) {
		part = evkv_value_slice(value, 1, 999 - (size_t)i);
		check(part != NULL);
		evkv_value_unref(value);
		value = part;
		check(((struct value_slice *)value)->whole->offset != 0);
	}
	check_int(evkv_value_bytes(value).size, 100);
	evkv_value_unref(value);
}

/* What a store hands out may be cut, and outlives its entry; what was cut may
 * be put. */
EVKV_TEST(unit_value, slices_of_what_a_store_hands_out)
{
	struct answer answer = ANSWER_INIT;
	struct evkv_slice key = EVKV_LIT("k");
	struct evkv_value *whole, *part;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_memory_new(rig.loop, NULL, NULL);
	whole = evkv_value_new(EVKV_LIT("0123456789"));
	part = evkv_value_slice(whole, 2, 5);
	evkv_value_unref(whole);
	evkv_submit(store,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.count = 1,
		.keys = &key,
		.counted_values = &part },
	    NULL, NULL);
	evkv_value_unref(part);
	evkv_get(store, EVKV_LIT(""), key, answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check_slice(answer.entries[0].bytes, "23456");
	answer_free(&answer);
	evkv_store_unref(store);
	rig_close(&rig);
}
