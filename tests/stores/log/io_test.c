/*
 * Reads and writes that are interrupted, that take less than they were asked
 * for, and that fail.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "direct.h"
#include "lib/folder.h"
#include "lib/test.h"
#include "stores/log/check.h"

/*
 * What the next calls do: an errno, LESS or as ever (FINE), and after the last
 * one as ever.
 */
#define LESS (-1)
#define FINE (-2)
#define EVER 0

static const int *on_read, *on_write;

/* Whether a call fails, with errno, or takes the first byte alone. */
static bool next_call(const int **calls, size_t *size)
{
	static unsigned made;
	int what = *calls == NULL || **calls == EVER ? EVER : *(*calls)++;

	check(made++ < 100000); /* they end, too */
	if (what == LESS && *size > 1)
		*size = 1;
	if (what > 0)
		errno = what;
	return what > 0;
}

ssize_t pread(int fd, void *bytes, size_t size, off_t at)
{
	if (next_call(&on_read, &size))
		return -1;
	return syscall(SYS_pread64, fd, bytes, size, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
	if (next_call(&on_write, &size))
		return -1;
	return syscall(SYS_pwrite64, fd, bytes, size, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
	size_t size = SIZE_MAX;

	if (next_call(&on_write, &size))
		return -1;
	if (size == 1)
		return syscall(SYS_pwrite64, fd, parts->iov_base, size, at);
	return syscall(SYS_pwritev, fd, parts, count, at, 0);
}

struct io {
	struct direct direct;
	struct direct_config config;
	char folder[200];
};

static void io_open(struct io *io)
{
	struct file_failure failure;

	if (!direct_open(&io->direct, &io->config, &failure))
		fail_test("%s", failure.message);
}

/* With a mask the index alone is never sure whose an entry is. */
static void io_begin(struct io *io, uint64_t mask)
{
	memset(io, 0, sizeof(*io));
	folder_make(io->folder, sizeof(io->folder));
	io->config.path = io->folder;
	io->config.hash_mask = mask;
	io_open(io);
}

static void io_end(struct io *io)
{
	check(on_read == NULL || *on_read == EVER);
	check(on_write == NULL || *on_write == EVER);
	on_read = on_write = NULL;
	direct_close(&io->direct);
	folder_remove(io->folder);
}

static void io_put(struct io *io, unsigned from, unsigned to)
{
	char key[32];
	unsigned i;

	for (i = from; i < to; i++) {
		snprintf(key, sizeof(key), "key-%u", i);
		check_status(direct_put(&io->direct, key, key, 0), EVKV_OK);
	}
}

static void io_check(struct io *io, unsigned from, unsigned to)
{
	char key[32], value[32];
	unsigned i;

	for (i = from; i < to; i++) {
		snprintf(key, sizeof(key), "key-%u", i);
		check_status(direct_get(&io->direct, key, value, 32), EVKV_OK);
		check_str(value, key);
	}
}

/* An index file and whatever is beside it are gone: all is read. */
static void io_open_slowly(struct io *io)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/0001.index", io->folder);
	unlink(path);
	io_open(io);
}

static const int halting[] = { EINTR, LESS, EINTR, EINTR, LESS, EVER };
static const int failing[] = { EIO, EVER };
static const int failing_later[] = { FINE, FINE, EIO, EVER };

/* ---- In pieces ----------------------------------------------------------- */

EVKV_TEST(log_io, writes_go_on_where_they_were_stopped)
{
	struct io io;

	io_begin(&io, UINT64_MAX);
	on_write = halting;
	io_put(&io, 0, 10);
	on_write = halting;
	check_int(evkv__log_roll(io.direct.env), 0);
	io_put(&io, 0, 5);
	on_write = halting;
	check_int(direct_compact(&io.direct), 0);
	on_write = halting;
	direct_close(&io.direct);
	io_open(&io);
	io_check(&io, 0, 10);
	io_end(&io);
}

EVKV_TEST(log_io, reads_go_on_where_they_were_stopped)
{
	static const int interrupted[] = { EINTR, EINTR, EVER };
	struct io io;

	io_begin(&io, UINT64_MAX);
	io_put(&io, 0, 10);
	on_read = interrupted;
	io_check(&io, 0, 10);
	on_read = halting;
	check_int(direct_compact(&io.direct), 0);
	direct_close(&io.direct);
	on_read = halting;
	io_open(&io);
	io_check(&io, 0, 10);
	direct_close(&io.direct);
	on_read = halting;
	io_open_slowly(&io);
	io_check(&io, 0, 10);
	io_end(&io);
}

/* ---- Failures ------------------------------------------------------------ */

EVKV_TEST(log_io, a_write_that_fails_is_told)
{
	static const struct {
		int calls[2];
		enum evkv_status status;
	} rows[] = {
		{ { EIO, EVER }, EVKV_UNKNOWN_OUTCOME },
		{ { ENOSPC, EVER }, EVKV_NOSPACE },
		{ { EDQUOT, EVER }, EVKV_NOSPACE },
		{ { EFBIG, EVER }, EVKV_NOSPACE },
	};
	char value[32];
	struct io io;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		io_begin(&io, UINT64_MAX);
		io_put(&io, 0, 3);
		on_write = rows[i].calls;
		check_status(direct_put(&io.direct, "new", "v", 0),
		    rows[i].status);
		check_status(direct_get(&io.direct, "new", value, 32),
		    EVKV_NOT_FOUND);
		check_status(direct_put(&io.direct, "new", "w", 0), EVKV_OK);
		direct_close(&io.direct);
		io_open(&io);
		check_status(direct_get(&io.direct, "new", value, 32), EVKV_OK);
		check_str(value, "w");
		io_check(&io, 0, 3);
		io_end(&io);
	}
}

