/*
 * tests/wrappers/passthrough_cache_test.c - the cache stays true: fences,
 * shared loads, bypass, TTLs.
 *
 * The primary is a simple store behind a gate, so that a test decides what is
 * late; the cache likewise.
 */
#include "evkv/driver.h"
#include "gate.h"
#include "rig.h"
#include "test.h"

#define C EVKV_LIT("c")
#define K EVKV_LIT("k")

struct setup {
	struct rig rig;
	struct gate *primary, *cache;
	struct evkv_store *store;
	struct evkv_store *below; /* the primary, under its gate */
	struct evkv_store *tier;  /* the cache, under its gate */
};

static void open_with(struct setup *s,
    const struct evkv_passthrough_cache_options *options, bool remote)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *primary, *cache;

	rig_open(&s->rig);
	s->below = evkv_simple_new(s->rig.loop, &error);
	s->tier = evkv_simple_new(s->rig.loop, &error);
	primary = gate_new(evkv_store_ref(s->below), &s->primary, &error);
	cache = (remote ? gate_remote_new : gate_new)(evkv_store_ref(s->tier),
	    &s->cache, &error);
	s->store =
	    evkv_passthrough_cache_new(primary, cache, options, &error);
	check_str(error.message, "");
	check(s->store != NULL);
}

static void open_plain(struct setup *s)
{
	open_with(s, NULL, false);
}

static void close_all(struct setup *s)
{
	evkv_store_unref(s->store);
	evkv_store_unref(s->below);
	evkv_store_unref(s->tier);
	rig_close(&s->rig);
}

static void settle(struct setup *s)
{
	int i;

	for (i = 0; i < 20; i++)
		rig_turn(&s->rig);
}

static void put_at(struct setup *s, struct evkv_store *store,
    struct evkv_slice key, struct evkv_slice value, int64_t ttl_ms)
{
	struct answer a = ANSWER_INIT;

	evkv_put(store, C, key, value, ttl_ms, answer_cb, &a);
	rig_wait(&s->rig, &a.calls);
	check_status(a.status, EVKV_OK);
	answer_free(&a);
}

/* The value of the key in the store, or "-"; lives until the next call. */
static const char *value_at(struct setup *s, struct evkv_store *store,
    struct evkv_slice key)
{
	static char text[64];
	struct answer a = ANSWER_INIT;

	evkv_get(store, C, key, answer_cb, &a);
	rig_wait(&s->rig, &a.calls);
	check(a.status == EVKV_OK || a.status == EVKV_NOT_FOUND);
	strcpy(text, "-");
	if (a.status == EVKV_OK)
		snprintf(text, sizeof(text), "%.*s",
		    (int)a.entries[0].bytes.size,
		    (const char *)a.entries[0].bytes.data);
	answer_free(&a);
	return text;
}

static int64_t ttl_at(struct setup *s, struct evkv_store *store)
{
	struct answer a = ANSWER_INIT;
	int64_t ttl_ms;

	evkv_ttl(store, C, K, answer_cb, &a);
	rig_wait(&s->rig, &a.calls);
	ttl_ms = a.status == EVKV_OK ? a.entries[0].ttl_ms : -1;
	answer_free(&a);
	return ttl_ms;
}

EVKV_TEST(wrappers_passthrough_cache, second_get_is_served_by_the_cache)
{
	struct setup s;

	open_plain(&s);
	put_at(&s, s.below, K, EVKV_LIT("v"), 0);
	check_str(value_at(&s, s.store, K), "v");
	check_str(value_at(&s, s.tier, K), "v");
	check_str(value_at(&s, s.store, K), "v");
	check_int(s.primary->asked[EVKV_TTL], 1);
	close_all(&s);
}

