/*
 * stores/memory/ahead.h - regions in pages of 2 MiB, made ready by a thread.
 *
 * In such pages an address is found sooner: gets and puts of a store of many
 * megabytes take two thirds of the time. But to have one takes the system 0.2
 * to 5 ms, too long for a step of the loop. So a thread has the next one ready
 * while the last is being filled. Where it is late, the caller takes a region
 * in small pages, and asks again for the next. The first megabytes are in small
 * pages too, and without a thread: a small store has no use for large ones.
 */
#ifndef EVKV_STORES_MEMORY_AHEAD_H
#define EVKV_STORES_MEMORY_AHEAD_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

enum ahead_state {
	AHEAD_IDLE,
	AHEAD_BUSY, /* the thread is to make or free `next` */
	AHEAD_ENDED /* the thread is about to end */
};

/* At the end of each half of a large page, where a region has nothing. */
struct ahead_half {
	LIST_ENTRY(ahead_half) free; /* le_prev is NULL while it is in use */
	bool whole; /* of the lower one: the system has one page for both */
};

struct memory_ahead {
	bool off;                       /* small pages only */
	size_t regions;                 /* in use, in whatever pages */
	LIST_HEAD(, ahead_half) halves; /* that are free */
	unsigned until;   /* so much of it is used, the next is begun; or 0 */
	bool late;        /* a region in small pages was taken instead */
	unsigned hurries; /* pages that are still begun at once */

	bool started;   /* there is a thread to be joined */
	unsigned forks; /* when it was started */
	pthread_t thread;
	sem_t work;
	bool ending; /* atomic: it is to end */
	int state;   /* atomic: enum ahead_state */
	void *next;  /* page, or NULL */
};

/* A region is needed. NULL: take small pages. */
void *evkv__ahead_take(struct memory_ahead *ahead);
/* One of the regions in use, from wherever, is not in use any more. */
static inline void ahead_give(struct memory_ahead *ahead)
{
	ahead->regions--;
}

/*
 * Half of a large page is free, to be taken again. Where both are, the page is
 * the caller's: returns it, and whether it goes back at once as soon as a part.
 */
void *evkv__ahead_unite(struct memory_ahead *ahead, void *region, bool *whole);

void evkv__ahead_begin(struct memory_ahead *ahead);
/*
 * A page of a slab is taken from a region. Whether to have a new region for it:
 * what was late is there.
 */
static inline bool ahead_use(struct memory_ahead *ahead)
{
	if (ahead->until > 0 && --ahead->until == 0)
		evkv__ahead_begin(ahead);
	return ahead->late &&
	    __atomic_load_n(&ahead->state, __ATOMIC_ACQUIRE) == AHEAD_IDLE &&
	    ahead->next != NULL;
}

/* There is no growing any more: free the page that is ready. */
void evkv__ahead_rest(struct memory_ahead *ahead);
/* Nothing is needed any more; false: evkv__ahead_end() would wait. */
bool evkv__ahead_leave(struct memory_ahead *ahead);
void evkv__ahead_end(struct memory_ahead *ahead);

#endif
