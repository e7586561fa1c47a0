/*
 * disk/multi_dir.c - the directory of a multi_disk store, on a worker.
 *
 * It holds a file `.multi_disk`, a name that no collection has, which marks it
 * as ours and on which a lock keeps this process from opening it twice; and a
 * directory for each collection, named by evkv_file_name_encode().
 */
#include "stores/disk/multi.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARKER ".multi_disk"
#define MARKER_TEXT "evkv multi_disk 1\n"
#define DIR_MODE 0770
#define FILE_MODE 0660
#define BYTE_PIDS 4096

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
    struct disk_failure *failure)
{
	int sys_error = errno;

	return evkv__disk_fail(failure, evkv__disk_errno_status(sys_error),
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

/* Without the marker, whatever is there is somebody else's. */
static bool root_is_empty(const char *path)
{
	DIR *list = opendir(path);
	struct dirent *entry;
	bool empty = list != NULL;

	while (empty && (entry = readdir(list)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0;
	if (list != NULL)
		closedir(list);
	return empty;
}

/* The names of the marker and of the directory itself. */
static bool root_sync(const struct multi_store *multi)
{
	static const char *const names[] = { ".", ".." };
	char path[PATH_MAX];
	bool synced = true;
	size_t i;
	int fd;

	for (i = 0; i < 2 && synced; i++) {
		snprintf(path, sizeof(path), "%s/%s", multi->path, names[i]);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		/* Who may not read the parent has to leave it to the system. */
		if (fd < 0)
			return i > 0 && (errno == EACCES || errno == EPERM);
		synced = fsync(fd) == 0;
		close(fd);
	}
	return synced;
}

static bool root_marker(struct multi_store *multi, const char *marker,
    struct disk_failure *failure)
{
	const char text[] = MARKER_TEXT;
	char found[64];
	ssize_t size = pread(multi->marker_fd, found, sizeof(found), 0);

	if (size == 0) {
		if (pwrite(multi->marker_fd, text, sizeof(text) - 1, 0) !=
			(ssize_t)sizeof(text) - 1 ||
		    fsync(multi->marker_fd) != 0 || !root_sync(multi))
			return dir_errno(multi, "write its marker", failure);
		return true;
	}
	if (size == (ssize_t)sizeof(text) - 1 &&
	    memcmp(found, text, sizeof(text) - 1) == 0)
		return true;
	return evkv__disk_fail(failure, EVKV_UNSUPPORTED, 0,
	    "%s is not of a version that is known here", marker);
}

static bool root_lock(struct multi_store *multi, struct disk_failure *failure)
{
	struct flock lock = { .l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = BYTE_PIDS + getpid(),
		.l_len = 1 };

	if (fcntl(multi->marker_fd, F_OFD_SETLK, &lock) == 0)
		return true;
	if (errno != EAGAIN && errno != EACCES)
		return dir_errno(multi, "lock it", failure);
	return evkv__disk_fail(failure, EVKV_BUSY, 0,
	    "%s: is open already in this process", multi->path);
}

static bool root_open(struct multi_store *multi, struct disk_failure *failure)
{
	char marker[PATH_MAX];

	if (strlen(multi->path) > PATH_MAX - 2 * EVKV_FILE_NAME_MAX)
		return evkv__disk_fail(failure, EVKV_INVALID, 0,
		    "the path is longer than this system takes");
	if (mkdir(multi->path, DIR_MODE) != 0 && errno != EEXIST)
		return dir_errno(multi, "make the directory", failure);
	snprintf(marker, sizeof(marker), "%s/" MARKER, multi->path);
	if (access(marker, F_OK) != 0 && !root_is_empty(multi->path))
		return evkv__disk_fail(failure, EVKV_REFUSED, 0,
		    "%s: not a multi_disk store: it has files, but no " MARKER,
		    multi->path);
	multi->marker_fd = open(marker, O_RDWR | O_CREAT | O_CLOEXEC,
	    FILE_MODE);
	if (multi->marker_fd < 0)
		return dir_errno(multi, "open " MARKER, failure);
	return root_lock(multi, failure) && root_marker(multi, marker, failure);
}

void evkv__multi_run(struct evkv_job *jobs, void *arg)
{
	struct multi_store *multi = arg;
	bool close_it;

	for (; jobs != NULL; jobs = evkv_job_next(jobs)) {
		struct multi_look *look = (struct multi_look *)jobs;

		look->failure.status = EVKV_OK;
		close_it = look->task == MULTI_CLOSE;
		if (look->task == MULTI_OPEN)
			close_it = !root_open(multi, &look->failure);
		else if (look->task == MULTI_LIST)
			dir_list(multi, look);
		if (close_it && multi->marker_fd >= 0) {
			close(multi->marker_fd);
			multi->marker_fd = -1;
		}
	}
}
