/*
 * Files that are damaged, cut off, old, missing or there twice: never a wrong
 * value, never a crash, and nothing is changed where it is refused. What is
 * sound can be saved.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "direct.h"
#include "lib/folder.h"
#include "lib/test.h"

#define KEYS 12

struct damage {
	struct direct direct;
	struct direct_config config;
	char folder[200], whole[220], path[220];
};

/* ---- Folders ------------------------------------------------------------- */

static size_t read_file(const char *path, unsigned char *bytes, size_t room)
{
	FILE *file = fopen(path, "r");
	size_t size;

	check(file != NULL);
	size = fread(bytes, 1, room, file);
	check(size < room);
	fclose(file);
	return size;
}

static void write_file(const char *path, const unsigned char *bytes,
    size_t size)
{
	FILE *file = fopen(path, "w");

	check(file != NULL);
	check(fwrite(bytes, 1, size, file) == size);
	fclose(file);
}

static unsigned char room[1 << 20];

static void copy_folder(const char *from, const char *to)
{
	char source[600], target[600];
	DIR *list = opendir(from);
	struct dirent *entry;

	folder_remove(to);
	check(list != NULL && mkdir(to, 0700) == 0);
	while ((entry = readdir(list)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    strcmp(entry->d_name, "RESERVE") == 0)
			continue;
		snprintf(source, sizeof(source), "%s/%s", from, entry->d_name);
		snprintf(target, sizeof(target), "%s/%s", to, entry->d_name);
		write_file(target, room, read_file(source, room, sizeof(room)));
	}
	closedir(list);
}

static void damage_path(const struct damage *d, const char *name,
    char path[600])
{
	snprintf(path, 600, "%s/%s", d->path, name);
}

static size_t damage_read(const struct damage *d, const char *name)
{
	char path[600];

	damage_path(d, name, path);
	return read_file(path, room, sizeof(room));
}

static void damage_write(const struct damage *d, const char *name, size_t size)
{
	char path[600];

	damage_path(d, name, path);
	write_file(path, room, size);
}

static void damage_remove(const struct damage *d, const char *name)
{
	char path[600];

	damage_path(d, name, path);
	check_int(unlink(path), 0);
}

/* ---- A log --------------------------------------------------------------- */

static void key_text(unsigned i, char text[32])
{
	snprintf(text, 32, "key-%u", i);
}

/* The value that key `i` has at the end; NULL = it was deleted. */
static const char *expected(unsigned i, char text[64])
{
	if (i % 4 == 3)
		return NULL;
	snprintf(text, 64, "%s value of %u", i % 3 == 0 ? "second" : "first",
	    i);
	return text;
}

/* Three files: puts; some again, and deletes; nothing but one more. */
static void damage_fill(struct damage *d)
{
	char key[32], value[64];
	unsigned i;

	for (i = 0; i < KEYS; i++) {
		key_text(i, key);
		snprintf(value, sizeof(value), "first value of %u", i);
		check_int(direct_put(&d->direct, key, value, 0), EVKV_OK);
	}
	check_int(evkv__log_roll(d->direct.env), 0);
	for (i = 0; i < KEYS; i++) {
		key_text(i, key);
		snprintf(value, sizeof(value), "second value of %u", i);
		if (i % 3 == 0)
			check_int(direct_put(&d->direct, key, value, 0),
			    EVKV_OK);
		if (i % 4 == 3)
			check_int(direct_delete(&d->direct, key), EVKV_OK);
	}
	check_int(evkv__log_roll(d->direct.env), 0);
	check_int(direct_put(&d->direct, "one more", "v", 0), EVKV_OK);
	while (evkv__log_keep(d->direct.env))
		;
}

static void damage_begin(struct damage *d)
{
	struct file_failure failure;

	memset(d, 0, sizeof(*d));
	folder_make(d->folder, sizeof(d->folder));
	snprintf(d->whole, sizeof(d->whole), "%s/whole", d->folder);
	snprintf(d->path, sizeof(d->path), "%s/log", d->folder);
	d->config.path = d->whole;
	check(direct_open(&d->direct, &d->config, &failure));
	damage_fill(d);
}

