/*
 * stores/disk/dir.c - what is in a store's directory: CURRENT, generations, and
 * what belongs to others.
 *
 * A generation is built as g-N.new and made durable; then CURRENT names it, by
 * rename, and then it gets its name g-N. So a g-N is complete and may hold all
 * that was ever stored, and one that CURRENT does not name is never removed
 * unless CURRENT names a later one. A g-N without CURRENT means that CURRENT
 * was lost: that is CORRUPT, and nothing is changed. A g-N.new that CURRENT
 * does not name was cut short and holds nothing that was acknowledged.
 */
#include "stores/disk/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stores/disk/format.h"

#define LOCK_NAME "LOCK"
#define CURRENT_NAME "CURRENT"
#define CURRENT_NEW "CURRENT.new"
#define NAME_ROOM 64

#define REPAIR_HINT "put it back, or run: evkv_disk_check --repair"

/* A call on a file of the directory has failed; errno tells why. */
static bool dir_errno(const struct disk_dir *dir, const char *what,
    struct file_failure *failure)
{
	int sys_error = errno;

	return evkv__file_fail(failure, evkv__file_errno_status(sys_error),
	    sys_error, "%s: can't %s", dir->path, what);
}

/* ---- Names --------------------------------------------------------------- */

static void name_generation(char name[NAME_ROOM], uint64_t generation,
    bool unfinished)
{
	snprintf(name, NAME_ROOM, "g-%" PRIu64 "%s", generation,
	    unfinished ? ".new" : "");
}

void evkv__disk_dir_generation(const struct disk_dir *dir, uint64_t generation,
    bool unfinished, char path[PATH_MAX])
{
	char name[NAME_ROOM];

	name_generation(name, generation, unfinished);
	snprintf(path, PATH_MAX, "%s/%s", dir->path, name);
}

/* The generation that a name stands for, or 0. */
static uint64_t name_parse(const char *name, bool *unfinished)
{
	char *end;
	uint64_t generation;

	if (strncmp(name, "g-", 2) != 0 || name[2] < '1' || name[2] > '9')
		return 0;
	generation = strtoull(name + 2, &end, 10);
	*unfinished = strcmp(end, ".new") == 0;
	return *end == '\0' || *unfinished ? generation : 0;
}

static bool name_is_file_of_ours(const char *name)
{
	return strcmp(name, LOCK_NAME) == 0 ||
	    strcmp(name, CURRENT_NAME) == 0 || strcmp(name, CURRENT_NEW) == 0;
}

/* What the directory holds, by name. */
struct dir_scan {
	bool current, multi;
	uint64_t complete; /* the highest g-N */
	uint64_t highest;  /* likewise, of g-N.new too */
	char foreign[NAME_ROOM];
};

static void scan_name(struct dir_scan *scan, const char *name)
{
	bool unfinished = false;
	uint64_t generation = name_parse(name, &unfinished);

	if (strcmp(name, CURRENT_NAME) == 0)
		scan->current = true;
	if (strcmp(name, ".multi_disk") == 0)
		scan->multi = true;
	if (generation > scan->highest)
		scan->highest = generation;
	if (!unfinished && generation > scan->complete)
		scan->complete = generation;
	if (generation == 0 && scan->foreign[0] == '\0' &&
	    !name_is_file_of_ours(name) && !evkv__folder_ignores(name))
		snprintf(scan->foreign, sizeof(scan->foreign), "%.40s", name);
}

static bool dir_scan(const struct disk_dir *dir, struct dir_scan *scan,
    struct file_failure *failure)
{
	DIR *list = evkv__folder_list(dir->fd);
	struct dirent *entry;

	memset(scan, 0, sizeof(*scan));
	if (list == NULL)
		return dir_errno(dir, "list it", failure);
	while ((entry = readdir(list)) != NULL)
		scan_name(scan, entry->d_name);
	closedir(list);
	return true;
}

