/*
 * tests/stores/mongodb/chaos_test.c - random operations from a seed, while the
 * server is ended, started, stopped and continued at random. Every operation
 * calls back once; those on one key in their order; and what they answer, the
 * final state included, can have happened (the model of the redis chaos test).
 *
 * EVKV_TEST_SEED in the environment repeats a run's choices, CHAOS_OPS says how
 * many operations there are on mongo-java-server, CHAOS_FERRETDB how many on
 * FerretDB, which reads whole collections. The first has its data in a file
 * that it writes late, so it is ended by SIGTERM; FerretDB by SIGKILL. FerretDB
 * reads a document that it updates and writes it back, so that a late touch may
 * bring back a value; and it has one lane, for of several that write it denies
 * some ("database is locked"), after which a read may miss what was put before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/stores/mongodb.h"
#include "lib/child.h"
#include "lib/rig.h"
#include "lib/script_server.h"
#include "lib/test.h"
#include "lib/chaos_model.h"

#define KEYS 200
#define WINDOW 200 /* operations outstanding */
#define BATCH 4

struct chaos_op {
	uint32_t count;
	uint32_t keys[BATCH];
	size_t steps[BATCH];
	enum evkv_kind kind;
};

struct chaos {
	struct rig rig;
	struct script_server server;
	bool ferretdb;
	struct evkv_store *store;
	uint64_t random;
	uint32_t era; /* how often it was ended */
	uint32_t disturbed;
	uint64_t values; /* numbers given so far */
	uint32_t key_count;
	size_t submitted, called, answered, outstanding;
	struct model_key keys[KEYS];
	size_t last[KEYS]; /* the last step that called back with an answer */
	char wrong[256];   /* found in a callback */
};

static struct chaos chaos;

static uint32_t chaos_random(struct chaos *c, uint32_t below)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return (uint32_t)((c->random >> 20) % below);
}

static uint64_t value_number(struct evkv_slice bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%.*s",
	    (int)(bytes.size < 31 ? bytes.size : 31), (const char *)bytes.data);
	return strtoull(text, NULL, 10);
}

/* ---- Operations --------------------------------------------------------- */

static void chaos_entry(struct chaos *c, const struct chaos_op *op, size_t i,
    const struct evkv_entry *entry)
{
	uint32_t key = op->keys[i];
	struct model_step *step = &c->keys[key].steps[op->steps[i]];

	step->status = entry->status;
	step->ended = c->era;
	step->called = true;
	if (op->kind == EVKV_OP_GET || op->kind == EVKV_OP_TTL ||
	    op->kind == EVKV_OP_TAKE)
		step->value = entry->status == EVKV_OK
		    ? value_number(entry->bytes)
		    : MODEL_ABSENT;
	if (evkv_failed(entry->status))
		return;
	c->answered++;
	/* What has several keys calls back with the last of them. */
	if (op->count > 1)
		return;
	if (op->steps[i] < c->last[key])
		snprintf(c->wrong, sizeof(c->wrong),
		    "key %u: step %zu called back after step %zu", key,
		    op->steps[i], c->last[key]);
	c->last[key] = op->steps[i];
}

static void chaos_cb(const struct evkv_result *result, void *arg)
{
	struct chaos *c = &chaos;
	struct chaos_op *op = arg;

	for (size_t i = 0; i < op->count && i < result->count; i++)
		chaos_entry(c, op, i, evkv_result_entry(result, i));
	if (result->count != op->count)
		snprintf(c->wrong, sizeof(c->wrong), "%u keys, %zu answers",
		    op->count, result->count);
	c->called++;
	c->outstanding--;
	free(op);
}

