/*
 * stores/disk/inspect.c - a look at data.mdb before LMDB maps it.
 *
 * LMDB trusts its file: pages that are missing at the end end the process by
 * SIGBUS. So the two meta pages are read here. Their layout is LMDB's, in the
 * byte order and word size of the machine; another machine's file fails at the
 * magic or at the page size.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stores/disk/dir.h"

#define META_MAGIC UINT32_C(0xbeefc0de)
#define META_VERSION 1
#define PAGE_HEAD 16

struct meta_table {
	uint32_t page_size; /* in the first table only */
	uint16_t flags, depth;
	size_t branch, leaf, overflow, entries, root;
};

struct meta_page {
	uint32_t magic, version;
	void *address;
	size_t map_size;
	struct meta_table tables[2];
	size_t last_page, txnid;
};

static bool inspect_read(int fd, off_t at, struct meta_page *meta)
{
	return pread(fd, meta, sizeof(*meta), at + PAGE_HEAD) ==
	    (ssize_t)sizeof(*meta) &&
	    meta->magic == META_MAGIC && meta->version == META_VERSION;
}

static bool inspect_file(int fd, const char *path, struct file_failure *failure)
{
	struct meta_page metas[2];
	const struct meta_page *last;
	struct stat stat;
	size_t page_size;

	if (!inspect_read(fd, 0, &metas[0]))
		return evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s: data.mdb is not a database of this machine", path);
	page_size = metas[0].tables[0].page_size;
	if (page_size < 512 || page_size > 65536 ||
	    (page_size & (page_size - 1)) != 0 ||
	    !inspect_read(fd, (off_t)page_size, &metas[1]))
		return evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s: the head of data.mdb is damaged", path);
	last = &metas[metas[1].txnid > metas[0].txnid];
	/* After the heads: another process may make the file longer. */
	if (fstat(fd, &stat) != 0)
		return evkv__file_fail(failure, EVKV_IO, errno,
		    "%s: can't stat data.mdb", path);
	if ((size_t)stat.st_size / page_size <= last->last_page)
		return evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s: data.mdb is cut off: %zu pages, the last is %zu", path,
		    (size_t)stat.st_size / page_size, last->last_page);
	return true;
}

bool evkv__disk_dir_inspect(const struct disk_dir *dir, uint64_t generation,
    struct file_failure *failure)
{
	char path[PATH_MAX], file[PATH_MAX + 16];
	bool sound;
	int fd;

	evkv__disk_dir_generation(dir, generation, false, path);
	snprintf(file, sizeof(file), "%s/data.mdb", path);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return evkv__file_fail(failure,
		    errno == ENOENT ? EVKV_CORRUPT
				    : evkv__file_errno_status(errno),
		    errno, "%s: can't open data.mdb", path);
	sound = inspect_file(fd, path, failure);
	close(fd);
	return sound;
}