static void damage_end(struct damage *d)
{
	direct_close(&d->direct);
	folder_remove(d->folder);
}

/* Open the copy: the status. */
static enum evkv_status damage_open(struct damage *d, struct direct *direct,
    struct file_failure *failure)
{
	struct direct_config config = d->config;

	config.path = d->path;
	memset(direct, 0, sizeof(*direct));
	return direct_open(direct, &config, failure) ? EVKV_OK
						     : failure->status;
}

/* No value but the right one; returns how many entries are not there. */
static unsigned check_values(struct direct *direct, const char *what)
{
	char key[32], value[64], wanted[64];
	unsigned lacks = 0, i;

	for (i = 0; i < KEYS; i++) {
		const char *should = expected(i, wanted);
		enum evkv_status status;

		key_text(i, key);
		status = direct_get(direct, key, value, sizeof(value));
		if (status == EVKV_CORRUPT) {
			lacks++;
			continue;
		}
		if (should == NULL
			? status == EVKV_NOT_FOUND
			: status == EVKV_OK && strcmp(value, should) == 0)
			continue;
		fail_test("%s: %s is %s \"%s\"", what, key,
		    evkv_status_name(status), value);
	}
	return lacks;
}

/* ---- Bytes --------------------------------------------------------------- */

static void flip_each(struct damage *d, const char *name, bool indexes,
    unsigned step)
{
	struct file_failure failure;
	struct direct direct;
	enum evkv_status status;
	size_t size, i;
	char what[80];

	copy_folder(d->whole, d->path);
	size = damage_read(d, name);
	for (i = 0; i < size; i += step) {
		copy_folder(d->whole, d->path);
		if (!indexes) {
			damage_remove(d, "0001.index");
			damage_remove(d, "0002.index");
		}
		check_int(damage_read(d, name), size);
		room[i] ^= (unsigned char)(1u << i % 8);
		damage_write(d, name, size);
		snprintf(what, sizeof(what), "%s, byte %zu", name, i);
		status = damage_open(d, &direct, &failure);
		if (status != EVKV_OK) {
			check(status == EVKV_CORRUPT ||
			    status == EVKV_UNSUPPORTED ||
			    status == EVKV_REFUSED);
			continue;
		}
		check_values(&direct, what);
		direct_close(&direct);
	}
}

EVKV_TEST(log_damage, each_byte_of_a_data_file)
{
	struct damage d;

	damage_begin(&d);
	direct_close(&d.direct);
	flip_each(&d, "0001.data", true, 1);
	flip_each(&d, "0002.data", true, 1);
	flip_each(&d, "0003.data", true, 1);
	damage_end(&d);
}

EVKV_TEST(log_damage, each_byte_of_a_data_file_without_index_files)
{
	struct damage d;

	damage_begin(&d);
	direct_close(&d.direct);
	flip_each(&d, "0001.data", false, 1);
	flip_each(&d, "0002.data", false, 1);
	damage_end(&d);
}

EVKV_TEST(log_damage, each_byte_of_index_files_and_of_store)
{
	struct damage d;

	damage_begin(&d);
	direct_close(&d.direct);
	flip_each(&d, "0001.index", true, 1);
	flip_each(&d, "0002.index", true, 1);
	flip_each(&d, "STORE", true, 1);
	damage_end(&d);
}

/* ---- The end of the last file -------------------------------------------- */

/* The last file as a crash leaves it: not sealed. Where its items end. */
static size_t tail_copy(struct damage *d)
{
	copy_folder(d->whole, d->path);
	return d->direct.env->active->size;
}

