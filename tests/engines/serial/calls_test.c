/*
 * Each call on the system fails once, while each kind of operation is done:
 * what was said to have no effect has none, what was said to be done is done, a
 * read never tells what is not so, and the store goes on. And no such call is
 * made on the loop's thread.
 *
 * The calls of this program stand before the C library's.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "either.h"
#include "kit.h"

#define SEEN __attribute__((visibility("default")))

static pthread_t loop_thread;
/* Atomic: the call that fails, counted down to 0, and its errno. */
static int calls_left, calls_errno;
static int calls_here, calls_elsewhere; /* atomic: how many there were */
static bool armed;                      /* atomic: they are counted */

/* Whether this call is the one that fails. */
static bool fails(void)
{
	if (!__atomic_load_n(&armed, __ATOMIC_RELAXED))
		return false;
	if (pthread_equal(pthread_self(), loop_thread)) {
		__atomic_fetch_add(&calls_here, 1, __ATOMIC_RELAXED);
		return false;
	}
	__atomic_fetch_add(&calls_elsewhere, 1, __ATOMIC_RELAXED);
	if (__atomic_sub_fetch(&calls_left, 1, __ATOMIC_RELAXED) != 0)
		return false;
	errno = __atomic_load_n(&calls_errno, __ATOMIC_RELAXED);
	return true;
}

static bool no_attributes; /* set while no worker runs */

static long unsupported(void)
{
	errno = ENOTSUP;
	return -1;
}

#define CALL(type_, name_, parameters_, call_)                                 \
	SEEN type_ name_ parameters_                                           \
	{                                                                      \
		return fails() ? -1 : (type_)(call_);                          \
	}

CALL(int, fsync, (int fd), syscall(SYS_fsync, fd))
CALL(int, fstat, (int fd, struct stat *stat), syscall(SYS_fstat, fd, stat))
CALL(int, fstatat,
    (int dir, const char *restrict name, struct stat *restrict stat, int flags),
    syscall(SYS_newfstatat, dir, name, stat, flags))
CALL(int, stat, (const char *restrict name, struct stat *restrict stat),
    syscall(SYS_newfstatat, AT_FDCWD, name, stat, 0))
CALL(int, linkat, (int a, const char *b, int c, const char *d, int flags),
    syscall(SYS_linkat, a, b, c, d, flags))
CALL(int, renameat, (int a, const char *b, int c, const char *d),
    syscall(SYS_renameat2, a, b, c, d, 0))
CALL(int, renameat2,
    (int a, const char *b, int c, const char *d, unsigned flags),
    syscall(SYS_renameat2, a, b, c, d, flags))
CALL(int, unlinkat, (int dir, const char *name, int flags),
    syscall(SYS_unlinkat, dir, name, flags))
CALL(int, mkdirat, (int dir, const char *name, mode_t mode),
    syscall(SYS_mkdirat, dir, name, mode))
CALL(int, fchmod, (int fd, mode_t mode), syscall(SYS_fchmod, fd, mode))
CALL(int, flock, (int fd, int how), syscall(SYS_flock, fd, how))
/* A file system without attributes has these calls fail all the time. */
#define ATTRIBUTE_CALL(type_, name_, parameters_, call_)                       \
	CALL(type_, name_, parameters_, no_attributes ? unsupported() : (call_))

ATTRIBUTE_CALL(int, fsetxattr,
    (int fd, const char *name, const void *value, size_t size, int flags),
    syscall(SYS_fsetxattr, fd, name, value, size, flags))
ATTRIBUTE_CALL(ssize_t, fgetxattr,
    (int fd, const char *name, void *value, size_t size),
    syscall(SYS_fgetxattr, fd, name, value, size))
ATTRIBUTE_CALL(int, fremovexattr, (int fd, const char *name),
    syscall(SYS_fremovexattr, fd, name))
CALL(ssize_t, pread, (int fd, void *bytes, size_t size, off_t at),
    syscall(SYS_pread64, fd, bytes, size, at))

static bool is_plain(int fd)
{
	struct stat stat;

	return syscall(SYS_fstat, fd, &stat) == 0 && S_ISREG(stat.st_mode);
}

SEEN ssize_t write(int fd, const void *bytes, size_t size)
{
	return is_plain(fd) && fails() ? -1
				       : syscall(SYS_write, fd, bytes, size);
}

