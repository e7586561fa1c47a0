/*
 * A log whose directory is moved or replaced, or whose file is removed, moved
 * or cut, while it is open: nothing is acknowledged that would not be found.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "direct.h"
#include "kit.h"

struct lost {
	struct direct direct;
	struct direct_config config;
	char folder[200], path[220], away[220], file[240], aside[240];
};

/* What happens while a group is on its way to the disk, once. */
static struct lost *in_sync;
static void (*on_sync)(struct lost *l);

int fdatasync(int fd)
{
	void (*now)(struct lost * l) = on_sync;

	on_sync = NULL;
	if (now != NULL)
		now(in_sync);
	return (int)syscall(SYS_fdatasync, fd);
}

static void lost_begin(struct lost *l, enum log_durability durability)
{
	struct file_failure failure;

	memset(l, 0, sizeof(*l));
	folder_make(l->folder, sizeof(l->folder));
	snprintf(l->path, sizeof(l->path), "%s/log", l->folder);
	snprintf(l->away, sizeof(l->away), "%s/away", l->folder);
	snprintf(l->file, sizeof(l->file), "%s/0001.data", l->path);
	snprintf(l->aside, sizeof(l->aside), "%s/aside", l->path);
	l->config.path = l->path;
	l->config.durability = durability;
	check(direct_open(&l->direct, &l->config, &failure));
	check_status(direct_put(&l->direct, "first", "v", 0), EVKV_OK);
	in_sync = l;
}

static void lost_end(struct lost *l)
{
	direct_close(&l->direct);
	folder_remove(l->folder);
}

/* ---- What may happen ----------------------------------------------------- */

static void move_away(struct lost *l)
{
	check_int(rename(l->path, l->away), 0);
}

static void replace(struct lost *l)
{
	move_away(l);
	check_int(mkdir(l->path, 0700), 0);
}

static void remove_file(struct lost *l)
{
	check_int(unlink(l->file), 0);
}

static void rename_file(struct lost *l)
{
	check_int(rename(l->file, l->aside), 0);
}

static void cut_file(struct lost *l)
{
	check_int(truncate(l->file, 4096), 0);
}

static void empty_file(struct lost *l)
{
	check_int(truncate(l->file, 0), 0);
}

/* One of the same size in its place. */
static void copy_file(struct lost *l)
{
	struct stat was;
	FILE *file;

	check_int(stat(l->file, &was), 0);
	rename_file(l);
	file = fopen(l->file, "w");
	check(file != NULL && fclose(file) == 0);
	check_int(truncate(l->file, was.st_size), 0);
}

static void (*const happenings[])(struct lost *l) = { move_away, replace,
	remove_file, rename_file, cut_file, empty_file, copy_file };
#define HAPPENINGS (sizeof(happenings) / sizeof(happenings[0]))

/* ---- Groups -------------------------------------------------------------- */

EVKV_TEST(log_lost, nothing_is_written_that_would_not_be_found)
{
	static const enum log_durability kinds[] = { LOG_SYNC_FULL, LOG_SYNC_OS,
		LOG_SYNC_NONE };
	struct lost l;
	uint64_t size;
	size_t i, k;

	for (k = 0; k < 3; k++) {
		for (i = 0; i < HAPPENINGS; i++) {
			lost_begin(&l, kinds[k]);
			size = l.direct.env->active->size;
			happenings[i](&l);
			check_status(direct_put(&l.direct, "a", "v", 0),
			    EVKV_IO);
			check_status(direct_delete(&l.direct, "first"),
			    EVKV_IO);
			check_int(l.direct.env->active->size, size);
			lost_end(&l);
		}
	}
}

EVKV_TEST(log_lost, nor_acknowledged_if_it_happens_meanwhile)
{
	char value[16];
	struct lost l;
	size_t i;

	for (i = 0; i < HAPPENINGS; i++) {
		lost_begin(&l, LOG_SYNC_FULL);
		on_sync = happenings[i];
		check_status(direct_put(&l.direct, "a", "v", 0),
		    EVKV_UNKNOWN_OUTCOME);
		check(on_sync == NULL);
		check_status(direct_get(&l.direct, "a", value, sizeof(value)),
		    EVKV_NOT_FOUND);
		check_status(direct_put(&l.direct, "a", "v", 0), EVKV_IO);
		lost_end(&l);
	}
}