/* Without CURRENT, only a directory with nothing in it may become a store. */
static bool dir_may_make(struct disk_dir *dir, struct file_failure *failure)
{
	struct dir_scan scan;

	if (!dir_scan(dir, &scan, failure))
		return false;
	dir->highest = scan.highest;
	if (scan.current)
		return true;
	if (scan.multi)
		return evkv__file_fail(failure, EVKV_REFUSED, 0,
		    "%s: not a disk store, but a multi_disk store", dir->path);
	if (scan.complete != 0)
		return evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s: " CURRENT_NAME " is missing, but generation g-%" PRIu64
		    " is there. Nothing was changed; " REPAIR_HINT,
		    dir->path, scan.complete);
	if (scan.foreign[0] != '\0')
		return evkv__file_fail(failure, EVKV_REFUSED, 0,
		    "%s: not a disk store: has no " CURRENT_NAME ", but %s",
		    dir->path, scan.foreign);
	if (dir->there)
		return evkv__file_fail(failure, EVKV_NOT_FOUND, 0,
		    "%s: not a disk store: has no " CURRENT_NAME, dir->path);
	return true;
}

/* ---- CURRENT ------------------------------------------------------------- */

static bool current_damaged(const struct disk_dir *dir,
    struct file_failure *failure)
{
	return evkv__file_fail(failure, EVKV_CORRUPT, 0,
	    "%s: its " CURRENT_NAME
	    " is damaged. Nothing was changed; " REPAIR_HINT,
	    dir->path);
}

/* Foreign, unless a database of ours stands beside it: it was written over. */
static bool current_unknown(const struct disk_dir *dir,
    struct file_failure *failure)
{
	struct file_failure ignored;
	struct dir_scan scan;

	if (dir_scan(dir, &scan, &ignored) && scan.complete != 0 &&
	    evkv__disk_dir_inspect(dir, scan.complete, &ignored))
		return current_damaged(dir, failure);
	return evkv__file_fail(failure, EVKV_REFUSED, 0,
	    "%s: not a disk store: its %s is of something else", dir->path,
	    CURRENT_NAME);
}

/* A text that is cut off in the first words is damaged, not foreign. */
static bool current_parse(struct disk_dir *dir, const char *text,
    struct file_failure *failure)
{
	const size_t magic = strlen(DISK_MAGIC), size = strlen(text);
	unsigned format = 0;
	uint64_t generation = 0;
	char end = '\0';

	if (strncmp(text, DISK_MAGIC, size < magic ? size : magic) != 0)
		return current_unknown(dir, failure);
	if (size < magic || sscanf(text + magic, "%u", &format) != 1 ||
	    format == 0)
		return current_damaged(dir, failure);
	if (format != DISK_FORMAT)
		return evkv__file_fail(failure, EVKV_UNSUPPORTED, 0,
		    "%s: written in format %u; this version knows %d",
		    dir->path, format, DISK_FORMAT);
	if (sscanf(text + magic, "%u\ngeneration %" SCNu64 "%c", &format,
		&generation, &end) != 3 ||
	    generation == 0 || end != '\n')
		return current_damaged(dir, failure);
	dir->generation = generation;
	return true;
}

static bool current_read(struct disk_dir *dir, struct file_failure *failure)
{
	char text[128];
	ssize_t size;
	int fd;

	dir->generation = 0;
	fd = openat(dir->fd, CURRENT_NAME, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0)
		return dir_errno(dir, "open " CURRENT_NAME, failure);
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size < 0)
		return dir_errno(dir, "read " CURRENT_NAME, failure);
	text[size] = '\0';
	return current_parse(dir, text, failure);
}

static bool current_write(struct disk_dir *dir, uint64_t generation)
{
	char text[128];
	int size = snprintf(text, sizeof(text),
	    "%s%d\ngeneration %" PRIu64 "\n", DISK_MAGIC, DISK_FORMAT,
	    generation);

	return evkv__folder_write(dir->fd, CURRENT_NAME, CURRENT_NEW, text,
	    (size_t)size);
}