SEEN ssize_t read(int fd, void *bytes, size_t size)
{
	return is_plain(fd) && fails() ? -1
				       : syscall(SYS_read, fd, bytes, size);
}

SEEN int openat(int dir, const char *name, int flags, ...)
{
	mode_t mode;
	va_list args;

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	return fails() ? -1 : (int)syscall(SYS_openat, dir, name, flags, mode);
}

/* ---- What is there ------------------------------------------------------- */

static struct evkv_store *calls_make(struct kit *kit, struct evkv_error *error)
{
	return either_open(kit->rig.loop, kit->path, NULL, error);
}

static void arm(int n, int sys_error)
{
	__atomic_store_n(&calls_left, n, __ATOMIC_RELAXED);
	__atomic_store_n(&calls_errno, sys_error, __ATOMIC_RELAXED);
	__atomic_store_n(&armed, true, __ATOMIC_RELAXED);
}

/* Whether the call was reached. */
static bool disarm(void)
{
	__atomic_store_n(&armed, false, __ATOMIC_RELAXED);
	return __atomic_load_n(&calls_left, __ATOMIC_RELAXED) <= 0;
}

/* An entry as text: "-", or its value, and "+" where it expires. */
/* The collection of the entries. */
static const char *where = "c";

static void look(struct kit *kit, struct evkv_slice key, char text[40])
{
	const struct answer_entry *entry;

	strcpy(text, "-");
	if (kit_keyed(kit, EVKV_OP_TTL, where, key) == EVKV_NOT_FOUND)
		return;
	check_status(kit->answer.status, EVKV_OK);
	entry = &kit->answer.entries[0];
	snprintf(text, 40, "%.*s%s", (int)entry->bytes.size,
	    (const char *)entry->bytes.data,
	    entry->ttl_ms != EVKV_TTL_NONE ? "+" : "");
}

struct deed {
	enum evkv_kind kind;
	const char *before; /* of the entry, as above */
	const char *value;
	int64_t ttl_ms;
	const char *after;
};

static const struct deed deeds[] = {
	{ EVKV_OP_PUT, "-", "new", 0, "new" },
	{ EVKV_OP_PUT, "-", "new", 50000, "new+" },
	{ EVKV_OP_PUT, "1", "new", 50000, "new+" },
	{ EVKV_OP_PUT, "1+", "new", 0, "new" },
	{ EVKV_OP_INCR, "1+", NULL, 0, "2+" },
	{ EVKV_OP_INCR, "-", NULL, 0, "1" },
	{ EVKV_OP_DELETE, "1+", NULL, 0, "-" },
	{ EVKV_OP_TAKE, "1", NULL, 0, "-" },
	{ EVKV_OP_TOUCH, "1", NULL, 50000, "1+" },
	{ EVKV_OP_TOUCH, "1+", NULL, 0, "1" },
	{ EVKV_OP_CLEAR, "1", NULL, 0, "-" },
	{ EVKV_OP_GET, "1+", NULL, 0, "1+" },
	{ EVKV_OP_EXISTS, "1", NULL, 0, "1" },
	{ EVKV_OP_KEYS, "1", NULL, 0, "1" },
	{ EVKV_OP_COLLECTIONS, "1", NULL, 0, "1" },
	{ EVKV_OP_CLEAR_ALL, "1", NULL, 0, "-" },
};

static void set_up(struct kit *kit, const struct deed *deed,
    struct evkv_slice key)
{
	bool expires = strchr(deed->before, '+') != NULL;

	if (deed->before[0] == '-')
		kit_keyed(kit, EVKV_OP_DELETE, where, key);
	else
		check_status(kit_put(kit, where, key, EVKV_LIT("1"),
				 expires ? 60000 : 0),
		    EVKV_OK);
}

static enum evkv_status act(struct kit *kit, const struct deed *deed,
    struct evkv_slice key)
{
	struct evkv_slice value = evkv_str(deed->value);
	bool keyed = (evkv_kind_classes(deed->kind) & EVKV_CLASS_HAS_KEYS) != 0;
	bool spans = deed->kind == EVKV_OP_COLLECTIONS ||
	    deed->kind == EVKV_OP_CLEAR_ALL;

