/*
 * loop/post.c - work from other threads, by a mutex and an eventfd.
 *
 * The eventfd is written only when the queue was empty, so a burst of posts
 * costs one wake-up.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop/loop.h"

static void posts_append(struct evkv_loop *loop, struct evkv_post *post)
{
	const uint64_t one = 1;
	bool wake;

	post->next = NULL;
	pthread_mutex_lock(&loop->post_mutex);
	wake = loop->posts == NULL;
	*loop->posts_tail = post;
	loop->posts_tail = &post->next;
	if (wake)
		__atomic_add_fetch(&loop->posting, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&loop->post_mutex);
	if (!wake)
		return;
	/* Outside of the lock, which the loop would only wait for. */
	while (write(loop->post_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	__atomic_sub_fetch(&loop->posting, 1, __ATOMIC_RELEASE);
}

bool evkv_loop_post(struct evkv_loop *loop, void (*run)(void *arg), void *arg)
{
	struct evkv_post *post;

	/* In the child of a fork nobody may hold the lock, nor release it. */
	if (loop->forks != evkv__forks || loop->forked)
		return false;
	post = evkv_malloc(sizeof(*post));
	if (post == NULL)
		return false;
	post->run = run;
	post->arg = arg;
	post->allocated = true;
	posts_append(loop, post);
	return true;
}

void evkv_loop_post_owned(struct evkv_loop *loop, struct evkv_post *post)
{
	posts_append(loop, post);
}

static struct evkv_post *posts_take(struct evkv_loop *loop)
{
	struct evkv_post *posts;
	uint64_t count;

	pthread_mutex_lock(&loop->post_mutex);
	posts = loop->posts;
	loop->posts = NULL;
	loop->posts_tail = &loop->posts;
	while (read(loop->post_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	pthread_mutex_unlock(&loop->post_mutex);
	return posts;
}

bool evkv__post_run(struct evkv_loop *loop, int wait_ms)
{
	struct pollfd poll_fd = { .fd = loop->post_fd, .events = POLLIN };
	struct evkv_post *posts, *post;
	bool allocated;

	if (wait_ms > 0)
		poll(&poll_fd, 1, wait_ms);
	posts = posts_take(loop);
	if (posts == NULL)
		return false;
	while ((post = posts) != NULL) {
		posts = post->next;
		/* One that is its owner's may be posted again while it runs. */
		allocated = post->allocated;
		post->run(post->arg);
		if (allocated)
			evkv_free(post);
	}
	return true;
}

static void posted(evutil_socket_t fd, short what, void *arg)
{
	struct evkv_loop *loop = arg;

	(void)fd;
	(void)what;
	if (evkv__loop_check_fork(loop))
		return;
	evkv__loop_enter(loop);
	evkv__post_run(loop, 0);
	evkv__loop_leave(loop);
}

/*
 * The parent's eventfd must be neither read nor taken out of an epoll set that
 * is still shared with it: another one takes its number here.
 */
void evkv__post_renew(struct evkv_loop *loop)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		return;
	dup3(fd, loop->post_fd, O_CLOEXEC);
	close(fd);
}

bool evkv__post_init(struct evkv_loop *loop)
{
	loop->posts_tail = &loop->posts;
	loop->post_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->post_fd < 0)
		return false;
	pthread_mutex_init(&loop->post_mutex, NULL);
	event_assign(&loop->post_event, loop->base, loop->post_fd,
	    EV_READ | EV_PERSIST, posted, loop);
	evkv__event_passive(&loop->post_event);
	if (event_add(&loop->post_event, NULL) == 0)
		return true;
	close(loop->post_fd);
	pthread_mutex_destroy(&loop->post_mutex);
	return false;
}

/*
 * Whoever has posted what has run already may still be waking the loop up, by
 * the descriptor. In the child of a fork there is nobody.
 */
static void posting_end(struct evkv_loop *loop)
{
	while (loop->forks == evkv__forks && !loop->forked &&
	    __atomic_load_n(&loop->posting, __ATOMIC_ACQUIRE) > 0)
		sched_yield();
}

void evkv__post_end(struct evkv_loop *loop)
{
	posting_end(loop);
	event_del(&loop->post_event);
	close(loop->post_fd);
	pthread_mutex_destroy(&loop->post_mutex);
}
