/*
 * core/order.c - operations on one key begin in their order.
 *
 * Writes are ordered with everything on their key: a write begins when all that
 * came before it on its keys has its answer, and what comes later begins after
 * it. Reads between two writes are free. So each operation that does not end
 * inside submit() stands in a queue at each of its keys. It takes all of its
 * places at once, in the order of submission, so there is no deadlock.
 *
 * What ends inside submit() leaves no trace here, unless something is submitted
 * meanwhile: those that are inside submit() are on a list, and are put into
 * their queues before the next one is.
 *
 * A store that keeps the order itself but for some kinds (`ordered_kinds`) has
 * only those in the queues, and what waits behind them.
 *
 * What has to wait is kept, and begins from a loop when nothing is before it:
 * after everything that ended earlier has been reported, at no depth of the
 * stack. An operation that is stopped leaves its queues at once: nothing waits
 * for an abandoned one, and one that had not begun had no effect.
 */
#include "base/siphash.h"
#include "core/core.h"

#define SLOTS_MIN 64

/* An op whose submit() is on the stack. */
struct order_entering {
	struct order_entering *next;
	struct evkv_op *op;
	uint16_t depth;
	bool queued;
};

/* ---- The table ---------------------------------------------------------- */

static uint64_t hash_of(const struct order *order,
    const struct evkv_request *request, size_t i)
{
	uint64_t seed = order->hash_key[1];

	if (request->collection.size > 0)
		seed = siphash_1_3(order->hash_key[0], seed,
		    request->collection);
	return siphash_1_3(order->hash_key[0], seed, request->keys[i]);
}

/* The slot of a hash, or the free one where it belongs. */
static struct order_slot *find(const struct order *order, uint64_t hash)
{
	size_t mask = order->size - 1, at = (size_t)hash & mask;

	while (order->slots[at].first != NULL && order->slots[at].hash != hash)
		at = (at + 1) & mask;
	return &order->slots[at];
}

/* Room for `count` keys more. */
static bool reserve(struct order *order, struct evkv_loop *loop, size_t count)
{
	struct order_slot *old = order->slots;
	size_t old_size = order->size, size = old_size, i;

	if (size == 0) {
		size = SLOTS_MIN;
		order->hash_key[0] = evkv_loop_random(loop);
		order->hash_key[1] = evkv_loop_random(loop);
	}
	while (size / 2 < order->used + count)
		size *= 2;
	if (size == old_size)
		return true;
	order->slots = evkv_calloc(size, sizeof(*order->slots));
	if (order->slots == NULL) {
		order->slots = old;
		return false;
	}
	order->size = size;
	for (i = 0; i < old_size; i++) {
		if (old[i].first != NULL)
			*find(order, old[i].hash) = old[i];
	}
	evkv_free(old);
	return true;
}

/* Move what follows back, so that no search stops too early. */
static void close_gap(struct order *order, struct order_slot *slot)
{
	size_t mask = order->size - 1, gap = (size_t)(slot - order->slots);
	size_t at = gap, home;

	order->used--;
	for (;;) {
		at = (at + 1) & mask;
		if (order->slots[at].first == NULL)
			return;
		home = (size_t)order->slots[at].hash & mask;
		if (((at - home) & mask) < ((at - gap) & mask))
			continue;
		order->slots[gap] = order->slots[at];
		order->slots[at].first = order->slots[at].last = NULL;
		gap = at;
	}
}

void evkv__order_free(struct order *order)
{
	evkv_free(order->slots);
	order->slots = NULL;
	order->size = 0;
}

/* ---- The queue of a key ------------------------------------------------- */

/* A key that an operation names twice is queued for once. */
static void queue_add(struct order *order, struct order_entry *entry,
    uint64_t hash)
{
	struct order_slot *slot = find(order, hash);
	struct order_link *link;

	if (slot->first == NULL) {
		*slot = (struct order_slot){ .hash = hash };
		order->used++;
	} else if (slot->last->entry == entry) {
		return;
	}
	link = &entry->links[entry->count++];
	*link = (struct order_link){
		.entry = entry,
		.hash = hash,
		.previous = slot->last,
		.blocked = entry->writes ? slot->last != NULL
					 : slot->writes > 0,
	};
	if (slot->last != NULL)
		slot->last->next = link;
	else
		slot->first = link;
	slot->last = link;
	slot->writes += entry->writes;
	entry->blocked += link->blocked;
}

