/*
 * tests/lib/chaos.c - see chaos.h.
 */
#include "chaos.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos_model.h"
#include "rig.h"
#include "test.h"

#define KEYS 400
#define WINDOW 400 /* operations outstanding */
#define BATCH 5
#define VALUE_MAX 400

struct chaos_op {
	uint32_t count;
	uint32_t keys[BATCH];
	size_t steps[BATCH];
	enum evkv_kind kind;
};

struct chaos {
	struct rig rig;
	const struct chaos_target *target;
	struct server servers[CHAOS_SERVERS];
	struct evkv_store *store;
	uint64_t random;
	uint32_t era; /* how often it was killed, where that tells */
	uint32_t kills;
	uint64_t values; /* numbers given so far */
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

/* ---- Values: a number, and bytes that follow from it ------------------- */

static size_t value_make(uint64_t number, char *bytes)
{
	size_t size = sizeof(number) + number * 7919 % (VALUE_MAX - 8);

	memcpy(bytes, &number, sizeof(number));
	for (size_t i = sizeof(number); i < size; i++)
		bytes[i] = (char)(number * 31 + i);
	return size;
}

static uint64_t value_number(struct evkv_slice bytes)
{
	char expected[VALUE_MAX];
	uint64_t number;

	if (bytes.size < sizeof(number))
		return UINT64_MAX;
	memcpy(&number, bytes.data, sizeof(number));
	return evkv_slice_equal(bytes,
		   evkv_bytes(expected, value_make(number, expected)))
	    ? number
	    : UINT64_MAX;
}

/* ---- Operations --------------------------------------------------------- */

static void chaos_entry(struct chaos *c, const struct chaos_op *op, size_t i,
    const struct evkv_entry *entry)
{
	uint32_t key = op->keys[i];
	struct model_step *step = &c->keys[key].steps[op->steps[i]];

	step->status = entry->status;
	step->ended = c->era;
	step->lost = c->target->forgets ? c->kills : 0;
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
		    "key %u: step %zu called "
		    "back after step %zu",
		    key, op->steps[i], c->last[key]);
	c->last[key] = op->steps[i];
}

static void chaos_cb(const struct evkv_result *result, void *arg)
{
	struct chaos *c = &chaos;
	struct chaos_op *op = arg;

	if (result->count != op->count || result->kind != op->kind)
		snprintf(c->wrong, sizeof(c->wrong),
		    "%s of %u keys answered "
		    "%zu",
		    evkv_kind_name(op->kind), op->count, result->count);
	else
		for (size_t i = 0; i < op->count; i++)
			chaos_entry(c, op, i, evkv_result_entry(result, i));
	c->called++;
	c->outstanding--;
	free(op);
}

static enum evkv_kind chaos_kind(struct chaos *c)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_GET, EVKV_OP_GET,
		EVKV_OP_GET, EVKV_OP_PUT, EVKV_OP_PUT, EVKV_OP_PUT,
		EVKV_OP_DELETE, EVKV_OP_DELETE, EVKV_OP_EXISTS, EVKV_OP_TTL,
		EVKV_OP_TOUCH, EVKV_OP_TAKE };

	return kinds[chaos_random(c, sizeof(kinds) / sizeof(kinds[0]))];
}

/* The number of the value that was put last; 1 where none was. */
static uint64_t chaos_last_value(const struct model_key *key)
{
	size_t i;

	for (i = key->count; i > 0; i--) {
		if (key->steps[i - 1].kind == EVKV_OP_PUT)
			return key->steps[i - 1].value;
	}
	return 1;
}

static void version_make(struct chaos *c, uint64_t number,
    struct evkv_version *version)
{
	char bytes[VALUE_MAX];

	c->target->version(evkv_bytes(bytes, value_make(number, bytes)),
	    version);
}