EVKV_TEST(log_damage, a_tail_of_zeros_is_torn)
{
	struct file_failure failure;
	struct direct direct;
	char value[64];
	struct damage d;
	size_t end, from, size;

	damage_begin(&d);
	check_int(direct_put(&d.direct, "last", "written", 0), EVKV_OK);
	end = tail_copy(&d);
	for (from = end - 80; from <= end; from += 8) {
		tail_copy(&d);
		size = damage_read(&d, "0003.data");
		memset(room + from, 0, size - from);
		damage_write(&d, "0003.data", size);
		check_int(damage_open(&d, &direct, &failure), EVKV_OK);
		check_values(&direct, "zeros");
		check_int(direct_get(&direct, "one more", value, 64), EVKV_OK);
		check_int(direct_get(&direct, "last", value, 64),
		    from == end ? EVKV_OK : EVKV_NOT_FOUND);
		/* Nothing is appended behind it. */
		check_int(direct_put(&direct, "after", "it", 0), EVKV_OK);
		check_int(direct.env->active->head.number, 4);
		direct_close(&direct);
		check_int(damage_open(&d, &direct, &failure), EVKV_OK);
		check_int(direct_get(&direct, "after", value, 64), EVKV_OK);
		direct_close(&direct);
	}
	damage_end(&d);
}

EVKV_TEST(log_damage, what_was_durable_is_not_cut)
{
	struct file_failure failure;
	struct direct direct;
	struct damage d;
	size_t size;

	damage_begin(&d);
	check_int(direct_put(&d.direct, "last", "written", 0), EVKV_OK);
	tail_copy(&d);
	size = damage_read(&d, "0003.data");
	room[LOG_FILE_HEAD + LOG_ITEM_HEAD + 10] ^= 1;
	damage_write(&d, "0003.data", size);
	check_int(damage_open(&d, &direct, &failure), EVKV_CORRUPT);
	check(strstr(failure.message, "0003.data: damaged at offset 112") !=
	    NULL);
	/* Nothing was changed. */
	check_int(damage_read(&d, "0003.data"), size);
	damage_end(&d);
}

EVKV_TEST(log_damage, a_file_that_was_cut_off_is_refused)
{
	static const char *const names[] = { "0001.data", "0003.data" };
	struct file_failure failure;
	struct direct direct;
	struct damage d;
	size_t size, i;

	damage_begin(&d);
	for (i = 0; i < 2; i++) {
		tail_copy(&d);
		size = damage_read(&d, names[i]);
		damage_write(&d, names[i], i == 0 ? size - 8 : 120);
		check_int(damage_open(&d, &direct, &failure), EVKV_CORRUPT);
		check(strstr(failure.message, names[i]) != NULL);
	}
	damage_end(&d);
}

/* ---- Files --------------------------------------------------------------- */

EVKV_TEST(log_damage, index_files_that_are_missing_or_old_are_made_anew)
{
	static const char *const names[] = { "0001.index", "0002.index" };
	struct file_failure failure;
	struct direct direct;
	struct damage d;
	size_t size, i;

	damage_begin(&d);
	direct_close(&d.direct);
	for (i = 0; i < 2; i++) {
		copy_folder(d.whole, d.path);
		damage_remove(&d, names[i]);
		check_int(damage_open(&d, &direct, &failure), EVKV_OK);
		check(strstr(direct.env->notes, "1 data files") != NULL);
		check_int(check_values(&direct, "missing"), 0);
		direct_close(&direct);
		check(damage_read(&d, names[i]) > 0);
	}
	/* That of another file, as if it were an old one. */
	copy_folder(d.whole, d.path);
	size = damage_read(&d, "0001.index");
	damage_write(&d, "0002.index", size);
	check_int(damage_open(&d, &direct, &failure), EVKV_OK);
	check_int(check_values(&direct, "old"), 0);
	direct_close(&direct);
	damage_end(&d);
}

