/*
 * tests/engines/pipeline/reentry_test.c - what others do to the pipeline inside
 * the end of a slot: child ops are told at once, without a turn in between.
 */
#include <stdio.h>
#include <string.h>

#include "scene.h"

#define CHILDREN 40

struct family;

struct child {
	struct family *family;
	struct evkv_op *op; /* while it is under way */
	unsigned number;
	unsigned calls;
	enum evkv_status status;
};

struct family {
	struct scene s;
	struct child children[CHILDREN];
	unsigned born, ended;
	/* Called in each end, with the child that has ended. */
	void (*then)(struct family *family, struct child *child);
	unsigned left;
	bool once;
};

static void child_ended(struct evkv_op *op, void *arg)
{
	const struct evkv_result *result = evkv_op_result(op);
	struct child *child = arg;

	child->calls++;
	child->op = NULL;
	child->status = result->status;
	child->family->ended++;
	if (child->family->then != NULL)
		child->family->then(child->family, child);
}

static void child_begin(struct family *f, enum evkv_kind kind)
{
	struct child *child = &f->children[f->born];
	struct evkv_slice key, value = EVKV_LIT("v");
	struct evkv_request request = {
		.kind = kind,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = kind == EVKV_OP_PUT ? &value : NULL,
		.timeout_ms = -1,
	};
	struct evkv_op *op;
	char name[16];

	check(f->born < CHILDREN);
	child->family = f;
	child->number = f->born++;
	snprintf(name, sizeof(name), "k%u", child->number);
	key = evkv_str(name);
	op = evkv_child_submit(NULL, f->s.store, &request, 0, child_ended,
	    child);
	if (child->calls == 0)
		child->op = op;
}

/* So many, until the server has them all. */
static void family_send(struct family *f, enum evkv_kind kind, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++)
		child_begin(f, kind);
	rig_until(&f->s.rig, f->s.server.gets + f->s.server.puts == count);
}

static void family_open(struct family *f,
    void (*then)(struct family *family, struct child *child))
{
	memset(f, 0, sizeof(*f));
	scene_open_ready(&f->s);
	f->then = then;
}

static void family_close(struct family *f, unsigned count)
{
	unsigned i;

	check_int(f->born, count);
	for (i = 0; i < count; i++)
		check_int(f->children[i].calls, 1);
	check_int(f->ended, count);
}

/* ---- Submitting again -------------------------------------------------- */

static void then_submit(struct family *f, struct child *child)
{
	(void)child;
	if (f->left > 0) {
		f->left--;
		child_begin(f, EVKV_OP_GET);
	}
}

EVKV_TEST(pipeline_reentry, the_next_begins_in_the_end_of_the_last)
{
	struct family f;

	family_open(&f, then_submit);
	f.left = CHILDREN - 3;
	child_begin(&f, EVKV_OP_GET);
	child_begin(&f, EVKV_OP_GET);
	child_begin(&f, EVKV_OP_GET);
	rig_until(&f.s.rig, f.ended == CHILDREN);
	check_status(f.children[CHILDREN - 1].status, EVKV_OK);
	family_close(&f, CHILDREN);
	scene_close(&f.s);
}

/* What is submitted while a lost connection's slots end waits for the next. */
EVKV_TEST(pipeline_reentry, begun_anew_while_the_connection_is_lost)
{
	struct family f;
	unsigned i;

	family_open(&f, then_submit);
	f.s.peer->plan.silent = true;
	family_send(&f, EVKV_OP_GET, 10);
	f.left = 10;
	peer_cut_all(f.s.peer);
	rig_until(&f.s.rig, f.ended == 10);
	check_int(scene_counters(&f.s).waiting, 10);
	f.s.peer->plan.silent = false;
	rig_advance(&f.s.rig, 60);
	rig_until(&f.s.rig, f.ended == 20);
	for (i = 0; i < 20; i++)
		check_status(f.children[i].status,
		    i < 10 ? EVKV_UNAVAILABLE : EVKV_OK);
	family_close(&f, 20);
	scene_close(&f.s);
}

/* ---- Ending others ----------------------------------------------------- */

static void then_detach(struct family *f, struct child *child)
{
	struct child *other = &f->children[child->number + 1];

	if (child->number + 1 < f->born && other->op != NULL &&
	    child->number % 2 == 0)
		evkv_child_detach(other->op, EVKV_CANCELED,
		    EVKV_CAUSE_CANCELED);
}

/* Each that is answered takes its neighbour away. */
EVKV_TEST(pipeline_reentry, an_answer_detaches_the_next)
{
	struct family f;
	unsigned i;

	family_open(&f, then_detach);
	for (i = 0; i < 20; i++)
		child_begin(&f, i % 4 < 2 ? EVKV_OP_GET : EVKV_OP_PUT);
	rig_until(&f.s.rig, f.ended == 20);
	for (i = 0; i < 20; i++)
		check_status(f.children[i].status,
		    i % 2 == 0       ? EVKV_OK
			: i % 4 == 1 ? EVKV_CANCELED
				     : EVKV_UNKNOWN_OUTCOME);
	for (i = 0; i < 5; i++)
		rig_turn_waiting(&f.s.rig);
	check_int(scene_counters(&f.s).tombstones, 0);
	check_int(f.s.peer->accepted, 1);
	family_close(&f, 20);
	scene_close(&f.s);
}

