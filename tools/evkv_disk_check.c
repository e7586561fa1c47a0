/*
 * evkv_disk_check - look at the directory of a disk or multi_disk store, repair
 * its pointer, or copy it.
 *
 *     evkv_disk_check <directory>
 *     evkv_disk_check --repair <directory>
 *     evkv_disk_check --backup [--pages] <directory> <to>
 *
 * The check prints what is wrong, one line each, and a summary. It changes
 * nothing, and the store may be in use by other processes meanwhile. The walk
 * runs in a child process, which damaged pages may kill; that, too, is an
 * answer.
 *
 * The repair writes CURRENT anew where it is missing or damaged and exactly one
 * generation is sound: of a multi_disk store, in each part, and its marker
 * likewise. It removes nothing, and nobody else may have the store open.
 *
 * The backup copies a store, also one in use, into a directory that opens as a
 * store. --pages: page by page, free ones included; writes wait meanwhile.
 *
 * Exit status: 0 sound or done, 1 damaged or not repaired, 2 not opened.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "evkv/key_codec.h"
#include "stores/disk/check.h"
#include "stores/disk/multi.h"

#define SHOWN_MAX 50
#define GENERATIONS_MAX 64

enum {
	EXIT_SOUND = 0,
	EXIT_DAMAGED = 1,
	EXIT_UNOPENED = 2,
	EXIT_NOTHING = 3, /* there is none; of a part that is as it should be */
};

static struct disk_config tool_config(const char *path)
{
	return (struct disk_config){
		.path = (char *)(uintptr_t)path,
		.max_bytes = (size_t)1 << 20, /* the file's size, if larger */
		.max_readers = 512,
		.lazy = true,
		.there = true,
	};
}

static int tool_fail(const struct file_failure *failure)
{
	printf("%s\n", failure->message);
	if (failure->status == EVKV_NOT_FOUND)
		return EXIT_NOTHING;
	return failure->status == EVKV_CORRUPT ? EXIT_DAMAGED : EXIT_UNOPENED;
}

/* ---- A walk, in a child process ------------------------------------------ */

/* Damage may kill the child: quietly, whatever handlers came with us. */
static void die_quietly(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL,
		SIGABRT };
	const struct rlimit no_core = { 0, 0 };
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
	setrlimit(RLIMIT_CORE, &no_core);
}

typedef int child_fn(struct disk_env *env);

static int in_child(child_fn *run, struct disk_env *env)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("evkv_disk_check: fork");
		return EXIT_UNOPENED;
	}
	if (pid == 0) {
		die_quietly();
		status = run(env);
		fflush(stdout);
		_exit(status);
	}
	if (waitpid(pid, &status, 0) != pid)
		return EXIT_UNOPENED;
	if (WIFEXITED(status) && WEXITSTATUS(status) <= EXIT_NOTHING)
		return WEXITSTATUS(status);
	printf("damaged pages: they ended the walk, by %s %d\n",
	    WIFEXITED(status) ? "status" : "signal",
	    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return EXIT_DAMAGED;
}

static void on_wrong(const char *what, void *arg)
{
	size_t *shown = arg;

	if (++*shown <= SHOWN_MAX)
		printf("%s\n", what);
	if (*shown == SHOWN_MAX)
		printf("... and so on\n");
}

static int walk_open(struct disk_env *env)
{
	size_t shown = 0;
	struct disk_check check = { .wrong = on_wrong, .arg = &shown };

	evkv__disk_check(env, &check);
	printf("%zu entries, %zu collections, %zu expiries: %zu problems\n",
	    check.entries, check.collections, check.expiries, check.problems);
	return check.problems == 0 ? EXIT_SOUND : EXIT_DAMAGED;
}

static int walk_store(struct disk_env *env)
{
	struct file_failure failure;
	int status;

	if (!evkv__disk_env_open(env, &failure))
		return tool_fail(&failure);
	status = walk_open(env);
	evkv__disk_env_close(env);
	return status;
}

/* The generation that env->dir speaks of, which CURRENT need not name. */
static int walk_generation(struct disk_env *env)
{
	struct file_failure failure;
	int status;

	if (!evkv__disk_lmdb_open(env, true, &failure))
		return tool_fail(&failure);
	status = walk_open(env);
	evkv__disk_lmdb_close(env);
	return status;
}

