/*
 * tests/stores/redis/nonblock_test.c - nothing blocks the loop. The calls that
 * could are interposed: what libevent, hiredis and evkv call comes here first.
 * And a get that the cache serves makes no system call at all, which the kernel
 * itself is asked to see to.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "evkv/stores/redis.h"
#include "lib/rig.h"
#include "lib/server_shared.h"
#include "lib/test.h"
#include "loop/loop.h"

SERVER_SHARED(SERVER_REDIS)

/* ---- The watch ------------------------------------------------------- */

static bool watching;
static char blocked[256]; /* the first call that could have blocked */
static unsigned connects, transfers;

static void watch_note(const char *call)
{
	if (watching && blocked[0] == '\0')
		snprintf(blocked, sizeof(blocked), "%s", call);
}

/* A socket or pipe that is not O_NONBLOCK. */
static void watch_fd(const char *call, int fd)
{
	int flags;

	if (!watching)
		return;
	transfers++;
	flags = fcntl(fd, F_GETFL);
	if (flags >= 0 && (flags & O_NONBLOCK) == 0)
		watch_note(call);
}

/* The function that the program would have called. */
#define REAL(name_)                                                            \
	static __typeof__(name_) *real;                                        \
	if (real == NULL)                                                      \
	*(void **)&real = dlsym(RTLD_NEXT, #name_)

int getaddrinfo(const char *restrict node, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict result)
{
	REAL(getaddrinfo);
	/* A numeric address needs nobody. */
	if (hints == NULL || (hints->ai_flags & AI_NUMERICHOST) == 0)
		watch_note("getaddrinfo");
	return real(node, service, hints, result);
}

struct hostent *gethostbyname(const char *name)
{
	REAL(gethostbyname);
	watch_note("gethostbyname");
	return real(name);
}

int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t size)
{
	REAL(connect);
	connects += watching;
	watch_fd("connect", fd);
	return real(fd, address, size);
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
	REAL(recv);
	if ((flags & MSG_DONTWAIT) == 0)
		watch_fd("recv", fd);
	return real(fd, data, size, flags);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
	REAL(send);
	if ((flags & MSG_DONTWAIT) == 0)
		watch_fd("send", fd);
	return real(fd, data, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	REAL(sendmsg);
	if ((flags & MSG_DONTWAIT) == 0)
		watch_fd("sendmsg", fd);
	return real(fd, message, flags);
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	REAL(poll);
	if (timeout_ms != 0)
		watch_note("poll");
	return real(fds, count, timeout_ms);
}

int select(int count, fd_set *restrict reads, fd_set *restrict writes,
    fd_set *restrict excepts, struct timeval *restrict timeout)
{
	REAL(select);
	watch_note("select");
	return real(count, reads, writes, excepts, timeout);
}

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
	REAL(nanosleep);
	watch_note("nanosleep");
	return real(wanted, left);
}

int usleep(useconds_t us)
{
	REAL(usleep);
	watch_note("usleep");
	return real(us);
}

/* ---- The loop -------------------------------------------------------- */

static struct evkv_store *open_by_name(struct rig *rig, bool tls)
{
	struct server *server = server_shared(SERVER_REDIS);
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store = evkv_redis_new(rig->loop,
	    &(struct evkv_redis_options){ .host = "localhost",
		.port = tls ? server->tls_port : server->port,
		.tls = tls,
		.tls_ca_file = tls ? server->ca_file : NULL,
		.password = SERVER_SHARED_PASSWORD,
		.db = server_shared_db(server) },
	    &error);

	check_str(error.message, "");
	return store;
}

