/*
 * stores/log/folder.c - the directory of a log.
 *
 *     LOCK         is locked, and so is the directory, by whoever has it open
 *     STORE        the version of the format, the key of hashes, the instance
 *     N.data       records
 *     N.index      for a quick start; may be missing
 *     N.new, N.copy, *.index.new     unfinished; they are removed
 *
 * A directory with data files and without STORE has lost it: that is CORRUPT,
 * and nothing is changed. One with other files is not ours: REFUSED.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engines/files/lock.h"
#include "evkv/alloc.h"
#include "stores/log/crc32c.h"
#include "stores/log/env.h"

#define STORE_NAME "STORE"
#define STORE_NEW "STORE.new"
#define LOCK_NAME "LOCK"
#define RESERVE_NAME "RESERVE"

static bool folder_errno(const struct log_env *env, const char *what,
    struct file_failure *failure)
{
	int sys_error = errno;

	return evkv__file_fail(failure, evkv__file_errno_status(sys_error),
	    sys_error, "%s: can't %s", env->config.path, what);
}

/* ---- What is there ------------------------------------------------------- */

struct folder_scan {
	bool store;
	bool data;
	char foreign[64];
};

static void scan_name(struct folder_scan *scan, const char *name)
{
	static const char *const ours[] = { STORE_NAME, STORE_NEW, LOCK_NAME,
		RESERVE_NAME };
	const char *ending;
	size_t i;

	if (strcmp(name, STORE_NAME) == 0)
		scan->store = true;
	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (strcmp(name, ours[i]) == 0)
			return;
	}
	if (evkv__folder_ignores(name))
		return;
	if (evkv__log_file_number(name, &ending) != 0)
		scan->data |= strcmp(ending, ".data") == 0;
	else if (scan->foreign[0] == '\0')
		snprintf(scan->foreign, sizeof(scan->foreign), "%.50s", name);
}

/* Without STORE, only a directory with nothing in it may become a log. */
static bool folder_may_make(const struct log_env *env,
    struct file_failure *failure)
{
	struct folder_scan scan = { .store = false };
	DIR *list = evkv__folder_list(env->folder);
	struct dirent *entry;

	if (list == NULL)
		return folder_errno(env, "list it", failure);
	while ((entry = readdir(list)) != NULL)
		scan_name(&scan, entry->d_name);
	closedir(list);
	if (scan.store)
		return true;
	if (env->must_exist)
		return evkv__file_fail(failure, EVKV_IO, 0,
		    "%s: was removed or replaced while the store was open",
		    env->config.path);
	if (scan.data)
		return evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s: " STORE_NAME " is missing, but there are data files. "
		    "Nothing was changed; put it back, or look with: "
		    "evkv_log_check",
		    env->config.path);
	if (scan.foreign[0] != '\0')
		return evkv__file_fail(failure, EVKV_REFUSED, 0,
		    "%s: not a log: has no " STORE_NAME ", but %s",
		    env->config.path, scan.foreign);
	return true;
}

/* ---- STORE --------------------------------------------------------------- */

/* What STORE holds; returns the size. */
static int store_text(const struct log_env *env, char *text, size_t room)
{
	int size = snprintf(text, room,
	    LOG_STORE_MAGIC "%d\nkey %016" PRIx64 "%016" PRIx64
			    "\ninstance %016" PRIx64 "\n",
	    LOG_FORMAT, env->key.words[0], env->key.words[1], env->instance);

	return size +
	    snprintf(text + size, room - (size_t)size,
		"checksum %08" PRIx32 "\n",
		evkv__crc32c(0, text, (size_t)size));
}

static bool store_write(struct log_env *env, struct file_failure *failure)
{
	uint64_t random[3];
	char text[200];
	int size;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return folder_errno(env, "get random bytes", failure);
	env->key.words[0] = random[0];
	env->key.words[1] = random[1];
	env->instance = random[2];
	size = store_text(env, text, sizeof(text));
	if (!evkv__folder_write(env->folder, STORE_NAME, STORE_NEW, text,
		(size_t)size) ||
	    !evkv__folder_sync_parent(env->folder))
		return folder_errno(env, "write " STORE_NAME, failure);
	return true;
}

static bool store_parse(struct log_env *env, const char *text,
    struct file_failure *failure)
{
	unsigned format = 0;
	char expected[200];

	if (strncmp(text, LOG_STORE_MAGIC, strlen(LOG_STORE_MAGIC)) == 0 &&
	    sscanf(text + strlen(LOG_STORE_MAGIC), "%u", &format) == 1 &&
	    format != LOG_FORMAT && format != 0)
		return evkv__file_fail(failure, EVKV_UNSUPPORTED, 0,
		    "%s: written in format %u; this version knows %d",
		    env->config.path, format, LOG_FORMAT);
	sscanf(text,
	    LOG_STORE_MAGIC "%u\nkey %16" SCNx64 "%16" SCNx64
			    "\ninstance %16" SCNx64,
	    &format, &env->key.words[0], &env->key.words[1], &env->instance);
	store_text(env, expected, sizeof(expected));
	if (strcmp(text, expected) != 0)
		return evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s: its " STORE_NAME
		    " is damaged. Nothing was changed; put it back, or look "
		    "with: evkv_log_check",
		    env->config.path);
	return true;
}

