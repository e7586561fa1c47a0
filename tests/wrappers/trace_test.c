/*
 * trace: who is whose parent, and that each begin has its end.
 */
#include <stdio.h>
#include <string.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "lib/gate.h"
#include "lib/rig.h"
#include "lib/test.h"

#define SPANS 64

struct span {
	void *parent;
	char name[16];
	enum evkv_kind kind;
	unsigned ends;
	enum evkv_status status;
	enum evkv_cause cause;
	bool answered;
};

struct fixture {
	struct rig rig;
	struct gate *gate;
	struct evkv_store *store;
	struct answer answer;
	struct span spans[SPANS];
	size_t count;
	uint32_t not_traced; /* kinds */
};

static void *on_begin(const struct evkv_request *request, const char *name,
    void *arg)
{
	struct fixture *f = arg;
	struct span *span = &f->spans[f->count];

	if ((f->not_traced & EVKV_KIND_BIT(request->kind)) != 0)
		return NULL;
	check(f->count < SPANS);
	f->count++;
	*span = (struct span){ .parent = request->trace,
		.kind = request->kind };
	snprintf(span->name, sizeof(span->name), "%s", name);
	return span;
}

static void on_end(void *trace, const struct evkv_trace_end *end, void *arg)
{
	struct span *span = trace;

	(void)arg;
	span->ends++;
	span->status = end->status;
	span->cause = end->cause;
	span->answered = end->result != NULL;
	check_int(end->kind, span->kind);
	check(end->message != NULL);
}

static struct evkv_trace_hooks hooks_of(struct fixture *f)
{
	return (struct evkv_trace_hooks){
		.size = sizeof(struct evkv_trace_hooks),
		.begin = on_begin,
		.end = on_end,
		.arg = f
	};
}

/* trace(outer) over `middle` over trace(inner) over a gate over memory. */
static void open_fixture(struct fixture *f,
    struct evkv_store *(*middle)(struct evkv_store *inner))
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_trace_hooks hooks = hooks_of(f);
	struct evkv_store *store;

	memset(f, 0, sizeof(*f));
	rig_open(&f->rig);
	store = gate_new(evkv_memory_new(f->rig.loop, NULL, &error), &f->gate,
	    &error);
	store = evkv_trace_new(store,
	    &(struct evkv_trace_options){ .hooks = &hooks, .name = "inner" },
	    &error);
	if (middle != NULL)
		store = middle(store);
	f->store = evkv_trace_new(store,
	    &(struct evkv_trace_options){ .hooks = &hooks, .name = "outer" },
	    &error);
	if (f->store == NULL)
		fail_test("%s", error.message);
}

static void close_fixture(struct fixture *f)
{
	size_t i;

	f->gate->mode = GATE_OPEN;
	gate_release_all(f->gate);
	evkv_store_unref(f->store);
	rig_close(&f->rig);
	answer_free(&f->answer);
	for (i = 0; i < f->count; i++)
		check_int(f->spans[i].ends, 1);
}

static const struct evkv_slice key = { "k", 1 };
static const struct evkv_request get_one = { .kind = EVKV_OP_GET,
	.flags = EVKV_FLAG_SINGLE,
	.collection = { "c", 1 },
	.count = 1,
	.keys = &key };

static void submit(struct fixture *f, struct evkv_request request, void *trace)
{
	request.trace = trace;
	answer_reset(&f->answer);
	check(evkv_submit(f->store, &request, answer_cb, &f->answer) != 0);
}

EVKV_TEST(unit_trace, a_chain_of_parents)
{
	struct fixture f;
	char mine;

	open_fixture(&f, NULL);
	submit(&f, get_one, &mine);
	check_int(f.count, 2);
	check(f.spans[0].parent == &mine);
	check_str(f.spans[0].name, "outer");
	check(f.spans[1].parent == &f.spans[0]);
	check_str(f.spans[1].name, "inner");
	check_status(f.spans[0].status, EVKV_NOT_FOUND);
	check(f.spans[0].answered);
	rig_turn(&f.rig);
	check_status(f.answer.status, EVKV_NOT_FOUND);
	submit(&f, get_one, NULL);
	check(f.spans[2].parent == NULL);
	rig_turn(&f.rig);
	close_fixture(&f);
}

