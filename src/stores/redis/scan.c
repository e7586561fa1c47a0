/*
 * Operations on entries that they do not name: KEYS, COLLECTIONS, CLEAR and
 * CLEAR_ALL, by SCAN ... TYPE string, round by round on the first connection.
 *
 * A page of names is as many rounds as bring `limit` names, bounded so that a
 * pattern that matches little in a large database gives empty pages in between
 * instead of holding an operation for ever. Its cursor is the server's.
 *
 * A removal goes on until the cursor has come round. Each round sends the
 * UNLINK of what the one before has found together with the next SCAN. Cut off
 * in the middle it is UNKNOWN_OUTCOME as soon as anything was sent; refused in
 * the middle, or out of memory, as soon as an UNLINK has removed something. A
 * waiter that goes away ends it after the round that is under way.
 */
#include "resp.h"
#include "scan.h"

#define SCAN_COUNT_MIN 16
#define SCAN_COUNT_MAX 1000
#define SCAN_PAGE_ROUNDS 64

/* ---- Writing ---------------------------------------------------------- */

static bool scan_write(struct redis_scan *scan)
{
	struct evkv_pipeline *pipeline = scan->part.connection->pipeline;
	size_t count = scan->removes || scan->limit > SCAN_COUNT_MAX
	    ? SCAN_COUNT_MAX
	    : scan->limit;
	char *room, *at;

	if (count < SCAN_COUNT_MIN)
		count = SCAN_COUNT_MIN;
	room = evkv_pipeline_reserve(pipeline,
	    12 * RESP_HEAD_MAX + resp_word_max(scan->match.size));
	if (room == NULL)
		return false;
	at = resp_command(room, 8);
	at = resp_word(at, EVKV_LIT("SCAN"));
	at = resp_word(at, evkv_bytes(scan->cursor, scan->cursor_size));
	at = resp_word(at, EVKV_LIT("MATCH"));
	at = resp_word(at, scan->match);
	at = resp_word(at, EVKV_LIT("COUNT"));
	at = resp_number(at, count);
	at = resp_raw(at, "$4\r\nTYPE\r\n$6\r\nstring\r\n", 22);
	evkv_pipeline_commit(pipeline, (size_t)(at - room));
	return true;
}

/*
 * A round that had to wait may go out on another connection: to another server,
 * or to one that was restarted, whose cursors are others.
 */
static void scan_connection(struct redis_scan *scan, uint64_t number)
{
	if (scan->number != 0 && scan->number != number) {
		scan->cursor[0] = '0';
		scan->cursor_size = 1;
	}
	scan->number = number;
}

static bool scan_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	struct redis_scan *scan = (struct redis_scan *)part;

	scan_connection(scan, connection->number);
	if (scan->victim_count > 0 && !evkv__redis_scan_unlink(scan))
		return false;
	return scan->ended || scan_write(scan);
}

/* ---- Replies ---------------------------------------------------------- */

/* What was removed before makes the outcome unknown. */
static void scan_fail(struct redis_scan *scan, enum evkv_status status,
    enum evkv_cause cause, const char *message)
{
	if (!scan->failed && scan->removed > 0)
		evkv_op_cut(scan->op, status, cause, message);
	else if (!scan->failed)
		evkv_op_fail(scan->op, status, cause, message);
	scan->failed = true;
}

static bool scan_refuse(struct redis_scan *scan, struct evkv_slice words)
{
	struct redis_error error;

	evkv__redis_error_read(words, &error);
	scan_fail(scan, error.status, error.cause, error.message);
	if (error.reconnect)
		evkv__redis_connection_renew(scan->part.connection);
	return true;
}

static bool scan_item_cursor(struct redis_scan *scan,
    const struct redis_item *item)
{
	const char *digits = item->bytes.data;

	if (item->type != REDIS_ITEM_STRING || item->bytes.size == 0 ||
	    item->bytes.size > SCAN_CURSOR_MAX)
		return false;
	for (size_t i = 0; i < item->bytes.size; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return false;
	}
	memcpy(scan->cursor, digits, item->bytes.size);
	scan->cursor_size = item->bytes.size;
	scan->ended = item->bytes.size == 1 && digits[0] == '0';
	return true;
}

/* The reply to SCAN: the next cursor, then names. */
static bool scan_item_page(struct redis_scan *scan,
    const struct redis_item *item)
{
	if (item->depth == 0)
		return item->type == REDIS_ITEM_ARRAY && item->number == 2;
	if (item->depth == 1)
		return item->index == 0
		    ? scan_item_cursor(scan, item)
		    : item->index == 1 && item->type == REDIS_ITEM_ARRAY;
	if (item->parent != 1 || item->type != REDIS_ITEM_STRING)
		return false;
	if (!scan->failed && !evkv__redis_scan_name(scan, item->bytes))
		scan_fail(scan, EVKV_NOMEM, EVKV_CAUSE_NOMEM, "out of memory");
	return true;
}

