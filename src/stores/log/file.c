#include "stores/log/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "evkv/alloc.h"

void evkv__log_file_name(char name[LOG_NAME_ROOM], uint64_t number,
    const char *ending)
{
	snprintf(name, LOG_NAME_ROOM, "%04" PRIu64 "%s", number, ending);
}

uint64_t evkv__log_file_number(const char *name, const char **ending)
{
	static const char *const endings[] = { ".data", ".index", ".new",
		".copy", ".index.new" };
	char *end;
	uint64_t number;
	size_t i;

	if (name[0] < '0' || name[0] > '9')
		return 0;
	number = strtoull(name, &end, 10);
	for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		if (strcmp(end, endings[i]) == 0) {
			*ending = endings[i];
			return number;
		}
	}
	return 0;
}

/* ---- Reading and writing ------------------------------------------------- */

bool evkv__log_pread(int fd, void *to, size_t size, uint64_t offset)
{
	unsigned char *bytes = to;
	ssize_t n;

	for (; size > 0; bytes += n, size -= (size_t)n, offset += (uint64_t)n) {
		n = pread(fd, bytes, size, (off_t)offset);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n == 0)
			errno = ENODATA;
		if (n < 0 || (n == 0 && errno == ENODATA))
			return false;
	}
	return true;
}

ssize_t evkv__log_pread_now(int fd, void *to, size_t size, uint64_t offset)
{
	struct iovec part = { .iov_base = to, .iov_len = size };

	return preadv2(fd, &part, 1, (off_t)offset, RWF_NOWAIT);
}

bool evkv__log_pwrite(int fd, const void *from, size_t size, uint64_t offset)
{
	const unsigned char *bytes = from;
	ssize_t n;

	for (; size > 0; bytes += n, size -= (size_t)n, offset += (uint64_t)n) {
		n = pwrite(fd, bytes, size, (off_t)offset);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return false;
	}
	return true;
}

/* ---- Life ---------------------------------------------------------------- */

static struct log_file *file_new(int fd, struct file_failure *failure)
{
	struct log_file *file = evkv_calloc(1, sizeof(*file));
	unsigned char byte;

	if (file == NULL) {
		close(fd);
		evkv__file_fail(failure, EVKV_NOMEM, 0, "out of memory");
		return NULL;
	}
	file->fd = fd;
	file->refs = 1;
	/* Nobody asks when it was read; refused where another user owns it. */
	(void)fcntl(fd, F_SETFL, O_NOATIME);
	file->nowait = evkv__log_pread_now(fd, &byte, 1, 0) >= 0 ||
	    errno == EAGAIN;
	return file;
}

struct log_file *evkv__log_file_ref(struct log_file *file)
{
	__atomic_add_fetch(&file->refs, 1, __ATOMIC_RELAXED);
	return file;
}

