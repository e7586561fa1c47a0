/*
 * The memory store's large pages, which a thread makes ready. Mostly without an
 * allocator of ours: with one there are none.
 */
#include "stores/memory/ahead.h"

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pages.h"
#include "bed.h"
#include "evkv/alloc.h"
#include "lib/faults.h"
#include "lib/files.h"
#include "lib/test.h"

#define THREAD "evkv-pages"
#define HUGE_PAGES "/sys/kernel/mm/transparent_hugepage/enabled"
#define HUGE ((size_t)2 << 20)
#define SMALL 7  /* regions that come in small pages anyway */
#define USED 128 /* pages of 4 KiB */

/* Bytes of this process for which large pages are asked for; -1: not known. */
static long huge_bytes(void)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	long kib = 0, sum = 0;
	char line[512];

	if (file == NULL || access(HUGE_PAGES, F_OK) != 0)
		sum = -1;
	while (sum >= 0 && fgets(line, sizeof(line), file) != NULL) {
		sscanf(line, "Size: %ld kB", &kib);
		if (strncmp(line, "VmFlags:", 8) == 0 &&
		    strstr(line, " hg") != NULL)
			sum += kib * 1024;
	}
	if (file != NULL)
		fclose(file);
	return sum;
}

static void check_huge(size_t bytes)
{
	long huge = huge_bytes();

	if (huge >= 0)
		check_int(huge, (long)bytes);
}

static int state(struct memory_ahead *ahead)
{
	return __atomic_load_n(&ahead->state, __ATOMIC_ACQUIRE);
}

static void await(struct memory_ahead *ahead, enum ahead_state wanted)
{
	while (state(ahead) != (int)wanted)
		sched_yield();
}

/* Past the first ones; the next is under way. */
static void begin(struct memory_ahead *ahead)
{
	unsigned i;

	evkv_set_allocator(NULL);
	for (i = 0; i < SMALL; i++)
		check(evkv__ahead_take(ahead) == NULL);
	check(!ahead->started);
	check(evkv__ahead_take(ahead) == NULL);
	check(ahead->started);
}

static void end(struct memory_ahead *ahead)
{
	evkv__ahead_end(ahead);
	files_await_threads(THREAD, 0);
	check_huge(0);
	faults_install();
}

static void release(char *region)
{
	evkv__pages_shrink(region, SLAB_REGION, SLAB_REGION);
}

EVKV_TEST(unit_memory_ahead, one_page_is_two_regions_and_the_next_is_begun)
{
	struct memory_ahead ahead = { .off = false };
	char *first, *second, *third;
	unsigned i;

	begin(&ahead);
	files_await_threads(THREAD, 1);
	await(&ahead, AHEAD_IDLE);
	check_huge(HUGE);
	first = evkv__ahead_take(&ahead);
	check(first != NULL);
	check_int((uintptr_t)first % HUGE, 0);
	for (i = 1; i < USED; i++)
		ahead_use(&ahead);
	check(state(&ahead) == AHEAD_IDLE && ahead.next == NULL);
	check_huge(HUGE);
	ahead_use(&ahead);
	await(&ahead, AHEAD_IDLE);
	check(ahead.next != NULL);
	check_huge(2 * HUGE);
	/* Once: there is one already. */
	for (i = 0; i < 2 * USED; i++)
		ahead_use(&ahead);
	check(state(&ahead) == AHEAD_IDLE);
	second = evkv__ahead_take(&ahead);
	check(second == first + SLAB_REGION);
	third = evkv__ahead_take(&ahead);
	check(third != NULL);
	check_int((uintptr_t)third % HUGE, 0);
	check(third != first);
	memset(first, 1, 2 * SLAB_REGION);
	memset(third, 1, SLAB_REGION);
	release(second);
	release(first);
	release(third);
	end(&ahead);
}

EVKV_TEST(unit_memory_ahead, small_pages_are_taken_where_none_is_ready)
{
	struct memory_ahead ahead = { .off = false };
	void *made;

	begin(&ahead);
	await(&ahead, AHEAD_IDLE);
	/* As if the thread still had it. */
	made = ahead.next;
	ahead.state = AHEAD_BUSY;
	check(evkv__ahead_take(&ahead) == NULL);
	check(ahead.next == made);
	check_int(ahead.regions, SMALL + 2);
	ahead.state = AHEAD_IDLE;
	check(evkv__ahead_take(&ahead) == made);
	release((char *)made);
	end(&ahead);
}

/* What is given back counts, so that a store that has shrunk is a small one. */
EVKV_TEST(unit_memory_ahead, a_store_that_shrinks_takes_small_pages_again)
{
	struct memory_ahead ahead = { .off = false };
	unsigned i;

	begin(&ahead);
	await(&ahead, AHEAD_IDLE);
	for (i = 0; i < 4; i++)
		ahead_give(&ahead);
	for (i = 0; i < 3; i++)
		check(evkv__ahead_take(&ahead) == NULL);
	release(evkv__ahead_take(&ahead));
	end(&ahead);
}

