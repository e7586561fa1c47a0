/*
 * prefix_keys: collections and clear_all, which go through the inner store's
 * collections, and an inner store that answers oddly.
 */
#include "prefix_keys_fixture.h"

#include <stdio.h>
#include <string.h>

#include "lib/faults.h"

EVKV_TEST(unit_prefix_keys, collections_are_those_with_our_keys)
{
	struct fixture f;
	struct evkv_request request = { .kind = EVKV_OP_COLLECTIONS };

	open_fixture(&f, EVKV_LIT("app:"));
	put(&f, f.store, "", "k");
	put(&f, f.store, "mine", "k");
	put(&f, f.store, "both", "k");
	put(&f, f.simple, "both", "k");
	put(&f, f.simple, "other", "app");
	put(&f, f.simple, "other", "bpp:k");
	check_names(&f, request, " both mine |");
	request.match.pattern = EVKV_LIT("m*");
	check_names(&f, request, "mine |");
	request.match.pattern = EVKV_LIT("");
	request.match.prefix = EVKV_LIT("bo");
	check_names(&f, request, "both |");
	request.match.prefix = EVKV_LIT("x");
	check_names(&f, request, "|");
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, pages_of_collections)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT, inner = ANSWER_INIT;
	struct evkv_request request = { .kind = EVKV_OP_COLLECTIONS,
		.match.limit = 4 };

	open_fixture(&f, EVKV_LIT("p"));
	fill_collections(&f, 10);
	check_names(&f, request, "c0001 c0002 |c0004 c0005 c0007 |c0008 |");

	/* The inner store's cursor is not ours. */
	evkv_collections(f.simple, EVKV_LIT(""), EVKV_LIT(""), 4, answer_cb,
	    &inner);
	rig_wait(&f.rig, &inner.calls);
	check(inner.cursor.size > 0);
	request.match.cursor = inner.cursor;
	submit(&f, &request, &answer);
	check_status(answer.status, EVKV_INVALID);
	check_contains(answer.message, "cursor");
	answer_free(&answer);
	answer_free(&inner);
	close_fixture(&f);
}

/*
 * More collections than fit in a turn and in a page, over a store that answers
 * at once.
 */
EVKV_TEST(unit_prefix_keys, many_collections)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;

	open_fixture(&f, EVKV_LIT("p"));
	fill_collections(&f, 2400);
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
	    &answer);
	check_status(answer.status, EVKV_OK);
	check_int(answer.count, 666);
	check(answer.cursor.size > 0);
	check_affected(&f, &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL },
	    1600);
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
	    &answer);
	check_int(answer.count, 0);
	evkv_clear_all(f.simple, answer_cb, &answer);
	rig_until(&f.rig, answer.calls == 2);
	check_int(answer.affected, 800);
	answer_free(&answer);
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, clear_all_of_matching_collections)
{
	struct fixture f;

	open_fixture(&f, EVKV_LIT("p"));
	put(&f, f.store, "a1", "k");
	put(&f, f.store, "a2", "k");
	put(&f, f.store, "b1", "k");
	put(&f, f.simple, "a1", "k");
	check_affected(&f,
	    &(struct evkv_request){
		.kind = EVKV_OP_CLEAR_ALL, .match.pattern = EVKV_LIT("a*") },
	    2);
	check_bottom(&f, "a1/k b1/pk ");
	close_fixture(&f);
}

/* ---- Step by step ------------------------------------------------------- */

/* From now on each step of a walk is held. */
static void open_walk(struct fixture *f, int collections)
{
	open_fixture(f, EVKV_LIT("p"));
	fill_collections(f, collections);
	f->gate->mode = GATE_BEFORE;
}

/* Let one step through a turn, until the answer is there. */
static void walk(struct fixture *f, const struct answer *answer)
{
	unsigned turns;

	for (turns = 0; answer->calls == 0; turns++) {
		check(turns < 10000);
		if (f->gate->held_count > 0)
			gate_release(f->gate, 0);
		rig_turn(&f->rig);
	}
}

static void walk_steps(struct fixture *f, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		gate_release(f->gate, 0);
		rig_turn(&f->rig);
	}
}

EVKV_TEST(unit_prefix_keys, few_steps_are_under_way_at_a_time)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;

	open_walk(&f, 60);
	evkv_clear_all(f.store, answer_cb, &answer);
	walk(&f, &answer);
	check_int(answer.affected, 40);
	check_between(f.gate->held_most, 2, 8);
	check_int(f.gate->released[EVKV_OP_CLEAR], 60);
	answer_free(&answer);
	close_fixture(&f);
}

