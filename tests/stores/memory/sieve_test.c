/*
 * What the bounded table evicts, and in which order: the same, entry by entry,
 * as a SIEVE that is written as its paper has it. And: what has expired goes
 * before what has not.
 */
#include "table_kit.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS 4096
#define NOWHERE (-1)

/* ---- The reference ------------------------------------------------- */

struct node {
	int newer, older;
	bool present, visited;
};

struct sieve {
	struct node nodes[KEYS];
	int newest, oldest, hand;
	size_t count, room;
	/* NULL = none; `slots` of them: what was evicted, as which eviction. */
	struct {
		uint64_t hash;
		size_t eviction;
	} * ghosts;
	uint64_t slots;
	size_t evictions;
	uint64_t hashes[KEYS];
};

static void sieve_unlink(struct sieve *s, int key)
{
	struct node *node = &s->nodes[key];

	if (s->hand == key)
		s->hand = node->newer;
	*(node->newer != NOWHERE ? &s->nodes[node->newer].older
				 : &s->newest) = node->older;
	*(node->older != NOWHERE ? &s->nodes[node->older].newer
				 : &s->oldest) = node->newer;
	node->present = false;
	s->count--;
}

static size_t sieve_slot(const struct sieve *s, int key)
{
	return ((s->hashes[key] & 0xffffffff) * s->slots) >> 32;
}

/* Of a hash that part is compared which the table keeps. */
static uint64_t sieve_tag(uint64_t hash)
{
	return (hash >> 32) % 2047;
}

/* A time in eighths of as many evictions as there is room for, or ones. */
static size_t sieve_tick(const struct sieve *s, size_t eviction)
{
	return s->slots >= 32 ? eviction / (s->slots / 16) : eviction;
}

/* Whether a key was evicted lately; forgets it. */
static bool sieve_returns(struct sieve *s, int key)
{
	size_t slot = sieve_slot(s, key), age;

	if (s->ghosts == NULL || s->ghosts[slot].hash == 0 ||
	    sieve_tag(s->ghosts[slot].hash) != sieve_tag(s->hashes[key]))
		return false;
	s->ghosts[slot].hash = 0;
	age = sieve_tick(s, s->evictions) -
	    sieve_tick(s, s->ghosts[slot].eviction);
	/* The table's clock goes round after 32. */
	return age % 32 <= 6;
}

static void sieve_evict(struct sieve *s)
{
	int at = s->hand != NOWHERE ? s->hand : s->oldest;

	while (s->nodes[at].visited) {
		s->nodes[at].visited = false;
		at = s->nodes[at].newer;
		if (at == NOWHERE)
			at = s->oldest;
	}
	s->hand = at;
	sieve_unlink(s, at);
	if (s->ghosts != NULL) {
		s->ghosts[sieve_slot(s, at)].hash = s->hashes[at];
		s->ghosts[sieve_slot(s, at)].eviction = s->evictions++;
	}
}

static bool sieve_get(struct sieve *s, int key)
{
	if (s->nodes[key].present)
		s->nodes[key].visited = true;
	return s->nodes[key].present;
}

static void sieve_put(struct sieve *s, int key)
{
	struct node *node = &s->nodes[key];
	bool again;

	if (sieve_get(s, key))
		return;
	/* Whether it comes back is known before another takes its slot. */
	again = sieve_returns(s, key);
	if (s->count == s->room)
		sieve_evict(s);
	*node = (struct node){
		.newer = NOWHERE,
		.older = s->newest,
		.present = true,
		.visited = again,
	};
	*(s->newest != NOWHERE ? &s->nodes[s->newest].newer : &s->oldest) = key;
	s->newest = key;
	s->count++;
}

/* ---- Both, side by side -------------------------------------------- */

struct pair {
	struct memory_table table;
	struct sieve sieve;
	size_t gets, hits, sieve_hits;
};

static struct pair pair;

static struct evkv_slice name_of(int key)
{
	static char name[32];

	return kit_key(name, sizeof(name), (uint32_t)key);
}

