/*
 * Wrappers against a model of each one's own rule: retry against the table of
 * docs/wrappers.md for every kind and status, concurrency_limit against a queue
 * by seeds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/evkv.h"
#include "lib/rig.h"
#include "lib/scripted.h"
#include "lib/test.h"

#define C EVKV_LIT("c")

/* ---- retry ---------------------------------------------------------------- */

#define HARMLESS                                                               \
	(EVKV_STATUS_BIT(EVKV_BUSY) | EVKV_STATUS_BIT(EVKV_TIMEOUT) |          \
	    EVKV_STATUS_BIT(EVKV_UNAVAILABLE))

/* What is repeated, by the table. */
static bool is_repeated(const struct evkv_retry_options *options,
    enum evkv_kind kind, enum evkv_status status)
{
	const uint32_t repeatable_writes = EVKV_KIND_BIT(EVKV_OP_PUT) |
	    EVKV_KIND_BIT(EVKV_OP_DELETE) | EVKV_KIND_BIT(EVKV_OP_TOUCH) |
	    EVKV_KIND_BIT(EVKV_OP_CLEAR) | EVKV_KIND_BIT(EVKV_OP_CLEAR_ALL);
	uint32_t statuses = options->statuses != 0 ? options->statuses
						   : HARMLESS;
	bool writes = (evkv_kind_classes(kind) & EVKV_CLASS_WRITES) != 0 &&
	    kind != EVKV_OP_PURGE_EXPIRED;

	if (options->repeat_writes &&
	    (!writes || (repeatable_writes & EVKV_KIND_BIT(kind)) != 0))
		statuses |= EVKV_STATUS_BIT(EVKV_UNKNOWN_OUTCOME);
	else if (writes)
		statuses &= HARMLESS;
	return (statuses & EVKV_STATUS_BIT(status)) != 0;
}

static void ask(struct evkv_store *store, enum evkv_kind kind,
    struct answer *answer)
{
	uint32_t classes = evkv_kind_classes(kind);
	const struct evkv_slice bytes = EVKV_LIT("5");
	struct evkv_request request = { .kind = kind };

	if ((classes & EVKV_CLASS_COLLECTION) != 0)
		request.collection = C;
	if ((classes & EVKV_CLASS_HAS_KEYS) != 0) {
		request.flags = EVKV_FLAG_SINGLE;
		request.count = 1;
		request.keys = &bytes;
	}
	if (kind == EVKV_OP_PUT)
		request.values = &bytes;
	evkv_submit(store, &request, answer_cb, answer);
}

static unsigned tries_of(struct evkv_retry_options options, enum evkv_kind kind,
    enum evkv_status status)
{
	struct scripted *script = scripted_new();
	struct answer answer = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;
	unsigned tries;

	options.attempts = 2;
	options.backoff_ms = -1;
	rig_open(&rig);
	script->immediate = true;
	script->status = status;
	script->capabilities.kinds |= EVKV_KIND_BIT(EVKV_OP_INCR) |
	    EVKV_KIND_BIT(EVKV_OP_TAKE);
	store = evkv_retry_new(scripted_store(script, rig.loop, NULL), &options,
	    NULL);
	ask(store, kind, &answer);
	rig_settle(&rig);
	check_int(answer.calls, 1);
	tries = script->submits;
	answer_free(&answer);
	evkv_store_unref(store);
	rig_close(&rig);
	scripted_free(script);
	return tries;
}

EVKV_TEST(unit_wrapper_models, retry_of_every_kind_after_every_status)
{
	static const struct evkv_retry_options options[] = {
		{ .statuses = 0 },
		{ .statuses = EVKV_STATUS_BIT(EVKV_SERVER) |
			EVKV_STATUS_BIT(EVKV_BUSY) },
		{ .repeat_writes = true },
		{ .repeat_writes = true,
		    .statuses = EVKV_STATUS_BIT(EVKV_IO) |
			EVKV_STATUS_BIT(EVKV_TIMEOUT) },
	};
	unsigned i, kind, status, expected;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		for (kind = 0; kind < EVKV_KIND_COUNT; kind++) {
			for (status = 0; status < EVKV_STATUS_COUNT; status++) {
				expected = 1 +
				    is_repeated(&options[i],
					(enum evkv_kind)kind,
					(enum evkv_status)status);
				if (tries_of(options[i], (enum evkv_kind)kind,
					(enum evkv_status)status) != expected)
					fail_test("options %u, %s, %s: not %u "
						  "tries",
					    i,
					    evkv_kind_name((enum evkv_kind)
						    kind),
					    evkv_status_name((enum evkv_status)
						    status),
					    expected);
			}
		}
	}
}

/* ---- concurrency_limit ------------------------------------------------------ */

#define RUNNING 3
#define QUEUED 4
#define WAIT_MS 50
#define OPS 64
#define STEPS 400

enum fate { WAITS, RUNS, ENDED };

