/*
 * What is brought to the disk, and when: durability os and none; and what
 * becomes of it when that fails.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "direct.h"
#include "kit.h"

static unsigned syncs;
static int fail_with; /* the next one; 0 = none */

int fdatasync(int fd)
{
	int code = __atomic_exchange_n(&fail_with, 0, __ATOMIC_SEQ_CST);

	__atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST);
	if (code == 0)
		return (int)syscall(SYS_fdatasync, fd);
	errno = code;
	return -1;
}

static unsigned fsync_to_fail; /* the nth from now on; 0 = none */

int fsync(int fd)
{
	if (fsync_to_fail == 0 || --fsync_to_fail > 0)
		return (int)syscall(SYS_fsync, fd);
	errno = EIO;
	return -1;
}

static unsigned syncs_taken(void)
{
	return __atomic_exchange_n(&syncs, 0, __ATOMIC_SEQ_CST);
}

/* ---- By itself ----------------------------------------------------------- */

static void sync_open(struct kit *kit)
{
	kit_begin(kit);
	check_status(kit_open(kit,
			 &(struct evkv_log_options){ .segment_bytes = 1 << 20,
			     .durability = EVKV_LOG_SYNC_OS,
			     .sync_ms = 500,
			     .sweep_ms = -1 }),
	    EVKV_OK);
	check_status(kit_put(kit, 1, "v", EVKV_TTL_NONE), EVKV_OK);
	rig_advance(&kit->rig, 500);
	/* Something for the writer: what came before it is done. */
	check_status(kit_delete(kit, 99), EVKV_NOT_FOUND);
	rig_advance(&kit->rig, 500);
	check_status(kit_delete(kit, 99), EVKV_NOT_FOUND);
	syncs_taken();
}

EVKV_TEST(log_sync, os_is_brought_to_the_disk_after_a_time)
{
	struct kit kit;

	sync_open(&kit);
	check_status(kit_put(&kit, 1, "v", EVKV_TTL_NONE), EVKV_OK);
	rig_advance(&kit.rig, 499);
	check_status(kit_put(&kit, 2, "v", EVKV_TTL_NONE), EVKV_OK);
	check_int(syncs_taken(), 0);
	rig_advance(&kit.rig, 1);
	check_status(kit_delete(&kit, 99), EVKV_NOT_FOUND);
	check_int(syncs_taken(), 1);
	/* And once more, for what has come since. */
	check_status(kit_put(&kit, 3, "v", EVKV_TTL_NONE), EVKV_OK);
	rig_advance(&kit.rig, 500);
	check_status(kit_delete(&kit, 99), EVKV_NOT_FOUND);
	check_int(syncs_taken(), 1);
	kit_end(&kit);
}

/* Full has done it already. */
EVKV_TEST(log_sync, a_sync_brings_to_the_disk_what_was_not_yet)
{
	static const enum evkv_log_durability kinds[] = { EVKV_LOG_SYNC_FULL,
		EVKV_LOG_SYNC_OS, EVKV_LOG_SYNC_NONE };
	struct kit kit;
	int i;

	for (i = 0; i < 3; i++) {
		kit_begin(&kit);
		check_status(kit_open(&kit,
				 &(struct evkv_log_options){
				     .segment_bytes = 1 << 20,
				     .durability = kinds[i] }),
		    EVKV_OK);
		check_status(kit_put(&kit, 1, "v", EVKV_TTL_NONE), EVKV_OK);
		syncs_taken();
		check_status(kit_span(&kit, EVKV_OP_SYNC), EVKV_OK);
		check_int(syncs_taken(), i == 0 ? 0 : 1);
		kit_end(&kit);
	}
}

/* Nobody else was told. */
EVKV_TEST(log_sync, a_failure_is_told_by_the_next_sync)
{
	struct kit kit;

	sync_open(&kit);
	check_status(kit_put(&kit, 1, "v", EVKV_TTL_NONE), EVKV_OK);
	fail_with = EIO;
	rig_advance(&kit.rig, 500);
	check_status(kit_delete(&kit, 99), EVKV_NOT_FOUND);
	check_int(fail_with, 0);
	check_status(kit_span(&kit, EVKV_OP_SYNC), EVKV_IO);
	check_status(kit_span(&kit, EVKV_OP_SYNC), EVKV_OK);
	kit_end(&kit);
}

/* ---- Step by step -------------------------------------------------------- */

static void direct_begin(struct direct *direct, char folder[200],
    enum log_durability durability)
{
	struct file_failure failure;

	memset(direct, 0, sizeof(*direct));
	folder_make(folder, 200);
	check(direct_open(direct,
	    &(struct direct_config){ .path = folder, .durability = durability },
	    &failure));
}