static void chaos_submit(struct chaos *c, enum evkv_kind kind,
    const uint32_t *keys, uint32_t count)
{
	char names[BATCH][16], bytes[BATCH][32];
	struct evkv_slice slices[BATCH], values[BATCH];
	struct chaos_op *op = calloc(1, sizeof(*op));
	struct evkv_request request = {
		.kind = kind,
		.collection = EVKV_LIT("chaos"),
		.count = count,
		.keys = slices,
	};
	evkv_ticket ticket;

	check(op != NULL);
	if (kind == EVKV_OP_PUT) {
		request.values = values;
		request.condition = (enum evkv_condition)chaos_random(c, 3);
	}
	if ((kind == EVKV_OP_PUT && chaos_random(c, 2) == 0) ||
	    kind == EVKV_OP_TOUCH)
		request.ttl_ms = 3600000;
	if (chaos_random(c, 50) == 0)
		request.timeout_ms = 1 + chaos_random(c, 20);
	op->kind = kind;
	op->count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct model_step step = { .kind = kind,
			.condition = request.condition,
			.began = c->era,
			.restores = c->ferretdb };

		snprintf(names[i], sizeof(names[i]), "k%u", keys[i]);
		slices[i] = evkv_str(names[i]);
		if (kind == EVKV_OP_PUT) {
			step.value = ++c->values;
			snprintf(bytes[i], sizeof(bytes[i]), "%llu",
			    (unsigned long long)step.value);
			values[i] = evkv_str(bytes[i]);
		}
		op->keys[i] = keys[i];
		op->steps[i] = model_add(&c->keys[keys[i]], &step);
	}
	c->submitted++;
	c->outstanding++;
	ticket = evkv_submit(c->store, &request, chaos_cb, op);
	check(ticket != 0);
	if (chaos_random(c, 100) == 0)
		evkv_cancel(c->rig.loop, ticket);
}

static void chaos_submit_random(struct chaos *c)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_GET, EVKV_OP_GET,
		EVKV_OP_GET, EVKV_OP_GET, EVKV_OP_PUT, EVKV_OP_PUT, EVKV_OP_PUT,
		EVKV_OP_PUT, EVKV_OP_DELETE, EVKV_OP_EXISTS, EVKV_OP_TTL,
		EVKV_OP_TOUCH, EVKV_OP_TAKE };
	uint32_t keys[BATCH];
	uint32_t count = chaos_random(c, 5) == 0 ? 1 + chaos_random(c, BATCH)
						 : 1;

	for (uint32_t i = 0; i < count; i++)
		keys[i] = chaos_random(c, c->key_count);
	chaos_submit(c,
	    kinds[chaos_random(c, sizeof(kinds) / sizeof(kinds[0]))], keys,
	    count);
}

static void chaos_turn(struct chaos *c)
{
	rig_turn_waiting(&c->rig);
	if (c->wrong[0] != '\0')
		fail_test("%s", c->wrong);
}

/* ---- Disturbances ------------------------------------------------------- */

static void chaos_turns(struct chaos *c, unsigned turns)
{
	while (turns-- > 0) {
		while (c->outstanding < WINDOW / 4)
			chaos_submit_random(c);
		chaos_turn(c);
	}
}

static void chaos_disturb(struct chaos *c)
{
	switch (c->disturbed++ % 3) {
	case 0:
		if (c->ferretdb)
			script_server_kill(&c->server);
		else
			script_server_terminate(&c->server);
		c->era++;
		chaos_turns(c, chaos_random(c, 20));
		if (!script_server_restart(&c->server))
			fail_test("%s", c->server.problem);
		break;
	case 1: /* long enough to be given up */
		script_server_pause(&c->server);
		chaos_turns(c, 60);
		script_server_resume(&c->server);
		break;
	default:
		script_server_pause(&c->server);
		chaos_turns(c, chaos_random(c, 10));
		script_server_resume(&c->server);
	}
}

/* ---- The test ----------------------------------------------------------- */

/*
 * FerretDB makes a database, its collection and the index that keeps _ids
 * apart in steps, and doesn't start, or lacks the index, where it is killed
 * between them: these are there before it is.
 */
static void chaos_make_collection(struct chaos *c)
{
	struct answer made = ANSWER_INIT;
	unsigned tries = 0;

	/* Slow where much else runs. */
	do {
		answer_reset(&made);
		made.calls = 0;
		evkv_put(c->store, EVKV_LIT("chaos"), EVKV_LIT("made"),
		    EVKV_LIT("1"), 0, answer_cb, &made);
		rig_wait(&c->rig, &made.calls);
	} while (made.status != EVKV_OK && ++tries < 50);
	check_status(made.status, EVKV_OK);
	answer_free(&made);
}

