/*
 * tests/wrappers/passthrough_fence_test.c - the cache stays true: no load may
 * bring back what a write has changed meanwhile.
 */
#include "cache_bed.h"

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

static void write_clear_all(struct evkv_store *store, struct answer *a)
{
	evkv_clear_all(store, answer_cb, a);
}

static void write_touch(struct evkv_store *store, struct answer *a)
{
	evkv_touch(store, C, K, 1000, answer_cb, a);
}

static const struct {
	void (*write)(struct evkv_store *store, struct answer *a);
	const char *after; /* what the key's value is then */
	int64_t left_ms;   /* and what it has to live in the cache */
} writes[] = {
	{ write_put, "new", 0 },
	{ write_delete, "-", -1 },
	{ write_put_many, "new", 0 },
	{ write_delete_many, "-", -1 },
	{ write_clear, "-", -1 },
	{ write_clear_all, "-", -1 },
	{ write_touch, "old", 999 },
};
#define WRITES (sizeof(writes) / sizeof(writes[0]))

/* A get that somebody waits for would hold up what follows on its key. */
static void give_up(struct cache_bed *s, evkv_ticket ticket, struct answer *get)
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
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, NULL);
	bed_put(&s, s.below, K, EVKV_LIT("old"), 0);
	s.primary->mode = GATE_AFTER;
	ticket = evkv_get(s.store, C, K, answer_cb, &get);
	bed_settle(&s);
	check_int(s.primary->held_count, 1);
	give_up(&s, ticket, &get);
	writes[w].write(s.store, &write);
	bed_settle(&s);
	check_int(s.primary->held_count, 2);
	gate_release(s.primary, 1);
	rig_wait(&s.rig, &write.calls);
	check_status(write.status, EVKV_OK);

	/* Submitted after the write's callback: it must not join that load. */
	evkv_get(s.store, C, K, answer_cb, &again);
	bed_settle(&s);
	check_int(s.primary->asked[EVKV_OP_TTL], 2);
	gate_release(s.primary, 1);
	rig_wait(&s.rig, &again.calls);
	check_status(again.status,
	    strcmp(writes[w].after, "-") == 0 ? EVKV_NOT_FOUND : EVKV_OK);

	/* The old load leaves the cache alone. */
	gate_release(s.primary, 0);
	bed_settle(&s);
	check_int(get.calls, 1);
	s.primary->mode = GATE_OPEN;
	check_str(bed_value(&s, s.tier, K), writes[w].after);
	check_int(bed_ttl(&s, s.tier), writes[w].left_ms);
	check_str(bed_value(&s, s.store, K), writes[w].after);
	answer_free(&get);
	answer_free(&write);
	answer_free(&again);
	bed_close(&s);
}

/* The load is answered while the write is still under way. */
static void load_arrives_during_write(size_t w)
{
	struct answer get = ANSWER_INIT, write = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, NULL);
	bed_put(&s, s.below, K, EVKV_LIT("old"), 0);
	s.primary->mode = GATE_BEFORE;
	evkv_get(s.store, C, K, answer_cb, &get);
	writes[w].write(s.store, &write);
	bed_settle(&s);
	gate_release(s.primary, 0);
	rig_wait(&s.rig, &get.calls);
	check_slice(get.entries[0].bytes, "old");
	check_str(bed_value(&s, s.tier, K), "-");
	gate_release(s.primary, 0);
	rig_wait(&s.rig, &write.calls);
	check_str(bed_value(&s, s.tier, K), "-");
	s.primary->mode = GATE_OPEN;
	check_str(bed_value(&s, s.store, K), writes[w].after);
	answer_free(&get);
	answer_free(&write);
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_fence, load_before_a_write_never_fills)
{
	size_t w;

	for (w = 0; w < WRITES; w++) {
		load_arrives_after_write(w);
		load_arrives_during_write(w);
	}
}

