/*
 * What the bounded table evicts, and in which order: the same, entry by entry,
 * as a model that is as plain as can be. And: what has expired goes before what
 * has not.
 */
#include "table_kit.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS 4096
#define NOWHERE (-1)

/* ---- The model ----------------------------------------------------- */

struct node {
	int newer, older;
	bool present, visited, probation;
};

struct model {
	struct node nodes[KEYS];
	int newest, oldest, hand;
	size_t count, room, probation, share;
	/*
	 * NULL = none; `slots` of them: what was evicted, whether it was on
	 * probation, and as which eviction of such.
	 */
	struct {
		uint64_t hash;
		bool probation;
		size_t eviction;
	} * ghosts;
	uint64_t slots;
	size_t evictions[2], rests;
	uint64_t hashes[KEYS];
};

static void model_unlink(struct model *m, int key)
{
	struct node *node = &m->nodes[key];

	if (m->hand == key)
		m->hand = node->newer;
	*(node->newer != NOWHERE ? &m->nodes[node->newer].older
				 : &m->newest) = node->older;
	*(node->older != NOWHERE ? &m->nodes[node->older].newer
				 : &m->oldest) = node->newer;
	node->present = false;
	m->count--;
	m->probation -= node->probation;
}

static size_t model_slot(const struct model *m, int key)
{
	return ((m->hashes[key] & 0xffffffff) * m->slots) >> 32;
}

/* Of a hash that part is compared which the table keeps. */
static uint64_t model_tag(uint64_t hash)
{
	return (hash >> 32) % 1023;
}

/* A time in eighths of as many evictions as there is room for, or ones. */
static size_t model_tick(const struct model *m, size_t eviction)
{
	return m->slots >= 32 ? eviction / (m->slots / 16) : eviction;
}

/* Whether a key was evicted lately; forgets it. */
static bool model_returns(struct model *m, int key)
{
	size_t slot = model_slot(m, key), age;
	bool probation;

	if (m->ghosts == NULL || m->ghosts[slot].hash == 0 ||
	    model_tag(m->ghosts[slot].hash) != model_tag(m->hashes[key]))
		return false;
	m->ghosts[slot].hash = 0;
	probation = m->ghosts[slot].probation;
	/* The table's clock goes round after 32. */
	age = (model_tick(m, m->evictions[probation]) -
		  model_tick(m, m->ghosts[slot].eviction)) %
	    32;
	if (age == 0 && probation)
		m->share++;
	else if (age == 0 && m->share > 1)
		m->share--;
	return age <= 7;
}

static void model_take(struct model *m, int key)
{
	bool probation = m->nodes[key].probation;

	model_unlink(m, key);
	m->evictions[probation]++;
	if (m->ghosts == NULL)
		return;
	m->ghosts[model_slot(m, key)].hash = m->hashes[key];
	m->ghosts[model_slot(m, key)].probation = probation;
	m->ghosts[model_slot(m, key)].eviction = m->evictions[probation] - 1;
}

/* The oldest on probation, or NOWHERE. */
static int model_edge(const struct model *m)
{
	int at = m->oldest;

	while (at != NOWHERE && !m->nodes[at].probation)
		at = m->nodes[at].newer;
	return at;
}

static void model_set_share(struct model *m)
{
	if (m->share == 0)
		m->share = m->count / 16;
	if (m->share > m->count - m->count / 8)
		m->share = m->count - m->count / 8;
	if (m->share < m->count / 64)
		m->share = m->count / 64;
	if (m->share == 0)
		m->share = 1;
}

/*
 * SIEVE, as its paper has it, among what is older than all on probation; but so
 * many steps at most. NOWHERE: they were used.
 */
static int model_hand(struct model *m, size_t steps)
{
	int edge = model_edge(m), at = m->hand;

	for (; steps > 0; steps--) {
		if (at == NOWHERE || at == edge)
			at = m->oldest;
		m->hand = at;
		if (!m->nodes[at].visited)
			return at;
		m->nodes[at].visited = false;
		at = m->hand = m->nodes[at].newer;
	}
	return NOWHERE;
}