	return kit_do(kit,
	    &(struct evkv_request){ .kind = deed->kind,
		.flags = keyed ? EVKV_FLAG_SINGLE : 0,
		.collection = spans ? EVKV_LIT("") : evkv_str(where),
		.count = keyed ? 1 : 0,
		.keys = keyed ? &key : NULL,
		.values = deed->value != NULL ? &value : NULL,
		.ttl_ms = deed->ttl_ms,
		.delta = deed->kind == EVKV_OP_INCR ? 1 : 0 });
}

static bool is_named(const struct kit *kit, struct evkv_slice name)
{
	size_t i;

	for (i = 0; i < kit->answer.count; i++) {
		if (evkv_slice_equal(kit->answer.entries[i].name, name))
			return true;
	}
	return false;
}

/* What the answer says must be so. */
static void check_deed(struct kit *kit, const struct deed *deed,
    struct evkv_slice key, enum evkv_status status, int n)
{
	char text[40];
	bool old, new;

	if (deed->kind == EVKV_OP_KEYS && status == EVKV_OK) {
		check_int(kit->answer.count, 2);
		check(is_named(kit, key) && is_named(kit, EVKV_LIT("other")));
	}
	if (deed->kind == EVKV_OP_COLLECTIONS && status == EVKV_OK) {
		check_int(kit->answer.count, 1);
		check(is_named(kit, evkv_str(where)));
	}
	look(kit, key, text);
	old = strcmp(text, deed->before) == 0;
	new = strcmp(text, deed->after) == 0;
	if (status == EVKV_OK ? new
			      : old || (new &&status == EVKV_UNKNOWN_OUTCOME))
		return;
	fail_test("%s of \"%s\", call %d fails: %s (%s), and there is \"%s\"",
	    evkv_kind_name(deed->kind), deed->before, n,
	    evkv_status_name(status), kit->answer.message, text);
}

/* All calls of one deed, one after the other; how many there were. */
static int sweep_deed(struct kit *kit, const struct deed *deed,
    struct evkv_slice key, int sys_error)
{
	enum evkv_status status;
	int n;

	for (n = 1; n < 200; n++) {
		set_up(kit, deed, key);
		arm(n, sys_error);
		status = act(kit, deed, key);
		if (!disarm()) {
			check_status(status, EVKV_OK);
			return n - 1;
		}
		check_deed(kit, deed, key, status, n);
		kit_must_put(kit, where, "other", "v", 0);
		kit_check(kit, where, "other", "v");
	}
	fail_test("more calls than that?");
}

static void sweep_all(struct evkv_slice key)
{
	static const int errors[] = { EIO, ENOSPC };
	struct kit kit;
	size_t i, j;

	loop_thread = pthread_self();
	calls_here = 0;
	kit_begin(&kit, "store", calls_make);
	kit_open(&kit);
	for (i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		kit_must_put(&kit, where, "other", "v", 0);
		for (j = 0; j < 2; j++)
			check(sweep_deed(&kit, &deeds[i], key, errors[j]) > 0);
	}
	check_int(calls_here, 0);
	kit_end(&kit);
}

EVKV_TEST(serial_calls, each_call_fails_once)
{
	sweep_all(EVKV_LIT("key"));
}

/* A collection whose name is a hash. */
EVKV_TEST(serial_calls, each_call_fails_once_in_a_long_collection)
{
	static char name[EVKV_COLLECTION_MAX + 1];

	memset(name, '/', EVKV_COLLECTION_MAX);
	where = name;
	sweep_all(EVKV_LIT("key"));
	where = "c";
}

/* A name that is a hash, and is kept with its file. */
EVKV_TEST(serial_calls, each_call_fails_once_for_a_long_name)
{
	static char name[300];

	memset(name, 'x', sizeof(name));
	sweep_all(evkv_bytes(name, sizeof(name)));
}

#ifdef SERIAL_FILETREE
EVKV_TEST(serial_calls, each_call_fails_once_without_attributes)
{
	static char name[300];

	memset(name, 'x', sizeof(name));
	no_attributes = true;
	sweep_all(EVKV_LIT("key"));
	sweep_all(evkv_bytes(name, sizeof(name)));
	no_attributes = false;
}
#endif