/* Give the generation that CURRENT names its name, if it lacks it still. */
static bool current_settle(const struct disk_dir *dir, uint64_t generation)
{
	char from[NAME_ROOM], to[NAME_ROOM];

	name_generation(from, generation, true);
	name_generation(to, generation, false);
	if (faccessat(dir->fd, to, F_OK, 0) == 0)
		return true;
	return renameat(dir->fd, from, dir->fd, to) == 0 &&
	    evkv__folder_sync(dir->fd);
}

/* What CURRENT names must be there, and no database that is newer. */
static bool current_check(struct disk_dir *dir, struct file_failure *failure)
{
	struct file_failure ignored;
	struct dir_scan scan;

	if (dir->generation == 0)
		return true;
	if (!current_settle(dir, dir->generation)) {
		if (errno != ENOENT)
			return dir_errno(dir, "rename a generation", failure);
		return evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s: " CURRENT_NAME " names a generation whose g-%" PRIu64
		    "/data.mdb is missing. Nothing was changed; " REPAIR_HINT,
		    dir->path, dir->generation);
	}
	if (!dir_scan(dir, &scan, failure))
		return false;
	if (scan.complete <= dir->generation ||
	    !evkv__disk_dir_inspect(dir, scan.complete, &ignored))
		return true;
	return evkv__file_fail(failure, EVKV_CORRUPT, 0,
	    "%s: " CURRENT_NAME " names generation g-%" PRIu64
	    ", but there is a later one, g-%" PRIu64 ". Nothing was changed; "
	    "move the one aside that you do not want, then run: "
	    "evkv_disk_check --repair",
	    dir->path, dir->generation, scan.complete);
}

/* What CURRENT names now is what counts. */
static bool dir_not_switched(struct disk_dir *dir, uint64_t before,
    struct file_failure *failure)
{
	struct file_failure ignored;

	dir_errno(dir, "switch to a new generation", failure);
	if (!current_read(dir, &ignored) ||
	    (dir->generation != before && dir->generation != 0 &&
		!current_settle(dir, dir->generation)))
		dir->generation = before;
	return false;
}

bool evkv__disk_dir_switch(struct disk_dir *dir, uint64_t generation,
    struct file_failure *failure)
{
	char name[NAME_ROOM], data[NAME_ROOM + 16];
	uint64_t before = dir->generation;

	name_generation(name, generation, true);
	snprintf(data, sizeof(data), "%s/data.mdb", name);
	if (!evkv__folder_sync_at(dir->fd, data, 0) ||
	    !evkv__folder_sync_at(dir->fd, name, O_DIRECTORY) ||
	    !evkv__folder_sync(dir->fd) || !evkv__folder_sync_parent(dir->fd) ||
	    !current_write(dir, generation) || !current_settle(dir, generation))
		return dir_not_switched(dir, before, failure);
	dir->generation = generation;
	return true;
}

bool evkv__disk_dir_point(struct disk_dir *dir, uint64_t generation,
    struct file_failure *failure)
{
	if (current_write(dir, generation))
		return true;
	return dir_errno(dir, "write " CURRENT_NAME, failure);
}

/* ---- Generations --------------------------------------------------------- */

static void dir_remove_generation(const struct disk_dir *dir, const char *name)
{
	int fd = openat(dir->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		unlinkat(fd, "data.mdb", 0);
		unlinkat(fd, "lock.mdb", 0);
		close(fd);
	}
	unlinkat(dir->fd, name, AT_REMOVEDIR);
}

bool evkv__disk_dir_make(struct disk_dir *dir, uint64_t generation,
    struct file_failure *failure)
{
	char name[NAME_ROOM];

	name_generation(name, generation, true);
	dir_remove_generation(dir, name);
	if (mkdirat(dir->fd, name, FOLDER_MODE) == 0)
		return true;
	return dir_errno(dir, "make a generation", failure);
}

void evkv__disk_dir_unmake(struct disk_dir *dir, uint64_t generation)
{
	char name[NAME_ROOM];

	name_generation(name, generation, true);
	dir_remove_generation(dir, name);
}

