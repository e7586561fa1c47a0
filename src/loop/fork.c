/*
 * loop/fork.c - loops in the child of a fork().
 *
 * Worker threads and connections are the parent's; so is every loop that was
 * made before. The child finds that out when it next uses such a loop: what is
 * pending is ended, and what is submitted ends at once. It is one comparison,
 * of a count that a handler of pthread_atfork() raises.
 */
#include "loop/loop.h"

unsigned evkv__forks;

static pthread_once_t forks_once = PTHREAD_ONCE_INIT;
static int forks_error;

static void forks_count(void)
{
	evkv__forks++;
}

static void forks_register(void)
{
	forks_error = pthread_atfork(NULL, NULL, forks_count);
}

bool evkv__forks_watch(void)
{
	pthread_once(&forks_once, forks_register);
	return forks_error == 0;
}

void evkv__loop_notice_fork(struct evkv_loop *loop)
{
	loop->forks = evkv__forks;
	loop->forked = true;
	evkv__post_renew(loop);
	loop->hooks->forked(loop);
	evkv__hold_update(loop);
}