EVKV_TEST(log_lost, a_sync_tells_it_of_what_was_written_before)
{
	struct lost l;
	size_t i;

	for (i = 0; i < HAPPENINGS; i++) {
		lost_begin(&l, LOG_SYNC_NONE);
		happenings[i](&l);
		check_int(evkv__log_sync(l.direct.env), ESTALE);
		lost_end(&l);
	}
}

/* ---- Files --------------------------------------------------------------- */

EVKV_TEST(log_lost, a_directory_that_is_put_back_is_gone_on_with)
{
	struct file_failure failure;
	char value[16];
	struct lost l;
	int round;

	for (round = 0; round < 2; round++) {
		lost_begin(&l, LOG_SYNC_FULL);
		if (round == 0)
			move_away(&l);
		else
			on_sync = move_away;
		check(direct_put(&l.direct, "a", "lost", 0) != EVKV_OK);
		check_int(rename(l.away, l.path), 0);
		check_status(direct_put(&l.direct, "b", "v", 0), EVKV_OK);
		direct_close(&l.direct);
		check(direct_open(&l.direct, &l.config, &failure));
		check_status(direct_get(&l.direct, "first", value, 16),
		    EVKV_OK);
		check_status(direct_get(&l.direct, "a", value, 16),
		    EVKV_NOT_FOUND);
		check_status(direct_get(&l.direct, "b", value, 16), EVKV_OK);
		lost_end(&l);
	}
}

EVKV_TEST(log_lost, no_file_is_made_in_a_directory_that_was_moved)
{
	char path[240];
	struct lost l;
	int round;

	for (round = 0; round < 2; round++) {
		lost_begin(&l, LOG_SYNC_FULL);
		check_int(evkv__log_roll(l.direct.env), 0);
		happenings[round](&l); /* moved away, replaced */
		check_status(direct_put(&l.direct, "a", "v", 0), EVKV_IO);
		snprintf(path, sizeof(path), "%s/0002.data", l.away);
		check(access(path, F_OK) != 0);
		rmdir(l.path);
		check_int(rename(l.away, l.path), 0);
		check_status(direct_put(&l.direct, "a", "v", 0), EVKV_OK);
		lost_end(&l);
	}
}

EVKV_TEST(log_lost, a_file_that_was_removed_is_not_taken_for_ended)
{
	struct lost l;

	lost_begin(&l, LOG_SYNC_FULL);
	remove_file(&l);
	check_int(evkv__log_roll(l.direct.env), ESTALE);
	check_status(direct_put(&l.direct, "a", "v", 0), EVKV_IO);
	lost_end(&l);
}

/* What is left is for somebody to look at. */
EVKV_TEST(log_lost, a_file_that_was_cut_is_left_as_it_is)
{
	struct file_failure failure;
	struct stat found;
	struct lost l;

	lost_begin(&l, LOG_SYNC_FULL);
	cut_file(&l);
	check_int(evkv__log_roll(l.direct.env), ESTALE);
	direct_close(&l.direct);
	check_int(stat(l.file, &found), 0);
	check_int(found.st_size, 4096);
	check(!direct_open(&l.direct, &l.config, &failure));
	check_status(failure.status, EVKV_CORRUPT);
	check(strstr(failure.message, "cut off at offset 4096") != NULL);
	lost_end(&l);
}

EVKV_TEST(log_lost, the_error_says_what_has_happened)
{
	struct answer answer = ANSWER_INIT;
	char away[240];
	struct kit kit;

	kit_begin(&kit);
	check_status(kit_open(&kit, &(struct evkv_log_options){ .path = NULL }),
	    EVKV_OK);
	check_status(kit_put(&kit, 1, "v", EVKV_TTL_NONE), EVKV_OK);
	snprintf(away, sizeof(away), "%s.away", kit.path);
	check_int(rename(kit.path, away), 0);
	evkv_put(kit.store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"),
	    EVKV_TTL_NONE, answer_cb, &answer);
	rig_wait(&kit.rig, &answer.calls);
	check_status(answer.status, EVKV_IO);
	check_int(answer.sys_error, ESTALE);
	check(strstr(answer.message, "moved or replaced") != NULL);
	answer_free(&answer);
	/* What was acknowledged is still read. */
	check_status(kit_get(&kit, 1, "v"), EVKV_OK);
	kit_end(&kit);
}
