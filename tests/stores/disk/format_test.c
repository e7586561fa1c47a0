/*
 * The parts of the format, by known values; and the order of operations.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"
#include "stores/disk/format.h"
#include "engines/files/lane_order.h"

EVKV_TEST(disk_format, checksum_is_half_of_xxh3)
{
	unsigned char zeros[300] = { 0 };
	uint32_t first;

	/* By another implementation; short, and with a seed, and long. */
	check_int(evkv__disk_checksum(0, NULL, 0), 0x38d394c2);
	check_int(evkv__disk_checksum(0, "123456789", 9), 0x67a17dff);
	check_int(evkv__disk_checksum(1, "123456789", 9), 0x57995816);
	check_int(evkv__disk_checksum(0, zeros, 300), 0x20085f91);
	check_int(evkv__disk_checksum(0xffffffff, zeros, 300), 0x44551848);
	/* What came before counts, also before nothing. */
	first = evkv__disk_checksum(0, zeros, 1);
	check(evkv__disk_checksum(first, NULL, 0) !=
	    evkv__disk_checksum(0, NULL, 0));
}

EVKV_TEST(disk_format, hash_is_siphash_of_128_bits)
{
	/* By another implementation, which gives the published vectors. */
	static const unsigned char of_abc[] = { 0x6c, 0x95, 0xde, 0xc3, 0x02,
		0x96, 0x2f, 0xa8, 0xca, 0x5e, 0x69, 0xc1, 0xd5, 0xd1, 0x54,
		0x78 };
	static const unsigned char of_long[] = { 0xc9, 0x3d, 0x3b, 0xc7, 0x09,
		0xe6, 0xec, 0x89, 0xd3, 0x08, 0x9e, 0x3c, 0xa7, 0xd0, 0xe3,
		0x4d };
	unsigned char hash[DISK_HASH_SIZE];
	char key[1000];

	evkv__disk_hash(EVKV_LIT("abc"), hash);
	check(memcmp(hash, of_abc, sizeof(hash)) == 0);
	memset(key, 'k', sizeof(key));
	evkv__disk_hash(evkv_bytes(key, sizeof(key)), hash);
	check(memcmp(hash, of_long, sizeof(hash)) == 0);
}

static void round_trip(size_t key_size, size_t value_size, int64_t expires_ms)
{
	char *key = malloc(key_size), *value = malloc(value_size + 1);
	struct evkv_slice collection = EVKV_LIT("col\0lection");
	struct evkv_slice keys = evkv_bytes(key, key_size);
	struct evkv_slice values = evkv_bytes(value, value_size);
	struct disk_row_key row_key;
	struct disk_row row;
	unsigned char *bytes;
	size_t size;

	memset(key, 'a', key_size);
	memset(value, 'b', value_size);
	size = evkv__disk_row_size(keys, values);
	bytes = malloc(size);
	evkv__disk_row_key(&row_key, 77, keys);
	evkv__disk_row_write(bytes, collection, keys,
	    &(struct disk_row){
		.expires_ms = expires_ms, .version = 99, .value = values });
	check(evkv__disk_row_parse(evkv_bytes(bytes, size), row_key.size,
	    &row));
	check(evkv__disk_row_ok(&row, collection, keys));
	check_int(row.expires_ms, expires_ms);
	check_int(row.version, 99);
	check_bytes(row.value, values);
	check_int(row_key.is_long, key_size > DISK_KEY_HEAD);
	if (row_key.is_long)
		check_bytes(row.long_key, keys);
	check(!evkv__disk_row_ok(&row, EVKV_LIT("other"), keys));
	/* Cut anywhere it is no row, or not this one. */
	check(!evkv__disk_row_parse(evkv_bytes(bytes, DISK_ROW_HEAD - 1),
	    row_key.size, &row));
	if (evkv__disk_row_parse(evkv_bytes(bytes, size - 1), row_key.size,
		&row))
		check(!evkv__disk_row_ok(&row, collection, keys));
	free(bytes);
	free(key);
	free(value);
}

EVKV_TEST(disk_format, rows_come_back)
{
	round_trip(1, 0, 0);
	round_trip(1, 1, 1);
	round_trip(400, 100, INT64_C(1795000000000));
	round_trip(401, 100, 0);
	round_trip(65535, 70000, INT64_MAX);
}

EVKV_TEST(disk_format, a_row_is_these_bytes)
{
	static const unsigned char expected[] = { 0x00, 0x00, 0x00, 0x00, 0xba,
		0x24, 0x69, 0xc6, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02,
		0x01, 0x9f, 0x57, 0x57, 0x67, 0x18, 0x17, 0x16, 0x15, 0x14,
		0x13, 0x12, 0x11, 0x76 };
	unsigned char bytes[sizeof(expected)];

	evkv__disk_row_write(bytes, EVKV_LIT("c"), EVKV_LIT("k"),
	    &(struct disk_row){ .expires_ms = INT64_C(0x0102030405060708),
		.version = UINT64_C(0x1112131415161718),
		.value = EVKV_LIT("v") });
	check(memcmp(bytes, expected, sizeof(bytes)) == 0);
}