EVKV_TEST(log_damage, files_that_are_missing_or_there_twice_are_refused)
{
	struct file_failure failure;
	struct direct direct;
	struct damage d;

	damage_begin(&d);
	direct_close(&d.direct);
	copy_folder(d.whole, d.path);
	damage_remove(&d, "0002.data");
	check_int(damage_open(&d, &direct, &failure), EVKV_CORRUPT);
	copy_folder(d.whole, d.path);
	damage_remove(&d, "0001.data");
	check_int(damage_open(&d, &direct, &failure), EVKV_CORRUPT);
	copy_folder(d.whole, d.path);
	damage_remove(&d, "STORE");
	check_int(damage_open(&d, &direct, &failure), EVKV_CORRUPT);
	copy_folder(d.whole, d.path);
	damage_write(&d, "0009.data", damage_read(&d, "0001.data"));
	check_int(damage_open(&d, &direct, &failure), EVKV_CORRUPT);
	check(strstr(failure.message, "0009.data: is a copy of file 1") !=
	    NULL);
	damage_remove(&d, "0009.data");
	check_int(damage_open(&d, &direct, &failure), EVKV_OK);
	check_int(check_values(&direct, "put back"), 0);
	direct_close(&direct);
	/* Not ours. */
	copy_folder(d.whole, d.path);
	damage_remove(&d, "STORE");
	damage_remove(&d, "0001.data");
	damage_remove(&d, "0002.data");
	damage_remove(&d, "0003.data");
	damage_write(&d, "letter.txt", 3);
	check_int(damage_open(&d, &direct, &failure), EVKV_REFUSED);
	damage_end(&d);
}

