/*
 * tests/wrappers/cache_head_test.c - the head of a cached entry: its bytes, and
 * each moment of its life.
 */
#include <string.h>

#include "test.h"
#include "wrappers/passthrough_cache/head.h"

#define NOW INT64_C(1795842000000000)
#define S INT64_C(1000000)

static void check_head(struct head head, int64_t fresh_ms, int64_t stale_ms)
{
	unsigned char bytes[HEAD_SIZE + 1] = { 0 };
	struct head back;

	evkv__head_write(&head, bytes);
	check(evkv__head_read(evkv_bytes(bytes, HEAD_SIZE), &back));
	check_int(back.loaded_us, head.loaded_us);
	check_int(back.fresh_ms, fresh_ms);
	check_int(back.stale_ms, stale_ms);
	check_int(back.absent, head.absent);
	check_int(back.expired, head.expired);
	check(evkv__head_read(evkv_bytes(bytes, HEAD_SIZE + 1), &back));
	check(!evkv__head_read(evkv_bytes(bytes, HEAD_SIZE - 1), &back));
	bytes[0] ^= 0x10;
	check(!evkv__head_read(evkv_bytes(bytes, HEAD_SIZE), &back));
}

/* They lie in caches that several processes share. */
EVKV_TEST(wrappers_cache_head, its_bytes)
{
	static const unsigned char expected[HEAD_SIZE] = { 0xe3, 7, 6, 5, 4, 3,
		2, 1, 0x78, 0x56, 0x34, 0x12, 0xf0, 0xde, 0xbc, 0x9a };
	const struct head head = { .loaded_us = 0x01020304050607,
		.fresh_ms = 0x12345678,
		.stale_ms = 0x9abcdef0,
		.absent = true,
		.expired = true };
	unsigned char bytes[HEAD_SIZE];

	evkv__head_write(&head, bytes);
	check_bytes(evkv_bytes(bytes, HEAD_SIZE),
	    evkv_bytes(expected, HEAD_SIZE));
	check_head((struct head){ .loaded_us = NOW }, 0, 0);
	check_head((struct head){ NOW, 1, 2, true, false }, 1, 2);
	check_head((struct head){ NOW, 3, 4, false, true }, 3, 4);
	check_head((struct head){ NOW, HEAD_MS_MAX, HEAD_MS_MAX, false, false },
	    HEAD_MS_MAX, HEAD_MS_MAX);
	/* Longer than there is room for. */
	check_head((struct head){ NOW, HEAD_MS_MAX + 1, INT64_MAX, true, true },
	    HEAD_MS_MAX, HEAD_MS_MAX);
	check_head((struct head){ NOW, -1, INT64_MIN, true, true }, 0, 0);
}

static enum life life_at(struct head head, int64_t us)
{
	struct cache cache;

	memset(&cache, 0, sizeof(cache));
	cache.options.stale_while_ms = 2000;
	cache.options.stale_if_error_ms = 5000;
	head.loaded_us = NOW;
	return evkv__head_life(&cache, &head, NOW + us);
}

EVKV_TEST(wrappers_cache_head, its_life)
{
	const struct head all = { .fresh_ms = 1000, .stale_ms = 9000 };
	const struct head brief = { .fresh_ms = 1000, .stale_ms = 1500 };
	const struct head none = { .fresh_ms = 1000 };
	const struct head expired = { .stale_ms = 9000, .expired = true };
	const struct head ahead = { .fresh_ms = 1, .expired = true };

	check_int(life_at(all, 0), LIFE_FRESH);
	check_int(life_at(all, 1 * S - 1), LIFE_FRESH);
	check_int(life_at(all, 1 * S), LIFE_STALE);
	check_int(life_at(all, 3 * S - 1), LIFE_STALE);
	check_int(life_at(all, 3 * S), LIFE_LAST);
	check_int(life_at(all, 6 * S - 1), LIFE_LAST);
	check_int(life_at(all, 6 * S), LIFE_OVER);
	check_int(life_at(brief, 25 * S / 10 - 1), LIFE_STALE);
	check_int(life_at(brief, 25 * S / 10), LIFE_OVER);
	check_int(life_at(none, 1 * S), LIFE_OVER);
	/* Invalidated: not fresh, and not stale while it is loaded. */
	check_int(life_at(expired, 0), LIFE_LAST);
	check_int(life_at(expired, 5 * S - 1), LIFE_LAST);
	check_int(life_at(expired, 5 * S), LIFE_OVER);
	check_int(life_at(ahead, 0), LIFE_OVER);
	/* Of a clock that is ahead, by what clocks may differ, or more. */
	check_int(life_at(all, -1 * S), LIFE_FRESH);
	check_int(life_at(all, -1 * S - 1), LIFE_OVER);
}

EVKV_TEST(wrappers_cache_head, when_it_is_old)
{
	struct head head = { .loaded_us = NOW, .fresh_ms = 1000 };
	struct cache cache;

	memset(&cache, 0, sizeof(cache));
	check(!evkv__head_is_old(&cache, &head, NOW + 2 * S));
	cache.options.refresh_ahead_percent = 80;
	check(!evkv__head_is_old(&cache, &head, NOW + 799 * 1000));
	check(evkv__head_is_old(&cache, &head, NOW + 800 * 1000));
	check(!evkv__head_is_old(&cache, &head, NOW - S));
	check_int(head_age_ms(&head, NOW + 1999), 1);
	check_int(head_age_ms(&head, NOW - 1), 0);
	head.absent = true;
	check(!evkv__head_is_old(&cache, &head, NOW + 900 * 1000));
}