/* One step, once after each eviction. */
static int model_try(struct model *m)
{
	size_t evictions = m->evictions[0] + m->evictions[1];

	if (evictions < m->rests)
		return NOWHERE;
	m->rests = evictions + 1;
	return model_hand(m, 1);
}

static int model_choose(struct model *m)
{
	int edge, at;

	while ((edge = model_edge(m)) != NOWHERE) {
		if (m->probation < m->share / 2)
			m->rests = 0;
		at = m->probation < m->share && edge != m->oldest ? model_try(m)
								  : NOWHERE;
		if (at != NOWHERE)
			return at;
		if (m->probation <= m->share && !m->nodes[edge].visited)
			return edge;
		m->nodes[edge].probation = m->nodes[edge].visited = false;
		m->probation--;
	}
	return model_hand(m, SIZE_MAX);
}

static void model_evict(struct model *m)
{
	model_set_share(m);
	model_take(m, model_choose(m));
}

static bool model_get(struct model *m, int key)
{
	if (m->nodes[key].present)
		m->nodes[key].visited = true;
	return m->nodes[key].present;
}

static void model_put(struct model *m, int key)
{
	struct node *node = &m->nodes[key];
	bool again;

	if (model_get(m, key))
		return;
	/* Whether it stays is known before another takes its place. */
	again = model_returns(m, key) &&
	    (m->count < m->room || model_edge(m) == m->oldest ||
		model_try(m) != NOWHERE);
	if (m->count == m->room)
		model_evict(m);
	*node = (struct node){
		.newer = NOWHERE,
		.older = m->newest,
		.present = true,
		.probation = !again,
	};
	*(m->newest != NOWHERE ? &m->nodes[m->newest].newer : &m->oldest) = key;
	m->newest = key;
	m->count++;
	m->probation += !again;
}

/* ---- Both, side by side -------------------------------------------- */

struct pair {
	struct memory_table table;
	struct model model;
	size_t gets, hits, model_hits;
};

static struct pair pair;

static struct evkv_slice name_of(int key)
{
	static char name[32];

	return kit_key(name, sizeof(name), (uint32_t)key);
}

static void pair_open(size_t room, bool ghosts)
{
	struct model *m = &pair.model;
	struct memory_collection *record;
	int i;

	memset(&pair, 0, sizeof(pair));
	check(evkv__table_init(&pair.table, room, 0, 3, 4));
	pair.table.evict_work = SIZE_MAX;
	pair.table.forgets = !ghosts;
	m->newest = m->oldest = m->hand = NOWHERE;
	m->room = room;
	m->slots = 2 * room <= 2048 ? 2 * room
				    : (2 * room + 2047) / 2048 * 2048;
	m->ghosts = ghosts ? calloc(m->slots, sizeof(*m->ghosts)) : NULL;
	record = evkv__table_collection_make(&pair.table, EVKV_LIT("c"));
	for (i = 0; i < KEYS; i++)
		m->hashes[i] = table_hash(record, name_of(i));
}

static void pair_close(void)
{
	kit_check_sound(&pair.table);
	evkv__table_end(&pair.table);
	free(pair.model.ghosts);
}

static bool pair_get(int key)
{
	bool found = kit_get_number(&pair.table, (uint32_t)key) != NULL;
	bool expected = model_get(&pair.model, key);

	pair.gets++;
	pair.hits += found;
	pair.model_hits += expected;
	return found;
}

static void pair_put(int key)
{
	kit_put_number(&pair.table, (uint32_t)key, MEMORY_NEVER);
	model_put(&pair.model, key);
}

/* As a cache is used: what is not there is put. */
static void pair_use(int key)
{
	if (!pair_get(key))
		pair_put(key);
}

