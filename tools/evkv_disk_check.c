/*
 * evkv_disk_check - verify all that is in the directory of a disk store.
 *
 *     evkv_disk_check <directory>
 *
 * Prints what is wrong, one line each, and a summary. Exit status: 0 sound, 1
 * damaged, 2 not to be opened. The walk runs in a child process, which damaged
 * pages may kill; that, too, is an answer. Nothing is changed; the store may be
 * in use by other processes meanwhile.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stores/disk/check.h"

#define SHOWN_MAX 50

enum {
	EXIT_SOUND = 0,
	EXIT_DAMAGED = 1,
	EXIT_UNOPENED = 2,
};

static void on_wrong(const char *what, void *arg)
{
	size_t *shown = arg;

	if (++*shown <= SHOWN_MAX)
		printf("%s\n", what);
	if (*shown == SHOWN_MAX)
		printf("... and so on\n");
}

static int walk(char *path)
{
	const struct disk_config config = {
		.path = path,
		.max_bytes = (size_t)1 << 20, /* the file's size, if larger */
		.max_readers = 512,
		.lazy = true,
	};
	struct disk_failure failure;
	struct disk_env *env = evkv__disk_env_new(&config);
	size_t shown = 0;
	struct disk_check check = { .wrong = on_wrong, .arg = &shown };

	if (env == NULL)
		return EXIT_UNOPENED;
	if (!evkv__disk_env_open(env, &failure)) {
		printf("%s\n", failure.message);
		evkv__disk_env_free(env);
		return failure.status == EVKV_CORRUPT ? EXIT_DAMAGED
						      : EXIT_UNOPENED;
	}
	evkv__disk_check(env, &check);
	evkv__disk_env_close(env);
	evkv__disk_env_free(env);
	printf("%zu entries, %zu collections, %zu expiries: %zu problems\n",
	    check.entries, check.collections, check.expiries, check.problems);
	return check.problems == 0 ? EXIT_SOUND : EXIT_DAMAGED;
}

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

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	if (argc != 2) {
		fprintf(stderr, "usage: evkv_disk_check <directory>\n");
		return EXIT_UNOPENED;
	}
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("evkv_disk_check: fork");
		return EXIT_UNOPENED;
	}
	if (pid == 0) {
		die_quietly();
		status = walk(argv[1]);
		fflush(stdout);
		_exit(status);
	}
	if (waitpid(pid, &status, 0) != pid)
		return EXIT_UNOPENED;
	if (WIFEXITED(status) && WEXITSTATUS(status) <= EXIT_UNOPENED)
		return WEXITSTATUS(status);
	printf("damaged pages: they ended the walk, by %s %d\n",
	    WIFEXITED(status) ? "status" : "signal",
	    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return EXIT_DAMAGED;
}