static bool scan_item(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	struct redis_scan *scan = (struct redis_scan *)part;

	(void)connection;
	if (item->depth == 0 && item->type == REDIS_ITEM_ERROR)
		return scan_refuse(scan, item->bytes);
	if (part->answered > 0 || part->half)
		return scan_item_page(scan, item);
	if (item->depth != 0 || item->type != REDIS_ITEM_INTEGER ||
	    item->number < 0 || (uint64_t)item->number > scan->victim_count)
		return false;
	scan->removed += item->number;
	scan->victim_count = 0;
	scan->victim_size = 0;
	return true;
}

/* ---- Rounds ----------------------------------------------------------- */

static void scan_free(struct redis_scan *scan)
{
	evkv_free(scan->victims);
	evkv_free(scan->seen);
	scan->victims = NULL;
	scan->seen = NULL;
}

static const struct evkv_slot_end *scan_round(struct redis_scan *scan)
{
	bool unlinks = scan->victim_count > 0;

	scan->rounds++;
	scan->part.answered = 0;
	/* Whether the round's first reply is that to SCAN. */
	scan->part.half = !unlinks;
	scan->part.replies = (unlinks ? 1U : 0U) + (scan->ended ? 0U : 1U);
	scan->part.base.slot.size = scan->victim_size + scan->match.size;
	return evkv_pipeline_submit(scan->part.connection->pipeline,
	    &scan->part.base.slot);
}

/* Whether the op has all that it asked for. */
static bool scan_finished(const struct redis_scan *scan)
{
	if (scan->removes)
		return scan->ended && scan->victim_count == 0;
	return scan->ended || evkv_op_entry_count(scan->op) >= scan->limit ||
	    scan->rounds >= SCAN_PAGE_ROUNDS;
}

static void scan_finish(struct redis_scan *scan)
{
	if (scan->removes)
		evkv_op_set_affected(scan->op, scan->removed);
	else if (!scan->ended)
		evkv_op_set_position(scan->op, "redis",
		    evkv_bytes(scan->cursor, scan->cursor_size));
}

static void scan_end(struct redis_connection *connection,
    struct redis_part *part, const struct evkv_slot_end *end)
{
	struct redis_scan *scan = (struct redis_scan *)part;
	struct evkv_op *op = scan->op;

	(void)connection;
	if (end->fate == EVKV_SLOT_ANSWERED && !scan->failed &&
	    !evkv_op_detached(op)) {
		if (!scan_finished(scan)) {
			end = scan_round(scan);
			if (end == NULL)
				return;
		} else {
			scan_finish(scan);
		}
	}
	if (end->fate != EVKV_SLOT_ANSWERED)
		evkv_slot_fail(op, end);
	scan_free(scan);
	evkv_op_complete(op);
}

static const struct redis_command scan_command = {
	.encode = scan_encode,
	.item = scan_item,
	.end = scan_end,
};

void evkv__redis_scan_stop(struct evkv_op *op)
{
	struct redis_scan *scan = evkv_op_data(op);

	if (!evkv_pipeline_stop(scan->part.connection->pipeline,
		&scan->part.base.slot))
		return;
	scan_free(scan);
	evkv_op_cut(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
	evkv_op_complete(op);
}

/* ---- Submitting ------------------------------------------------------- */

/* Where the page begins; false: the cursor is not one of ours. */
static bool scan_start(struct redis_scan *scan,
    const struct evkv_request *request)
{
	struct redis_item item = { .type = REDIS_ITEM_STRING };

	scan->cursor[0] = '0';
	scan->cursor_size = 1;
	if (request->match.cursor.size == 0)
		return true;
	if (!evkv_cursor_open(request, "redis", &item.bytes) ||
	    !scan_item_cursor(scan, &item))
		return false;
	scan->ended = false;
	return true;
}

static enum evkv_verdict scan_begin(struct redis_scan *scan,
    const struct evkv_request *request)
{
	const struct evkv_slot_end *why;

	if (!evkv_op_keep(scan->op) || !evkv__redis_scan_match(scan, request))
		return evkv_op_nomem(scan->op);
	why = scan_round(scan);
	return why == NULL ? EVKV_VERDICT_PENDING
			   : evkv_slot_fail(scan->op, why);
}

enum evkv_verdict evkv__redis_scan_submit(struct redis_store *store,
    struct evkv_op *op, const struct evkv_request *request)
{
	struct redis_scan *scan;

	if (request->kind == EVKV_OP_CLEAR_ALL && store->prefix.size == 0 &&
	    !store->options.allow_unprefixed_clear_all)
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "clear_all without a key_prefix would empty the database: "
		    "set allow_unprefixed_clear_all if that is meant");
	scan = evkv_op_alloc(op, sizeof(*scan));
	if (scan == NULL)
		return evkv_op_nomem(op);
	memset(scan, 0, sizeof(*scan));
	scan->store = store;
	scan->op = op;
	scan->removes = request->kind == EVKV_OP_CLEAR ||
	    request->kind == EVKV_OP_CLEAR_ALL;
	scan->limit = request->match.limit != 0 ? request->match.limit
						: SCAN_COUNT_MAX;
	scan->part.base.slot.op = op;
	scan->part.base.slot.flags = EVKV_SLOT_KEPT;
	scan->part.command = &scan_command;
	scan->part.connection = &store->connections[0];
	evkv_op_set_data(op, scan);
	if (!scan_start(scan, request))
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "the cursor is not one of this store and query");
	return scan_begin(scan, request);
}