static void link_free(struct order_link *link)
{
	struct order_entry *entry = link->entry;

	if (!link->blocked)
		return;
	link->blocked = false;
	if (--entry->blocked > 0)
		return;
	entry->due = true;
	TAILQ_INSERT_TAIL(&evkv__core(entry->op->loop)->due, entry, due_link);
}

/* The reads up to the next write. */
static void reads_free(struct order_link *link)
{
	for (; link != NULL && !link->entry->writes; link = link->next)
		link_free(link);
}

/*
 * A write goes when it is the first of all. Reads go when no write is left in
 * front of them; so before a read that goes, there are only others.
 */
static void free_behind(struct order_link *gone)
{
	struct order_link *next = gone->next, *previous = gone->previous;

	if (next == NULL)
		return;
	if (next->entry->writes) {
		if (previous == NULL)
			link_free(next);
	} else if (gone->entry->writes &&
	    (previous == NULL ||
		(!previous->entry->writes && !previous->blocked))) {
		reads_free(next);
	}
}

static void queue_remove(struct order *order, struct order_link *link)
{
	struct order_slot *slot = find(order, link->hash);

	if (link->next != NULL)
		link->next->previous = link->previous;
	else
		slot->last = link->previous;
	if (link->previous != NULL)
		link->previous->next = link->next;
	else
		slot->first = link->next;
	slot->writes -= link->entry->writes;
	free_behind(link);
	if (slot->first == NULL)
		close_gap(order, slot);
}

/* ---- Turns -------------------------------------------------------------- */

static void entry_leave(struct order_entry *entry)
{
	struct evkv_op *op = entry->op;
	struct order_entry **at = &op->order_entries;
	size_t i;

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	if (op->order_entries == NULL)
		op->flags &= ~(uint32_t)OP_ORDERED;
	if (entry->due)
		TAILQ_REMOVE(&evkv__core(op->loop)->due, entry, due_link);
	for (i = 0; i < entry->count; i++)
		queue_remove(entry->order, &entry->links[i]);
}

/* Put an op into the queues of its keys; false = no memory. */
static bool entry_queue(struct order *order, struct evkv_op *op, uint16_t depth)
{
	const struct evkv_request *request = op->frames[depth - 1].request;
	size_t many = request->count > 1 ? request->count : 0, i;
	struct order_entry *entry = evkv_op_alloc(op,
	    sizeof(*entry) + many * sizeof(struct order_link));

	if (entry == NULL || !reserve(order, op->loop, request->count))
		return false;
	*entry = (struct order_entry){
		.next = (op->flags & OP_ORDERED) != 0 ? op->order_entries
						      : NULL,
		.op = op,
		.order = order,
		.depth = depth,
		.writes = (op->flags & OP_WRITES) != 0,
	};
	entry->links = many > 0 ? (struct order_link *)(entry + 1)
				: &entry->one;
	op->order_entries = entry;
	op->flags |= OP_ORDERED;
	for (i = 0; i < request->count; i++)
		queue_add(order, entry, hash_of(order, request, i));
	return true;
}

void evkv__order_leave(struct evkv_op *op)
{
	struct order_entry *entry = op->order_entries;

	while (entry != NULL && entry->depth != op->depth)
		entry = entry->next;
	if (entry != NULL)
		entry_leave(entry);
}

void evkv__order_let_go(struct evkv_op *op)
{
	while ((op->flags & OP_ORDERED) != 0)
		entry_leave(op->order_entries);
}

