/* stores/memory/ahead.c - regions in pages of 2 MiB, made ready by a thread. */
#include "stores/memory/ahead.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/pages.h"
#include "loop/loop.h"
#include "stores/memory/slab.h"

#define SMALL_REGIONS 8 /* the first ones */
#define HURRIES 16      /* pages, after a late one */
#define USED_FIRST 192  /* pages of a slab, three quarters of a large one */

_Static_assert(PAGES_HUGE == 2 * SLAB_REGION, "a region is half of one");

/* ---- Halves -------------------------------------------------------------- */

static struct ahead_half *half_of(void *region)
{
	return (struct ahead_half *)((char *)region + SLAB_REGION) - 1;
}

/* Returns its region. */
static void *half_remove(struct ahead_half *half)
{
	LIST_REMOVE(half, free);
	half->free.le_prev = NULL;
	return (char *)(half + 1) - SLAB_REGION;
}

void *evkv__ahead_unite(struct memory_ahead *ahead, void *region, bool *whole)
{
	char *page = (char *)((uintptr_t)region & ~(PAGES_HUGE - 1));
	struct ahead_half *other = half_of(region == page ? page + SLAB_REGION
							  : page);

	if (other->free.le_prev == NULL) {
		LIST_INSERT_HEAD(&ahead->halves, half_of(region), free);
		return NULL;
	}
	half_remove(other);
	*whole = half_of(page)->whole;
	return page;
}

/* ---- The thread ---------------------------------------------------------- */

/*
 * The first byte has the whole page; or, where the system has no such page to
 * give, a small one, and then each of those has to be touched.
 */
static void *page_make(void)
{
	size_t step = (size_t)sysconf(_SC_PAGESIZE), at;
	char *page = evkv__pages_alloc_huge();
	struct rusage before = { 0 }, after = { 0 };

	getrusage(RUSAGE_THREAD, &before);
	for (at = 0; page != NULL && at < PAGES_HUGE; at += step)
		((volatile char *)page)[at] = 0;
	getrusage(RUSAGE_THREAD, &after);
	if (page != NULL)
		half_of(page)->whole = after.ru_minflt == before.ru_minflt + 1;
	return page;
}

static void page_free(struct memory_ahead *ahead)
{
	if (ahead->next != NULL)
		evkv__pages_shrink(ahead->next, PAGES_HUGE, PAGES_HUGE);
	ahead->next = NULL;
}

static void state_set(struct memory_ahead *ahead, enum ahead_state state)
{
	__atomic_store_n(&ahead->state, (int)state, __ATOMIC_RELEASE);
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
		if (ahead->next != NULL)
			page_free(ahead);
		else
			ahead->next = page_make();
		state_set(ahead, AHEAD_IDLE);
	}
	page_free(ahead);
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

/* The child of a fork() has no such thread, and loses what that had under way. */
static void notice_fork(struct memory_ahead *ahead)
{
	if (!ahead->started || ahead->forks == evkv__forks)
		return;
	ahead->started = false;
	if (ahead->state != AHEAD_IDLE)
		ahead->next = NULL;
	ahead->state = AHEAD_IDLE;
}

static bool is_in(const struct memory_ahead *ahead, enum ahead_state state)
{
	return __atomic_load_n(&ahead->state, __ATOMIC_ACQUIRE) == (int)state;
}

/* To make the next page, or to free it where there is one. */
static void thread_ask(struct memory_ahead *ahead)
{
	state_set(ahead, AHEAD_BUSY);
	sem_post(&ahead->work);
}

/* ---- The loop's side ----------------------------------------------------- */

void evkv__ahead_begin(struct memory_ahead *ahead)
{
	notice_fork(ahead);
	ahead->until = 0;
	if (is_in(ahead, AHEAD_IDLE) && ahead->next == NULL &&
	    evkv__pages_are_mapped() && (ahead->started || thread_start(ahead)))
		thread_ask(ahead);
}

void evkv__ahead_rest(struct memory_ahead *ahead)
{
	notice_fork(ahead);
	ahead->until = ahead->hurries = 0;
	if (ahead->started && is_in(ahead, AHEAD_IDLE) && ahead->next != NULL)
		thread_ask(ahead);
}

/* Late, as it takes memory; for some pages at once after one was too late. */
static void begin_next(struct memory_ahead *ahead)
{
	if (ahead->late)
		ahead->hurries = HURRIES;
	if (ahead->hurries > 0) {
		ahead->hurries--;
		evkv__ahead_begin(ahead);
	} else {
		ahead->until = USED_FIRST;
	}
}

void *evkv__ahead_take(struct memory_ahead *ahead)
{
	char *page = NULL;

	if (++ahead->regions < SMALL_REGIONS || ahead->off)
		return NULL;
	if (!LIST_EMPTY(&ahead->halves)) {
		ahead->late = false;
		return half_remove(LIST_FIRST(&ahead->halves));
	}
	notice_fork(ahead);
	if (is_in(ahead, AHEAD_IDLE)) {
		page = ahead->next;
		ahead->next = NULL;
	}
	if (page != NULL) {
		LIST_INSERT_HEAD(&ahead->halves, half_of(page + SLAB_REGION),
		    free);
		begin_next(ahead);
	} else {
		evkv__ahead_begin(ahead);
	}
	ahead->late = page == NULL;
	return page;
}

bool evkv__ahead_leave(struct memory_ahead *ahead)
{
	notice_fork(ahead);
	if (!ahead->started)
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
	page_free(ahead); /* what a parent's thread had made */
	while (!LIST_EMPTY(&ahead->halves))
		evkv__pages_shrink(half_remove(LIST_FIRST(&ahead->halves)),
		    SLAB_REGION, SLAB_REGION);
	ahead->started = false;
}
