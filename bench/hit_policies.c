/* bench/hit_policies.c - policies of eviction, as published. */
#include "hit_policies.h"

#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define NONE UINT32_MAX

/* ---- Lists of ids --------------------------------------------------- */

/* An id is in one list at most; `in` is its number, 0 = none. */
struct node {
	uint32_t newer, older;
	uint8_t in;
	uint8_t uses;
};

struct list {
	uint32_t newest, oldest;
	size_t count;
	uint8_t number;
};

static struct node *nodes_new(const struct trace *trace)
{
	struct node *nodes = bench_malloc(trace->ids * sizeof(*nodes));

	memset(nodes, 0, trace->ids * sizeof(*nodes));
	return nodes;
}

static void list_push(struct list *list, struct node *nodes, uint32_t id)
{
	struct node *node = &nodes[id];

	node->newer = NONE;
	node->older = list->newest;
	*(list->newest != NONE ? &nodes[list->newest].newer
			       : &list->oldest) = id;
	list->newest = id;
	list->count++;
	node->in = list->number;
}

static void list_remove(struct list *list, struct node *nodes, uint32_t id)
{
	struct node *node = &nodes[id];

	*(node->newer != NONE ? &nodes[node->newer].older
			      : &list->newest) = node->older;
	*(node->older != NONE ? &nodes[node->older].newer
			      : &list->oldest) = node->newer;
	list->count--;
	node->in = 0;
}

static uint32_t list_pop(struct list *list, struct node *nodes)
{
	uint32_t id = list->oldest;

	list_remove(list, nodes, id);
	return id;
}

static struct list list_make(uint8_t number)
{
	return (struct list){ NONE, NONE, 0, number };
}

/* ---- FIFO and LRU --------------------------------------------------- */

static void run_queue(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg, bool renew)
{
	struct node *nodes = nodes_new(trace);
	struct list list = list_make(1);
	uint32_t id;
	size_t i;

	for (i = 0; i < trace->count; i++) {
		id = trace->id[i];
		if (nodes[id].in != 0) {
			hit(arg, i);
			if (renew) {
				list_remove(&list, nodes, id);
				list_push(&list, nodes, id);
			}
			continue;
		}
		if (list.count == capacity)
			list_pop(&list, nodes);
		list_push(&list, nodes, id);
	}
	free(nodes);
}

void policy_fifo(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg)
{
	run_queue(trace, capacity, hit, arg, false);
}

void policy_lru(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg)
{
	run_queue(trace, capacity, hit, arg, true);
}

/* ---- SIEVE ---------------------------------------------------------- */

/* Zhang et al., "SIEVE is simpler than LRU" (2024). */
void policy_sieve(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg)
{
	struct node *nodes = nodes_new(trace);
	struct list list = list_make(1);
	uint32_t id, hand = NONE;
	size_t i;

	for (i = 0; i < trace->count; i++) {
		id = trace->id[i];
		if (nodes[id].in != 0) {
			hit(arg, i);
			nodes[id].uses = 1;
			continue;
		}
		if (list.count == capacity) {
			if (hand == NONE)
				hand = list.oldest;
			while (nodes[hand].uses != 0) {
				nodes[hand].uses = 0;
				hand = nodes[hand].newer;
				if (hand == NONE)
					hand = list.oldest;
			}
			id = nodes[hand].newer;
			list_remove(&list, nodes, hand);
			hand = id;
			id = trace->id[i];
		}
		nodes[id].uses = 0;
		list_push(&list, nodes, id);
	}
	free(nodes);
}

/* ---- S3-FIFO -------------------------------------------------------- */

struct s3 {
	struct node *nodes;
	struct list small, main, ghosts;
	size_t capacity, small_room;
};

static void s3_evict_main(struct s3 *s)
{
	uint32_t id;

	for (;;) {
		id = list_pop(&s->main, s->nodes);
		if (s->nodes[id].uses == 0)
			return;
		s->nodes[id].uses--;
		list_push(&s->main, s->nodes, id);
	}
}

static void s3_evict_small(struct s3 *s)
{
	uint32_t id;

	while (s->small.count > 0) {
		id = list_pop(&s->small, s->nodes);
		if (s->nodes[id].uses > 1) {
			s->nodes[id].uses = 0;
			list_push(&s->main, s->nodes, id);
			if (s->main.count > s->capacity - s->small_room)
				s3_evict_main(s);
			continue;
		}
		list_push(&s->ghosts, s->nodes, id);
		if (s->ghosts.count > s->capacity - s->small_room)
			list_pop(&s->ghosts, s->nodes);
		return;
	}
}

