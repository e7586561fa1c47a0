/*
 * tests/model/run.c - plays a history on a store and compares each answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/number.h"
#include "model.h"

struct model_pending {
	struct answer answer;
	const struct model_op *op;
	size_t index;
	enum evkv_condition condition; /* as far as the store knows it */
	bool versions;
	struct model_known known[MODEL_BATCH];
	unsigned rounds; /* that it took to know what became of it */
};

struct model_player {
	struct model_run *run;
	struct evkv_conformance c;
	struct model_reference reference;
	struct model_pending pending[MODEL_GROUP];
	size_t pending_count;
	struct model_known known[MODEL_COLLECTIONS][MODEL_KEYS];
	/* Of the last callback on a key, and of the last of a write. */
	unsigned last_order[MODEL_COLLECTIONS][MODEL_KEYS];
	unsigned last_write[MODEL_COLLECTIONS][MODEL_KEYS];
};

/* ---- Comparing -------------------------------------------------------- */

/* By the delaying store: then it had no effect. */
static bool model_refused(const struct model_player *player,
    enum evkv_status status)
{
	return player->run->mode == CONFORMANCE_REFUSED &&
	    (status == EVKV_BUSY || status == EVKV_UNAVAILABLE);
}

static void model_compare_ttl(const struct model_player *player,
    const struct answer_entry *actual, const struct model_entry *expected)
{
	const struct evkv_conformance *c = &player->c;
	int64_t remaining, slack;

	if (expected->expires_ms == 0) {
		check_int(actual->ttl_ms, EVKV_TTL_NONE);
		return;
	}
	remaining = expected->expires_ms - player->reference.now_ms;
	slack = conformance_has(c, EVKV_CONFORMANCE_REAL_TIME) ? 600000 : 0;
	check_between(actual->ttl_ms, remaining > slack ? remaining - slack : 1,
	    remaining + 2 * (c->can->ttl_unit_ms - 1));
}

/*
 * A write calls back after everything before it on its key, and before
 * everything after it; reads in between in any order. What has several keys
 * calls back with the last of them, so one that came later may be before it.
 */
static void model_compare_order(struct model_player *player,
    const struct model_pending *pending, unsigned i)
{
	const struct model_op *op = pending->op;
	unsigned *last = &player->last_order[op->collection][op->keys[i]];
	unsigned *write = &player->last_write[op->collection][op->keys[i]];
	unsigned order = pending->answer.order;
	uint32_t classes = evkv_kind_classes((enum evkv_kind)op->kind);

	bool writes = (classes & EVKV_CLASS_WRITES) != 0;

	check(order >= (writes ? *last : *write));
	if (op->count > 1)
		return;
	if (writes)
		*write = order;
	if (order > *last)
		*last = order;
}

/* Versions are the same where and only where the entry is. */
static void model_learn(struct model_player *player,
    const struct model_pending *pending, const struct model_expected *expected,
    unsigned i)
{
	static const struct evkv_version none;
	const struct model_op *op = pending->op;
	const struct answer_entry *entry = &pending->answer.entries[i];
	struct model_known *known = &player->known[op->collection][op->keys[i]];

	if (!pending->versions) {
		check(evkv_version_equal(&entry->version, &none));
		return;
	}
	check(!evkv_version_equal(&entry->version, &none));
	if (known->entry.present && !player->reference.by_content)
		check_int(evkv_version_equal(&entry->version, &known->version),
		    known->entry.change == expected->entry[i].change);
	known->version = entry->version;
	known->entry = expected->entry[i];
}

static void model_compare_key(struct model_player *player,
    const struct model_pending *pending, const struct model_expected *expected,
    unsigned i)
{
	const struct model_op *op = pending->op;
	const struct answer_entry *entry = &pending->answer.entries[i];
	uint32_t classes = evkv_kind_classes((enum evkv_kind)op->kind);
	char buffer[MODEL_VALUE_MAX];

	if (model_refused(player, entry->status)) {
		check(!entry->has_value);
		return;
	}
	check_status(entry->status, expected->status[i]);
	model_compare_order(player, pending, i);
	if (entry->status != EVKV_OK) {
		check(!entry->has_value);
		return;
	}
	if (op->kind == EVKV_OP_INCR)
		check_int(entry->number, expected->entry[i].number);
	model_learn(player, pending, expected, i);
	check_int(entry->has_value, (classes & EVKV_CLASS_ANSWERS_VALUES) != 0);
	if (!entry->has_value)
		return;
	check_bytes(entry->bytes, model_bytes(&expected->entry[i], buffer));
	if (op->kind == EVKV_OP_TTL)
		model_compare_ttl(player, entry, &expected->entry[i]);
}

