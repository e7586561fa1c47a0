/*
 * tests/core/order_test.c - stores that ask the core for the order of
 * operations on one key.
 *
 * Over a scripted store lies a wrapper that has EVKV_VTABLE_ORDERED and sends a
 * child for each operation. What has begun is pending in the script.
 */
#include "faults.h"
#include "scene.h"

#include <string.h>

struct lines {
	struct evkv_store *inner;
	unsigned begun, completes;
	bool forwards;       /* the op itself */
	evkv_ticket cancel;  /* in the next submit; 0 = none */
	uintptr_t low, high; /* of the stack in submit */
	/* Called once in the next submits, the last of them first. */
	void (*inside[2])(void *arg);
	unsigned inside_count;
	void *inside_arg;
};

static void lines_told(struct evkv_op *child, void *arg)
{
	struct evkv_op *op = arg;

	if (child == NULL)
		evkv_op_nomem(op);
	else
		evkv_op_take_all(op, child);
	evkv_op_complete(op);
}

static enum evkv_verdict lines_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	/* Not the address of a local: ASan may have that elsewhere. */
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	struct lines *lines = self;

	lines->begun++;
	if (lines->low == 0 || here < lines->low)
		lines->low = here;
	if (here > lines->high)
		lines->high = here;
	if (lines->cancel != 0) {
		evkv_cancel(evkv_store_loop(lines->inner), lines->cancel);
		lines->cancel = 0;
	}
	if (lines->inside_count > 0)
		lines->inside[--lines->inside_count](lines->inside_arg);
	if (lines->forwards)
		return evkv_op_forward(op, lines->inner, request);
	evkv_child_submit(op, lines->inner, request, EVKV_CHILD_BORROWS,
	    lines_told, op);
	return EVKV_VERDICT_PENDING;
}

static void lines_complete(void *self, struct evkv_op *op)
{
	struct lines *lines = self;

	check(evkv_op_request(op) != NULL);
	lines->completes++;
}

static void lines_free(void *self)
{
	(void)self;
}

static const struct evkv_vtable lines_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "lines",
	.flags = EVKV_VTABLE_KEEPS | EVKV_VTABLE_ORDERED,
	.kinds = EVKV_KINDS_BASIC,
	.submit = lines_submit,
	.complete = lines_complete,
	.free = lines_free,
};

/* One that keeps the order itself, but for puts, which take several steps. */
static const struct evkv_vtable steps_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "steps",
	.flags = EVKV_VTABLE_KEEPS | EVKV_VTABLE_ORDERED,
	.kinds = EVKV_KIND_BIT(EVKV_OP_GET) | EVKV_KIND_BIT(EVKV_OP_PUT),
	.ordered_kinds = EVKV_KIND_BIT(EVKV_OP_PUT),
	.lacks = "it has too little to do",
	.submit = lines_submit,
	.free = lines_free,
};

struct bed {
	struct scene s;
	struct lines lines;
	struct answer a[8];
};

static struct evkv_store *lines_new(struct lines *lines,
    const struct evkv_vtable *vtable, struct evkv_store *inner)
{
	lines->inner = inner;
	return evkv_store_create(NULL, vtable, lines,
	    &(struct evkv_store_config){ .inner = &inner, .inner_count = 1 },
	    NULL);
}

static void bed_open_over(struct bed *bed, const struct evkv_vtable *vtable,
    enum scripted_close close)
{
	memset(bed, 0, sizeof(*bed));
	for (size_t i = 0; i < 8; i++)
		bed->a[i] = (struct answer)ANSWER_INIT;
	scene_open(&bed->s, SCRIPTED_STOP_COMPLETES, close);
	bed->s.store = lines_new(&bed->lines, vtable, bed->s.store);
	check(bed->s.store != NULL);
}

static void bed_open_as(struct bed *bed, const struct evkv_vtable *vtable)
{
	bed_open_over(bed, vtable, SCRIPTED_CLOSE_AT_ONCE);
}

static void bed_open(struct bed *bed)
{
	bed_open_as(bed, &lines_vtable);
}