static void pair_delete(int key)
{
	struct memory_collection *record;

	record = evkv__table_collection(&pair.table, EVKV_LIT("c"));
	check_int(evkv__table_delete(&pair.table, record, name_of(key), NULL,
		      0),
	    pair.model.nodes[key].present ? EVKV_OK : EVKV_NOT_FOUND);
	if (pair.model.nodes[key].present)
		model_unlink(&pair.model, key);
}

static void pair_check(void)
{
	const struct memory_entry *entry = pair.table.space.newest;
	int at;

	for (at = pair.model.newest; at != NOWHERE;
	     at = pair.model.nodes[at].older) {
		check(entry != NULL);
		check_bytes(entry_key(entry), name_of(at));
		check_int(entry_is_visited(entry),
		    pair.model.nodes[at].visited);
		check_int(entry_is_on_probation(entry),
		    pair.model.nodes[at].probation);
		entry = entry_older(&pair.table, entry);
	}
	check(entry == NULL);
}

static void each_room(void (*run)(size_t room))
{
	static const size_t rooms[] = { 1, 2, 3, 10, 64, 1000, 1500 };
	size_t i;

	for (i = 0; i < 2 * sizeof(rooms) / sizeof(rooms[0]); i++) {
		pair_open(rooms[i / 2], i % 2 == 1);
		run(rooms[i / 2]);
		pair_check();
		check_int(pair.hits, pair.model_hits);
		pair_close();
	}
}

static void run_random(size_t room)
{
	int bound = (int)(room * 2 < KEYS - 1 ? room * 2 + 1 : KEYS), i, key;
	int checks = room < 100 ? 1 : 997;

	kit_seed((uint32_t)room);
	for (i = 0; i < 20000; i++) {
		/* Some keys are asked for much more often. */
		key = (int)kit_random(1 + kit_random((uint32_t)bound));
		switch (kit_random(16)) {
		case 0: pair_delete(key); break;
		case 1:
		case 2:
		case 3: pair_put(key); break;
		default: pair_use(key); break;
		}
		if (i % checks == 0)
			pair_check();
	}
}

EVKV_TEST(unit_memory_evict, evicts_as_the_model_whatever_comes)
{
	each_room(run_random);
}

/* A loop over a little more than fits; then one that fits. */
static void run_loops(size_t room)
{
	size_t i, round;

	for (round = 0; round < 5; round++) {
		for (i = 0; i <= room; i++)
			pair_use((int)i);
	}
	for (round = 0; round < 5; round++) {
		for (i = 0; i < room; i++)
			pair_use((int)(KEYS - 1 - i));
	}
}

EVKV_TEST(unit_memory_evict, evicts_as_the_model_in_loops)
{
	each_room(run_loops);
}

/* The hand comes to stand at the newest entry, which then goes or is used. */
static void run_at_the_end(size_t room)
{
	int i, j, next = 0, n = (int)room;

	for (i = 0; i < 300; i++) {
		for (j = 0; j < n && next > n + 2; j++)
			pair_get(next - n + j - i % 3);
		pair_put(next++ % KEYS);
		pair_check();
		if (i % 7 == 0)
			pair_delete((next - 1) % KEYS);
		if (i % 11 == 0 && next > 1)
			pair_put((next - 2) % KEYS);
		if (next >= KEYS - n)
			next = n;
	}
}

EVKV_TEST(unit_memory_evict, evicts_as_the_model_where_the_hand_is_at_the_end)
{
	each_room(run_at_the_end);
}

/* What is asked for now comes in, where what there is was used before. */
EVKV_TEST(unit_memory_evict, what_came_last_is_not_always_the_next_to_go)
{
	size_t i, round, hits = 0;

	pair_open(1000, true);
	pair.table.evict_work = 256;
	for (i = 0; i < 2000; i++)
		pair_use((int)(i % 1000));
	for (round = 0; round < 20; round++) {
		hits = pair.hits;
		for (i = 0; i < 900; i++)
			pair_use(2000 + (int)i);
	}
	check_int(pair.hits - hits, 900);
	pair_close();
}

