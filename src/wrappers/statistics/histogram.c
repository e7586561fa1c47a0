/* wrappers/statistics/histogram.c - see histogram.h. */
#include "wrappers/statistics/histogram.h"

#define HISTOGRAM_BITS 4 /* of HISTOGRAM_STEPS */

size_t evkv__histogram_bucket(uint64_t ns)
{
	unsigned shift;

	if (ns < HISTOGRAM_STEPS)
		return (size_t)ns;
	shift = 63 - (unsigned)__builtin_clzll(ns) - HISTOGRAM_BITS;
	if (shift >= HISTOGRAM_OCTAVES)
		return HISTOGRAM_BUCKETS - 1;
	/* ns >> shift is 16 to 31: the leading one, then the step. */
	return HISTOGRAM_STEPS * (size_t)shift + (size_t)(ns >> shift);
}

uint64_t evkv__histogram_upper(size_t bucket)
{
	size_t shift;

	if (bucket < HISTOGRAM_STEPS)
		return bucket;
	shift = bucket / HISTOGRAM_STEPS - 1;
	return ((uint64_t)(bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS + 1)
		   << shift) -
	    1;
}

void evkv__histogram_record(struct histogram *histogram, uint64_t ns,
    uint64_t weight)
{
	histogram->buckets[evkv__histogram_bucket(ns)] += weight;
	histogram->count += weight;
	histogram->sum_ns += ns * weight;
	if (ns > histogram->max_ns)
		histogram->max_ns = ns;
}

void evkv__histogram_add(struct histogram *to, const struct histogram *from)
{
	size_t i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->buckets[i] += from->buckets[i];
	to->count += from->count;
	to->sum_ns += from->sum_ns;
	if (from->max_ns > to->max_ns)
		to->max_ns = from->max_ns;
}

/* How many of `count` are `share` of 1000, rounded up; it can't overflow. */
static uint64_t share_of(uint64_t count, unsigned share)
{
	uint64_t rest = count % 1000 * share;

	return count / 1000 * share + (rest + 999) / 1000;
}

uint64_t evkv__histogram_quantile(const struct histogram *histogram,
    unsigned share)
{
	uint64_t rank = share_of(histogram->count, share), seen = 0, upper;
	size_t i;

	if (histogram->count == 0)
		return 0;
	for (i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += histogram->buckets[i];
		if (seen >= rank)
			break;
	}
	upper = evkv__histogram_upper(i);
	if (i == HISTOGRAM_BUCKETS - 1 || upper > histogram->max_ns)
		return histogram->max_ns;
	return upper;
}

uint64_t evkv__histogram_count_to(const struct histogram *histogram,
    uint64_t ns)
{
	uint64_t count = 0;
	size_t i;

	for (i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		if (evkv__histogram_upper(i) > ns)
			break;
		count += histogram->buckets[i];
	}
	return count;
}
