/* stores/memory/ahead.c - regions in pages of 2 MiB, made ready by a thread. */
#include "stores/memory/ahead.h"

#include <signal.h>
#include <unistd.h>

#include "base/pages.h"
#include "loop/loop.h"
#include "stores/memory/slab.h"

#define SMALL_REGIONS 8 /* the first ones */
#define USED_FIRST 128  /* pages of 4 KiB, a quarter of a large one */

_Static_assert(PAGES_HUGE == 2 * SLAB_REGION, "a region is half of one");

/* ---- The thread ---------------------------------------------------------- */

/*
 * The first byte has the whole page; or, where the system has no such page to
 * give, a small one, and then each of those has to be touched.
 */
static void *page_make(void)
{
	size_t step = (size_t)sysconf(_SC_PAGESIZE), at;
	volatile char *page = evkv__pages_alloc_huge();

	for (at = 0; page != NULL && at < PAGES_HUGE; at += step)
		page[at] = 0;
	return (void *)(uintptr_t)page;
}

static void state_set(struct memory_ahead *ahead, enum ahead_state state)
{
	__atomic_store_n(&ahead->state, state, __ATOMIC_RELEASE);
}

static void *thread_main(void *arg)
{
	struct memory_ahead *ahead = arg;

	pthread_setname_np(pthread_self(), "evkv-pages");
	for (;;) {
		while (sem_wait(&ahead->work) != 0)
			;
		if (__atomic_load_n(&ahead->ending, __ATOMIC_RELAXED))
			break;
		ahead->next = page_make();
		state_set(ahead, AHEAD_IDLE);
	}
	if (ahead->next != NULL)
		evkv__pages_shrink(ahead->next, PAGES_HUGE, PAGES_HUGE);
	ahead->next = NULL;
	state_set(ahead, AHEAD_ENDED);
	return NULL;
}

static bool thread_start(struct memory_ahead *ahead)
{
	sigset_t all, before;

	sem_init(&ahead->work, 0, 0);
	ahead->forks = evkv__forks;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ahead->started = pthread_create(&ahead->thread, NULL, thread_main,
			     ahead) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ahead->started;
}

/* In the child of a fork() there is none; a page under way is lost there. */
static bool thread_runs(struct memory_ahead *ahead)
{
	if (ahead->started && ahead->forks != evkv__forks) {
		ahead->started = false;
		if (ahead->state != AHEAD_IDLE)
			ahead->next = NULL;
		ahead->state = AHEAD_IDLE;
	}
	return ahead->started;
}

static bool is_in(const struct memory_ahead *ahead, enum ahead_state state)
{
	return __atomic_load_n(&ahead->state, __ATOMIC_ACQUIRE) == (int)state;
}

/* ---- The loop's side ----------------------------------------------------- */

void evkv__ahead_begin(struct memory_ahead *ahead)
{
	bool runs = thread_runs(ahead);

	ahead->until = 0;
	if (!is_in(ahead, AHEAD_IDLE) || ahead->next != NULL ||
	    !evkv__pages_are_mapped() || (!runs && !thread_start(ahead)))
		return;
	state_set(ahead, AHEAD_BUSY);
	sem_post(&ahead->work);
}

void *evkv__ahead_take(struct memory_ahead *ahead)
{
	char *page = ahead->half;

	if (++ahead->regions < SMALL_REGIONS || ahead->off)
		return NULL;
	ahead->half = NULL;
	if (page != NULL)
		return page;
	thread_runs(ahead);
	if (is_in(ahead, AHEAD_IDLE)) {
		page = ahead->next;
		ahead->next = NULL;
	}
	if (page != NULL) {
		ahead->half = page + SLAB_REGION;
		ahead->until = USED_FIRST;
	} else {
		evkv__ahead_begin(ahead);
	}
	return page;
}

bool evkv__ahead_leave(struct memory_ahead *ahead)
{
	if (!thread_runs(ahead))
		return true;
	if (!__atomic_exchange_n(&ahead->ending, true, __ATOMIC_RELAXED))
		sem_post(&ahead->work);
	return is_in(ahead, AHEAD_ENDED);
}

void evkv__ahead_end(struct memory_ahead *ahead)
{
	evkv__ahead_leave(ahead);
	if (ahead->started) {
		pthread_join(ahead->thread, NULL);
		sem_destroy(&ahead->work);
	}
	if (ahead->next != NULL) /* of the parent's thread */
		evkv__pages_shrink(ahead->next, PAGES_HUGE, PAGES_HUGE);
	if (ahead->half != NULL)
		evkv__pages_shrink(ahead->half, SLAB_REGION, SLAB_REGION);
	ahead->next = ahead->half = NULL;
	ahead->started = false;
}