struct model {
	struct rig rig;
	struct scripted *script;
	struct evkv_store *store;
	struct answer answers[OPS];
	evkv_ticket tickets[OPS];
	enum fate fates[OPS];
	enum evkv_status statuses[OPS]; /* of those that have ended */
	int64_t until_ms[OPS];          /* of those that wait */
	unsigned running[RUNNING], run_count;
	unsigned queue[QUEUED], queue_count;
	unsigned submitted;
	int64_t now_ms;
};

static void model_open(struct model *m)
{
	memset(m, 0, sizeof(*m));
	rig_open(&m->rig);
	m->script = scripted_new();
	m->script->stop = SCRIPTED_STOP_COMPLETES;
	m->store = evkv_concurrency_limit_new(scripted_store(m->script,
						  m->rig.loop, NULL),
	    &(struct evkv_concurrency_limit_options){ .max_running = RUNNING,
		.max_queue = QUEUED,
		.max_wait_ms = WAIT_MS },
	    NULL);
	check(m->store != NULL);
}

static void model_close(struct model *m)
{
	unsigned i;

	evkv_store_unref(m->store);
	rig_close(&m->rig);
	for (i = 0; i < OPS; i++) {
		check_int(m->answers[i].calls, i < m->submitted);
		answer_free(&m->answers[i]);
	}
	scripted_free(m->script);
}

static void remove_at(unsigned *list, unsigned *count, unsigned at)
{
	memmove(&list[at], &list[at + 1], (*count - at - 1) * sizeof(list[0]));
	--*count;
}

static void end(struct model *m, unsigned op, enum evkv_status status)
{
	m->fates[op] = ENDED;
	m->statuses[op] = status;
}

/* First come, first served. */
static void go_on(struct model *m)
{
	unsigned op;

	while (m->run_count < RUNNING && m->queue_count > 0) {
		op = m->queue[0];
		remove_at(m->queue, &m->queue_count, 0);
		m->fates[op] = RUNS;
		m->running[m->run_count++] = op;
	}
}

static void model_submit(struct model *m)
{
	unsigned op = m->submitted;
	char key[16];

	if (op == OPS)
		return;
	m->submitted++;
	snprintf(key, sizeof(key), "%u", op);
	m->tickets[op] = evkv_put(m->store, C, evkv_str(key), EVKV_LIT("v"), 0,
	    answer_cb, &m->answers[op]);
	m->until_ms[op] = m->now_ms + WAIT_MS;
	if (m->run_count == RUNNING && m->queue_count == QUEUED) {
		end(m, op, EVKV_BUSY);
		return;
	}
	m->queue[m->queue_count++] = op;
	go_on(m);
}

static void model_finish(struct model *m, unsigned at)
{
	if (m->run_count == 0)
		return;
	at %= m->run_count;
	scripted_complete(m->script, at, EVKV_OK);
	end(m, m->running[at], EVKV_OK);
	remove_at(m->running, &m->run_count, at);
	go_on(m);
}

static void model_advance(struct model *m, int64_t ms)
{
	unsigned at = 0;

	m->now_ms += ms;
	rig_advance(&m->rig, ms);
	while (at < m->queue_count) {
		if (m->until_ms[m->queue[at]] > m->now_ms) {
			at++;
			continue;
		}
		end(m, m->queue[at], EVKV_BUSY);
		remove_at(m->queue, &m->queue_count, at);
	}
}

static void model_cancel(struct model *m, unsigned op)
{
	unsigned at;

	if (m->submitted == 0)
		return;
	op %= m->submitted;
	evkv_cancel(m->rig.loop, m->tickets[op]);
	for (at = 0; at < m->queue_count; at++) {
		if (m->queue[at] == op) {
			end(m, op, EVKV_CANCELED);
			remove_at(m->queue, &m->queue_count, at);
		}
	}
	for (at = 0; at < m->run_count; at++) {
		if (m->running[at] == op) {
			end(m, op, EVKV_CANCELED);
			remove_at(m->running, &m->run_count, at);
		}
	}
	go_on(m);
}

static void model_compare(struct model *m)
{
	unsigned i;
	char key[16];

	rig_turn(&m->rig);
	check_int(scripted_count(m->script), m->run_count);
	for (i = 0; i < m->run_count; i++) {
		snprintf(key, sizeof(key), "%u", m->running[i]);
		check_bytes(scripted_request(m->script, i)->keys[0],
		    evkv_str(key));
	}
	for (i = 0; i < m->submitted; i++) {
		check_int(m->answers[i].calls, m->fates[i] == ENDED);
		if (m->fates[i] == ENDED)
			check_status(m->answers[i].status, m->statuses[i]);
	}
}

EVKV_TEST(unit_wrapper_models, concurrency_limit_against_a_queue)
{
	struct model *m = malloc(sizeof(*m));
	unsigned seed, i;

	for (seed = 1; seed <= 20; seed++) {
		model_open(m);
		srand(seed);
		for (i = 0; i < STEPS; i++) {
			switch (rand() % 8) {
			case 0: model_advance(m, rand() % 40); break;
			case 1: model_cancel(m, (unsigned)rand()); break;
			case 2:
			case 3: model_finish(m, (unsigned)rand()); break;
			default: model_submit(m); break;
			}
			model_compare(m);
		}
		model_close(m);
	}
	free(m);
}