static void pair_open(size_t room, bool ghosts)
{
	struct sieve *s = &pair.sieve;
	struct memory_collection *record;
	int i;

	memset(&pair, 0, sizeof(pair));
	check(evkv__table_init(&pair.table, room, 0, 3, 4));
	pair.table.evict_work = SIZE_MAX;
	pair.table.forgets = !ghosts;
	s->newest = s->oldest = s->hand = NOWHERE;
	s->room = room;
	s->slots = 2 * room <= 2048 ? 2 * room
				    : (2 * room + 2047) / 2048 * 2048;
	s->ghosts = ghosts ? calloc(s->slots, sizeof(*s->ghosts)) : NULL;
	record = evkv__table_collection_make(&pair.table, EVKV_LIT("c"));
	for (i = 0; i < KEYS; i++)
		s->hashes[i] = table_hash(record, name_of(i));
}

static void pair_close(void)
{
	kit_check_sound(&pair.table);
	evkv__table_end(&pair.table);
	free(pair.sieve.ghosts);
}

static bool pair_get(int key)
{
	bool found = kit_get_number(&pair.table, (uint32_t)key) != NULL;
	bool expected = sieve_get(&pair.sieve, key);

	pair.gets++;
	pair.hits += found;
	pair.sieve_hits += expected;
	return found;
}

static void pair_put(int key)
{
	kit_put_number(&pair.table, (uint32_t)key, MEMORY_NEVER);
	sieve_put(&pair.sieve, key);
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
	    pair.sieve.nodes[key].present ? EVKV_OK : EVKV_NOT_FOUND);
	if (pair.sieve.nodes[key].present)
		sieve_unlink(&pair.sieve, key);
}

static void pair_check(void)
{
	const struct memory_entry *entry = pair.table.space.newest;
	int at;

	for (at = pair.sieve.newest; at != NOWHERE;
	     at = pair.sieve.nodes[at].older) {
		check(entry != NULL);
		check_bytes(entry_key(entry), name_of(at));
		check_int(entry_is_visited(entry),
		    pair.sieve.nodes[at].visited);
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
		check_int(pair.hits, pair.sieve_hits);
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

EVKV_TEST(unit_memory_sieve, evicts_as_published_whatever_comes)
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

EVKV_TEST(unit_memory_sieve, evicts_as_published_in_loops)
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

EVKV_TEST(unit_memory_sieve, evicts_as_published_where_the_hand_is_at_the_end)
{
	each_room(run_at_the_end);
}

EVKV_TEST(unit_memory_sieve, what_came_last_is_not_the_next_to_go)
{
	size_t i, round, hits;

	pair_open(1000, false);
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
EVKV_TEST(unit_memory_sieve, short_steps_stay_near_what_is_published)
{
	int i;

	pair_open(2000, true);
	pair.table.evict_work = 256;
	kit_seed(5);
	for (i = 0; i < 200000; i++) {
		pair_use((int)kit_random(1 + kit_random(KEYS)));
		check(evkv__table_count(&pair.table) <= 2000 + 2000 / 64);
	}
	check_between(pair.hits, pair.sieve_hits - pair.sieve_hits / 100,
	    pair.sieve_hits + pair.sieve_hits / 100);
	pair_close();
}

EVKV_TEST(unit_memory_sieve, comes_back_as_used_if_evicted_lately)
{
	int i;

	pair_open(100, true);
	for (i = 0; i <= 100; i++)
		pair_put(i);
	pair_put(0);
	check_bytes(entry_key(pair.table.space.newest), name_of(0));
	check_int(entry_is_visited(pair.table.space.newest), 1);
	/* Once: then it is no ghost any more. */
	pair_delete(0);
	pair_put(0);
	check_int(entry_is_visited(pair.table.space.newest), 0);
	pair_close();
}

EVKV_TEST(unit_memory_sieve, ghosts_need_no_memory_to_be_forgotten)
{
	int i;

	pair_open(2000, true);
	for (i = 0; i < 2000; i++)
		pair_put(i);
	pair.table.forgets = false;
	faults_fail_from(1);
	evkv__ghosts_add(&pair.table.space.ghosts, 1, 2000);
	faults_off();
	check(!evkv__ghosts_take(&pair.table.space.ghosts, 1));
	pair_close();
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

EVKV_TEST(unit_memory_sieve, what_has_expired_costs_nobody_its_place)
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

EVKV_TEST(unit_memory_sieve, what_was_used_until_it_expired_comes_back_as_used)
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
	check_int(entry_is_visited(table.space.newest), 1);
	kit_put_number(&table, 106, MEMORY_NEVER);
	check_int(entry_is_visited(table.space.newest), 0);
	evkv__table_end(&table);
}
