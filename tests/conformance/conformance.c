/*
 * tests/conformance/conformance.c - one run of one case: begin, open, run, end,
 * and the accounting of every operation in between.
 *
 * Operations are kept in a list until the end of the run, when each must have
 * called back exactly once, or not at all where its ticket was 0.
 */
#include "conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/delay.h"

struct conformance_op {
	struct answer answer; /* first: an answer is an op */
	struct evkv_conformance *c;
	struct conformance_op *next;
	evkv_ticket ticket;
	bool returned; /* the submitting call has */
	bool inside;   /* called back before it had */
	bool may_be_inside;
	bool refused; /* memory was, before it called back */
	void (*then)(struct answer *, const struct evkv_result *, void *);
	void *arg;
};

struct conformance_kept {
	struct conformance_kept *next;
	struct evkv_value *value;
	struct evkv_store *store;
	void *memory;
};

static bool conformance_has_entry(const struct answer *answer,
    enum evkv_status status)
{
	size_t i;

	for (i = 0; i < answer->count; i++) {
		if (answer->entries[i].status == status)
			return true;
	}
	return false;
}

/* ---- A run ------------------------------------------------------------ */

bool conformance_can(const struct evkv_conformance *c, enum evkv_kind kind)
{
	return (c->can->kinds & EVKV_KIND_BIT(kind)) != 0;
}

bool conformance_has(const struct evkv_conformance *c, uint32_t quirk)
{
	return (c->suite->quirks & quirk) != 0;
}

size_t conformance_size(const struct evkv_conformance *c, size_t normal)
{
	size_t most = normal;

	if (conformance_has(c, EVKV_CONFORMANCE_SLOW | EVKV_CONFORMANCE_SMALL))
		most = normal / 8;
	if (c->sweeping)
		most = 4;
	if (most < 4)
		most = 4;
	return most < normal ? most : normal;
}

/* The memory stays: teardown() may use it. */
static void conformance_release_kept(struct evkv_conformance *c)
{
	struct conformance_kept *kept;

	for (kept = c->kept; kept != NULL; kept = kept->next) {
		evkv_value_unref(kept->value);
		evkv_store_unref(kept->store);
		kept->value = NULL;
		kept->store = NULL;
	}
}

static void conformance_free_kept(struct evkv_conformance *c)
{
	struct conformance_kept *kept;

	while ((kept = c->kept) != NULL) {
		c->kept = kept->next;
		free(kept->memory);
		free(kept);
	}
}

static void conformance_set_up(void *arg)
{
	struct evkv_conformance *c = arg;

	c->suite->setup(c);
}

/* What a setup that skips has kept. */
static void conformance_forget(void *arg)
{
	struct evkv_conformance *c = arg;

	conformance_release_kept(c);
	conformance_free_kept(c);
}

void conformance_begin(struct evkv_conformance *c,
    const struct evkv_conformance_suite *suite, enum conformance_mode mode)
{
	bool real = (suite->quirks &
			(EVKV_CONFORMANCE_REAL_TIME |
			    EVKV_CONFORMANCE_REAL_LOOP)) != 0;

	memset(c, 0, sizeof(*c));
	c->suite = suite;
	c->mode = mode;
	c->exception = NULL;
	c->first_deadline = rig_deadline();
	c->unit_ms = 1000;
	if ((suite->quirks & EVKV_CONFORMANCE_REAL_TIME) != 0)
		c->unit_ms = suite->unit_ms != 0 ? suite->unit_ms : 200;
	if (suite->setup != NULL &&
	    !test_try_undoing(conformance_set_up, conformance_forget, c))
		test_fail_again(test_message());
	c->rig.real = real;
}