EVKV_TEST(wrappers_passthrough_cache, thousand_misses_make_one_load)
{
	enum { MANY = 1000 };
	static struct answer answers[MANY];
	struct setup s;
	size_t i;

	memset(answers, 0, sizeof(answers));
	open_plain(&s);
	put_at(&s, s.below, K, EVKV_LIT("v"), 0);
	s.primary->mode = GATE_BEFORE;
	for (i = 0; i < MANY; i++)
		evkv_get(s.store, C, K, answer_cb, &answers[i]);
	settle(&s);
	check_int(s.primary->asked[EVKV_TTL], 1);
	check_int(s.primary->held_count, 1);
	gate_release_all(s.primary);
	settle(&s);
	for (i = 0; i < MANY; i++) {
		check_int(answers[i].calls, 1);
		check_status(answers[i].status, EVKV_OK);
		check_slice(answers[i].entries[0].bytes, "v");
		answer_free(&answers[i]);
	}
	check_int(s.primary->asked[EVKV_TTL], 1);
	close_all(&s);
}

EVKV_TEST(wrappers_passthrough_cache, batch_loads_only_what_is_missing)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("none"), EVKV_LIT("b"), EVKV_LIT("a") };
	struct answer a = ANSWER_INIT;
	struct setup s;

	open_plain(&s);
	put_at(&s, s.below, EVKV_LIT("a"), EVKV_LIT("1"), 0);
	put_at(&s, s.below, EVKV_LIT("b"), EVKV_LIT("2"), 0);
	check_str(value_at(&s, s.store, EVKV_LIT("a")), "1");
	evkv_get_many(s.store, C, keys, 5, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	check_status(a.status, EVKV_OK);
	check_slice(a.entries[0].bytes, "1");
	check_slice(a.entries[1].bytes, "2");
	check_status(a.entries[2].status, EVKV_NOT_FOUND);
	check_slice(a.entries[3].bytes, "2");
	check_slice(a.entries[4].bytes, "1");
	check_int(s.primary->asked[EVKV_TTL], 2);
	check_int(s.primary->keys[EVKV_TTL], 1 + 2);
	answer_free(&a);
	close_all(&s);
}

/* ---- Fences: every kind of write against a load that began before it ----- */

static void write_put(struct evkv_store *store, struct answer *a)
{
	evkv_put(store, C, K, EVKV_LIT("new"), 0, answer_cb, a);
}

static void write_delete(struct evkv_store *store, struct answer *a)
{
	evkv_delete(store, C, K, answer_cb, a);
}

static void write_put_many(struct evkv_store *store, struct answer *a)
{
	const struct evkv_slice keys[] = { EVKV_LIT("x"), K };
	const struct evkv_slice values[] = { EVKV_LIT("y"), EVKV_LIT("new") };

	evkv_put_many(store, C, keys, values, 2, 0, answer_cb, a);
}

static void write_delete_many(struct evkv_store *store, struct answer *a)
{
	const struct evkv_slice keys[] = { EVKV_LIT("x"), K };

	evkv_delete_many(store, C, keys, 2, answer_cb, a);
}

static void write_clear(struct evkv_store *store, struct answer *a)
{
	evkv_clear(store, C, EVKV_LIT(""), answer_cb, a);
}

static void write_destroy(struct evkv_store *store, struct answer *a)
{
	evkv_destroy(store, answer_cb, a);
}

static void write_touch(struct evkv_store *store, struct answer *a)
{
	evkv_touch(store, C, K, 1000, answer_cb, a);
}

static const struct {
	void (*write)(struct evkv_store *store, struct answer *a);
	const char *after; /* what the key's value is then */
	int64_t left_ms; /* and what it has to live in the cache */
} writes[] = {
	{ write_put, "new", 0 },
	{ write_delete, "-", -1 },
	{ write_put_many, "new", 0 },
	{ write_delete_many, "-", -1 },
	{ write_clear, "-", -1 },
	{ write_destroy, "-", -1 },
	{ write_touch, "old", 999 },
};
#define WRITES (sizeof(writes) / sizeof(writes[0]))