/* ---- Order --------------------------------------------------------------- */

EVKV_TEST(lane_order, keys_are_known_by_all_that_names_them)
{
	struct lane_order order = { .seed = 7 }, other = { .seed = 8 };
	struct evkv_slice none = { NULL, 0 };
	uint64_t hash = evkv__lane_order_hash(&order, EVKV_LIT("ab"),
	    EVKV_LIT("c"));

	check(hash ==
	    evkv__lane_order_hash(&order, EVKV_LIT("ab"), EVKV_LIT("c")));
	check(hash !=
	    evkv__lane_order_hash(&order, EVKV_LIT("a"), EVKV_LIT("bc")));
	check(hash != evkv__lane_order_hash(&order, none, EVKV_LIT("abc")));
	/* No one can tell beforehand which keys fall together. */
	check(hash !=
	    evkv__lane_order_hash(&other, EVKV_LIT("ab"), EVKV_LIT("c")));
}

EVKV_TEST(lane_order, jobs_go_where_their_keys_are)
{
	struct lane_order order = { .seed = 7 };
	uint64_t a = 1, b = 2, both[2] = { 1, 2 };

	check(evkv__lane_order_reserve(&order, 10));
	check_int(evkv__lane_order_route(&order, &a, 1, false, 3, false), 3);
	evkv__lane_order_enter(&order, &a, 1, LANE_WRITER);
	/* A read follows the write; so does another write. */
	check_int(evkv__lane_order_route(&order, &a, 1, false, 3, false),
	    LANE_WRITER);
	check_int(evkv__lane_order_route(&order, both, 2, false, 3, false),
	    LANE_WRITER);
	evkv__lane_order_enter(&order, &b, 1, 2);
	/* In two lanes at once: held. A write of what is read: held. */
	check_int(evkv__lane_order_route(&order, both, 2, false, 3, false),
	    LANE_HELD);
	check_int(evkv__lane_order_route(&order, &b, 1, true, 0, false),
	    LANE_HELD);
	check_int(evkv__lane_order_route(&order, &b, 1, false, 3, false), 2);
	/* What a held one wants is held for it. */
	evkv__lane_order_enter(&order, &b, 1, LANE_HELD);
	check_int(evkv__lane_order_route(&order, &b, 1, false, 3, false),
	    LANE_HELD);
	evkv__lane_order_leave(&order, &b, 1, 2);
	evkv__lane_order_scan(&order);
	check_int(evkv__lane_order_route(&order, &b, 1, true, 0, true),
	    LANE_WRITER);
	evkv__lane_order_leave(&order, &b, 1, LANE_HELD);
	evkv__lane_order_leave(&order, &a, 1, LANE_WRITER);
	check_int(order.used, 0);
	evkv__lane_order_free(&order);
}

EVKV_TEST(lane_order, the_table_shrinks_when_few_keys_are_left)
{
	struct lane_order order = { .seed = 7 };
	uint64_t hash;

	for (hash = 1; hash <= 50000; hash++) {
		check(evkv__lane_order_reserve(&order, 1));
		evkv__lane_order_enter(&order, &hash, 1, 1);
	}
	check(order.size >= 100000);
	for (hash = 1; hash <= 49900; hash++)
		evkv__lane_order_leave(&order, &hash, 1, 1);
	check(evkv__lane_order_reserve(&order, 1));
	check(order.size <= 1024);
	for (hash = 49801; hash <= 50000; hash++)
		check_int(evkv__lane_order_route(&order, &hash, 1, false, 9,
			      false),
		    hash > 49900 ? 1 : 9);
	evkv__lane_order_free(&order);
}

/* Against a plain count for each of a few hashes that collide in the table. */
EVKV_TEST(lane_order, the_table_keeps_count)
{
	struct lane_order order = { .seed = 7 };
	unsigned counts[512] = { 0 }, used, step, i;
	uint32_t state = 42;
	uint64_t hash;

	for (step = 0; step < 200000; step++) {
		state = state * 1664525 + 1013904223;
		i = state >> 16 & 511;
		hash = (uint64_t)(i % 16) | (uint64_t)i << 32;
		check(evkv__lane_order_reserve(&order, 1));
		if ((state >> 30) % 2 == 0 || counts[i] == 0) {
			evkv__lane_order_enter(&order, &hash, 1, 1);
			counts[i]++;
		} else {
			evkv__lane_order_leave(&order, &hash, 1, 1);
			counts[i]--;
		}
		if (counts[i] > 3) {
			while (counts[i] > 0) {
				evkv__lane_order_leave(&order, &hash, 1, 1);
				counts[i]--;
			}
		}
		check_int(evkv__lane_order_route(&order, &hash, 1, false, 9,
			      false),
		    counts[i] > 0 ? 1 : 9);
	}
	for (i = used = 0; i < 512; i++)
		used += counts[i] > 0;
	check_int(order.used, used);
	evkv__lane_order_free(&order);
}
