/*
 * tests/core/ops_test.c - each short call asks exactly for what its name says.
 */
#include "evkv/driver.h"
#include "rig.h"
#include "scripted.h"
#include "test.h"

struct ops {
	struct rig rig;
	struct scripted *script;
	struct evkv_store *store;
	struct answer answer;
};

static void ops_open(struct ops *ops)
{
	*ops = (struct ops){ .answer = ANSWER_INIT };
	rig_open(&ops->rig);
	ops->script = scripted_new();
	ops->store = scripted_store(ops->script, ops->rig.loop, NULL);
	check(ops->store != NULL);
}

static void ops_close(struct ops *ops)
{
	evkv_store_unref(ops->store);
	rig_close(&ops->rig);
	answer_free(&ops->answer);
	scripted_free(ops->script);
}

/* What came through to the driver, then answered and looked at. */
static const struct evkv_request *ops_asked(struct ops *ops, evkv_ticket ticket,
    enum evkv_kind kind, size_t count)
{
	const struct evkv_request *request;

	check(ticket != 0);
	check_int(scripted_count(ops->script), 1);
	request = scripted_request(ops->script, 0);
	check_int(request->kind, kind);
	check_int(request->count, count);
	check_int(request->timeout_ms, 0);
	check_int((request->flags & EVKV_FLAG_INLINE), 0);
	return request;
}

static void ops_answered(struct ops *ops, enum evkv_status status,
    enum evkv_status expected)
{
	scripted_complete_all(ops->script, status);
	rig_turn(&ops->rig);
	check_int(ops->answer.calls, 1);
	check_status(ops->answer.status, expected);
	answer_reset(&ops->answer);
}

#define C EVKV_LIT("c")
#define K EVKV_LIT("k")
#define V EVKV_LIT("v")

EVKV_TEST(core_ops, calls_on_one_key)
{
	const struct evkv_request *asked;
	struct answer *a;
	struct ops ops;

	ops_open(&ops);
	a = &ops.answer;
	/* Their status is that of the one entry. */
	asked = ops_asked(&ops, evkv_get(ops.store, C, K, answer_cb, a),
	    EVKV_OP_GET, 1);
	check_slice(asked->collection, "c");
	check_slice(asked->keys[0], "k");
	ops_answered(&ops, EVKV_NOT_FOUND, EVKV_NOT_FOUND);
	(void)ops_asked(&ops, evkv_ttl(ops.store, C, K, answer_cb, a),
	    EVKV_OP_TTL, 1);
	ops_answered(&ops, EVKV_NOT_FOUND, EVKV_NOT_FOUND);
	asked = ops_asked(&ops, evkv_put(ops.store, C, K, V, 70, answer_cb, a),
	    EVKV_OP_PUT, 1);
	check_slice(asked->values[0], "v");
	check_int(asked->ttl_ms, 70);
	check_int(asked->condition, EVKV_IF_ANY);
	ops_answered(&ops, EVKV_NOSPACE, EVKV_NOSPACE);
	asked = ops_asked(&ops,
	    evkv_put_if_absent(ops.store, C, K, V, 71, answer_cb, a),
	    EVKV_OP_PUT, 1);
	check_int(asked->ttl_ms, 71);
	check_int(asked->condition, EVKV_IF_ABSENT);
	ops_answered(&ops, EVKV_EXISTS, EVKV_EXISTS);
	asked = ops_asked(&ops,
	    evkv_put_if_present(ops.store, C, K, V, 72, answer_cb, a),
	    EVKV_OP_PUT, 1);
	check_int(asked->ttl_ms, 72);
	check_int(asked->condition, EVKV_IF_PRESENT);
	ops_answered(&ops, EVKV_NOT_FOUND, EVKV_NOT_FOUND);
	(void)ops_asked(&ops, evkv_delete(ops.store, C, K, answer_cb, a),
	    EVKV_OP_DELETE, 1);
	ops_answered(&ops, EVKV_NOT_FOUND, EVKV_NOT_FOUND);
	(void)ops_asked(&ops, evkv_exists(ops.store, C, K, answer_cb, a),
	    EVKV_OP_EXISTS, 1);
	ops_answered(&ops, EVKV_OK, EVKV_OK);
	asked = ops_asked(&ops, evkv_touch(ops.store, C, K, 73, answer_cb, a),
	    EVKV_OP_TOUCH, 1);
	check_int(asked->ttl_ms, 73);
	ops_answered(&ops, EVKV_NOT_FOUND, EVKV_NOT_FOUND);
	ops_close(&ops);
}

