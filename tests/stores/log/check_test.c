/*
 * evkv_log_check: what is sound can be saved, and what is no log is left alone.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "damage_kit.h"
#include "lib/folder.h"
#include "lib/test.h"

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