static struct evkv_store *retry(struct evkv_store *inner)
{
	return evkv_retry_new(inner,
	    &(struct evkv_retry_options){
		.attempts = 3, .backoff_ms = 1, .max_backoff_ms = 1 },
	    NULL);
}

/* Each try is a child of its own. */
EVKV_TEST(unit_trace, children_inherit)
{
	struct fixture f;
	size_t i;

	open_fixture(&f, retry);
	f.gate->fail = EVKV_UNAVAILABLE;
	submit(&f, get_one, NULL);
	for (i = 0; i < 5; i++)
		rig_advance(&f.rig, 2);
	rig_turn(&f.rig);
	check_status(f.answer.status, EVKV_UNAVAILABLE);
	check_int(f.count, 4);
	for (i = 1; i < 4; i++) {
		check(f.spans[i].parent == &f.spans[0]);
		check_status(f.spans[i].status, EVKV_UNAVAILABLE);
	}
	close_fixture(&f);
}

static struct evkv_store *prefix(struct evkv_store *inner)
{
	return evkv_prefix_keys_new(inner, EVKV_LIT("p:"), NULL);
}

/* A walk: clear_all is collections, then a clear for each. */
EVKV_TEST(unit_trace, a_walk_inherits)
{
	struct fixture f;
	size_t i, clears = 0;

	open_fixture(&f, prefix);
	evkv_put(f.store, EVKV_LIT("a"), key, EVKV_LIT("v"), 0, NULL, NULL);
	evkv_put(f.store, EVKV_LIT("b"), key, EVKV_LIT("v"), 0, NULL, NULL);
	rig_settle(&f.rig);
	f.count = 0;
	submit(&f, (struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL }, NULL);
	rig_settle(&f.rig);
	check_status(f.answer.status, EVKV_OK);
	check_int(f.spans[0].kind, EVKV_OP_CLEAR_ALL);
	check(f.count > 3);
	for (i = 1; i < f.count; i++) {
		check(f.spans[i].parent == &f.spans[0]);
		clears += f.spans[i].kind == EVKV_OP_CLEAR;
	}
	check_int(clears, 2);
	close_fixture(&f);
}

/* Cut off: told at once, while the operation goes on below. */
EVKV_TEST(unit_trace, a_waiter_that_is_gone)
{
	struct evkv_request timed = get_one;
	struct fixture f;

	open_fixture(&f, NULL);
	timed.timeout_ms = 10;
	f.gate->mode = GATE_BEFORE;
	submit(&f, timed, NULL);
	check_int(f.spans[0].ends + f.spans[1].ends, 0);
	rig_advance(&f.rig, 10);
	rig_turn(&f.rig);
	check_status(f.answer.status, EVKV_TIMEOUT);
	check_int(f.spans[0].ends, 1);
	check_status(f.spans[0].status, EVKV_TIMEOUT);
	check_int(f.spans[0].cause, EVKV_CAUSE_TIMEOUT);
	check(!f.spans[0].answered);
	check_int(f.spans[1].ends, 1);
	close_fixture(&f);
}

/* What a trace points to may be gone when its operation was told. */
EVKV_TEST(unit_trace, nothing_is_inherited_from_the_told)
{
	struct evkv_request put = { .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = { "c", 1 },
		.count = 1,
		.keys = &key,
		.values = &key,
		.timeout_ms = 10 };
	struct fixture f;
	size_t i;

	open_fixture(&f, retry);
	f.gate->mode = GATE_BEFORE;
	f.gate->sends = true;
	submit(&f, put, NULL);
	rig_advance(&f.rig, 10);
	rig_turn(&f.rig);
	check_status(f.answer.status, EVKV_UNKNOWN_OUTCOME);
	check_int(f.spans[0].ends, 1);
	/* It fails below, where it may be repeated. */
	gate_fail(f.gate, 0, EVKV_UNAVAILABLE, EVKV_CAUSE_CONNECT);
	for (i = 0; i < 5; i++)
		rig_advance(&f.rig, 2);
	rig_turn(&f.rig);
	for (i = 2; i < f.count; i++)
		check(f.spans[i].parent == NULL);
	close_fixture(&f);
}

