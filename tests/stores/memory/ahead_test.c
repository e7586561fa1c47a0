/*
 * The memory store's large pages, which a thread makes ready. Mostly without an
 * allocator of ours: with one there are none.
 */
#include "stores/memory/ahead.h"

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/pages.h"
#include "bed.h"
#include "evkv/alloc.h"
#include "lib/fork.h"
#include "lib/faults.h"
#include "lib/files.h"
#include "lib/test.h"

#define THREAD "evkv-pages"
#define HUGE_PAGES "/sys/kernel/mm/transparent_hugepage/enabled"
#define HUGE ((size_t)2 << 20)
#define SMALL 7  /* regions that come in small pages anyway */
#define USED 192 /* pages of a slab, and the next is begun */

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
	/* It was late: the next is begun at once. */
	check(ahead_use(&ahead));
	first = evkv__ahead_take(&ahead);
	check(first != NULL);
	check_int((uintptr_t)first % HUGE, 0);
	await(&ahead, AHEAD_IDLE);
	check(ahead.next != NULL);
	check_huge(2 * HUGE);
	check(!ahead_use(&ahead));
	second = evkv__ahead_take(&ahead);
	check(second == first + SLAB_REGION);
	/* In time for long: it is begun when most is used. */
	ahead.hurries = 0;
	third = evkv__ahead_take(&ahead);
	check(third != NULL);
	check_int((uintptr_t)third % HUGE, 0);
	check(third != first);
	for (i = 1; i < USED; i++)
		check(!ahead_use(&ahead));
	check(state(&ahead) == AHEAD_IDLE && ahead.next == NULL);
	check_huge(2 * HUGE);
	check(!ahead_use(&ahead));
	await(&ahead, AHEAD_IDLE);
	check(ahead.next != NULL);
	/* Once: there is one already. */
	for (i = 0; i < 2 * USED; i++)
		check(!ahead_use(&ahead));
	check(state(&ahead) == AHEAD_IDLE);
	check_huge(3 * HUGE);
	memset(first, 1, 2 * SLAB_REGION);
	memset(third, 1, SLAB_REGION);
	release(second);
	release(first);
	release(third);
	end(&ahead);
}

EVKV_TEST(unit_memory_ahead, a_free_half_is_taken_again_until_both_are)
{
	struct memory_ahead ahead = { .off = false };
	char *lower, *upper, *other;
	bool whole = false;

	begin(&ahead);
	await(&ahead, AHEAD_IDLE);
	lower = evkv__ahead_take(&ahead);
	upper = evkv__ahead_take(&ahead);
	check(upper == lower + SLAB_REGION);
	check(evkv__ahead_unite(&ahead, lower, &whole) == NULL);
	check(evkv__ahead_take(&ahead) == lower);
	await(&ahead, AHEAD_IDLE);
	other = evkv__ahead_take(&ahead);
	check(evkv__ahead_unite(&ahead, upper, &whole) == NULL);
	check(evkv__ahead_unite(&ahead, lower, &whole) == lower);
	/* Half of the other one was never taken. */
	check(evkv__ahead_unite(&ahead, other, &whole) == other);
	check(LIST_EMPTY(&ahead.halves));
	evkv__pages_shrink(lower, HUGE, HUGE);
	evkv__pages_shrink(other, HUGE, HUGE);
	end(&ahead);
}

/* Where one is late, the next ones are begun at once, but not for ever. */
EVKV_TEST(unit_memory_ahead, hurries_for_some_pages_after_a_late_one)
{
	struct memory_ahead ahead = { .off = false };
	unsigned pages = 0;
	char *page;

	begin(&ahead);
	do {
		await(&ahead, AHEAD_IDLE);
		page = evkv__ahead_take(&ahead);
		check(page != NULL);
		check(evkv__ahead_take(&ahead) == page + SLAB_REGION);
		evkv__pages_shrink(page, HUGE, HUGE);
		pages++;
	} while (ahead.until == 0);
	check_int(pages, 17);
	check(ahead.next == NULL && state(&ahead) == AHEAD_IDLE);
	end(&ahead);
}

