/*
 * tests/core/store_test.c - making stores, options of other sizes, states.
 */
#include <stdio.h>
#include <string.h>

#include "evkv/driver.h"
#include "faults.h"
#include "scene.h"

/* ---- Making ----------------------------------------------------------- */

static unsigned made_frees;

static enum evkv_verdict made_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	(void)self;
	(void)request;
	return evkv_op_unsupported(op);
}

static void made_free(void *self)
{
	(void)self;
	made_frees++;
}

static void made_counters(void *self, struct evkv_counters *counters)
{
	(void)self;
	counters->entries = 7;
	counters->bytes = 70;
	counters->evictions = 700;
	counters->reconnects = 7000;
}

static const struct evkv_vtable made_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "made",
	.kinds = EVKV_KINDS_BASIC,
	.conditions = EVKV_IF_BASIC,
	.submit = made_submit,
	.free = made_free,
	.counters = made_counters,
};

static struct evkv_store *made_over(struct evkv_store *first,
    struct evkv_store *second, struct evkv_error *error)
{
	struct evkv_store *inner[2] = { first, second };

	return evkv_store_create(NULL, &made_vtable, &made_frees,
	    &(struct evkv_store_config){ .inner = inner, .inner_count = 2 },
	    error);
}

static struct evkv_store *made_simple(struct rig *rig)
{
	struct evkv_store *store = evkv_simple_new(rig->loop, NULL);

	check(store != NULL);
	return store;
}

