/*
 * Long keys whose hashes are all the same: this program's hash stands in for
 * the library's.
 */
#include <stdio.h>
#include <string.h>

#include "kit.h"
#include "stores/disk/format.h"

void evkv__disk_hash(struct evkv_slice bytes,
    unsigned char hash[DISK_HASH_SIZE])
{
	(void)bytes;
	memset(hash, 0x11, DISK_HASH_SIZE);
}

static struct evkv_slice key_of(unsigned n, char *buffer)
{
	memset(buffer, 'c', 450);
	return evkv_bytes(buffer,
	    450 + (size_t)snprintf(buffer + 450, 8, "%03u", n));
}

static void check_all(struct kit *kit, const unsigned char *there)
{
	char key[500];
	unsigned n;

	for (n = 0; n < 300; n++)
		check_status(kit_get(kit, "c", key_of(n, key),
				 evkv_bytes(&n, sizeof(n))),
		    there[n] != 0 ? EVKV_OK : EVKV_NOT_FOUND);
}

EVKV_TEST(disk_collision, equal_hashes_are_told_apart)
{
	unsigned char there[300] = { 0 };
	struct kit kit;
	char key[500];
	unsigned n;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	/* One byte tells them apart. */
	for (n = 0; n < 256; n++) {
		there[n] = 1;
		check_status(kit_put(&kit, "c", key_of(n, key),
				 evkv_bytes(&n, sizeof(n)), 0),
		    EVKV_OK);
	}
	check_status(kit_put(&kit, "c", key_of(256, key), EVKV_LIT("v"), 0),
	    EVKV_NOSPACE);
	check_status(kit_delete(&kit, "c", key_of(256, key)), EVKV_NOT_FOUND);
	check_all(&kit, there);
	for (n = 0; n < 256; n += 3) {
		there[n] = 0;
		check_status(kit_delete(&kit, "c", key_of(n, key)), EVKV_OK);
	}
	check_all(&kit, there);
	/* Into the holes. */
	for (n = 256; n < 300; n++) {
		there[n] = 1;
		check_status(kit_put(&kit, "c", key_of(n, key),
				 evkv_bytes(&n, sizeof(n)), n % 2 * 60000),
		    EVKV_OK);
	}
	check_all(&kit, there);
	kit_close(&kit);
	kit_open(&kit, NULL);
	check_all(&kit, there);
	check_status(kit_span(&kit, EVKV_OP_CLEAR, "c"), EVKV_OK);
	memset(there, 0, sizeof(there));
	check_all(&kit, there);
	kit_end(&kit);
}