/* A get that somebody waits for would hold up what follows on its key. */
static void give_up(struct setup *s, evkv_ticket ticket, struct answer *get)
{
	evkv_cancel(s->rig.loop, ticket);
	rig_wait(&s->rig, &get->calls);
	check_status(get->status, EVKV_CANCELED);
}

/* The load's answer comes last, long after the write's callback. */
static void load_arrives_after_write(size_t w)
{
	struct answer get = ANSWER_INIT, write = ANSWER_INIT,
	              again = ANSWER_INIT;
	evkv_ticket ticket;
	struct setup s;

	open_plain(&s);
	put_at(&s, s.below, K, EVKV_LIT("old"), 0);
	s.primary->mode = GATE_AFTER;
	ticket = evkv_get(s.store, C, K, answer_cb, &get);
	settle(&s);
	check_int(s.primary->held_count, 1);
	give_up(&s, ticket, &get);
	writes[w].write(s.store, &write);
	settle(&s);
	check_int(s.primary->held_count, 2);
	gate_release(s.primary, 1);
	rig_wait(&s.rig, &write.calls);
	check_status(write.status, EVKV_OK);

	/* Submitted after the write's callback: it must not join that load. */
	evkv_get(s.store, C, K, answer_cb, &again);
	settle(&s);
	check_int(s.primary->asked[EVKV_TTL], 2);
	gate_release(s.primary, 1);
	rig_wait(&s.rig, &again.calls);
	check_status(again.status, strcmp(writes[w].after, "-") == 0 ?
	        EVKV_NOT_FOUND : EVKV_OK);

	/* The old load leaves the cache alone. */
	gate_release(s.primary, 0);
	settle(&s);
	check_int(get.calls, 1);
	s.primary->mode = GATE_OPEN;
	check_str(value_at(&s, s.tier, K), writes[w].after);
		check_int(ttl_at(&s, s.tier), writes[w].left_ms);
	check_str(value_at(&s, s.store, K), writes[w].after);
	answer_free(&get);
	answer_free(&write);
	answer_free(&again);
	close_all(&s);
}

/* The load is answered while the write is still under way. */
static void load_arrives_during_write(size_t w)
{
	struct answer get = ANSWER_INIT, write = ANSWER_INIT;
	struct setup s;

	open_plain(&s);
	put_at(&s, s.below, K, EVKV_LIT("old"), 0);
	s.primary->mode = GATE_BEFORE;
	evkv_get(s.store, C, K, answer_cb, &get);
	writes[w].write(s.store, &write);
	settle(&s);
	gate_release(s.primary, 0);
	rig_wait(&s.rig, &get.calls);
	check_slice(get.entries[0].bytes, "old");
	check_str(value_at(&s, s.tier, K), "-");
	gate_release(s.primary, 0);
	rig_wait(&s.rig, &write.calls);
	check_str(value_at(&s, s.tier, K), "-");
	s.primary->mode = GATE_OPEN;
	check_str(value_at(&s, s.store, K), writes[w].after);
	answer_free(&get);
	answer_free(&write);
	close_all(&s);
}

EVKV_TEST(wrappers_passthrough_cache, load_before_a_write_never_fills)
{
	size_t w;

	for (w = 0; w < WRITES; w++) {
		load_arrives_after_write(w);
		load_arrives_during_write(w);
	}
}

EVKV_TEST(wrappers_passthrough_cache, load_begun_during_a_write_never_fills)
{
	struct answer get = ANSWER_INIT, write = ANSWER_INIT;
	struct setup s;
	size_t w;

	for (w = 0; w < WRITES; w++) {
		open_plain(&s);
		put_at(&s, s.below, K, EVKV_LIT("old"), 0);
		s.primary->mode = GATE_BEFORE;
		writes[w].write(s.store, &write);
		evkv_get(s.store, C, K, answer_cb, &get);
		settle(&s);
		check_int(s.primary->held_count, 2);
		gate_release_all(s.primary);
		rig_wait(&s.rig, &get.calls);
		s.primary->mode = GATE_OPEN;
		check_str(value_at(&s, s.tier, K), "-");
		check_str(value_at(&s, s.store, K), writes[w].after);
		answer_reset(&get);
		answer_reset(&write);
		close_all(&s);
	}
}

