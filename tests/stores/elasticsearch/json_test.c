/*
 * tests/stores/elasticsearch/json_test.c - values=json: objects that others
 * read, kept byte for byte.
 */
#include <string.h>

#include "bed.h"

static void open_json(struct bed *bed)
{
	bed_begin(bed, 1);
	bed->options.values = EVKV_ELASTICSEARCH_JSON;
	bed_store(bed);
}

EVKV_TEST(elasticsearch_json, objects_are_kept_as_they_are)
{
	static const char *const objects[] = {
		"{}",
		"{\"a\":1}",
		"{ \"a\" : [1, 2.50, 1e3, -0], \"b\": {\"c\": null } }",
		"{\"text\":\"\\u00e4 \\\"quoted\\\" \xc3\xa4\",\"}\":\"{\"}",
		"{\"n\":18446744073709551616}",
	};
	struct answer a = ANSWER_INIT;
	struct bed bed;

	open_json(&bed);
	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		bed_put(&bed, &a, "k", objects[i]);
		check_status(a.status, EVKV_OK);
		bed_get(&bed, &a, "k");
		check_status(a.status, EVKV_OK);
		check_bytes(a.entries[0].bytes, evkv_str(objects[i]));
	}
	check_contains(fake_find(&bed.docs, "c:k")->source,
	    "\"json\":{\"n\":18446744073709551616}}");
	answer_free(&a);
	bed_close(&bed);
}

/* However the answer is cut into pieces. */
EVKV_TEST(elasticsearch_json, objects_that_come_in_pieces)
{
	struct answer a = ANSWER_INIT;
	struct bed bed;

	open_json(&bed);
	bed_put(&bed, &a, "k", "{\"a\":{\"b\":[{},\"}\"]},\"c\":true}");
	for (size_t piece = 1; piece < 30; piece++) {
		bed.fakes[0].web->peer->plan.piece = piece;
		bed_get(&bed, &a, "k");
		check_slice(a.entries[0].bytes,
		    "{\"a\":{\"b\":[{},\"}\"]},\"c\":true}");
	}
	answer_free(&a);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_json, what_cannot_be_kept_is_invalid)
{
	static const char *const bad[] = { "", "1", "[]", "\"text\"", "{",
		"{\"a\":1}x", " {\"a\":1}", "{\"a\":1} ", "{\"a\":\n1}",
		"{\"a\":01}", "{\"a\":\"\xff\"}", "null" };
	struct answer a = ANSWER_INIT;
	struct bed bed;

	open_json(&bed);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bed_put(&bed, &a, "k", bad[i]);
		check_status(a.status, EVKV_INVALID);
		check_contains(a.message, "values=json");
	}
	check_int(bed.fakes[0].bulks, 0);
	/* The cluster has the last word. */
	bed.fakes[0].item_code = 400;
	bed.fakes[0].item_reason = "failed to parse field [json.a]";
	bed_put(&bed, &a, "k", "{\"a\":1}");
	check_status(a.status, EVKV_INVALID);
	check_contains(a.message, "failed to parse field");
	check(!evkv_store_can(bed.store, EVKV_OP_INCR, 0));
	answer_free(&a);
	bed_close(&bed);
}

/* A new expiry leaves the object as it is. */
EVKV_TEST(elasticsearch_json, touch_writes_the_object_again)
{
	static const char text[] = "{\"a\": 1.50}";
	struct answer a = ANSWER_INIT;
	struct bed bed;

	open_json(&bed);
	bed_put(&bed, &a, "k", text);
	answer_reset(&a);
	evkv_touch(bed.store, EVKV_LIT("c"), EVKV_LIT("k"), 5000, answer_cb,
	    &a);
	rig_wait(&bed.rig, &a.calls);
	check_status(a.status, EVKV_OK);
	bed_get(&bed, &a, "k");
	check_slice(a.entries[0].bytes, "{\"a\": 1.50}");
	rig_advance(&bed.rig, 5000);
	bed_get(&bed, &a, "k");
	check_status(a.status, EVKV_NOT_FOUND);
	answer_free(&a);
	bed_close(&bed);
}