EVKV_TEST(unit_memory_ahead, what_is_ready_is_freed_where_nothing_grows)
{
	struct memory_ahead ahead = { .off = false };

	evkv__ahead_rest(&ahead);
	check(!ahead.started);
	begin(&ahead);
	await(&ahead, AHEAD_IDLE);
	check_huge(HUGE);
	ahead.until = ahead.hurries = 5;
	evkv__ahead_rest(&ahead);
	await(&ahead, AHEAD_IDLE);
	check(ahead.next == NULL);
	check_huge(0);
	check_int(ahead.until + ahead.hurries, 0);
	/* Again, there is nothing; and it may grow all the same. */
	evkv__ahead_rest(&ahead);
	check(state(&ahead) == AHEAD_IDLE);
	check(evkv__ahead_take(&ahead) == NULL);
	await(&ahead, AHEAD_IDLE);
	check(ahead.next != NULL);
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
	await(&ahead, AHEAD_IDLE);
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
	await(&ahead, AHEAD_IDLE);
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
static void in_child(void *arg)
{
	struct memory_ahead *ahead = arg;
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

EVKV_TEST(unit_memory_ahead, the_child_of_a_fork_has_a_thread_of_its_own)
{
	struct memory_ahead ahead = { .off = false };
	struct bed bed;

	/* A loop counts forks. */
	bed_open(&bed, 0, 0);
	begin(&ahead);
	await(&ahead, AHEAD_IDLE);
	ahead.state = AHEAD_BUSY;
	fork_run(in_child, &ahead);
	ahead.state = AHEAD_IDLE;
	fork_run(in_child, &ahead);
	end(&ahead);
	bed_close(&bed);
}
#endif

/* ---- By a slab ----------------------------------------------------------- */

static void *items[20000];

static void give_all(struct slab_class *class, size_t count)
{
	while (count-- > 0)
		evkv__slab_give(class, items[count],
		    evkv__slab_slot(class, items[count]));
}

/* A small region is left as soon as a large page is ready, and used later. */
EVKV_TEST(unit_memory_ahead, a_slab_goes_on_in_the_large_page_at_once)
{
	struct memory_ahead ahead = { .off = false };
	struct slab_class *class;
	struct slab slab;
	size_t count = 0;
	uint16_t slot;

	evkv_set_allocator(NULL);
	evkv__slab_init(&slab);
	slab.pages.ahead = &ahead;
	class = slab_class_of(&slab, SLAB_ITEM_MAX);
	while (slab.regions.count <= SMALL)
		items[count++] = evkv__slab_take(class, &slot);
	await(&ahead, AHEAD_IDLE);
	do
		items[count++] = evkv__slab_take(class, &slot);
	while (LIST_EMPTY(&ahead.halves) && count < 20000);
	check_int(slab.regions.count, SMALL + 2);
	check_between(count, SMALL * slab.pages.slots * class->slots,
	    (SMALL * slab.pages.slots + 1) * class->slots + 1);
	check_int((uintptr_t)items[count - 1] / HUGE,
	    (uintptr_t)LIST_FIRST(&ahead.halves) / HUGE);
	/* Where no page is ready, what is left of that region comes first. */
	await(&ahead, AHEAD_IDLE);
	ahead.state = AHEAD_BUSY;
	while (slab.regions.count < SMALL + 4)
		items[count++] = evkv__slab_take(class, &slot);
	check_int(count, (SMALL + 3) * slab.pages.slots * class->slots + 1);
	ahead.state = AHEAD_IDLE;
	give_all(class, count);
	evkv__slab_end(&slab);
	check_int(ahead.regions, 0);
	end(&ahead);
}

/* A large page goes back in one step where the system has such. */
EVKV_TEST(unit_memory_ahead, a_slab_gives_back_whole_pages)
{
	struct memory_ahead ahead = { .off = false };
	struct slab_class *class;
	struct slab slab;
	size_t count = 0, steps = 0, part;
	long had = 0, huge;
	uint16_t slot;

	evkv_set_allocator(NULL);
	evkv__slab_init(&slab);
	slab.pages.ahead = &ahead;
	class = slab_class_of(&slab, SLAB_ITEM_MAX);
	while (slab.regions.count < 3 * SMALL) {
		items[count++] = evkv__slab_take(class, &slot);
		await(&ahead, AHEAD_IDLE);
	}
	while (!evkv__ahead_leave(&ahead))
		sched_yield();
	give_all(class, count);
	evkv__slab_trim(&slab);
	check_int(ahead.regions, 0);
	check(LIST_EMPTY(&ahead.halves));
	while (slab.pages.retired != NULL) {
		part = slab.pages.retired->part;
		had = huge_bytes();
		check(part == HUGE || part == 65536);
		evkv__slab_tidy(&slab.pages);
		huge = huge_bytes();
		check(part != HUGE || had == huge + (long)part || had < 0);
		steps++;
	}
	check_between(steps, SMALL * 16 + SMALL, 3 * SMALL * 16 + 16);
	check_huge(0);
	evkv__slab_end(&slab);
	end(&ahead);
}

/* An allocator of the user's has none. */
EVKV_TEST(unit_memory_ahead, an_allocator_is_asked_for_regions_all_the_same)
{
	struct memory_ahead ahead = { .off = false };
	struct slab_class *class;
	struct slab slab;
	size_t count = 0;
	uint16_t slot;

	evkv__slab_init(&slab);
	slab.pages.ahead = &ahead;
	class = slab_class_of(&slab, SLAB_ITEM_MAX);
	while (slab.regions.count < 2 * SMALL)
		items[count++] = evkv__slab_take(class, &slot);
	check(faults_outstanding() > slab.regions.count);
	check(huge_bytes() <= 0);
	check(!ahead.started);
	give_all(class, count);
	evkv__slab_end(&slab);
	check_int(faults_outstanding(), 0);
}

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

/* Nothing will grow: what was ready goes back. */
EVKV_TEST(memory_ahead, a_store_that_evicts_keeps_no_page_ready)
{
	struct memory_ahead *ahead;
	struct evkv_store *store;
	struct rig rig;
	unsigned rounds;

	evkv_set_allocator(NULL);
	rig_open(&rig);
	store = evkv_memory_new(rig.loop,
	    &(struct evkv_memory_options){ .max_entries = 20000 }, NULL);
	ahead = &store_self_of(store)->table.heap->ahead;
	fill(store, 20000);
	await(ahead, AHEAD_IDLE);
	evkv__ahead_begin(ahead);
	await(ahead, AHEAD_IDLE);
	check(ahead->next != NULL);
	/* It may grow a little yet, and what is under way then comes later. */
	for (rounds = 0; ahead->next != NULL && rounds < 20; rounds++) {
		fill(store, 22000);
		await(ahead, AHEAD_IDLE);
	}
	check(ahead->next == NULL);
	evkv_store_unref(store);
	rig_close(&rig);
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
