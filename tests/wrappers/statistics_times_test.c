/*
 * statistics: times, kept in buckets, and which operations are timed.
 */
#include <stdlib.h>
#include <string.h>

#include "statistics_fixture.h"
#include "wrappers/statistics/histogram.h"

EVKV_TEST(unit_statistics, buckets_are_at_most_a_sixteenth_wide)
{
	uint64_t ns, upper, last = 0;
	size_t bucket, i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		upper = evkv__histogram_upper(i);
		check_int(evkv__histogram_bucket(upper), i);
		check_int(evkv__histogram_bucket(i == 0 ? 0 : last + 1), i);
		last = upper;
	}
	check_int(last, (INT64_C(1) << 42) - 1);
	check(last > UINT64_C(3600000000000));
	for (ns = 1; ns < last; ns += 1 + ns / 37) {
		bucket = evkv__histogram_bucket(ns);
		upper = evkv__histogram_upper(bucket);
		check(upper >= ns && upper - ns <= ns / 16);
	}
	check_int(evkv__histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
	check_int(evkv__histogram_bucket(last + 1), HISTOGRAM_BUCKETS - 1);
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

EVKV_TEST(unit_statistics, quantiles_against_a_sorted_list)
{
	static const unsigned shares[] = { 1, 500, 900, 990, 999, 1000 };
	struct histogram *h = calloc(1, sizeof(*h));
	uint64_t *all = calloc(5000, sizeof(*all)), exact, told;
	size_t i, rank;

	srand(7);
	for (i = 0; i < 5000; i++) {
		all[i] = (uint64_t)rand() << (rand() % 9);
		all[i] >>= rand() % 30;
		evkv__histogram_record(h, all[i], 1);
	}
	qsort(all, 5000, sizeof(*all), by_size);
	for (i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		rank = (5000 * shares[i] + 999) / 1000;
		exact = all[rank - 1];
		told = evkv__histogram_quantile(h, shares[i]);
		check(told >= exact && told - exact <= exact / 16);
	}
	check_int(evkv__histogram_quantile(h, 1000), h->max_ns);
	check_int(h->max_ns, all[4999]);
	free(all);
	free(h);
}

EVKV_TEST(unit_statistics, quantiles_of_few_and_of_many)
{
	struct histogram *h = calloc(1, sizeof(*h));

	check_int(evkv__histogram_quantile(h, 500), 0);
	evkv__histogram_record(h, 100, 1);
	check_int(evkv__histogram_quantile(h, 500), 100);
	check_int(evkv__histogram_quantile(h, 999), 100);
	/* Shares of counts whose product with 1000 would not fit. */
	evkv__histogram_record(h, 200, UINT64_MAX / 2);
	check_int(evkv__histogram_quantile(h, 1), 200);
	check_int(evkv__histogram_count_to(h, 150), 1);
	check_int(evkv__histogram_count_to(h, 99), 0);
	/* Longer than an hour: the longest is told as it is. */
	evkv__histogram_record(h, UINT64_C(1) << 50, UINT64_MAX / 4);
	check_int(evkv__histogram_quantile(h, 999), INT64_C(1) << 50);
	free(h);
}

EVKV_TEST(unit_statistics, what_is_pending_is_always_timed)
{
	struct evkv_statistics s;
	struct fixture f;
	int i;

	open_fixture(&f,
	    (struct evkv_statistics_options){ .sample_inline = 65536 });
	put(&f, "c", "k", "v"); /* the first is sampled */
	evkv_statistics_reset(f.store);
	f.gate->mode = GATE_BEFORE;
	for (i = 1; i <= 10; i++) {
		answer_reset(&f.answer);
		evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb,
		    &f.answer);
		now_ns += 1000 * i;
		gate_release_all(f.gate);
		rig_wait(&f.rig, &f.answer.calls);
	}
	s = total(&f);
	check_int(s.timed, 10);
	check_int(s.max_ns, 10000);
	check_int(s.time_sum_ns, 55000);
	check_between(s.p50_ns, 5000, 5312);
	check_int(s.p999_ns, 10000);
	/* And those answered at once while others are pending only if drawn. */
	f.gate->mode = GATE_OPEN;
	get(&f, "c", "k");
	check_int(total(&f).timed, 10);
	close_fixture(&f);
}

EVKV_TEST(unit_statistics, what_is_answered_at_once_is_sampled)
{
	struct evkv_statistics s;
	struct fixture f;
	int i;

	open_fixture(&f,
	    (struct evkv_statistics_options){ .sample_inline = 16 });
	step_ns = 100; /* each reading of the clock */
	for (i = 0; i < 16000; i++)
		put(&f, "c", "k", "v");
	s = total(&f);
	check_int(s.operations, 16000);
	check_between(s.timed, 14000, 18000);
	check_int(s.p50_ns, 100);
	check_int(s.max_ns, 100);
	/* The clock was read for those alone. */
	check_between(now_ns / 100, 1750, 2250);
	close_fixture(&f);
}

EVKV_TEST(unit_statistics, all_may_be_timed)
{
	struct fixture f;
	int i;

	open_fixture(&f,
	    (struct evkv_statistics_options){ .sample_inline = 1 });
	step_ns = 7;
	for (i = 0; i < 100; i++)
		put(&f, "c", "k", "v");
	check_int(total(&f).timed, 100);
	check_int(total(&f).time_sum_ns, 700);
	close_fixture(&f);
}