/* The neighbour is on the list of those that end already. */
EVKV_TEST(pipeline_reentry, a_lost_one_detaches_the_next)
{
	struct family f;
	unsigned i;

	family_open(&f, then_detach);
	f.s.peer->plan.silent = true;
	family_send(&f, EVKV_OP_PUT, 20);
	peer_cut_all(f.s.peer);
	rig_until(&f.s.rig, f.ended == 20);
	for (i = 0; i < 20; i++)
		check_status(f.children[i].status, EVKV_UNKNOWN_OUTCOME);
	for (i = 0; i < 5; i++)
		rig_turn(&f.s.rig);
	check_int(scene_counters(&f.s).outstanding, 0);
	family_close(&f, 20);
	scene_close(&f.s);
}

/* ---- Closing ----------------------------------------------------------- */

static void then_close(struct family *f, struct child *child)
{
	(void)child;
	if (f->once)
		return;
	f->once = true;
	evkv_store_close(f->s.store, 0, answer_cb, &f->s.answers[0]);
}

static void close_in_end(bool lost)
{
	struct family f;
	unsigned i;

	family_open(&f, then_close);
	f.s.peer->plan.silent = lost;
	family_send(&f, EVKV_OP_PUT, 20);
	if (lost)
		peer_cut_all(f.s.peer);
	rig_until(&f.s.rig, f.ended == 20);
	rig_wait(&f.s.rig, &f.s.answers[0].calls);
	for (i = 0; i < 20; i++)
		check(f.children[i].status == EVKV_OK ||
		    f.children[i].status == EVKV_UNKNOWN_OUTCOME);
	child_begin(&f, EVKV_OP_GET);
	check_status(f.children[20].status, EVKV_CLOSED);
	family_close(&f, 21);
	scene_close(&f.s);
}

EVKV_TEST(pipeline_reentry, an_answer_closes_the_store)
{
	close_in_end(false);
}

EVKV_TEST(pipeline_reentry, a_lost_one_closes_the_store)
{
	close_in_end(true);
}

static void then_unref(struct family *f, struct child *child)
{
	(void)child;
	if (f->once)
		return;
	f->once = true;
	evkv_store_unref(f->s.store);
}

EVKV_TEST(pipeline_reentry, an_answer_lets_go_of_the_store)
{
	struct family f;
	unsigned i;

	family_open(&f, then_unref);
	for (i = 0; i < 20; i++)
		child_begin(&f, EVKV_OP_PUT);
	rig_until(&f.s.rig, f.ended == 20);
	peer_close(f.s.peer);
	rig_settle(&f.s.rig);
	family_close(&f, 20);
	rig_close(&f.s.rig);
}

/* ---- A driver that ends its pipeline inside end() ---------------------- */

struct brief {
	struct evkv_pipeline *pipeline;
	struct evkv_slot slots[3];
	unsigned ended;
	bool free_at_once;
};

static void brief_connected(void *self)
{
	evkv_pipeline_ready(((struct brief *)self)->pipeline);
}

static bool brief_encode(void *self, struct evkv_slot *slot)
{
	(void)slot;
	return evkv_pipeline_append(((struct brief *)self)->pipeline, "n\n", 2);
}

static enum evkv_parse brief_parse(void *self, struct evkv_slot *slot,
    const char *data, size_t size, size_t *used)
{
	(void)self;
	(void)data;
	if (slot == NULL || size < 2)
		return EVKV_PARSE_MORE;
	*used = 2;
	return EVKV_PARSE_ANSWERED;
}

static void brief_end(void *self, struct evkv_slot *slot,
    const struct evkv_slot_end *end)
{
	struct brief *brief = self;

	(void)slot;
	(void)end;
	if (brief->ended++ > 0)
		return;
	if (brief->free_at_once)
		evkv_pipeline_free(brief->pipeline);
	else
		evkv_pipeline_close(brief->pipeline);
}

static const struct evkv_protocol brief_protocol = {
	.size = sizeof(struct evkv_protocol),
	.name = "brief",
	.connected = brief_connected,
	.encode = brief_encode,
	.parse = brief_parse,
	.end = brief_end,
};

static void run_brief(bool free_at_once, bool cut)
{
	struct brief brief = { .free_at_once = free_at_once };
	struct scene s;
	unsigned i;

	scene_begin(&s);
	brief.pipeline = evkv_pipeline_new(s.rig.loop, &brief_protocol, &brief,
	    &s.options.pipeline, NULL);
	check(brief.pipeline != NULL);
	for (i = 0; i < 3; i++)
		check(evkv_pipeline_submit(brief.pipeline, &brief.slots[i]) ==
		    NULL);
	s.peer->plan.silent = cut;
	if (cut) {
		rig_until(&s.rig, s.server.commands == 3);
		peer_cut_all(s.peer);
	}
	rig_until(&s.rig, brief.ended == 3);
	peer_close(s.peer);
	if (!free_at_once) {
		check(evkv_pipeline_submit(brief.pipeline, &brief.slots[0])
			  ->status == EVKV_CLOSED);
		evkv_pipeline_free(brief.pipeline);
	}
	rig_settle(&s.rig);
	rig_close(&s.rig);
}

EVKV_TEST(pipeline_reentry, a_driver_closes_inside_end)
{
	run_brief(false, false);
	run_brief(false, true);
}

EVKV_TEST(pipeline_reentry, a_driver_frees_inside_end)
{
	run_brief(true, false);
	run_brief(true, true);
}