EVKV_TEST(wrappers_passthrough_cache, fence_lasts_until_a_timed_out_write_ends)
{
	struct answer write = ANSWER_INIT;
	const struct evkv_slice key = K, value = EVKV_LIT("new");
	struct setup s;

	open_plain(&s);
	put_at(&s, s.below, K, EVKV_LIT("old"), 0);
	s.primary->mode = GATE_BEFORE;
	s.primary->sends = true;
	evkv_submit(s.store,
	    &(struct evkv_request){
		.kind = EVKV_PUT,
		.collection = C,
		.count = 1,
		.keys = &key,
		.values = &value,
		.timeout_ms = 100,
	    }, answer_cb, &write);
	settle(&s);
	rig_advance(&s.rig, 100);
	rig_wait(&s.rig, &write.calls);
	check_status(write.status, EVKV_UNKNOWN_OUTCOME);
	check_int(write.cause, EVKV_CAUSE_TIMEOUT);

	/* Still under way: what is read now must not stay. */
	s.primary->mode = GATE_OPEN;
	check_int(s.primary->held_count, 1);
	check_str(value_at(&s, s.tier, K), "-");
	gate_release_all(s.primary);
	check_str(value_at(&s, s.store, K), "new");
	check_str(value_at(&s, s.tier, K), "new");
	answer_free(&write);
	close_all(&s);
}

EVKV_TEST(wrappers_passthrough_cache, cut_off_write_is_not_sent_later)
{
	struct answer write = ANSWER_INIT;
	struct setup s;
	evkv_ticket ticket;

	open_with(&s, &(struct evkv_passthrough_cache_options){
	    .max_ttl_ms = 60000 }, true);
	put_at(&s, s.below, K, EVKV_LIT("old"), 0);
	s.cache->mode = GATE_BEFORE;
	ticket = evkv_put(s.store, C, K, EVKV_LIT("new"), 0, answer_cb, &write);
	settle(&s);
	evkv_cancel(s.rig.loop, ticket);
	rig_wait(&s.rig, &write.calls);
	check_status(write.status, EVKV_CANCELED);
	s.cache->mode = GATE_OPEN;
	gate_release_all(s.cache);
	settle(&s);
	check_int(s.primary->asked[EVKV_PUT], 0);
	check_str(value_at(&s, s.below, K), "old");
	answer_free(&write);
	close_all(&s);
}

EVKV_TEST(wrappers_passthrough_cache, unknown_outcome_stops_filling_for_a_while)
{
	struct answer write = ANSWER_INIT;
	struct setup s;

	open_with(&s, &(struct evkv_passthrough_cache_options){
	    .stall_timeout_ms = 3000 }, false);
	put_at(&s, s.below, K, EVKV_LIT("old"), 0);
	s.primary->mode = GATE_BEFORE;
	evkv_put(s.store, C, K, EVKV_LIT("new"), 0, answer_cb, &write);
	settle(&s);
	gate_fail(s.primary, 0, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_RESET);
	rig_wait(&s.rig, &write.calls);
	check_status(write.status, EVKV_UNKNOWN_OUTCOME);
	s.primary->mode = GATE_OPEN;
	check_str(value_at(&s, s.store, K), "old");
	check_str(value_at(&s, s.tier, K), "-");

	/* It does take effect late; after the stall time loads fill again. */
	put_at(&s, s.below, K, EVKV_LIT("new"), 0);
	rig_advance(&s.rig, 3001);
	check_str(value_at(&s, s.store, K), "new");
	check_str(value_at(&s, s.tier, K), "new");
	answer_free(&write);
	close_all(&s);
}

/* ---- A cache that fails -------------------------------------------------- */