static int check_one(const char *path, void *arg)
{
	const struct disk_config config = tool_config(path);
	struct disk_env *env = evkv__disk_env_new(&config);
	int status = EXIT_UNOPENED;

	(void)arg;
	if (env == NULL)
		return EXIT_UNOPENED;
	status = in_child(walk_store, env);
	evkv__disk_env_free(env);
	return status;
}

/* ---- Repairing ----------------------------------------------------------- */

static int repair_choose(struct disk_env *env, const uint64_t *generations,
    size_t count)
{
	struct file_failure failure;
	uint64_t sound = 0;
	size_t i, sounds = 0;

	for (i = 0; i < count; i++) {
		printf("g-%llu: ", (unsigned long long)generations[i]);
		env->dir.generation = generations[i];
		if (in_child(walk_generation, env) == EXIT_SOUND) {
			sound = generations[i];
			sounds++;
		}
	}
	if (sounds != 1) {
		printf("%zu of %zu generations are sound: %s\n", sounds, count,
		    sounds == 0 ? "there is nothing that CURRENT could name"
				: "move all aside but the one that counts");
		return EXIT_DAMAGED;
	}
	if (!evkv__disk_dir_point(&env->dir, sound, &failure))
		return tool_fail(&failure);
	printf("CURRENT names g-%llu now\n", (unsigned long long)sound);
	return EXIT_SOUND;
}

static int repair_env(struct disk_env *env)
{
	uint64_t generations[GENERATIONS_MAX];
	struct file_failure failure;
	size_t count;
	int status;

	if (evkv__disk_dir_open(&env->dir, false, &env->stop, &failure)) {
		printf("nothing to be repaired\n");
		evkv__disk_dir_close(&env->dir);
		return EXIT_SOUND;
	}
	if (failure.status != EVKV_CORRUPT)
		return tool_fail(&failure);
	if (!evkv__disk_dir_open_unpointed(&env->dir, &failure))
		return tool_fail(&failure);
	count = evkv__disk_dir_complete(&env->dir, generations,
	    GENERATIONS_MAX);
	status = count <= GENERATIONS_MAX
	    ? repair_choose(env, generations, count)
	    : EXIT_DAMAGED;
	evkv__disk_dir_close(&env->dir);
	return status;
}

static int repair_one(const char *path, void *arg)
{
	struct disk_config config = tool_config(path);
	struct disk_env *env;
	int status;

	(void)arg;
	config.unpointed = true;
	env = evkv__disk_env_new(&config);
	if (env == NULL)
		return EXIT_UNOPENED;
	status = repair_env(env);
	evkv__disk_env_free(env);
	return status;
}

/* ---- Copying ------------------------------------------------------------- */

struct backup {
	const char *to;
	bool compact, multi;
};

static int backup_one(const char *path, void *arg)
{
	const struct backup *backup = arg;
	const struct disk_config config = tool_config(path);
	struct disk_env *env = evkv__disk_env_new(&config);
	const char *name = strrchr(path, '/');
	struct file_failure failure;
	char to[PATH_MAX];
	bool done;

	if (env == NULL)
		return EXIT_UNOPENED;
	snprintf(to, sizeof(to), "%s%s", backup->to,
	    backup->multi && name != NULL ? name : "");
	done = evkv__disk_env_open(env, &failure);
	if (done) {
		done = evkv__disk_env_backup(env, to, backup->compact,
		    &failure);
		evkv__disk_env_close(env);
	}
	evkv__disk_env_free(env);
	return done ? EXIT_SOUND : tool_fail(&failure);
}

/* ---- multi_disk ---------------------------------------------------------- */

static bool has_file(const char *path, const char *name)
{
	char file[PATH_MAX];
	int size = snprintf(file, sizeof(file), "%s/%s", path, name);

	return size > 0 && (size_t)size < sizeof(file) &&
	    access(file, F_OK) == 0;
}

