/*
 * Names with one hash stay apart.
 */
#include <stdio.h>
#include <unistd.h>

#include "damage_kit.h"
#include "lib/folder.h"
#include "lib/test.h"

static void check_collisions(struct direct *direct, unsigned from)
{
	char key[32], value[64], wanted[64];
	unsigned i;

	for (i = 0; i < 60; i++) {
		damage_key(i, key);
		snprintf(wanted, sizeof(wanted), "value %u", i);
		check_int(direct_get(direct, key, value, sizeof(value)),
		    i < from ? EVKV_NOT_FOUND : EVKV_OK);
		if (i >= from)
			check_str(value, wanted);
	}
}

EVKV_TEST(log_collision, names_with_one_hash_stay_apart)
{
	static const uint64_t masks[] = { 0x3, UINT64_C(1) << 63 };
	struct file_failure failure;
	char key[32], value[64];
	struct damage d;
	unsigned i, m;

	for (m = 0; m < 2; m++) {
		memset(&d, 0, sizeof(d));
		folder_make(d.folder, sizeof(d.folder));
		snprintf(d.whole, sizeof(d.whole), "%s/whole", d.folder);
		d.config.path = d.whole;
		d.config.hash_mask = masks[m];
		check(direct_open(&d.direct, &d.config, &failure));
		for (i = 0; i < 60; i++) {
			damage_key(i, key);
			snprintf(value, sizeof(value), "value %u", i);
			check_int(direct_put(&d.direct, key, "old", 0),
			    EVKV_OK);
			check_int(direct_put(&d.direct, key, value, 0),
			    EVKV_OK);
		}
		check_collisions(&d.direct, 0);
		for (i = 0; i < 20; i++) {
			damage_key(i, key);
			check_int(direct_delete(&d.direct, key), EVKV_OK);
		}
		check_collisions(&d.direct, 20);
		check_int(direct_compact(&d.direct), 0);
		check_collisions(&d.direct, 20);
		direct_close(&d.direct);
		check(direct_open(&d.direct, &d.config, &failure));
		check_collisions(&d.direct, 20);
		damage_end(&d);
	}
}

/*
 * Of a collection that is not among the first 1024 the index knows no more than
 * the collection and half of the hash.
 */
EVKV_TEST(log_collision, many_names_of_one_hash_in_a_late_collection)
{
	struct file_failure failure;
	char name[32], value[64];
	struct damage d;
	unsigned i;

	memset(&d, 0, sizeof(d));
	folder_make(d.folder, sizeof(d.folder));
	d.config.path = d.folder;
	d.config.hash_mask = UINT64_C(1) << 63;
	check(direct_open(&d.direct, &d.config, &failure));
	d.direct.collection = name;
	for (i = 0; i < 1024; i++) {
		snprintf(name, sizeof(name), "collection %u", i);
		check_int(direct_put(&d.direct, "key", "value", 0), EVKV_OK);
	}
	d.direct.collection = "late";
	for (i = 0; i < 60; i++) {
		damage_key(i, name);
		snprintf(value, sizeof(value), "value %u", i);
		check_int(direct_put(&d.direct, name, value, 0), EVKV_OK);
	}
	check_collisions(&d.direct, 0);
	for (i = 0; i < 20; i++) {
		damage_key(i, name);
		check_int(direct_delete(&d.direct, name), EVKV_OK);
	}
	check_collisions(&d.direct, 20);
	damage_end(&d);
}

/* It has the hash of the key, and nothing tells that it is another's. */
EVKV_TEST(log_collision, what_is_damaged_is_mended_in_its_place)
{
	struct file_failure failure;
	unsigned char byte;
	struct damage d;
	char value[64];
	int fd;

	memset(&d, 0, sizeof(d));
	folder_make(d.folder, sizeof(d.folder));
	d.config.path = d.folder;
	d.config.hash_mask = 0x3;
	check(direct_open(&d.direct, &d.config, &failure));
	check_int(direct_put(&d.direct, "key", "old", 0), EVKV_OK);
	fd = d.direct.env->active->fd;
	check_int(pread(fd, &byte, 1, LOG_FILE_HEAD + LOG_ITEM_HEAD + 20), 1);
	byte ^= 1;
	check_int(pwrite(fd, &byte, 1, LOG_FILE_HEAD + LOG_ITEM_HEAD + 20), 1);
	check_int(direct_get(&d.direct, "key", value, 64), EVKV_CORRUPT);
	check_int(direct_put(&d.direct, "key", "new", 0), EVKV_OK);
	check_int(direct_get(&d.direct, "key", value, 64), EVKV_OK);
	check_str(value, "new");
	check_int(d.direct.env->index.entries, 1);
	damage_end(&d);
}