static void bed_close(struct bed *bed)
{
	for (size_t i = 0; i < 8; i++)
		answer_free(&bed->a[i]);
	scene_close(&bed->s);
}

/* A word: g = get, p = put, then its keys, a letter each. */
static evkv_ticket bed_do(struct bed *bed, const char *word, size_t answer)
{
	struct evkv_slice keys[8], values[8];
	size_t count = strlen(word) - 1, i;

	for (i = 0; i < count; i++) {
		keys[i] = evkv_bytes(word + 1 + i, 1);
		values[i] = EVKV_LIT("v");
	}
	return evkv_submit(bed->s.store,
	    &(struct evkv_request){
		.kind = word[0] == 'g' ? EVKV_OP_GET : EVKV_OP_PUT,
		.count = count,
		.keys = keys,
		.values = word[0] == 'g' ? NULL : values,
	    },
	    answer_cb, &bed->a[answer]);
}

/* Whether the script holds these operations, as words with blanks between. */
static void check_held(struct bed *bed, const char *words)
{
	char held[64] = "";
	size_t i, j, at = 0;

	for (i = 0; i < scripted_count(bed->s.script); i++) {
		const struct evkv_request
		    *request = scripted_request(bed->s.script, i);

		if (at > 0)
			held[at++] = ' ';
		held[at++] = request->kind == EVKV_OP_GET ? 'g' : 'p';
		for (j = 0; j < request->count; j++)
			held[at++] = *(const char *)request->keys[j].data;
	}
	held[at] = '\0';
	check_str(held, words);
}

EVKV_TEST(core_order, a_write_begins_after_the_write_before_it)
{
	struct bed bed;

	bed_open(&bed);
	bed_do(&bed, "pa", 0);
	bed_do(&bed, "pa", 1);
	bed_do(&bed, "pb", 2);
	check_held(&bed, "pa pb");
	check_int(scene_counters(&bed.s)->pending, 3);
	scripted_complete(bed.s.script, 0, EVKV_BUSY);
	check_held(&bed, "pb pa");
	check_int(bed.a[1].calls, 0);
	scene_answer(&bed.s, EVKV_OK);
	check_status(bed.a[0].status, EVKV_BUSY);
	check_status(bed.a[1].status, EVKV_OK);
	check(bed.a[0].order < bed.a[1].order);
	bed_close(&bed);
}

EVKV_TEST(core_order, reads_between_two_writes_are_free)
{
	struct bed bed;

	bed_open(&bed);
	bed_do(&bed, "ga", 0);
	bed_do(&bed, "ga", 1);
	bed_do(&bed, "pa", 2);
	bed_do(&bed, "ga", 3);
	bed_do(&bed, "ga", 4);
	bed_do(&bed, "pa", 5);
	check_held(&bed, "ga ga");
	scripted_complete(bed.s.script, 1, EVKV_OK);
	check_held(&bed, "ga");
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "pa");
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "ga ga");
	scripted_complete(bed.s.script, 1, EVKV_OK);
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "pa");
	scene_answer(&bed.s, EVKV_OK);
	check_int(bed.a[5].calls, 1);
	bed_close(&bed);
}

EVKV_TEST(core_order, kinds_of_one_step_wait_for_those_of_several_alone)
{
	struct bed bed;

	bed_open_as(&bed, &steps_vtable);
	bed_do(&bed, "ga", 0);
	bed_do(&bed, "pa", 1); /* does not wait */
	bed_do(&bed, "ga", 2); /* does */
	bed_do(&bed, "pa", 3);
	bed_do(&bed, "gb", 4);
	bed_do(&bed, "gb", 5);
	bed_do(&bed, "pb", 6);
	check_held(&bed, "ga pa gb gb pb");
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "pa gb gb pb");
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "gb gb pb ga");
	/* What has waited is waited for. */
	scripted_complete(bed.s.script, 3, EVKV_OK);
	check_held(&bed, "gb gb pb pa");
	scene_answer(&bed.s, EVKV_OK);
	check_int(bed.a[3].calls, 1);
	evkv_sync(bed.s.store, answer_cb, &bed.a[7]);
	rig_turn(&bed.s.rig);
	check_status(bed.a[7].status, EVKV_UNSUPPORTED);
	check_str(bed.a[7].message,
	    "steps cannot do sync: it has too little to do");
	bed_close(&bed);
}