void evkv__order_give_up(struct evkv_op *op)
{
	op->flags &= ~(uint32_t)OP_WAITING;
	evkv__order_leave(op);
	evkv_op_fail(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
	evkv_op_complete(op);
}

/* ---- Entering ----------------------------------------------------------- */

/* What comes now must find those that are inside submit(). */
static bool queue_entering(struct order *order)
{
	struct order_entering *entering = order->entering;

	/* The one that entered first is the last of the list. */
	if (entering == NULL || entering->queued)
		return true;
	for (;;) {
		struct order_entering *first = entering;

		while (first->next != NULL && !first->next->queued)
			first = first->next;
		if (!entry_queue(order, first->op, first->depth))
			return false;
		first->queued = true;
		if (first == entering)
			return true;
	}
}

/* Whether anything is before it at one of its keys. */
static bool must_wait(const struct order *order, const struct evkv_op *op,
    const struct evkv_request *request)
{
	const struct order_slot *slot;
	size_t i;

	for (i = 0; i < request->count && order->used > 0; i++) {
		slot = find(order, hash_of(order, request, i));
		if (slot->first != NULL &&
		    ((op->flags & OP_WRITES) != 0 || slot->writes > 0))
			return true;
	}
	return false;
}

static enum evkv_verdict wait_in_line(struct order *order, struct evkv_op *op)
{
	if (!evkv_op_keep(op) || !entry_queue(order, op, op->depth))
		return evkv_op_nomem(op);
	op->flags |= OP_WAITING;
	return EVKV_VERDICT_PENDING;
}

/* Whether others have to wait for it, where it has not waited itself. */
static bool lasts(const struct evkv_store *store,
    const struct evkv_request *request)
{
	uint32_t kinds = store->vtable->ordered_kinds;

	return kinds == 0 || (kinds & EVKV_KIND_BIT(request->kind)) != 0;
}

enum evkv_verdict evkv__order_enter(struct evkv_op *op,
    struct evkv_store *store, const struct evkv_request *request)
{
	struct order *order = &store->order;
	struct order_entering entering = {
		.next = order->entering,
		.op = op,
		.depth = op->depth,
	};
	enum evkv_verdict verdict;

	if (order->on && !evkv__order_is_idle(order)) {
		if (!queue_entering(order))
			return evkv_op_nomem(op);
		if (must_wait(order, op, request))
			return wait_in_line(order, op);
	}
	if (!lasts(store, request))
		return store->vtable->submit(store->self, op, request);
	order->entering = &entering;
	verdict = store->vtable->submit(store->self, op, request);
	order->entering = entering.next;
	if (verdict == EVKV_VERDICT_PENDING && (op->flags & OP_ENDED) == 0 &&
	    order->on && !entering.queued &&
	    !entry_queue(order, op, entering.depth))
		op->flags |= OP_UNORDERED;
	return verdict;
}

void evkv_store_set_ordered(struct evkv_store *store, bool ordered)
{
	EVKV__ASSERT((store->vtable->flags & EVKV_VTABLE_ORDERED) != 0);
	store->order.on = ordered;
}

/* ---- Beginning ---------------------------------------------------------- */

/* The levels that it enters now are counted and linked as those before. */
static void begin(struct order_entry *entry)
{
	struct evkv_op *op = entry->op;
	unsigned depth = op->depth;
	struct evkv_frame *frame = &op->frames[depth - 1];
	struct evkv_store *store = frame->store;
	enum evkv_verdict verdict;

	op->flags = (op->flags & ~(uint32_t)OP_WAITING) | OP_BEGINNING;
	op->busy++;
	verdict = store->vtable->submit(store->self, op, frame->request);
	op->busy--;
	op->flags &= ~(uint32_t)OP_BEGINNING;
	if (evkv__op_is_done(op, verdict)) {
		evkv_op_complete(op);
		return;
	}
	evkv__op_link(op, depth);
	if ((op->flags & OP_UNORDERED) != 0)
		evkv__op_detach(op, EVKV_NOMEM, EVKV_CAUSE_NOMEM);
}

void evkv__order_run(struct core *core)
{
	struct order_entry *entry;

	core->beginning = true;
	while ((entry = TAILQ_FIRST(&core->due)) != NULL) {
		TAILQ_REMOVE(&core->due, entry, due_link);
		entry->due = false;
		begin(entry);
	}
	core->beginning = false;
}