static bool is_there(const char *folder, const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

static int run_tool(const char *one, const char *two, const char *three)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execl(LOG_CHECK, "evkv_log_check", one, two, three,
		    (char *)NULL);
		_exit(127);
	}
	check(waitpid(pid, &status, 0) == pid);
	check(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Nothing lies behind it, so there is no gap. */
EVKV_TEST(log_damage, a_last_file_that_is_missing_is_noticed)
{
	struct file_failure failure;
	struct direct direct;
	struct damage d;
	char name[32];
	unsigned i;

	damage_begin(&d);
	direct_close(&d.direct); /* now each has an index file */
	copy_folder(d.whole, d.path);
	for (i = 99; i > 0; i--) {
		snprintf(name, sizeof(name), "%04u.data", i);
		if (!is_there(d.path, name))
			continue;
		damage_remove(&d, name);
		check_int(damage_open(&d, &direct, &failure), EVKV_CORRUPT);
		check(strstr(failure.message, ".data is missing") != NULL);
		check_int(run_tool(d.path, NULL, NULL), 1);
	}
	check(is_there(d.path, "STORE"));
	damage_end(&d);
}

/* Somebody has taken it for one that a crash has left. */
EVKV_TEST(log_damage, a_lock_file_that_is_removed_lets_nobody_in)
{
	struct file_failure failure;
	struct direct direct;
	struct damage d;

	damage_begin(&d);
	snprintf(d.path, sizeof(d.path), "%s", d.whole);
	damage_remove(&d, "LOCK");
	check_int(damage_open(&d, &direct, &failure), EVKV_LOCKED);
	check_int(run_tool(d.path, NULL, NULL), 2);
	check_int(direct_put(&d.direct, "one more", "value", 0), EVKV_OK);
	direct_close(&d.direct);
	check_int(damage_open(&d, &direct, &failure), EVKV_OK);
	direct_close(&direct);
	damage_end(&d);
}

/* ---- The tool ------------------------------------------------------------ */

EVKV_TEST(log_damage, what_is_sound_is_saved)
{
	struct file_failure failure;
	struct direct direct;
	struct damage d;
	char out[220], value[64];
	size_t size;

	damage_begin(&d);
	copy_folder(d.whole, d.path);
	check_int(run_tool(d.path, NULL, NULL), 0);
	check_int(run_tool(d.whole, NULL, NULL), 2); /* it is open */
	direct_close(&d.direct);
	copy_folder(d.whole, d.path);
	size = damage_read(&d, "0001.data");
	room[LOG_FILE_HEAD + 2 * LOG_ITEM_HEAD + 20] ^= 1; /* a value */
	damage_write(&d, "0001.data", size);
	check_int(run_tool(d.path, NULL, NULL), 1);
	snprintf(out, sizeof(out), "%.200s/out", d.folder);
	check_int(run_tool("--salvage", out, d.path), 1);
	check_int(run_tool(out, NULL, NULL), 0);
	snprintf(d.path, sizeof(d.path), "%s", out);
	check_int(damage_open(&d, &direct, &failure), EVKV_OK);
	/* key-0 was damaged, and was put again. */
	check_int(check_values(&direct, "saved"), 0);
	check_int(direct_get(&direct, "one more", value, 64), EVKV_OK);
	direct_close(&direct);
	damage_end(&d);
}

static void make_file(const char *folder, const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	write_file(path, room, 0);
}

/* It can't be opened, so it is not sound; all entries can be saved. */
EVKV_TEST(log_damage, a_log_without_its_store_file_is_damaged)
{
	struct file_failure failure;
	struct direct direct;
	struct damage d;
	char out[220];
	size_t size;

	damage_begin(&d);
	copy_folder(d.whole, d.path);
	direct_close(&d.direct);
	size = damage_read(&d, "STORE");
	room[size / 2] ^= 1;
	damage_write(&d, "STORE", size);
	check_int(run_tool(d.path, NULL, NULL), 1);
	damage_remove(&d, "STORE");
	check_int(run_tool(d.path, NULL, NULL), 1);
	check(!is_there(d.path, "STORE"));
	snprintf(out, sizeof(out), "%.200s/out", d.folder);
	check_int(run_tool("--salvage", out, d.path), 1);
	check_int(run_tool(out, NULL, NULL), 0);
	snprintf(d.path, sizeof(d.path), "%s", out);
	check_int(damage_open(&d, &direct, &failure), EVKV_OK);
	check_int(check_values(&direct, "saved"), 0);
	direct_close(&direct);
	damage_end(&d);
}

EVKV_TEST(log_damage, the_tool_leaves_alone_what_is_no_log)
{
	static const char *const names[] = { "0001.new", "7.copy",
		"3.index.new", "notes.txt" };
	char folder[200], out[220];
	size_t i;

	folder_make(folder, sizeof(folder));
	snprintf(out, sizeof(out), "%.200s/out", folder);
	check_int(mkdir(out, 0700), 0);
	check_int(run_tool(out, NULL, NULL), 2);
	check_int(rmdir(out), 0);
	for (i = 0; i < 4; i++)
		make_file(folder, names[i]);
	check_int(run_tool(folder, NULL, NULL), 2);
	for (i = 0; i < 4; i++)
		check(is_there(folder, names[i]));
	check(!is_there(folder, "LOCK"));
	folder_remove(folder);
}

/* ---- Hashes -------------------------------------------------------------- */

static void check_collisions(struct direct *direct, unsigned from)
{
	char key[32], value[64], wanted[64];
	unsigned i;

	for (i = 0; i < 60; i++) {
		key_text(i, key);
		snprintf(wanted, sizeof(wanted), "value %u", i);
		check_int(direct_get(direct, key, value, sizeof(value)),
		    i < from ? EVKV_NOT_FOUND : EVKV_OK);
		if (i >= from)
			check_str(value, wanted);
	}
}

EVKV_TEST(log_damage, names_with_one_hash_stay_apart)
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
			key_text(i, key);
			snprintf(value, sizeof(value), "value %u", i);
			check_int(direct_put(&d.direct, key, "old", 0),
			    EVKV_OK);
			check_int(direct_put(&d.direct, key, value, 0),
			    EVKV_OK);
		}
		check_collisions(&d.direct, 0);
		for (i = 0; i < 20; i++) {
			key_text(i, key);
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
