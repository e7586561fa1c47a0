/*
 * wrappers/statistics/histogram.h - times, in buckets of bounded relative
 * width.
 *
 * Below 16 ns each nanosecond has its bucket; above, each octave has 16 of
 * equal width. The last bucket ends at 2^42 ns, about 73 minutes, and takes all
 * that is longer.
 */
#ifndef EVKV_WRAPPERS_STATISTICS_HISTOGRAM_H
#define EVKV_WRAPPERS_STATISTICS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_STEPS 16
#define HISTOGRAM_OCTAVES 38 /* from 2^4 ns to 2^42 ns */
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * (1 + HISTOGRAM_OCTAVES))

struct histogram {
	uint64_t buckets[HISTOGRAM_BUCKETS];
	uint64_t count; /* the sum of the buckets */
	uint64_t sum_ns;
	uint64_t max_ns;
};

/* The bucket of a time. */
size_t evkv__histogram_bucket(uint64_t ns);
/* The longest time of a bucket. */
uint64_t evkv__histogram_upper(size_t bucket);

/* Record a time that stands for `weight` operations. */
void evkv__histogram_record(struct histogram *histogram, uint64_t ns,
    uint64_t weight);
void evkv__histogram_add(struct histogram *to, const struct histogram *from);

/* The time that `share` of 1000 did not exceed; 0 where there is none. */
uint64_t evkv__histogram_quantile(const struct histogram *histogram,
    unsigned share);

/* How many surely took at most so long: whole buckets. */
uint64_t evkv__histogram_count_to(const struct histogram *histogram,
    uint64_t ns);

#endif