/* Yang et al., "FIFO queues are all you need for cache eviction" (2023). */
void policy_s3fifo(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg)
{
	struct s3 s = {
		.nodes = nodes_new(trace),
		.small = list_make(1),
		.main = list_make(2),
		.ghosts = list_make(3),
		.capacity = capacity,
		.small_room = capacity / 10 > 0 ? capacity / 10 : 1,
	};
	struct node *node;
	bool again;
	size_t i;

	for (i = 0; i < trace->count; i++) {
		node = &s.nodes[trace->id[i]];
		if (node->in == 1 || node->in == 2) {
			hit(arg, i);
			if (node->uses < 3)
				node->uses++;
			continue;
		}
		again = node->in == 3;
		if (again)
			list_remove(&s.ghosts, s.nodes, trace->id[i]);
		if (s.small.count + s.main.count >= capacity) {
			if (s.small.count >= s.small_room || s.main.count == 0)
				s3_evict_small(&s);
			else
				s3_evict_main(&s);
		}
		node->uses = 0;
		list_push(again ? &s.main : &s.small, s.nodes, trace->id[i]);
	}
	free(s.nodes);
}

/* ---- ARC ------------------------------------------------------------ */

struct arc {
	struct node *nodes;
	struct list lists[5]; /* by number: T1, T2, B1, B2 */
	size_t capacity, target;
};

static void arc_move(struct arc *a, uint32_t id, uint8_t to)
{
	if (a->nodes[id].in != 0)
		list_remove(&a->lists[a->nodes[id].in], a->nodes, id);
	if (to != 0)
		list_push(&a->lists[to], a->nodes, id);
}

static void arc_replace(struct arc *a, bool from_b2)
{
	size_t t1 = a->lists[1].count;

	if (t1 > 0 && (t1 > a->target || (from_b2 && t1 == a->target)))
		arc_move(a, a->lists[1].oldest, 3);
	else
		arc_move(a, a->lists[2].oldest, 4);
}

static void arc_adapt(struct arc *a, uint8_t in)
{
	size_t b1 = a->lists[3].count, b2 = a->lists[4].count, step;

	if (in == 3) {
		step = b2 > b1 ? b2 / b1 : 1;
		a->target += step;
		if (a->target > a->capacity)
			a->target = a->capacity;
	} else {
		step = b1 > b2 ? b1 / b2 : 1;
		a->target = a->target > step ? a->target - step : 0;
	}
}

static void arc_miss(struct arc *a, uint32_t id)
{
	size_t l1 = a->lists[1].count + a->lists[3].count;
	size_t all = l1 + a->lists[2].count + a->lists[4].count;

	if (l1 == a->capacity) {
		if (a->lists[1].count < a->capacity) {
			arc_move(a, a->lists[3].oldest, 0);
			arc_replace(a, false);
		} else {
			arc_move(a, a->lists[1].oldest, 0);
		}
	} else if (all >= a->capacity) {
		if (all >= 2 * a->capacity)
			arc_move(a, a->lists[4].oldest, 0);
		arc_replace(a, false);
	}
	arc_move(a, id, 1);
}

/* Megiddo and Modha, "ARC: a self-tuning, low overhead cache" (2003). */
void policy_arc(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg)
{
	struct arc a = { .nodes = nodes_new(trace), .capacity = capacity };
	uint8_t in;
	size_t i;

	for (in = 1; in < 5; in++)
		a.lists[in] = list_make(in);
	for (i = 0; i < trace->count; i++) {
		in = a.nodes[trace->id[i]].in;
		if (in == 1 || in == 2) {
			hit(arg, i);
			arc_move(&a, trace->id[i], 2);
		} else if (in != 0) {
			arc_adapt(&a, in);
			arc_replace(&a, in == 4);
			arc_move(&a, trace->id[i], 2);
		} else {
			arc_miss(&a, trace->id[i]);
		}
	}
	free(a.nodes);
}

/* ---- W-TinyLFU ------------------------------------------------------ */

#define SKETCH_ROWS 4

struct tiny {
	struct node *nodes;
	struct list window, probation, protected_;
	size_t window_room, main_room, protected_room;
	uint8_t *sketch; /* counters up to 15 */
	size_t mask;
	size_t seen, sample;
};

static size_t sketch_at(const struct tiny *t, uint32_t id, unsigned row)
{
	uint64_t hash = (id + UINT64_C(0x9e3779b97f4a7c15) * (row + 1)) *
	    UINT64_C(0xbf58476d1ce4e5b9);

	hash ^= hash >> 29;
	hash *= UINT64_C(0x94d049bb133111eb);
	return row * (t->mask + 1) + (size_t)((hash >> 31) & t->mask);
}

static unsigned sketch_count(const struct tiny *t, uint32_t id)
{
	unsigned least = 15, row;

	for (row = 0; row < SKETCH_ROWS; row++) {
		if (t->sketch[sketch_at(t, id, row)] < least)
			least = t->sketch[sketch_at(t, id, row)];
	}
	return least;
}

static void sketch_add(struct tiny *t, uint32_t id)
{
	uint8_t *count;
	unsigned row;
	size_t i;

	for (row = 0; row < SKETCH_ROWS; row++) {
		count = &t->sketch[sketch_at(t, id, row)];
		if (*count < 15)
			(*count)++;
	}
	if (++t->seen < t->sample)
		return;
	t->seen = t->sample / 2;
	for (i = 0; i < SKETCH_ROWS * (t->mask + 1); i++)
		t->sketch[i] /= 2;
}