/* Do it for each part; returns the worst status, and how many there are. */
static int each_part(const char *path, int (*run)(const char *path, void *arg),
    void *arg, size_t *count)
{
	unsigned char name[EVKV_COLLECTION_MAX];
	struct evkv_slice collection;
	struct dirent *entry;
	char part[PATH_MAX];
	int worst = EXIT_SOUND, status;
	DIR *list = opendir(path);

	*count = 0;
	while (list != NULL && (entry = readdir(list)) != NULL) {
		snprintf(part, sizeof(part), "%s/%s", path, entry->d_name);
		if (evkv_file_name_decode(entry->d_name, name, &collection) ==
			EVKV_FILE_NAME_FOREIGN ||
		    !has_file(part, "LOCK"))
			continue;
		++*count;
		if (run == NULL)
			continue;
		printf("%s: ", entry->d_name);
		status = run(part, arg);
		if (run == backup_one && status == EXIT_SOUND)
			printf("copied\n");
		if (status != EXIT_NOTHING && status > worst)
			worst = status;
	}
	if (list != NULL)
		closedir(list);
	return worst;
}

static bool is_multi(const char *path)
{
	size_t parts;

	if (has_file(path, MULTI_MARKER))
		return true;
	if (has_file(path, "CURRENT") || has_file(path, "LOCK"))
		return false;
	each_part(path, NULL, NULL, &parts);
	return parts > 0;
}

static int multi_write_marker(const char *path)
{
	char marker[PATH_MAX];
	bool done;
	int fd;

	snprintf(marker, sizeof(marker), "%s/" MULTI_MARKER, path);
	fd = open(marker, O_RDWR | O_CREAT | O_CLOEXEC, 0660);
	done = fd >= 0 && ftruncate(fd, 0) == 0 && evkv__multi_mark(fd, path);
	if (!done)
		perror(marker);
	if (fd >= 0)
		close(fd);
	return done ? EXIT_SOUND : EXIT_UNOPENED;
}

static int multi_repair(const char *path)
{
	size_t parts;
	int status = multi_write_marker(path);

	return status == EXIT_SOUND ? each_part(path, repair_one, NULL, &parts)
				    : status;
}

static int multi_backup(const char *path, struct backup *backup)
{
	size_t parts;

	if (mkdir(backup->to, 0770) != 0 && errno != EEXIST) {
		perror(backup->to);
		return EXIT_UNOPENED;
	}
	/* What is no store of this kind already must be empty. */
	if (rmdir(backup->to) != 0 || mkdir(backup->to, 0770) != 0) {
		perror(backup->to);
		return EXIT_UNOPENED;
	}
	backup->multi = true;
	if (multi_write_marker(backup->to) != EXIT_SOUND)
		return EXIT_UNOPENED;
	return each_part(path, backup_one, backup, &parts);
}

/* ---- The command line ---------------------------------------------------- */

static int usage(void)
{
	fprintf(stderr,
	    "usage: evkv_disk_check <directory>\n"
	    "       evkv_disk_check --repair <directory>\n"
	    "       evkv_disk_check --backup [--pages] <directory> <to>\n");
	return EXIT_UNOPENED;
}

static int run(int argc, char **argv)
{
	struct backup backup = { .compact = true };
	size_t parts;

	if (argc == 3 && strcmp(argv[1], "--repair") == 0)
		return is_multi(argv[2]) ? multi_repair(argv[2])
					 : repair_one(argv[2], NULL);
	if (argc >= 4 && strcmp(argv[1], "--backup") == 0) {
		if (strcmp(argv[2], "--pages") == 0) {
			backup.compact = false;
			argv++;
			argc--;
		}
		if (argc != 4)
			return usage();
		backup.to = argv[3];
		return is_multi(argv[2]) ? multi_backup(argv[2], &backup)
					 : backup_one(argv[2], &backup);
	}
	if (argc != 2 || argv[1][0] == '-')
		return usage();
	if (is_multi(argv[1]))
		return each_part(argv[1], check_one, NULL, &parts);
	return check_one(argv[1], NULL);
}

int main(int argc, char **argv)
{
	int status = run(argc, argv);

	return status == EXIT_NOTHING ? EXIT_UNOPENED : status;
}