EVKV_TEST(core_order, a_batch_stands_at_all_of_its_keys)
{
	struct bed bed;

	bed_open(&bed);
	bed_do(&bed, "pa", 0);
	bed_do(&bed, "pab", 1);
	bed_do(&bed, "pbc", 2);
	bed_do(&bed, "gc", 3);
	bed_do(&bed, "pdd", 4); /* a key twice */
	bed_do(&bed, "gd", 5);
	check_held(&bed, "pa pdd");
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "pdd pab");
	scripted_complete(bed.s.script, 1, EVKV_OK);
	check_held(&bed, "pdd pbc");
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "pbc gd");
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "gd gc");
	scene_answer(&bed.s, EVKV_OK);
	bed_close(&bed);
}

EVKV_TEST(core_order, one_that_waits_and_is_cancelled_had_no_effect)
{
	struct bed bed;
	evkv_ticket ticket;

	bed_open(&bed);
	bed_do(&bed, "ga", 0);
	ticket = bed_do(&bed, "pa", 1);
	bed_do(&bed, "ga", 2);
	bed_do(&bed, "pa", 3);
	check_held(&bed, "ga");
	evkv_cancel(bed.s.rig.loop, ticket);
	/* The read behind it is let go of; the write is behind two reads. */
	check_held(&bed, "ga ga");
	rig_turn(&bed.s.rig);
	check_status(bed.a[1].status, EVKV_CANCELED);
	check_int(bed.lines.begun, 2);
	check_int(scene_counters(&bed.s)->abandoned, 0);
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "ga");
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "pa");
	scene_answer(&bed.s, EVKV_OK);
	bed_close(&bed);
}

EVKV_TEST(core_order, nobody_waits_for_what_was_given_up)
{
	struct bed bed;
	evkv_ticket ticket;

	bed_open(&bed);
	ticket = bed_do(&bed, "pa", 0);
	scripted_mark_sent(bed.s.script, 0);
	bed.s.script->stop = SCRIPTED_STOP_HOLDS;
	bed_do(&bed, "pa", 1);
	check_held(&bed, "pa");
	evkv_cancel(bed.s.rig.loop, ticket);
	check_held(&bed, "pa pa");
	rig_turn(&bed.s.rig);
	check_status(bed.a[0].status, EVKV_UNKNOWN_OUTCOME);
	scripted_complete(bed.s.script, 1, EVKV_OK);
	rig_turn(&bed.s.rig);
	check_status(bed.a[1].status, EVKV_OK);
	scene_answer(&bed.s, EVKV_OK);
	check_int(bed.a[0].calls, 1);
	bed_close(&bed);
}

/* Its turn has come, but another of that turn is first, and ends it. */
EVKV_TEST(core_order, one_whose_turn_has_come_may_be_cancelled)
{
	evkv_ticket second;
	struct bed bed;

	bed_open(&bed);
	bed_do(&bed, "pa", 0);
	bed_do(&bed, "ga", 1);
	second = bed_do(&bed, "ga", 2);
	bed_do(&bed, "ga", 3);
	check_held(&bed, "pa");
	bed.lines.cancel = second;
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "ga ga");
	check_int(bed.lines.begun, 3);
	rig_turn(&bed.s.rig);
	check_status(bed.a[2].status, EVKV_CANCELED);
	scripted_complete_all(bed.s.script, EVKV_OK);
	rig_turn(&bed.s.rig);
	check_status(bed.a[1].status, EVKV_OK);
	check_status(bed.a[3].status, EVKV_OK);
	check_int(bed.a[2].calls, 1);
	/* The key is free again. */
	bed_do(&bed, "pa", 4);
	check_held(&bed, "pa");
	scripted_complete_all(bed.s.script, EVKV_OK);
	rig_turn(&bed.s.rig);
	check_status(bed.a[4].status, EVKV_OK);
	bed_close(&bed);
}

