/*
 * The wrappers of one file that are made of hooks: read_only, clamp_ttl.
 */
#include <stdio.h>
#include <string.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "lib/rig.h"
#include "lib/test.h"

struct scene {
	struct rig rig;
	struct evkv_store *simple, *store;
	struct answer answer;
};

static void open_scene(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	rig_open(&s->rig);
	s->simple = evkv_simple_new(s->rig.loop, NULL);
}

static void close_scene(struct scene *s)
{
	answer_free(&s->answer);
	evkv_store_unref(s->store);
	evkv_store_unref(s->simple);
	rig_close(&s->rig);
}

static enum evkv_status ask(struct scene *s, struct evkv_store *store,
    const struct evkv_request *request)
{
	answer_reset(&s->answer);
	evkv_submit(store, request, answer_cb, &s->answer);
	rig_wait(&s->rig, &s->answer.calls);
	return s->answer.status;
}

/* ---- read_only ----------------------------------------------------------- */

EVKV_TEST(unit_read_only, every_kind_that_writes_is_refused)
{
	struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("7");
	struct evkv_request request;
	struct scene s;
	uint32_t classes;
	int kind;

	open_scene(&s);
	s.store = evkv_read_only_new(evkv_store_ref(s.simple), NULL);
	evkv_put(s.simple, EVKV_LIT(""), key, value, 0, NULL, NULL);
	for (kind = 0; kind < EVKV_KIND_COUNT; kind++) {
		classes = evkv_kind_classes((enum evkv_kind)kind);
		request = (struct evkv_request){ .kind = (enum evkv_kind)kind };
		if ((classes & EVKV_CLASS_HAS_KEYS) != 0) {
			request.count = 1;
			request.keys = &key;
		}
		if ((classes & EVKV_CLASS_HAS_VALUES) != 0)
			request.values = &value;
		check_status(ask(&s, s.store, &request),
		    (classes & EVKV_CLASS_WRITES) != 0 ? EVKV_REFUSED
						       : EVKV_OK);
		if ((classes & EVKV_CLASS_WRITES) != 0)
			check_contains(s.answer.message, "read only");
	}
	evkv_get(s.simple, EVKV_LIT(""), key, answer_cb, &s.answer);
	rig_until(&s.rig, s.answer.calls == 2);
	check_status(s.answer.status, EVKV_OK);
	close_scene(&s);
}

EVKV_TEST(unit_read_only, it_passes_on_what_is_NULL)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	check(evkv_read_only_new(NULL, &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_invalid(error, "read_only: the inner store is NULL");
}

/* ---- clamp_ttl ----------------------------------------------------------- */

static void clamp(struct scene *s, int64_t min_ms, int64_t max_ms,
    int64_t missing_ms)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	open_scene(s);
	s->store = evkv_clamp_ttl_new(evkv_store_ref(s->simple),
	    &(struct evkv_clamp_ttl_options){
		.min_ms = min_ms, .max_ms = max_ms, .missing_ms = missing_ms },
	    &error);
	if (s->store == NULL)
		fail_test("%s", error.message);
}

/* A put with `ttl_ms`, and a touch with it, give this TTL. */
static void check_clamped(struct scene *s, int64_t ttl_ms, int64_t expected)
{
	struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("v");
	struct evkv_request put = { .kind = EVKV_OP_PUT,
		.count = 1,
		.keys = &key,
		.values = &value,
		.ttl_ms = ttl_ms };
	struct evkv_request touch = { .kind = EVKV_OP_TOUCH,
		.count = 1,
		.keys = &key,
		.ttl_ms = ttl_ms };
	struct evkv_request ttl = {
		.kind = EVKV_OP_TTL, .count = 1, .keys = &key
	};

	check_status(ask(s, s->store, &put), EVKV_OK);
	ask(s, s->store, &ttl);
	check_int(s->answer.entries[0].ttl_ms, expected);
	put.ttl_ms = 55555;
	check_status(ask(s, s->simple, &put), EVKV_OK);
	check_status(ask(s, s->store, &touch), EVKV_OK);
	ask(s, s->store, &ttl);
	check_int(s->answer.entries[0].ttl_ms, expected);
}

