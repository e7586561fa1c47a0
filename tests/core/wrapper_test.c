/*
 * tests/core/wrapper_test.c - what authors of wrappers rely on: frames, and
 * capabilities that only get narrower. child_test.c has the child ops.
 */
#include "echo.h"

/* ---- Frames ----------------------------------------------------------- */

EVKV_TEST(core_wrapper, each_level_sees_its_own_request)
{
	struct echo inner = { .frees = 0 }, outer = { .frees = 0 };
	struct answer a = ANSWER_INIT;
	struct scene s;

	echo_open(&s, &inner, SCRIPTED_STOP_HOLDS);
	s.store = echo_new(&outer, &echo_vtable, s.store);
	scene_get(&s, &a);
	check_slice(scripted_request(s.script, 0)->collection, "inner");
	check_slice(scripted_request(s.script, 0)->keys[0], "k");
	check_int(scene_counters(&s)->pending, 1);
	check_int(outer.completes, 0);
	scripted_complete_value(s.script, 0, EVKV_LIT("v"), 0);
	check_int(inner.completes, 1);
	check_int(outer.completes, 1);
	check(inner.complete_order < outer.complete_order);
	check_slice(outer.seen, "c");
	check_slice(inner.seen, "inner");
	check_int(a.calls, 0);
	rig_turn(&s.rig);
	check_slice(a.entries[0].bytes, "v");
	answer_free(&a);
	scene_close(&s);
	check_int(inner.frees, 1);
	check_int(outer.frees, 1);
}

EVKV_TEST(core_wrapper, more_levels_than_an_op_has_room_for)
{
	enum { LEVELS = 40 };
	struct echo echoes[LEVELS] = { { .frees = 0 } };
	struct answer a = ANSWER_INIT;
	struct scene s;
	unsigned i;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	for (i = 0; i < LEVELS; i++)
		s.store = echo_new(&echoes[i], &echo_vtable, s.store);
	scene_put(&s, &a);
	scene_answer(&s, EVKV_OK);
	check_status(a.status, EVKV_OK);
	for (i = 0; i < LEVELS; i++)
		check_int(echoes[i].completes, 1);
	answer_free(&a);
	scene_close(&s);
	for (i = 0; i < LEVELS; i++)
		check_int(echoes[i].frees, 1);
}

EVKV_TEST(core_wrapper, a_detached_level_is_told_and_not_completed)
{
	struct echo inner = { .frees = 0 }, outer = { .frees = 0 };
	struct answer a = ANSWER_INIT;
	struct scene s;
	evkv_ticket ticket;

	echo_open(&s, &inner, SCRIPTED_STOP_HOLDS);
	s.store = echo_new(&outer, &echo_vtable, s.store);
	ticket = scene_put(&s, &a);
	scripted_mark_sent(s.script, 0);
	evkv_cancel(s.rig.loop, ticket);
	check_int(inner.detaches, 1);
	check_int(outer.detaches, 1);
	check_status(outer.detached, EVKV_UNKNOWN_OUTCOME);
	check_int(scene_counters(&s)->abandoned, 1);
	scripted_complete_all(s.script, EVKV_OK);
	check_int(inner.completes, 0);
	check_int(outer.completes, 0);
	check_int(inner.detaches, 1);
	check_int(scene_counters(&s)->pending, 0);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	answer_free(&a);
	scene_close(&s);
}

/* The caller has a reference to the inner store too. */
static struct evkv_store *open_over_inner(struct scene *s, struct echo *echo)
{
	struct evkv_store *inner;

	scene_open(s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	inner = evkv_store_ref(s->store);
	s->store = echo_new(echo, &echo_vtable, s->store);
	check(s->store != NULL);
	return inner;
}

EVKV_TEST(core_wrapper, limits_hold_at_every_level)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT;
	struct echo echo = { .frees = 0 };
	struct scene s;
	struct evkv_store *inner;

	inner = open_over_inner(&s, &echo);
	evkv_store_set_limits(inner, 1, 0);
	scene_put(&s, &a);
	scene_put(&s, &b);
	rig_turn(&s.rig);
	check_int(a.calls, 0);
	check_status(b.status, EVKV_BUSY);
	check_contains(b.message, "scripted");
	scene_answer(&s, EVKV_OK);
	check_status(a.status, EVKV_OK);
	evkv_store_unref(inner);
	answer_free(&a);
	answer_free(&b);
	scene_close(&s);
}