/* Every failure consumes what was given, and says why. */
EVKV_TEST(core_store, bad_inner_stores_are_refused_and_consumed)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct rig rig, other;
	struct evkv_store *store;

	made_frees = 0;
	rig_open(&rig);
	rig_open(&other);
	check(made_over(made_simple(&rig), NULL, &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_invalid(error, "made");
	check_invalid(error, "NULL");
	check_int(made_frees, 1);

	evkv_error_clear(&error);
	store = made_simple(&rig);
	check(made_over(store, store, &error) == NULL);
	check_invalid(error, "twice");
	check_int(made_frees, 2);

	evkv_error_clear(&error);
	check(made_over(made_simple(&rig), made_simple(&other), &error) ==
	    NULL);
	check_invalid(error, "loop");
	check_int(made_frees, 3);

	evkv_error_clear(&error);
	store = made_simple(&rig);
	evkv_store_close(store, 0, NULL, NULL);
	check(made_over(made_simple(&rig), store, &error) == NULL);
	check_invalid(error, "closed");
	check_int(made_frees, 4);

	/* The first error stays. */
	check(made_over(NULL, NULL, &error) == NULL);
	check_invalid(error, "closed");
	rig_settle(&rig);
	rig_settle(&other);
	rig_close(&rig);
	rig_close(&other);
}

EVKV_TEST(core_store, want_of_memory_is_told_and_leaks_nothing)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *inner[1];
	struct rig rig;

	made_frees = 0;
	rig_open(&rig);
	/* `self` could not be allocated. */
	inner[0] = made_simple(&rig);
	check(evkv_store_create(NULL, &made_vtable, NULL,
		  &(struct evkv_store_config){
		      .inner = inner, .inner_count = 1 },
		  &error) == NULL);
	check_status(error.status, EVKV_NOMEM);
	check_int(made_frees, 0);
	/* The node could not be. */
	evkv_error_clear(&error);
	inner[0] = made_simple(&rig);
	faults_fail_nth(1);
	check(evkv_store_create(NULL, &made_vtable, &made_frees,
		  &(struct evkv_store_config){
		      .inner = inner, .inner_count = 1 },
		  &error) == NULL);
	faults_off();
	check_status(error.status, EVKV_NOMEM);
	check_int(made_frees, 1);
	evkv_error_clear(&error);
	check(evkv_store_create(NULL, &made_vtable, &made_frees,
		  &(struct evkv_store_config){ .max_pending = 1 },
		  &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_invalid(error, "loop is NULL");
	rig_close(&rig);
}

EVKV_TEST(core_store, constructors_pass_null_through)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_open(rig.loop, "nosuch:", &error);
	/* What is set on the way is set before the store is wrapped. */
	evkv_store_set_timeout(store, 250);
	evkv_store_set_limits(store, 10, 1000);
	evkv_store_set_state_cb(store, NULL, NULL);
	store = evkv_passthrough_cache_new(store,
	    evkv_memory_new(rig.loop, NULL, &error), NULL, &error);
	store = evkv_prefix_keys_new(store, EVKV_LIT("p"), &error);
	check(store == NULL);
	check_status(error.status, EVKV_INVALID);
	check_invalid(error, "nosuch");
	store = evkv_passthrough_cache_new(evkv_memory_new(rig.loop, NULL,
					       NULL),
	    NULL, NULL, NULL);
	check(store == NULL);
	rig_settle(&rig);
	rig_close(&rig);
}

EVKV_TEST(core_store, counters_come_from_the_driver_in_any_size)
{
	struct {
		struct evkv_counters counters;
		uint64_t more;
	} newer;
	const struct evkv_capabilities none = {
		.kinds = 0, .max_key = 1, .max_value = 1, .ttl_unit_ms = 1
	};
	struct evkv_counters older;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_store_create(rig.loop, &made_vtable, &made_frees,
	    &(struct evkv_store_config){ .capabilities = &none }, NULL);
	memset(&newer, 0xff, sizeof(newer));
	evkv_store_counters_sized(store, &newer.counters, sizeof(newer));
	check_int(newer.counters.entries, 7);
	check_int(newer.counters.bytes, 70);
	check_int(newer.counters.evictions, 700);
	check_int(newer.counters.reconnects, 7000);
	check_int(newer.counters.pending, 0);
	check_int(newer.more, 0);
	memset(&older, 0xff, sizeof(older));
	evkv_store_counters_sized(store, &older,
	    offsetof(struct evkv_counters, entries));
	check_int(older.reconnects, 7000);
	check(older.entries == SIZE_MAX);
	check(evkv_store_inner(store, 0) == NULL);
	check(evkv_store_self(store, &made_vtable) == &made_frees);
	check(evkv_store_self(NULL, &made_vtable) == NULL);
	evkv_store_unref(store);
	rig_close(&rig);
}

/* ---- Options ---------------------------------------------------------- */

struct store_options {
	uint32_t first;
	uint32_t second;
	uint64_t third;
};

EVKV_TEST(core_store, options_of_other_sizes)
{
	struct store_options ours, given = { 1, 2, 3 };
	struct {
		struct store_options options;
		unsigned char more[8];
	} newer = { { 4, 5, 6 }, { 0 } };
	struct evkv_error error = EVKV_ERROR_INIT;

	memset(&ours, 0xff, sizeof(ours));
	check(evkv_options_read(&ours, sizeof(ours), NULL, 0, &error));
	check_int(ours.first, 0);
	check_int(ours.third, 0);
	/* Older: what is missing is zero. */
	check(evkv_options_read(&ours, sizeof(ours), &given,
	    offsetof(struct store_options, second), &error));
	check_int(ours.first, 1);
	check_int(ours.second, 0);
	check_int(ours.third, 0);
	/* Newer, with what we do not know at zero. */
	check(evkv_options_read(&ours, sizeof(ours), &newer, sizeof(newer),
	    &error));
	check_int(ours.first, 4);
	check_int(ours.third, 6);
	check_status(error.status, EVKV_OK);
	newer.more[7] = 1;
	check(!evkv_options_read(&ours, sizeof(ours), &newer, sizeof(newer),
	    &error));
	check_status(error.status, EVKV_INVALID);
	check(error.message[0] != '\0');
	check(!evkv_options_read(&ours, sizeof(ours), &newer, sizeof(newer),
	    NULL));
}

EVKV_TEST(core_store, constructors_read_options_of_other_sizes)
{
	struct {
		struct evkv_memory_options options;
		uint64_t more;
	} newer = { .more = 0 };
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_memory_new_sized(rig.loop, &newer.options, sizeof(newer),
	    &error);
	check(store != NULL);
	evkv_store_unref(store);
	newer.more = 1;
	check(evkv_memory_new_sized(rig.loop, &newer.options, sizeof(newer),
		  &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	store = evkv_memory_new_sized(rig.loop, &newer.options, sizeof(size_t),
	    NULL);
	check(store != NULL);
	evkv_store_unref(store);
	rig_close(&rig);
}

/* ---- States ----------------------------------------------------------- */

struct store_watch {
	unsigned calls;
	enum evkv_state state;
	enum evkv_cause cause;
	char message[200];
	struct evkv_store *unref; /* in the callback */
};

static void store_on_state(enum evkv_state state, enum evkv_cause cause,
    const char *message, void *arg)
{
	struct store_watch *watch = arg;
	struct evkv_store *store = watch->unref;

	watch->calls++;
	watch->state = state;
	watch->cause = cause;
	(void)snprintf(watch->message, sizeof(watch->message), "%s", message);
	watch->unref = NULL;
	evkv_store_unref(store);
}

EVKV_TEST(core_store, a_config_that_asks_for_more_is_refused_and_consumed)
{
	struct {
		struct evkv_store_config ours;
		uint64_t newer;
	} config = { .newer = 1 };
	struct evkv_error error = EVKV_ERROR_INIT;
	struct scripted *script = scripted_new();
	struct evkv_store *inner, *store;
	struct rig rig;

	made_frees = 0;
	rig_open(&rig);
	inner = scripted_store(script, rig.loop, NULL);
	config.ours.inner = &inner;
	config.ours.inner_count = 1;
	check(evkv_store_create_sized(NULL, &made_vtable, &made_frees,
		  &config.ours, sizeof(config), &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_int(made_frees, 1);
	rig_settle(&rig);
	check_int(script->frees, 1);
	/* At zero it asks for what is done anyway. */
	config.newer = 0;
	inner = made_simple(&rig);
	store = evkv_store_create_sized(NULL, &made_vtable, &made_frees,
	    &config.ours, sizeof(config), NULL);
	check(store != NULL);
	evkv_store_unref(store);
	rig_close(&rig);
	scripted_free(script);
}

static enum evkv_verdict wordy_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	(void)self;
	(void)request;
	return evkv_op_fail(op, EVKV_IO, EVKV_CAUSE_IO, "/a\nb: no such file");
}

static const struct evkv_vtable wordy_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "wordy",
	.submit = wordy_submit,
	.free = made_free,
};

EVKV_TEST(core_store, a_message_is_one_line_whatever_it_quotes)
{
	const struct evkv_capabilities can = { .kinds = EVKV_KINDS_BASIC,
		.put_conditions = EVKV_IF_BASIC,
		.max_key = 1,
		.max_value = 1,
		.ttl_unit_ms = 1 };
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_store_create(rig.loop, &wordy_vtable, &made_frees,
	    &(struct evkv_store_config){ .capabilities = &can }, NULL);
	evkv_ping(store, answer_cb, &a);
	rig_turn(&rig);
	check_status(a.status, EVKV_IO);
	check_str(a.message, "/a?b: no such file");
	answer_free(&a);
	evkv_store_unref(store);
	rig_close(&rig);
}

EVKV_TEST(core_store, changes_of_state_are_told_in_a_later_turn)
{
	struct store_watch watch = { .calls = 0 }, above = { .calls = 0 };
	struct evkv_store *wrapper;
	struct scene s;

	rig_open(&s.rig);
	s.script = scripted_new();
	s.script->state = EVKV_STATE_CONNECTING;
	s.store = scripted_store(s.script, s.rig.loop, NULL);
	wrapper = evkv_prefix_keys_new(evkv_store_ref(s.store), EVKV_LIT("p:"),
	    NULL);
	check(wrapper != NULL);
	check_int(evkv_store_state(s.store), EVKV_STATE_CONNECTING);
	evkv_store_set_state_cb(s.store, store_on_state, &watch);
	evkv_store_set_state_cb(wrapper, store_on_state, &above);

	evkv_store_set_state(s.store, EVKV_STATE_DOWN, EVKV_CAUSE_RESET,
	    "cut\noff");
	check_int(evkv_store_state(wrapper), EVKV_STATE_DOWN);
	check_int(watch.calls, 0);
	rig_turn(&s.rig);
	check_int(watch.calls, 1);
	check_int(above.calls, 1);
	check_int(above.state, EVKV_STATE_DOWN);
	check_int(above.cause, EVKV_CAUSE_RESET);
	check_str(above.message, "cut?off");

	/* Several changes may have become one. */
	evkv_store_set_state(s.store, EVKV_STATE_CONNECTING, EVKV_CAUSE_NONE,
	    NULL);
	evkv_store_set_state(s.store, EVKV_STATE_READY, EVKV_CAUSE_NONE, NULL);
	evkv_store_set_state_cb(s.store, NULL, NULL);
	rig_turn(&s.rig);
	check_int(watch.calls, 1);
	check_int(above.state, EVKV_STATE_READY);
	check_str(above.message, "");

	evkv_store_unref(wrapper);
	rig_settle(&s.rig);
	evkv_store_set_state(s.store, EVKV_STATE_DOWN, EVKV_CAUSE_NONE, NULL);
	rig_turn(&s.rig);
	check_int(above.state, EVKV_STATE_READY);
	scene_close(&s);
}

EVKV_TEST(core_store, unref_in_a_state_callback)
{
	struct store_watch watch = { .calls = 0 };
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	watch.unref = s.store;
	evkv_store_set_state_cb(s.store, store_on_state, &watch);
	evkv_store_set_state(s.store, EVKV_STATE_DOWN, EVKV_CAUSE_IO, "gone");
	rig_settle(&s.rig);
	check(watch.calls >= 1);
	check_int(s.script->frees, 1);
	s.store = NULL;
	scene_close(&s);
}

EVKV_TEST(core_store, closing_is_a_change_of_state)
{
	struct store_watch watch = { .calls = 0 };
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	evkv_store_set_state_cb(s.store, store_on_state, &watch);
	evkv_store_close(s.store, 0, NULL, NULL);
	rig_settle(&s.rig);
	check_int(watch.calls, 1);
	check_int(watch.state, EVKV_STATE_CLOSED);
	check_int(evkv_store_state(s.store), EVKV_STATE_CLOSED);
	scene_close(&s);
}

EVKV_TEST(core_store, waiting_until_it_is_ready)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT, c = ANSWER_INIT;
	struct scene s;

	rig_open(&s.rig);
	s.script = scripted_new();
	s.script->state = EVKV_STATE_CONNECTING;
	s.store = scripted_store(s.script, s.rig.loop, NULL);
	check(evkv_store_wait_ready(s.store, -1, answer_cb, &a) != 0);
	check(evkv_store_wait_ready(s.store, 100, answer_cb, &b) != 0);
	check_int(scripted_request(s.script, 0)->flags, EVKV_FLAG_WAIT_READY);
	rig_advance(&s.rig, 100);
	rig_turn(&s.rig);
	check_int(a.calls, 0);
	check_status(b.status, EVKV_TIMEOUT);
	scene_answer(&s, EVKV_OK);
	check_status(a.status, EVKV_OK);
	check_int(b.calls, 1);
	/* A failure to connect ends it early, with the cause. */
	evkv_store_wait_ready(s.store, -1, answer_cb, &c);
	scene_answer(&s, EVKV_UNAVAILABLE);
	check_status(c.status, EVKV_UNAVAILABLE);
	check_int(c.cause, EVKV_CAUSE_SERVER);
	check_str(c.message, "scripted");
	answer_free(&a);
	answer_free(&b);
	answer_free(&c);
	scene_close(&s);
}
