/*
 * evkv_log_check: what is sound can be saved, and what is no log is left alone.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "damage_kit.h"
#include "lib/folder.h"
#include "lib/test.h"
#include "stores/log/check.h"

/* What is saved of a damaged log is a sound one, which is opened. */
static void salvage(struct damage *d, struct direct *direct)
{
	struct file_failure failure;
	char out[220];

	snprintf(out, sizeof(out), "%.200s/out", d->folder);
	check_int(damage_tool("--salvage", out, d->path), 1);
	check_int(damage_tool(out, NULL, NULL), 0);
	snprintf(d->path, sizeof(d->path), "%s", out);
	check_int(damage_open(d, direct, &failure), EVKV_OK);
}

EVKV_TEST(log_check, what_is_sound_is_saved)
{
	struct direct direct;
	struct damage d;
	char value[64];
	size_t size;

	damage_begin(&d);
	damage_copy(d.whole, d.path);
	check_int(damage_tool(d.path, NULL, NULL), 0);
	check_int(damage_tool(d.whole, NULL, NULL), 2); /* it is open */
	direct_close(&d.direct);
	damage_copy(d.whole, d.path);
	size = damage_read(&d, "0001.data");
	damage_room[LOG_FILE_HEAD + 2 * LOG_ITEM_HEAD + 20] ^= 1; /* a value */
	damage_write(&d, "0001.data", size);
	check_int(damage_tool(d.path, NULL, NULL), 1);
	salvage(&d, &direct);
	/* key-0 was damaged, and was put again. */
	check_int(damage_check(&direct, "saved"), 0);
	check_int(direct_get(&direct, "one more", value, 64), EVKV_OK);
	direct_close(&direct);
	damage_end(&d);
}

static void make_file(const char *folder, const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	damage_write_file(path, damage_room, 0);
}

/* It can't be opened, so it is not sound; all entries can be saved. */
EVKV_TEST(log_check, a_log_without_its_store_file_is_damaged)
{
	struct direct direct;
	struct damage d;
	size_t size;

	damage_begin(&d);
	damage_copy(d.whole, d.path);
	direct_close(&d.direct);
	size = damage_read(&d, "STORE");
	damage_room[size / 2] ^= 1;
	damage_write(&d, "STORE", size);
	check_int(damage_tool(d.path, NULL, NULL), 1);
	damage_remove(&d, "STORE");
	check_int(damage_tool(d.path, NULL, NULL), 1);
	check(!damage_is_there(d.path, "STORE"));
	salvage(&d, &direct);
	check_int(damage_check(&direct, "saved"), 0);
	direct_close(&direct);
	damage_end(&d);
}

EVKV_TEST(log_check, the_tool_leaves_alone_what_is_no_log)
{
	static const char *const names[] = { "0001.new", "7.copy",
		"3.index.new", "notes.txt" };
	char folder[200], out[220];
	size_t i;

	folder_make(folder, sizeof(folder));
	snprintf(out, sizeof(out), "%.200s/out", folder);
	check_int(mkdir(out, 0700), 0);
	check_int(damage_tool(out, NULL, NULL), 2);
	check_int(rmdir(out), 0);
	for (i = 0; i < 4; i++)
		make_file(folder, names[i]);
	check_int(damage_tool(folder, NULL, NULL), 2);
	for (i = 0; i < 4; i++)
		check(damage_is_there(folder, names[i]));
	check(!damage_is_there(folder, "LOCK"));
	folder_remove(folder);
}

/* ---- What it says -------------------------------------------------------- */

static char said[4000];

static void say(const char *what, void *arg)
{
	(void)arg;
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n",
	    what);
}

/* Look at the copy, and have all that is wrong with it in `said`. */
static bool look(const struct damage *d, struct log_check *found,
    struct file_failure *failure)
{
	said[0] = '\0';
	*found = (struct log_check){ .wrong = say };
	return evkv__log_check(d->path, found, NULL, d->direct.now_ms, failure);
}

static void check_said(const struct damage *d, uint64_t damages,
    const char *what)
{
	struct file_failure failure;
	struct log_check found;

	check(look(d, &found, &failure));
	check_int(found.damages, damages);
	check_contains(said, what);
}

static void change_byte(const struct damage *d, const char *name, size_t at)
{
	size_t size = damage_read(d, name);

	damage_room[at] ^= 1;
	damage_write(d, name, size);
}

/* A whole log whose files are all ended, and a copy of it. */
static void begin_ended(struct damage *d)
{
	damage_begin(d);
	direct_close(&d->direct);
	damage_copy(d->whole, d->path);
}

EVKV_TEST(log_check, what_is_sound_is_counted)
{
	struct file_failure failure;
	struct log_check found;
	struct damage d;

	begin_ended(&d);
	check(look(&d, &found, &failure));
	check_str(said, "");
	check_int(found.files, 3);
	check_int(found.puts, 12 + 4 + 1);
	check_int(found.tombstones, 3);
	check_int(found.damages, 0);
	/* An index file that is not there is made anew. */
	damage_remove(&d, "0001.index");
	check_said(&d, 0, "");
	damage_end(&d);
}

EVKV_TEST(log_check, each_damage_is_told_with_its_place)
{
	struct damage d;
	size_t size;

	begin_ended(&d);
	change_byte(&d, "0001.data", LOG_FILE_HEAD + LOG_ITEM_HEAD + 1);
	check_said(&d, 1, "0001: damaged from offset 112 to 168\n");
	damage_copy(d.whole, d.path);
	size = damage_read(&d, "0001.data");
	damage_write(&d, "0001.data", size - 1);
	check_said(&d, 2,
	    "0001: cut off or damaged at its end, at offset 1167\n");
	damage_copy(d.whole, d.path);
	change_byte(&d, "0002.data", 9);
	check_said(&d, 2, "0002: ");
	damage_copy(d.whole, d.path);
	change_byte(&d, "0001.index", damage_read(&d, "0001.index") / 2);
	check_said(&d, 1, "0001: its index file is damaged or not its own");
	damage_copy(d.whole, d.path);
	damage_write(&d, "0002.index", damage_read(&d, "0001.index"));
	check_said(&d, 1, "0002: its index file is damaged or not its own");
	damage_end(&d);
}

EVKV_TEST(log_check, files_that_are_missing_are_told)
{
	struct file_failure failure;
	struct log_check found;
	char path[300];
	struct damage d;

	begin_ended(&d);
	damage_remove(&d, "0001.data");
	check_said(&d, 1,
	    "0002: a data file before it is missing, with versions 1 to 12");
	damage_copy(d.whole, d.path);
	damage_remove(&d, "0002.data");
	check_said(&d, 1,
	    "0003: a data file before it is missing, with versions 13 to 19");
	damage_copy(d.whole, d.path);
	damage_remove(&d, "0003.data");
	check_said(&d, 1, "0003: its data file is missing");
	damage_copy(d.whole, d.path);
	damage_remove(&d, "STORE");
	check_said(&d, 1, "STORE: missing or damaged");
	/* That it can't be read says nothing about the log. */
	snprintf(path, sizeof(path), "%s/STORE", d.path);
	check_int(mkdir(path, 0700), 0);
	check(!look(&d, &found, &failure));
	check_status(failure.status, EVKV_IO);
	check_int(found.files, 0);
	damage_end(&d);
}