/* An inner store with less room than a walk would use: it takes longer. */
EVKV_TEST(unit_prefix_keys, a_walk_fits_into_the_inner_bounds)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_COLLECTIONS,
		EVKV_OP_CLEAR_ALL };
	struct answer answer = ANSWER_INIT;
	struct fixture f;
	size_t i;

	open_walk(&f, 60);
	evkv_store_set_limits(evkv_store_inner(f.store, 0), 3, 0);
	for (i = 0; i < 2; i++) {
		answer_reset(&answer);
		evkv_submit(f.store, &(struct evkv_request){ .kind = kinds[i] },
		    answer_cb, &answer);
		walk(&f, &answer);
		check_status(answer.status, EVKV_OK);
		check_int(answer.count, i == 0 ? 40 : 0);
	}
	check_int(answer.affected, 40);
	check_int(f.gate->held_most, 3);
	answer_free(&answer);
	close_fixture(&f);
}

static void check_cut(size_t let_through, enum evkv_status expected)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;
	evkv_ticket ticket;

	open_fixture(&f, EVKV_LIT("p"));
	put(&f, f.store, "a", "k");
	put(&f, f.store, "b", "k");
	f.gate->mode = GATE_BEFORE;
	ticket = evkv_clear_all(f.store, answer_cb, &answer);
	walk_steps(&f, let_through);
	evkv_cancel(f.rig.loop, ticket);
	rig_wait(&f.rig, &answer.calls);
	check_status(answer.status, expected);
	check_int(answer.cause, EVKV_CAUSE_CANCELED);
	gate_release_all(f.gate);
	rig_settle(&f.rig);
	check_int(answer.calls, 1);
	/* What had not begun never did. */
	check_bottom(&f, let_through < 2 ? "a/pk b/pk " : "b/pk ");
	answer_free(&answer);
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, a_clear_all_canceled_before_it_removed)
{
	check_cut(0, EVKV_CANCELED);
	check_cut(1, EVKV_CANCELED);
}

EVKV_TEST(unit_prefix_keys, a_clear_all_canceled_after_it_removed)
{
	check_cut(2, EVKV_UNKNOWN_OUTCOME);
}

EVKV_TEST(unit_prefix_keys, a_clear_all_cut_off_begins_no_more)
{
	struct evkv_counters counters;
	struct answer answer = ANSWER_INIT;
	struct fixture f;
	evkv_ticket ticket;

	open_walk(&f, 60);
	f.gate->sends = true;
	ticket = evkv_clear_all(f.store, answer_cb, &answer);
	walk_steps(&f, 4);
	evkv_cancel(f.rig.loop, ticket);
	rig_wait(&f.rig, &answer.calls);
	check_status(answer.status, EVKV_UNKNOWN_OUTCOME);
	walk_steps(&f, f.gate->held_count);
	check_int(f.gate->held_count, 0);
	rig_settle(&f.rig);
	/*
	 * Three clears had come through, and eight were under way. Seven of
	 * these eleven collections had a key of ours.
	 */
	memset(&counters, 0, sizeof(counters));
	evkv_store_counters(f.simple, &counters);
	check_int(counters.entries, 53);
	answer_free(&answer);
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, the_first_failure_of_a_step_is_the_answer)
{
	static const struct {
		enum evkv_kind fails, kind;
	} rows[] = {
		{ EVKV_OP_COLLECTIONS, EVKV_OP_COLLECTIONS },
		{ EVKV_OP_KEYS, EVKV_OP_COLLECTIONS },
		{ EVKV_OP_COLLECTIONS, EVKV_OP_CLEAR_ALL },
		{ EVKV_OP_CLEAR, EVKV_OP_CLEAR_ALL },
	};
	struct answer answer = ANSWER_INIT;
	struct fixture f;
	size_t i;

	open_fixture(&f, EVKV_LIT("p"));
	fill_collections(&f, 20);
	f.gate->fail = EVKV_IO;
	f.gate->fail_cause = EVKV_CAUSE_IO;
	f.gate->fail_message = "planned";
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		f.gate->fail_kinds = EVKV_KIND_BIT(rows[i].fails);
		submit(&f, &(struct evkv_request){ .kind = rows[i].kind },
		    &answer);
		check_status(answer.status, EVKV_IO);
		check_int(answer.cause, EVKV_CAUSE_IO);
		check_str(answer.message, "planned");
		check_int(answer.count, 0);
	}
	f.gate->fail = EVKV_OK;
	check_affected(&f, &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL },
	    13);
	answer_free(&answer);
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, closing_ends_a_walk)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT, closed = ANSWER_INIT;

	open_walk(&f, 20);
	evkv_clear_all(f.store, answer_cb, &answer);
	gate_release(f.gate, 0);
	evkv_store_close(f.store, 0, answer_cb, &closed);
	rig_wait(&f.rig, &answer.calls);
	check_status(answer.status, EVKV_CLOSED);
	/* The gate goes with its store, and ends what it holds. */
	f.gate = NULL;
	rig_wait(&f.rig, &closed.calls);
	answer_free(&answer);
	answer_free(&closed);
	close_fixture(&f);
}