void evkv__log_file_unref(struct log_file *file)
{
	if (file == NULL ||
	    __atomic_sub_fetch(&file->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	close(file->fd);
	evkv_free(file);
}

static bool file_errno(struct file_failure *failure, const char *name,
    const char *what)
{
	int sys_error = errno;

	return evkv__file_fail(failure, evkv__file_errno_status(sys_error),
	    sys_error, "%s: can't %s", name, what);
}

struct log_file *evkv__log_file_make(int folder,
    const struct log_file_head *head, const char *ending, uint64_t room,
    bool *sparse, struct file_failure *failure)
{
	unsigned char bytes[LOG_FILE_HEAD];
	char name[LOG_NAME_ROOM];
	struct log_file *file;
	int fd, code;

	evkv__log_file_name(name, head->number, ending);
	fd = openat(folder, name, O_RDWR | O_CREAT | O_CLOEXEC,
	    FOLDER_FILE_MODE);
	if (fd < 0) {
		file_errno(failure, name, "make it");
		return NULL;
	}
	evkv__log_head_write(bytes, head);
	code = evkv__file_extend(fd, 0, (off_t)room, sparse);
	errno = code;
	if (code != 0 || !evkv__log_pwrite(fd, bytes, sizeof(bytes), 0) ||
	    fsync(fd) != 0) {
		file_errno(failure, name, "set it up");
		close(fd);
		unlinkat(folder, name, 0);
		return NULL;
	}
	file = file_new(fd, failure);
	if (file == NULL)
		return NULL;
	file->head = *head;
	file->size = LOG_FILE_HEAD;
	return file;
}

bool evkv__log_file_rename(int folder, const struct log_file *file,
    const char *ending)
{
	char from[LOG_NAME_ROOM], to[LOG_NAME_ROOM];

	evkv__log_file_name(from, file->head.number, ending);
	evkv__log_file_name(to, file->head.number, ".data");
	return renameat(folder, from, folder, to) == 0;
}

/* ---- Seals --------------------------------------------------------------- */

bool evkv__log_file_seal(const struct log_file *file, uint64_t size,
    uint64_t last, uint64_t puts)
{
	unsigned char bytes[LOG_ITEM_HEAD] = { 0 };
	struct log_item seal = {
		.kind = LOG_SEAL, .expires = last, .version = puts
	};
	const struct evkv_slice none = { NULL, 0 };

	evkv__log_item_write(bytes, evkv__log_seed(file->head.id, size), &seal,
	    none, none, none);
	return evkv__log_pwrite(file->fd, bytes, sizeof(bytes), size) &&
	    fsync(file->fd) == 0 &&
	    ftruncate(file->fd, (off_t)(size + LOG_ITEM_HEAD)) == 0 &&
	    fsync(file->fd) == 0;
}

void evkv__log_file_sealed(struct log_file *file, uint64_t size, uint64_t last,
    uint64_t puts)
{
	file->size = size + LOG_ITEM_HEAD;
	file->last = last;
	file->puts = puts;
	file->sealed = true;
}

/* Whether the last bytes are a seal. */
static void file_find_seal(struct log_file *file, uint64_t size)
{
	unsigned char bytes[LOG_ITEM_HEAD];
	uint64_t at = size - LOG_ITEM_HEAD;
	struct log_item item;

	file->size = size;
	if (size < LOG_FILE_HEAD + LOG_ITEM_HEAD || size % 8 != 0 ||
	    !evkv__log_pread(file->fd, bytes, sizeof(bytes), at) ||
	    evkv__log_item_parse(bytes, sizeof(bytes),
		evkv__log_seed(file->head.id, at), &item) != LOG_PARSE_OK ||
	    item.kind != LOG_SEAL)
		return;
	file->sealed = true;
	file->last = item.expires;
	file->puts = item.version;
}

static bool file_head(struct log_file *file, const char *path, const char *name,
    struct file_failure *failure)
{
	unsigned char bytes[LOG_FILE_HEAD];
	enum evkv_status status;

	if (!evkv__log_pread(file->fd, bytes, sizeof(bytes), 0)) {
		if (errno != ENODATA)
			return file_errno(failure, name, "read it");
		status = EVKV_CORRUPT;
	} else {
		status = evkv__log_head_read(bytes, &file->head);
	}
	if (status == EVKV_UNSUPPORTED)
		return evkv__file_fail(failure, status, 0,
		    "%s/%s: written in another version of the format", path,
		    name);
	if (status != EVKV_OK)
		return evkv__file_fail(failure, status, 0,
		    "%s/%s: damaged at offset 0. Nothing was changed; look "
		    "with: evkv_log_check",
		    path, name);
	return true;
}

struct log_file *evkv__log_file_open(int folder, uint64_t number,
    const char *path, struct file_failure *failure)
{
	char name[LOG_NAME_ROOM];
	struct log_file *file;
	struct stat stat;
	int fd;

	evkv__log_file_name(name, number, ".data");
	fd = openat(folder, name, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		file_errno(failure, name, "open it");
		return NULL;
	}
	file = file_new(fd, failure);
	if (file == NULL)
		return NULL;
	if (!file_head(file, path, name, failure)) {
		evkv__log_file_unref(file);
		return NULL;
	}
	if (file->head.number != number) {
		evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s/%s: is a copy of file %" PRIu64
		    " under another name. Nothing was changed",
		    path, name, file->head.number);
		evkv__log_file_unref(file);
		return NULL;
	}
	if (fstat(fd, &stat) == 0)
		file_find_seal(file, (uint64_t)stat.st_size);
	return file;
}