/* What is said of the whole; `refused` has a bit for each entry that was. */
static void model_compare_whole(const struct model_player *player,
    const struct model_pending *pending, const struct model_expected *expected,
    uint32_t refused)
{
	const struct answer *answer = &pending->answer;
	unsigned i;

	if (refused != 0) {
		for (i = 0; (refused >> i & 1) == 0; i++)
			;
		check_status(answer->status, answer->entries[i].status);
		return;
	}
	check_status(answer->status, expected->whole);
	if (answer->affected == -1)
		check((player->c.can->flags & EVKV_STORE_EXACT_AFFECTED) == 0);
	else if (pending->op->kind != EVKV_OP_PURGE_EXPIRED &&
	    pending->rounds == 1)
		check_int(answer->affected, expected->affected);
}

/* In the order of submission, which is what the reference knows. */
static void model_compare(struct model_player *player,
    const struct model_pending *pending)
{
	const struct answer *answer = &pending->answer;
	const struct model_op *op = pending->op;
	uint32_t classes = evkv_kind_classes((enum evkv_kind)op->kind);
	struct model_expected expected;
	struct model_op given; /* with what the store claims alone */
	uint32_t refused = 0;
	unsigned i;

	player->run->at = pending->index;
	check_int(answer->calls, 1);
	check_int(answer->kind, op->kind);
	if ((classes & EVKV_CLASS_HAS_KEYS) == 0) {
		if (model_refused(player, answer->status))
			return;
		model_apply(&player->reference, op, NULL, 0, &expected);
		model_compare_whole(player, pending, &expected, 0);
		return;
	}
	check_int(answer->count, op->count);
	for (i = 0; i < op->count; i++) {
		if (model_refused(player, answer->entries[i].status))
			refused |= UINT32_C(1) << i;
	}
	given = *op;
	given.condition = (uint8_t)pending->condition;
	model_apply(&player->reference, &given, pending->known, refused,
	    &expected);
	model_compare_whole(player, pending, &expected, refused);
	for (i = 0; i < op->count; i++)
		model_compare_key(player, pending, &expected, i);
}

static void model_flush(struct model_player *player)
{
	size_t i;

	for (i = 0; i < player->pending_count; i++) {
		rig_wait(&player->c.rig, &player->pending[i].answer.calls);
		model_compare(player, &player->pending[i]);
		answer_reset(&player->pending[i].answer);
	}
	player->pending_count = 0;
}

/* ---- Playing ---------------------------------------------------------- */

static void model_submit_put(struct model_player *player,
    struct evkv_request *request, const struct model_op *op,
    struct answer *answer)
{
	char buffers[MODEL_BATCH][MODEL_VALUE_MAX];
	struct evkv_slice values[MODEL_BATCH];
	struct evkv_value *counted[MODEL_BATCH];
	unsigned i;

	for (i = 0; i < op->count; i++) {
		values[i] = model_value(op->serial, i, buffers[i]);
		counted[i] = op->counted ? evkv_value_new(values[i]) : NULL;
	}
	if (op->counted)
		request->counted_values = counted;
	else
		request->values = values;
	check(evkv_submit(player->c.store, request, answer_cb, answer) != 0);
	for (i = 0; i < op->count; i++)
		evkv_value_unref(counted[i]);
}

static void model_submit(struct model_player *player, const struct model_op *op,
    struct model_pending *pending)
{
	enum evkv_kind kind = (enum evkv_kind)op->kind;
	uint32_t classes = evkv_kind_classes(kind);
	struct evkv_version versions[MODEL_BATCH];
	struct evkv_slice keys[MODEL_BATCH];
	struct evkv_request request = { .kind = kind };
	unsigned i;