static void without_memory(struct fixture *f, enum evkv_kind kind)
{
	struct answer answer = ANSWER_INIT;
	struct evkv_request request = { .kind = kind };
	unsigned failed = 0;
	size_t n;

	for (n = 1;; n++) {
		check(n < 1000);
		answer_reset(&answer);
		faults_fail_nth(n);
		evkv_submit(f->store, &request, answer_cb, &answer);
		rig_settle(&f->rig);
		faults_off();
		if (faults_fired() == 0)
			break;
		failed++;
		check_int(answer.calls, 1);
		check_status(answer.status, EVKV_NOMEM);
		check_int(answer.cause, EVKV_CAUSE_NOMEM);
	}
	check_status(answer.status, EVKV_OK);
	check(failed >= 2);
	answer_free(&answer);
}

EVKV_TEST(unit_prefix_keys, walks_without_memory)
{
	struct fixture f;

	open_fixture(&f, EVKV_LIT("p"));
	fill_collections(&f, 20);
	without_memory(&f, EVKV_OP_COLLECTIONS);
	without_memory(&f, EVKV_OP_CLEAR_ALL);
	close_fixture(&f);
}

/* ---- An inner store that answers what it is told ------------------------ */

struct script {
	unsigned empty_pages; /* of keys, before the one with the names */
	unsigned asked;       /* for keys */
	const char *names[3]; /* of keys */
	int64_t affected;     /* of clear */
	uint32_t purges;
};

static enum evkv_verdict script_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct script *script = arg;
	size_t i;

	switch (request->kind) {
	case EVKV_OP_COLLECTIONS: evkv_op_add_name(op, EVKV_LIT("c")); break;
	case EVKV_OP_KEYS:
		if (++script->asked <= script->empty_pages) {
			evkv_op_set_position(op, "script", EVKV_LIT("more"));
			break;
		}
		for (i = 0; i < 3 && script->names[i] != NULL; i++)
			evkv_op_add_name(op, evkv_str(script->names[i]));
		break;
	case EVKV_OP_CLEAR: evkv_op_set_affected(op, script->affected); break;
	case EVKV_OP_PURGE_EXPIRED: script->purges++; break;
	default: return evkv_op_unsupported(op);
	}
	return EVKV_VERDICT_DONE;
}

static void script_free(void *arg)
{
	(void)arg;
}

static const struct evkv_vtable script_vtable = {
	.size = sizeof(script_vtable),
	.name = "script",
	.submit = script_submit,
	.free = script_free,
};

static struct evkv_store *open_script(struct rig *rig, struct script *script,
    uint32_t kinds, size_t max_key)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_capabilities capabilities = { .kinds = kinds,
		.put_conditions = EVKV_IF_BASIC,
		.max_key = max_key,
		.max_value = EVKV_VALUE_MAX,
		.ttl_unit_ms = 1 };

	rig_open(rig);
	return evkv_prefix_keys_new(evkv_store_create(rig->loop, &script_vtable,
					script,
					&(struct evkv_store_config){
					    .capabilities = &capabilities,
					    .state = EVKV_STATE_READY },
					&error),
	    EVKV_LIT("p:"), &error);
}

static void close_script(struct rig *rig, struct evkv_store *store)
{
	evkv_store_unref(store);
	rig_close(rig);
}

EVKV_TEST(unit_prefix_keys, empty_pages_use_no_stack)
{
	struct script script = { .empty_pages = 50000, .names = { "p:k" } };
	struct answer answer = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	store = open_script(&rig, &script, EVKV_KINDS_BASIC, EVKV_KEY_MAX);
	evkv_collections(store, EVKV_LIT(""), EVKV_LIT(""), 0, answer_cb,
	    &answer);
	rig_wait(&rig, &answer.calls);
	check_int(answer.count, 1);
	check_slice(answer.entries[0].name, "c");
	check_int(script.asked, 50001);
	answer_free(&answer);
	close_script(&rig, store);
}

/* A walk over a store that answers at once takes turns, and can be ended. */
EVKV_TEST(unit_prefix_keys, a_long_walk_lets_others_run_and_can_be_ended)
{
	struct script script = { .empty_pages = 1000000, .names = { "p:k" } };
	struct answer answer = ANSWER_INIT;
	struct evkv_store *store;
	evkv_ticket ticket;
	unsigned asked;
	struct rig rig;

	store = open_script(&rig, &script, EVKV_KINDS_BASIC, EVKV_KEY_MAX);
	ticket = evkv_collections(store, EVKV_LIT(""), EVKV_LIT(""), 0,
	    answer_cb, &answer);
	/* A non-blocking turn would go on while anything is ready. */
	check(event_base_loop(rig.base, EVLOOP_ONCE) == 0);
	check_between(script.asked, 1, 10000);
	evkv_cancel(rig.loop, ticket);
	rig_wait(&rig, &answer.calls);
	check_status(answer.status, EVKV_CANCELED);
	rig_settle(&rig);
	asked = script.asked;
	rig_turn(&rig);
	check_int(script.asked, asked);
	check_between(asked, 1, 10000);
	answer_free(&answer);
	close_script(&rig, store);
}

