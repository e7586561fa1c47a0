/*
 * What is missing is not new: a store whose pointer, marker or generation is
 * gone is CORRUPT, nothing of it is touched, and the repair brings it back. And
 * what counts as empty.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit.h"
#include "lib/files.h"

/* Open it as multi_disk or disk; the status of that, and its message. */
static enum evkv_status try_open(struct kit *kit, bool multi,
    struct answer *answer)
{
	const struct evkv_disk_options options = { .path = kit->path,
		.max_bytes = (size_t)16 << 20 };

	if (!multi)
		return kit_try_open(kit, NULL, answer);
	kit->store = evkv_multi_disk_new(kit->rig.loop, &options, NULL);
	evkv_store_wait_ready(kit->store, -1, answer_cb, answer);
	rig_wait(&kit->rig, &answer->calls);
	return answer->status;
}

/* Opening it is refused, and leaves as many files as there were. */
static void check_kept(struct kit *kit, bool multi, enum evkv_status status,
    const char *why)
{
	struct answer answer = ANSWER_INIT;
	int count = files_count(kit->path);

	check_status(try_open(kit, multi, &answer), status);
	check_contains(answer.message, why);
	answer_reset(&answer);
	check_status(kit_put(kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    status);
	check_status(kit_span(kit, EVKV_OP_CLEAR_ALL, ""), status);
	answer_free(&answer);
	kit_close(kit);
	check_int(files_count(kit->path), count);
}

static int run_tool(const char *option, const char *path, const char *more)
{
	int status;
	pid_t pid = fork();

	check(pid >= 0);
	if (pid == 0) {
		int fd = open("/dev/null", O_WRONLY);

		dup2(fd, STDOUT_FILENO);
		if (more != NULL)
			execl(DISK_CHECK, "evkv_disk_check", option, path, more,
			    (char *)NULL);
		else if (option != NULL)
			execl(DISK_CHECK, "evkv_disk_check", option, path,
			    (char *)NULL);
		else
			execl(DISK_CHECK, "evkv_disk_check", path,
			    (char *)NULL);
		_exit(127);
	}
	check(waitpid(pid, &status, 0) == pid);
	check(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void path_in(const struct kit *kit, const char *name, char path[400])
{
	snprintf(path, 400, "%s/%s", kit->path, name);
}

static void unlink_in(const struct kit *kit, const char *name)
{
	char path[400];

	path_in(kit, name, path);
	check_int(unlink(path), 0);
}

static void rename_in(const struct kit *kit, const char *from, const char *to)
{
	char old[400], new[400];

	path_in(kit, from, old);
	path_in(kit, to, new);
	check_int(rename(old, new), 0);
}

/* A store with one entry, closed; disk.missing wants it back each time. */
static void make(struct kit *kit, bool multi)
{
	struct answer answer = ANSWER_INIT;

	kit_begin(kit);
	check_status(try_open(kit, multi, &answer), EVKV_OK);
	answer_free(&answer);
	check_status(kit_put(kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	kit_close(kit);
}

static void check_whole(struct kit *kit, bool multi)
{
	struct answer answer = ANSWER_INIT;

	check_status(try_open(kit, multi, &answer), EVKV_OK);
	answer_free(&answer);
	check_status(kit_get(kit, "c", EVKV_LIT("k"), EVKV_LIT("v")), EVKV_OK);
	kit_close(kit);
}

/* A volume that is not mounted is not a store that is sound. */
EVKV_TEST(disk_missing, the_tool_makes_no_store)
{
	char path[400], copy[400];
	struct kit kit;

	kit_begin(&kit);
	check_int(mkdir(kit.path, 0770), 0);
	path_in(&kit, "blank", path);
	path_in(&kit, "copy", copy);
	check_int(mkdir(path, 0770), 0);
	check_int(run_tool(NULL, path, NULL), 2);
	check_int(run_tool("--repair", path, NULL), 2);
	check_int(run_tool("--backup", path, copy), 2);
	check_int(rmdir(path), 0);
	check_int(run_tool(NULL, path, NULL), 2);
	check_int(rmdir(kit.path), 0);
	kit_end(&kit);
}

EVKV_TEST(disk_missing, a_store_without_its_pointer_is_kept_and_repaired)
{
	struct kit kit;

	make(&kit, false);
	unlink_in(&kit, "CURRENT");
	check_kept(&kit, false, EVKV_CORRUPT, "evkv_disk_check --repair");
	check_int(run_tool(NULL, kit.path, NULL), 1);
	check_int(run_tool("--repair", kit.path, NULL), 0);
	check_whole(&kit, false);
	/* The lock file with it. */
	unlink_in(&kit, "CURRENT");
	unlink_in(&kit, "LOCK");
	check_kept(&kit, false, EVKV_CORRUPT, "CURRENT is missing");
	check_int(run_tool("--repair", kit.path, NULL), 0);
	check_whole(&kit, false);
	/* Nothing to be repaired: nothing is changed. */
	check_int(run_tool("--repair", kit.path, NULL), 0);
	check_whole(&kit, false);
	kit_end(&kit);
}

EVKV_TEST(disk_missing, a_pointer_that_was_cut_or_written_over_is_damaged)
{
	static const char *const texts[] = { "", "ev", "evkv disk ",
		"evkv disk 3", "evkv disk 3\n", "evkv disk 3\ngeneration 1",
		"g-1\n", "MANIFEST-000005\n" };
	struct kit kit;
	size_t i;

	make(&kit, false);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		files_write(kit.path, "CURRENT", texts[i]);
		check_kept(&kit, false, EVKV_CORRUPT, "damaged");
	}
	check_int(run_tool("--repair", kit.path, NULL), 0);
	check_whole(&kit, false);
	kit_end(&kit);
}

EVKV_TEST(disk_missing, a_generation_that_is_gone_is_told)
{
	struct kit kit;

	make(&kit, false);
	rename_in(&kit, "g-1", "elsewhere");
	check_kept(&kit, false, EVKV_CORRUPT, "g-1/data.mdb is missing");
	check_int(run_tool("--repair", kit.path, NULL), 1);
	rename_in(&kit, "elsewhere", "g-1");
	check_whole(&kit, false);
	unlink_in(&kit, "g-1/data.mdb");
	check_kept(&kit, false, EVKV_CORRUPT, "data.mdb");
	kit_end(&kit);
}

/* An old CURRENT beside the newer generation, as after a copy in two steps. */
EVKV_TEST(disk_missing, a_newer_generation_is_never_removed)
{
	struct kit kit;
	char path[400];

	make(&kit, false);
	rename_in(&kit, "g-1", "g-2");
	files_write(kit.path, "CURRENT", "evkv disk 3\ngeneration 2\n");
	check_whole(&kit, false);
	path_in(&kit, "g-1", path);
	check_int(run_tool("--backup", kit.path, path), 0);
	rename_in(&kit, "g-1", "copy");
	rename_in(&kit, "copy/g-1", "g-1");
	files_write(kit.path, "CURRENT", "evkv disk 3\ngeneration 1\n");
	check_kept(&kit, false, EVKV_CORRUPT, "later one, g-2");
	/* Both are sound: it is not for us to choose. */
	check_int(run_tool("--repair", kit.path, NULL), 1);
	rename_in(&kit, "g-1", "g-1.aside");
	check_int(run_tool("--repair", kit.path, NULL), 0);
	check_whole(&kit, false);
	kit_end(&kit);
}

/* The sound one of several is taken. */
EVKV_TEST(disk_missing, a_repair_takes_the_sound_generation)
{
	struct kit kit;
	char path[400];

	make(&kit, false);
	unlink_in(&kit, "CURRENT");
	path_in(&kit, "g-7", path);
	check_int(mkdir(path, 0700), 0);
	files_write(path, "data.mdb", "half a copy");
	check_kept(&kit, false, EVKV_CORRUPT, "CURRENT is missing");
	check_int(run_tool("--repair", kit.path, NULL), 0);
	check_whole(&kit, false);
	kit_end(&kit);
}

/* Cut short while it was made: nothing was stored, so it is begun anew. */
EVKV_TEST(disk_missing, a_making_that_was_cut_short_is_begun_anew)
{
	struct kit kit;
	char path[400];

	kit_begin(&kit);
	check_int(mkdir(kit.path, 0700), 0);
	path_in(&kit, "g-1.new", path);
	check_int(mkdir(path, 0700), 0);
	files_write(path, "data.mdb", "half a store");
	files_write(kit.path, "CURRENT.new", "evkv di");
	files_write(kit.path, "LOCK", "");
	kit_open(&kit, NULL);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	kit_close(&kit);
	check_whole(&kit, false);
	/* Named by CURRENT, but without its name still. */
	rename_in(&kit, "g-2", "g-2.new");
	check_whole(&kit, false);
	check_int(files_count(kit.path), 3);
	kit_end(&kit);
}

EVKV_TEST(disk_missing, a_fresh_volume_is_empty)
{
	struct kit kit;
	char path[400];
	int multi;

	for (multi = 0; multi < 2; multi++) {
		struct answer answer = ANSWER_INIT;

		kit_begin(&kit);
		check_int(mkdir(kit.path, 0700), 0);
		path_in(&kit, "lost+found", path);
		check_int(mkdir(path, 0700), 0);
		files_write(kit.path, ".gitkeep", "");
		check_status(try_open(&kit, multi != 0, &answer), EVKV_OK);
		check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"),
				 0),
		    EVKV_OK);
		answer_reset(&answer);
		kit_do(&kit,
		    &(struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
		    &answer);
		check_int(answer.count, 1);
		answer_free(&answer);
		kit_close(&kit);
		check_whole(&kit, multi != 0);
		kit_end(&kit);
	}
}

EVKV_TEST(disk_missing, parts_without_their_marker_are_kept_and_repaired)
{
	struct kit kit;

	make(&kit, true);
	unlink_in(&kit, ".multi_disk");
	check_kept(&kit, true, EVKV_CORRUPT, "evkv_disk_check --repair");
	check_int(run_tool("--repair", kit.path, NULL), 0);
	check_whole(&kit, true);
	files_write(kit.path, ".multi_disk", "");
	check_kept(&kit, true, EVKV_CORRUPT, "damaged");
	files_write(kit.path, ".multi_disk", "evkv mul");
	check_kept(&kit, true, EVKV_CORRUPT, "damaged");
	check_int(run_tool("--repair", kit.path, NULL), 0);
	check_whole(&kit, true);
	check_int(run_tool(NULL, kit.path, NULL), 0);
	kit_end(&kit);
}

EVKV_TEST(disk_missing, a_part_without_its_pointer_is_kept_and_repaired)
{
	struct answer answer = ANSWER_INIT;
	struct kit kit;
	char path[400];

	make(&kit, true);
	unlink_in(&kit, "c/CURRENT");
	check_status(try_open(&kit, true, &answer), EVKV_OK);
	answer_free(&answer);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("w"), 0),
	    EVKV_CORRUPT);
	check_status(kit_put(&kit, "d", EVKV_LIT("k"), EVKV_LIT("w"), 0),
	    EVKV_OK);
	kit_close(&kit);
	path_in(&kit, "c", path);
	check_int(run_tool("--repair", path, NULL), 0);
	check_whole(&kit, true);
	/* By the name of the whole, too. */
	unlink_in(&kit, "c/CURRENT");
	check_int(run_tool("--repair", kit.path, NULL), 0);
	check_whole(&kit, true);
	unlink_in(&kit, "d/CURRENT");
	unlink_in(&kit, "d/g-1/data.mdb");
	check_int(run_tool("--repair", kit.path, NULL), 1);
	kit_end(&kit);
}

EVKV_TEST(disk_missing, one_kind_is_not_taken_for_the_other)
{
	struct kit kit;

	make(&kit, false);
	check_kept(&kit, true, EVKV_REFUSED, "a disk store");
	kit_end(&kit);
	make(&kit, true);
	check_kept(&kit, false, EVKV_REFUSED, "a multi_disk store");
	kit_end(&kit);
}
