/*
 * tests/proofs/planted.c - faults planted on purpose, one for each thing that
 * the sanitizers, valgrind and the harness are there to find. Every test here
 * must be reported in the build that looks for it; expect-caught demands it.
 */
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#include "evkv/alloc.h"
#include "test.h"

static void *volatile planted_sink;
static volatile int planted_zero;

__attribute__((noinline)) static void planted_drop_blocks(void)
{
	int i;

	/* Several: a stale register may still point to the last one. */
	for (i = 0; i < 8; i++)
		planted_sink = malloc(100);
	planted_sink = NULL;
}

EVKV_TEST(planted, leak)
{
	planted_drop_blocks();
}

EVKV_TEST(planted, leak_of_evkv)
{
	planted_sink = evkv_malloc(100);
}

EVKV_TEST(planted, overflow)
{
	/* By way of a volatile: UBSan must not know the size before ASan. */
	planted_sink = malloc(16);
	((char *)planted_sink)[16 + planted_zero] = 'x';
	free(planted_sink);
}

EVKV_TEST(planted, undefined)
{
	volatile int big = INT_MAX;

	big = big + 1 + planted_zero;
}

static int planted_counter;

static void *planted_count(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 1000; i++)
		planted_counter++;
	return NULL;
}

EVKV_TEST(planted, race)
{
	pthread_t threads[2];
	size_t i;

	for (i = 0; i < 2; i++)
		check_int(pthread_create(&threads[i], NULL, planted_count,
			      NULL),
		    0);
	for (i = 0; i < 2; i++)
		check_int(pthread_join(threads[i], NULL), 0);
}

EVKV_TEST(planted, nothing)
{
}