void conformance_open(struct evkv_conformance *c)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	if (c->rig.loop == NULL && !rig_try_open(&c->rig, c->rig.real)) {
		check(faults_fired() > 0);
		c->saw_nomem = true;
		fail_test("no loop");
	}
	c->store = c->suite->open(c, c->rig.loop, &error);
	if (c->store != NULL && !c->delay_used)
		c->store = evkv_conformance_delay(c, c->store, &error);
	if (c->store != NULL && c->mode == CONFORMANCE_REPEATED)
		c->store = delay_new_with(c->store, DELAY_REPEATS, &error);
	if (c->store == NULL) {
		if (error.status == EVKV_NOMEM && faults_fired() > 0)
			c->saw_nomem = true;
		fail_test("no store: %s: %s", evkv_status_name(error.status),
		    error.message);
	}
	check_status(error.status, EVKV_OK);
	c->can = evkv_store_capabilities(c->store);
	check(c->can != NULL);
	c->in_process = (c->can->flags & EVKV_STORE_IN_PROCESS) != 0;
}

static void conformance_free_ops(struct evkv_conformance *c)
{
	struct conformance_op *op;

	while ((op = c->ops) != NULL) {
		c->ops = op->next;
		answer_free(&op->answer);
		free(op);
	}
}

/* Whether an operation can end like this because memory was wanting. */
static bool conformance_is_want(const struct evkv_conformance *c,
    const struct answer *answer)
{
	uint32_t classes = evkv_kind_classes(answer->kind);

	switch (answer->status) {
	case EVKV_NOMEM: return true;
	/* The connection could not be made, or was lost. */
	case EVKV_UNAVAILABLE: return !c->in_process;
	/* And something had been sent; or a part had been done already. */
	case EVKV_UNKNOWN_OUTCOME:
		return (classes & EVKV_CLASS_WRITES) != 0 &&
		    (!c->in_process || (classes & EVKV_CLASS_SPANS) != 0);
	/* A batch may have failed for something else before that entry. */
	default:
		return evkv_failed(answer->status) &&
		    conformance_has_entry(answer, EVKV_NOMEM);
	}
}

/* What is not true in what was said of a want of memory; NULL: nothing. */
static const char *conformance_false_want(const struct evkv_conformance *c,
    const struct conformance_op *op)
{
	const struct answer *answer = &op->answer;

	if (answer->status == EVKV_NOMEM && answer->cause != EVKV_CAUSE_NOMEM)
		return "NOMEM without its cause";
	if (conformance_has_entry(answer, EVKV_NOMEM) &&
	    !evkv_failed(answer->status))
		return "an entry ended NOMEM, and the whole well";
	if (answer->cause != EVKV_CAUSE_NOMEM)
		return NULL;
	if (!op->refused)
		return "a want of memory, and none was refused";
	if (!conformance_is_want(c, answer))
		return "not a status for a want of memory";
	return NULL;
}

/*
 * Once each, not inside the call, and true to the contract: whatever else the
 * case was about.
 */
static void conformance_check_op(const struct evkv_conformance *c,
    const struct conformance_op *op)
{
	const struct answer *answer = &op->answer;
	const char *wrong;

	check_int(answer->calls, op->ticket != 0 ? 1 : 0);
	check(!op->inside || op->may_be_inside);
	if (answer->calls == 0)
		return;
	if (answer->status == EVKV_UNKNOWN_OUTCOME)
		check((evkv_kind_classes(answer->kind) & EVKV_CLASS_WRITES) !=
		    0);
	wrong = conformance_false_want(c, op);
	if (wrong != NULL)
		fail_test("%s: %s, cause %d: %s", evkv_kind_name(answer->kind),
		    evkv_status_name(answer->status), (int)answer->cause,
		    wrong);
}

static void conformance_check_ops(const struct evkv_conformance *c)
{
	const struct conformance_op *op;

	for (op = c->ops; op != NULL; op = op->next)
		conformance_check_op(c, op);
}

void conformance_end(struct evkv_conformance *c)
{
	test_from(NULL, 0);
	if (c->rig.loop != NULL) {
		conformance_wait_all(c);
		conformance_check_ops(c);
		conformance_release_kept(c);
		evkv_store_unref(c->store);
		c->store = NULL;
	}
	rig_close(&c->rig);
	conformance_check_ops(c);
	conformance_release_kept(c);
	conformance_free_ops(c);
	if (c->suite->teardown != NULL)
		c->suite->teardown(c);
	conformance_free_kept(c);
}

