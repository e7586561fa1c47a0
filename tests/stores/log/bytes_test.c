/*
 * A byte that has changed, any one of them: never a wrong value, never a crash.
 */
#include <stdio.h>

#include "damage_kit.h"
#include "lib/folder.h"
#include "lib/test.h"

static void flip_each(struct damage *d, const char *name, bool indexes,
    unsigned step)
{
	struct file_failure failure;
	struct direct direct;
	enum evkv_status status;
	size_t size, i;
	char what[80];

	damage_copy(d->whole, d->path);
	size = damage_read(d, name);
	for (i = 0; i < size; i += step) {
		damage_copy(d->whole, d->path);
		if (!indexes) {
			damage_remove(d, "0001.index");
			damage_remove(d, "0002.index");
		}
		check_int(damage_read(d, name), size);
		damage_room[i] ^= (unsigned char)(1u << i % 8);
		damage_write(d, name, size);
		snprintf(what, sizeof(what), "%s, byte %zu", name, i);
		status = damage_open(d, &direct, &failure);
		if (status != EVKV_OK) {
			check(status == EVKV_CORRUPT ||
			    status == EVKV_UNSUPPORTED ||
			    status == EVKV_REFUSED);
			continue;
		}
		damage_check(&direct, what);
		direct_close(&direct);
	}
}

EVKV_TEST(log_bytes, each_byte_of_a_data_file)
{
	struct damage d;

	damage_begin(&d);
	direct_close(&d.direct);
	flip_each(&d, "0001.data", true, 1);
	flip_each(&d, "0002.data", true, 1);
	flip_each(&d, "0003.data", true, 1);
	damage_end(&d);
}

EVKV_TEST(log_bytes, each_byte_of_a_data_file_without_index_files)
{
	struct damage d;

	damage_begin(&d);
	direct_close(&d.direct);
	flip_each(&d, "0001.data", false, 1);
	flip_each(&d, "0002.data", false, 1);
	damage_end(&d);
}

EVKV_TEST(log_bytes, each_byte_of_index_files_and_of_store)
{
	struct damage d;

	damage_begin(&d);
	direct_close(&d.direct);
	flip_each(&d, "0001.index", true, 1);
	flip_each(&d, "0002.index", true, 1);
	flip_each(&d, "STORE", true, 1);
	damage_end(&d);
}
