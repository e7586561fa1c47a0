/*
 * tests/stores/memcached/interop_test.c - libmemcached on the same servers:
 * what one has put the other finds, for each distribution.
 */
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scene.h"

SERVER_SHARED(SERVER_MEMCACHED)

__attribute__((constructor)) static void more_servers(void)
{
	server_shared_start(SERVER_MEMCACHED_2);
	server_shared_start(SERVER_MEMCACHED_3);
}

#define KEYS 10000
#define BATCH 500

static memcached_st *other_open(struct scene *s)
{
	memcached_st *other = memcached_create(NULL);

	check(other != NULL);
	switch (s->options.distribution) {
	case EVKV_MEMCACHED_KETAMA_WEIGHTED:
		memcached_behavior_set(other,
		    MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);
		break;
	case EVKV_MEMCACHED_KETAMA:
		memcached_behavior_set(other, MEMCACHED_BEHAVIOR_KETAMA, 1);
		break;
	default: break;
	}
	for (size_t i = 0; i < s->options.server_count; i++)
		check_int(memcached_server_add_with_weight(other,
			      s->where[i].host, (in_port_t)s->where[i].port,
			      (uint32_t)s->where[i].weight),
		    MEMCACHED_SUCCESS);
	return other;
}

/* The key and the value of number i. */
static void make(size_t i, char *key, char *value)
{
	sprintf(key, "key-%zu", i * 7919);
	sprintf(value, "value %zu of libmemcached or of evkv", i);
}

static void other_puts(struct scene *s, memcached_st *other)
{
	char name[64], key[32], value[64];

	memcached_behavior_set(other, MEMCACHED_BEHAVIOR_NOREPLY, 1);
	memcached_behavior_set(other, MEMCACHED_BEHAVIOR_BUFFER_REQUESTS, 1);
	for (size_t i = 0; i < KEYS; i++) {
		int size;
		memcached_return_t put;

		make(i, key, value);
		size = sprintf(name, "%s:%s", s->collection, key);
		put = memcached_set(other, name, (size_t)size, value,
		    strlen(value), 0, 0);
		check(put == MEMCACHED_SUCCESS || put == MEMCACHED_BUFFERED);
	}
	check_int(memcached_flush_buffers(other), MEMCACHED_SUCCESS);
	memcached_behavior_set(other, MEMCACHED_BEHAVIOR_BUFFER_REQUESTS, 0);
	memcached_behavior_set(other, MEMCACHED_BEHAVIOR_NOREPLY, 0);
	/* There were no replies. Each server answers this behind them. */
	check_int(memcached_version(other), MEMCACHED_SUCCESS);
}

/* A batch from number `first` on: got, or put. */
static void batch(struct scene *s, size_t first, bool puts)
{
	static char keys[BATCH][32], values[BATCH][64];
	struct evkv_slice names[BATCH], bytes[BATCH];

	for (size_t i = 0; i < BATCH; i++) {
		make(first + i, keys[i], values[i]);
		names[i] = evkv_str(keys[i]);
		bytes[i] = evkv_str(values[i]);
	}
	if (puts) {
		DO(s,
		    evkv_put_many(s->store, s->c, names, bytes, BATCH, 0,
			answer_cb, &s->a));
		check_status(s->a.status, EVKV_OK);
		return;
	}
	DO(s, evkv_get_many(s->store, s->c, names, BATCH, answer_cb, &s->a));
	check_status(s->a.status, EVKV_OK);
	for (size_t i = 0; i < BATCH; i++)
		check_bytes(s->a.entries[i].bytes, bytes[i]);
}

static void other_gets(struct scene *s, memcached_st *other)
{
	char name[64], key[32], value[64];

	for (size_t i = 0; i < KEYS; i++) {
		memcached_return_t found;
		size_t length;
		uint32_t flags;
		char *got;

		make(i, key, value);
		got = memcached_get(other, name,
		    (size_t)sprintf(name, "%s:%s", s->collection, key), &length,
		    &flags, &found);
		check_int(found, MEMCACHED_SUCCESS);
		check_bytes(evkv_bytes(got, length), evkv_str(value));
		check_int(flags, 0);
		free(got);
	}
}

static void both_ways(enum evkv_memcached_distribution distribution, int weight)
{
	memcached_st *other;
	struct scene s;

	scene_begin(&s, 3);
	s.options.distribution = distribution;
	for (size_t i = 0; i < 3; i++)
		s.where[i].weight = i == 1 ? weight : 1;
	scene_store(&s);
	other = other_open(&s);
	other_puts(&s, other);
	for (size_t i = 0; i < KEYS; i += BATCH)
		batch(&s, i, false);
	/* The other way round, in another collection. */
	s.collection[0] = 'x';
	for (size_t i = 0; i < KEYS; i += BATCH)
		batch(&s, i, true);
	other_gets(&s, other);
	memcached_free(other);
	scene_end(&s);
}

EVKV_TEST(memcached_interop, ketama_weighted)
{
	both_ways(EVKV_MEMCACHED_KETAMA_WEIGHTED, 1);
}

EVKV_TEST(memcached_interop, ketama_weighted_with_weights)
{
	both_ways(EVKV_MEMCACHED_KETAMA_WEIGHTED, 3);
}

EVKV_TEST(memcached_interop, ketama)
{
	both_ways(EVKV_MEMCACHED_KETAMA, 1);
}

EVKV_TEST(memcached_interop, modula)
{
	both_ways(EVKV_MEMCACHED_MODULA, 1);
}