EVKV_TEST(core_wrapper, a_closed_inner_store_answers_closed)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT;
	struct echo echo = { .frees = 0 };
	struct scene s;
	struct evkv_store *inner;

	inner = open_over_inner(&s, &echo);
	evkv_store_close(inner, -1, NULL, NULL);
	scene_get(&s, &a);
	rig_settle(&s.rig);
	check_status(a.status, EVKV_CLOSED);
	/* Closing the wrapper leaves an inner one alone that others hold. */
	answer_reset(&a);
	evkv_store_close(s.store, -1, answer_cb, &a);
	rig_settle(&s.rig);
	check_status(a.status, EVKV_OK);
	check_int(s.script->frees, 0);
	evkv_get(inner, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &b);
	rig_settle(&s.rig);
	check_status(b.status, EVKV_CLOSED);
	evkv_store_unref(inner);
	rig_settle(&s.rig);
	check_int(s.script->frees, 1);
	answer_free(&a);
	answer_free(&b);
	scene_close(&s);
}

/* ---- Capabilities ----------------------------------------------------- */

EVKV_TEST(core_wrapper, a_kind_that_a_wrapper_does_not_know_stops_there)
{
	struct echo echo = { .frees = 0 }, glass = { .frees = 0 };
	struct answer a = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	s.store = echo_new(&glass, &echo_vtable_transparent, s.store);
	check_int(evkv_store_capabilities(s.store)->kinds, EVKV_KINDS_BASIC);
	evkv_clear_all(s.store, answer_cb, &a);
	check_int(scripted_count(s.script), 1);
	scene_answer(&s, EVKV_OK);
	check_status(a.status, EVKV_OK);

	s.store = echo_new(&echo, &echo_vtable, s.store);
	check_int(evkv_store_capabilities(s.store)->kinds, echo_vtable.kinds);
	answer_reset(&a);
	evkv_clear_all(s.store, answer_cb, &a);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_UNSUPPORTED);
	check_contains(a.message, "echo");
	check_contains(a.message, "clear_all");
	check_int(s.script->submits, 1);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_wrapper, capabilities_only_get_narrower)
{
	const struct evkv_capabilities wide = { .kinds = EVKV_KINDS_BASIC,
		.put_conditions = EVKV_IF_BASIC,
		.flags = UINT32_MAX,
		.max_key = EVKV_KEY_MAX,
		.max_value = EVKV_VALUE_MAX,
		.ttl_unit_ms = 1 };
	const struct evkv_capabilities *can;
	struct evkv_store *inner;
	struct echo echo = { .frees = 0 };
	struct answer a = ANSWER_INIT;
	struct scene s;

	rig_open(&s.rig);
	s.script = scripted_new();
	s.script->capabilities = (struct evkv_capabilities){
		.kinds = EVKV_KIND_BIT(EVKV_OP_GET) |
		    EVKV_KIND_BIT(EVKV_OP_PUT),
		.put_conditions = EVKV_IF_BASIC,
		.flags = EVKV_STORE_KEY_ORDER,
		.max_key = 4,
		.max_value = 8,
		.ttl_unit_ms = 1000
	};
	inner = scripted_store(s.script, s.rig.loop, NULL);
	s.store = evkv_store_create(NULL, &echo_vtable, &echo,
	    &(struct evkv_store_config){
		.capabilities = &wide, .inner = &inner, .inner_count = 1 },
	    NULL);
	echo.store = s.store;
	can = evkv_store_capabilities(s.store);
	check_int(can->kinds,
	    EVKV_KIND_BIT(EVKV_OP_GET) | EVKV_KIND_BIT(EVKV_OP_PUT));
	check_int(can->flags, EVKV_STORE_KEY_ORDER);
	check_int(can->max_key, 4);
	check_int(can->max_value, 8);
	check_int(can->ttl_unit_ms, 1000);

	evkv_get(s.store, EVKV_LIT("c"), EVKV_LIT("12345"), answer_cb, &a);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_INVALID);
	check_contains(a.message, "at most 4");
	evkv_put(s.store, EVKV_LIT("c"), EVKV_LIT("1234"),
	    EVKV_LIT("123456789"), 0, answer_cb, &a);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_TOO_LARGE);
	check_contains(a.message, "at most 8");
	check_int(s.script->submits, 0);
	evkv_put(s.store, EVKV_LIT("c"), EVKV_LIT("1234"), EVKV_LIT("12345678"),
	    0, answer_cb, &a);
	check_int(s.script->submits, 1);
	scene_answer(&s, EVKV_OK);
	check_status(a.status, EVKV_OK);
	answer_free(&a);
	scene_close(&s);
}