/* Nothing of it may be there after a crash either. */
EVKV_TEST(log_sync, what_finds_no_room_is_cut_at_once)
{
	struct direct direct;
	char folder[200], value[16];

	direct_begin(&direct, folder, LOG_SYNC_FULL);
	check_status(direct_put(&direct, "a", "v", 0), EVKV_OK);
	fail_with = ENOSPC;
	check_status(direct_put(&direct, "b", "v", 0), EVKV_NOSPACE);
	check(direct.env->active == NULL);
	check_status(direct_get(&direct, "b", value, 16), EVKV_NOT_FOUND);
	check_status(direct_put(&direct, "b", "v", 0), EVKV_OK);
	direct_close(&direct);
	folder_remove(folder);
}

EVKV_TEST(log_sync, what_is_on_the_disk_is_not_brought_there_again)
{
	struct direct direct;
	char folder[200];

	direct_begin(&direct, folder, LOG_SYNC_NONE);
	check_status(direct_put(&direct, "a", "v", 0), EVKV_OK);
	syncs_taken();
	check_int(evkv__log_sync(direct.env), 0);
	check_int(evkv__log_sync(direct.env), 0);
	check_int(syncs_taken(), 1);
	check_status(direct_put(&direct, "b", "v", 0), EVKV_OK);
	check_int(evkv__log_sync(direct.env), 0);
	check_int(syncs_taken(), 1);
	direct_close(&direct);
	folder_remove(folder);
}

/* The system tells of it once: a second one would go well. */
EVKV_TEST(log_sync, one_that_has_failed_is_not_tried_again)
{
	struct direct direct;
	char folder[200], value[16];
	uint64_t number;

	direct_begin(&direct, folder, LOG_SYNC_NONE);
	check_status(direct_put(&direct, "a", "v", 0), EVKV_OK);
	number = direct.env->active->head.number;
	fail_with = EIO;
	check_int(evkv__log_sync(direct.env), EIO);
	check_status(direct_put(&direct, "b", "v", 0), EVKV_OK);
	check_int(direct.env->active->head.number, number + 1);
	check_status(direct_get(&direct, "a", value, 16), EVKV_OK);
	direct_close(&direct);
	folder_remove(folder);
}

/* With its seal written, and cut or not: it is only to be made sure. */
EVKV_TEST(log_sync, a_seal_that_is_in_doubt_is_written_again)
{
	struct file_failure failure;
	char folder[200], value[16];
	struct direct direct;
	unsigned nth;

	for (nth = 1; nth <= 2; nth++) {
		direct_begin(&direct, folder, LOG_SYNC_FULL);
		check_status(direct_put(&direct, "a", "v", 0), EVKV_OK);
		fsync_to_fail = nth;
		check_int(evkv__log_roll(direct.env), EIO);
		check_int(fsync_to_fail, 0);
		check_status(direct_put(&direct, "b", "v", 0), EVKV_OK);
		direct_close(&direct);
		check(direct_open(&direct,
		    &(struct direct_config){ .path = folder }, &failure));
		check_status(direct_get(&direct, "a", value, 16), EVKV_OK);
		check_status(direct_get(&direct, "b", value, 16), EVKV_OK);
		direct_close(&direct);
		folder_remove(folder);
	}
}

/* What was reserved in the index for new names is given back. */
EVKV_TEST(log_sync, a_group_that_fails_leaves_the_index_as_it_was)
{
	struct direct_write writes[] = { { .key = "old", .value = "w" },
		{ .key = "new", .value = "w" }, { .key = "two", .value = "w" },
		{ .key = "none", .deletes = true },
		{ .key = "old", .deletes = true } };
	struct direct direct;
	char folder[200], value[16];
	size_t i, count = sizeof(writes) / sizeof(writes[0]);

	direct_begin(&direct, folder, LOG_SYNC_FULL);
	check_status(direct_put(&direct, "old", "v", 0), EVKV_OK);
	__atomic_store_n(&fail_with, EIO, __ATOMIC_SEQ_CST);
	direct_group(&direct, writes, count);
	for (i = 0; i < count; i++)
		check_status(writes[i].status, EVKV_UNKNOWN_OUTCOME);
	check_int(direct.env->index.entries, 1);
	check_status(direct_get(&direct, "old", value, 16), EVKV_OK);
	check_str(value, "v");
	check_status(direct_get(&direct, "new", value, 16), EVKV_NOT_FOUND);
	/* They are written anew. */
	direct_group(&direct, writes, 3);
	for (i = 0; i < 3; i++)
		check_status(writes[i].status, EVKV_OK);
	check_int(direct.env->index.entries, 3);
	direct_close(&direct);
	folder_remove(folder);
}