/* ---- Names that mean to meet ------------------------------------------------- */

/* The bytes that renaming wrappers write, and one that they don't. */
static const char letters[] = { '_', '%', ':', '5', 'F', 'p', '\0', 'a' };
#define LETTERS sizeof(letters)
#define NAMES (1 + LETTERS + LETTERS * LETTERS)

struct name {
	char bytes[2];
	size_t size;
};

/* All of up to two of them, the empty one first. */
static void names_make(struct name *names)
{
	size_t count = 0, i, j;

	names[count++].size = 0;
	for (i = 0; i < LETTERS; i++)
		names[count++] = (struct name){ { letters[i] }, 1 };
	for (i = 0; i < LETTERS; i++) {
		for (j = 0; j < LETTERS; j++)
			names[count++] = (struct name){
				{ letters[i], letters[j] }, 2
			};
	}
	check_int(count, NAMES);
}

static struct evkv_slice name_slice(const struct name *name)
{
	return evkv_bytes(name->bytes, name->size);
}

static void put_all(struct rig *rig, struct evkv_store *store,
    const struct name *names)
{
	unsigned short pair[2];
	size_t c, k;

	for (c = 0; c < NAMES; c++) {
		for (k = 1; k < NAMES; k++) {
			pair[0] = (unsigned short)c;
			pair[1] = (unsigned short)k;
			evkv_put(store, name_slice(&names[c]),
			    name_slice(&names[k]),
			    evkv_bytes(pair, sizeof(pair)), 0, NULL, NULL);
		}
		rig_settle(rig);
	}
}

/* Each has its own value; those of a collection that was cleared are gone. */
static void check_all(struct rig *rig, struct evkv_store *store,
    const struct name *names, size_t cleared)
{
	struct answer a = ANSWER_INIT;
	unsigned short pair[2];
	size_t c, k;

	for (c = 0; c < NAMES; c++) {
		for (k = 1; k < NAMES; k++) {
			answer_reset(&a);
			evkv_get(store, name_slice(&names[c]),
			    name_slice(&names[k]), answer_cb, &a);
			rig_turn(rig);
			check_status(a.status,
			    c == cleared ? EVKV_NOT_FOUND : EVKV_OK);
			if (c == cleared)
				continue;
			pair[0] = (unsigned short)c;
			pair[1] = (unsigned short)k;
			check_bytes(a.entries[0].bytes,
			    evkv_bytes(pair, sizeof(pair)));
		}
	}
	answer_free(&a);
}

static bool count_name(const struct evkv_each_item *item, void *arg)
{
	(void)item;
	++*(size_t *)arg;
	return true;
}

static size_t count_keys(struct rig *rig, struct evkv_store *store,
    struct evkv_slice collection)
{
	size_t count = 0;

	check(evkv_each(store,
		  &(struct evkv_each_query){
		      .kind = EVKV_OP_KEYS, .collection = collection },
		  count_name, NULL, &count) != NULL);
	rig_settle(rig);
	return count;
}

static void check_chain(const char *chain, const struct name *names)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;
	size_t c;

	rig_open(&rig);
	store = evkv_open(rig.loop, chain, &error);
	if (store == NULL)
		fail_test("%s: %s", chain, error.message);
	put_all(&rig, store, names);
	check_all(&rig, store, names, SIZE_MAX);
	/* In pages of one collection are its keys, and no others. */
	for (c = 0; c < NAMES; c += 7)
		check_int(count_keys(&rig, store, name_slice(&names[c])),
		    NAMES - 1);
	evkv_clear(store, name_slice(&names[3]), EVKV_LIT(""), answer_cb, &a);
	rig_settle(&rig);
	check_status(a.status, EVKV_OK);
	check_int(a.affected, NAMES - 1);
	check_all(&rig, store, names, 3);
	answer_free(&a);
	evkv_store_unref(store);
	rig_close(&rig);
}

EVKV_TEST(unit_wrapper_models, adversarial_names_do_not_meet)
{
	static const char *const chains[] = {
		"memory: | prefix_keys(p)",
		"memory: | prefix_collections(p)",
		"memory: | single_collection",
		"memory: | single_collection(p, separator=:)",
		"memory: | single_collection(p, separator=_:)",
		"memory: | single_collection(_) | prefix_keys(p__)",
		"memory: | prefix_keys(_) | single_collection(p)",
		("memory: | prefix_collections(_) | single_collection | "
		 "prefix_collections(%)"),
	};
	struct name names[NAMES];
	size_t i;

	names_make(names);
	for (i = 0; i < sizeof(chains) / sizeof(chains[0]); i++)
		check_chain(chains[i], names);
}