/* Nothing is lost of what was to be copied. */
EVKV_TEST(log_io, a_compaction_that_fails_leaves_all_as_it_was)
{
	struct io io;
	int reads;

	for (reads = 0; reads < 2; reads++) {
		io_begin(&io, UINT64_MAX);
		io_put(&io, 0, 10);
		check_int(evkv__log_roll(io.direct.env), 0);
		io_put(&io, 0, 5);
		check_int(evkv__log_roll(io.direct.env), 0);
		if (reads)
			on_read = failing;
		else
			on_write = failing;
		check_int(direct_compact(&io.direct), EIO);
		io_check(&io, 0, 10);
		check_int(direct_compact(&io.direct), 0);
		direct_close(&io.direct);
		io_open(&io);
		io_check(&io, 0, 10);
		io_end(&io);
	}
}

EVKV_TEST(log_io, a_read_that_fails_is_told)
{
	struct log_check found = { .files = 0 };
	struct file_failure failure;
	char value[32];
	struct io io;

	io_begin(&io, UINT64_MAX - 1);
	io_put(&io, 0, 3);
	on_read = failing;
	check_status(direct_get(&io.direct, "key-1", value, 32), EVKV_IO);
	on_read = failing;
	check_status(direct_put(&io.direct, "key-1", "v", 0), EVKV_IO);
	on_read = failing;
	check_status(direct_delete(&io.direct, "key-1"), EVKV_IO);
	on_read = failing;
	check(!direct_remove(&io.direct, EVKV_OP_CLEAR, NULL));
	io_check(&io, 0, 3);
	direct_close(&io.direct);
	on_read = failing_later;
	check(!evkv__log_check(io.folder, &found, NULL, io.direct.now_ms,
	    &failure));
	check_status(failure.status, EVKV_IO);
	on_read = failing;
	check(!direct_open(&io.direct, &io.config, &failure));
	check_status(failure.status, EVKV_IO);
	io_open_slowly(&io);
	io_check(&io, 0, 3);
	io_end(&io);
}
