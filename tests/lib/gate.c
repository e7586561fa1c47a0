/* tests/lib/gate.c - a wrapper whose operations pass when the test says so. */
#include "gate.h"

#include <stdlib.h>

#include "test.h"

/* The answer is in the op already; only the telling is held. */
struct gate_hold {
	bool answered;
};

static void gate_take(struct gate *gate, size_t i)
{
	gate->held_count--;
	memmove(&gate->held[i], &gate->held[i + 1],
	    (gate->held_count - i) * sizeof(gate->held[0]));
}

static void gate_passed(struct evkv_op *child, void *arg)
{
	struct evkv_op *op = arg;

	evkv_op_take_all(op, child);
	evkv_op_complete(op);
}

static void gate_answered(struct evkv_op *child, void *arg)
{
	struct evkv_op *op = arg;
	struct gate_hold *hold = evkv_op_data(op);

	evkv_op_take_all(op, child);
	hold->answered = true;
}

static void gate_pass(struct gate *gate, struct evkv_op *op, evkv_child_cb cb)
{
	struct evkv_request request = *evkv_op_request(op);

	request.flags = 0;
	request.timeout_ms = 0;
	evkv_child_submit(op, gate->inner, &request, EVKV_CHILD_BORROWS, cb,
	    op);
}

static enum evkv_verdict gate_hold(struct gate *gate, struct evkv_op *op)
{
	struct gate_hold *hold = evkv_op_alloc(op, sizeof(*hold));

	if (hold == NULL || !evkv_op_keep(op))
		return evkv_op_nomem(op);
	if (gate->held_count == GATE_HELD_MAX)
		fail_test("the gate holds %d operations already",
		    GATE_HELD_MAX);
	hold->answered = false;
	evkv_op_set_data(op, hold);
	gate->held[gate->held_count++] = op;
	if (gate->held_count > gate->held_most)
		gate->held_most = gate->held_count;
	if (gate->sends)
		evkv_op_mark_sent(op);
	if (gate->mode == GATE_AFTER)
		gate_pass(gate, op, gate_answered);
	return EVKV_VERDICT_PENDING;
}

static enum evkv_verdict gate_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct gate *gate = self;

	gate->asked[request->kind]++;
	gate->keys[request->kind] += (unsigned)request->count;
	if (gate->fail != EVKV_OK &&
	    (gate->fail_kinds == 0 ||
		(gate->fail_kinds & EVKV_KIND_BIT(request->kind)) != 0))
		return evkv_op_fail(op, gate->fail, gate->fail_cause,
		    gate->fail_message);
	if (gate->mode != GATE_OPEN || gate->held_count > 0)
		return gate_hold(gate, op);
	return evkv_op_forward(op, gate->inner, request);
}

void gate_release(struct gate *gate, size_t i)
{
	struct evkv_op *op;
	struct gate_hold *hold;

	check(i < gate->held_count);
	op = gate->held[i];
	hold = evkv_op_data(op);
	gate->released[evkv_op_request(op)->kind]++;
	gate_take(gate, i);
	if (hold->answered)
		evkv_op_complete(op);
	else
		gate_pass(gate, op, gate_passed);
}

void gate_release_all(struct gate *gate)
{
	while (gate->held_count > 0)
		gate_release(gate, 0);
}

void gate_fail(struct gate *gate, size_t i, enum evkv_status status,
    enum evkv_cause cause)
{
	struct evkv_op *op;

	check(i < gate->held_count);
	op = gate->held[i];
	gate_take(gate, i);
	evkv_op_fail(op, status, cause, NULL);
	evkv_op_complete(op);
}

void gate_fail_entry(struct gate *gate, size_t i, size_t entry,
    enum evkv_status status)
{
	struct evkv_op *op;
	size_t j;

	check(i < gate->held_count);
	op = gate->held[i];
	gate_take(gate, i);
	for (j = 0; j < evkv_op_request(op)->count; j++)
		evkv_op_entry(op, j)->status = j == entry ? status : EVKV_OK;
	evkv_op_complete(op);
}

void gate_fail_entries(struct gate *gate, size_t i,
    const enum evkv_status *statuses)
{
	struct evkv_op *op;
	size_t j;

	check(i < gate->held_count);
	op = gate->held[i];
	gate_take(gate, i);
	for (j = 0; j < evkv_op_request(op)->count; j++)
		evkv_op_entry(op, j)->status = statuses[j];
	evkv_op_complete(op);
}

static void gate_close(void *self)
{
	struct gate *gate = self;

	while (gate->held_count > 0)
		gate_fail(gate, 0, EVKV_CLOSED, EVKV_CAUSE_CLOSED);
	evkv_store_closed(gate->node);
}

/* A test may still look at its gate: it is freed when the next one is made. */
static struct gate *gate_gone;

static void gate_free(void *self)
{
	struct gate *gate = self;

	gate->gone_next = gate_gone;
	gate_gone = gate;
}

static struct gate *gate_alloc(void)
{
	struct gate *gate;

	while ((gate = gate_gone) != NULL) {
		gate_gone = gate->gone_next;
		free(gate);
	}
	gate = calloc(1, sizeof(*gate));
	if (gate == NULL)
		abort();
	return gate;
}

static const struct evkv_vtable gate_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "gate",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = gate_submit,
	.close = gate_close,
	.free = gate_free,
};

static struct evkv_store *gate_create(struct evkv_store *inner,
    uint32_t without, struct gate **gate, struct evkv_error *error)
{
	struct evkv_store_config config = { .inner = &inner, .inner_count = 1 };
	struct evkv_capabilities can;
	struct evkv_store *store;

	if (inner != NULL) {
		can = *evkv_store_capabilities(inner);
		can.flags &= ~without;
		config.capabilities = &can;
	}
	*gate = gate_alloc();
	(*gate)->inner = inner;
	store = evkv_store_create(NULL, &gate_vtable, *gate, &config, error);
	if (store != NULL)
		(*gate)->node = store;
	return store;
}

struct evkv_store *gate_new(struct evkv_store *inner, struct gate **gate,
    struct evkv_error *error)
{
	return gate_create(inner, 0, gate, error);
}

struct evkv_store *gate_remote_new(struct evkv_store *inner, struct gate **gate,
    struct evkv_error *error)
{
	return gate_create(inner, EVKV_STORE_IN_PROCESS, gate, error);
}
