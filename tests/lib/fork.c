#include "fork.h"

#include <sys/wait.h>

#include "test.h"

void fork_run(void (*run)(void *arg), void *arg)
{
	int how = 0;
	pid_t pid = fork();

	check(pid >= 0);
	if (pid == 0) {
		alarm(20);
		run(arg);
		_exit(0);
	}
	check(waitpid(pid, &how, 0) == pid);
	check(WIFEXITED(how));
	check_int(WEXITSTATUS(how), 0);
}