	if ((classes & EVKV_CLASS_COLLECTION) != 0)
		request.collection = model_collections[op->collection];
	if ((classes & EVKV_CLASS_HAS_KEYS) != 0) {
		for (i = 0; i < op->count; i++)
			keys[i] = model_keys[op->keys[i]];
		request.keys = keys;
		request.count = op->count;
		request.flags = op->single ? EVKV_FLAG_SINGLE : 0;
	} else if ((classes & EVKV_CLASS_SPANS) != 0 &&
	    kind != EVKV_OP_PURGE_EXPIRED) {
		request.match.prefix = model_prefix(op);
		request.match.pattern = model_pattern(op);
	}
	if ((classes & EVKV_CLASS_HAS_TTL) != 0) {
		request.ttl_ms = op->ttls[0];
		request.ttls_ms = op->each_ttl ? op->ttls : NULL;
	}
	if (kind == EVKV_OP_INCR) {
		request.delta = op->delta;
		request.initial = op->initial;
	}
	if (pending->versions)
		request.flags |= EVKV_FLAG_VERSIONS;
	request.condition = pending->condition;
	for (i = 0; i < MODEL_BATCH; i++)
		versions[i] = pending->known[i].version;
	if (request.condition == EVKV_IF_VERSION)
		request.versions = versions;
	if (kind == EVKV_OP_PUT)
		model_submit_put(player, &request, op, &pending->answer);
	else
		check(evkv_submit(player->c.store, &request, answer_cb,
			  &pending->answer) != 0);
	check_int(pending->answer.calls, 0);
}

static void model_enumerate(struct model_player *player,
    const struct model_op *op)
{
	const struct evkv_slice *all = op->kind == EVKV_OP_KEYS
	    ? model_keys
	    : model_collections;
	unsigned most = op->kind == EVKV_OP_KEYS ? MODEL_KEYS
						 : MODEL_COLLECTIONS;
	uint32_t expected = model_names(&player->reference, op), actual = 0;
	bool unique = (player->c.can->flags & EVKV_STORE_ENUM_UNIQUE) != 0;
	struct answer answer = ANSWER_INIT;
	char cursor[EVKV_CURSOR_MAX];
	struct evkv_request request = { .kind = (enum evkv_kind)op->kind,
		.match.prefix = model_prefix(op),
		.match.pattern = model_pattern(op),
		.match.limit = op->limit };
	unsigned pages = 0, n; /* and tries */
	size_t i;

	if (op->kind == EVKV_OP_KEYS)
		request.collection = model_collections[op->collection];
	do {
		answer_reset(&answer);
		check(evkv_submit(player->c.store, &request, answer_cb,
			  &answer) != 0);
		rig_wait(&player->c.rig, &answer.calls);
		check(++pages < 10000);
		if (model_refused(player, answer.status))
			continue;
		check_status(answer.status, EVKV_OK);
		for (i = 0; i < answer.count; i++) {
			for (n = 0; n < most &&
			     !evkv_slice_equal(all[n], answer.entries[i].name);
			     n++)
				;
			check(n < most);
			check(!unique || (actual >> n & 1) == 0);
			actual |= UINT32_C(1) << n;
		}
		check(answer.cursor.size <= sizeof(cursor));
		if (answer.cursor.size > 0)
			memcpy(cursor, answer.cursor.data, answer.cursor.size);
		request.match.cursor = evkv_bytes(cursor, answer.cursor.size);
	} while (request.match.cursor.size > 0 ||
	    model_refused(player, answer.status));
	answer_free(&answer);
	if (actual != expected)
		fail_test("names are (as bits) %x, expected %x", actual,
		    expected);
}

static void model_advance(struct model_player *player, int64_t ms)
{
	if (conformance_has(&player->c, EVKV_CONFORMANCE_REAL_TIME))
		return;
	/* What goes on behind the answers does not take hours. */
	rig_turn(&player->c.rig);
	rig_advance(&player->c.rig, ms);
	rig_turn(&player->c.rig);
	player->reference.now_ms += ms;
}

/*
 * Where a part of what spans keys was refused, a part may have been done: it is
 * done again until all of it is.
 */
