/*
 * evkv_log_check - what is wrong with the files of a log, and saving what is
 * not.
 *
 *     evkv_log_check DIRECTORY
 *     evkv_log_check --salvage OUT DIRECTORY
 *
 * Each damage is a line with file and offset. Exit status: 0 sound, 1 damaged,
 * 2 it could not be looked at, or saved. DIRECTORY is never changed but for
 * unfinished files, which are removed as at opening. OUT is not there or empty,
 * and becomes a log with all records that are sound: of each key the newest of
 * them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stores/log/check.h"

static void print_wrong(const char *what, void *arg)
{
	(void)arg;
	printf("%s\n", what);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int fail(const struct file_failure *failure)
{
	fprintf(stderr, "evkv_log_check: %s\n", failure->message);
	return 2;
}

static int report(const struct log_check *check)
{
	printf("%llu files, %llu puts, %llu tombstones, %llu damages\n",
	    (unsigned long long)check->files, (unsigned long long)check->puts,
	    (unsigned long long)check->tombstones,
	    (unsigned long long)check->damages);
	return check->damages > 0 ? 1 : 0;
}

static int check_only(const char *path)
{
	struct log_check check = { .wrong = print_wrong };
	struct file_failure failure;

	if (!evkv__log_check(path, &check, NULL, now_ms(), &failure))
		return fail(&failure);
	return report(&check);
}

/* Durably: SYNC once at the end is enough. */
static int salvage(const char *out, const char *path)
{
	const struct log_config config = {
		.path = (char *)(uintptr_t)out,
		.durability = LOG_SYNC_NONE,
		.max_bytes = UINT64_MAX / 2,
		.segment_bytes = (uint64_t)256 << 20,
		.compact_ratio = 0.5,
		.hash_mask = UINT64_MAX,
	};
	struct log_check check = { .wrong = print_wrong };
	struct file_failure failure = { .status = EVKV_OK };
	struct log_worker worker = { .env = evkv__log_env_new(&config) };
	bool ok;

	if (worker.env == NULL)
		return 2;
	ok = evkv__log_open(worker.env, now_ms(), &failure) &&
	    evkv__log_group_new(worker.env);
	if (ok && worker.env->order_count > 0)
		ok = evkv__file_fail(&failure, EVKV_REFUSED, 0,
		    "%s: is a log already", out);
	ok = ok && evkv__log_check(path, &check, &worker, now_ms(), &failure);
	if (evkv__log_close(worker.env) != 0 && ok)
		ok = evkv__file_fail(&failure, EVKV_IO, 0, "%s: can't sync",
		    out);
	evkv__log_group_free(worker.env);
	evkv__log_env_free(worker.env);
	evkv_free(worker.buffer.data);
	return ok ? report(&check) : fail(&failure);
}

int main(int argc, char **argv)
{
	if (argc == 2 && argv[1][0] != '-')
		return check_only(argv[1]);
	if (argc == 4 && strcmp(argv[1], "--salvage") == 0)
		return salvage(argv[2], argv[3]);
	fprintf(stderr, "usage: evkv_log_check [--salvage OUT] DIRECTORY\n");
	return 2;
}