EVKV_TEST(core_order, a_deadline_runs_while_it_waits)
{
	struct evkv_slice key = EVKV_LIT("a"), value = EVKV_LIT("v");
	struct bed bed;

	bed_open(&bed);
	bed_do(&bed, "pa", 0);
	evkv_submit(bed.s.store,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.count = 1,
		.keys = &key,
		.values = &value,
		.timeout_ms = 50 },
	    answer_cb, &bed.a[1]);
	rig_advance(&bed.s.rig, 50);
	rig_turn(&bed.s.rig);
	check_status(bed.a[1].status, EVKV_TIMEOUT);
	scene_answer(&bed.s, EVKV_OK);
	check_int(bed.lines.begun, 1);
	bed_close(&bed);
}

EVKV_TEST(core_order, close_ends_what_waits)
{
	struct answer closed = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed);
	bed_do(&bed, "pa", 0);
	bed_do(&bed, "pa", 1);
	bed_do(&bed, "ga", 2);
	evkv_store_close(bed.s.store, 100, answer_cb, &closed);
	rig_turn(&bed.s.rig);
	/* Within the time to drain they begin in their turn. */
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "pa");
	rig_advance(&bed.s.rig, 100);
	rig_turn(&bed.s.rig);
	check_status(bed.a[0].status, EVKV_OK);
	check_status(bed.a[1].status, EVKV_CLOSED);
	check_status(bed.a[2].status, EVKV_CLOSED);
	check_status(closed.status, EVKV_TIMEOUT);
	check_int(bed.lines.begun, 2);
	answer_free(&closed);
	bed_close(&bed);
}

/* An op at two levels that both keep order, forwarded when its turn comes. */
EVKV_TEST(core_order, levels_that_are_entered_late)
{
	struct lines outer = { .forwards = true };
	struct bed bed;
	evkv_ticket ticket;

	bed_open(&bed);
	bed.lines.forwards = true;
	bed.s.store = lines_new(&outer, &lines_vtable, bed.s.store);
	bed_do(&bed, "pa", 0);
	bed_do(&bed, "pa", 1);
	ticket = bed_do(&bed, "pa", 2);
	check_held(&bed, "pa");
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "pa");
	check_int(bed.lines.begun, 2);
	check_int(outer.completes, 1);
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "pa");
	/* Told at the levels that were entered late, too. */
	evkv_cancel(bed.s.rig.loop, ticket);
	check_held(&bed, "");
	rig_turn(&bed.s.rig);
	check_status(bed.a[2].status, EVKV_CANCELED);
	check_status(bed.a[1].status, EVKV_OK);
	check_int(scene_counters(&bed.s)->abandoned, 0);
	bed_close(&bed);
}

static void count_cb(const struct evkv_result *result, void *arg)
{
	unsigned *done = arg;

	done[0]++;
	done[1] += result->status == EVKV_OK;
}

/* Answered at once as soon as their turn has come: a loop, no recursion. */
/* Before the driver below has closed. */
EVKV_TEST(core_order, a_close_below_ends_what_was_entered_late)
{
	struct answer closed = ANSWER_INIT;
	struct bed bed;

	bed_open_over(&bed, &lines_vtable, SCRIPTED_CLOSE_LATER);
	bed.lines.forwards = true;
	bed_do(&bed, "pa", 0);
	bed_do(&bed, "pa", 1);
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "pa");
	evkv_store_close(bed.s.script->store, 0, answer_cb, &closed);
	rig_turn(&bed.s.rig);
	check_status(bed.a[0].status, EVKV_OK);
	check_int(bed.a[1].calls, 1);
	check_status(bed.a[1].status, EVKV_CLOSED);
	check_int(closed.calls, 0);
	scripted_closed(bed.s.script);
	rig_turn(&bed.s.rig);
	check_int(closed.calls, 1);
	answer_free(&closed);
	bed_close(&bed);
}