EVKV_TEST(wrappers_passthrough_cache, failing_cache_fails_nothing)
{
	static const enum evkv_status failures[] = { EVKV_BUSY, EVKV_TIMEOUT,
		EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME, EVKV_NOMEM, EVKV_IO };
	struct answer a = ANSWER_INIT;
	struct setup s;
	size_t i;

	for (i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		open_plain(&s);
		s.cache->fail = failures[i];
		put_at(&s, s.store, K, EVKV_LIT("v"), 0);
		check_str(value_at(&s, s.store, K), "v");
		evkv_exists(s.store, C, K, answer_cb, &a);
		rig_wait(&s.rig, &a.calls);
		check_status(a.status, EVKV_OK);
		answer_reset(&a);
		evkv_clear(s.store, C, EVKV_LIT(""), answer_cb, &a);
		rig_wait(&s.rig, &a.calls);
		check_status(a.status, EVKV_OK);
		check_int(a.affected, 1);
		answer_reset(&a);
		check_str(value_at(&s, s.store, K), "-");
		close_all(&s);
	}
}

EVKV_TEST(wrappers_passthrough_cache,
    failed_eviction_is_bypassed_until_repaired)
{
	struct setup s;

	open_plain(&s);
	put_at(&s, s.below, K, EVKV_LIT("old"), 0);
	check_str(value_at(&s, s.store, K), "old");
	s.cache->fail = EVKV_BUSY;
	s.cache->fail_kinds = EVKV_KIND_BIT(EVKV_DELETE);
	put_at(&s, s.store, K, EVKV_LIT("new"), 0);
	check_str(value_at(&s, s.tier, K), "old");
	check_str(value_at(&s, s.store, K), "new");
	rig_advance(&s.rig, 1000);
	settle(&s);
	check_str(value_at(&s, s.store, K), "new");

	/* The cache evicts again: the next repair makes good. */
	s.cache->fail = EVKV_OK;
	rig_advance(&s.rig, 1000);
	settle(&s);
	check_str(value_at(&s, s.tier, K), "-");
	check_str(value_at(&s, s.store, K), "new");
	check_str(value_at(&s, s.tier, K), "new");
	close_all(&s);
}

EVKV_TEST(wrappers_passthrough_cache, bypass_ends_when_the_entry_is_gone)
{
	struct setup s;

	open_with(&s, &(struct evkv_passthrough_cache_options){
	    .max_ttl_ms = 5000 }, false);
	put_at(&s, s.below, K, EVKV_LIT("old"), 0);
	check_str(value_at(&s, s.store, K), "old");
	s.cache->fail = EVKV_BUSY;
	s.cache->fail_kinds = EVKV_KIND_BIT(EVKV_DELETE);
	put_at(&s, s.store, K, EVKV_LIT("new"), 0);
	rig_advance(&s.rig, 4999);
	settle(&s);
	check_str(value_at(&s, s.store, K), "new");
	rig_advance(&s.rig, 1001);
	settle(&s);
	check_str(value_at(&s, s.tier, K), "-");
	check_str(value_at(&s, s.store, K), "new");
	check_str(value_at(&s, s.tier, K), "new");
	close_all(&s);
}

EVKV_TEST(wrappers_passthrough_cache, too_many_bypassed_keys_switch_it_off)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("d") };
	struct setup s;
	size_t i;

	open_with(&s, &(struct evkv_passthrough_cache_options){
	    .max_bypass = 2 }, false);
	for (i = 0; i < 3; i++) {
		put_at(&s, s.below, keys[i], EVKV_LIT("old"), 0);
		check_str(value_at(&s, s.store, keys[i]), "old");
	}
	s.cache->fail = EVKV_BUSY;
	s.cache->fail_kinds =
	    EVKV_KIND_BIT(EVKV_DELETE) | EVKV_KIND_BIT(EVKV_DESTROY);
	for (i = 0; i < 3; i++)
		put_at(&s, s.store, keys[i], EVKV_LIT("new"), 0);
	for (i = 0; i < 3; i++)
		check_str(value_at(&s, s.store, keys[i]), "new");
	s.cache->fail = EVKV_OK;
	rig_advance(&s.rig, 1000);
	settle(&s);
	for (i = 0; i < 3; i++) {
		check_str(value_at(&s, s.tier, keys[i]), "-");
		check_str(value_at(&s, s.store, keys[i]), "new");
		check_str(value_at(&s, s.tier, keys[i]), "new");
	}
	close_all(&s);
}