static void chaos_submit(struct chaos *c, enum evkv_kind kind,
    const uint32_t *keys, uint32_t count)
{
	char names[BATCH][16], bytes[BATCH][VALUE_MAX];
	struct evkv_slice slices[BATCH], values[BATCH];
	struct evkv_version versions[BATCH];
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
	/* Only if it is still the last that was put, or one before. */
	if (kind == EVKV_OP_DELETE && chaos_random(c, 2) == 0 &&
	    c->target->version != NULL) {
		request.condition = EVKV_IF_VERSION;
		request.versions = versions;
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
			.began = c->era };

		snprintf(names[i], sizeof(names[i]), "k%u", keys[i]);
		slices[i] = evkv_str(names[i]);
		if (kind == EVKV_OP_PUT) {
			step.value = ++c->values;
			values[i] = evkv_bytes(bytes[i],
			    value_make(step.value, bytes[i]));
		}
		if (request.condition == EVKV_IF_VERSION) {
			step.expected = chaos_last_value(&c->keys[keys[i]]);
			version_make(c, step.expected, &versions[i]);
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
	uint32_t keys[BATCH];
	uint32_t count = chaos_random(c, 5) == 0 ? 1 + chaos_random(c, BATCH)
						 : 1;

	for (uint32_t i = 0; i < count; i++)
		keys[i] = chaos_random(c, KEYS);
	chaos_submit(c, chaos_kind(c), keys, count);
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

static void chaos_kill(struct chaos *c, struct server *server)
{
	server_kill(server);
	c->kills++;
	/* With several, what is late at another may come yet. */
	if (c->target->servers == 1)
		c->era++;
	chaos_turns(c, chaos_random(c, 20));
	check(server_spawn(server));
}

static void chaos_pause(struct chaos *c, struct server *server, unsigned turns)
{
	server_pause(server);
	chaos_turns(c, turns);
	server_resume(server);
}

static void chaos_disturb(struct chaos *c)
{
	struct server *
	    server = &c->servers[chaos_random(c, (uint32_t)c->target->servers)];
	char reply[64];

	switch (chaos_random(c, 4)) {
	case 0: chaos_kill(c, server); break;
	case 1: /* long enough to be given up */
		chaos_pause(c, server, 60);
		break;
	case 2: chaos_pause(c, server, chaos_random(c, 10)); break;
	default:
		if (c->target->quit != NULL)
			server_command(server, c->target->quit, reply,
			    sizeof(reply));
		break;
	}
}

/* ---- The test ----------------------------------------------------------- */

static void chaos_open(struct chaos *c, const struct chaos_target *target)
{
	const char *seed = getenv("EVKV_TEST_SEED");
	struct evkv_error error = EVKV_ERROR_INIT;

	memset(c, 0, sizeof(*c));
	c->target = target;
	rig_open_real(&c->rig);
	c->random = seed != NULL
	    ? strtoull(seed, NULL, 0) | 1
	    : (uint64_t)evkv_loop_now_ms(c->rig.loop) * 2 + 1;
	fprintf(stderr, "EVKV_TEST_SEED=%llu\n", (unsigned long long)c->random);
	for (size_t i = 0; i < target->servers; i++) {
		if (!server_start(&c->servers[i], &target->options))
			fail_test("%s", c->servers[i].problem);
	}
	c->store = target->open(c->rig.loop, c->servers, &error);
	check_str(error.message, "");
}

/* Read every key once more, when the server is well. */
static void chaos_finish(struct chaos *c)
{
	struct answer ready = ANSWER_INIT;
	size_t at;

	evkv_store_wait_ready(c->store, 10000, answer_cb, &ready);
	rig_until(&c->rig, c->outstanding == 0 && ready.calls > 0);
	while (ready.status != EVKV_OK) {
		answer_reset(&ready);
		ready.calls = 0;
		evkv_store_wait_ready(c->store, 10000, answer_cb, &ready);
		rig_wait(&c->rig, &ready.calls);
	}
	answer_free(&ready);
	c->random |= 1;
	for (uint32_t key = 0; key < KEYS; key++) {
		size_t before = c->answered;

		/* A chance deadline or cancel may end it: once more then. */
		do {
			chaos_submit(c, EVKV_OP_GET, &key, 1);
			rig_until(&c->rig, c->outstanding == 0);
		} while (c->answered == before);
		if (!model_holds(&c->keys[key], &at))
			fail_test("key %u: step %zu of %zu can't be so", key,
			    at, c->keys[key].count);
	}
	check_str(c->wrong, "");
	check_int(c->called, c->submitted);
}

void chaos_run(const struct chaos_target *target, size_t ops)
{
	struct chaos *c = &chaos;
	struct answer closed = ANSWER_INIT;
	size_t next = ops / 40;

	server_require(target->options.kind);
	chaos_open(c, target);
	while (c->submitted < ops) {
		while (c->outstanding < WINDOW && c->submitted < ops)
			chaos_submit_random(c);
		chaos_turn(c);
		if (c->submitted >= next) {
			chaos_disturb(c);
			next = c->submitted + ops / 100 +
			    chaos_random(c, (uint32_t)ops / 15);
		}
	}
	chaos_finish(c);
	fprintf(stderr, "%zu operations, %zu answers, %u kills\n", c->submitted,
	    c->answered, c->kills);
	/* It was disturbed, not dead. */
	check(c->answered > ops / 2);
	evkv_store_close(c->store, 1000, answer_cb, &closed);
	rig_wait(&c->rig, &closed.calls);
	evkv_store_unref(c->store);
	rig_close(&c->rig);
	answer_free(&closed);
	for (size_t i = 0; i < target->servers; i++)
		server_stop(&c->servers[i]);
	for (uint32_t key = 0; key < KEYS; key++) {
		for (size_t i = 0; i < c->keys[key].count; i++)
			check(c->keys[key].steps[i].called);
		model_free(&c->keys[key]);
	}
}