size_t evkv__disk_dir_complete(struct disk_dir *dir, uint64_t *generations,
    size_t room)
{
	DIR *list = evkv__folder_list(dir->fd);
	struct dirent *entry;
	uint64_t generation;
	bool unfinished;
	size_t count = 0;

	while (list != NULL && (entry = readdir(list)) != NULL) {
		unfinished = false;
		generation = name_parse(entry->d_name, &unfinished);
		if (generation == 0 || unfinished)
			continue;
		if (count < room)
			generations[count] = generation;
		count++;
	}
	if (list != NULL)
		closedir(list);
	return count;
}

void evkv__disk_dir_sweep(struct disk_dir *dir)
{
	struct disk_dir now = *dir;
	struct file_failure ignored;
	DIR *list;
	struct dirent *entry;
	uint64_t generation;
	bool unfinished;

	/* Be sure before anything is removed. */
	if (!current_read(&now, &ignored) || now.generation == 0 ||
	    now.generation != dir->generation)
		return;
	list = evkv__folder_list(dir->fd);
	if (list == NULL)
		return;
	while ((entry = readdir(list)) != NULL) {
		unfinished = false;
		generation = name_parse(entry->d_name, &unfinished);
		if (generation != 0 &&
		    (unfinished || generation < dir->generation))
			dir_remove_generation(dir, entry->d_name);
	}
	closedir(list);
}

/* ---- Opening ------------------------------------------------------------- */

static bool dir_enter(struct disk_dir *dir, bool make,
    struct file_failure *failure)
{
	if (strlen(dir->path) > PATH_MAX - 64)
		return evkv__file_fail(failure, EVKV_INVALID, 0,
		    "the path is longer than this system takes");
	if (make && mkdir(dir->path, FOLDER_MODE) != 0 && errno != EEXIST)
		return dir_errno(dir, "make the directory", failure);
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd < 0 && errno == ENOENT && !make)
		return evkv__file_fail(failure, EVKV_NOT_FOUND, 0,
		    "%s: is not there", dir->path);
	if (dir->fd < 0)
		return dir_errno(dir, "open the directory", failure);
	dir->lock_fd = openat(dir->fd, LOCK_NAME, O_RDWR | O_CLOEXEC);
	/* Nothing is written into what is not ours. */
	if (dir->lock_fd < 0 && errno == ENOENT) {
		if (!dir_may_make(dir, failure))
			return false;
		dir->lock_fd = openat(dir->fd, LOCK_NAME,
		    O_RDWR | O_CREAT | O_CLOEXEC, FOLDER_FILE_MODE);
	}
	if (dir->lock_fd < 0)
		return dir_errno(dir, "open " LOCK_NAME, failure);
	return true;
}

bool evkv__disk_dir_open(struct disk_dir *dir, bool make, const bool *stop,
    struct file_failure *failure)
{
	dir->fd = dir->lock_fd = -1;
	if (dir_enter(dir, make, failure) &&
	    evkv__disk_dir_lock_all(dir, stop, failure) &&
	    dir_may_make(dir, failure) && current_read(dir, failure) &&
	    current_check(dir, failure))
		return true;
	evkv__disk_dir_close(dir);
	return false;
}

bool evkv__disk_dir_open_unpointed(struct disk_dir *dir,
    struct file_failure *failure)
{
	const bool stop = false;

	dir->fd = dir->lock_fd = -1;
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd >= 0)
		dir->lock_fd = openat(dir->fd, LOCK_NAME,
		    O_RDWR | O_CREAT | O_CLOEXEC, FOLDER_FILE_MODE);
	if (dir->lock_fd < 0)
		dir_errno(dir, "open it", failure);
	else if (evkv__disk_dir_lock_all(dir, &stop, failure) &&
	    evkv__disk_dir_exclude(dir, failure))
		return true;
	evkv__disk_dir_close(dir);
	return false;
}

void evkv__disk_dir_close(struct disk_dir *dir)
{
	if (dir->lock_fd >= 0)
		close(dir->lock_fd);
	if (dir->fd >= 0)
		close(dir->fd);
	dir->fd = dir->lock_fd = -1;
}