EVKV_TEST(wrappers_passthrough_cache, fill_on_its_way_when_cleared_is_not_read)
{
	struct answer get = ANSWER_INIT, clear = ANSWER_INIT;
	struct setup s;

	open_with(&s, &(struct evkv_passthrough_cache_options){
	    .max_ttl_ms = 60000, .stall_timeout_ms = 2000 }, true);
	put_at(&s, s.below, K, EVKV_LIT("old"), 0);
	s.cache->mode = GATE_BEFORE;
	evkv_get(s.store, C, K, answer_cb, &get);
	settle(&s);
	gate_release(s.cache, 0);
	rig_wait(&s.rig, &get.calls);
	check_int(s.cache->held_count, 1); /* the fill */
	evkv_clear(s.store, C, EVKV_LIT(""), answer_cb, &clear);
	settle(&s);
	check_int(s.cache->held_count, 2);
	gate_release(s.cache, 1);
	rig_wait(&s.rig, &clear.calls);
	gate_release(s.cache, 0); /* the fill arrives after the clear */
	s.cache->mode = GATE_OPEN;
	check_str(value_at(&s, s.tier, K), "old");
	check_str(value_at(&s, s.store, K), "-");
	rig_advance(&s.rig, 2000);
	settle(&s);
	rig_advance(&s.rig, 1000);
	settle(&s);
	check_str(value_at(&s, s.tier, K), "-");
	answer_free(&get);
	answer_free(&clear);
	close_all(&s);
}

EVKV_TEST(wrappers_passthrough_cache, hanging_cache_is_given_up_on)
{
	struct answer get = ANSWER_INIT, put = ANSWER_INIT;
	struct setup s;

	open_with(&s, &(struct evkv_passthrough_cache_options){
	    .max_ttl_ms = 60000, .cache_timeout_ms = 50 }, true);
	put_at(&s, s.below, K, EVKV_LIT("v"), 0);
	s.cache->mode = GATE_BEFORE;
	evkv_get(s.store, C, K, answer_cb, &get);
	settle(&s);
	check_int(get.calls, 0);
	rig_advance(&s.rig, 50);
	rig_wait(&s.rig, &get.calls);
	check_slice(get.entries[0].bytes, "v");
	evkv_put(s.store, C, K, EVKV_LIT("w"), 0, answer_cb, &put);
	settle(&s);
	rig_advance(&s.rig, 50);
	rig_wait(&s.rig, &put.calls);
	check_status(put.status, EVKV_OK);
	gate_release_all(s.cache);
	s.cache->mode = GATE_OPEN;
	check_str(value_at(&s, s.store, K), "w");
	answer_free(&get);
	answer_free(&put);
	close_all(&s);
}

/* ---- TTLs --------------------------------------------------------------- */

EVKV_TEST(wrappers_passthrough_cache, fill_has_what_is_left_less_the_loads_time)
{
	struct answer get = ANSWER_INIT;
	struct setup s;

	open_plain(&s);
	put_at(&s, s.below, K, EVKV_LIT("v"), 10000);
	rig_advance(&s.rig, 4000);
	s.primary->mode = GATE_AFTER;
	evkv_get(s.store, C, K, answer_cb, &get);
	settle(&s);
	rig_advance(&s.rig, 700);
	gate_release_all(s.primary);
	rig_wait(&s.rig, &get.calls);
	s.primary->mode = GATE_OPEN;
	/* And less the millisecond that the primary may tell too much. */
	check_int(ttl_at(&s, s.tier), 10000 - 4000 - 700 - 1);
	check_int(ttl_at(&s, s.store), 10000 - 4000 - 700);
	answer_free(&get);
	close_all(&s);
}