static bool conformance_knows_versions(const struct evkv_conformance *c,
    uint32_t flags)
{
	const struct evkv_capabilities *can = c->can;
	const uint32_t bit = EVKV_IF_BIT(EVKV_IF_VERSION);

	if ((flags & CASE_VERSIONS) != 0 &&
	    (can->request_flags & EVKV_FLAG_VERSIONS) == 0)
		return false;
	return ((flags & CASE_PUT_VERSION) == 0 ||
		   (can->put_conditions & bit) != 0) &&
	    ((flags & CASE_DELETE_VERSION) == 0 ||
		(can->delete_conditions & bit) != 0) &&
	    ((flags & CASE_TOUCH_VERSION) == 0 ||
		(can->touch_conditions & bit) != 0);
}

/* Why a case does not apply to the open store, or NULL. */
const char *conformance_unfit(const struct evkv_conformance *c,
    const struct conformance_case *which)
{
	if ((which->kinds & ~c->can->kinds) != 0)
		return "the store does not take all kinds of it";
	if ((which->flags & CASE_STORES) != 0 &&
	    conformance_has(c, EVKV_CONFORMANCE_FORGETS))
		return "the store keeps nothing";
	if (!conformance_knows_versions(c, which->flags))
		return "the store does not tell versions, or not so far";
	return NULL;
}

struct conformance_once {
	struct evkv_conformance c;
	const struct conformance_case *which;
	const char *unfit;
};

static void conformance_once_run(void *arg)
{
	struct conformance_once *once = arg;

	conformance_open(&once->c);
	once->unfit = conformance_unfit(&once->c, once->which);
	if (once->unfit == NULL)
		once->which->run(&once->c);
}

static void conformance_once_end(void *arg)
{
	conformance_end(&((struct conformance_once *)arg)->c);
}

const struct evkv_conformance_exception *conformance_exception(
    const struct evkv_conformance_suite *suite, const char *name)
{
	const struct evkv_conformance_exception *row = suite->exceptions;

	for (; row != NULL && row->name != NULL; row++) {
		if (strcmp(row->name, name) == 0)
			return row;
	}
	return NULL;
}

/* What came of a case that the suite's purpose changes. */
static void conformance_judge(const struct evkv_conformance *c, bool passed)
{
	const struct evkv_conformance_exception *exception = c->exception;

	if (passed)
		fail_test("passes, though an exception says otherwise: %s",
		    exception->reason != NULL ? exception->reason : "");
	if (!c->seen)
		fail_test("no %s was answered with %s, as the exception says",
		    evkv_kind_name(exception->kind),
		    evkv_status_name(exception->status));
}

void conformance_run(const struct evkv_conformance_suite *suite,
    enum conformance_mode mode, const struct conformance_case *which)
{
	struct conformance_once once = { .which = which };
	const struct evkv_conformance_exception *exception;
	char text[900];
	bool passed;

	exception = conformance_exception(suite, which->name);
	if (exception != NULL && exception->skipped)
		skip_test("%s",
		    exception->reason != NULL ? exception->reason : "");
	conformance_begin(&once.c, suite, mode);
	once.c.exception = exception;
	passed = test_try(conformance_once_run, &once);
	(void)snprintf(text, sizeof(text), "%s", test_message());
	/* Also after a failure: the next case needs the place. */
	if (!test_try(conformance_once_end, &once) && passed) {
		passed = false;
		(void)snprintf(text, sizeof(text), "%s", test_message());
	}
	if (once.unfit != NULL)
		skip_test("%s", once.unfit);
	if (exception != NULL)
		conformance_judge(&once.c, passed);
	else if (!passed)
		test_fail_again(text);
}

/* ---- Operations ------------------------------------------------------- */

static void conformance_on_answer(struct answer *answer,
    const struct evkv_result *result, void *arg)
{
	struct conformance_op *op = arg;

	if (!op->returned)
		op->inside = true;
	op->refused = faults_fired() > 0;
	if (op->c->exception != NULL &&
	    answer->kind == op->c->exception->kind &&
	    answer->status == op->c->exception->status)
		op->c->seen = true;
	if (op->c->sweeping &&
	    (answer->status == EVKV_NOMEM ||
		answer->cause == EVKV_CAUSE_NOMEM ||
		conformance_has_entry(answer, EVKV_NOMEM)))
		op->c->saw_nomem = true;
	if (op->then != NULL)
		op->then(answer, result, op->arg);
}

