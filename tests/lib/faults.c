/*
 * tests/lib/faults.c - the counting and failing allocator.
 *
 * Worker threads allocate too, so all counters are atomic. The order in which
 * threads reach the counter is theirs; on one thread the nth is exact.
 */
#include "faults.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "evkv/alloc.h"

static atomic_size_t faults_blocks;
static atomic_size_t faults_asked;
static atomic_size_t faults_refused;
static atomic_size_t faults_first = SIZE_MAX; /* first to fail, from 1 */
static atomic_size_t faults_last;             /* last to fail */

static void *faults_allocate(size_t size, void *arg)
{
	size_t n = atomic_fetch_add(&faults_asked, 1) + 1;
	void *memory;

	(void)arg;
	if (n >= atomic_load(&faults_first) && n <= atomic_load(&faults_last)) {
		atomic_fetch_add(&faults_refused, 1);
		return NULL;
	}
	memory = malloc(size);
	if (memory != NULL)
		atomic_fetch_add(&faults_blocks, 1);
	return memory;
}

static void faults_release(void *memory, void *arg)
{
	(void)arg;
	atomic_fetch_sub(&faults_blocks, 1);
	free(memory);
}

void faults_install(void)
{
	evkv_set_allocator(&(struct evkv_allocator){
	    .allocate = faults_allocate,
	    .release = faults_release,
	});
}

static void faults_set(size_t first, size_t last)
{
	atomic_store(&faults_first, SIZE_MAX);
	atomic_store(&faults_asked, 0);
	atomic_store(&faults_refused, 0);
	atomic_store(&faults_last, last);
	atomic_store(&faults_first, first);
}

void faults_fail_nth(size_t n)
{
	faults_set(n, n);
}

void faults_fail_from(size_t n)
{
	faults_set(n, SIZE_MAX);
}

void faults_off(void)
{
	atomic_store(&faults_first, SIZE_MAX);
	atomic_store(&faults_last, 0);
}

void faults_reset(void)
{
	faults_set(SIZE_MAX, 0);
}

size_t faults_count(void)
{
	return atomic_load(&faults_asked);
}

size_t faults_fired(void)
{
	return atomic_load(&faults_refused);
}

size_t faults_outstanding(void)
{
	return atomic_load(&faults_blocks);
}