EVKV_TEST(wrappers_passthrough_fence, load_begun_during_a_write_never_fills)
{
	struct answer get = ANSWER_INIT, write = ANSWER_INIT;
	struct cache_bed s;
	size_t w;

	for (w = 0; w < WRITES; w++) {
		bed_open(&s, BED_LOCAL, NULL);
		bed_put(&s, s.below, K, EVKV_LIT("old"), 0);
		s.primary->mode = GATE_BEFORE;
		writes[w].write(s.store, &write);
		evkv_get(s.store, C, K, answer_cb, &get);
		bed_settle(&s);
		check_int(s.primary->held_count, 2);
		gate_release_all(s.primary);
		rig_wait(&s.rig, &get.calls);
		rig_wait(&s.rig, &write.calls);
		check_status(write.status, EVKV_OK);
		s.primary->mode = GATE_OPEN;
		check_str(bed_value(&s, s.tier, K), "-");
		check_str(bed_value(&s, s.store, K), writes[w].after);
		answer_reset(&get);
		answer_reset(&write);
		bed_close(&s);
	}
}

/* It has read what was there before, and is answered after the write. */
EVKV_TEST(wrappers_passthrough_fence, load_within_a_write_ends_after_it)
{
	struct answer get = ANSWER_INIT, write = ANSWER_INIT,
		      again = ANSWER_INIT;
	struct cache_bed s;
	size_t w;

	for (w = 0; w < WRITES; w++) {
		bed_open(&s, BED_LOCAL, NULL);
		bed_put(&s, s.below, K, EVKV_LIT("old"), 0);
		s.primary->mode = GATE_BEFORE;
		writes[w].write(s.store, &write);
		bed_settle(&s);
		s.primary->mode = GATE_AFTER;
		evkv_get(s.store, C, K, answer_cb, &get);
		bed_settle(&s);
		check_int(s.primary->held_count, 2);
		gate_release(s.primary, 0);
		rig_wait(&s.rig, &write.calls);
		check_status(write.status, EVKV_OK);
		/* What comes after the write does not join it. */
		evkv_get(s.store, C, K, answer_cb, &again);
		bed_settle(&s);
		check_int(s.primary->held_count, 2);
		gate_release(s.primary, 0);
		rig_wait(&s.rig, &get.calls);
		check_str(bed_value(&s, s.tier, K), "-");
		gate_release(s.primary, 0);
		rig_wait(&s.rig, &again.calls);
		check_str(bed_words(&again), writes[w].after);
		s.primary->mode = GATE_OPEN;
		check_str(bed_value(&s, s.store, K), writes[w].after);
		answer_reset(&again);
		answer_reset(&get);
		answer_reset(&write);
		bed_close(&s);
	}
}

/* A wrapper above is told inside the turn in which the load comes back. */
struct above {
	struct cache_bed *bed;
	unsigned told;
};

static void above_ask(struct above *above, enum evkv_kind kind,
    evkv_child_cb cb)
{
	const struct evkv_slice key = K, value = EVKV_LIT("new");

	evkv_child_submit(NULL, above->bed->store,
	    &(struct evkv_request){ .kind = kind,
		.collection = C,
		.count = 1,
		.keys = &key,
		.values = kind == EVKV_OP_PUT ? &value : NULL },
	    0, cb, above);
}

static void above_wrote(struct evkv_op *child, void *arg)
{
	((struct above *)arg)->told++;
	check_status(evkv_op_result(child)->status, EVKV_OK);
}

static void above_asked_again(struct evkv_op *child, void *arg)
{
	((struct above *)arg)->told++;
	check_slice(evkv_result_entry(evkv_op_result(child), 0)->bytes, "old");
}

static void above_loaded(struct evkv_op *child, void *arg)
{
	struct above *above = arg;

	above_asked_again(child, arg);
	above_ask(above, EVKV_OP_GET, above_asked_again);
	above_ask(above, EVKV_OP_PUT, above_wrote);
}