EVKV_TEST(unit_memory_ahead, none_where_they_are_off_or_an_allocator_is_set)
{
	struct memory_ahead off = { .off = true }, with = { .off = false };
	unsigned i;

	for (i = 0; i < 3 * SMALL; i++)
		check(evkv__ahead_take(&with) == NULL);
	check(!with.started);
	evkv_set_allocator(NULL);
	for (i = 0; i < 3 * SMALL; i++)
		check(evkv__ahead_take(&off) == NULL);
	check(!off.started);
	evkv__ahead_end(&with);
	end(&off);
}

/* Whether the thread has a page, makes one or was not yet asked for one. */
EVKV_TEST(unit_memory_ahead, ends_at_any_moment)
{
	unsigned i;

	for (i = 0; i < 50; i++) {
		struct memory_ahead ahead = { .off = false };

		begin(&ahead);
		if (i % 3 == 1)
			await(&ahead, AHEAD_IDLE);
		if (i % 3 == 2) {
			while (!evkv__ahead_leave(&ahead))
				sched_yield();
			check_int(state(&ahead), AHEAD_ENDED);
		}
		end(&ahead);
	}
}

#ifndef TEST_SANITIZED
#define CHILD_CHECK(condition)                                                 \
	do {                                                                   \
		if (!(condition))                                              \
			_exit(__LINE__ % 255);                                 \
	} while (0)

static void in_child(struct memory_ahead *ahead)
{
	void *made = ahead->state == AHEAD_IDLE ? ahead->next : NULL, *page;

	/* What the parent's thread had made is there; what it had not, not. */
	page = evkv__ahead_take(ahead);
	CHILD_CHECK(page == made);
	if (page == NULL) {
		while (state(ahead) == AHEAD_BUSY)
			sched_yield();
		page = evkv__ahead_take(ahead);
	}
	CHILD_CHECK(page != NULL);
	memset(page, 1, SLAB_REGION);
	evkv__ahead_end(ahead);
}

static void fork_off(struct memory_ahead *ahead)
{
	int how = 0;
	pid_t pid = fork();

	check(pid >= 0);
	if (pid == 0) {
		alarm(20);
		in_child(ahead);
		_exit(0);
	}
	check(waitpid(pid, &how, 0) == pid);
	check(WIFEXITED(how));
	check_int(WEXITSTATUS(how), 0);
}

EVKV_TEST(unit_memory_ahead, the_child_of_a_fork_has_a_thread_of_its_own)
{
	struct memory_ahead ahead = { .off = false };
	struct bed bed;

	/* A loop counts forks. */
	bed_open(&bed, 0, 0);
	begin(&ahead);
	await(&ahead, AHEAD_IDLE);
	ahead.state = AHEAD_BUSY;
	fork_off(&ahead);
	ahead.state = AHEAD_IDLE;
	fork_off(&ahead);
	end(&ahead);
	bed_close(&bed);
}
#endif

/* ---- By the store -------------------------------------------------------- */

static void fill(struct evkv_store *store, unsigned entries)
{
	static const char value[1000];
	struct answer answer = ANSWER_INIT;
	char text[32];
	unsigned i;

	for (i = 0; i < entries; i++) {
		evkv_submit(store,
		    &(struct evkv_request){
			.kind = EVKV_OP_PUT,
			.flags = EVKV_FLAG_INLINE,
			.collection = COLLECTION,
			.count = 1,
			.keys = (struct evkv_slice[]){ number_key(text,
			    sizeof(text), i) },
			.values = (struct evkv_slice[]){ evkv_bytes(value,
			    900) },
		    },
		    answer_cb, &answer);
		check_status(answer.status, EVKV_OK);
		answer_reset(&answer);
	}
}

EVKV_TEST(memory_ahead, a_large_store_has_a_thread_until_it_is_closed)
{
	struct evkv_store *store;
	struct rig rig;

	evkv_set_allocator(NULL);
	rig_open(&rig);
	store = evkv_memory_new(rig.loop, NULL, NULL);
	fill(store, 4000);
	files_await_threads(THREAD, 0);
	fill(store, 20000);
	files_await_threads(THREAD, 1);
	evkv_store_unref(store);
	rig_close(&rig);
	files_await_threads(THREAD, 0);
	check_huge(0);
	faults_install();
}

EVKV_TEST(memory_ahead, small_pages_need_no_thread)
{
	struct evkv_store *store;
	struct rig rig;

	evkv_set_allocator(NULL);
	rig_open(&rig);
	store = evkv_memory_new(rig.loop,
	    &(struct evkv_memory_options){ .small_pages = true }, NULL);
	fill(store, 20000);
	files_await_threads(THREAD, 0);
	check_huge(0);
	evkv_store_unref(store);
	rig_close(&rig);
	faults_install();
}