EVKV_TEST(core_order, a_long_line_is_worked_off_on_one_level)
{
	enum { MANY = 50000 };
	unsigned done[2] = { 0, 0 };
	struct bed bed;

	bed_open(&bed);
	bed_do(&bed, "pa", 0);
	for (unsigned i = 0; i < MANY; i++)
		evkv_put(bed.s.store, EVKV_LIT(""), EVKV_LIT("a"),
		    EVKV_LIT("v"), 0, count_cb, done);
	bed.s.script->immediate = true;
	bed.lines.low = bed.lines.high = 0;
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_int(bed.lines.begun, MANY + 1);
	check(bed.lines.high - bed.lines.low < 16384);
	rig_turn(&bed.s.rig);
	check_int(done[1], MANY);
	bed_close(&bed);
}

/* The nth allocation fails; false: there was no nth. */
static bool order_wants_memory(size_t n)
{
	struct bed bed;
	bool fired, accepted[3];
	size_t i;

	bed_open(&bed);
	faults_fail_nth(n);
	accepted[0] = bed_do(&bed, "pabc", 0) != 0;
	accepted[1] = bed_do(&bed, "pab", 1) != 0;
	accepted[2] = bed_do(&bed, "gab", 2) != 0;
	for (i = 0; i < 8; i++) {
		scripted_complete_all(bed.s.script, EVKV_OK);
		rig_turn(&bed.s.rig);
	}
	fired = faults_fired() > 0;
	faults_off();
	for (i = 0; i < 3; i++) {
		check_int(bed.a[i].calls, accepted[i]);
		if (accepted[i] && bed.a[i].status != EVKV_OK &&
		    bed.a[i].status != EVKV_UNKNOWN_OUTCOME)
			check_status(bed.a[i].status, EVKV_NOMEM);
	}
	bed_close(&bed);
	return fired;
}

EVKV_TEST(core_order, wanting_memory_each_still_ends_once)
{
	size_t n = 1;

	while (order_wants_memory(n))
		n++;
	check(n > 4);
}

static void inside_b(void *arg)
{
	bed_do(arg, "pb", 1);
}

static void inside_a(void *arg)
{
	bed_do(arg, "pab", 2);
}

/* What comes inside the submit() of others is behind them. */
EVKV_TEST(core_order, what_is_submitted_inside_a_submit)
{
	struct bed bed;

	bed_open(&bed);
	bed.lines.inside[1] = inside_b;
	bed.lines.inside[0] = inside_a;
	bed.lines.inside_count = 2;
	bed.lines.inside_arg = &bed;
	bed_do(&bed, "pa", 0);
	check_int(bed.lines.begun, 2);
	check_held(&bed, "pb pa");
	bed_do(&bed, "gb", 3);
	check_held(&bed, "pb pa");
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "pa");
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "pab");
	scripted_complete(bed.s.script, 0, EVKV_OK);
	check_held(&bed, "gb");
	scene_answer(&bed.s, EVKV_OK);
	for (size_t i = 0; i < 4; i++) {
		check_int(bed.a[i].calls, 1);
		check_status(bed.a[i].status, EVKV_OK);
	}
	bed_close(&bed);
}

/* Keys of one queue, moved about as others come and go. */
EVKV_TEST(core_order, many_keys)
{
	enum { KEYS = 300 };
	unsigned done[2] = { 0, 0 };
	unsigned char key[2];
	struct bed bed;
	unsigned i, round;

	bed_open(&bed);
	for (i = 0; i < 2 * KEYS; i++) {
		key[0] = (unsigned char)(i % KEYS);
		key[1] = (unsigned char)(i % KEYS >> 8);
		evkv_put(bed.s.store, EVKV_LIT("c"), evkv_bytes(key, 2),
		    EVKV_LIT("v"), 0, count_cb, done);
	}
	check_int(scripted_count(bed.s.script), KEYS);
	for (round = 0; scripted_count(bed.s.script) > 0; round++)
		scripted_complete(bed.s.script,
		    (round * 7919) % scripted_count(bed.s.script), EVKV_OK);
	check_int(bed.lines.begun, 2 * KEYS);
	rig_turn(&bed.s.rig);
	check_int(done[1], 2 * KEYS);
	bed_close(&bed);
}