/* With bounded steps: the count and the hits stay near. */
EVKV_TEST(unit_memory_evict, short_steps_stay_near_the_model)
{
	int i;

	pair_open(2000, true);
	pair.table.evict_work = 256;
	kit_seed(5);
	for (i = 0; i < 200000; i++) {
		pair_use((int)kit_random(1 + kit_random(KEYS)));
		check(evkv__table_count(&pair.table) <= 2000 + 2000 / 64);
	}
	check_between(pair.hits, pair.model_hits - pair.model_hits / 32,
	    pair.model_hits + pair.model_hits / 32);
	pair_close();
}

/* Of a loop over more than fits, most of what fits stays. */
static void check_loop(size_t n)
{
	size_t i, round, hits = 0;

	pair_open(1000, true);
	pair.table.evict_work = 256;
	for (round = 0; round < 5; round++) {
		hits = pair.hits;
		for (i = 0; i < n; i++)
			pair_use((int)i);
	}
	check_between(pair.hits - hits, 850, 1000);
	pair_close();
}

EVKV_TEST(unit_memory_evict, a_part_of_a_loop_stays)
{
	check_loop(1050);
	check_loop(1300);
	check_loop(1900);
	check_loop(1950);
	check_loop(2000);
	check_loop(4000);
}

/* The part on probation grows to what it takes, and shrinks again. */
EVKV_TEST(unit_memory_evict, probation_lasts_as_long_as_keys_take_to_return)
{
	size_t hits = 0;
	int i;

	pair_open(1000, true);
	/* Each is asked for twice, after 120 others, then never again. */
	for (i = 0; i < 60000; i++) {
		if (i == 50000)
			hits = pair.hits;
		pair_use((i % 2 == 0 ? i / 2 : (i - 239) / 2 + KEYS) % KEYS);
	}
	check_between(pair.hits - hits, 4900, 5300);
	check_between(pair.table.space.share, 119, 875);
	/* What comes once needs none, and what comes often more room. */
	kit_seed(1);
	for (i = 0; i < 200000; i++)
		pair_use(i % 2 == 0 ? (int)kit_random(1200)
				    : 1200 + i / 2 % (KEYS - 1200));
	check_between(pair.table.space.share, 1, 100);
	pair_close();
}

EVKV_TEST(unit_memory_evict, comes_back_for_good_if_evicted_lately)
{
	int i;

	pair_open(100, true);
	for (i = 0; i <= 100; i++)
		pair_put(i);
	/* It was the oldest of six on probation. */
	pair_put(94);
	check_bytes(entry_key(pair.table.space.newest), name_of(94));
	check(!entry_is_on_probation(pair.table.space.newest));
	/* Once: then it is no ghost any more. */
	pair_delete(94);
	pair_put(94);
	check(entry_is_on_probation(pair.table.space.newest));
	pair_close();
}

EVKV_TEST(unit_memory_evict, ghosts_need_no_memory_to_be_forgotten)
{
	int i;

	pair_open(2000, true);
	for (i = 0; i < 2000; i++)
		pair_put(i);
	pair.table.forgets = false;
	faults_fail_from(1);
	evkv__ghosts_add(&pair.table.space.ghosts, 1, GHOST_OF_MAIN, 2000);
	faults_off();
	check_int(evkv__ghosts_take(&pair.table.space.ghosts, 1), GHOST_NONE);
	pair_close();
}