static bool store_read(struct log_env *env, struct file_failure *failure)
{
	char text[256];
	ssize_t size;
	int fd = openat(env->folder, STORE_NAME, O_RDONLY | O_CLOEXEC);

	env->key.mask = env->config.hash_mask;
	if (fd < 0 && errno == ENOENT)
		return store_write(env, failure);
	if (fd < 0)
		return folder_errno(env, "open " STORE_NAME, failure);
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size < 0)
		return folder_errno(env, "read " STORE_NAME, failure);
	text[size] = '\0';
	return store_parse(env, text, failure);
}

/* ---- Opening ------------------------------------------------------------- */

/* LOCK may be removed by hand, the folder not; where that can't be locked, no
 * matter. */
static bool folder_lock_both(const struct log_env *env)
{
	return evkv__file_lock(env->lock_file, F_WRLCK, 0) &&
	    (flock(env->folder, LOCK_EX | LOCK_NB) == 0 ||
		errno != EWOULDBLOCK);
}

bool evkv__log_folder_lock(struct log_env *env, struct file_failure *failure)
{
	if (folder_lock_both(env))
		return true;
	if (!evkv__file_lock_taken())
		return folder_errno(env, "lock " LOCK_NAME, failure);
	return evkv__file_fail(failure, EVKV_LOCKED, 0,
	    evkv__file_lock_own(env->lock_file) ||
		    evkv__file_lock_own(env->folder)
		? "%s: is open already in this process; share that store, or "
		  "close it first"
		: "%s: another process has it open",
	    env->config.path);
}

static bool folder_enter(struct log_env *env, struct file_failure *failure)
{
	if (!env->must_exist && mkdir(env->config.path, FOLDER_MODE) != 0 &&
	    errno != EEXIST)
		return folder_errno(env, "make the directory", failure);
	env->folder = open(env->config.path,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (env->folder < 0)
		return folder_errno(env, "open the directory", failure);
	/* Nothing is written into what is not ours. */
	if (!folder_may_make(env, failure))
		return false;
	env->lock_file = openat(env->folder, LOCK_NAME,
	    O_RDWR | O_CREAT | O_CLOEXEC, FOLDER_FILE_MODE);
	if (env->lock_file < 0)
		return folder_errno(env, "open " LOCK_NAME, failure);
	return evkv__log_folder_lock(env, failure);
}

bool evkv__log_folder_open(struct log_env *env, struct file_failure *failure)
{
	if (folder_enter(env, failure) && folder_may_make(env, failure) &&
	    store_read(env, failure)) {
		env->must_exist = true;
		return true;
	}
	evkv__log_folder_close(env);
	return false;
}

bool evkv__log_folder_check(struct log_env *env, struct file_failure *failure)
{
	if (!folder_may_make(env, failure))
		return false;
	if (faccessat(env->folder, STORE_NAME, F_OK, 0) != 0)
		return evkv__file_fail(failure, EVKV_REFUSED, 0,
		    "%s: not a log: has no " STORE_NAME, env->config.path);
	return store_read(env, failure);
}

void evkv__log_folder_close(struct log_env *env)
{
	if (env->lock_file >= 0)
		close(env->lock_file);
	if (env->folder >= 0)
		close(env->folder);
	env->folder = env->lock_file = -1;
}

/* ---- Listing ------------------------------------------------------------- */

static int number_compare(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, two = *(const uint64_t *)b;

	return (one > two) - (one < two);
}

static bool list_add(uint64_t **numbers, size_t *count, size_t *room,
    uint64_t number)
{
	uint64_t *larger;

	if (*count == *room) {
		larger = evkv_calloc(*room * 2 + 64, sizeof(*larger));
		if (larger == NULL)
			return false;
		if (*count > 0)
			memcpy(larger, *numbers, *count * sizeof(*larger));
		evkv_free(*numbers);
		*numbers = larger;
		*room = *room * 2 + 64;
	}
	(*numbers)[(*count)++] = number;
	return true;
}

bool evkv__log_folder_list(struct log_env *env, uint64_t **numbers,
    size_t *count, struct file_failure *failure)
{
	DIR *list = evkv__folder_list(env->folder);
	struct dirent *entry;
	const char *ending;
	uint64_t number;
	size_t room = 0;
	bool ok = true;

	*numbers = NULL;
	*count = 0;
	if (list == NULL)
		return folder_errno(env, "list it", failure);
	while (ok && (entry = readdir(list)) != NULL) {
		number = evkv__log_file_number(entry->d_name, &ending);
		if (number == 0)
			continue;
		if (number > env->numbered)
			env->numbered = number;
		if (strcmp(ending, ".data") == 0)
			ok = list_add(numbers, count, &room, number);
		else if (strcmp(ending, ".index") != 0)
			unlinkat(env->folder, entry->d_name, 0);
		else if (number > env->indexed)
			env->indexed = number;
	}
	closedir(list);
	if (!ok) {
		evkv_free(*numbers);
		return evkv__file_fail(failure, EVKV_NOMEM, 0, "out of memory");
	}
	if (*count > 1)
		qsort(*numbers, *count, sizeof(**numbers), number_compare);
	return true;
}