EVKV_TEST(core_ops, calls_on_many_keys)
{
	const struct evkv_slice keys[] = { K, EVKV_LIT("k2") };
	const struct evkv_slice values[] = { V, EVKV_LIT("v2") };
	const struct evkv_request *asked;
	struct answer *a;
	struct ops ops;

	ops_open(&ops);
	a = &ops.answer;
	/* Misses are answers: the whole is OK. */
	asked = ops_asked(&ops,
	    evkv_get_many(ops.store, C, keys, 2, answer_cb, a), EVKV_OP_GET, 2);
	check_slice(asked->keys[1], "k2");
	ops_answered(&ops, EVKV_NOT_FOUND, EVKV_OK);
	(void)ops_asked(&ops,
	    evkv_ttl_many(ops.store, C, keys, 2, answer_cb, a), EVKV_OP_TTL, 2);
	ops_answered(&ops, EVKV_NOT_FOUND, EVKV_OK);
	asked = ops_asked(&ops,
	    evkv_put_many(ops.store, C, keys, values, 2, 74, answer_cb, a),
	    EVKV_OP_PUT, 2);
	check_slice(asked->values[1], "v2");
	check_int(asked->ttl_ms, 74);
	ops_answered(&ops, EVKV_OK, EVKV_OK);
	(void)ops_asked(&ops,
	    evkv_delete_many(ops.store, C, keys, 2, answer_cb, a),
	    EVKV_OP_DELETE, 2);
	ops_answered(&ops, EVKV_NOT_FOUND, EVKV_OK);
	(void)ops_asked(&ops,
	    evkv_exists_many(ops.store, C, keys, 2, answer_cb, a),
	    EVKV_OP_EXISTS, 2);
	ops_answered(&ops, EVKV_IO, EVKV_IO);
	asked = ops_asked(&ops,
	    evkv_touch_many(ops.store, C, keys, 2, 75, answer_cb, a),
	    EVKV_OP_TOUCH, 2);
	check_int(asked->ttl_ms, 75);
	ops_answered(&ops, EVKV_NOT_FOUND, EVKV_OK);
	ops_close(&ops);
}

EVKV_TEST(core_ops, calls_without_keys)
{
	const struct evkv_request *asked;
	struct answer *a;
	struct ops ops;

	ops_open(&ops);
	a = &ops.answer;
	asked = ops_asked(&ops,
	    evkv_keys(ops.store, C, EVKV_LIT("p*"), EVKV_LIT("cursor"), 7,
		answer_cb, a),
	    EVKV_OP_KEYS, 0);
	check_slice(asked->collection, "c");
	check_slice(asked->match.pattern, "p*");
	check_slice(asked->match.cursor, "cursor");
	check_int(asked->match.limit, 7);
	ops_answered(&ops, EVKV_OK, EVKV_OK);
	asked = ops_asked(&ops,
	    evkv_collections(ops.store, EVKV_LIT("p*"), EVKV_LIT("cursor"), 8,
		answer_cb, a),
	    EVKV_OP_COLLECTIONS, 0);
	check_slice(asked->match.pattern, "p*");
	check_slice(asked->match.cursor, "cursor");
	check_int(asked->match.limit, 8);
	ops_answered(&ops, EVKV_OK, EVKV_OK);
	asked = ops_asked(&ops,
	    evkv_clear(ops.store, C, EVKV_LIT("p*"), answer_cb, a),
	    EVKV_OP_CLEAR, 0);
	check_slice(asked->collection, "c");
	check_slice(asked->match.pattern, "p*");
	ops_answered(&ops, EVKV_SERVER, EVKV_SERVER);
	(void)ops_asked(&ops, evkv_clear_all(ops.store, answer_cb, a),
	    EVKV_OP_CLEAR_ALL, 0);
	ops_answered(&ops, EVKV_OK, EVKV_OK);
	(void)ops_asked(&ops, evkv_purge_expired(ops.store, answer_cb, a),
	    EVKV_OP_PURGE_EXPIRED, 0);
	ops_answered(&ops, EVKV_OK, EVKV_OK);
	(void)ops_asked(&ops, evkv_ping(ops.store, answer_cb, a), EVKV_OP_PING,
	    0);
	ops_answered(&ops, EVKV_UNAVAILABLE, EVKV_UNAVAILABLE);
	(void)ops_asked(&ops, evkv_sync(ops.store, answer_cb, a), EVKV_OP_SYNC,
	    0);
	ops_answered(&ops, EVKV_OK, EVKV_OK);
	(void)ops_asked(&ops, evkv_compact(ops.store, answer_cb, a),
	    EVKV_OP_COMPACT, 0);
	ops_answered(&ops, EVKV_OK, EVKV_OK);
	ops_close(&ops);
}