static void chaos_open(struct chaos *c, bool ferretdb)
{
	const char *seed = getenv("EVKV_TEST_SEED");
	struct evkv_error error = EVKV_ERROR_INIT;
	char folder[100], file[120], uri[64];
	const char *const arguments[] = { "--data", file, NULL };

	memset(c, 0, sizeof(*c));
	check(child_make_folder(folder, sizeof(folder)));
	snprintf(file, sizeof(file), "%s/data.h2", folder);
	c->ferretdb = ferretdb;
	c->key_count = ferretdb ? 20 : KEYS;
	script_server_start(&c->server,
	    &(struct script_server_options){ .script = "mongodb",
		.kind = ferretdb ? "ferretdb" : "java",
		.arguments = ferretdb ? NULL : arguments,
		.folder = folder });
	rig_open_real(&c->rig);
	c->random = seed != NULL
	    ? strtoull(seed, NULL, 0) | 1
	    : (uint64_t)evkv_loop_now_ms(c->rig.loop) * 2 + 1;
	fprintf(stderr, "EVKV_TEST_SEED=%llu\n", (unsigned long long)c->random);
	snprintf(uri, sizeof(uri), "mongodb://127.0.0.1:%d/", c->server.port);
	c->store = evkv_mongodb_new(c->rig.loop,
	    &(struct evkv_mongodb_options){ .uri = uri,
		.no_create_index = true,
		.lanes = ferretdb ? 1 : 0,
		.server_selection_timeout_ms = 300,
		.connect_timeout_ms = 300,
		.socket_timeout_ms = 400 },
	    &error);
	check_str(error.message, "");
	chaos_make_collection(c);
}

static void key_print(const struct model_key *key, size_t to)
{
	for (size_t i = 0; i <= to; i++)
		fprintf(stderr, "%zu: %s if %d, value %llu: %s, era %u-%u\n", i,
		    evkv_kind_name(key->steps[i].kind),
		    (int)key->steps[i].condition,
		    (unsigned long long)key->steps[i].value,
		    evkv_status_name(key->steps[i].status), key->steps[i].began,
		    key->steps[i].ended);
}

/* Get a key once more, however often a chance deadline ends that. */
static void chaos_look(struct chaos *c, uint32_t key)
{
	size_t before = c->answered, at, tries = 0;

	do {
		if (tries++ == 200)
			fail_test("the server does not come back");
		chaos_submit(c, EVKV_OP_GET, &key, 1);
		rig_until(&c->rig, c->outstanding == 0);
	} while (c->answered == before);
	if (model_holds(&c->keys[key], &at))
		return;
	key_print(&c->keys[key], at);
	fail_test("key %u: step %zu of %zu can't be so", key, at,
	    c->keys[key].count);
}

static void chaos_run(bool ferretdb, size_t ops)
{
	struct chaos *c = &chaos;
	struct answer closed = ANSWER_INIT;
	size_t next = ops / 20;

	chaos_open(c, ferretdb);
	while (c->submitted < ops) {
		while (c->outstanding < WINDOW && c->submitted < ops)
			chaos_submit_random(c);
		chaos_turn(c);
		if (c->submitted >= next) {
			chaos_disturb(c);
			next = c->submitted + ops / 30 +
			    chaos_random(c, (uint32_t)ops / 10);
		}
	}
	rig_until(&c->rig, c->outstanding == 0);
	for (uint32_t key = 0; key < c->key_count; key++)
		chaos_look(c, key);
	check_int(c->called, c->submitted);
	fprintf(stderr, "%zu operations, %zu answers, ended %u times\n",
	    c->submitted, c->answered, c->era);
	/* It was disturbed, not dead. */
	check(c->answered > ops / 4);
	evkv_store_close(c->store, 1000, answer_cb, &closed);
	rig_wait(&c->rig, &closed.calls);
	evkv_store_unref(c->store);
	rig_close(&c->rig);
	answer_free(&closed);
	child_remove_folder(c->server.folder);
	script_server_stop(&c->server);
	for (uint32_t key = 0; key < c->key_count; key++) {
		for (size_t i = 0; i < c->keys[key].count; i++)
			check(c->keys[key].steps[i].called);
		model_free(&c->keys[key]);
	}
}

EVKV_TEST(mongodb_chaos, mongo_java_server)
{
	chaos_run(false, CHAOS_OPS);
}

EVKV_TEST(mongodb_chaos, ferretdb)
{
	chaos_run(true, CHAOS_FERRETDB);
}
