/*
 * Room: how much max_bytes leaves, and what a full disk lets in.
 */
#include <stdio.h>
#include <sys/statvfs.h>

#include "direct.h"
#include "lib/folder.h"
#include "lib/test.h"

#define SEGMENT (64u << 10)

static uint64_t disk_room; /* bytes */

int fstatvfs(int fd, struct statvfs *found)
{
	(void)fd;
	*found = (struct statvfs){ .f_frsize = 4096,
		.f_bavail = disk_room / 4096 };
	return 0;
}

static void room_begin(struct direct *direct, struct direct_config *config,
    char folder[200])
{
	struct file_failure failure;

	disk_room = UINT64_MAX;
	memset(direct, 0, sizeof(*direct));
	folder_make(folder, 200);
	config->path = folder;
	check(direct_open(direct, config, &failure));
}

/* A segment, and what is kept for deletes: a sixteenth, 64 KiB at least. */
EVKV_TEST(log_room, what_max_bytes_leaves)
{
	static const uint64_t segments[] = { 64 << 10, 4 << 20, 1 << 30 };
	static const uint64_t kept[] = { 128 << 10, (4 << 20) + (256 << 10),
		(1 << 30) + (16 << 20) };
	struct direct_config config = { .max_bytes = (uint64_t)4 << 30 };
	struct direct direct;
	char folder[200];
	uint64_t left;
	size_t i;

	for (i = 0; i < 3; i++) {
		config.segment_bytes = segments[i];
		room_begin(&direct, &config, folder);
		left = config.max_bytes - kept[i];
		check(evkv__log_room(direct.env, left));
		check(!evkv__log_room(direct.env, left + 1));
		direct_close(&direct);
		folder_remove(folder);
	}
}

EVKV_TEST(log_room, what_is_written_takes_room)
{
	struct direct_config config = { .max_bytes = (uint64_t)1 << 20 };
	struct direct direct;
	char folder[200];
	uint64_t left;

	room_begin(&direct, &config, folder);
	check_status(direct_put(&direct, "key", "value", 0), EVKV_OK);
	left = config.max_bytes - (128 << 10) - direct.env->active->size;
	check(evkv__log_room(direct.env, left));
	check(!evkv__log_room(direct.env, left + 1));
	direct_close(&direct);
	folder_remove(folder);
}

/* So does what is written at once. */
EVKV_TEST(log_room, a_group_stays_within_it)
{
	struct direct_config config = { .max_bytes = (uint64_t)1 << 20 };
	struct direct_write writes[60];
	char folder[200], keys[60][8], value[1001];
	struct direct direct;
	unsigned i, refused = 0;

	room_begin(&direct, &config, folder);
	memset(value, 'v', 1000);
	value[1000] = '\0';
	while (refused == 0) {
		for (i = 0; i < 60; i++) {
			snprintf(keys[i], sizeof(keys[i]), "%u", i);
			writes[i] = (struct direct_write){ .key = keys[i],
				.value = value };
		}
		direct_group(&direct, writes, 60);
		for (i = 0; i < 60; i++)
			refused += writes[i].status == EVKV_NOSPACE;
		check(direct.env->counts.bytes <=
		    config.max_bytes - (128 << 10));
	}
	check(evkv__log_room(direct.env, 0));
	check(!evkv__log_room(direct.env, 2000));
	direct_close(&direct);
	folder_remove(folder);
}

/* What was set aside for deletes is not for puts. */
EVKV_TEST(log_room, a_full_disk_takes_deletes_alone)
{
	struct direct_config config = { .segment_bytes = SEGMENT };
	struct direct direct;
	char folder[200], value[16];
	uint64_t number;

	room_begin(&direct, &config, folder);
	check_status(direct_put(&direct, "a", "v", 0), EVKV_OK);
	check_status(direct_put(&direct, "b", "v", 0), EVKV_OK);
	check_int(evkv__log_roll(direct.env), 0);
	disk_room = SEGMENT - 4096;
	check_status(direct_put(&direct, "c", "v", 0), EVKV_NOSPACE);
	check_status(direct_delete(&direct, "a"), EVKV_OK);
	check_status(direct_put(&direct, "c", "v", 0), EVKV_NOSPACE);
	check_status(direct_delete(&direct, "b"), EVKV_OK);
	number = direct.env->active->head.number;
	disk_room = 2 * SEGMENT;
	check_status(direct_put(&direct, "c", "v", 0), EVKV_OK);
	check_int(direct.env->active->head.number, number + 1);
	/* It is set aside once more. */
	check(direct.env->reserved);
	check_status(direct_get(&direct, "a", value, 16), EVKV_NOT_FOUND);
	check_status(direct_get(&direct, "c", value, 16), EVKV_OK);
	direct_close(&direct);
	folder_remove(folder);
}

/* A put takes room for two segments, a delete for the one that it needs. */
EVKV_TEST(log_room, a_segment_is_kept_for_deletes)
{
	struct direct_config config = { .segment_bytes = SEGMENT };
	struct direct direct;
	char folder[200];

	room_begin(&direct, &config, folder);
	check_status(direct_put(&direct, "a", "v", 0), EVKV_OK);
	check_int(evkv__log_roll(direct.env), 0);
	disk_room = 2 * SEGMENT - 4096;
	check_status(direct_put(&direct, "b", "v", 0), EVKV_NOSPACE);
	disk_room = SEGMENT;
	check_status(direct_delete(&direct, "a"), EVKV_OK);
	check(!direct.env->of_reserve);
	direct_close(&direct);
	folder_remove(folder);
}

EVKV_TEST(log_room, a_put_after_a_delete_goes_to_another_file)
{
	struct direct_config config = { .segment_bytes = SEGMENT };
	struct direct_write writes[] = {
		{ .deletes = true, .key = "a" },
		{ .key = "b", .value = "v" },
		{ .deletes = true, .key = "c" },
	};
	struct direct direct;
	char folder[200];

	room_begin(&direct, &config, folder);
	check_status(direct_put(&direct, "a", "v", 0), EVKV_OK);
	check_status(direct_put(&direct, "c", "v", 0), EVKV_OK);
	check_int(evkv__log_roll(direct.env), 0);
	disk_room = SEGMENT - 4096;
	direct_group(&direct, writes, 3);
	check_status(writes[0].status, EVKV_OK);
	check_status(writes[1].status, EVKV_NOSPACE);
	check_status(writes[2].status, EVKV_OK);
	direct_close(&direct);
	folder_remove(folder);
}
