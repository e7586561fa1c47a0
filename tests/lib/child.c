/* tests/lib/child.c - programs that a test starts, and ports for them. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_FIRST_PORT 20000
#define CHILD_PORTS 12000

/* A name in the system's table of abstract sockets: it goes with the process. */
bool child_claim_port(int port)
{
	struct sockaddr_un claim = { .sun_family = AF_UNIX };
	int length = snprintf(claim.sun_path + 1, sizeof(claim.sun_path) - 1,
	    "evkv-test-port-%d", port);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
	    1 + (size_t)length);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	if (bind(fd, (struct sockaddr *)&claim, size) == 0)
		return true; /* it stays open */
	close(fd);
	return false;
}

static bool child_port_is_free(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), bound;

	if (fd < 0)
		return false;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((unsigned short)port);
	bound = bind(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return bound == 0;
}

int child_free_port(void)
{
	for (int i = 0; i < 100; i++) {
		unsigned int random = 0;
		int port;

		if (getrandom(&random, sizeof(random), 0) < 0)
			return 0;
		port = CHILD_FIRST_PORT + (int)(random % CHILD_PORTS);
		if (child_claim_port(port) && child_port_is_free(port))
			return port;
	}
	return 0;
}

static void child_exec(char **arguments, const char *log, pid_t parent)
{
	sigset_t none;
	int null, out;

	/* It must not outlive the test, however that ends. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	null = open("/dev/null", O_RDWR);
	out = log == NULL ? null
			  : open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (null >= 0)
		dup2(null, 0);
	if (out >= 0) {
		dup2(out, 1);
		dup2(out, 2);
	}
	/* Sanitizers' preloads and settings are ours, not the server's. */
	unsetenv("LD_PRELOAD");
	execvp(arguments[0], arguments);
	_exit(127);
}

pid_t child_spawn(char **arguments, const char *log)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return 0;
	if (pid == 0)
		child_exec(arguments, log, parent);
	return pid;
}

void child_kill(pid_t *pid)
{
	if (*pid == 0)
		return;
	kill(*pid, SIGKILL);
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
}

/*
 * The signal reaches the threads of the program one after another: until the
 * last has stopped, one of them may still answer.
 */
void child_pause(pid_t pid)
{
	siginfo_t info;

	if (pid == 0 || kill(pid, SIGSTOP) < 0)
		return;
	while (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED | WNOWAIT) <
		0 &&
	    errno == EINTR)
		;
}

void child_resume(pid_t pid)
{
	if (pid != 0)
		kill(pid, SIGCONT);
}

void child_last_words(const char *log, char *line, size_t size)
{
	char text[256];
	FILE *file = fopen(log, "re");

	snprintf(line, size, "no log");
	if (file == NULL)
		return;
	while (fgets(text, sizeof(text), file) != NULL)
		snprintf(line, size, "%.*s", (int)strcspn(text, "\n"), text);
	fclose(file);
}

/* ---- Folders ------------------------------------------------------------ */

bool child_make_folder(char *folder, size_t size)
{
	const char *temporary = getenv("TMPDIR");

	snprintf(folder, size, "%s/evkv-XXXXXX",
	    temporary != NULL && strlen(temporary) < 80 ? temporary : "/tmp");
	return mkdtemp(folder) != NULL;
}

static int child_remove(const char *path, const struct stat *info, int type,
    struct FTW *walk)
{
	(void)info;
	(void)type;
	(void)walk;
	return remove(path);
}

void child_remove_folder(const char *folder)
{
	nftw(folder, child_remove, 8, FTW_DEPTH | FTW_PHYS);
}