EVKV_TEST(unit_prefix_keys, foreign_names_are_dropped)
{
	struct script script = { .names = { "q:a", "p:b", "p:" } };
	struct answer answer = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	store = open_script(&rig, &script, EVKV_KINDS_BASIC, EVKV_KEY_MAX);
	evkv_keys(store, EVKV_LIT("c"), EVKV_LIT(""), EVKV_LIT(""), 0,
	    answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check_int(answer.count, 1);
	check_slice(answer.entries[0].name, "b");
	answer_free(&answer);
	close_script(&rig, store);
}

EVKV_TEST(unit_prefix_keys, who_cannot_count_stays_so)
{
	struct script script = { .affected = -1 };
	struct answer answer = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	store = open_script(&rig, &script, EVKV_KINDS_BASIC, EVKV_KEY_MAX);
	evkv_clear_all(store, answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	check_int(answer.affected, -1);
	answer_reset(&answer);
	evkv_purge_expired(store, answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	check_int(script.purges, 1);
	answer_free(&answer);
	close_script(&rig, store);
}

static uint32_t kinds_over(uint32_t missing)
{
	struct script script = { .affected = 0 };
	struct evkv_store *store;
	struct rig rig;
	uint32_t kinds;

	store = open_script(&rig, &script, EVKV_KINDS_BASIC & ~missing,
	    EVKV_KEY_MAX);
	kinds = evkv_store_capabilities(store)->kinds;
	close_script(&rig, store);
	return EVKV_KINDS_BASIC & ~kinds;
}

/* What is made of other kinds is there only where they are. */
EVKV_TEST(unit_prefix_keys, capabilities)
{
	const uint32_t keys = EVKV_KIND_BIT(EVKV_OP_KEYS);
	const uint32_t clear = EVKV_KIND_BIT(EVKV_OP_CLEAR);
	const uint32_t collections = EVKV_KIND_BIT(EVKV_OP_COLLECTIONS);
	const uint32_t clear_all = EVKV_KIND_BIT(EVKV_OP_CLEAR_ALL);
	struct script script = { .affected = 0 };
	struct rig rig;

	check_int(kinds_over(0), 0);
	check_int(kinds_over(keys), keys | collections);
	check_int(kinds_over(clear), clear | clear_all);
	check_int(kinds_over(collections), collections | clear_all);
	check_int(kinds_over(EVKV_KIND_BIT(EVKV_OP_TOUCH)),
	    EVKV_KIND_BIT(EVKV_OP_TOUCH));
	/* No key would be short enough. */
	check(open_script(&rig, &script, EVKV_KINDS_BASIC, 2) == NULL);
	rig_close(&rig);
}

/* ---- A store that can't tell how many entries a clear removed ----------- */

struct blind {
	struct evkv_store *node;
	unsigned clears;
};

static enum evkv_verdict blind_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct blind *blind = self;

	return evkv_op_forward(op, evkv_store_inner(blind->node, 0), request);
}

/* After one that counted, another that does not. */
static void blind_complete(void *self, struct evkv_op *op)
{
	struct blind *blind = self;

	if (evkv_op_result(op)->kind == EVKV_OP_CLEAR && blind->clears++ > 0)
		evkv_op_set_affected(op, -1);
}

static void blind_free(void *self)
{
	(void)self;
}

static const struct evkv_vtable blind_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "blind",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = blind_submit,
	.complete = blind_complete,
	.free = blind_free,
};

EVKV_TEST(unit_prefix_keys, a_clear_all_that_cannot_tell_says_so)
{
	struct blind blind = { .clears = 0 };
	struct evkv_store *simple, *store;
	struct answer answer = ANSWER_INIT;
	struct fixture f = { .gate = NULL };

	rig_open(&f.rig);
	simple = evkv_simple_new(f.rig.loop, NULL);
	blind.node = evkv_store_create(NULL, &blind_vtable, &blind,
	    &(struct evkv_store_config){ .inner = &simple, .inner_count = 1 },
	    NULL);
	store = evkv_prefix_keys_new(blind.node, EVKV_LIT("p:"), NULL);
	put(&f, store, "a", "1");
	put(&f, store, "b", "1");
	evkv_clear_all(store, answer_cb, &answer);
	rig_wait(&f.rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	check_int(answer.affected, -1);
	answer_free(&answer);
	evkv_store_unref(store);
	rig_close(&f.rig);
}