/* The primary says 1 ms to the end, however little of it is left. */
EVKV_TEST(wrappers_passthrough_cache, the_last_millisecond_is_not_cached)
{
	struct setup s;

	open_plain(&s);
	put_at(&s, s.below, K, EVKV_LIT("v"), 1);
	s.rig.now_us += 900;
	check_str(value_at(&s, s.store, K), "v");
	check_str(value_at(&s, s.tier, K), "-");
	s.rig.now_us += 100;
	check_str(value_at(&s, s.store, K), "-");
	/* 2.5 of them: one is sure. */
	put_at(&s, s.below, K, EVKV_LIT("v"), 3);
	s.rig.now_us += 500;
	check_str(value_at(&s, s.store, K), "v");
	check_int(ttl_at(&s, s.tier), 1);
	close_all(&s);
}

EVKV_TEST(wrappers_passthrough_cache, late_fill_does_not_outlive_the_primary)
{
	struct answer get = ANSWER_INIT;
	struct setup s;

	open_with(&s, &(struct evkv_passthrough_cache_options){
	    .max_ttl_ms = 60000, .cache_timeout_ms = 50 }, true);
	put_at(&s, s.below, K, EVKV_LIT("v"), 10000);
	s.cache->mode = GATE_BEFORE;
	evkv_get(s.store, C, K, answer_cb, &get);
	settle(&s);
	gate_release(s.cache, 0);
	rig_wait(&s.rig, &get.calls);
	rig_advance(&s.rig, 49);
	gate_release_all(s.cache);
	s.cache->mode = GATE_OPEN;
	check_between(ttl_at(&s, s.tier), 1, ttl_at(&s, s.below));
	answer_free(&get);
	close_all(&s);
}

EVKV_TEST(wrappers_passthrough_cache, nothing_left_is_no_fill)
{
	struct answer get = ANSWER_INIT;
	struct setup s;

	open_plain(&s);
	put_at(&s, s.below, K, EVKV_LIT("v"), 500);
	s.primary->mode = GATE_AFTER;
	evkv_get(s.store, C, K, answer_cb, &get);
	settle(&s);
	rig_advance(&s.rig, 500);
	gate_release_all(s.primary);
	rig_wait(&s.rig, &get.calls);
	check_status(get.status, EVKV_OK);
	s.primary->mode = GATE_OPEN;
	check_str(value_at(&s, s.tier, K), "-");
	check_str(value_at(&s, s.store, K), "-");
	answer_free(&get);
	close_all(&s);
}

EVKV_TEST(wrappers_passthrough_cache, max_ttl_caps_the_fill_not_the_answer)
{
	struct setup s;

	open_with(&s, &(struct evkv_passthrough_cache_options){
	    .max_ttl_ms = 2000 }, false);
	put_at(&s, s.below, K, EVKV_LIT("v"), 0);
	check_str(value_at(&s, s.store, K), "v");
	check_int(ttl_at(&s, s.tier), 2000);
	check_int(ttl_at(&s, s.store), EVKV_TTL_NONE);
	put_at(&s, s.store, K, EVKV_LIT("w"), 60000);
	check_str(value_at(&s, s.store, K), "w");
	check_int(ttl_at(&s, s.tier), 2000);
	check_int(ttl_at(&s, s.store), 60000);
	close_all(&s);
}

/* ---- Failures of the primary, ends, bad input --------------------------- */