EVKV_TEST(unit_clamp_ttl, bounds_and_what_is_missing)
{
	struct scene s;

	clamp(&s, 100, 5000, 3000);
	check_clamped(&s, 99, 100);
	check_clamped(&s, 100, 100);
	check_clamped(&s, 4999, 4999);
	check_clamped(&s, 5001, 5000);
	check_clamped(&s, EVKV_TTL_MAX, 5000);
	check_clamped(&s, EVKV_TTL_NONE, 3000);
	close_scene(&s);

	clamp(&s, 0, 0, 0);
	check_clamped(&s, 1, 1);
	check_clamped(&s, EVKV_TTL_NONE, EVKV_TTL_NONE);
	close_scene(&s);

	clamp(&s, 0, 1000, 0);
	check_clamped(&s, EVKV_TTL_NONE, EVKV_TTL_NONE);
	check_clamped(&s, 2000, 1000);
	close_scene(&s);

	clamp(&s, 1000, 0, 1000);
	check_clamped(&s, 1, 1000);
	check_clamped(&s, EVKV_TTL_MAX, EVKV_TTL_MAX);
	check_clamped(&s, EVKV_TTL_NONE, 1000);
	close_scene(&s);
}

EVKV_TEST(unit_clamp_ttl, each_key_of_a_batch_for_itself)
{
	struct evkv_slice keys[4] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("c"), EVKV_LIT("d") };
	struct evkv_slice values[4] = { EVKV_LIT("1"), EVKV_LIT("2"),
		EVKV_LIT("3"), EVKV_LIT("4") };
	const int64_t ttls[4] = { 1, 2000, 0, 900000 };
	const int64_t expected[4] = { 100, 2000, 3000, 5000 };
	struct scene s;
	size_t i;

	clamp(&s, 100, 5000, 3000);
	check_status(ask(&s, s.store,
			 &(struct evkv_request){ .kind = EVKV_OP_PUT,
			     .count = 4,
			     .keys = keys,
			     .values = values,
			     .ttls_ms = ttls }),
	    EVKV_OK);
	ask(&s, s.store,
	    &(struct evkv_request){
		.kind = EVKV_OP_TTL, .count = 4, .keys = keys });
	for (i = 0; i < 4; i++)
		check_int(s.answer.entries[i].ttl_ms, expected[i]);
	close_scene(&s);
}

/* A counter that is made gets one; one that is there keeps its own. */
EVKV_TEST(unit_clamp_ttl, new_counters)
{
	struct evkv_slice key = EVKV_LIT("n");
	struct evkv_request incr = {
		.kind = EVKV_OP_INCR, .count = 1, .keys = &key, .delta = 1
	};
	struct evkv_request ttl = {
		.kind = EVKV_OP_TTL, .count = 1, .keys = &key
	};
	struct scene s;

	clamp(&s, 100, 5000, 3000);
	check_status(ask(&s, s.store, &incr), EVKV_OK);
	ask(&s, s.store, &ttl);
	check_int(s.answer.entries[0].ttl_ms, 3000);
	incr.ttl_ms = 1;
	check_status(ask(&s, s.store, &incr), EVKV_OK);
	ask(&s, s.store, &ttl);
	check_int(s.answer.entries[0].ttl_ms, 3000);
	close_scene(&s);
}

static void refuse(int64_t min_ms, int64_t max_ms, int64_t missing_ms,
    const char *part)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct scene s;

	open_scene(&s);
	s.store = evkv_clamp_ttl_new(evkv_store_ref(s.simple),
	    &(struct evkv_clamp_ttl_options){
		.min_ms = min_ms, .max_ms = max_ms, .missing_ms = missing_ms },
	    &error);
	check(s.store == NULL);
	check_status(error.status, EVKV_INVALID);
	check_invalid(error, "clamp_ttl: ");
	check_invalid(error, part);
	close_scene(&s);
}

EVKV_TEST(unit_clamp_ttl, options_that_can_not_be)
{
	refuse(-1, 0, 0, "min_ms is -1");
	refuse(0, EVKV_TTL_MAX + 1, 0, "max_ms");
	refuse(0, 0, -5, "missing_ms is -5");
	refuse(10, 9, 0, "min is above max");
	refuse(10, 20, 9, "missing must lie within");
	refuse(10, 20, 21, "missing must lie within");
}