static void model_know(struct model_player *player,
    struct model_pending *pending)
{
	rig_wait(&player->c.rig, &pending->answer.calls);
	while (player->run->mode == CONFORMANCE_REFUSED &&
	    (pending->answer.status == EVKV_UNKNOWN_OUTCOME ||
		(pending->rounds > 1 &&
		    model_refused(player, pending->answer.status)))) {
		check(++pending->rounds < 1000);
		answer_reset(&pending->answer);
		model_submit(player, pending->op, pending);
		rig_wait(&player->c.rig, &pending->answer.calls);
	}
}

/* What of the operation the store claims, and the versions known now. */
static void model_prepare(struct model_player *player,
    struct model_pending *pending)
{
	const struct evkv_capabilities *can = player->c.can;
	const struct model_op *op = pending->op;
	uint32_t conditions = 0;
	unsigned i;

	if (op->kind == EVKV_OP_PUT)
		conditions = can->put_conditions;
	else if (op->kind == EVKV_OP_DELETE)
		conditions = can->delete_conditions;
	else if (op->kind == EVKV_OP_TOUCH)
		conditions = can->touch_conditions;
	pending->condition = EVKV_IF_ANY;
	if ((conditions >> op->condition & 1) != 0)
		pending->condition = (enum evkv_condition)op->condition;
	pending->versions = op->versions &&
	    (can->request_flags & EVKV_FLAG_VERSIONS) != 0 &&
	    (op->kind == EVKV_OP_GET || op->kind == EVKV_OP_TTL ||
		op->kind == EVKV_OP_PUT || op->kind == EVKV_OP_INCR);
	for (i = 0; i < MODEL_BATCH; i++)
		pending->known[i] = player->known[op->collection][op->keys[i]];
}

/* What spans keys is not ordered against what is under way. */
static void model_play_op(struct model_player *player, size_t index)
{
	const struct model_op *op = &player->run->ops[index];
	struct model_pending *pending;
	uint32_t classes;

	player->run->at = index;
	player->run->worked++;
	if (op->kind == MODEL_ADVANCE) {
		model_flush(player);
		model_advance(player, op->advance_ms);
		return;
	}
	if (!conformance_can(&player->c, (enum evkv_kind)op->kind))
		return;
	classes = evkv_kind_classes((enum evkv_kind)op->kind);
	if ((classes & EVKV_CLASS_SPANS) != 0)
		model_flush(player);
	if ((classes & EVKV_CLASS_PAGES) != 0) {
		model_enumerate(player, op);
		return;
	}
	pending = &player->pending[player->pending_count++];
	pending->op = op;
	pending->index = index;
	pending->rounds = 1;
	model_prepare(player, pending);
	model_submit(player, op, pending);
	if ((classes & EVKV_CLASS_SPANS) != 0)
		model_know(player, pending);
	if (op->wait_after || player->pending_count == MODEL_GROUP ||
	    (classes & EVKV_CLASS_SPANS) != 0)
		model_flush(player);
}

static void model_play(void *arg)
{
	struct model_player *player = arg;
	size_t i;

	conformance_open(&player->c);
	player->reference.by_content = (player->c.can->flags &
					   EVKV_STORE_VERSION_BY_CONTENT) != 0;
	player->reference.touch_keeps = (player->c.can->flags &
					    EVKV_STORE_TOUCH_KEEPS_VERSION) !=
	    0;
	for (i = 0; i < player->run->count; i++)
		model_play_op(player, i);
	model_flush(player);
}

static void model_end(void *arg)
{
	conformance_end(&((struct model_player *)arg)->c);
}

bool model_run(struct model_run *run)
{
	static struct model_player *player; /* a setup may skip and leave it */
	char text[900];
	size_t i;
	bool ok;

	free(player);
	player = calloc(1, sizeof(*player));
	if (player == NULL)
		abort();
	player->run = run;
	player->reference.now_ms = 1;
	conformance_begin(&player->c, run->suite, run->mode);
	ok = test_try(model_play, player);
	(void)snprintf(text, sizeof(text), "%s", test_message());
	/* Also after a failure: pending ones call back while all is there. */
	if (!test_try(model_end, player) && ok) {
		ok = false;
		(void)snprintf(text, sizeof(text), "%s", test_message());
	}
	for (i = 0; i < MODEL_GROUP; i++)
		answer_free(&player->pending[i].answer);
	free(player);
	player = NULL;
	if (!ok)
		test_set_message(text);
	return ok;
}