EVKV_TEST(unit_trace, what_is_not_traced_hands_the_parent_on)
{
	struct fixture f;
	char mine;

	open_fixture(&f, retry);
	f.not_traced = EVKV_KIND_BIT(EVKV_OP_GET);
	submit(&f, get_one, &mine);
	rig_turn(&f.rig);
	check_int(f.count, 0);
	check_status(f.answer.status, EVKV_NOT_FOUND);
	close_fixture(&f);
}

/* With hooks an inline get is an operation; without them it is not. */
EVKV_TEST(unit_trace, inline_gets)
{
	struct evkv_request request = get_one;
	struct evkv_store *plain;
	struct fixture f;

	request.flags |= EVKV_FLAG_INLINE;
	open_fixture(&f, NULL);
	submit(&f, request, NULL);
	check_int(f.answer.calls, 1);
	check_int(f.count, 2);
	plain = evkv_trace_new(evkv_memory_new(f.rig.loop, NULL, NULL), NULL,
	    NULL);
	answer_reset(&f.answer);
	evkv_submit(plain, &request, answer_cb, &f.answer);
	check_int(f.answer.calls, 1);
	check_status(f.answer.status, EVKV_NOT_FOUND);
	evkv_store_unref(plain);
	close_fixture(&f);
}

EVKV_TEST(unit_trace, by_text_with_the_hooks_of_the_loop)
{
	struct evkv_trace_hooks hooks;
	struct evkv_store *store;
	struct fixture f;
	char *text;

	open_fixture(&f, NULL);
	hooks = hooks_of(&f);
	check(!evkv_loop_set_trace(NULL, &hooks));
	check(evkv_loop_set_trace(f.rig.loop, &hooks));
	store = evkv_open(f.rig.loop, "memory: | trace(low) | trace", NULL);
	text = evkv_store_describe(store, 0);
	check_str(text, "memory: | trace(low) | trace");
	evkv_free(text);
	answer_reset(&f.answer);
	evkv_submit(store, &get_one, answer_cb, &f.answer);
	rig_turn(&f.rig);
	check_int(f.count, 2);
	check_str(f.spans[0].name, "trace");
	check_str(f.spans[1].name, "low");
	evkv_store_unref(store);
	/* Those that are made later have none. */
	check(evkv_loop_set_trace(f.rig.loop, NULL));
	store = evkv_open(f.rig.loop, "memory: | trace", NULL);
	evkv_submit(store, &get_one, NULL, NULL);
	rig_turn(&f.rig);
	check_int(f.count, 2);
	evkv_store_unref(store);
	close_fixture(&f);
}

EVKV_TEST(unit_trace, options_that_are_wrong)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_trace_hooks hooks = { .size = sizeof(hooks) };
	char name[300];
	struct rig rig;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	rig_open(&rig);
	check(evkv_trace_new(evkv_memory_new(rig.loop, NULL, NULL),
		  &(struct evkv_trace_options){ .hooks = &hooks },
		  &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_invalid(error, "hooks need");
	check(!evkv_loop_set_trace(rig.loop, &hooks));
	error = (struct evkv_error)EVKV_ERROR_INIT;
	check(evkv_trace_new(evkv_memory_new(rig.loop, NULL, NULL),
		  &(struct evkv_trace_options){ .name = name },
		  &error) == NULL);
	check_invalid(error, "over 255 bytes");
	rig_close(&rig);
}