/* Hits of 100,000 gets of keys whose values are of 100 bytes or of 3,000. */
static size_t hits_of_sizes(bool by_size)
{
	static char value[3000];
	struct memory_table table;
	size_t hits = 0, size;
	char name[32];
	uint32_t key;
	int i;

	kit_seed(11);
	check(evkv__table_init(&table, 0, 400000, 1, 2));
	table.by_size = by_size;
	for (i = 0; i < 100000; i++) {
		key = kit_random(1 + kit_random(1000));
		size = key % 4 == 0 ? 3000 : 100;
		if (kit_get_number(&table, key) != NULL) {
			hits++;
			continue;
		}
		check_status(kit_put_at(&table, "c",
				 kit_key(name, sizeof(name), key),
				 evkv_bytes(value, size), MEMORY_NEVER, 0),
		    EVKV_OK);
		check(evkv__table_bytes(&table) <= 400000 + 400000 / 16);
	}
	kit_check_sound(&table);
	evkv__table_end(&table);
	return hits;
}

EVKV_TEST(unit_memory_evict, by_size_more_small_ones_are_there)
{
	size_t by_use = hits_of_sizes(false), by_size = hits_of_sizes(true);

	check(by_size > by_use + by_use / 32);
}

/* ---- What has expired ---------------------------------------------- */

static uint32_t live_count(struct memory_table *table, uint32_t from,
    uint32_t to, int64_t now_us)
{
	struct memory_collection *record;
	char name[32];
	uint32_t i, count = 0;

	record = evkv__table_collection(table, EVKV_LIT("c"));
	for (i = from; i < to; i++) {
		struct evkv_slice key = kit_key(name, sizeof(name), i);

		count += evkv__table_get(table, record, key,
			     table_hash(record, key), now_us) != NULL;
	}
	return count;
}

/* Of `room` entries, each `nth` has expired; as many others are put. */
static void check_expired(uint32_t room, uint32_t nth, bool bytes)
{
	uint32_t i, expired = 0;
	struct memory_table table;
	char name[32];

	check(evkv__table_init(&table, room, 0, 1, 2));
	for (i = 0; i < room; i++) {
		expired += i % nth == nth / 2;
		kit_put_number(&table, i,
		    i % nth == nth / 2 ? 1000 : MEMORY_NEVER);
	}
	if (bytes) {
		table.max_entries = SIZE_MAX;
		table.max_bytes = evkv__table_bytes(&table);
	}
	for (i = 0; i < expired; i++)
		check_status(kit_put_at(&table, "c",
				 kit_key(name, sizeof(name), room + i),
				 EVKV_LIT("v"), MEMORY_NEVER, 1000),
		    EVKV_OK);
	while (evkv__table_is_over(&table))
		evkv__table_make_room(&table, NULL, 1000);
	check_int(live_count(&table, 0, room, 1000), room - expired);
	check_int(table.evictions, 0);
	check_int(evkv__table_count(&table), room);
	kit_check_sound(&table);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_evict, what_has_expired_costs_nobody_its_place)
{
	static const uint32_t rooms[] = { 5, 100, 1000, 20000 };
	uint32_t i;

	for (i = 0; i < 8; i++) {
		check_expired(rooms[i / 2], 2, i % 2 == 1);
		check_expired(rooms[i / 2], 3, i % 2 == 1);
		check_expired(rooms[i / 2], 50, i % 2 == 1);
		check_expired(rooms[i / 2], rooms[i / 2], i % 2 == 1);
	}
}

EVKV_TEST(unit_memory_evict, what_was_used_until_it_expired_comes_back_for_good)
{
	struct memory_table table;
	uint32_t i;

	check(evkv__table_init(&table, 100, 0, 1, 2));
	for (i = 0; i < 110; i++)
		kit_put_number(&table, i, 1000);
	check(kit_get_number(&table, 105) != NULL);
	while (evkv__table_walk(&table,
	    &(struct memory_walk){ .now_us = 1000 }))
		;
	check_int(evkv__table_count(&table), 0);
	kit_put_number(&table, 105, MEMORY_NEVER);
	check(!entry_is_on_probation(table.space.newest));
	kit_put_number(&table, 106, MEMORY_NEVER);
	check(entry_is_on_probation(table.space.newest));
	evkv__table_end(&table);
}