EVKV_TEST(wrappers_passthrough_cache, failing_load_is_told_to_all_who_wait)
{
	struct answer answers[3] = { ANSWER_INIT, ANSWER_INIT, ANSWER_INIT };
	struct setup s;
	size_t i;

	open_plain(&s);
	s.primary->mode = GATE_BEFORE;
	for (i = 0; i < 3; i++)
		evkv_get(s.store, C, K, answer_cb, &answers[i]);
	settle(&s);
	gate_fail(s.primary, 0, EVKV_UNAVAILABLE, EVKV_CAUSE_CONNECT);
	settle(&s);
	for (i = 0; i < 3; i++) {
		check_int(answers[i].calls, 1);
		check_status(answers[i].status, EVKV_UNAVAILABLE);
		check_int(answers[i].cause, EVKV_CAUSE_CONNECT);
		answer_free(&answers[i]);
	}
	close_all(&s);
}

EVKV_TEST(wrappers_passthrough_cache, load_outlives_those_who_wait_and_fills)
{
	struct answer get = ANSWER_INIT;
	struct setup s;
	evkv_ticket ticket;

	open_plain(&s);
	put_at(&s, s.below, K, EVKV_LIT("v"), 0);
	s.primary->mode = GATE_BEFORE;
	ticket = evkv_get(s.store, C, K, answer_cb, &get);
	settle(&s);
	evkv_cancel(s.rig.loop, ticket);
	rig_wait(&s.rig, &get.calls);
	check_status(get.status, EVKV_CANCELED);
	gate_release_all(s.primary);
	settle(&s);
	check_str(value_at(&s, s.tier, K), "v");
	check_int(get.calls, 1);
	answer_free(&get);
	close_all(&s);
}

EVKV_TEST(wrappers_passthrough_cache, close_waits_for_loads_under_way)
{
	struct answer get = ANSWER_INIT, closed = ANSWER_INIT;
	struct setup s;

	open_plain(&s);
	s.primary->mode = GATE_BEFORE;
	evkv_get(s.store, C, K, answer_cb, &get);
	settle(&s);
	evkv_store_close(s.store, 0, answer_cb, &closed);
	settle(&s);
	check_status(get.status, EVKV_CLOSED);
	check_int(closed.calls, 0);
	gate_release_all(s.primary);
	rig_wait(&s.rig, &closed.calls);
	check_status(closed.status, EVKV_TIMEOUT);
	answer_free(&get);
	answer_free(&closed);
	close_all(&s);
}

static void refused(struct rig *rig, struct evkv_store *primary,
    struct evkv_store *cache,
    const struct evkv_passthrough_cache_options *options, const char *word)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	(void)rig;
	check(evkv_passthrough_cache_new(primary, cache, options, &error) ==
	    NULL);
	check_status(error.status, EVKV_INVALID);
	check_contains(error.message, word);
}

EVKV_TEST(wrappers_passthrough_cache, bad_arguments_are_refused)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct gate *gate;
	struct rig rig;
	struct evkv_store *store;

	rig_open(&rig);
	store = evkv_simple_new(rig.loop, &error);
	refused(&rig, store, store, NULL, "twice");
	refused(&rig, NULL, evkv_simple_new(rig.loop, &error), NULL, "NULL");
	refused(&rig, evkv_simple_new(rig.loop, &error), NULL, NULL, "NULL");
	refused(&rig, evkv_simple_new(rig.loop, &error),
	    gate_remote_new(evkv_simple_new(rig.loop, &error), &gate, &error),
	    NULL, "max_ttl_ms");
	refused(&rig, evkv_simple_new(rig.loop, &error),
	    evkv_simple_new(rig.loop, &error),
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = -1 },
	    "max_ttl_ms");
	refused(&rig, evkv_simple_new(rig.loop, &error),
	    evkv_simple_new(rig.loop, &error),
	    &(struct evkv_passthrough_cache_options){
	    .cache_timeout_ms = INT64_MAX }, "cache_timeout_ms");
	refused(&rig, evkv_simple_new(rig.loop, &error),
	    evkv_simple_new(rig.loop, &error),
	    &(struct evkv_passthrough_cache_options){
	    .cache_timeout_ms = -1 }, "cache_timeout_ms");
	check_str(error.message, "");
	rig_close(&rig);
}
