/*
 * stores/disk/multi_dir.c - the directory of a multi_disk store, on a worker.
 *
 * It holds a file `.multi_disk`, a name that no collection has, which marks it
 * as ours and on which a lock keeps this process from opening it twice; and a
 * directory for each collection, named by evkv_file_name_encode(). A directory
 * with such parts and without the marker has lost it: that is CORRUPT.
 */
#include "stores/disk/multi.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engines/files/look.h"

void evkv__multi_look_free(struct multi_look *look)
{
	size_t i;

	for (i = 0; i < look->count; i++)
		evkv_free(look->files[i]);
	evkv_free(look->files);
	look->files = NULL;
	look->count = look->room = 0;
}

static bool look_add(struct multi_look *look, const char *file)
{
	char **larger;

	if (look->count == look->room) {
		larger = evkv_malloc((look->room * 2 + 16) * sizeof(*larger));
		if (larger == NULL)
			return false;
		if (look->count > 0)
			memcpy(larger, look->files,
			    look->count * sizeof(*larger));
		evkv_free(look->files);
		look->files = larger;
		look->room = look->room * 2 + 16;
	}
	look->files[look->count] = evkv_strdup(file);
	return look->files[look->count++] != NULL;
}

static int look_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool dir_errno(struct multi_store *multi, const char *what,
    struct file_failure *failure)
{
	int sys_error = errno;

	return evkv__file_fail(failure, evkv__file_errno_status(sys_error),
	    sys_error, "%s: can't %s", multi->path, what);
}

/* ---- Listing ------------------------------------------------------------- */

static bool is_part(const struct dirent *entry)
{
	unsigned char name[EVKV_COLLECTION_MAX];
	struct evkv_slice whole;

	return (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) &&
	    evkv_file_name_decode(entry->d_name, name, &whole) !=
	    EVKV_FILE_NAME_FOREIGN;
}

static void dir_list(struct multi_store *multi, struct multi_look *look)
{
	DIR *list = opendir(multi->path);
	struct dirent *entry;

	if (list == NULL) {
		dir_errno(multi, "list it", &look->failure);
		return;
	}
	while ((entry = readdir(list)) != NULL) {
		if (!is_part(entry) || look_add(look, entry->d_name))
			continue;
		look->failure.status = EVKV_NOMEM;
		look->failure.message[0] = '\0';
		if (look->files != NULL && look->count > 0 &&
		    look->files[look->count - 1] == NULL)
			look->count--;
		break;
	}
	closedir(list);
	if (look->count > 1)
		qsort(look->files, look->count, sizeof(*look->files),
		    look_compare);
}

/* ---- Opening ------------------------------------------------------------- */

struct root_scan {
	bool marker, part, disk, foreign;
};

/* Whether a directory in it is a disk store. */
static bool root_has_part(const char *path, const char *name)
{
	static const char *const files[] = { "CURRENT", "LOCK" };
	char file[PATH_MAX];
	bool has = true;
	size_t i;

	for (i = 0; i < 2; i++) {
		snprintf(file, sizeof(file), "%s/%s/%s", path, name, files[i]);
		has = has && access(file, F_OK) == 0;
	}
	return has;
}

static void root_look(struct root_scan *scan, const char *path,
    const struct dirent *entry)
{
	if (evkv__folder_ignores(entry->d_name))
		return;
	if (strcmp(entry->d_name, MULTI_MARKER) == 0)
		scan->marker = true;
	else if (strcmp(entry->d_name, "CURRENT") == 0)
		scan->disk = true;
	else if (is_part(entry) && root_has_part(path, entry->d_name))
		scan->part = true;
	else
		scan->foreign = true;
}

static bool root_scan(const char *path, struct root_scan *scan)
{
	DIR *list = opendir(path);
	struct dirent *entry;

	memset(scan, 0, sizeof(*scan));
	if (list == NULL)
		return false;
	while ((entry = readdir(list)) != NULL)
		root_look(scan, path, entry);
	closedir(list);
	return true;
}

/* Without the marker only an empty directory may become a store. */
static bool root_may_make(struct multi_store *multi,
    const struct root_scan *scan, struct file_failure *failure)
{
	if (scan->marker)
		return true;
	if (multi->must_exist)
		return evkv__file_fail(failure, EVKV_IO, 0,
		    "%s: was removed or replaced while the store was open",
		    multi->path);
	if (scan->disk)
		return evkv__file_fail(failure, EVKV_REFUSED, 0,
		    "%s: not a multi_disk store, but a disk store",
		    multi->path);
	if (scan->part)
		return evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s: " MULTI_MARKER " is missing, but there are parts of a "
		    "multi_disk store. Nothing was changed; put it back, or "
		    "run: evkv_disk_check --repair",
		    multi->path);
	if (scan->foreign)
		return evkv__file_fail(failure, EVKV_REFUSED, 0,
		    "%s: not a multi_disk store: it has files, but "
		    "no " MULTI_MARKER,
		    multi->path);
	return true;
}

