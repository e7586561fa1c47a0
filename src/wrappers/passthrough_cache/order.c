/*
 * wrappers/passthrough_cache/order.c - operations on one key take their turn.
 *
 * The cache answers at once what the primary answers later, and a cache that
 * is itself slow lets a read overtake the write before it. So each operation
 * that can't end inside submit stands in a queue at each of its keys:
 *
 *   - it is completed when it is the first at all of them;
 *   - if the cache has ever answered later, it also begins in its turn: a
 *     write as the first of all, a read when no write is before it. Reads go
 *     side by side, so that they share loads.
 *
 * One that is told off (deadline, cancel, close) leaves the queues at once:
 * nobody waits for what has been given up.
 */
#include "wrappers/passthrough_cache/cache.h"

/* ---- Whose turn it is --------------------------------------------------- */

static bool may_begin(const struct turn *turn)
{
	if (!turn->cache->slow)
		return true;
	return turn->writes ? turn->before == 0 : turn->writes_before == 0;
}

static bool is_due(const struct turn *turn)
{
	return turn->ended ? turn->before == 0
			   : !turn->begun && may_begin(turn);
}

static void due_add(struct turn *turn)
{
	struct cache *cache = turn->cache;

	if (turn->due_link != NULL || !is_due(turn))
		return;
	turn->due_next = NULL;
	turn->due_link = cache->due_tail;
	*cache->due_tail = turn;
	cache->due_tail = &turn->due_next;
}

static void due_remove(struct turn *turn)
{
	if (turn->due_link == NULL)
		return;
	if (turn->due_next != NULL)
		turn->due_next->due_link = turn->due_link;
	else
		turn->cache->due_tail = turn->due_link;
	*turn->due_link = turn->due_next;
	turn->due_link = NULL;
}

/* ---- The queue of a key ------------------------------------------------- */

/* A key that an operation names twice is queued for once. */
static void key_add(struct turn *turn, struct note *note)
{
	struct turn_key *key, *last = note->last_turn;

	if (last != NULL && last->turn == turn)
		return;
	note->refs++;
	key = &turn->keys[turn->count++];
	key->turn = turn;
	key->note = note;
	key->next = NULL;
	key->previous = last;
	key->write_before = note->turn_writes > 0;
	if (last != NULL)
		last->next = key;
	else
		note->first_turn = key;
	note->last_turn = key;
	turn->before += last != NULL;
	turn->writes_before += key->write_before;
	note->turn_writes += turn->writes;
}

/* A write has gone: what stands behind it, up to the next write, is freed. */
static void free_followers(struct turn_key *key)
{
	for (; key != NULL; key = key->next) {
		key->write_before = false;
		key->turn->writes_before--;
		due_add(key->turn);
		if (key->turn->writes)
			return;
	}
}

static void key_remove(struct turn_key *key)
{
	struct turn *turn = key->turn;
	struct note *note = key->note;

	if (key->next != NULL)
		key->next->previous = key->previous;
	else
		note->last_turn = key->previous;
	if (key->previous != NULL)
		key->previous->next = key->next;
	else
		note->first_turn = key->next;
	note->turn_writes -= turn->writes;
	if (turn->writes && !key->write_before)
		free_followers(key->next);
	if (key->previous == NULL && key->next != NULL) {
		key->next->turn->before--;
		due_add(key->next->turn);
	}
	evkv__note_put(turn->cache, note);
}

static void leave(struct turn *turn)
{
	size_t i;

	due_remove(turn);
	if (!turn->queued)
		return;
	turn->queued = false;
	for (i = 0; i < turn->count; i++)
		key_remove(&turn->keys[i]);
}

/* ---- What the others call ----------------------------------------------- */

void evkv__turn_init(struct turn *turn, struct cache *cache, struct evkv_op *op,
    void (*begin)(struct turn *turn))
{
	uint32_t classes = evkv_kind_classes(evkv_op_request(op)->kind);

	*turn = (struct turn){
		.cache = cache,
		.op = op,
		.begin = begin,
		.writes = (classes & EVKV_CLASS_WRITES) != 0,
	};
	evkv_op_set_data(op, turn);
}

bool evkv__turn_needed(const struct cache *cache,
    const struct evkv_request *request)
{
	const struct note *note;
	size_t i;

	for (i = 0; i < request->count && cache->notes > 0; i++) {
		note = evkv__note_find(cache, request->collection,
		    request->keys[i]);
		if (note != NULL && note->first_turn != NULL)
			return true;
	}
	return false;
}

/* With the notes that a write has already, or by looking them up. */
bool evkv__turn_queue(struct turn *turn, const struct evkv_request *request,
    struct note *const *notes)
{
	struct note *note;
	size_t i;

	if (turn->queued)
		return true;
	turn->keys = &turn->one;
	if (request->count > 1)
		turn->keys = evkv_op_alloc(turn->op,
		    request->count * sizeof(struct turn_key));
	if (turn->keys == NULL)
		return false;
	turn->queued = true;
	for (i = 0; i < request->count; i++) {
		if (notes != NULL) {
			key_add(turn, notes[i]);
			continue;
		}
		note = evkv__note_get(turn->cache, request->collection,
		    request->keys[i]);
		if (note == NULL) {
			leave(turn);
			return false;
		}
		key_add(turn, note);
		evkv__note_put(turn->cache, note);
	}
	return true;
}

bool evkv__turn_begin(struct turn *turn)
{
	turn->begun = !turn->queued || may_begin(turn);
	return turn->begun;
}

/* One that comes due while others are run joins them: no recursion. */
static void run_due(struct cache *cache)
{
	struct turn *turn;

	if (cache->running)
		return;
	cache->running = true;
	while ((turn = cache->due) != NULL) {
		due_remove(turn);
		if (turn->ended) {
			leave(turn);
			evkv_op_complete(turn->op);
		} else {
			turn->begun = true;
			turn->begin(turn);
		}
	}
	cache->running = false;
}

bool evkv__turn_over(struct turn *turn)
{
	turn->ended = true;
	if (turn->queued && turn->before > 0)
		return false;
	leave(turn);
	run_due(turn->cache);
	return true;
}

void evkv__turn_end(struct turn *turn)
{
	struct cache *cache = turn->cache;

	turn->ended = true;
	if (turn->queued && turn->before > 0)
		return;
	leave(turn);
	evkv_op_complete(turn->op);
	run_due(cache);
}

/*
 * A write that waits to be told has had its effect. What has not begun begins
 * now, and finds that it was stopped.
 */
void evkv__turn_stop(struct turn *turn)
{
	struct cache *cache = turn->cache;

	leave(turn);
	if (turn->ended) {
		if (turn->writes)
			evkv_op_mark_sent(turn->op);
		evkv_op_complete(turn->op);
	} else if (!turn->begun) {
		turn->begun = true;
		turn->stopped = true;
		turn->begin(turn);
	}
	run_due(cache);
}