struct answer *conformance_answer(struct evkv_conformance *c)
{
	struct conformance_op *op = calloc(1, sizeof(*op));

	if (op == NULL)
		abort();
	op->c = c;
	op->answer.then = conformance_on_answer;
	op->answer.arg = op;
	op->next = c->ops;
	c->ops = op;
	return &op->answer;
}

void conformance_answer_submitted(struct answer *answer, evkv_ticket ticket)
{
	struct conformance_op *op = (struct conformance_op *)answer;

	op->ticket = ticket;
	op->returned = true;
	if (ticket != 0)
		return;
	/* No memory even to report: only where memory is refused. */
	check_int(answer->calls, 0);
	check(op->c->sweeping && faults_fired() > 0);
	op->c->saw_nomem = true;
	answer->status = EVKV_NOMEM;
}

struct answer *conformance_submit_then(struct evkv_conformance *c,
    struct evkv_store *store, const struct evkv_request *request,
    void (*then)(struct answer *, const struct evkv_result *, void *),
    void *arg)
{
	struct answer *answer = conformance_answer(c);
	struct conformance_op *op = (struct conformance_op *)answer;

	op->may_be_inside = (request->flags & EVKV_FLAG_INLINE) != 0;
	op->then = then;
	op->arg = arg;
	conformance_answer_submitted(answer,
	    evkv_submit(store != NULL ? store : c->store, request, answer_cb,
		answer));
	if (op->inside && !op->may_be_inside)
		fail_test("the callback of %s ran inside the call",
		    evkv_kind_name(request->kind));
	return answer;
}

struct answer *conformance_submit(struct evkv_conformance *c,
    struct evkv_store *store, const struct evkv_request *request)
{
	return conformance_submit_then(c, store, request, NULL, NULL);
}

evkv_ticket conformance_ticket(const struct answer *answer)
{
	return ((const struct conformance_op *)answer)->ticket;
}

struct answer *conformance_wait(struct evkv_conformance *c,
    struct answer *answer)
{
	if (conformance_ticket(answer) != 0)
		rig_wait(&c->rig, &answer->calls);
	return answer;
}

struct answer *conformance_do(struct evkv_conformance *c,
    const struct evkv_request *request)
{
	return conformance_wait(c, conformance_submit(c, NULL, request));
}

void conformance_wait_all(struct evkv_conformance *c)
{
	struct conformance_op *op;

	for (op = c->ops; op != NULL; op = op->next)
		(void)conformance_wait(c, &op->answer);
}

void conformance_advance(struct evkv_conformance *c, int64_t ms)
{
	rig_advance(&c->rig, ms);
	rig_turn(&c->rig);
}

static struct conformance_kept *conformance_keep(struct evkv_conformance *c)
{
	struct conformance_kept *kept = calloc(1, sizeof(*kept));

	if (kept == NULL)
		abort();
	kept->next = c->kept;
	c->kept = kept;
	return kept;
}

void conformance_keep_value(struct evkv_conformance *c,
    struct evkv_value *value)
{
	conformance_keep(c)->value = value;
}

void conformance_keep_store(struct evkv_conformance *c,
    struct evkv_store *store)
{
	conformance_keep(c)->store = store;
}

void *conformance_alloc(struct evkv_conformance *c, size_t size)
{
	void *memory = calloc(1, size + 1);

	if (memory == NULL)
		abort();
	conformance_keep(c)->memory = memory;
	return memory;
}

struct evkv_slice conformance_bytes(struct evkv_conformance *c, size_t size,
    unsigned seed)
{
	unsigned char *bytes = conformance_alloc(c, size);
	size_t i;

	for (i = 0; i < size; i++) {
		seed = seed * 1103515245u + 12345u;
		bytes[i] = (unsigned char)(seed >> 16);
	}
	return evkv_bytes(bytes, size);
}
