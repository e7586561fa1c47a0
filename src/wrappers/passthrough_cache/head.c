/* wrappers/passthrough_cache/head.c - the head of a cached entry. */
#include "wrappers/passthrough_cache/head.h"

#define HEAD_MAGIC 0xe0u /* upper half of the first byte */
#define HEAD_ABSENT 1u
#define HEAD_EXPIRED 2u
/* Clocks of processes that share a cache may differ by so much. */
#define HEAD_AHEAD_US 1000000

int64_t evkv__head_now_us(const struct cache *cache)
{
	return cache->monotonic ? evkv_loop_now_us(cache->loop)
				: evkv_loop_wall_ms(cache->loop) * 1000;
}

static void put_64(unsigned char *bytes, uint64_t number)
{
	unsigned i;

	for (i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(number >> (8 * i));
}

static uint64_t get_64(const unsigned char *bytes)
{
	uint64_t number = 0;
	unsigned i;

	for (i = 0; i < 8; i++)
		number |= (uint64_t)bytes[i] << (8 * i);
	return number;
}

static uint64_t cut(int64_t ms)
{
	return (uint64_t)(ms < 0 ? 0 : ms > HEAD_MS_MAX ? HEAD_MS_MAX : ms);
}

void evkv__head_write(const struct head *head, unsigned char *bytes)
{
	uint64_t first = (uint64_t)head->loaded_us << 8 | HEAD_MAGIC;

	if (head->absent)
		first |= HEAD_ABSENT;
	if (head->expired)
		first |= HEAD_EXPIRED;
	put_64(bytes, first);
	put_64(bytes + 8, cut(head->stale_ms) << 32 | cut(head->fresh_ms));
}

bool evkv__head_read(struct evkv_slice bytes, struct head *head)
{
	uint64_t first, second;

	if (bytes.size < HEAD_SIZE)
		return false;
	first = get_64(bytes.data);
	second = get_64((const unsigned char *)bytes.data + 8);
	if ((first & 0xf0) != HEAD_MAGIC)
		return false;
	head->loaded_us = (int64_t)(first >> 8);
	head->fresh_ms = (int64_t)(second & 0xffffffff);
	head->stale_ms = (int64_t)(second >> 32);
	head->absent = (first & HEAD_ABSENT) != 0;
	head->expired = (first & HEAD_EXPIRED) != 0;
	return true;
}

enum life evkv__head_life(const struct cache *cache, const struct head *head,
    int64_t now_us)
{
	int64_t past_us = now_us - head->loaded_us - head->fresh_ms * 1000;

	if (head->loaded_us > now_us + HEAD_AHEAD_US)
		return LIFE_OVER;
	if (past_us < 0)
		return head->expired ? LIFE_OVER : LIFE_FRESH;
	if (past_us >= head->stale_ms * 1000)
		return LIFE_OVER;
	if (!head->expired && past_us < cache->options.stale_while_ms * 1000)
		return LIFE_STALE;
	return past_us < cache->options.stale_if_error_ms * 1000 ? LIFE_LAST
								 : LIFE_OVER;
}

bool evkv__head_is_old(const struct cache *cache, const struct head *head,
    int64_t now_us)
{
	int64_t percent = cache->options.refresh_ahead_percent;

	return percent > 0 && !head->absent &&
	    head_age_ms(head, now_us) * 100 >= head->fresh_ms * percent;
}
