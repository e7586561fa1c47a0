#include "damage_kit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/folder.h"
#include "lib/test.h"

#define KEYS 12

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

void damage_write_file(const char *path, const unsigned char *bytes,
    size_t size)
{
	FILE *file = fopen(path, "w");

	check(file != NULL);
	check(fwrite(bytes, 1, size, file) == size);
	fclose(file);
}

unsigned char damage_room[DAMAGE_ROOM];

void damage_copy(const char *from, const char *to)
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
		damage_write_file(target, damage_room,
		    read_file(source, damage_room, sizeof(damage_room)));
	}
	closedir(list);
}

static void damage_path(const struct damage *d, const char *name,
    char path[600])
{
	snprintf(path, 600, "%s/%s", d->path, name);
}

size_t damage_read(const struct damage *d, const char *name)
{
	char path[600];

	damage_path(d, name, path);
	return read_file(path, damage_room, sizeof(damage_room));
}

void damage_write(const struct damage *d, const char *name, size_t size)
{
	char path[600];

	damage_path(d, name, path);
	damage_write_file(path, damage_room, size);
}

void damage_remove(const struct damage *d, const char *name)
{
	char path[600];

	damage_path(d, name, path);
	check_int(unlink(path), 0);
}

/* ---- A log --------------------------------------------------------------- */

void damage_key(unsigned i, char text[32])
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
		damage_key(i, key);
		snprintf(value, sizeof(value), "first value of %u", i);
		check_int(direct_put(&d->direct, key, value, 0), EVKV_OK);
	}
	check_int(evkv__log_roll(d->direct.env), 0);
	for (i = 0; i < KEYS; i++) {
		damage_key(i, key);
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

void damage_begin_at(struct damage *d, enum log_durability durability)
{
	struct file_failure failure;

	memset(d, 0, sizeof(*d));
	d->config.durability = durability;
	folder_make(d->folder, sizeof(d->folder));
	snprintf(d->whole, sizeof(d->whole), "%s/whole", d->folder);
	snprintf(d->path, sizeof(d->path), "%s/log", d->folder);
	d->config.path = d->whole;
	check(direct_open(&d->direct, &d->config, &failure));
	damage_fill(d);
}

void damage_begin(struct damage *d)
{
	damage_begin_at(d, LOG_SYNC_FULL);
}

void damage_end(struct damage *d)
{
	direct_close(&d->direct);
	folder_remove(d->folder);
}

/* Open the copy: the status. */
enum evkv_status damage_open(struct damage *d, struct direct *direct,
    struct file_failure *failure)
{
	struct direct_config config = d->config;

	config.path = d->path;
	memset(direct, 0, sizeof(*direct));
	return direct_open(direct, &config, failure) ? EVKV_OK
						     : failure->status;
}

/* No value but the right one; returns how many entries are not there. */
unsigned damage_check(struct direct *direct, const char *what)
{
	char key[32], value[64], wanted[64];
	unsigned lacks = 0, i;

	for (i = 0; i < KEYS; i++) {
		const char *should = expected(i, wanted);
		enum evkv_status status;

		damage_key(i, key);
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

/* ---- The tool ------------------------------------------------------------ */

bool damage_is_there(const char *folder, const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

int damage_tool(const char *one, const char *two, const char *three)
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