static void check_nothing_blocks(bool tls)
{
	static char large[4 << 20];
	struct answer a[4] = { ANSWER_INIT, ANSWER_INIT, ANSWER_INIT,
		ANSWER_INIT };
	struct evkv_slice c = EVKV_LIT("c"), k = EVKV_LIT("k");
	struct evkv_store *store;
	struct rig rig;

	rig_open_real(&rig);
	store = open_by_name(&rig, tls);
	blocked[0] = '\0';
	connects = transfers = 0;
	watching = true;
	evkv_put(store, c, k, evkv_bytes(large, sizeof(large)), 0, answer_cb,
	    &a[0]);
	evkv_get(store, c, k, answer_cb, &a[1]);
	evkv_keys(store, c, EVKV_LIT("*"), EVKV_LIT(""), 0, answer_cb, &a[2]);
	rig_wait(&rig, &a[2].calls);
	evkv_store_close(store, 1000, answer_cb, &a[3]);
	rig_wait(&rig, &a[3].calls);
	watching = false;
	check_status(a[1].status, EVKV_OK);
	check_int(a[1].entries[0].bytes.size, sizeof(large));
	check_int(a[2].count, 1);
	check_str(blocked, "");
	/* The watch did see what there was to see. */
	check(connects >= 1);
	check(transfers > 0);
	evkv_store_unref(store);
	rig_close(&rig);
	for (int i = 0; i < 4; i++)
		answer_free(&a[i]);
}

EVKV_TEST(redis_nonblock, nothing_blocks_the_loop)
{
	check_nothing_blocks(false);
}

EVKV_TEST(redis_nonblock, nothing_blocks_the_loop_over_tls)
{
	check_nothing_blocks(true);
}

/* A name that nobody knows is looked for without holding the loop. */
EVKV_TEST(redis_nonblock, a_name_that_is_not_there)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct answer ready = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open_real(&rig);
	store = evkv_redis_new(rig.loop,
	    &(struct evkv_redis_options){
		.host = "no-such-host.invalid", .connect_timeout_ms = 1000 },
	    &error);
	check_str(error.message, "");
	blocked[0] = '\0';
	watching = true;
	evkv_store_wait_ready(store, -1, answer_cb, &ready);
	rig_wait(&rig, &ready.calls);
	watching = false;
	check_str(blocked, "");
	check_status(ready.status, EVKV_UNAVAILABLE);
	evkv_store_unref(store);
	rig_close(&rig);
	answer_free(&ready);
}

/* ---- The cache ------------------------------------------------------- */

#define HOT_GETS 1000

static unsigned hot_hits;

static void hot_cb(const struct evkv_result *result, void *arg)
{
	(void)arg;
	hot_hits += result->status == EVKV_OK &&
	    evkv_result_entry(result, 0)->bytes.size == 5;
}

/* From here on every system call but exit kills the process. */
static bool forbid_system_calls(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(filter[0]),
		.filter = filter,
	};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void hot_gets(struct evkv_store *store, unsigned count)
{
	struct evkv_slice key = EVKV_LIT("hot");

	for (unsigned i = 0; i < count; i++)
		evkv_submit(store,
		    &(struct evkv_request){ .kind = EVKV_OP_GET,
			.flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE,
			.collection = EVKV_LIT("c"),
			.count = 1,
			.keys = &key },
		    hot_cb, NULL);
}

EVKV_TEST(redis_nonblock, a_hot_get_makes_no_system_call)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;
	int status;
	pid_t pid;

#ifdef TEST_SANITIZED
	skip_test("sanitizers make system calls of their own");
#endif
	rig_open_real(&rig);
	store = open_by_name(&rig, false);
	store = evkv_passthrough_cache_new(store,
	    evkv_memory_new(rig.loop, NULL, &error), NULL, &error);
	check(store != NULL);
	evkv_put(store, EVKV_LIT("c"), EVKV_LIT("hot"), EVKV_LIT("value"), 0,
	    answer_cb, &a);
	rig_wait(&rig, &a.calls);
	for (hot_hits = 0; hot_hits < HOT_GETS; rig_turn_waiting(&rig))
		hot_gets(store, HOT_GETS - hot_hits);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		hot_hits = 0;
		/* It stands for the parent, whose loop it is. */
		rig.loop->forks = evkv__forks;
		if (!forbid_system_calls())
			_exit(2);
		hot_gets(store, HOT_GETS);
		_exit(hot_hits == HOT_GETS ? 0 : 1);
	}
	check(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		skip_test("this system lets nobody filter system calls");
	check_int(status, 0);
	evkv_store_unref(store);
	rig_close(&rig);
	answer_free(&a);
}