static void tiny_hit(struct tiny *t, uint32_t id)
{
	switch (t->nodes[id].in) {
	case 1:
		list_remove(&t->window, t->nodes, id);
		list_push(&t->window, t->nodes, id);
		return;
	case 2:
		list_remove(&t->probation, t->nodes, id);
		list_push(&t->protected_, t->nodes, id);
		if (t->protected_.count > t->protected_room)
			list_push(&t->probation, t->nodes,
			    list_pop(&t->protected_, t->nodes));
		return;
	default:
		list_remove(&t->protected_, t->nodes, id);
		list_push(&t->protected_, t->nodes, id);
	}
}

static void tiny_miss(struct tiny *t, uint32_t id)
{
	uint32_t candidate, victim;

	list_push(&t->window, t->nodes, id);
	if (t->window.count <= t->window_room)
		return;
	candidate = list_pop(&t->window, t->nodes);
	if (t->probation.count + t->protected_.count < t->main_room) {
		list_push(&t->probation, t->nodes, candidate);
		return;
	}
	victim = t->probation.count > 0 ? t->probation.oldest
					: t->protected_.oldest;
	if (sketch_count(t, candidate) <= sketch_count(t, victim))
		return;
	if (t->probation.count > 0)
		list_pop(&t->probation, t->nodes);
	else
		list_pop(&t->protected_, t->nodes);
	list_push(&t->probation, t->nodes, candidate);
}

/*
 * Einziger et al., "TinyLFU: a highly efficient cache admission policy" (2017),
 * with a window of 1 % that does not adapt.
 */
void policy_wtinylfu(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg)
{
	struct tiny t = {
		.nodes = nodes_new(trace),
		.window = list_make(1),
		.probation = list_make(2),
		.protected_ = list_make(3),
		.window_room = capacity / 100 > 0 ? capacity / 100 : 1,
		.sample = 10 * capacity,
	};
	size_t i;

	t.main_room = capacity > t.window_room ? capacity - t.window_room : 1;
	t.protected_room = t.main_room * 4 / 5;
	for (t.mask = 15; t.mask < capacity; t.mask = 2 * t.mask + 1)
		;
	t.sketch = bench_malloc(SKETCH_ROWS * (t.mask + 1));
	memset(t.sketch, 0, SKETCH_ROWS * (t.mask + 1));
	for (i = 0; i < trace->count; i++) {
		sketch_add(&t, trace->id[i]);
		if (t.nodes[trace->id[i]].in != 0) {
			hit(arg, i);
			tiny_hit(&t, trace->id[i]);
		} else {
			tiny_miss(&t, trace->id[i]);
		}
	}
	free(t.sketch);
	free(t.nodes);
}

/* ---- Belady --------------------------------------------------------- */

/* A heap of ids by their next use, the farthest first. */
struct belady {
	uint32_t *heap;
	size_t count;
	size_t *next;  /* use of each id, or SIZE_MAX */
	size_t *place; /* in the heap, from 1; 0 = not there */
};

static void belady_set(struct belady *b, size_t place, uint32_t id)
{
	b->heap[place] = id;
	b->place[id] = place;
}

static void belady_sift(struct belady *b, size_t place, uint32_t id)
{
	size_t child;

	while (place > 1 && b->next[b->heap[place / 2]] < b->next[id]) {
		belady_set(b, place, b->heap[place / 2]);
		place /= 2;
	}
	while ((child = 2 * place) <= b->count) {
		if (child < b->count &&
		    b->next[b->heap[child + 1]] > b->next[b->heap[child]])
			child++;
		if (b->next[b->heap[child]] <= b->next[id])
			break;
		belady_set(b, place, b->heap[child]);
		place = child;
	}
	belady_set(b, place, id);
}

static void belady_pop(struct belady *b)
{
	uint32_t last = b->heap[b->count--];

	b->place[b->heap[1]] = 0;
	if (b->count > 0)
		belady_sift(b, 1, last);
}

/* What is needed again last goes: no policy can do better. */
void policy_belady(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg)
{
	size_t *uses = bench_malloc(trace->count * sizeof(*uses)), i;
	struct belady b = { .count = 0 };
	uint32_t id;

	b.heap = bench_malloc((capacity + 2) * sizeof(*b.heap));
	b.next = bench_malloc(trace->ids * sizeof(*b.next));
	b.place = bench_malloc(trace->ids * sizeof(*b.place));
	memset(b.place, 0, trace->ids * sizeof(*b.place));
	memset(b.next, 0xff, trace->ids * sizeof(*b.next));
	for (i = trace->count; i-- > 0;) {
		uses[i] = b.next[trace->id[i]];
		b.next[trace->id[i]] = i;
	}
	for (i = 0; i < trace->count; i++) {
		id = trace->id[i];
		b.next[id] = uses[i];
		if (b.place[id] != 0) {
			hit(arg, i);
			belady_sift(&b, b.place[id], id);
			continue;
		}
		b.count++;
		belady_sift(&b, b.count, id);
		if (b.count > capacity)
			belady_pop(&b);
	}
	free(uses);
	free(b.heap);
	free(b.next);
	free(b.place);
}