/* What was loaded is in the cache by then, and leaves it with the write. */
EVKV_TEST(wrappers_passthrough_fence, a_write_inside_the_answer_to_a_get)
{
	struct above above = { .told = 0 };
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, NULL);
	above.bed = &s;
	bed_put(&s, s.below, K, EVKV_LIT("old"), 0);
	s.primary->mode = GATE_AFTER;
	above_ask(&above, EVKV_OP_GET, above_loaded);
	bed_settle(&s);
	check_int(above.told, 0);
	s.primary->mode = GATE_OPEN;
	gate_release_all(s.primary);
	bed_settle(&s);
	check_int(above.told, 3);
	check_int(bed_loads(&s), 1);
	check_str(bed_value(&s, s.tier, K), "-");
	check_str(bed_value(&s, s.store, K), "new");
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_fence, fence_lasts_until_a_timed_out_write_ends)
{
	struct answer write = ANSWER_INIT;
	const struct evkv_slice key = K, value = EVKV_LIT("new");
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, NULL);
	bed_put(&s, s.below, K, EVKV_LIT("old"), 0);
	s.primary->mode = GATE_BEFORE;
	s.primary->sends = true;
	evkv_submit(s.store,
	    &(struct evkv_request){
		.kind = EVKV_OP_PUT,
		.collection = C,
		.count = 1,
		.keys = &key,
		.values = &value,
		.timeout_ms = 100,
	    },
	    answer_cb, &write);
	bed_settle(&s);
	rig_advance(&s.rig, 100);
	rig_wait(&s.rig, &write.calls);
	check_status(write.status, EVKV_UNKNOWN_OUTCOME);
	check_int(write.cause, EVKV_CAUSE_TIMEOUT);

	/* Still under way: what is read now must not stay. */
	s.primary->mode = GATE_OPEN;
	check_int(s.primary->held_count, 1);
	check_str(bed_value(&s, s.tier, K), "-");
	gate_release_all(s.primary);
	bed_check_filled(&s, "new");
	answer_free(&write);
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_fence, cut_off_write_is_not_sent_later)
{
	struct answer write = ANSWER_INIT;
	struct cache_bed s;
	evkv_ticket ticket;

	bed_open(&s, BED_REMOTE,
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = 60000 });
	bed_put(&s, s.below, K, EVKV_LIT("old"), 0);
	s.cache->mode = GATE_BEFORE;
	ticket = evkv_put(s.store, C, K, EVKV_LIT("new"), 0, answer_cb, &write);
	bed_settle(&s);
	evkv_cancel(s.rig.loop, ticket);
	rig_wait(&s.rig, &write.calls);
	check_status(write.status, EVKV_CANCELED);
	s.cache->mode = GATE_OPEN;
	gate_release_all(s.cache);
	bed_settle(&s);
	check_int(s.primary->asked[EVKV_OP_PUT], 0);
	check_str(bed_value(&s, s.below, K), "old");
	answer_free(&write);
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_fence, unknown_outcome_stops_filling_for_a_while)
{
	struct answer write = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL,
	    &(struct evkv_passthrough_cache_options){
		.stall_timeout_ms = 3000 });
	bed_put(&s, s.below, K, EVKV_LIT("old"), 0);
	s.primary->mode = GATE_BEFORE;
	evkv_put(s.store, C, K, EVKV_LIT("new"), 0, answer_cb, &write);
	bed_settle(&s);
	gate_fail(s.primary, 0, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_RESET);
	rig_wait(&s.rig, &write.calls);
	check_status(write.status, EVKV_UNKNOWN_OUTCOME);
	s.primary->mode = GATE_OPEN;
	check_str(bed_value(&s, s.store, K), "old");
	check_str(bed_value(&s, s.tier, K), "-");

	/* It does take effect late; after the stall time loads fill again. */
	bed_put(&s, s.below, K, EVKV_LIT("new"), 0);
	rig_advance(&s.rig, 3001);
	bed_check_filled(&s, "new");
	answer_free(&write);
	bed_close(&s);
}