/* The names of the marker and of the directory itself. */
static bool root_sync(const char *root)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool synced;

	if (fd < 0)
		return false;
	synced = evkv__folder_sync(fd) && evkv__folder_sync_parent(fd);
	close(fd);
	return synced;
}

bool evkv__multi_mark(int fd, const char *path)
{
	const char text[] = MULTI_TEXT;

	return pwrite(fd, text, sizeof(text) - 1, 0) ==
	    (ssize_t)sizeof(text) - 1 &&
	    fsync(fd) == 0 && root_sync(path);
}

/* An empty marker is one whose making was cut short, where nothing else is. */
static bool root_marker(struct multi_store *multi, int fd,
    const struct root_scan *scan, struct file_failure *failure)
{
	const char text[] = MULTI_TEXT;
	char found[64];
	ssize_t size = pread(fd, found, sizeof(found), 0);

	if (size == (ssize_t)sizeof(text) - 1 &&
	    memcmp(found, text, sizeof(text) - 1) == 0)
		return true;
	if (size == 0 && !scan->part) {
		if (evkv__multi_mark(fd, multi->path))
			return true;
		return dir_errno(multi, "write its marker", failure);
	}
	if (size >= 0 && (size_t)size < sizeof(text) - 1 &&
	    memcmp(found, text, (size_t)size) == 0)
		return evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s is damaged. Nothing was changed; put it back, or run: "
		    "evkv_disk_check --repair",
		    multi->marker);
	return evkv__file_fail(failure, EVKV_UNSUPPORTED, 0,
	    "%s is not of a version that is known here", multi->marker);
}

/* The marker that is in place; -1 = `failure` tells why not. */
static int root_enter(struct multi_store *multi, struct file_failure *failure)
{
	struct root_scan scan;
	int fd;

	if (strlen(multi->path) > PATH_MAX - 2 * EVKV_FILE_NAME_MAX) {
		evkv__file_fail(failure, EVKV_INVALID, 0,
		    "the path is longer than this system takes");
		return -1;
	}
	if (!multi->must_exist && mkdir(multi->path, FOLDER_MODE) != 0 &&
	    errno != EEXIST) {
		dir_errno(multi, "make the directory", failure);
		return -1;
	}
	if (!root_scan(multi->path, &scan)) {
		dir_errno(multi, "list it", failure);
		return -1;
	}
	if (!root_may_make(multi, &scan, failure))
		return -1;
	fd = open(multi->marker, O_RDWR | O_CREAT | O_CLOEXEC,
	    FOLDER_FILE_MODE);
	if (fd < 0)
		dir_errno(multi, "open " MULTI_MARKER, failure);
	else if (root_marker(multi, fd, &scan, failure))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Whether the marker that is open is the one in place. */
static bool root_same(const struct multi_store *multi)
{
	return file_leads_to(AT_FDCWD, multi->marker, multi->marker_fd);
}

/*
 * Parts know the marker by its descriptor: when it was replaced, the new one
 * takes the old one's number.
 */
static bool root_open(struct multi_store *multi, struct file_failure *failure)
{
	int fd;

	if (multi->marker_fd >= 0 && root_same(multi))
		return true;
	fd = root_enter(multi, failure);
	if (fd < 0)
		return false;
	if (!evkv__disk_lock_process(fd, multi->path, failure)) {
		close(fd);
		return false;
	}
	if (multi->marker_fd >= 0) {
		/* The lock belongs to the open file, which goes along. */
		dup3(fd, multi->marker_fd, O_CLOEXEC);
		close(fd);
	} else {
		multi->marker_fd = fd;
	}
	multi->must_exist = true;
	return true;
}

static void root_check(struct multi_store *multi, struct file_failure *failure)
{
	if (multi->marker_fd >= 0 && !root_same(multi))
		evkv__file_fail(failure, EVKV_IO, 0,
		    "%s: was removed or replaced while the store was open",
		    multi->path);
}

void evkv__multi_run(struct evkv_job *jobs, void *arg)
{
	struct multi_store *multi = arg;

	for (; jobs != NULL; jobs = evkv_job_next(jobs)) {
		struct multi_look *look = (struct multi_look *)jobs;

		look->failure.status = EVKV_OK;
		switch (look->task) {
		case MULTI_OPEN: root_open(multi, &look->failure); break;
		case MULTI_CHECK: root_check(multi, &look->failure); break;
		case MULTI_LIST: dir_list(multi, look); break;
		case MULTI_CLOSE:
			if (multi->marker_fd >= 0)
				close(multi->marker_fd);
			multi->marker_fd = -1;
			break;
		}
	}
}
